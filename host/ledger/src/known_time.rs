//! What time the device knows it is, as far as the ledger keeps it: of the boot, and as the last time seen.

use punchcard_core::time::{Instant, Now, TimeStatus};
use punchcard_core::time_lower_bound::TimeLowerBound;
use rusqlite::{Connection, OptionalExtension as _, Transaction};

use super::Ledger;
use super::boot;
use super::clock_correction;
use super::error::StorageError;
use super::event;
use super::moment;

impl Ledger {
    /// Tells what time it is, once the device knows it: this gives all events of the boot their time. Does nothing while
    /// it does not know. What is known of a boot first stays, for its events may have been formatted; but what the kernel
    /// says when it is synchronised takes the place of what was only believed, once, and a later time than that was never
    /// seen. [`Ledger::clock_corrections`] says which sinks' formatters were given such times by then.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn learn_time(&self, now: &Now) -> Result<(), StorageError> {
        if !now.is_known() {
            return Ok(());
        }
        let now = now.clone();
        self.write(move |store| store.transact(|transaction| learn(transaction, &now))).await
    }

    /// The clock is never earlier than this.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn last_time_seen(&self) -> Result<Option<Instant>, StorageError> {
        self.read(|reader| {
            reader.snapshot(|snapshot, zone| {
                Ok(moment::last_time_seen(snapshot)?.map(|micros| moment::instant(micros, zone)))
            })
        })
        .await
    }

    /// Remembers how late it is where no event tells, from time to time. `ran_for_ms`: how long the device has run, knowing
    /// the time, since it said so last. An hour of it counts at most.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn see_time(&self, now: Instant, ran_for_ms: u64) -> Result<(), StorageError> {
        self.write(move |store| {
            store.transact(|transaction| {
                moment::keep_time_seen(transaction, now.unix_micros)?;
                Ok(keep_lower_bound(transaction, now.unix_micros, ran_for_ms)?)
            })
        })
        .await
    }
}

/// What was known of the time before in this boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownTime {
    /// Where the kernel was synchronised: when its monotonic clock stood at 0, as it had it last, in µs since 1970.
    pub synchronised: Option<i64>,
}

fn learn(transaction: &Transaction<'_>, now: &Now) -> Result<(), StorageError> {
    let (boot, wall, zero) = (&now.monotonic.boot, now.wall.unix_micros, now.zero());
    let seen = moment::last_time_seen(transaction)?;
    boot::learn(transaction, boot, zero, seen)?;
    if now.standing == TimeStatus::Synchronised {
        clock_correction::note(transaction, boot, zero)?;
        let synchronised = "UPDATE boot SET zero = iif(synchronised IS NULL, ?2, zero), latest = ?2,
                            synchronised = coalesce(synchronised, ?3) WHERE name = ?1";
        let monotonic = i64::try_from(now.monotonic.milliseconds).unwrap_or(i64::MAX);
        transaction.prepare_cached(synchronised)?.execute((boot, zero, monotonic))?;
        boot::place_before(transaction, boot)?;
        if seen.is_some_and(|seen| seen > wall) {
            forget_time_seen(transaction, wall)?;
        }
    }
    moment::keep_time_seen(transaction, wall)?;
    keep_lower_bound(transaction, wall, 0)?;
    Ok(())
}

/// Nothing was seen later than this: a clock that said so was wrong. No event's time is held back by it.
fn forget_time_seen(transaction: &Transaction<'_>, unix_micros: i64) -> Result<(), rusqlite::Error> {
    let newest = event::to_column(event::newest(transaction)?);
    let forget = "UPDATE history SET seen = ?1, seen_after = ?2";
    transaction.prepare_cached(forget)?.execute((unix_micros, newest))?;
    transaction
        .prepare_cached("UPDATE boot SET floor = NULL WHERE floor > ?1 AND zero IS NOT NULL")?
        .execute([unix_micros])?;
    Ok(())
}

/// What is known of a boot's time, where it is known.
pub(super) fn known_time(connection: &Connection, boot: &str) -> Result<Option<KnownTime>, rusqlite::Error> {
    let known = "SELECT latest FROM boot WHERE name = ?1 AND zero IS NOT NULL";
    connection.query_row(known, [boot], |row| Ok(KnownTime { synchronised: row.get(0)? })).optional()
}

fn keep_lower_bound(transaction: &Transaction<'_>, now: i64, ran_for_ms: u64) -> Result<(), rusqlite::Error> {
    let kept = "SELECT lower_bound, doubted_for FROM history";
    let kept = transaction.prepare_cached(kept)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (bound, doubted_for): (Option<i64>, i64) = kept;
    let bound = match bound {
        Some(at) => {
            TimeLowerBound { at, doubted_for_ms: u64::try_from(doubted_for).unwrap_or(0) }.hear(now, ran_for_ms)
        }
        None => TimeLowerBound::new(now),
    };
    let doubted_for = i64::try_from(bound.doubted_for_ms).unwrap_or(i64::MAX);
    let keep = "UPDATE history SET lower_bound = ?1, doubted_for = ?2";
    transaction.prepare_cached(keep)?.execute((bound.at, doubted_for))?;
    Ok(())
}
