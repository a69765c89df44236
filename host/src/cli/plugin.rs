//! `punchcard plugin`: what is done with plugins.

mod update;

use clap::{Args, Subcommand};

use super::DeviceArguments;
use super::exit::{Exit, Failure};

#[derive(Debug, Args)]
pub(super) struct PluginArguments {
    #[command(subcommand)]
    command: PluginCommand,
}

#[derive(Debug, Subcommand)]
enum PluginCommand {
    /// Have the running device look for new versions in the repositories of plugins.toml, and install the newest that fits.
    /// What it runs now runs on until a new version works.
    Update(update::UpdateArguments),
}

pub(super) fn plugin(device: &DeviceArguments, arguments: &PluginArguments) -> Result<Exit, Failure> {
    match &arguments.command {
        PluginCommand::Update(arguments) => update::update(device, arguments),
    }
}

pub(super) use update::render_repository;
