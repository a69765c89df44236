//! Auth policies: getting, keeping and giving up access to an account.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use crate::bindings::auth_policy::exports::punchcard::plugin::auth_flow::{
    ClientAuthentication, Directive, Form, FormField, FormValue, Lease, Prompt, Request, Signal, Slot, Status,
};
use crate::bindings::auth_policy::exports::punchcard::plugin::auth_flow::{Guest, Outcome};
use crate::settings::parse_settings;
use crate::state::{parse_state, render_state};
use crate::{Context, Error, Needs};

/// What a step leads to. The state beside it is durable before anything of this is done.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// To show.
    pub status: Status,
    /// Slots to erase before `next` is done.
    pub forget: Vec<String>,
    /// What to do.
    pub next: Directive,
}

/// The policy by which a device gets, keeps and gives up access to an account, as a step machine.
pub trait AuthPolicy {
    /// The grant's `settings` in plugins.toml.
    type Settings: DeserializeOwned;
    /// What is remembered from one step to the next, over restarts. Secrets live in slots, never here.
    type State: Serialize + DeserializeOwned + Default;

    /// Counts up when the meaning of `State` changes.
    const STATE_VERSION: u32 = 1;

    /// Whether these settings can work.
    ///
    /// # Errors
    /// [`Error::InvalidSettings`] when they can't.
    fn check(settings: &Self::Settings) -> Result<(), Error>;

    /// One step. After a trap, an error or a restart the next signal is [`Signal::Started`].
    ///
    /// # Errors
    /// When the step can't be carried out. Never for what the server answered.
    fn step(
        settings: &Self::Settings,
        state: &mut Self::State,
        signal: Signal,
        slots: &[Slot],
        context: &Context,
    ) -> Result<Step, Error>;

    /// What these settings need from plugins.toml, so that a device that can never work is refused before it starts.
    fn needs(_settings: &Self::Settings) -> Needs {
        Needs { urls: Vec::new(), slots: Vec::new(), authorization: false }
    }

    /// Converts a state that an older version of this plugin wrote.
    fn migrate(_version: u32, _state: serde_json::Value) -> Option<Self::State> {
        None
    }
}

/// Exports an [`AuthPolicy`] as a component.
#[macro_export]
macro_rules! export_auth_policy {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::auth_policy::Export<$plugin>;
    $crate::bindings::auth_policy::export!(Exported with_types_in $crate::bindings::auth_policy);
        };
    };
}

#[doc(hidden)]
pub struct Export<T>(PhantomData<T>);

impl<T: AuthPolicy> Guest for Export<T> {
    fn check(settings: String) -> Result<(), Error> {
        crate::panic::log_panics();
        T::check(&parse_settings(&settings)?)
    }

    fn step(
        settings: String,
        state: Vec<u8>,
        signal: Signal,
        slots: Vec<Slot>,
        context: Context,
    ) -> Result<Outcome, Error> {
        crate::panic::log_panics();
        let settings = parse_settings(&settings)?;
        let mut state = parse_state(&state, T::STATE_VERSION, T::migrate)?;
        let Step { status, forget, next } = T::step(&settings, &mut state, signal, &slots, &context)?;
        Ok(Outcome { state: render_state(&state, T::STATE_VERSION)?, status, forget, next })
    }

    fn list_needs(settings: String) -> Result<Needs, Error> {
        crate::panic::log_panics();
        Ok(T::needs(&parse_settings(&settings)?))
    }
}
