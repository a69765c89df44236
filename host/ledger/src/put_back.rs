//! What a sink set aside, once a person decided about it: put back after something was mended, or dropped with a reason.
//!
//! A sink's order never changes behind its cursor: its formatter's state and the batches that left are built on it. So an
//! event is put back as a copy at the end, which only that sink takes, with the moment of the first. It is put back once:
//! the copy and the mark at the first one are one transaction. A row that the service refused is made already, and is
//! repeated as it is (see `repeat`). What is dropped stays in the history with the reason, and can be put back.

use std::collections::BTreeSet;

use punchcard_core::event::Sequence;
use punchcard_core::name::SinkName;
use rusqlite::{Row, Transaction};
use thiserror::Error;
use ulid::Ulid;

use super::Ledger;
use super::correction::{self, FIRST_POSITION};
use super::error::StorageError;
use super::event::{self, to_column};
use super::moment;
use super::repeat;
use super::sink::{self, SetAsideBy};

/// Events that are put back in one transaction at most: some milliseconds of the writer's time.
const MOST_AT_ONCE: usize = 500;

/// What was put back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PutBack {
    /// Events that the formatter gets once more.
    pub events: u64,
    /// Rows that the service gets once more.
    pub rows: u64,
    /// Rows that stay aside, because events of the sink wait for its formatter: their rows come first.
    pub rows_left: u64,
}

/// Why what a sink set aside was not put back or dropped.
#[derive(Debug, Error)]
pub enum PutBackError {
    /// No such sink was ever declared.
    #[error("the ledger knows no sink `{0}`")]
    UnknownSink(SinkName),
    /// There is nothing to decide about an event that was named.
    #[error("sink `{sink}` has nothing set aside of event {}, or the history no longer holds it", event.0)]
    NotSetAside {
        /// The sink.
        sink: SinkName,
        /// The event.
        event: Sequence,
    },
    /// Rows that are made already would overtake others.
    #[error("events of sink `{0}` wait for its formatter, and their rows come first; try again when none waits")]
    Unformatted(SinkName),
    /// The file was not read or written.
    #[error("what was set aside could not be read or written")]
    Storage(#[from] StorageError),
}

impl From<rusqlite::Error> for PutBackError {
    fn from(source: rusqlite::Error) -> Self {
        Self::Storage(source.into())
    }
}

impl Ledger {
    /// Puts back what a sink set aside and is still in the history: of the events that are named, what was dropped too; of
    /// all, where none is named, what was not. `fresh` gives ids: of random bits, which nobody used.
    ///
    /// # Errors
    /// When there is no such sink, nothing of an event that is named, or the disk refuses. What was put back until then
    /// stays so.
    pub async fn put_back(
        &self,
        sink: &SinkName,
        events: &[Sequence],
        fresh: impl Fn() -> Ulid,
    ) -> Result<PutBack, PutBackError> {
        let mut all = PutBack::default();
        // One that is named twice is put back once.
        let events: Vec<Sequence> = events.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let mut rest = events.as_slice();
        // What is refused once more meanwhile is not put back again and again.
        let through = *self.accepted().borrow();
        loop {
            let named = &rest[..rest.len().min(MOST_AT_ONCE)];
            rest = &rest[named.len()..];
            let (name, named, first) = (sink.clone(), named.to_vec(), fresh());
            let put = self
                .write(move |store| {
                    let put =
                        store.transact(|transaction| put_some_back(transaction, &name, &named, through, first))?;
                    store.announce_newest()?;
                    Ok::<_, PutBackError>(put)
                })
                .await?;
            all.events += put.events;
            all.rows += put.rows;
            all.rows_left = if events.is_empty() { put.rows_left } else { all.rows_left + put.rows_left };
            if if events.is_empty() { put.events + put.rows == 0 } else { rest.is_empty() } {
                return Ok(all);
            }
        }
    }

    /// Drops what a sink set aside of these events: a person decided that it never becomes a row. It stays in the history
    /// with the reason. Returns how many events and rows that were.
    ///
    /// # Errors
    /// When there is no such sink, nothing of one of the events, or the disk refuses. Nothing is dropped then.
    pub async fn drop_set_aside(
        &self,
        sink: &SinkName,
        events: &[Sequence],
        reason: &str,
    ) -> Result<u64, PutBackError> {
        let (name, events, reason) = (sink.clone(), events.to_vec(), reason.to_owned());
        self.write(move |store| store.transact(|transaction| drop_all(transaction, &name, &events, &reason))).await
    }
}

/// Something that is set aside or dropped.
struct Aside {
    /// Whose row it is: of a correction, the event that it corrects.
    event: i64,
    /// Where it stands.
    sequence: i64,
    /// -1: the whole event.
    position: i64,
    dropped: bool,
}

impl Aside {
    fn parse(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self { event: row.get(0)?, sequence: row.get(1)?, position: row.get(2)?, dropped: row.get(3)? })
    }
}

fn put_some_back(
    transaction: &Transaction<'_>,
    name: &SinkName,
    events: &[Sequence],
    through: Sequence,
    fresh: Ulid,
) -> Result<PutBack, PutBackError> {
    let sink = number(transaction, name)?;
    // Once an event waits for the formatter, rows that are made already would overtake its rows.
    let may_repeat = repeat::is_formatted(transaction, sink)?;
    let mut asides = Vec::new();
    while events.is_empty() {
        asides = find_all(transaction, sink, through, may_repeat)?;
        if drop_replaced(transaction, name, sink, &mut asides)? == 0 || !asides.is_empty() {
            break;
        }
    }
    for event in events {
        let mut found = find_named(transaction, sink, *event)?;
        drop_replaced(transaction, name, sink, &mut found)?;
        if found.is_empty() {
            return Err(PutBackError::NotSetAside { sink: name.clone(), event: *event });
        }
        asides.extend(found);
    }
    // The copies are older than the event before them.
    if let Some(seen) = moment::last_time_seen(transaction)? {
        moment::keep_time_seen(transaction, seen)?;
    }
    let (rows, whole): (Vec<Aside>, Vec<Aside>) = asides.into_iter().partition(|aside| aside.position >= 0);
    let mut put = PutBack::default();
    if events.is_empty() && !may_repeat {
        let left = "SELECT count(*) FROM set_aside WHERE sink = ?1 AND stage = 2 AND sequence <= ?2";
        put.rows_left = transaction.prepare_cached(left)?.query_row((sink, to_column(through)), |row| row.get(0))?;
    }
    let mut ids = (0_u128..).map(|number| fresh.0.wrapping_add(number).to_be_bytes());
    let mut dropped = 0;
    for aside in rows {
        if !may_repeat {
            put.rows_left += 1;
            continue;
        }
        let Some(id) = ids.next() else { break };
        let copy = repeat::repeat_rows(transaction, sink, (aside.event, aside.sequence), &[aside.position], id)?;
        mark(transaction, sink, &aside, copy)?;
        let fewer = "UPDATE sink SET rows_set_aside = rows_set_aside - 1 WHERE id = ?1";
        transaction.prepare_cached(fewer)?.execute([sink])?;
        dropped += i64::from(aside.dropped);
        put.rows += 1;
    }
    for aside in whole {
        let Some(id) = ids.next() else { break };
        let sequence = to_column(Sequence(event::newest(transaction)?.0 + 1));
        let copy = "INSERT INTO event (sequence, id, at, utc_offset, boot, monotonic, source, kind, fields, only_for)
                    SELECT ?2, ?3, at, utc_offset, boot, monotonic, source, kind, fields, ?4
                    FROM event WHERE sequence = ?1";
        transaction.prepare_cached(copy)?.execute((aside.sequence, sequence, id, sink))?;
        mark(transaction, sink, &aside, sequence)?;
        let fewer = "UPDATE sink SET events_set_aside = events_set_aside - 1 WHERE id = ?1";
        transaction.prepare_cached(fewer)?.execute([sink])?;
        dropped += i64::from(aside.dropped);
        put.events += 1;
    }
    moment::pass_copies(transaction)?;
    sink::count_dropped(transaction, name, -dropped)?;
    Ok(put)
}

/// Takes rows out in whose place a correction goes: behind that, they would count again. They are dropped. Returns how many
/// were not yet.
fn drop_replaced(
    transaction: &Transaction<'_>,
    name: &SinkName,
    sink: i64,
    asides: &mut Vec<Aside>,
) -> Result<i64, PutBackError> {
    let mut left = Vec::new();
    let mut count = 0;
    for aside in asides.drain(..) {
        let place = (aside.sequence, aside.position);
        if aside.position < 0 || !correction::is_replaced(transaction, sink, place)? {
            left.push(aside);
        } else if !aside.dropped {
            correction::drop_replaced(transaction, sink, place)?;
            count += 1;
        }
    }
    *asides = left;
    sink::count_dropped(transaction, name, count)?;
    Ok(count)
}

fn mark(transaction: &Transaction<'_>, sink: i64, aside: &Aside, copy: i64) -> Result<(), PutBackError> {
    if aside.position >= FIRST_POSITION {
        // A correction stands at its new place now; nothing leads to the old one.
        let forget = "DELETE FROM set_aside WHERE sink = ?1 AND sequence = ?2 AND position = ?3";
        transaction.prepare_cached(forget)?.execute((sink, aside.sequence, aside.position))?;
        return Ok(());
    }
    let mark = "UPDATE set_aside SET stage = ?4, reason = ?5
                WHERE sink = ?1 AND sequence = ?2 AND position = ?3";
    let (by, reason) = (SetAsideBy::PutBack.column(), render_put_back(copy));
    transaction.prepare_cached(mark)?.execute((sink, aside.sequence, aside.position, by, reason))?;
    Ok(())
}

pub(super) const AS_EVENT: &str = "it was put back as event ";

/// What stands at an event or row that goes on under another number.
pub(super) fn render_put_back(copy: i64) -> String {
    format!("{AS_EVENT}{copy}")
}

/// The other number.
pub(super) fn parse_put_back(reason: &str) -> Option<i64> {
    reason.strip_prefix(AS_EVENT)?.parse().ok()
}

fn drop_all(
    transaction: &Transaction<'_>,
    name: &SinkName,
    events: &[Sequence],
    reason: &str,
) -> Result<u64, PutBackError> {
    let sink = number(transaction, name)?;
    let mut count = 0;
    for event in BTreeSet::from_iter(events) {
        let drop = "UPDATE set_aside SET stage = ?3, reason = substr(?4 || '; before: ' || reason, 1, ?5)
                    WHERE sink = ?1 AND stage IN (0, 1, 2) AND (
                        sequence = ?2 AND position < ?6
                        OR (sequence, position) IN (
                            SELECT sequence, position FROM correction WHERE sink = ?1 AND of_sequence = ?2))";
        let by = SetAsideBy::Dropped.column();
        let values = (sink, to_column(*event), by, reason, sink::REASON_CHARACTERS, FIRST_POSITION);
        let dropped = transaction.prepare_cached(drop)?.execute(values)?;
        if dropped == 0 {
            return Err(PutBackError::NotSetAside { sink: name.clone(), event: *event });
        }
        count += dropped;
    }
    sink::count_dropped(transaction, name, i64::try_from(count).unwrap_or(i64::MAX))?;
    Ok(count as u64)
}

const FIND: &str = "SELECT coalesce(of_sequence, set_aside.sequence) AS of_event, sequence, position, stage = 4
                    FROM set_aside LEFT JOIN correction USING (sink, sequence, position)
                    WHERE sink = ?1 AND EXISTS (SELECT 1 FROM event WHERE event.sequence = of_event)";

/// What is set aside of all events up to one, some of it: rows first.
fn find_all(
    transaction: &Transaction<'_>,
    sink: i64,
    through: Sequence,
    with_rows: bool,
) -> Result<Vec<Aside>, PutBackError> {
    let stages = if with_rows { "0, 1, 2" } else { "0, 1" };
    let order = "ORDER BY stage = 2 DESC, sequence, position";
    let select = format!("{FIND} AND sequence <= ?2 AND stage IN ({stages}) {order} LIMIT {MOST_AT_ONCE}");
    let mut select = transaction.prepare_cached(&select)?;
    let found = select.query_map((sink, to_column(through)), Aside::parse)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// What of an event is set aside or dropped.
fn find_named(transaction: &Transaction<'_>, sink: i64, event: Sequence) -> Result<Vec<Aside>, PutBackError> {
    let select = format!("{FIND} AND of_event = ?2 AND stage IN (0, 1, 2, 4) ORDER BY position");
    let mut select = transaction.prepare_cached(&select)?;
    let found = select.query_map((sink, to_column(event)), Aside::parse)?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn number(transaction: &Transaction<'_>, sink: &SinkName) -> Result<i64, PutBackError> {
    sink::find(transaction, sink)?.ok_or_else(|| PutBackError::UnknownSink(sink.clone()))
}
