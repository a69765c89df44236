//! What keeps a restored ledger from delivering a row that its service has already.
//!
//! A backup is older than what was delivered since. Rows that wait in it may have arrived, and so may rows that its formatters
//! are still to make: of the same event they make a row with the same key. So every sink of a restored ledger is marked, with
//! the newest event of the ledger at that moment. A sink that is marked delivers nothing until its formatter has passed that
//! event and its rows were looked for at the service, in each place where they may be. What was found in a place counts as
//! delivered there, and that is durable before it is looked in the next place; the mark goes after the last one, and then the
//! rest is delivered. A power cut in between costs another look, and no row.
//!
//! The mark is a small fact of the host ([`memory`](super::memory)) under `compare-first/SINK`, and under `compare-first` for
//! sinks that the ledger does not know yet and that begin with its history.

use std::collections::BTreeSet;

use punchcard_core::event::Sequence;
use punchcard_core::name::SinkName;
use punchcard_core::time::Instant;
use rusqlite::{Connection, OptionalExtension as _, Transaction};
use uuid::Uuid;

use super::Ledger;
use super::batch::{self, BatchError, DELIVERED};
use super::error::StorageError;
use super::event::{self, from_column, to_column};
use super::outbox::{Appending, Ordinal, RowId};
use super::restore::CameIn;
use super::sink::{self, SinkError};
use super::writer::Way;

const KEY: &str = "compare-first";
const IN_DOUBT: &str = "compare-first-in-doubt";

/// That a sink compares before it delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompareFirst {
    /// The newest event when the ledger was restored. Rows of later ones are at no service.
    pub newest: Sequence,
    /// The formatter has passed that event: all rows that may have been delivered are made.
    pub formatted: bool,
    /// Rows of events up to that one that wait.
    pub waiting: u64,
    /// A batch that the ledger before this one had sent was not answered: its rows may still arrive.
    pub in_doubt: bool,
}

/// What looking for rows in one place came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compared {
    /// Rows that waited and were found: they count as delivered.
    pub there: u64,
    /// Rows that wait now, of whatever events.
    pub waiting: u64,
}

impl Ledger {
    /// Whether a sink compares before it delivers, and how far that has come.
    ///
    /// # Errors
    /// When there is no such sink, or the file can't be read.
    pub async fn compare_first(&self, sink: &SinkName) -> Result<Option<CompareFirst>, SinkError> {
        let sink = sink.clone();
        self.read(move |reader| {
            reader.snapshot(|snapshot, _| {
                let Some(newest) = find_mark(snapshot, sink.as_str())? else { return Ok(None) };
                let id = sink::find(snapshot, &sink)?.ok_or(SinkError::UnknownSink(sink))?;
                let cursor = "SELECT cursor FROM sink WHERE id = ?1";
                let cursor: i64 = snapshot.prepare_cached(cursor)?.query_row([id], |row| row.get(0))?;
                // Without the sign the index by event would be read, with all that was ever delivered.
                let waiting = "SELECT count(*) FROM outbox WHERE sink = ?1 AND +event <= ?2
                                   AND ordinal > (SELECT settled_through FROM sink WHERE id = ?1)";
                let waiting = snapshot.prepare_cached(waiting)?.query_row((id, to_column(newest)), |row| row.get(0))?;
                Ok(Some(CompareFirst {
                    newest,
                    formatted: sink::next_taken(snapshot, id, cursor, to_column(newest))?.is_none(),
                    waiting: count(waiting),
                    in_doubt: is_in_doubt(snapshot)?,
                }))
            })
        })
        .await
    }

    /// Takes what was found in one place: those rows count as delivered there, to `link`, by `by` as
    /// [`Ledger::note_identified`] has it. `there`: any ordinals of theirs; rows that do not wait are passed over. `now` is
    /// `None` where the device does not know the time. The sink goes on comparing until [`Ledger::end_comparison`].
    ///
    /// A row that was not found and stands before one that was gets a further ordinal, with all that wait behind it: rows
    /// settle in their order, and go in it. A batch that was on its way is none any more: the rows that are left go in others.
    ///
    /// # Errors
    /// When there is no such sink, or the disk refuses. Nothing has changed then.
    pub async fn settle_found(
        &self,
        sink: &SinkName,
        by: &str,
        there: Vec<Ordinal>,
        now: Option<Instant>,
        link: Option<String>,
    ) -> Result<Compared, BatchError> {
        let (sink, by) = (sink.clone(), by.to_owned());
        self.write(move |store| {
            store.transact_giving_way(|transaction, way| {
                let found = Found { by: &by, there: &there, now, link: link.as_deref() };
                settle(transaction, way, &sink, &found)
            })
        })
        .await
    }

    /// The sink delivers from now on: it was looked wherever its rows may be, or a person does not want to wait for that. A
    /// batch that is still on its way comes again as one that was tried. Returns whether the sink had to compare.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn end_comparison(&self, sink: &SinkName) -> Result<bool, StorageError> {
        let sink = sink.clone();
        self.write(move |store| store.transact(|transaction| Ok(remove_mark(transaction, sink.as_str())?))).await
    }
}

/// Has every sink of a ledger that came in by a restore compare before it delivers.
pub(super) fn mark(connection: &mut Connection, came_in: CameIn) -> Result<(), rusqlite::Error> {
    let transaction = connection.transaction()?;
    let newest = to_column(event::newest(&transaction)?).to_string();
    let mark = "INSERT INTO memory (key, value)
                SELECT ?1 || '/' || name, ?2 FROM sink UNION ALL SELECT ?1, ?2 WHERE true
                ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    transaction.execute(mark, (KEY, newest))?;
    transaction.execute("DELETE FROM memory WHERE key = ?1", [IN_DOUBT])?;
    if came_in.in_doubt {
        transaction.execute("INSERT INTO memory (key, value) VALUES (?1, '')", [IN_DOUBT])?;
    }
    if came_in.without_grants {
        // A policy begins with the tokens that are there: what it remembers is of others, and what it wanted erased is not
        // to be erased of these.
        transaction.execute("DELETE FROM grant_state", [])?;
    }
    transaction.commit()
}

/// Whether a sink still compares of a ledger that came in while rows were on their way. They may arrive yet, whichever ledger
/// comes next.
pub(super) fn is_in_doubt(connection: &Connection) -> Result<bool, rusqlite::Error> {
    let in_doubt = "SELECT EXISTS (SELECT 1 FROM memory WHERE key = ?1)
                        AND EXISTS (SELECT 1 FROM memory WHERE key > ?2 AND key < ?3)";
    // Between `compare-first/` and what follows its names: `0` is the character after `/`.
    let (after, before) = (format!("{KEY}/"), format!("{KEY}0"));
    connection.prepare_cached(in_doubt)?.query_row((IN_DOUBT, after, before), |row| row.get(0))
}

/// Marks a sink that is new in the ledger, where it begins with events of a restored one. Another ledger may have delivered
/// them under its name.
pub(super) fn mark_new(transaction: &Transaction<'_>, sink: &SinkName, begin: Sequence) -> Result<(), StorageError> {
    let find = "SELECT value FROM memory WHERE key = ?1";
    let newest: Option<String> = transaction.prepare_cached(find)?.query_row([KEY], |row| row.get(0)).optional()?;
    if let Some(newest) = newest.filter(|newest| parse(newest) > begin) {
        let mark = "INSERT INTO memory (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO NOTHING";
        transaction.prepare_cached(mark)?.execute((key(sink.as_str()), newest))?;
    }
    Ok(())
}

/// Forgets that a sink compares. Returns whether it had to.
pub(super) fn remove_mark(transaction: &Transaction<'_>, sink: &str) -> Result<bool, rusqlite::Error> {
    Ok(transaction.prepare_cached("DELETE FROM memory WHERE key = ?1")?.execute([key(sink)])? > 0)
}

fn key(sink: &str) -> String {
    format!("{KEY}/{sink}")
}

fn find_mark(snapshot: &Connection, sink: &str) -> Result<Option<Sequence>, rusqlite::Error> {
    let find = "SELECT value FROM memory WHERE key = ?1";
    let found = snapshot.prepare_cached(find)?.query_row([key(sink)], |row| row.get::<_, String>(0)).optional()?;
    Ok(found.map(|newest| parse(&newest)))
}

/// What can't be read is taken for the highest: then the whole history is waited for.
fn parse(newest: &str) -> Sequence {
    from_column(newest.parse().unwrap_or(i64::MAX))
}

/// What was found in one place, as [`Ledger::settle_found`] has it.
pub(super) struct Found<'a> {
    pub(super) by: &'a str,
    pub(super) there: &'a [Ordinal],
    pub(super) now: Option<Instant>,
    pub(super) link: Option<&'a str>,
}

pub(super) fn settle(
    transaction: &Transaction<'_>,
    way: &Way<'_>,
    name: &SinkName,
    found: &Found<'_>,
) -> Result<Compared, BatchError> {
    let sink = batch::number(transaction, name)?;
    // A batch that was given out before the backup is none any more: its rows are looked at one by one.
    let unform = "DELETE FROM batch WHERE sink = ?1 AND stage < ?2
                  AND first_ordinal = (SELECT max(first_ordinal) FROM batch WHERE sink = ?1)";
    transaction.prepare_cached(unform)?.execute((sink, DELIVERED))?;
    let stands = "SELECT settled_through, last_ordinal FROM sink WHERE id = ?1";
    let (settled, last): (i64, i64) =
        transaction.prepare_cached(stands)?.query_row([sink], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let there = find_waiting(transaction, way, sink, settled, found.there)?;
    let Some(newest_there) = there.last().copied() else {
        return Ok(Compared { there: 0, waiting: count(last - settled) });
    };
    let is_prefix = i64::try_from(there.len()).is_ok_and(|rows| newest_there - settled == rows);
    let through = if is_prefix { newest_there } else { last };
    keep_delivered(transaction, way, sink, (settled + 1, through), found)?;
    let mut waiting = last - through;
    if !is_prefix {
        let mut appending = Appending::begin(transaction, sink)?;
        for ordinal in (settled + 1..=through).filter(|ordinal| !there.contains(ordinal)) {
            way.ask()?;
            // Where a correction of it is there, it is not to come behind that.
            let Some(row) = RowId::at(transaction, sink, ordinal)? else { continue };
            if is_replaced_by(transaction, sink, row, &there)? {
                continue;
            }
            appending.push_again(ordinal)?;
            waiting += 1;
        }
        appending.end()?;
    }
    let keep = "UPDATE sink SET settled_through = ?2, rows_delivered = rows_delivered + ?3,
                    delivered_at = coalesce(?4, delivered_at), link = coalesce(?5, link) WHERE id = ?1";
    let arrived = i64::try_from(there.len()).unwrap_or(i64::MAX);
    let now = found.now.map(|now| now.unix_micros);
    transaction.prepare_cached(keep)?.execute((sink, through, arrived, now, found.link))?;
    // They were found by their keys, so they carry them.
    let identified = "UPDATE sink SET identified_by = ?2, identified_from = ?3 WHERE id = ?1
                      AND (identified_by IS NOT ?2 OR identified_from IS NULL)";
    transaction.prepare_cached(identified)?.execute((sink, found.by, settled + 1))?;
    Ok(Compared { there: count(arrived), waiting: count(waiting) })
}

/// The ordinals at which rows wait that were found.
fn find_waiting(
    transaction: &Transaction<'_>,
    way: &Way<'_>,
    sink: i64,
    settled: i64,
    there: &[Ordinal],
) -> Result<BTreeSet<i64>, BatchError> {
    let mut waiting = BTreeSet::new();
    for ordinal in there {
        way.ask()?;
        let Some(row) = RowId::at(transaction, sink, ordinal.column())? else { continue };
        let Some((_, last)) = row.ordinals(transaction, sink)? else { continue };
        if last > settled {
            waiting.insert(last);
        }
    }
    Ok(waiting)
}

/// Writes batches down that hold the rows of a range, as if they had been delivered.
fn keep_delivered(
    transaction: &Transaction<'_>,
    way: &Way<'_>,
    sink: i64,
    (first, through): (i64, i64),
    found: &Found<'_>,
) -> Result<(), BatchError> {
    let mut first = first;
    let now = found.now.map(|now| now.unix_micros);
    while first <= through {
        way.ask()?;
        let columns = "SELECT column_set FROM outbox WHERE sink = ?1 AND ordinal = ?2";
        let columns: i64 = transaction.prepare_cached(columns)?.query_row((sink, first), |row| row.get(0))?;
        let next = "SELECT min(ordinal) FROM outbox
                    WHERE sink = ?1 AND ordinal > ?2 AND ordinal <= ?3 AND column_set <> ?4";
        let next: Option<i64> =
            transaction.prepare_cached(next)?.query_row((sink, first, through, columns), |row| row.get(0))?;
        let last = next.map_or(through, |next| next - 1);
        let keep = "INSERT INTO batch (sink, first_ordinal, last_ordinal, column_set, id, stage, delivered_at, link)
                    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let id = Uuid::nil().to_string();
        transaction.prepare_cached(keep)?.execute((sink, first, last, columns, id, DELIVERED, now, found.link))?;
        first = last + 1;
    }
    Ok(())
}

/// Whether a later revision of a row is among these ordinals.
fn is_replaced_by(
    transaction: &Transaction<'_>,
    sink: i64,
    row: RowId,
    there: &BTreeSet<i64>,
) -> Result<bool, rusqlite::Error> {
    let later = "SELECT ordinal FROM outbox WHERE sink = ?1 AND event = ?2 AND position = ?3 AND revision > ?4";
    let mut later = transaction.prepare_cached(later)?;
    let mut later = later.query((sink, row.event, row.position, row.revision))?;
    while let Some(later) = later.next()? {
        if there.contains(&later.get(0)?) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn count(column: i64) -> u64 {
    u64::try_from(column).unwrap_or(0)
}
