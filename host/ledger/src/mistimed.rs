//! Events that were formatted with times that proved wrong since.
//!
//! What a clock said that was only believed is put right when the kernel is synchronised, but what was made of it by then
//! stays: rows, and what a formatter remembers for rows that are still to come. Only a replay puts those right.

use punchcard_core::event::Sequence;
use punchcard_core::name::SinkName;
use rusqlite::{Connection, OptionalExtension as _, Transaction};

use super::Ledger;
use super::encoding;
use super::error::StorageError;
use super::event::{from_column, to_column};
use super::moment::BootTimes;
use super::sink;

/// A time that is wrong by less than this, in µs, is no other time in a sheet.
const MATTERS: i64 = 1_000_000;

/// A sink whose formatter was given times that proved wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistimed {
    /// Which.
    pub sink: SinkName,
    /// The first event that had such a time, of those that are in the history.
    pub from: Sequence,
}

impl Ledger {
    /// The declared sinks that were given such times, of which something is left to be put right.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn mistimed(&self) -> Result<Vec<Mistimed>, StorageError> {
        self.read(|reader| {
            reader.snapshot(|snapshot, _| {
                let declared =
                    "SELECT id, name, pruned_through FROM sink JOIN history WHERE declared = 1 ORDER BY name";
                let mut declared = snapshot.prepare_cached(declared)?;
                let mut declared = declared.query([])?;
                let mut found = Vec::new();
                while let Some(row) = declared.next()? {
                    let pruned_through: i64 = row.get(2)?;
                    if let Some((from, through)) = recall(snapshot, row.get(0)?)?
                        && through > pruned_through
                    {
                        let from = from_column(from.max(pruned_through + 1));
                        found.push(Mistimed { sink: sink::parse_name(&row.get::<_, String>(1)?)?, from });
                    }
                }
                Ok(found)
            })
        })
        .await
    }

    /// What a sink's formatter made from this event on is right, by these times; or a person takes it as it is.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn note_corrected(&self, sink: &SinkName, from: Sequence, boots: BootTimes) -> Result<(), StorageError> {
        let sink = sink.clone();
        self.write(move |store| {
            store.transact(|transaction| {
                let Some(id) = sink::find(transaction, &sink)? else { return Ok(()) };
                let pruned = "SELECT pruned_through FROM history";
                let pruned_through: i64 = transaction.prepare_cached(pruned)?.query_row([], |row| row.get(0))?;
                let kept = recall(transaction, id)?;
                let is_right = kept.is_some_and(|(first, _)| to_column(from) <= first.max(pruned_through + 1));
                // Otherwise times proved wrong since those were read.
                if is_right && boots.hold(transaction)? {
                    transaction.prepare_cached("DELETE FROM memory WHERE key = ?1")?.execute([key(id)])?;
                }
                Ok(())
            })
        })
        .await
    }
}

fn key(sink: i64) -> String {
    format!("mistimed/{sink}")
}

/// The first event that had a wrong time, and the last that may have had one.
fn recall(connection: &Connection, sink: i64) -> Result<Option<(i64, i64)>, StorageError> {
    let recall = "SELECT value FROM memory WHERE key = ?1";
    let kept: Option<String> =
        connection.prepare_cached(recall)?.query_row([key(sink)], |row| row.get(0)).optional()?;
    kept.map(|kept| encoding::parse(&kept, "whose times were wrong")).transpose()
}

/// Keeps that a sink's formatter was given such times, together with what was kept before.
fn keep(transaction: &Transaction<'_>, sink: i64, from: i64, through: i64) -> Result<(), StorageError> {
    let before = recall(transaction, sink)?;
    let (from, through) = before.map_or((from, through), |before| (from.min(before.0), through.max(before.1)));
    let keep = "INSERT INTO memory (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2";
    transaction.prepare_cached(keep)?.execute((key(sink), format!("[{from},{through}]")))?;
    Ok(())
}

/// Keeps which declared sinks were given times of this boot that are wrong, now that the kernel is synchronised and says that
/// the boot's monotonic clock stood at 0 at `zero`, in µs since 1970. To be done before the ledger is told so.
pub(super) fn note(transaction: &Transaction<'_>, boot: &str, zero: i64) -> Result<(), StorageError> {
    let believed = "SELECT id, zero, coalesce(floor, zero) FROM boot
                    WHERE name = ?1 AND zero IS NOT NULL AND synchronised IS NULL";
    let believed: Option<(i64, i64, i64)> = transaction
        .prepare_cached(believed)?
        .query_row([boot], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((boot, believed, floor)) = believed else { return Ok(()) };
    let before = "SELECT sequence FROM event WHERE only_for IS NULL AND boot < ?1 ORDER BY sequence DESC LIMIT 1";
    let before: Option<i64> = transaction.prepare_cached(before)?.query_row([boot], |row| row.get(0)).optional()?;
    let mut sinks = transaction.prepare_cached("SELECT id, cursor FROM sink WHERE declared = 1")?;
    let mut sinks = sinks.query([])?;
    let first = "SELECT sequence FROM event
                 WHERE sequence > ?1 AND sequence <= ?2 AND boot = ?3 AND (only_for IS NULL OR only_for = ?4)
                     AND kind IN (SELECT value FROM json_each((SELECT kinds FROM sink WHERE id = ?4)))
                     AND abs(coalesce(at, max(?5 + 1000 * monotonic, ?6)) - (?7 + 1000 * monotonic)) >= ?8
                 ORDER BY sequence LIMIT 1";
    let mut first = transaction.prepare_cached(first)?;
    while let Some(row) = sinks.next()? {
        let (id, cursor): (i64, i64) = (row.get(0)?, row.get(1)?);
        let values = (before.unwrap_or(0), cursor, boot, id, believed, floor, zero, MATTERS);
        if let Some(from) = first.query_row(values, |row| row.get(0)).optional()? {
            keep(transaction, id, from, cursor)?;
        }
    }
    Ok(())
}
