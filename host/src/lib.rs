//! The native host: what touches the network, the clock and the keys, and where that meets the ledger, the panel and the
//! sandbox, each a crate of its own.
//!
//! `main -> cli -> app -> {adapters, ledger, panel, sandbox} -> core`. They do not know one another; they meet in `app`.

pub mod browser;
pub mod clock;
pub mod gpio;
pub mod hardware;
pub mod http;
pub mod input;
pub mod machine;
mod output;
mod signature;
pub mod vault;

pub mod app;

pub mod cli;
