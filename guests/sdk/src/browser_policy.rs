//! Auth policies that send a person to a server with a browser: those of version 0.2 of the contract.
//!
//! The host owns what proves that an answer belongs to a visit: `state`, the verifier, the code. A policy says where to go and
//! with which parameters, and names slots when it exchanges the code. Such a policy logs with [`Step::notes`]:
//! [`crate::log`] is version 0.1 of the contract, and the host takes no component that mixes versions.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::browser_policy::exports::punchcard::plugin::auth_flow::{self as wit, Guest, Outcome};
pub use crate::bindings::browser_policy::exports::punchcard::plugin::auth_flow::{
    ClientAuthentication, Directive, Form, FormField, FormValue, Lease, Parameter, Prompt, Refusal, Request, Slot,
    Status, Visit,
};
use crate::bindings::browser_policy::punchcard::plugin::http as wit_http;
#[cfg(target_arch = "wasm32")]
use crate::bindings::browser_policy::punchcard::plugin::logging;
use crate::http::{Failure, Header, Response};
use crate::log::Level;
use crate::settings::parse_settings;
use crate::state::{parse_state, render_state};
use crate::{Context, Error, Needs};

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Signal {
    /// The host has started, or this version of the plugin has just taken over.
    Started,
    /// A request was answered.
    Responded(Response),
    /// A request was not answered.
    Failed(Failure),
    /// The wait is over.
    Elapsed,
    /// A person asked to sign in, or to try again.
    SignIn,
    /// A person asked to sign out; with true, to revoke the grant as well.
    SignOut(bool),
    /// A server answered 401 to the access token of the current lease.
    TokenRefused,
    /// A person was let in with the browser: the slots `authorization-code` and `code-verifier` are filled. This is the
    /// `redirect_uri` with which the code has to be exchanged (RFC 6749 §4.1.3).
    Returned(String),
    /// The server sent the person back without a code.
    TurnedAway(Refusal),
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
    /// Lines for the log.
    pub notes: Vec<(Level, String)>,
}

/// The policy by which a device gets, keeps and gives up access to an account with a person's browser, as a step machine.
pub trait BrowserPolicy {
    /// The grant's `settings` in plugins.toml.
    type Settings: DeserializeOwned;
    /// What is remembered from one step to the next, over restarts. Secrets live in slots, never here.
    type State: Serialize + DeserializeOwned + Default;

    /// Counts up when the meaning of `State` changes.
    const STATE_VERSION: u32 = 1;

    /// One step. After a trap, an error or a restart the next signal is [`Signal::Started`].
    fn step(
        settings: &Self::Settings,
        state: &mut Self::State,
        signal: Signal,
        slots: &[Slot],
        context: &Context,
    ) -> Step;

    /// What these settings need from plugins.toml, so that a device that can never work is refused before it starts.
    fn needs(settings: &Self::Settings) -> Needs;

    /// Converts a state that an older version of this plugin wrote.
    fn migrate(_version: u32, _state: serde_json::Value) -> Option<Self::State> {
        None
    }
}

/// Exports a [`BrowserPolicy`] as a component.
#[macro_export]
macro_rules! export_browser_policy {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::browser_policy::Export<$plugin>;
    $crate::bindings::browser_policy::export!(Exported with_types_in $crate::bindings::browser_policy);
        };
    };
}

#[doc(hidden)]
pub struct Export<T>(PhantomData<T>);

impl<T: BrowserPolicy> Guest for Export<T> {
    fn check(settings: String) -> Result<(), Error> {
        log_panics();
        parse_settings::<T::Settings>(&settings).map(drop)
    }

    fn step(
        settings: String,
        state: Vec<u8>,
        signal: wit::Signal,
        slots: Vec<Slot>,
        context: Context,
    ) -> Result<Outcome, Error> {
        log_panics();
        let settings = parse_settings(&settings)?;
        let mut state = parse_state(&state, T::STATE_VERSION, T::migrate)?;
        let Step { status, forget, next, notes } = T::step(&settings, &mut state, signal.into(), &slots, &context);
        for (level, text) in &notes {
            log(*level, text);
        }
        Ok(Outcome { state: render_state(&state, T::STATE_VERSION)?, status, forget, next })
    }

    fn list_needs(settings: String) -> Result<Needs, Error> {
        log_panics();
        Ok(T::needs(&parse_settings(&settings)?))
    }
}

impl From<wit::Signal> for Signal {
    fn from(signal: wit::Signal) -> Self {
        match signal {
            wit::Signal::Started => Self::Started,
            wit::Signal::Responded(response) => Self::Responded(response.into()),
            wit::Signal::Failed(failure) => Self::Failed(failure.into()),
            wit::Signal::Elapsed => Self::Elapsed,
            wit::Signal::SignIn => Self::SignIn,
            wit::Signal::SignOut(revoke) => Self::SignOut(revoke),
            wit::Signal::TokenRefused => Self::TokenRefused,
            wit::Signal::Returned(redirect_uri) => Self::Returned(redirect_uri),
            wit::Signal::TurnedAway(refusal) => Self::TurnedAway(refusal),
        }
    }
}

impl From<wit_http::Response> for Response {
    fn from(response: wit_http::Response) -> Self {
        let header = |header: wit_http::Header| Header { name: header.name, value: header.value };
        let headers = response.headers.into_iter().map(header).collect();
        Self { status: response.status, headers, body: response.body }
    }
}

impl From<wit_http::Failure> for Failure {
    fn from(failure: wit_http::Failure) -> Self {
        match failure {
            wit_http::Failure::Denied(said) => Self::Denied(said),
            wit_http::Failure::Invalid(said) => Self::Invalid(said),
            wit_http::Failure::Missing(slot) => Self::Missing(slot),
            // Of requests that wait for a lease; a policy has none of these.
            wit_http::Failure::SignedOut => Self::Unsent("nobody is signed in".to_owned()),
            wit_http::Failure::Unsent(said) => Self::Unsent(said),
            wit_http::Failure::Interrupted(said) => Self::Interrupted(said),
            wit_http::Failure::TooLarge(bytes) => Self::TooLarge(bytes),
        }
    }
}

fn log_panics() {
    #[cfg(target_arch = "wasm32")]
    crate::panic::log_panics_with(|text| log(Level::Error, text));
}

fn log(level: Level, text: &str) {
    #[cfg(target_arch = "wasm32")]
    {
        let level = match level {
            Level::Debug => logging::Level::Debug,
            Level::Info => logging::Level::Info,
            Level::Warn => logging::Level::Warn,
            Level::Error => logging::Level::Error,
        };
        logging::log(level, text);
    }
    #[cfg(not(target_arch = "wasm32"))]
    eprintln!("{level:?}: {text}");
}
