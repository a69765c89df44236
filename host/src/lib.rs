//! The native host: what touches the disk, the network, the clock, the panel and the sandbox.
//!
//! `main -> app -> {adapters, wasm} -> core`. The adapters and `wasm` do not know one another; they meet in `app`.

pub mod clock;
pub mod http;
pub mod input;
pub mod ledger;
pub mod panel;
pub mod vault;

pub mod wasm;

pub mod app;

pub mod cli;
