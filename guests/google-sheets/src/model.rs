//! A small strict model of Drive and Sheets, and of a host that drives the connector: tests only.
//!
//! The service refuses, by a panic, whatever a real one would not know. Requests can be lost before or after they were
//! carried out, be carried out late, or be answered with errors; the host can die at any moment and then goes on with the
//! state that was durable.

mod file;
mod host;
mod person;
mod service;

pub(crate) use file::{Location, Metadata};
pub(crate) use host::{End, Host};
pub(crate) use service::{Fault, Google, Reply};
