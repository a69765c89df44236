//! `[history]`: how much of what was delivered the ledger keeps. What is not delivered yet is always kept.

use std::time::Duration;

use super::limit::in_units;
use super::node::Node;

const DAY_SECONDS: u64 = 24 * 60 * 60;
const MIB: u64 = 1024 * 1024;

/// The bounds of the history. Whichever is reached first counts; pruning begins a little beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// `keep-days`: 1 to 36,500, by default 400.
    pub keep_for: Duration,
    /// `keep-mib`: 1 to 65,536 MiB, by default 256.
    pub keep_bytes: u64,
}

impl Default for History {
    fn default() -> Self {
        Self { keep_for: Duration::from_secs(400 * DAY_SECONDS), keep_bytes: 256 * MIB }
    }
}

pub(super) fn parse_history(node: &Node<'_, '_>) -> Option<History> {
    let default = History::default();
    let mut table = node.table()?;
    let keep_for = table.optional("keep-days", default.keep_for, |node| {
        Some(Duration::from_secs(u64::from(node.count(1..=36_500)?) * DAY_SECONDS))
    });
    let keep_bytes = table.optional("keep-mib", default.keep_bytes, |node| in_units(node, 65_536, MIB));
    table.finish()?;
    Some(History { keep_for: keep_for?, keep_bytes: keep_bytes? })
}
