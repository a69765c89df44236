//! What a sink set aside, once a person decided about it: requeued after something was mended, or dropped with a reason.
//!
//! An event is requeued to the formatter: it gets a further place, at the end of the ledger's order, which that sink alone
//! takes. Nothing before the formatter's cursor changes, for its state is built on it. A row that the service refused is
//! made already, and gets a further ordinal as it is. What is dropped stays in the history with the reason, and can be
//! requeued. Each is requeued once: its further place and the mark at what was set aside are one transaction.

use std::collections::BTreeSet;

use punchcard_core::event::Sequence;
use punchcard_core::name::SinkName;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction};
use thiserror::Error;

use super::Ledger;
use super::error::StorageError;
use super::event::{self, to_column};
use super::outbox::{Appending, RowId};
use super::set_aside::{self, REASON_CHARACTERS, SetAsideBy};
use super::sink;

/// What is requeued in one transaction at most: some milliseconds of the writer's time.
const MOST_AT_ONCE: usize = 500;

/// What was requeued.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requeued {
    /// Events that the formatter gets once more.
    pub events: u64,
    /// Rows that the service gets once more.
    pub rows: u64,
}

/// Why what a sink set aside was not requeued or dropped.
#[derive(Debug, Error)]
pub enum RequeueError {
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
    /// The file was not read or written.
    #[error("what was set aside could not be read or written")]
    Storage(#[from] StorageError),
}

impl From<rusqlite::Error> for RequeueError {
    fn from(source: rusqlite::Error) -> Self {
        Self::Storage(source.into())
    }
}

impl Ledger {
    /// Requeues what a sink set aside and is still in the history: of the events that are named, what was dropped too; of
    /// all, where none is named, what was not.
    ///
    /// # Errors
    /// When there is no such sink, nothing of an event that is named, or the disk refuses. What was requeued until then
    /// stays so.
    pub async fn requeue(&self, sink: &SinkName, events: &[Sequence]) -> Result<Requeued, RequeueError> {
        let mut all = Requeued::default();
        // One that is named twice is requeued once.
        let events: Vec<Sequence> = events.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let mut rest = events.as_slice();
        // What is refused once more meanwhile is not requeued again and again.
        let through = self.last_set_aside().await?;
        loop {
            let named = &rest[..rest.len().min(MOST_AT_ONCE)];
            rest = &rest[named.len()..];
            let (name, named) = (sink.clone(), named.to_vec());
            let some = self
                .write(move |store| {
                    let some = store.transact(|transaction| requeue_some(transaction, &name, &named, through))?;
                    store.announce_newest()?;
                    Ok::<_, RequeueError>(some)
                })
                .await?;
            all.events += some.events;
            all.rows += some.rows;
            if if events.is_empty() { some.events + some.rows == 0 } else { rest.is_empty() } {
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
    ) -> Result<u64, RequeueError> {
        let (name, events, reason) = (sink.clone(), events.to_vec(), reason.to_owned());
        self.write(move |store| store.transact(|transaction| drop_all(transaction, &name, &events, &reason))).await
    }

    async fn last_set_aside(&self) -> Result<i64, StorageError> {
        self.read(|reader| {
            reader.snapshot(|snapshot, _| {
                let last = "SELECT coalesce(max(id), 0) FROM set_aside";
                Ok(snapshot.prepare_cached(last)?.query_row([], |row| row.get(0))?)
            })
        })
        .await
    }
}

/// The event that a sink's formatter gets at a place of the ledger's order: what stands there, or what was requeued to it.
pub(super) fn event_at(connection: &Connection, sink: i64, sequence: i64) -> Result<Option<i64>, rusqlite::Error> {
    let find = "SELECT sequence FROM event WHERE sequence = ?2
                UNION ALL
                SELECT event FROM requeue WHERE sequence = ?2 AND sink = ?1";
    connection.prepare_cached(find)?.query_row((sink, sequence), |row| row.get(0)).optional()
}

/// Something that is set aside or dropped.
struct Entry {
    id: i64,
    event: i64,
    /// Of a row.
    ordinal: Option<i64>,
    dropped: bool,
}

impl Entry {
    fn parse(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self { id: row.get(0)?, event: row.get(1)?, ordinal: row.get(2)?, dropped: row.get(3)? })
    }
}

fn requeue_some(
    transaction: &Transaction<'_>,
    name: &SinkName,
    events: &[Sequence],
    through: i64,
) -> Result<Requeued, RequeueError> {
    let sink = number(transaction, name)?;
    let mut entries = Vec::new();
    while events.is_empty() {
        entries = find_undecided(transaction, sink, through)?;
        let found = entries.len();
        leave_replaced(transaction, sink, &mut entries)?;
        if found == 0 || !entries.is_empty() {
            break;
        }
    }
    for event in events {
        let mut found = find_of(transaction, sink, *event)?;
        leave_replaced(transaction, sink, &mut found)?;
        if found.is_empty() {
            return Err(RequeueError::NotSetAside { sink: name.clone(), event: *event });
        }
        entries.extend(found);
    }
    let mut requeued = Requeued::default();
    let mut sequence = to_column(event::newest(transaction)?);
    let mut appending = Appending::begin(transaction, sink)?;
    for entry in &entries {
        if let Some(ordinal) = entry.ordinal {
            appending.push_again(ordinal)?;
            requeued.rows += 1;
        } else {
            sequence += 1;
            let place = "INSERT INTO requeue (sequence, sink, event) VALUES (?1, ?2, ?3)";
            transaction.prepare_cached(place)?.execute((sequence, sink, entry.event))?;
            requeued.events += 1;
        }
        let mark = "UPDATE set_aside SET stage = ?2 WHERE id = ?1";
        transaction.prepare_cached(mark)?.execute((entry.id, SetAsideBy::Requeued.column()))?;
    }
    appending.end()?;
    let dropped = entries.iter().filter(|entry| entry.dropped).count();
    let count = "UPDATE sink SET rows_set_aside = rows_set_aside - ?2, events_set_aside = events_set_aside - ?3,
                                 dropped = dropped - ?4 WHERE id = ?1";
    transaction.prepare_cached(count)?.execute((sink, requeued.rows, requeued.events, dropped))?;
    Ok(requeued)
}

/// Leaves rows out in whose place a correction goes, and drops them: behind that, they would count again.
fn leave_replaced(transaction: &Transaction<'_>, sink: i64, entries: &mut Vec<Entry>) -> Result<(), RequeueError> {
    let mut left = Vec::with_capacity(entries.len());
    let mut dropped = 0;
    for entry in entries.drain(..) {
        let row = match entry.ordinal {
            Some(ordinal) => RowId::at(transaction, sink, ordinal)?,
            None => None,
        };
        match row {
            Some(row) if row.is_replaced(transaction, sink)? => {
                dropped += set_aside::drop_replaced_rows(transaction, sink, row.event, row.position)?;
            }
            _ => left.push(entry),
        }
    }
    *entries = left;
    Ok(set_aside::count_dropped(transaction, sink, dropped)?)
}

fn drop_all(
    transaction: &Transaction<'_>,
    name: &SinkName,
    events: &[Sequence],
    reason: &str,
) -> Result<u64, RequeueError> {
    let sink = number(transaction, name)?;
    let mut count = 0;
    for event in BTreeSet::from_iter(events) {
        let drop = "UPDATE set_aside SET stage = ?3, reason = substr(?4 || '; before: ' || reason, 1, ?5)
                    WHERE sink = ?1 AND event = ?2 AND stage < 3";
        let values = (sink, to_column(*event), SetAsideBy::Dropped.column(), reason, REASON_CHARACTERS);
        let dropped = transaction.prepare_cached(drop)?.execute(values)?;
        if dropped == 0 {
            return Err(RequeueError::NotSetAside { sink: name.clone(), event: *event });
        }
        count += dropped;
    }
    set_aside::count_dropped(transaction, sink, i64::try_from(count).unwrap_or(i64::MAX))?;
    Ok(count as u64)
}

/// What of all events that are in the history nobody has decided about, some of it, in the order in which it was set aside.
fn find_undecided(transaction: &Transaction<'_>, sink: i64, through: i64) -> Result<Vec<Entry>, StorageError> {
    let find = "SELECT id, event, ordinal, 0 FROM set_aside
                WHERE sink = ?1 AND stage < 3 AND id <= ?2
                    AND EXISTS (SELECT 1 FROM event WHERE event.sequence = set_aside.event)
                ORDER BY id LIMIT ?3";
    let mut find = transaction.prepare_cached(find)?;
    let found = find.query_map((sink, through, MOST_AT_ONCE), Entry::parse)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// What of an event is set aside or dropped.
fn find_of(transaction: &Transaction<'_>, sink: i64, event: Sequence) -> Result<Vec<Entry>, StorageError> {
    let find = "SELECT id, event, ordinal, stage = 4 FROM set_aside
                WHERE sink = ?1 AND event = ?2 AND stage <> 3
                    AND EXISTS (SELECT 1 FROM event WHERE event.sequence = ?2)
                ORDER BY id";
    let mut find = transaction.prepare_cached(find)?;
    let found = find.query_map((sink, to_column(event)), Entry::parse)?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn number(connection: &Connection, sink: &SinkName) -> Result<i64, RequeueError> {
    sink::find(connection, sink)?.ok_or_else(|| RequeueError::UnknownSink(sink.clone()))
}
