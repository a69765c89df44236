//! `punchcard plugin`: which plugins there are, in which versions, and what a person decides of them; and what those do who
//! write plugins. Each subcommand is one file.
//!
//! The running device decides what runs; these commands put files where it looks, change plugins.toml, or ask it.

mod add;
mod approve;
mod change;
mod diff;
mod edit;
mod file;
mod inspection;
mod list;
mod new;
mod remove;
mod show;
mod test;
mod update;

use clap::{Args, Subcommand};

use super::exit::{Exit, Failure};
use super::output::print;
use super::status::unexpected;
use super::{DeviceArguments, reload, small_runtime};
use crate::app::control::{Answer, PluginQuestion, Question, ask};

#[derive(Debug, Args)]
pub(super) struct PluginArguments {
    #[command(subcommand)]
    command: PluginCommand,
}

#[derive(Debug, Subcommand)]
enum PluginCommand {
    /// List the plugins: which version of each runs, since when, whence, and how its calls go.
    List(list::ListArguments),
    /// Say all that is known of a plugin, with its earlier versions.
    Show(show::ShowArguments),
    /// Put a component where the device looks for plugins, and name it in plugins.toml. Says what it is, and asks first. A plugin
    /// of that name is replaced.
    Add(add::AddArguments),
    /// Take a plugin out of plugins.toml that no grant, sink or sensor uses. Asks first.
    Remove(remove::RemoveArguments),
    /// Show what the rows of the last events would be with another version of a formatter, where they would be different.
    Diff(diff::DiffArguments),
    /// Grant a new version what it needs and is not granted yet: writes it into plugins.toml. Asks first.
    Approve(approve::ApproveArguments),
    /// Go back to the version before. That of the file does not run again until another file is there.
    Rollback {
        /// The plugin.
        name: String,
    },
    /// Have a plugin stay in the version that it has, whatever becomes of its file.
    Pin {
        /// The plugin.
        name: String,
    },
    /// Have a plugin follow its file again.
    Unpin {
        /// The plugin.
        name: String,
    },
    /// Have a version tried again that proved bad, or that somebody went back from.
    Allow {
        /// The beginning of the SHA-256 of its component, as `plugin show` lists it.
        digest: String,
    },
    /// Have the running device look for new versions in the repositories of plugins.toml, and install the newest that fits.
    /// What it runs now runs on until a new version works.
    Update(update::UpdateArguments),
    /// Look at the component on the standard input, for `add` and `approve`, which do nothing with one themselves.
    #[command(hide = true)]
    Inspect(inspection::InspectArguments),
    /// Begin a plugin: a folder of its own that builds with one command, with a test.
    New(new::NewArguments),
    /// Try a plugin without a device: a formatter's rows for the events of a file, a connector's dialogue with a server that
    /// answers by a script, what a sensor says when nothing is lent to it.
    Test(test::TestArguments),
}

impl PluginArguments {
    /// Whether it is done with a device, and not by who writes plugins.
    pub(super) fn is_of_device(&self) -> bool {
        !matches!(self.command, PluginCommand::New(_) | PluginCommand::Test(_))
    }

    /// Whether it gives up root's rights by itself, once it has read what it needs.
    pub(super) fn gives_up_root(&self) -> bool {
        matches!(self.command, PluginCommand::Inspect(_) | PluginCommand::Test(_))
    }

    /// Whether it writes where plugins.toml is, as root may and the device's own user perhaps not.
    pub(super) fn writes_configuration(&self) -> bool {
        matches!(self.command, PluginCommand::Add(_) | PluginCommand::Approve(_) | PluginCommand::Remove(_))
    }
}

pub(super) fn plugin(device: &DeviceArguments, arguments: &PluginArguments) -> Result<Exit, Failure> {
    match &arguments.command {
        PluginCommand::List(arguments) => list::list(device, arguments),
        PluginCommand::Show(arguments) => show::show(device, arguments),
        PluginCommand::Add(arguments) => add::add(device, arguments),
        PluginCommand::Remove(arguments) => remove::remove(device, arguments),
        PluginCommand::Diff(arguments) => diff::diff(device, arguments),
        PluginCommand::Approve(arguments) => approve::approve(device, arguments),
        PluginCommand::Inspect(arguments) => inspection::answer(device, arguments),
        PluginCommand::Rollback { name } => change::roll_back(device, name),
        PluginCommand::Pin { name } => change::pin(device, name, true),
        PluginCommand::Unpin { name } => change::pin(device, name, false),
        PluginCommand::Allow { digest } => change::allow(device, digest),
        PluginCommand::Update(arguments) => update::update(device, arguments),
        PluginCommand::New(arguments) => new::new(arguments),
        PluginCommand::Test(arguments) => test::test(arguments),
    }
}

/// Asks the running device, and prints what it did. `nothing`: what is said where nothing was to do.
fn ask_and_print(device: &DeviceArguments, question: PluginQuestion, nothing: &str) -> Result<Exit, Failure> {
    match small_runtime()?.block_on(ask(&device.state, &Question::Plugin(question)))? {
        Answer::Reloaded(report) => reload::say(&report),
        Answer::NothingToDo => {
            print(format_args!("{nothing}\n"))?;
            Ok(Exit::Success)
        }
        other => Err(unexpected(other)),
    }
}

/// The beginning of a digest: enough to tell versions apart.
fn short(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}

pub(super) use update::render_repository;
