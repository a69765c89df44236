//! What a sink set aside: events that its formatter refused or failed on, and rows that its service refused.

use punchcard_core::event::Sequence;
use rusqlite::Transaction;

use super::error::StorageError;

/// Characters of a reason that are kept.
pub(super) const REASON_CHARACTERS: usize = 500;

/// Who gave up on it, or what was decided since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetAsideBy {
    /// The formatter refused the event.
    Formatter,
    /// The formatter failed on the event, again and again.
    Failure,
    /// The service refused the row.
    Service,
    /// It was requeued since: the event goes through the formatter, or the row to the service, once more.
    Requeued,
    /// A person dropped it, for good, after one of the others.
    Dropped,
}

impl SetAsideBy {
    /// In `set_aside.stage`, where what nobody decided about is below 3.
    pub(super) fn column(self) -> i64 {
        match self {
            Self::Formatter => 0,
            Self::Failure => 1,
            Self::Service => 2,
            Self::Requeued => 3,
            Self::Dropped => 4,
        }
    }

    pub(super) fn from_column(column: i64) -> Self {
        match column {
            0 => Self::Formatter,
            1 => Self::Failure,
            2 => Self::Service,
            3 => Self::Requeued,
            _ => Self::Dropped,
        }
    }
}

/// An event or row that will not arrive, unless it is requeued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// The event.
    pub sequence: Sequence,
    /// The row's position among the event's rows; `None`: the whole event.
    pub position: Option<u32>,
    /// Who gave up on it, or what was decided since.
    pub by: SetAsideBy,
    /// Why.
    pub reason: String,
}

/// Sets an event aside that the formatter got at `sequence`. Returns how many that are: 0 where it is set aside already.
pub(super) fn set_event_aside(
    transaction: &Transaction<'_>,
    sink: i64,
    (event, sequence): (i64, i64),
    by: SetAsideBy,
    reason: &str,
) -> Result<i64, StorageError> {
    let insert = "INSERT INTO set_aside (sink, event, sequence, stage, reason)
                  SELECT ?1, ?2, ?3, ?4, ?5 WHERE NOT EXISTS (
                      SELECT 1 FROM set_aside WHERE sink = ?1 AND event = ?2 AND sequence = ?3 AND stage <> 3)";
    let values = (sink, event, sequence, by.column(), shorten(reason));
    Ok(i64::try_from(transaction.prepare_cached(insert)?.execute(values)?).unwrap_or(i64::MAX))
}

/// Sets a row aside that the service refused. Returns how many that are: 0 where it is set aside already.
pub(super) fn set_row_aside(
    transaction: &Transaction<'_>,
    sink: i64,
    ordinal: i64,
    reason: &str,
) -> Result<i64, StorageError> {
    let insert = "INSERT INTO set_aside (sink, event, ordinal, stage, reason)
                  SELECT sink, event, ordinal, ?3, ?4 FROM outbox
                  WHERE sink = ?1 AND ordinal = ?2 AND NOT EXISTS (
                      SELECT 1 FROM set_aside AS known
                      WHERE known.sink = ?1 AND known.event = outbox.event AND known.ordinal = ?2)";
    let values = (sink, ordinal, SetAsideBy::Service.column(), shorten(reason));
    Ok(i64::try_from(transaction.prepare_cached(insert)?.execute(values)?).unwrap_or(i64::MAX))
}

/// Drops what the service refused of a row of an event before its latest correction, and nobody decided about: behind the
/// correction that goes in its place, it would count again. Returns how many these are.
pub(super) fn drop_replaced_rows(
    transaction: &Transaction<'_>,
    sink: i64,
    event: i64,
    position: u32,
) -> Result<i64, StorageError> {
    let drop =
        "UPDATE set_aside SET stage = ?4, reason = substr('a correction goes in its place; before: ' || reason, 1, ?5)
                WHERE sink = ?1 AND event = ?2 AND stage = ?6 AND ordinal IN (
                    SELECT ordinal FROM outbox WHERE sink = ?1 AND event = ?2 AND position = ?3 AND revision < (
                        SELECT max(revision) FROM outbox WHERE sink = ?1 AND event = ?2 AND position = ?3))";
    let (dropped, service) = (SetAsideBy::Dropped.column(), SetAsideBy::Service.column());
    let values = (sink, event, position, dropped, REASON_CHARACTERS, service);
    Ok(i64::try_from(transaction.prepare_cached(drop)?.execute(values)?).unwrap_or(i64::MAX))
}

/// Counts what a person dropped, or requeued after that, and what was pruned before that was decided.
pub(super) fn count_dropped(transaction: &Transaction<'_>, sink: i64, change: i64) -> Result<(), StorageError> {
    let count = "UPDATE sink SET dropped = dropped + ?2 WHERE id = ?1 AND ?2 <> 0";
    transaction.prepare_cached(count)?.execute((sink, change))?;
    Ok(())
}

/// Keeps as much of a reason as is kept: it comes from a plugin or a server, and may be of any length.
pub(super) fn shorten(reason: &str) -> String {
    reason.chars().take(REASON_CHARACTERS).collect()
}
