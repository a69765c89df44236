//! Rows that a service gets once more, as they are: it refused them and was mended, or they are no longer where they were
//! brought.
//!
//! A batch that was given out is never touched. So the rows are copied to the end of the sink's order, under a copy of their
//! event, which no formatter takes. They keep their keys: whoever reads them there knows them as the same rows.

use rusqlite::Transaction;

use super::error::StorageError;
use super::event::{self, to_column};

/// Before the kind of an event whose rows are repeated. No kind of plugins.toml has a colon.
pub(super) const AGAIN: &str = "again:";

/// Whether a sink's formatter has seen all that it takes. Otherwise rows that come to the end would overtake others: they
/// are made of earlier events, and a batch takes rows in the order of events.
pub(super) fn is_formatted(transaction: &Transaction<'_>, sink: i64) -> Result<bool, StorageError> {
    let formatted = "SELECT NOT EXISTS (
                         SELECT 1 FROM event JOIN sink ON sink.id = ?1
                         WHERE event.sequence > sink.cursor AND (only_for IS NULL OR only_for = ?1)
                             AND kind IN (SELECT value FROM json_each(sink.kinds)))";
    Ok(transaction.prepare_cached(formatted)?.query_row([sink], |row| row.get(0))?)
}

/// Repeats rows that stand at one place, for a sink of which [`is_formatted`] holds. Returns the sequence under which they go on; their
/// positions stay. `event` is what they are made of: of a correction, not the event at whose place it stands. `id` is the
/// copy's: one that nobody used.
pub(super) fn repeat_rows(
    transaction: &Transaction<'_>,
    sink: i64,
    (event, sequence): (i64, i64),
    positions: &[i64],
    id: [u8; 16],
) -> Result<i64, StorageError> {
    let copy = to_column(event::newest(transaction)?) + 1;
    let copy_event = "INSERT INTO event (sequence, id, at, utc_offset, boot, monotonic, source, kind, fields, only_for)
                      SELECT ?2, ?3, at, utc_offset, boot, monotonic, source,
                             CASE WHEN instr(kind, ?5) = 1 THEN kind ELSE ?5 || kind END, fields, ?4
                      FROM event WHERE sequence = ?1";
    transaction.prepare_cached(copy_event)?.execute((event, copy, id, sink, AGAIN))?;
    let copy_row = "INSERT INTO row (sink, sequence, position, event_id, column_set, cells)
                    SELECT sink, ?3, position, event_id, column_set, cells
                    FROM row WHERE sink = ?1 AND sequence = ?2 AND position = ?4";
    let mut copy_row = transaction.prepare_cached(copy_row)?;
    // A correction stands where it is brought last.
    let follow = "UPDATE correction SET sequence = ?3 WHERE sink = ?1 AND sequence = ?2 AND position = ?4";
    let mut follow = transaction.prepare_cached(follow)?;
    for position in positions {
        copy_row.execute((sink, sequence, copy, position))?;
        follow.execute((sink, sequence, copy, position))?;
    }
    // No formatter takes it, so the sink is past it.
    let advance = "UPDATE sink SET cursor = ?2 WHERE id = ?1";
    transaction.prepare_cached(advance)?.execute((sink, copy))?;
    Ok(copy)
}
