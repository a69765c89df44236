//! A device for trials, whose Google is the stand-in's world, in one process and without a connection: tests only.
//!
//! What Drive and Sheets answer, the stand-in decides, which is strict and shares no code with the connector. Here is what
//! lies around it. Requests can be lost before or after they were carried out, be carried out late, or be answered by
//! something else; the host can die at any moment and then goes on with the state that was durable; a person edits.

mod file;
mod host;
mod person;
mod service;

pub(crate) use file::{Location, Metadata};
pub(crate) use host::{End, Host};
pub(crate) use service::{Fault, Google, Reply};
