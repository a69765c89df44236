//! `punchcard plugin approve`.

use clap::Args;
use punchcard_core::config::parse_configuration;
use punchcard_core::name::PluginName;
use punchcard_sandbox::read_component;

use super::super::exit::{Exit, Failure};
use super::super::output::print_line;
use super::super::question::confirm;
use super::super::status::unexpected;
use super::super::{DeviceArguments, printable, reload, small_runtime};
use super::edit::add_entry;
use super::file;
use super::inspection::inspect;
use crate::app::configuration::Source;
use crate::app::control::{Answer, Question, ask, may_run};

#[derive(Debug, Args)]
pub(super) struct ApproveArguments {
    /// The plugin.
    name: String,
    /// Do not ask whether it is meant.
    #[arg(long)]
    yes: bool,
}

pub(super) fn approve(device: &DeviceArguments, arguments: &ApproveArguments) -> Result<Exit, Failure> {
    let name = PluginName::parse(&arguments.name).map_err(Failure::general)?;
    let source = Source::read(&device.config).map_err(|error| Failure::with(Exit::Configuration, error))?;
    let parse = |source: &Source| {
        parse_configuration(&source.text)
            .map_err(|diagnostics| Failure::with(Exit::Configuration, source.render(&diagnostics)))
    };
    let configuration = parse(&source)?;
    let Some(plugin) = configuration.plugins.get(&name) else {
        return Err(Failure::general(format!("plugins.toml names no plugin `{name}`")));
    };
    let component = read_component(&source.folder().join(&plugin.path)).map_err(Failure::general)?;
    let unmet = inspect(device, &component, Some(&name))?.unmet;
    if unmet.is_empty() {
        print_line(format_args!("Nothing was to do: plugin `{name}` is granted all that it needs."))?;
        return Ok(Exit::Success);
    }
    let (mut text, mut by_hand) = (source.text.clone(), 0);
    for need in &unmet {
        print_line(printable(&need.message))?;
        match &need.entry {
            Some(entry) => {
                text = add_entry(&text, &need.part, entry).map_err(Failure::general)?;
                print_line(format_args!("  {} gets {}", printable(&need.part), printable(entry)))?;
            }
            None => by_hand += 1,
        }
    }
    if text == source.text {
        return Err(Failure::general("what is needed can't be granted from here; write it into plugins.toml"));
    }
    if !arguments.yes && !confirm("Type `grant` if plugins.toml is to say so: ", &["grant"])? {
        print_line("Nothing was done.")?;
        return Ok(Exit::Failure);
    }
    parse(&Source { text: text.clone(), ..source.clone() })?;
    file::replace(&source.path, text.as_bytes()).map_err(Failure::general)?;
    if by_hand > 0 {
        print_line(format_args!("{by_hand} of these are still to be written by hand."))?;
    }
    if !small_runtime()?.block_on(may_run(&device.state)) {
        print_line("It is granted. No device runs; it counts from the next start on.")?;
        return Ok(Exit::Success);
    }
    match small_runtime()?.block_on(ask(&device.state, &Question::Reload))? {
        Answer::Reloaded(report) => reload::say(&report),
        other => Err(unexpected(other)),
    }
}
