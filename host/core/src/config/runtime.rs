//! `[runtime]`: how plugins are run.

use super::node::Node;

/// What a plugin is compiled to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backend {
    /// `native`, and where it is left out: code of the processor; on one for which there is no compiler, that of Pulley.
    #[default]
    Native,
    /// `pulley`: code of Wasmtime's interpreter of that name. It is slower, and no memory is ever made executable.
    Pulley,
}

pub(super) fn parse_runtime(node: &Node<'_, '_>) -> Option<Backend> {
    let mut table = node.table()?;
    let backend =
        table.required("backend", |node| node.word(&[("native", Backend::Native), ("pulley", Backend::Pulley)]));
    table.finish()?;
    backend
}
