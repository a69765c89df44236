//! Signs a device in with a person's browser: the authorization code grant of OAuth 2.0 with PKCE, for apps of a device
//! (RFC 6749 §4.1, RFC 7636, RFC 8252).
//!
//! The host owns `state`, the verifier and the code, listens for the browser and compares `iss` (RFC 9207). This policy says
//! where the browser goes, exchanges the code by its slot's name, and keeps and gives up what that brings. It never sees a
//! token, a code or a verifier.
//!
//! ```text
//!   fresh ──> awaiting browser ──> exchanging ──> authorized <──> renewing
//!                   ^    │              │                            │
//!    a person asks ─┘    └──────────────┴───────> blocked <──────────┘
//! ```
//!
//! and from everywhere to signed out, when a person wants it.

mod settings;
mod state;

mod turn;

use punchcard_sdk::auth_policy_0_2::{AuthPolicy, Signal, Slot, Step};
use punchcard_sdk::log::log;
use punchcard_sdk::{Context, Error, Needs, export_auth_policy_0_2};

pub use settings::Settings;
pub use state::State;

/// The policy.
pub struct WebFlow;

impl AuthPolicy for WebFlow {
    type Settings = Settings;
    type State = State;

    /// Settings that can be read are valid: [`Settings`] judges every key.
    fn check(_: &Settings) -> Result<(), Error> {
        Ok(())
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
        settings.needs()
    }
}

export_auth_policy_0_2!(WebFlow);
