//! `[limits]`: what a call of a plugin may use. Each limit is on, whether it is written or not.

use std::time::Duration;

use super::node::Node;
use super::table::Table;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * 1024;

/// The limits of a plugin's calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `call-ms`: wall clock of one call; 10 to 60,000 ms, by default 1,000.
    pub call_for: Duration,
    /// `memory-mib`: all memory of an instance; 1 to 1,024 MiB, by default 64.
    pub memory_bytes: u64,
    /// `state-kib`: a returned state; 1 to 16,384 KiB, by default 1,024.
    pub state_bytes: u64,
    /// `rows-per-event`: 1 to 100,000, by default 1,000.
    pub rows_per_event: u32,
    /// `answer-mib`: the body of an HTTP answer; 1 to 256 MiB, by default 8.
    pub answer_bytes: u64,
    /// `log-lines-per-minute`: what is logged beyond it is counted, not written; 0 to 60,000, by default 60.
    pub log_lines_per_minute: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            call_for: Duration::from_secs(1),
            memory_bytes: 64 * MIB,
            state_bytes: 1024 * KIB,
            rows_per_event: 1_000,
            answer_bytes: 8 * MIB,
            log_lines_per_minute: 60,
        }
    }
}

pub(super) fn parse_limits(node: &Node<'_, '_>) -> Option<Limits> {
    let default = Limits::default();
    let mut table = node.table()?;
    let call_for = parse_call_for(&mut table, default.call_for);
    let memory_bytes = parse_memory_bytes(&mut table, default.memory_bytes);
    let state_bytes = table.optional("state-kib", default.state_bytes, |node| in_units(node, 16_384, KIB));
    let rows_per_event = table.optional("rows-per-event", default.rows_per_event, |node| node.count(1..=100_000));
    let answer_bytes = table.optional("answer-mib", default.answer_bytes, |node| in_units(node, 256, MIB));
    let log_lines_per_minute =
        table.optional("log-lines-per-minute", default.log_lines_per_minute, |node| node.count(0..=60_000));
    table.finish()?;
    Some(Limits {
        call_for: call_for?,
        memory_bytes: memory_bytes?,
        state_bytes: state_bytes?,
        rows_per_event: rows_per_event?,
        answer_bytes: answer_bytes?,
        log_lines_per_minute: log_lines_per_minute?,
    })
}

/// `call-ms`, here and for one plugin.
pub(super) fn parse_call_for(table: &mut Table<'_, '_>, default: Duration) -> Option<Duration> {
    table.optional("call-ms", default, |node| Some(Duration::from_millis(node.count(10..=60_000)?.into())))
}

/// `memory-mib`, here and for one plugin.
pub(super) fn parse_memory_bytes(table: &mut Table<'_, '_>, default: u64) -> Option<u64> {
    table.optional("memory-mib", default, |node| in_units(node, 1024, MIB))
}

/// A number of units, at least one, in bytes.
pub(super) fn in_units(node: &Node<'_, '_>, most: u32, unit: u64) -> Option<u64> {
    Some(u64::from(node.count(1..=most)?) * unit)
}
