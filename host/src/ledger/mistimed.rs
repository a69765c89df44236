//! Events that were formatted with times that proved wrong since.
//!
//! What a clock said that was only believed is put right when the kernel is synchronised, but what was made of it by then
//! stays: rows, and what a formatter remembers for rows that are still to come. Only a replay puts those right.

use punchcard_core::event::Sequence;
use punchcard_core::name::SinkName;
use rusqlite::{OptionalExtension as _, Transaction};

use super::error::StorageError;
use super::event::from_column;
use super::sink;

/// A time that is wrong by less than this, in µs, is no other time in a sheet.
const MATTERS: i64 = 1_000_000;

/// A sink whose formatter was given times that proved wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistimed {
    /// Which.
    pub sink: SinkName,
    /// The first event that had such a time.
    pub from: Sequence,
}

/// The declared sinks that were given times of this boot which are wrong, now that the kernel is synchronised and says that
/// the boot's monotonic clock stood at 0 at `zero`, in µs since 1970. To be asked before the ledger is told so.
pub(super) fn find(transaction: &Transaction<'_>, boot: &str, zero: i64) -> Result<Vec<Mistimed>, StorageError> {
    let believed = "SELECT id, zero, coalesce(floor, zero) FROM boot
                    WHERE name = ?1 AND zero IS NOT NULL AND synchronised IS NULL";
    let believed: Option<(i64, i64, i64)> = transaction
        .prepare_cached(believed)?
        .query_row([boot], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((boot, believed, floor)) = believed else { return Ok(Vec::new()) };
    let before = "SELECT sequence FROM event WHERE only_for IS NULL AND boot < ?1 ORDER BY sequence DESC LIMIT 1";
    let before: Option<i64> = transaction.prepare_cached(before)?.query_row([boot], |row| row.get(0)).optional()?;
    let mut sinks = transaction.prepare_cached("SELECT id, name, cursor FROM sink WHERE declared = 1 ORDER BY name")?;
    let mut sinks = sinks.query([])?;
    let first = "SELECT sequence FROM event
                 WHERE sequence > ?1 AND sequence <= ?2 AND boot = ?3 AND (only_for IS NULL OR only_for = ?4)
                     AND kind IN (SELECT value FROM json_each((SELECT kinds FROM sink WHERE id = ?4)))
                     AND abs(coalesce(at, max(?5 + 1000 * monotonic, ?6)) - (?7 + 1000 * monotonic)) >= ?8
                 ORDER BY sequence LIMIT 1";
    let mut first = transaction.prepare_cached(first)?;
    let mut found = Vec::new();
    while let Some(row) = sinks.next()? {
        let (id, name, cursor): (i64, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let values = (before.unwrap_or(0), cursor, boot, id, believed, floor, zero, MATTERS);
        if let Some(from) = first.query_row(values, |row| row.get(0)).optional()? {
            found.push(Mistimed { sink: sink::parse_name(&name)?, from: from_column(from) });
        }
    }
    Ok(found)
}
