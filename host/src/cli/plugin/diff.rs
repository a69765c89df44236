//! `punchcard plugin diff`: the rows that another version of a formatter would make of the last events.

use std::path::PathBuf;

use clap::Args;
use punchcard_core::config::parse_configuration;
use punchcard_core::event::Sequence;
use punchcard_core::name::{PluginName, SinkName};
use punchcard_ledger::{PluginHistories, Reader};
use punchcard_sandbox::{Compiler, Sandbox};
use serde_json::Value;

use super::super::exit::{Exit, Failure};
use super::super::output::{print, print_line, width};
use super::super::replay::{Shown, assemble, refuse, run};
use super::super::{DeviceArguments, small_runtime};
use crate::app::configuration::Source;
use crate::app::replay::{Replay, ReplayError};

/// Events of each sink.
const TRIED: u64 = 500;

#[derive(Debug, Args)]
pub(super) struct DiffArguments {
    /// The plugin.
    name: String,
    /// A component. Left out: the plugin's own file, whatever runs.
    file: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// At most N entries of each list.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    most: usize,
}

pub(super) fn diff(device: &DeviceArguments, arguments: &DiffArguments) -> Result<Exit, Failure> {
    let name = PluginName::parse(&arguments.name).map_err(Failure::general)?;
    let source = Source::read(&device.config).map_err(|error| Failure::with(Exit::Configuration, error))?;
    let mut configuration = parse_configuration(&source.text).map_err(|diagnostics| refuse(&source, &diagnostics))?;
    let Some(plugin) = configuration.plugins.get_mut(&name) else {
        return Err(Failure::general(format!("plugins.toml names no plugin `{name}`")));
    };
    if let Some(file) = &arguments.file {
        plugin.path = std::path::absolute(file).map_err(Failure::general)?;
    }
    let sinks: Vec<SinkName> = configuration
        .sinks
        .iter()
        .filter(|(_, sink)| sink.format.plugin == name)
        .map(|(sink, _)| sink.clone())
        .collect();
    if sinks.is_empty() {
        return Err(Failure::general(format!("no sink has its rows made by plugin `{name}`")));
    }
    let mut reader = Reader::open(&device.state, configuration.device.time_zone.clone()).map_err(Failure::general)?;
    let compiler = Compiler::of_this_program().with_backend(configuration.backend);
    let sandbox = Sandbox::start_beside(&device.state, compiler).map_err(Failure::general)?;
    let mut all = Vec::new();
    for sink in &sinks {
        // Of all plugins the files count, and not what runs.
        let assembled = assemble(&source, &configuration, sink, &sandbox, PluginHistories::default());
        let replayer = small_runtime()?.block_on(assembled)?;
        let ground = reader.replay_ground(sink).map_err(Failure::general)?;
        let first = ground.pruned_through.0.saturating_add(1);
        let from = Sequence(ground.cursor.0.saturating_sub(TRIED).saturating_add(1).max(first));
        let columns = replayer.columns.clone();
        let (from, replay) = match Replay::begin(replayer.clone(), ground.clone(), from) {
            // No state reaches back so far.
            Err(ReplayError::NoStart { earliest: Some(earliest), .. }) => {
                (earliest, Replay::begin(replayer, ground, earliest))
            }
            begun => (from, begun),
        };
        let (begun_after, replayed) = run(&mut reader, sink, replay.map_err(Failure::general)?)?;
        let shown = Shown { sink, from, begun_after, columns: &columns, replayed: &replayed, most: arguments.most };
        if arguments.json {
            all.push(shown.json());
        } else {
            print(shown.text_side_by_side(width()))?;
        }
    }
    if arguments.json {
        print_line(serde_json::to_string_pretty(&Value::Array(all)).map_err(Failure::general)?)?;
    }
    Ok(Exit::Success)
}
