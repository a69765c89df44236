//! `[plugins]`: the components, and what each may use.

use std::path::PathBuf;

use super::Configuration;
use super::limit::{Limits, parse_call_for, parse_memory_bytes};
use super::node::Node;
use crate::name::PluginName;
use crate::plugin::World;

const LONGEST_PATH: usize = 1024;

/// A plugin's component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugin {
    /// The component's file, absolute or relative to the folder of plugins.toml.
    pub path: PathBuf,
    /// Those of `[limits]`, with what the plugin's own table says otherwise.
    pub limits: Limits,
}

/// A part that uses a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The path of its key, such as `sinks.timesheet.format`.
    pub part: String,
    /// What the plugin is there.
    pub world: World,
}

impl Configuration {
    /// The parts that use a plugin.
    #[must_use]
    pub fn uses_of(&self, plugin: &PluginName) -> Vec<Use> {
        let used = |by: &PluginName, part: String, world| (by == plugin).then_some(Use { part, world });
        let grants =
            self.grants.iter().map(|(name, grant)| (&grant.plugin, format!("grants.{name}"), World::AuthPolicy));
        let formatters = self
            .sinks
            .iter()
            .map(|(name, sink)| (&sink.format.plugin, format!("sinks.{name}.format"), World::Formatter));
        let connectors = self
            .sinks
            .iter()
            .map(|(name, sink)| (&sink.deliver.plugin, format!("sinks.{name}.deliver"), World::Connector));
        let sensors =
            self.sensors.iter().map(|(name, sensor)| (&sensor.plugin, format!("sensors.{name}"), World::Sensor));
        let listings = self.choices.iter().filter_map(|(name, choice)| {
            Some((&choice.listing()?.plugin, format!("choices.{name}.items"), World::Listing))
        });
        let parts = grants.chain(formatters).chain(connectors).chain(sensors).chain(listings);
        parts.filter_map(|(by, part, world)| used(by, part, world)).collect()
    }
}

/// `"file.wasm"` or `{ path = "file.wasm", call-ms = …, memory-mib = … }`.
pub(super) fn parse_plugin(node: &Node<'_, '_>, limits: Limits) -> Option<Plugin> {
    let mut table = match node.text_or_table()? {
        Ok(_) => return Some(Plugin { path: parse_path(node)?, limits }),
        Err(table) => table,
    };
    let path = table.required("path", parse_path);
    let call_for = parse_call_for(&mut table, limits.call_for);
    let memory_bytes = parse_memory_bytes(&mut table, limits.memory_bytes);
    table.finish()?;
    Some(Plugin { path: path?, limits: Limits { call_for: call_for?, memory_bytes: memory_bytes?, ..limits } })
}

/// A path that can be one: neither empty nor with control characters.
pub(super) fn parse_path(node: &Node<'_, '_>) -> Option<PathBuf> {
    let text = node.text()?;
    if text.is_empty() || text.len() > LONGEST_PATH || text.chars().any(char::is_control) {
        return node.refuse(format!("{} is not a path; accepted is 1 to {LONGEST_PATH} bytes", node.quote(text)));
    }
    Some(PathBuf::from(text))
}
