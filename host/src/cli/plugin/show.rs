//! `punchcard plugin show`.

use std::fmt::Write as _;

use clap::Args;
use owo_colors::OwoColorize as _;
use punchcard_core::config::parse_what_is_valid;
use punchcard_core::name::PluginName;
use punchcard_ledger::{PluginHistory, Version};
use punchcard_sandbox::cache::hexadecimal;
use serde_json::{Value, json};

use super::super::exit::{Exit, Failure};
use super::super::output::{print, print_line};
use super::super::{DeviceArguments, printable};
use super::add::in_words;
use super::list::{Known, left, render_bytes, says, whence};
use super::short;
use crate::app::configuration::Source;

#[derive(Debug, Args)]
pub(super) struct ShowArguments {
    /// The plugin.
    name: String,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn show(device: &DeviceArguments, arguments: &ShowArguments) -> Result<Exit, Failure> {
    let name = PluginName::parse(&arguments.name).map_err(Failure::general)?;
    let known = Known::read(device)?;
    if !known.names.contains_key(&name) {
        let known: Vec<&str> = known.names.keys().map(PluginName::as_str).collect();
        return Err(Failure::general(format!("there is no plugin `{name}`; there is {}", known.join(", "))));
    }
    let source = Source::read(&device.config).map_err(|error| Failure::with(Exit::Configuration, error))?;
    let uses: Vec<String> =
        parse_what_is_valid(&source.text).0.uses_of(&name).into_iter().map(|used| used.part).collect();
    if arguments.json {
        print_line(serde_json::to_string_pretty(&render_json(&known, &name, &uses)).map_err(Failure::general)?)?;
    } else {
        print(render(&known, &name, &uses))?;
    }
    Ok(Exit::Success)
}

fn render_json(known: &Known, name: &PluginName, uses: &[String]) -> Value {
    let mut all = known.json(name);
    let history = known.histories.plugins.get(name).cloned().unwrap_or_default();
    let version = |version: &Version| {
        json!({
            "sha256": hexadecimal(&version.sha256),
            "since": version.since,
            "whence": whence(&version.whence),
            "left": version.left.as_ref().map(|it| left(Some(it))),
            "bad": known.histories.bad.get(&version.sha256).map(|bad| &bad.reason),
        })
    };
    if let Value::Object(object) = &mut all {
        object.insert("history".to_owned(), history.versions.iter().map(version).collect());
        object.insert("used-by".to_owned(), json!(uses));
    }
    all
}

fn render(known: &Known, name: &PluginName, uses: &[String]) -> String {
    let history = known.histories.plugins.get(name);
    let report = known.reports.get(name.as_str());
    let mut text = format!("{}\n", name.bold());
    let mut line = |what: &str, says: String| {
        if !says.is_empty() {
            // A String takes everything.
            let _infallible = writeln!(text, "  {what:<10} {says}");
        }
    };
    let in_force = history.and_then(PluginHistory::in_force);
    line("version", in_force.map_or_else(String::new, |version| hexadecimal(&version.sha256)));
    line("since", in_force.map_or_else(String::new, |version| known.since(version)));
    line("whence", in_force.map_or_else(String::new, |version| printable(&whence(&version.whence))));
    line("used by", uses.join(", "));
    line("says", says(history, report));
    if let Some(report) = report {
        line("world", report.world.map_or("", in_words).to_owned());
        line("contract", report.contract.clone().unwrap_or_default());
        line("size", report.bytes.map_or_else(String::new, |bytes| format!("{bytes} bytes")));
        line("imports", printable(&report.imports.join(", ")));
        if let Some(calls) = &report.calls {
            let took = calls.milliseconds.checked_div(calls.calls).unwrap_or_default();
            let says = format!("{} since it was loaded, {took} ms each; {} failed", calls.calls, calls.failures);
            line("calls", says);
            if calls.peak_memory_bytes > 0 {
                line("memory", format!("{} at most in one call", render_bytes(calls.peak_memory_bytes)));
            }
        }
    }
    for version in history.iter().flat_map(|history| history.versions.iter().rev()) {
        let sha256 = hexadecimal(&version.sha256);
        let bad = match known.histories.bad.get(&version.sha256) {
            Some(_) => format!("; `punchcard plugin allow {}` has it tried again", short(&sha256)),
            None => String::new(),
        };
        let (since, came, went) = (known.since(version), whence(&version.whence), left(version.left.as_ref()));
        line("", format!("{}  {since}  {}: {}{bad}", short(&sha256), printable(&came), printable(&went)));
    }
    text
}
