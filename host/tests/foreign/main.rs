//! A whole device against authorization servers that nobody here wrote: libraries from npm and PyPI, configured and no more by
//! the scripts in `servers`.
//!
//! `cargo xtask test foreign-servers` installs them and says in `PUNCHCARD_FOREIGN_SERVERS` where. Without that variable each
//! test says that it was skipped. What went over the wire stands in `transcripts` beside the servers, without its secrets.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that can not go on has failed")]

mod bench;
mod person;
mod server;
mod transcript;

mod authlib;
mod oidc_provider;
mod toolkit;
