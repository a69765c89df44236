//! `[plugins]`: the components, and what each may use.

use std::path::PathBuf;

use super::limit::{Limits, parse_call_for, parse_memory_bytes};
use super::node::Node;

const LONGEST_PATH: usize = 1024;

/// A plugin's component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugin {
    /// The component's file, absolute or relative to the folder of plugins.toml.
    pub path: PathBuf,
    /// Those of `[limits]`, with what the plugin's own table says otherwise.
    pub limits: Limits,
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
