//! `[hardware]`: by which way the device reaches its GPIO lines.

use super::node::Node;

/// What reads and drives GPIO lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Adapter {
    /// `kernel`, and where it is left out: the kernel's character devices, on any board.
    #[default]
    Kernel,
    /// `rppal`: the library of that name, which knows Raspberry Pis.
    Rppal,
}

pub(super) fn parse_hardware(node: &Node<'_, '_>) -> Option<Adapter> {
    let mut table = node.table()?;
    let adapter =
        table.required("adapter", |node| node.word(&[("kernel", Adapter::Kernel), ("rppal", Adapter::Rppal)]));
    table.finish()?;
    adapter
}
