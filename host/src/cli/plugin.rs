//! `punchcard plugin`: what is done with plugins, on a device and by those who write them. Each subcommand is one file.

mod new;
mod test;
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
    /// Begin a plugin: a folder of its own that builds with one command, with a test.
    New(new::NewArguments),
    /// Try a plugin without a device: a formatter's rows for the events of a file, a connector's dialogue with a server that
    /// answers by a script, what a sensor says when nothing is lent to it.
    Test(test::TestArguments),
    /// Have the running device look for new versions in the repositories of plugins.toml, and install the newest that fits.
    /// What it runs now runs on until a new version works.
    Update(update::UpdateArguments),
}

impl PluginArguments {
    /// Whether it is for those who write plugins, and who have no device.
    pub(super) fn is_without_device(&self) -> bool {
        matches!(self.command, PluginCommand::New(_) | PluginCommand::Test(_))
    }
}

pub(super) fn plugin(device: &DeviceArguments, arguments: &PluginArguments) -> Result<Exit, Failure> {
    match &arguments.command {
        PluginCommand::New(arguments) => new::new(arguments),
        PluginCommand::Test(arguments) => test::test(arguments),
        PluginCommand::Update(arguments) => update::update(device, arguments),
    }
}

pub(super) use update::render_repository;
