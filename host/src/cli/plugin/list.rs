//! `punchcard plugin list`.

use std::collections::BTreeMap;

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use jiff::tz::TimeZone;
use punchcard_core::config::parse_what_is_valid;
use punchcard_core::name::PluginName;
use punchcard_core::plugin_version::Left;
use punchcard_ledger::{OpenError, PluginHistories, PluginHistory, Reader, Version, Whence};
use punchcard_sandbox::cache::hexadecimal;
use serde_json::{Value, json};

use super::super::events::zone;
use super::super::exit::{Exit, Failure};
use super::super::output::print_line;
use super::super::time::render_local_in;
use super::super::{DeviceArguments, printable, small_runtime};
use super::short;
use crate::app::configuration::Source;
use crate::app::control::{Answer, ControlError, Question, ask};
use crate::app::status::{PluginReport, Report};

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// What is known of all plugins, whether a device runs or not.
pub(super) struct Known {
    pub(super) zone: TimeZone,
    pub(super) histories: PluginHistories,
    /// Of the running device.
    pub(super) reports: BTreeMap<String, PluginReport>,
    /// The names of plugins.toml, and those that stood there once.
    pub(super) names: BTreeMap<PluginName, bool>,
}

impl Known {
    pub(super) fn read(device: &DeviceArguments) -> Result<Self, Failure> {
        let zone = zone(device);
        let histories = match Reader::open(&device.state, zone.clone()) {
            Ok(mut reader) => reader.plugin_histories().map_err(Failure::general)?,
            // It never ran.
            Err(OpenError::Missing { .. }) => PluginHistories::default(),
            Err(error) => return Err(Failure::general(error)),
        };
        let reports = ask_running(device)?.map_or_else(Vec::new, |report| report.plugins);
        let reports = reports.into_iter().map(|report| (report.name.clone(), report)).collect();
        let mut names: BTreeMap<PluginName, bool> =
            histories.plugins.keys().map(|name| (name.clone(), false)).collect();
        let source = Source::read(&device.config).map_err(|error| Failure::with(Exit::Configuration, error))?;
        names.extend(parse_what_is_valid(&source.text).0.plugins.into_keys().map(|name| (name, true)));
        Ok(Self { zone, histories, reports, names })
    }

    pub(super) fn since(&self, version: &Version) -> String {
        version.since.map_or_else(String::new, |since| render_local_in(&self.zone, since))
    }

    pub(super) fn json(&self, name: &PluginName) -> Value {
        let history = self.histories.plugins.get(name);
        let report = self.reports.get(name.as_str());
        let in_force = history.and_then(PluginHistory::in_force);
        json!({
            "name": name,
            "named": self.names.get(name).copied().unwrap_or_default(),
            "sha256": in_force.map(|version| hexadecimal(&version.sha256)),
            "since": in_force.and_then(|version| version.since),
            "whence": in_force.map(|version| whence(&version.whence)),
            "pinned": history.is_some_and(|history| history.pinned),
            "on-trial": in_force.is_some_and(|version| version.on_trial),
            "runs": report,
        })
    }
}

/// What the running device says. None: there is none.
fn ask_running(device: &DeviceArguments) -> Result<Option<Report>, Failure> {
    match small_runtime()?.block_on(ask(&device.state, &Question::Status)) {
        Ok(Answer::Status(report)) => Ok(Some(*report)),
        Ok(other) => Err(super::unexpected(other)),
        Err(ControlError::NoHost { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn list(device: &DeviceArguments, arguments: &ListArguments) -> Result<Exit, Failure> {
    let known = Known::read(device)?;
    let named = known.names.iter().filter(|(_, is_named)| **is_named).map(|(name, _)| name);
    if arguments.json {
        let all: Vec<Value> = named.map(|name| known.json(name)).collect();
        print_line(serde_json::to_string_pretty(&all).map_err(Failure::general)?)?;
        return Ok(Exit::Success);
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table
        .set_header(["plugin", "world", "contract", "version", "since", "whence", "calls", "failed", "memory", "says"]);
    for name in named {
        let history = known.histories.plugins.get(name);
        let in_force = history.and_then(PluginHistory::in_force);
        let report = known.reports.get(name.as_str());
        let world = report.and_then(|report| report.world).map_or("", super::add::in_words);
        let calls = report.and_then(|report| report.calls.as_ref());
        let version = in_force.map_or_else(String::new, |version| short(&hexadecimal(&version.sha256)).to_owned());
        table.add_row([
            name.to_string(),
            world.to_owned(),
            report.and_then(|report| report.contract.clone()).unwrap_or_default(),
            version,
            in_force.map_or_else(String::new, |version| known.since(version)),
            in_force.map_or_else(String::new, |version| printable(&whence(&version.whence))),
            calls.map_or_else(String::new, |calls| calls.calls.to_string()),
            calls.map_or_else(String::new, |calls| calls.failures.to_string()),
            calls.map_or_else(String::new, |calls| render_bytes(calls.peak_memory_bytes)),
            says(history, report),
        ]);
    }
    print_line(table)?;
    Ok(Exit::Success)
}

/// An amount of memory, such as `1.1 MiB`, rounded up; nothing where no call was made yet.
pub(super) fn render_bytes(bytes: u64) -> String {
    match bytes {
        0 => String::new(),
        1..1_048_576 => format!("{} KiB", bytes.div_ceil(1 << 10)),
        _ => {
            let tenths = bytes.saturating_mul(10).div_ceil(1 << 20);
            format!("{}.{} MiB", tenths / 10, tenths % 10)
        }
    }
}

/// What a person should know of a plugin.
pub(super) fn says(history: Option<&PluginHistory>, report: Option<&PluginReport>) -> String {
    let pinned = history.is_some_and(|history| history.pinned).then(|| "pinned".to_owned());
    let on_trial = history.and_then(PluginHistory::in_force).is_some_and(|version| version.on_trial);
    let on_trial = on_trial.then(|| "on trial".to_owned());
    let off = report.and_then(|report| report.error.as_ref()).map(|error| format!("off: {error}"));
    let instead = report.and_then(|report| report.instead.clone());
    let last = report.and_then(|report| report.calls.as_ref()?.last_error.as_ref());
    let last = last.map(|error| format!("its last error: {error}"));
    let says: Vec<String> = [pinned, on_trial, off, instead, last].into_iter().flatten().collect();
    printable(&says.join("; "))
}

/// Where a version came from, in words.
pub(super) fn whence(whence: &Whence) -> String {
    match whence {
        Whence::File(path) => format!("file {path}"),
        Whence::Add(path) => format!("added from {path}"),
        Whence::Rollback => "somebody went back to it".to_owned(),
        Whence::Return => "the device went back to it".to_owned(),
        Whence::Repository(name) => format!("repository {name}"),
    }
}

/// How a version ended, in words.
pub(super) fn left(left: Option<&Left>) -> String {
    match left {
        None => "in force".to_owned(),
        Some(Left::Replaced) => "replaced".to_owned(),
        Some(Left::RolledBack) => "somebody went back from it".to_owned(),
        Some(Left::Bad(reason)) => format!("proved bad: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_said_in_the_unit_that_fits() {
        let table = [(0, ""), (1, "1 KiB"), (65_536, "64 KiB"), (1_114_112, "1.1 MiB"), (67_108_864, "64.0 MiB")];
        for (bytes, says) in table {
            assert_eq!(render_bytes(bytes), says);
        }
    }
}
