//! Events that were formatted with times that proved wrong since.
//!
//! What a clock said that was only believed is put right when the kernel is synchronised, but what was made of it by then
//! stays: rows, and what a formatter remembers for rows that are still to come. Only a replay puts those right.

use punchcard_core::event::Sequence;
use punchcard_core::name::SinkName;
use rusqlite::{OptionalExtension as _, Transaction};

use super::Ledger;
use super::boot_times::BootTimes;
use super::error::StorageError;
use super::event::{from_column, to_column};
use super::sink;

/// A time that is wrong by less than this, in µs, is no other time in a sheet.
const MATTERS: i64 = 1_000_000;

/// A sink whose formatter was given times that proved wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockCorrection {
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
    pub async fn clock_corrections(&self) -> Result<Vec<ClockCorrection>, StorageError> {
        self.read(|reader| {
            reader.snapshot(|snapshot, _| {
                let select = "SELECT name, max(wrong_time_from, pruned_through + 1) FROM sink JOIN history
                              WHERE declared = 1 AND wrong_time_through > pruned_through ORDER BY name";
                let mut select = snapshot.prepare_cached(select)?;
                let mut rows = select.query([])?;
                let mut found = Vec::new();
                while let Some(row) = rows.next()? {
                    let sink = sink::parse_name(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?;
                    found.push(ClockCorrection { sink, from: from_column(row.get(1)?) });
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
                // Otherwise times proved wrong since those were read.
                if boots.hold(transaction)? {
                    let forget = "UPDATE sink SET wrong_time_from = NULL, wrong_time_through = NULL
                                  WHERE name = ?1
                                      AND ?2 <= max(wrong_time_from, (SELECT pruned_through + 1 FROM history))";
                    transaction.prepare_cached(forget)?.execute((sink.as_str(), to_column(from)))?;
                }
                Ok(())
            })
        })
        .await
    }
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
    let before = "SELECT sequence FROM event WHERE boot < ?1 ORDER BY sequence DESC LIMIT 1";
    let before: Option<i64> = transaction.prepare_cached(before)?.query_row([boot], |row| row.get(0)).optional()?;
    let mut sinks = transaction.prepare_cached("SELECT id, cursor FROM sink WHERE declared = 1")?;
    let mut sinks = sinks.query([])?;
    let wrong = "abs(coalesce(at, max(?5 + 1000 * monotonic, ?6)) - (?7 + 1000 * monotonic)) >= ?8";
    let first = format!(
        "SELECT min(place) FROM (
             SELECT (SELECT sequence FROM event
                     WHERE sequence > ?1 AND sequence <= ?2 AND boot = ?3
                         AND kind IN (SELECT value FROM json_each((SELECT kinds FROM sink WHERE id = ?4))) AND {wrong}
                     ORDER BY sequence LIMIT 1) AS place
             UNION ALL
             SELECT requeue.sequence FROM requeue JOIN event ON event.sequence = requeue.event
             WHERE requeue.sink = ?4 AND requeue.sequence <= ?2 AND boot = ?3 AND {wrong})"
    );
    let mut first = transaction.prepare_cached(&first)?;
    let keep = "UPDATE sink SET wrong_time_from = min(coalesce(wrong_time_from, ?2), ?2),
                    wrong_time_through = max(coalesce(wrong_time_through, ?3), ?3) WHERE id = ?1";
    let mut keep = transaction.prepare_cached(keep)?;
    while let Some(row) = sinks.next()? {
        let (id, cursor): (i64, i64) = (row.get(0)?, row.get(1)?);
        let values = (before.unwrap_or(0), cursor, boot, id, believed, floor, zero, MATTERS);
        let from: Option<i64> = first.query_row(values, |row| row.get(0))?;
        if let Some(from) = from {
            keep.execute((id, from, cursor))?;
        }
    }
    Ok(())
}
