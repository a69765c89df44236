//! What can be asked of `punchcard` on the command line.
//!
//! Each subcommand is one file. None of them decides anything about events, grants or sinks: they read the ledger beside
//! the running host, ask it over its socket, or start it.

mod device;
pub mod exit;
mod heap;
mod interruption;
mod log;
mod output;
mod question;

mod run;

mod backup;
mod check;
mod comparison;
mod doctor;
mod events;
mod fetch;
mod grants;
mod init;
mod logs;
mod panel;
mod plugin;
mod reconcile;
mod rejects;
mod reload;
mod replay;
mod restore;
mod sign_in;
mod sinks;
mod status;
mod support_bundle;
mod time;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use owo_colors::OwoColorize;

pub use exit::{Exit, Failure};

use device::{DeviceArguments, DeviceOptions, HARDWARE_GROUPS, become_owner};

/// Records presses and readings, exactly once, as rows of a sheet.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = exit::HELP, disable_help_subcommand = true)]
pub struct Arguments {
    #[command(flatten)]
    device: DeviceOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the device until it is told to stop (Ctrl-C, SIGTERM, and `q` where that is no input's key).
    Run(run::RunArguments),
    /// Ask a few questions and write a commented plugins.toml, with what is found as the default. Shows each part at work. Never
    /// overwrites a file.
    Init(init::InitArguments),
    /// Check the configuration and every plugin in it, without starting anything. Keeps the compiled plugins for the start.
    Check,
    /// Look at everything that the device needs: board, bus, lines, panel, clock, disk, files, network, account and sheet. Says
    /// of each whether it is as it should be, and what to do. Changes nothing, and works without a running device.
    Doctor(doctor::DoctorArguments),
    /// Write what whoever helps needs to know into one text file: what `doctor` finds, the configuration, the status and the end
    /// of the log, with everything secret taken out. It is sent by nobody but you.
    SupportBundle(support_bundle::SupportBundleArguments),
    /// Print the log, wherever it goes: the service's is in systemd's journal.
    Logs(logs::LogsArguments),
    /// Have the running device look at plugins.toml, its components and its secrets again. It does so by itself when one of
    /// them changes. Only parts of which something changed are restarted; a file with an error changes nothing.
    Reload {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say how the running device stands.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// List what happened, and what became of it.
    Events(events::EventsArguments),
    /// List what sinks set aside, try it again, or drop it.
    Rejects(rejects::RejectsArguments),
    /// Say which plugins there are, in which versions, and add, update, pin or remove them, or go back to an earlier version.
    Plugin(plugin::PluginArguments),
    /// Compare what a sink's service has with what was delivered, row by row.
    Reconcile(reconcile::ReconcileArguments),
    /// List the sinks, or have one of them mended.
    Sinks(sinks::SinksArguments),
    /// Show what a sink's rows would be if its formatter, as it is configured now, had made them: from an event on, from the
    /// states that the ledger has kept. Nothing is changed without --correct.
    Replay(replay::ReplayArguments),
    /// Write all that happened and what became of it into one file, while the device runs. Without --with-secrets no token is
    /// in it.
    Backup(backup::BackupArguments),
    /// Have the device go on with a backup from its next start on. Asks first. Nothing of it is delivered before it is known
    /// which rows arrived since.
    Restore(restore::RestoreArguments),
    /// Sign in, or try again after a problem: shows the code and waits.
    SignIn(sign_in::SignInArguments),
    /// Say of each grant whose account it is, what it allows and where it is used, or take a sign-in over from another program.
    Grants(grants::GrantsArguments),
    /// Send one request to an API under a grant, and print the answer. The token is added here and never shown; it goes where the
    /// grant's `audience` says, and nowhere else.
    Fetch(fetch::FetchArguments),
    /// Forget the tokens of a grant on this device.
    SignOut(sign_in::SignOutArguments),
    /// Show what the panel shows.
    Panel {
        /// Write a PNG file instead.
        #[arg(long, value_name = "FILE")]
        png: Option<PathBuf>,
        /// Pixels of the picture for each pixel of the panel.
        #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=32))]
        scale: u32,
    },
}

/// Does what was asked for.
///
/// # Errors
/// What kept it from being done, with the exit status that says so.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let device = &arguments.device.clone().device();
    match &arguments.command {
        // Root may read the journal and write where it is called, as the owner of the state folder may not. The file of a backup
        // may lie anywhere.
        Command::Backup(_) | Command::Init(_) | Command::Logs(_) | Command::Restore(_) | Command::SupportBundle(_) => {}
        // Whoever writes plugins has no device.
        Command::Plugin(arguments) if !arguments.is_of_device() => {}
        Command::Plugin(arguments) if arguments.gives_up_root() => {}
        // So it may write where plugins.toml is. With a component it does nothing itself.
        Command::Plugin(arguments) if arguments.writes_configuration() => {}
        // Buses and lines belong to groups that the service is in.
        Command::Doctor(_) => become_owner(&device.state, HARDWARE_GROUPS).map_err(Failure::general)?,
        _ => become_owner(&device.state, &[]).map_err(Failure::general)?,
    }
    match &arguments.command {
        Command::Run(arguments) => run::run(device, arguments),
        Command::Init(arguments) => init::init(device, arguments),
        Command::Check => check::check(device),
        Command::Doctor(arguments) => doctor::doctor(device, arguments),
        Command::SupportBundle(arguments) => support_bundle::support_bundle(device, arguments),
        Command::Logs(arguments) => logs::logs(device, arguments),
        Command::Reload { json } => reload::reload(device, *json),
        Command::Status { json } => status::status(device, *json),
        Command::Events(arguments) => events::events(device, arguments),
        Command::Rejects(arguments) => rejects::rejects(device, arguments),
        Command::Plugin(arguments) => plugin::plugin(device, arguments),
        Command::Reconcile(arguments) => reconcile::reconcile(device, arguments),
        Command::Sinks(arguments) => sinks::sinks(device, arguments),
        Command::Replay(arguments) => replay::replay(device, arguments),
        Command::Backup(arguments) => backup::backup(device, arguments),
        Command::Restore(arguments) => restore::restore(device, arguments),
        Command::SignIn(arguments) => sign_in::sign_in(device, arguments),
        Command::Grants(arguments) => grants::grants(device, arguments),
        Command::Fetch(arguments) => fetch::fetch(device, arguments),
        Command::SignOut(arguments) => sign_in::sign_out(device, arguments),
        Command::Panel { png, scale } => panel::panel(device, png.as_deref(), *scale),
    }
}

/// Says a failure on the standard error, where there is anybody to tell.
pub fn say_failure(failure: &Failure) {
    if !failure.is_silent() {
        output::say_line(render_failure(failure));
    }
}

/// A failure as a person reads it: what, and below it why.
fn render_failure(failure: &Failure) -> String {
    // Its lines stay: the errors of a configuration are a picture.
    let lines =
        |error: &dyn std::error::Error| error.to_string().split('\n').map(printable).collect::<Vec<_>>().join("\n");
    let mut text = format!("{} {}", "error:".red().bold(), lines(failure.error.as_ref()));
    let mut source = std::error::Error::source(failure.error.as_ref());
    while let Some(cause) = source {
        text.push_str(&format!("\n  because {}", lines(cause)));
        source = cause.source();
    }
    text
}

/// A text of others for this terminal: what servers, plugins and plugins.toml say must not colour, erase or reverse what
/// stands around it.
fn printable(text: &str) -> String {
    punchcard_core::printable::escape(text)
}

/// A runtime for a command that asks and is done.
fn small_runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::general)
}

/// Waits, in a command that looks again and again.
fn sleep(pause: std::time::Duration) -> Result<(), Failure> {
    // A timer is made inside of a runtime, or not at all.
    small_runtime()?.block_on(async { tokio::time::sleep(pause).await });
    Ok(())
}
