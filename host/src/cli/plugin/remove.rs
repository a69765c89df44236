//! `punchcard plugin remove`.

use clap::Args;
use punchcard_core::config::parse_configuration;
use punchcard_core::name::PluginName;

use super::super::exit::{Exit, Failure};
use super::super::output::print_line;
use super::super::question::confirm;
use super::super::reload;
use super::super::status::unexpected;
use super::super::{DeviceArguments, small_runtime};
use super::edit::remove_plugin;
use super::file;
use crate::app::configuration::Source;
use crate::app::control::{Answer, Question, ask, may_run};

#[derive(Debug, Args)]
pub(super) struct RemoveArguments {
    /// The plugin.
    name: String,
    /// Do not ask whether it is meant.
    #[arg(long)]
    yes: bool,
}

pub(super) fn remove(device: &DeviceArguments, arguments: &RemoveArguments) -> Result<Exit, Failure> {
    let name = PluginName::parse(&arguments.name).map_err(Failure::general)?;
    let source = Source::read(&device.config).map_err(|error| Failure::with(Exit::Configuration, error))?;
    let configuration = parse_configuration(&source.text)
        .map_err(|diagnostics| Failure::with(Exit::Configuration, source.render(&diagnostics)))?;
    let uses: Vec<String> = configuration.uses_of(&name).into_iter().map(|used| used.part).collect();
    if !uses.is_empty() {
        let uses = uses.join(", ");
        return Err(Failure::general(format!("plugin `{name}` is used by {uses}; take it out there first")));
    }
    let Some(plugin) = configuration.plugins.get(&name) else {
        return Err(Failure::general(format!("plugins.toml names no plugin `{name}`")));
    };
    if !arguments.yes && !confirm(&format!("Type `remove` to take plugin `{name}` out: "), &["remove"])? {
        print_line("Nothing was done.")?;
        return Ok(Exit::Failure);
    }
    if let Some(text) = remove_plugin(&source.text, &name).map_err(Failure::general)? {
        file::replace(&source.path, text.as_bytes()).map_err(Failure::general)?;
    }
    print_line(format_args!(
        "plugins.toml names plugin `{name}` no more. Its file {} was left there.",
        source.folder().join(&plugin.path).display()
    ))?;
    if !small_runtime()?.block_on(may_run(&device.state)) {
        return Ok(Exit::Success);
    }
    match small_runtime()?.block_on(ask(&device.state, &Question::Reload))? {
        Answer::Reloaded(report) => reload::say(&report),
        other => Err(unexpected(other)),
    }
}
