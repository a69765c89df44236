//! What an author of a Punchcard plugin uses.
//!
//! A plugin is a type that implements [`Formatter`], [`Connector`], [`AuthPolicy`], [`Sensor`] or [`Listing`] over typed settings and a
//! typed state, and one line that exports it:
//!
//! ```
//! use punchcard_sdk::{export_formatter, Cell, Column, ColumnKind, Context, Error, Event, Formatter, Verdict};
//!
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Settings {
//!     title: String,
//! }
//!
//! struct Tally;
//!
//! impl Formatter for Tally {
//!     type Settings = Settings;
//!     type State = u64; // how many so far
//!
//!     fn columns(settings: &Settings) -> Result<Vec<Column>, Error> {
//!         Ok(vec![Column { key: "count".into(), title: settings.title.clone(), kind: ColumnKind::Number }])
//!     }
//!
//!     fn format(_: &Settings, count: &mut u64, _: &Event, _: &Context) -> Result<Verdict, Error> {
//!         *count += 1;
//!         Ok(punchcard_sdk::row(vec![Cell::Number(*count as f64)]))
//!     }
//! }
//!
//! export_formatter!(Tally);
//! # fn main() {}
//! ```
//!
//! A plugin is called with data and returns data. It has no clock, no files, no network and remembers nothing but its
//! state; time and random bytes come with the [`Context`]. It can therefore be tested natively, by calling the trait's
//! functions from plain `cargo test`.

pub mod settings;
pub mod state;

mod moment;
mod reader;

pub mod answer;
pub mod backoff;
pub mod oauth;
pub mod quote;
pub mod retry_after;

pub mod auth_policy;
pub mod auth_policy_0_2;
pub mod connector;
pub mod formatter;
pub mod listing;
pub mod sensor;

pub mod log;

#[doc(hidden)]
pub mod bindings;
#[doc(hidden)]
pub mod panic;

pub use auth_policy::AuthPolicy;
pub use bindings::shared::punchcard::plugin::records::{Cell, Certainty, Column, ColumnKind, Event, Field, Row, Value};
pub use bindings::shared::punchcard::plugin::types::{Context, Error, Instant, Needs, Problem};
pub use connector::Connector;
pub use formatter::{Accepted, Formatter, Verdict, row};
pub use listing::Listing;
pub use sensor::Sensor;

/// HTTP as data: what a connector asks for and what came back.
pub mod http {
    pub use crate::bindings::shared::punchcard::plugin::http::{Content, Failure, Header, Method, Request, Response};
}
