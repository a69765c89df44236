//! The sandbox: plugins as WebAssembly components, called with data and answering with data.
//!
//! What always holds here: a component that asks for more than the contract offers is refused when it is loaded; every
//! call gets a fresh instance and forgets it; its clocks and random numbers come from the call's context; it has a time
//! limit, a memory limit and a limit on what it returns. A value, an error that it returned, a trap, a deadline and an
//! answer that breaks the contract stay five different things ([`CallError`]).
//!
//! Deliberately unknown here: what a plugin is for, the ledger, the network, the configuration's file.

pub mod sandbox;

pub mod admission;
pub mod archive;
pub mod cache;
pub mod compiler;
mod contract;
mod engine;
pub mod file;
pub mod folder;
mod measure;

pub mod call;
pub mod confinement;
pub mod lender;
mod loaded;
pub mod tally;
mod text;
mod watchdog;

pub mod auth_policy;
pub mod connector;
pub mod formatter;
pub mod listing;
pub mod sensor;

pub use admission::{AdmissionError, Description};
pub use archive::ArchiveError;
pub use auth_policy::AuthPolicy;
pub use cache::fingerprint;
pub use call::CallError;
pub use compiler::Compiler;
pub use connector::{Connector, GivenBatch};
pub use contract::contract_versions;
pub use engine::CALLS;
pub use file::read_component;
pub use formatter::Formatter;
pub use listing::Listing;
pub use sandbox::{Admitted, LoadError, Plugin, Sandbox, SandboxError, describe};
pub use sensor::Sensor;
pub use tally::{Counted, Tally};
