//! Where the adapters and the sandbox meet: a device, put together from a configuration.
//!
//! Decisions stand in `punchcard-core`; here they are carried out, in the order that the promises need. Each part is one
//! file: how it is assembled, what it keeps true while it runs, and what becomes of the rest when it fails.

pub mod configuration;

pub mod assembly;
pub mod device;
pub mod fault;
pub mod lifecycle;
pub mod state_folder;

mod io;
mod opening;

mod material;
mod part;
pub mod plugin;
mod supervisor;
mod update;
mod watch;

mod intake;
mod known_time;

mod listing;
mod sensor;

mod formatting;
pub mod replay;

mod delivery;
mod grant;
pub mod lone_grant;
mod reconcile;

mod alerting;
mod announcement;
mod display;
mod metrics;
mod trouble;

mod pruning;

pub mod checkup;
pub mod trial;

mod answer;
pub mod control;
mod report;
mod service;
pub mod status;

pub(crate) mod error_chain;
pub(crate) mod file;
mod timer;

#[cfg(test)]
mod fixture;
