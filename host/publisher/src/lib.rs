//! Signs plugins, and lays them out as plain files for any web server or a USB stick.
//!
//! It is a program of its own, so that devices carry nothing that signs; this is all of it but its beginning. What it makes is a repository of The Update Framework:
//! the keys stay in the publisher's folder, what is served is the folder `repository` in it.

mod workshop;

mod key;

mod component;

mod staging;

mod signing;

mod rotation;

mod renewal;

mod checking;

mod cli;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

/// Does what a command line asks for, as `punchcard-publisher` does.
///
/// # Errors
/// What kept it from being done.
pub async fn run<T: Into<OsString> + Clone>(arguments: impl IntoIterator<Item = T>) -> anyhow::Result<ExitCode> {
    cli::Arguments::try_parse_from(arguments)?.run().await
}
