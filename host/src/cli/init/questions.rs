//! What is asked, with which default, and how a part is tried while it is asked about.

mod google;
mod hands;
mod panel;

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use jiff::tz::TimeZoneDatabase;
use punchcard_core::checkup::i2c::BusFacts;
use punchcard_core::config::Configuration;
use punchcard_core::printable::{is_hidden, steers};
use punchcard_core::secret::Secret;
use punchcard_core::setup::client::Client;
use punchcard_core::setup::{Answers, PACKAGED_PLUGINS, PLUGINS};

use super::conversation::{Conversation, ConversationError};
use crate::app::trial::Trial;

/// Where the package keeps the plugins, and where they are built.
const PLUGIN_FOLDERS: [&str; 2] = [PACKAGED_PLUGINS, "target/guests"];

/// What there is.
pub(super) struct Found {
    /// The machine's name.
    pub(super) host_name: Option<String>,
    /// The system's time zone.
    pub(super) time_zone: Option<String>,
    /// The header's bus, and what answers on it.
    pub(super) bus: Option<BusFacts>,
    /// Whether there are lines.
    pub(super) has_header: bool,
    /// The names of what is plugged in and may type.
    pub(super) input_devices: Result<Vec<String>, String>,
    /// Whether it is the package's device, which has neither a terminal nor its keys.
    pub(super) is_installed: bool,
    /// The folder of the configuration, from which paths in it are looked for.
    pub(super) folder: PathBuf,
    /// A configuration that is there already.
    pub(super) before: Option<Configuration>,
}

/// What was answered.
pub(super) struct Asked {
    pub(super) answers: Answers,
    /// The client's secret, where it is new.
    pub(super) secret: Option<Secret>,
}

/// Asks everything.
pub(super) fn ask_all<R: BufRead, W: Write>(
    conversation: &mut Conversation<R, W>,
    found: &Found,
    trial: &impl Trial,
    client: Option<Client>,
) -> Result<Asked, ConversationError> {
    conversation
        .say("Each question has its default in brackets; Enter takes it. Ctrl-C leaves everything as it is.\n")?;
    let name = ask_name(conversation, found)?;
    let time_zone = ask_time_zone(conversation, found)?;
    let panel = panel::ask_panel(conversation, found, trial, &name)?;
    let (button, reader) = hands::ask_button_and_reader(conversation, found, trial)?;
    let projects = hands::ask_projects(conversation, found)?;
    let knob = hands::ask_knob(conversation, found, button, &projects)?;
    let plugins = ask_plugins(conversation, found)?;
    let (google, secret) = google::ask_google(conversation, found, client)?;
    Ok(Asked { answers: Answers { name, time_zone, panel, button, reader, projects, knob, plugins, google }, secret })
}

fn ask_name<R: BufRead, W: Write>(
    conversation: &mut Conversation<R, W>,
    found: &Found,
) -> Result<String, ConversationError> {
    let before = found.before.as_ref().map(|before| before.device.name.to_string());
    let usable = found.host_name.clone().filter(|name| parse_name(name).is_ok());
    let default = before.or(usable).unwrap_or_else(|| "punchcard".to_owned());
    conversation.ask("The device's name, for rows and for signing in:", &default, parse_name)
}

fn parse_name(text: &str) -> Result<String, String> {
    let is_one = (1..=40).contains(&text.chars().count()) && !text.chars().any(is_unseen);
    if is_one { Ok(text.to_owned()) } else { Err("1 to 40 characters that can be seen".to_owned()) }
}

/// What plugins.toml takes in no text that a person reads.
fn is_unseen(character: char) -> bool {
    steers(character) || is_hidden(character)
}

fn ask_time_zone<R: BufRead, W: Write>(
    conversation: &mut Conversation<R, W>,
    found: &Found,
) -> Result<String, ConversationError> {
    let before = found.before.as_ref().and_then(|before| before.device.time_zone.iana_name().map(str::to_owned));
    let system = found.time_zone.clone().filter(|name| parse_time_zone(name).is_ok());
    let default = before.or(system).unwrap_or_else(|| "UTC".to_owned());
    conversation.ask("The time zone of its rows:", &default, parse_time_zone)
}

fn parse_time_zone(text: &str) -> Result<String, String> {
    match TimeZoneDatabase::bundled().get(text) {
        Ok(zone) if !zone.is_unknown() => Ok(zone.iana_name().unwrap_or(text).to_owned()),
        _ => Err("an IANA name such as Europe/Berlin or Australia/Brisbane".to_owned()),
    }
}

/// Asked where the plugins are at none of the places where they usually are.
fn ask_plugins<R: BufRead, W: Write>(
    conversation: &mut Conversation<R, W>,
    found: &Found,
) -> Result<String, ConversationError> {
    let before = found.before.as_ref().and_then(plugins_of);
    let usual = PLUGIN_FOLDERS.map(str::to_owned);
    let known = before.into_iter().chain(usual).find(|folder| find_missing(&found.folder, folder).is_empty());
    if let Some(folder) = known {
        return Ok(folder);
    }
    let default = PLUGIN_FOLDERS[0];
    if !conversation.is_asking() {
        return Ok(default.to_owned());
    }
    conversation.say(format_args!(
        "\nThe plugins are neither in {} nor in {} of this folder. In the project's tree, `cargo xtask guests` makes them, in its \
         target/guests.",
        PLUGIN_FOLDERS[0], PLUGIN_FOLDERS[1]
    ))?;
    loop {
        let folder = conversation.ask("Their folder:", default, |text| Ok(text.to_owned()))?;
        let missing = find_missing(&found.folder, &folder);
        if missing.is_empty() {
            return Ok(folder);
        }
        conversation.say(format_args!("  ✗ {folder} does not have {}", missing.join(", ")))?;
        if !conversation.confirm("  Name another folder?", true)? {
            return Ok(folder);
        }
    }
}

/// The folder of a configuration's plugins.
fn plugins_of(configuration: &Configuration) -> Option<String> {
    let file = format!("{}.wasm", PLUGINS[0]);
    let mut paths = configuration.plugins.values().map(|plugin| plugin.path.as_path());
    let path = paths.find(|path| path.file_name().is_some_and(|name| *name == *file))?;
    path.parent()?.to_str().map(str::to_owned)
}

/// The files of plugins that are not in a folder. `from`: the folder of the configuration.
pub(super) fn find_missing(from: &Path, folder: &str) -> Vec<String> {
    let files = PLUGINS.map(|name| format!("{name}.wasm"));
    files.into_iter().filter(|file| !from.join(folder).join(file).is_file()).collect()
}

#[cfg(test)]
mod tests;
