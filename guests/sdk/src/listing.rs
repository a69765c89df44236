//! Listings: what a person chooses from, fetched from a service. They are plugins of version 0.2 of the contract.
//!
//! What a person should know goes into [`Directive::Unavailable`]; [`crate::log`] is for those who develop the plugin.

pub mod service;

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use crate::bindings::listing::exports::punchcard::plugin::item_list::Item;
use crate::bindings::listing::exports::punchcard::plugin::item_list::{self as wit, Guest, Outcome};
use crate::bindings::listing::punchcard::plugin::http as wit_http;
use crate::http::{Header, Method, Request, Response};
use crate::settings::parse_settings;
use crate::state::{parse_state, render_state};
use crate::{Context, Error, Needs, Problem};

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Signal {
    /// A fetch begins.
    Started,
    /// A request was answered.
    Responded(Response),
    /// A request was not answered.
    Failed(Failure),
    /// The wait is over.
    Elapsed,
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// It may not leave, or is not one that can be sent: trying again does not help. What the host says of it.
    Refused(String),
    /// Nobody is signed in any more.
    SignedOut,
    /// The network: trying again may help. What the host says of it.
    Broken(String),
    /// The answer has more than so many bytes.
    TooLarge(u64),
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Directive {
    /// Send a GET or HEAD.
    Send(Request),
    /// Wait for so many milliseconds.
    Wait(u64),
    /// The whole list.
    Done(Vec<Item>),
    /// There is no list this time; the last one stays.
    Unavailable(Problem),
}

/// Fetches a list of items to choose from, as a step machine: what happened goes in, what to do next comes out.
pub trait Listing {
    /// `items.settings` of the choice in plugins.toml.
    type Settings: DeserializeOwned;
    /// What is remembered from one step of a fetch to the next; the default when a fetch begins.
    type State: Serialize + DeserializeOwned + Default;

    /// Whether these settings can work.
    ///
    /// # Errors
    /// [`Error::InvalidSettings`] when they can't.
    fn check(settings: &Self::Settings) -> Result<(), Error>;

    /// What these settings need from plugins.toml, so that a device that can never work is refused before it starts.
    fn needs(settings: &Self::Settings) -> Needs;

    /// One step.
    fn step(settings: &Self::Settings, state: &mut Self::State, signal: Signal, context: &Context) -> Directive;
}

/// Exports a [`Listing`] as a component.
#[macro_export]
macro_rules! export_listing {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::listing::Export<$plugin>;
    $crate::bindings::listing::export!(Exported with_types_in $crate::bindings::listing);
        };
    };
}

/// A state lives for one fetch, and no other version reads it.
const STATE_VERSION: u32 = 1;

#[doc(hidden)]
pub struct Export<T>(PhantomData<T>);

impl<T: Listing> Guest for Export<T> {
    fn check(settings: String) -> Result<(), Error> {
        crate::panic::log_panics_0_2();
        T::check(&parse_settings(&settings)?)
    }

    fn list_needs(settings: String) -> Result<Needs, Error> {
        crate::panic::log_panics_0_2();
        Ok(T::needs(&parse_settings(&settings)?))
    }

    fn step(settings: String, state: Vec<u8>, signal: wit::Signal, context: Context) -> Result<Outcome, Error> {
        crate::panic::log_panics_0_2();
        let settings = parse_settings(&settings)?;
        let mut state = parse_state(&state, STATE_VERSION, |_, _| None)?;
        let next = T::step(&settings, &mut state, signal.into(), &context);
        Ok(Outcome { state: render_state(&state, STATE_VERSION)?, next: next.into() })
    }
}

impl From<wit::Signal> for Signal {
    fn from(from: wit::Signal) -> Self {
        match from {
            wit::Signal::Started => Self::Started,
            wit::Signal::Responded(wit_http::Response { status, headers, body }) => {
                let header = |wit_http::Header { name, value }| Header { name, value };
                Self::Responded(Response { status, headers: headers.into_iter().map(header).collect(), body })
            }
            wit::Signal::Failed(failure) => Self::Failed(failure.into()),
            wit::Signal::Elapsed => Self::Elapsed,
        }
    }
}

impl From<wit_http::Failure> for Failure {
    fn from(from: wit_http::Failure) -> Self {
        match from {
            wit_http::Failure::Denied(why) | wit_http::Failure::Invalid(why) => Self::Refused(why),
            wit_http::Failure::Missing(slot) => Self::Refused(format!("the secret `{slot}` is not there")),
            wit_http::Failure::SignedOut => Self::SignedOut,
            wit_http::Failure::Unsent(why) | wit_http::Failure::Interrupted(why) => Self::Broken(why),
            wit_http::Failure::TooLarge(bytes) => Self::TooLarge(bytes),
        }
    }
}

impl From<Directive> for wit::Directive {
    fn from(from: Directive) -> Self {
        match from {
            Directive::Send(request) => Self::Send(request.into()),
            Directive::Wait(milliseconds) => Self::Wait(milliseconds),
            Directive::Done(items) => Self::Done(items),
            Directive::Unavailable(problem) => Self::Unavailable(problem),
        }
    }
}

impl From<Request> for wit_http::Request {
    fn from(from: Request) -> Self {
        let Request { method, url, headers, body, authorized, idempotent, timeout_ms } = from;
        let method = match method {
            Method::Get => wit_http::Method::Get,
            Method::Head => wit_http::Method::Head,
            Method::Post => wit_http::Method::Post,
            Method::Put => wit_http::Method::Put,
            Method::Patch => wit_http::Method::Patch,
            Method::Delete => wit_http::Method::Delete,
        };
        let header = |Header { name, value }| wit_http::Header { name, value };
        let headers = headers.into_iter().map(header).collect();
        let body = body.map(|body| wit_http::Content { media_type: body.media_type, bytes: body.bytes });
        Self { method, url, headers, body, authorized, idempotent, timeout_ms }
    }
}
