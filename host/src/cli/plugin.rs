//! `punchcard plugin`: for those who write plugins. Each subcommand is one file.

mod new;
mod test;

use clap::Subcommand;

use super::exit::{Exit, Failure};

#[derive(Debug, Subcommand)]
pub(super) enum PluginCommand {
    /// Begin a plugin: a folder of its own that builds with one command, with a test.
    New(new::NewArguments),
    /// Try a plugin without a device: a formatter's rows for the events of a file, a connector's dialogue with a server that
    /// answers by a script, what a sensor says when nothing is lent to it.
    Test(test::TestArguments),
}

pub(super) fn plugin(command: &PluginCommand) -> Result<Exit, Failure> {
    match command {
        PluginCommand::New(arguments) => new::new(arguments),
        PluginCommand::Test(arguments) => test::test(arguments),
    }
}
