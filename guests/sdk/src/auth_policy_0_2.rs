//! Auth policies of version 0.2 of the contract: those that need an assertion, which the host signs with a key that no plugin
//! sees, or a person's browser. Others are better made for version 0.1, which every host knows ([`crate::auth_policy`]).

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::auth_policy_0_2::exports::punchcard::plugin::auth_flow as exported;
pub use crate::bindings::auth_policy_0_2::exports::punchcard::plugin::auth_flow::{
    Algorithm, Assertion, ClientAuthentication, Directive, Form, FormField, FormValue, Lease, Parameter, Prompt,
    Refusal, Request, Slot, Status, Visit,
};
use crate::bindings::auth_policy_0_2::punchcard::plugin::http as newer;
use crate::http::{Failure, Header, Response};
use crate::settings::parse_settings;
use crate::state::{parse_state, render_state};
use crate::{Context, Error, Needs};

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Signal {
    /// The host has started, or this version of the plugin has just taken over.
    Started,
    /// An answer.
    Responded(Response),
    /// No answer was had.
    Failed(Failure),
    /// The wait is over.
    Elapsed,
    /// A person at the device asked to sign in, or to try again.
    SignIn,
    /// A person asked to sign out; with true, to revoke the grant as well.
    SignOut(bool),
    /// A server answered 401 to the access token of the current lease.
    TokenRefused,
    /// A person was let in with the browser. The `redirect_uri` with which the code has to be exchanged.
    Returned(String),
    /// The server sent the person back without a code.
    TurnedAway(Refusal),
}

impl From<exported::Signal> for Signal {
    fn from(signal: exported::Signal) -> Self {
        match signal {
            exported::Signal::Started => Self::Started,
            exported::Signal::Responded(response) => Self::Responded(convert_response(response)),
            exported::Signal::Failed(failure) => Self::Failed(convert_failure(failure)),
            exported::Signal::Elapsed => Self::Elapsed,
            exported::Signal::SignIn => Self::SignIn,
            exported::Signal::SignOut(revoke) => Self::SignOut(revoke),
            exported::Signal::TokenRefused => Self::TokenRefused,
            exported::Signal::Returned(redirect_uri) => Self::Returned(redirect_uri),
            exported::Signal::TurnedAway(refusal) => Self::TurnedAway(refusal),
        }
    }
}

fn convert_response(response: newer::Response) -> Response {
    let header = |header: newer::Header| Header { name: header.name, value: header.value };
    let headers = response.headers.into_iter().map(header).collect();
    Response { status: response.status, headers, body: response.body }
}

fn convert_failure(failure: newer::Failure) -> Failure {
    match failure {
        newer::Failure::Denied(said) => Failure::Denied(said),
        newer::Failure::Invalid(said) => Failure::Invalid(said),
        newer::Failure::Missing(said) => Failure::Missing(said),
        // Of a request that waited for a lease, as no policy's does.
        newer::Failure::SignedOut => Failure::Unsent("the grant was signed out".to_owned()),
        newer::Failure::Unsent(said) => Failure::Unsent(said),
        newer::Failure::Interrupted(said) => Failure::Interrupted(said),
        newer::Failure::TooLarge(bytes) => Failure::TooLarge(bytes),
    }
}

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
    fn needs(settings: &Self::Settings) -> Needs;

    /// Converts a state that an older version of this plugin wrote.
    fn migrate(_version: u32, _state: serde_json::Value) -> Option<Self::State> {
        None
    }
}

/// Exports an [`AuthPolicy`] as a component of version 0.2 of the contract.
#[macro_export]
macro_rules! export_auth_policy_0_2 {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::auth_policy_0_2::Export<$plugin>;
    $crate::bindings::auth_policy_0_2::export!(Exported with_types_in $crate::bindings::auth_policy_0_2);
        };
    };
}

#[doc(hidden)]
pub struct Export<T>(PhantomData<T>);

impl<T: AuthPolicy> exported::Guest for Export<T> {
    fn check(settings: String) -> Result<(), Error> {
        crate::panic::log_panics_0_2();
        T::check(&parse_settings(&settings)?)
    }

    fn step(
        settings: String,
        state: Vec<u8>,
        signal: exported::Signal,
        slots: Vec<Slot>,
        context: Context,
    ) -> Result<exported::Outcome, Error> {
        crate::panic::log_panics_0_2();
        let settings = parse_settings(&settings)?;
        let mut state = parse_state(&state, T::STATE_VERSION, T::migrate)?;
        let Step { status, forget, next } = T::step(&settings, &mut state, signal.into(), &slots, &context)?;
        Ok(exported::Outcome { state: render_state(&state, T::STATE_VERSION)?, status, forget, next })
    }

    fn list_needs(settings: String) -> Result<Needs, Error> {
        crate::panic::log_panics_0_2();
        Ok(T::needs(&parse_settings(&settings)?))
    }
}
