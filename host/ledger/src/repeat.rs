//! Rows that a service gets once more, as they are: it refused them and was mended, or they are no longer where they were
//! brought.
//!
//! A batch that was given out is never touched. So the rows are copied to the end of the sink's order, under a copy of their
//! event, which no formatter takes. They keep their keys: whoever reads them there knows them as the same rows.

use punchcard_core::name::SinkName;
use rusqlite::Transaction;
use ulid::Ulid;

use super::Ledger;
use super::batch::Place;
use super::brought::{Brought, RowPlace, find_brought};
use super::correction::{FIRST_POSITION, find_corrected, is_replaced};
use super::error::StorageError;
use super::event::{self, to_column};
use super::moment;
use super::put_back::{PutBackError, render_put_back};
use super::sink::{self, SetAsideBy};

/// Before the kind of an event whose rows are repeated. No kind of plugins.toml has a colon.
pub(super) const AGAIN: &str = "again:";

/// Rows that are repeated in one transaction at most: some milliseconds of the writer's time.
const MOST_AT_ONCE: usize = 200;

impl Ledger {
    /// Brings rows once more that were delivered, under the same keys: copies at the end of the sink's order. A row that is
    /// not delivered, or not any more, is passed over. Returns how many are on their way. `fresh` gives ids: of random bits,
    /// which nobody used.
    ///
    /// # Errors
    /// When there is no such sink, events wait for its formatter, or the disk refuses. What was copied until then stays so.
    pub async fn deliver_again(
        &self,
        sink: &SinkName,
        mut rows: Vec<RowPlace>,
        fresh: impl Fn() -> Ulid,
    ) -> Result<u64, PutBackError> {
        rows.sort_unstable();
        rows.dedup();
        let mut count = 0;
        for some in rows.chunks(MOST_AT_ONCE) {
            let (name, some, first) = (sink.clone(), some.to_vec(), fresh());
            count += self
                .write(move |store| {
                    let copied = store.transact(|transaction| repeat_some(transaction, &name, &some, first))?;
                    store.announce_newest()?;
                    Ok::<_, PutBackError>(copied)
                })
                .await?;
        }
        Ok(count)
    }
}

fn repeat_some(
    transaction: &Transaction<'_>,
    name: &SinkName,
    rows: &[RowPlace],
    fresh: Ulid,
) -> Result<u64, PutBackError> {
    let sink = sink::find(transaction, name)?.ok_or_else(|| PutBackError::UnknownSink(name.clone()))?;
    if !is_formatted(transaction, sink)? {
        return Err(PutBackError::Unformatted(name.clone()));
    }
    // The copies are older than the event before them.
    if let Some(seen) = moment::last_time_seen(transaction)? {
        moment::keep_time_seen(transaction, seen)?;
    }
    let mut found: Vec<(i64, Place)> = Vec::new();
    for row in rows {
        let place = row.columns();
        // A correction that went on elsewhere is none any more, and what was pruned meanwhile can't be copied.
        if let Some((event, ..)) = find_corrected(transaction, sink, place)?
            && is_there(transaction, sink, event, place)?
            // Behind a correction that went in its place meanwhile, it would count again.
            && !is_replaced(transaction, sink, place)?
            && matches!(find_brought(transaction, sink, place, None)?, Brought::Delivered { .. })
        {
            found.push((event, place));
        }
    }
    let of_one = found.chunk_by(|(event, place), (other, next)| (event, place.0) == (other, next.0));
    for (number, rows) in (0_u128..).zip(of_one) {
        let Some((event, (sequence, _))) = rows.first().copied() else { continue };
        let positions: Vec<i64> = rows.iter().map(|(_, place)| place.1).collect();
        let id = fresh.0.wrapping_add(number).to_be_bytes();
        let copy = repeat_rows(transaction, sink, (event, sequence), &positions, id)?;
        let mark = "INSERT INTO set_aside (sink, sequence, position, stage, reason) VALUES (?1, ?2, ?3, ?4, ?5)
                    ON CONFLICT (sink, sequence, position) DO UPDATE SET stage = ?4, reason = ?5";
        let (by, reason) = (SetAsideBy::PutBack.column(), render_put_back(copy));
        // A correction is found at its new place by itself.
        for position in positions.iter().filter(|position| **position < FIRST_POSITION) {
            transaction.prepare_cached(mark)?.execute((sink, sequence, position, by, &reason))?;
        }
    }
    moment::pass_copies(transaction)?;
    let made = "UPDATE sink SET rows_made = rows_made + ?2 WHERE id = ?1";
    transaction.prepare_cached(made)?.execute((sink, i64::try_from(found.len()).unwrap_or(0)))?;
    Ok(found.len() as u64)
}

fn is_there(transaction: &Transaction<'_>, sink: i64, event: i64, place: Place) -> Result<bool, StorageError> {
    let there = "SELECT EXISTS (SELECT 1 FROM event WHERE sequence = ?1)
                     AND EXISTS (SELECT 1 FROM row WHERE sink = ?2 AND sequence = ?3 AND position = ?4)";
    Ok(transaction.prepare_cached(there)?.query_row((event, sink, place.0, place.1), |row| row.get(0))?)
}

fn expect_one(copied: usize) -> Result<(), StorageError> {
    if copied == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(copied).into()) }
}

/// Whether a sink's formatter has seen all that it takes. Otherwise rows that come to the end would overtake others: they
/// are made of earlier events, and a batch takes rows in the order of events.
pub(super) fn is_formatted(transaction: &Transaction<'_>, sink: i64) -> Result<bool, StorageError> {
    let formatted = "SELECT NOT EXISTS (
                         SELECT 1 FROM event JOIN sink ON sink.id = ?1
                         WHERE event.sequence > sink.cursor AND (only_for IS NULL OR only_for = ?1)
                             AND kind IN (SELECT value FROM json_each(sink.kinds)))";
    Ok(transaction.prepare_cached(formatted)?.query_row([sink], |row| row.get(0))?)
}

/// Repeats rows that stand at one place, for a sink of which [`is_formatted`] holds. Returns the sequence under which they
/// go on; their positions stay. `event` is what they are made of: of a correction, not the event at whose place it stands.
/// `id` is the copy's: one that nobody used.
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
    // Nothing may go past a sequence that no event has: the next one would get it, and be taken for formatted.
    expect_one(transaction.prepare_cached(copy_event)?.execute((event, copy, id, sink, AGAIN))?)?;
    let copy_row = "INSERT INTO row (sink, sequence, position, event_id, column_set, cells)
                    SELECT sink, ?3, position, event_id, column_set, cells
                    FROM row WHERE sink = ?1 AND sequence = ?2 AND position = ?4";
    let mut copy_row = transaction.prepare_cached(copy_row)?;
    // A correction stands where it is brought last.
    let follow = "UPDATE correction SET sequence = ?3 WHERE sink = ?1 AND sequence = ?2 AND position = ?4";
    let mut follow = transaction.prepare_cached(follow)?;
    for position in positions {
        expect_one(copy_row.execute((sink, sequence, copy, position))?)?;
        follow.execute((sink, sequence, copy, position))?;
    }
    // No formatter takes it, so the sink is past it.
    let advance = "UPDATE sink SET cursor = ?2 WHERE id = ?1";
    transaction.prepare_cached(advance)?.execute((sink, copy))?;
    Ok(copy)
}
