//! Signs a device in with the key of a service account: no person, and no sign-in that ends.
//!
//! Made for RFC 7523 §2.1 as Google has it, and as others read it. The host signs a statement of whose the device is and what it asks for, with a key
//! that never comes here, and the server gives an access token for an hour or so; there is no refresh token, for the next
//! statement does its work. It knows nothing of sheets, or of what the access is for.
//!
//! ```text
//!   fresh ──> asking <──> authorized
//!               ^ │
//!               │ v
//!             blocked, and asked again by itself where somebody may mend it at the server
//! ```
//!
//! and from everywhere to signed out, when a person wants it.

mod settings;

mod problem;

mod answer;

mod state;

mod turn;

use punchcard_sdk::auth_policy_0_2::{AuthPolicy, Signal, Slot, Step};
use punchcard_sdk::log::log;
use punchcard_sdk::{Context, Error, Needs, export_auth_policy_0_2};

pub use settings::Settings;
pub use state::State;

/// The policy.
pub struct ServiceAccount;

impl AuthPolicy for ServiceAccount {
    type Settings = Settings;
    type State = State;

    fn check(settings: &Settings) -> Result<(), Error> {
        settings.check()
    }

    fn step(
        settings: &Settings,
        state: &mut State,
        signal: Signal,
        slots: &[Slot],
        context: &Context,
    ) -> Result<Step, Error> {
        let mut turn = turn::Turn::new(settings, state, slots, context);
        let next = turn.take(signal);
        for (level, text) in &turn.notes {
            log(*level, text);
        }
        Ok(Step { status: turn.status(), forget: turn.forgotten, next })
    }

    fn needs(settings: &Settings) -> Needs {
        Needs { urls: vec![settings.token_url.clone()], slots: vec![turn::KEY.to_owned()], authorization: false }
    }
}

export_auth_policy_0_2!(ServiceAccount);
