//! Signs a device in with the OAuth 2.0 device authorization grant: a code on the panel, which a person enters
//! elsewhere.
//!
//! Made for RFC 8628, with Google's dialect as `provider = "google"`. It never sees a token: the host keeps them in
//! slots, which requests name. It knows nothing of panels, of sheets, or of what the access is for.
//!
//! The machine, as far as a person notices it:
//!
//! ```text
//!   fresh ──> discovering ──> requesting code ──> awaiting person ──> authorized <──> renewing
//!                                    ^                   │                              │
//!                                    └── a person asks ──┴──────> blocked <─────────────┘
//! ```
//!
//! and from everywhere to signed out, when a person wants it.
//!
//! `turn` acts; what it reads with and remembers stands in the modules before it, which do not know it.

mod scope;
mod slot;
mod well_known;

mod settings;

mod form;

mod code;
mod metadata;

mod state;

mod turn;

use punchcard_sdk::auth_policy::{Signal, Slot, Step};
use punchcard_sdk::log::log;
use punchcard_sdk::oauth::{address, answer, client_id, pace, problem, refusal, token};
use punchcard_sdk::{AuthPolicy, Context, Error, Needs, export_auth_policy};

pub use settings::Settings;
pub use state::State;

/// The policy.
pub struct DeviceFlow;

impl AuthPolicy for DeviceFlow {
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

export_auth_policy!(DeviceFlow);
