//! `punchcard-publisher`: signs plugins, and lays them out as plain files for any web server or a USB stick.
//!
//! A program of its own, so that devices carry nothing that signs. What it makes is a repository of The Update Framework:
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

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match cli::Arguments::parse().run().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
