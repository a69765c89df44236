//! Starts of the machine, and between what times each of them lies.
//!
//! A boot has a `zero`, when its monotonic clock stood at 0, once its time is known. Until then it has a `floor`, from which
//! guesses are reckoned: boots that never learn the time follow one another, each from where the one before it ended, and
//! the first of them from the last time that was known. When the time becomes known and they can't all lie before that boot,
//! or nothing was known before them, they are reckoned back from its start: then, too, none overlaps another one. A boot
//! that does know the time keeps as its `floor` the last time seen before it.

use punchcard_core::event::NewEvent;
use punchcard_core::time::zero;
use rusqlite::{OptionalExtension as _, Transaction};

/// The event's boot. The first event of a boot that has a time gives one to those before it. `seen`: the last time seen.
pub(super) fn record(
    transaction: &Transaction<'_>,
    event: &NewEvent,
    seen: Option<i64>,
) -> Result<i64, rusqlite::Error> {
    let zero = event.at.map(|at| zero(at.unix_micros, &event.monotonic));
    let find = "SELECT id, zero FROM boot WHERE name = ?1";
    let found: Option<(i64, Option<i64>)> = transaction
        .prepare_cached(find)?
        .query_row([&event.monotonic.boot], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match (found, zero) {
        (Some((boot, None)), Some(zero)) => learn(transaction, &event.monotonic.boot, zero, seen).map(|()| boot),
        (Some((boot, _)), _) => Ok(boot),
        (None, Some(zero)) => {
            learn(transaction, &event.monotonic.boot, zero, seen)?;
            transaction.prepare_cached(find)?.query_row([&event.monotonic.boot], |row| row.get(0))
        }
        (None, None) => {
            let floor = seen.max(end_of_newest(transaction)?);
            let insert = "INSERT INTO boot (name, floor) VALUES (?1, ?2)";
            transaction.prepare_cached(insert)?.execute((&event.monotonic.boot, floor))?;
            Ok(transaction.last_insert_rowid())
        }
    }
}

/// A boot's monotonic clock stood at 0 at this time, in µs since 1970, unless another one is known already.
pub(super) fn learn(
    transaction: &Transaction<'_>,
    boot: &str,
    zero: i64,
    seen: Option<i64>,
) -> Result<(), rusqlite::Error> {
    // Of its floor nothing is left that was only guessed: what is known is not held back by it.
    let learn = "INSERT INTO boot (name, zero, floor) VALUES (?1, ?2, ?3)
                 ON CONFLICT (name) DO UPDATE SET zero = ?2, floor = min(floor, ?3) WHERE zero IS NULL";
    if transaction.prepare_cached(learn)?.execute((boot, zero, seen))? > 0 {
        place_before(transaction, boot)?;
    }
    Ok(())
}

/// Where the newest boot never learnt the time: when it ended, by a guess.
fn end_of_newest(transaction: &Transaction<'_>) -> Result<Option<i64>, rusqlite::Error> {
    let newest = "SELECT id, zero, floor FROM boot ORDER BY id DESC LIMIT 1";
    let newest: Option<(i64, Option<i64>, Option<i64>)> = transaction
        .prepare_cached(newest)?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((boot, None, Some(floor))) = newest else { return Ok(None) };
    // Nothing of it was pruned, for nothing is while the time is not known.
    Ok(Some(floor.saturating_add(last_of(transaction, boot, i64::MAX)?.ran_for)))
}

/// Makes the boots right before this one, which knows the time, end before it began, where they never learnt it.
pub(super) fn place_before(transaction: &Transaction<'_>, boot: &str) -> Result<(), rusqlite::Error> {
    let find = "SELECT id, zero FROM boot WHERE name = ?1 AND zero IS NOT NULL";
    let found = transaction.prepare_cached(find)?.query_row([boot], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((mut next, mut begins_at)): Option<(i64, i64)> = found else { return Ok(()) };
    let before = "SELECT id, zero, floor FROM boot WHERE id < ?1 ORDER BY id DESC LIMIT 1";
    let mut before = transaction.prepare_cached(before)?;
    let mut place = transaction.prepare_cached("UPDATE boot SET floor = ?2 WHERE id = ?1")?;
    let mut through = i64::MAX;
    loop {
        let found = before.query_row([next], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
        let Some((boot, None, floor)): Option<(i64, Option<i64>, Option<i64>)> = found else { return Ok(()) };
        let last = last_of(transaction, boot, through)?;
        let latest = begins_at.saturating_sub(last.ran_for);
        let begins = floor.map_or(latest, |floor| floor.min(latest));
        if floor != Some(begins) {
            place.execute((boot, begins))?;
        }
        (next, begins_at, through) = (boot, begins, last.sequence);
    }
}

/// A boot's last event.
struct Last {
    sequence: i64,
    /// How long the boot had lasted then, in µs.
    ran_for: i64,
}

/// Finds a boot's last event, from the one before which it lies (see [`last_of`]). A test counts its steps.
pub(super) const LAST: &str = "SELECT sequence, iif(boot = ?1, monotonic, 0) FROM event
                    WHERE boot <= ?1 AND sequence <= ?2 ORDER BY sequence DESC LIMIT 1";

/// The last event of a boot, or of those before it, none of which is after `through`. Boots follow one another in the ledger.
fn last_of(transaction: &Transaction<'_>, boot: i64, through: i64) -> Result<Last, rusqlite::Error> {
    let mut last = transaction.prepare_cached(LAST)?;
    let found = last.query_row((boot, through), |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let (sequence, monotonic): (i64, i64) = found.unwrap_or((0, 0));
    Ok(Last { sequence, ran_for: monotonic.saturating_mul(1000) })
}
