//! Putting events back that a sink set aside, once its formatter was mended.
//!
//! A sink's order never changes behind its cursor: its formatter's state and the batches that left are built on it. So an
//! event is put back as a copy at the end, which only that sink takes, with the moment of the first. It is put back once:
//! the copy and the mark at the first one are one transaction.

use punchcard_core::event::Sequence;
use punchcard_core::name::SinkName;
use rusqlite::Transaction;
use ulid::Ulid;

use super::Ledger;
use super::event::{self, Recent, to_column};
use super::moment;
use super::sink::{self, SetAsideBy, SinkError};

/// Events that are put back in one transaction at most: some milliseconds of the writer's time.
const MOST_AT_ONCE: i64 = 500;

impl Ledger {
    /// Puts back what a sink's formatter refused or failed on and is still in the history: every event of which no row was
    /// made. Rows that the service refused stay aside. Returns how many events that were. `fresh` gives ids: of random
    /// bits, which nobody used.
    ///
    /// # Errors
    /// When there is no such sink, or the disk refuses. What was put back until then stays so.
    pub async fn put_back(&self, sink: &SinkName, fresh: impl Fn() -> Ulid) -> Result<u64, SinkError> {
        let mut count = 0;
        loop {
            let (name, first) = (sink.clone(), fresh());
            let put = self
                .write(move |store| {
                    let (put, newest) = store.transact(|transaction| {
                        let put = put_some_back(transaction, &name, first)?;
                        Ok::<_, SinkError>((put, event::newest(transaction)?))
                    })?;
                    store.recent = Recent::read(&store.connection)?;
                    store.announce.send_if_modified(|known| {
                        let newer = newest > *known;
                        *known = newest.max(*known);
                        newer
                    });
                    Ok::<_, SinkError>(put)
                })
                .await?;
            if put == 0 {
                return Ok(count);
            }
            count += put;
        }
    }
}

fn put_some_back(transaction: &Transaction<'_>, sink: &SinkName, fresh: Ulid) -> Result<u64, SinkError> {
    let id = sink::find(transaction, sink)?.ok_or_else(|| SinkError::UnknownSink(sink.clone()))?;
    let select = "SELECT sequence FROM set_aside
                  WHERE sink = ?1 AND position = -1 AND stage IN (?2, ?3)
                      AND EXISTS (SELECT 1 FROM event WHERE event.sequence = set_aside.sequence)
                  ORDER BY sequence LIMIT ?4";
    let mut select = transaction.prepare_cached(select)?;
    let stages = (SetAsideBy::Formatter.column(), SetAsideBy::Failure.column());
    let found = select.query_map((id, stages.0, stages.1, MOST_AT_ONCE), |row| row.get(0))?;
    let found: Vec<i64> = found.collect::<Result<_, _>>()?;
    // The copies are older than the event before them.
    if let Some(seen) = moment::last_time_seen(transaction)? {
        moment::keep_time_seen(transaction, seen)?;
    }
    for (number, original) in (0_u128..).zip(&found) {
        let sequence = to_column(Sequence(event::newest(transaction)?.0 + 1));
        let copy = "INSERT INTO event (sequence, id, at, utc_offset, boot, monotonic, source, kind, fields, only_for)
                    SELECT ?2, ?3, at, utc_offset, boot, monotonic, source, kind, fields, ?4
                    FROM event WHERE sequence = ?1";
        let of_copy = fresh.0.wrapping_add(number).to_be_bytes();
        transaction.prepare_cached(copy)?.execute((original, sequence, of_copy, id))?;
        let mark = "UPDATE set_aside SET stage = ?3, reason = 'it was put back as event ' || ?4
                    WHERE sink = ?1 AND sequence = ?2 AND position = -1";
        transaction.prepare_cached(mark)?.execute((id, original, SetAsideBy::PutBack.column(), sequence))?;
    }
    let count = i64::try_from(found.len()).unwrap_or(i64::MAX);
    let fewer = "UPDATE sink SET events_set_aside = events_set_aside - ?2 WHERE id = ?1";
    transaction.prepare_cached(fewer)?.execute((id, count))?;
    Ok(found.len() as u64)
}
