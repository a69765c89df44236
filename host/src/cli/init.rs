//! `punchcard init`: a few questions, each with what was found as its default, and then plugins.toml.
//!
//! `conversation` asks, `questions` knows what, `destination` writes. What the file says stands in `core::setup`, and what a
//! part does while it is tried in `app::trial`. What always holds: no file is overwritten, and the secret goes to a file of
//! its own alone.

mod conversation;
mod destination;
mod questions;

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use clap::Args;
use punchcard_core::config::parse_configuration;
use punchcard_core::setup::client::{Client, parse_client};
use punchcard_core::setup::render_configuration;

use super::exit::{Exit, Failure};
use super::output::print_line;
use super::{DeviceArguments, small_runtime};
use crate::app::configuration::Source;
use crate::app::control::may_run;
use crate::app::trial::Board;
use crate::machine::Machine;
use conversation::Conversation;
pub(super) use destination::write_secret;
use destination::{Destination, choose_secret_file};
use questions::{Found, ask_all, find_missing};

/// How a Google client is made.
const MANUAL_PAGE: &str = "the manual, under The Google client (/usr/share/doc/punchcard/google-console.md),";

/// How it is asked.
#[derive(Debug, Clone, Args)]
pub(super) struct InitArguments {
    /// Ask nothing: take what is found, as where there is no terminal.
    #[arg(long)]
    defaults: bool,
    /// The JSON that the Google Cloud console lets you download for a client.
    #[arg(long, value_name = "FILE")]
    client: Option<PathBuf>,
}

/// Asks, and writes the file.
pub(super) fn init(device: &DeviceArguments, arguments: &InitArguments) -> Result<Exit, Failure> {
    if !arguments.defaults && !io::stdin().is_terminal() {
        return Err(Failure::general("nobody can be asked; --defaults takes what is found"));
    }
    // Everything that can refuse does so before a question is asked.
    let destination = Destination::plan(&device.config).map_err(Failure::general)?;
    let client = arguments.client.as_deref().map(read_client).transpose()?;
    let board = Board::find(small_runtime()?.block_on(may_run(&device.state)));
    let found = find(device, &destination, &board);
    let (input, output) = (io::stdin().lock(), anstream::stdout());
    let mut conversation = Conversation::new(input, output, !arguments.defaults);
    let mut asked = ask_all(&mut conversation, &found, &board, client).map_err(Failure::general)?;
    if let (Some(secret), Some(google)) = (&asked.secret, &mut asked.answers.google) {
        google.secret_file = choose_secret_file(destination.folder(), secret);
    }
    let text = render_configuration(&asked.answers);
    if let Err(errors) = parse_configuration(&text) {
        let source = Source { path: destination.path().to_owned(), text };
        return Err(Failure::with(Exit::Configuration, source.render(&errors)));
    }
    // The secret first: a configuration whose secret is missing would be said to be wrong.
    if let (Some(secret), Some(google)) = (&asked.secret, &asked.answers.google) {
        let path = device.config.with_file_name(&google.secret_file);
        write_secret(&path, secret, &device.state).map_err(Failure::general)?;
        print_line(format_args!("The secret is in {}, for the device alone.", path.display()))?;
    }
    destination.write(&text, &device.state).map_err(Failure::general)?;
    say_what_is_next(device, &destination, asked.answers.google.is_some())?;
    let missing = find_missing(destination.folder(), &asked.answers.plugins);
    if !missing.is_empty() {
        print_line(format_args!(
            "In {} there is no {}: put the plugins there, or name their folder in `[plugins]`. In the project's tree, `cargo xtask \
             guests` makes them, in target/guests.",
            asked.answers.plugins,
            missing.join(", ")
        ))?;
    }
    Ok(Exit::Success)
}

fn read_client(path: &Path) -> Result<Client, Failure> {
    let failed = |error: String| Failure::general(format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    parse_client(&text).map_err(|error| failed(error.to_string()))
}

fn find(device: &DeviceArguments, destination: &Destination, board: &Board) -> Found {
    let machine = Machine::here();
    let before = Source::read(&device.config).ok().and_then(|source| parse_configuration(&source.text).ok());
    // What the package brought is nobody's answer.
    let before = before.filter(|_| destination.is_beside());
    Found {
        host_name: machine.host_name(),
        time_zone: machine.time_zone(),
        bus: board.header_bus(),
        has_header: board.has_header(),
        input_devices: board.input_devices(),
        is_installed: device.is_installed(),
        folder: destination.folder().to_owned(),
        before,
    }
}

fn say_what_is_next(device: &DeviceArguments, destination: &Destination, has_google: bool) -> Result<(), Failure> {
    let (path, config) = (destination.path().display(), device.config.display());
    if let Some(aside) = destination.aside() {
        print_line(format_args!("What the package had brought is in {} now.", aside.display()))?;
    }
    print_line(format_args!("{path} is written."))?;
    let sudo = if device.is_installed() { "sudo " } else { "" };
    if destination.is_beside() {
        print_line(format_args!(
            "{config} is as it was. What was not asked is not in the new one, such as sensors, outputs, people, and further inputs \
             and sinks. Compare them, keep the old one, and take the new one up:"
        ))?;
        print_line(format_args!("  {sudo}diff {config} {path}"))?;
        print_line(format_args!("  {sudo}cp --preserve=all {config} {config}.old"))?;
        print_line(format_args!("  {sudo}mv {path} {config}"))?;
        return Ok(());
    }
    print_line("Next:")?;
    print_line(format_args!("  {sudo}punchcard check       says whether everything is right"))?;
    if device.is_installed() {
        print_line("  sudo systemctl restart punchcard")?;
        print_line("  sudo punchcard status      shows the code to sign in with, as the panel does")?;
    } else {
        print_line("  punchcard run         starts the device")?;
    }
    if !has_google {
        print_line(format_args!(
            "Rows go nowhere yet: {MANUAL_PAGE} says how to make a Google client. Then run this again."
        ))?;
    }
    Ok(())
}
