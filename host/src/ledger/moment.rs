//! When an event happened, where the wall clock was not known at that moment.
//!
//! A boot's monotonic clock gives the time of all its events as soon as the time of one is known. Events of a boot that
//! ended before that stand where they stand in the ledger: at the last time that was known before them, or else at that
//! of the first event after them which has one, or else at the start of the first boot after them which knows the time.
//! The clock itself is asked elsewhere.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use punchcard_core::event::Sequence;
use punchcard_core::time::{Instant, Monotonic, Now};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::Ledger;
use super::error::StorageError;

/// What is known of an event's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// It is known.
    Known(Instant),
    /// It never will be; the nearest one that is known, in the ledger's order.
    Estimated(Instant),
    /// It is not known yet.
    Unknown,
}

impl Moment {
    /// The best there is.
    #[must_use]
    pub fn instant(self) -> Option<Instant> {
        match self {
            Self::Known(at) | Self::Estimated(at) => Some(at),
            Self::Unknown => None,
        }
    }
}

impl Ledger {
    /// Tells what time it is, once the device knows it: this gives all events of the boot their time. Does nothing while
    /// it does not know. What is known of a boot first stays: its events may have been formatted.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn learn_time(&self, now: &Now) -> Result<(), StorageError> {
        if !now.known {
            return Ok(());
        }
        let (boot, wall) = (now.monotonic.boot.clone(), now.wall.unix_micros);
        let zero = zero_of(wall, &now.monotonic);
        let learn = "INSERT INTO boot (name, zero, floor) VALUES (?1, ?2, ?3)
                     ON CONFLICT (name) DO UPDATE SET zero = ?2 WHERE zero IS NULL";
        self.write(move |store| {
            store.transact(|transaction| {
                let seen = last_time_seen(transaction)?;
                transaction.prepare_cached(learn)?.execute((boot, zero, seen))?;
                Ok(keep_time_seen(transaction, wall)?)
            })
        })
        .await
    }

    /// The clock is never earlier than this.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn last_time_seen(&self) -> Result<Option<Instant>, StorageError> {
        self.read(|reader| {
            reader.snapshot(|snapshot, zone| Ok(last_time_seen(snapshot)?.map(|micros| instant(micros, zone))))
        })
        .await
    }

    /// Remembers how late it is where no event tells: from time to time, and before the device goes to sleep.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn see_time(&self, now: Instant) -> Result<(), StorageError> {
        self.write(move |store| store.transact(|transaction| Ok(keep_time_seen(transaction, now.unix_micros)?))).await
    }
}

/// A moment with the device's offset from UTC then.
pub(super) fn instant(unix_micros: i64, zone: &TimeZone) -> Instant {
    let offset = Timestamp::from_microsecond(unix_micros).map_or(0, |at| zone.to_offset(at).seconds() / 60);
    Instant { unix_micros, utc_offset_minutes: i16::try_from(offset).unwrap_or(0) }
}

/// When a boot's monotonic clock stood at 0, in µs since 1970.
pub(super) fn zero_of(unix_micros: i64, monotonic: &Monotonic) -> i64 {
    let since = i64::try_from(monotonic.milliseconds).unwrap_or(i64::MAX);
    unix_micros.saturating_sub(since.saturating_mul(1000))
}

/// µs since 1970. `history` has the last time seen, unless the newest event has a later one: looking no further back than
/// at that one, a press costs the same however many events without a time are behind it.
pub(super) fn last_time_seen(connection: &Connection) -> Result<Option<i64>, rusqlite::Error> {
    let kept = "SELECT seen FROM history";
    let kept: Option<i64> = connection.prepare_cached(kept)?.query_row([], |row| row.get(0))?;
    let newest = "SELECT at FROM event ORDER BY sequence DESC LIMIT 1";
    let newest: Option<Option<i64>> = connection.prepare_cached(newest)?.query_row([], |row| row.get(0)).optional()?;
    Ok(kept.max(newest.flatten()))
}

/// Whether the time of a boot is known.
pub(super) fn is_known(connection: &Connection, boot: &str) -> Result<bool, rusqlite::Error> {
    let known = "SELECT EXISTS (SELECT 1 FROM boot WHERE name = ?1 AND zero IS NOT NULL)";
    connection.query_row(known, [boot], |row| row.get(0))
}

/// Keeps a time where the newest event does not: before it is pruned, or is followed by one that is earlier or has none.
pub(super) fn keep_time_seen(connection: &Connection, unix_micros: i64) -> Result<(), rusqlite::Error> {
    let keep = "UPDATE history SET seen = ?1 WHERE seen IS NULL OR seen < ?1";
    connection.prepare_cached(keep)?.execute([unix_micros])?;
    Ok(())
}

/// What stands in the file of one event's time.
#[derive(Debug, Clone)]
pub(super) struct StoredMoment {
    at: Option<i64>,
    utc_offset: Option<i16>,
    pub(super) monotonic: i64,
    pub(super) boot: String,
    zero: Option<i64>,
    floor: Option<i64>,
}

impl StoredMoment {
    /// The columns that [`StoredMoment::parse`] reads, of `event` joined with `boot`.
    pub(super) const COLUMNS: &str = "event.at, event.utc_offset, event.monotonic, boot.name, boot.zero, boot.floor";

    /// Reads those columns, of which `first` is the first.
    pub(super) fn parse(row: &Row<'_>, first: usize) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            at: row.get(first)?,
            utc_offset: row.get(first + 1)?,
            monotonic: row.get(first + 2)?,
            boot: row.get(first + 3)?,
            zero: row.get(first + 4)?,
            floor: row.get(first + 5)?,
        })
    }

    /// As the event was given.
    pub(super) fn given(&self) -> Option<Instant> {
        let utc_offset_minutes = self.utc_offset.unwrap_or(0);
        self.at.map(|unix_micros| Instant { unix_micros, utc_offset_minutes })
    }

    /// As it is known now. Never earlier than what was seen before the boot.
    pub(super) fn known(&self, zone: &TimeZone) -> Option<Instant> {
        self.given().or_else(|| {
            let reckoned = self.zero?.saturating_add(self.monotonic.saturating_mul(1000));
            Some(instant(reckoned.max(self.floor.unwrap_or(i64::MIN)), zone))
        })
    }
}

/// Gives times to events in the ledger's order. Remembers the next known time, so that a long stretch of events without
/// one is looked through once.
pub(super) struct Resolver<'a> {
    connection: &'a Connection,
    zone: &'a TimeZone,
    next_known: Option<(i64, Option<Instant>)>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(connection: &'a Connection, zone: &'a TimeZone) -> Self {
        Self { connection, zone, next_known: None }
    }

    pub(super) fn resolve(&mut self, sequence: Sequence, stored: &StoredMoment) -> Result<Moment, StorageError> {
        if let Some(at) = stored.known(self.zone) {
            return Ok(Moment::Known(at));
        }
        if let Some(floor) = stored.floor {
            return Ok(Moment::Estimated(instant(floor, self.zone)));
        }
        let next = match self.next_known_after(sequence)? {
            Some(at) => Some(at),
            None => self.next_start_after(&stored.boot)?,
        };
        Ok(next.map_or(Moment::Unknown, Moment::Estimated))
    }

    /// When the first boot after this one started that knows the time. It need not have recorded anything yet: presses of a
    /// first boot do not wait for the next press.
    fn next_start_after(&self, boot: &str) -> Result<Option<Instant>, StorageError> {
        let next = "SELECT zero FROM boot WHERE zero IS NOT NULL AND id > (SELECT id FROM boot WHERE name = ?1)
                    ORDER BY id LIMIT 1";
        let zero: Option<i64> = self.connection.prepare_cached(next)?.query_row([boot], |row| row.get(0)).optional()?;
        Ok(zero.map(|zero| instant(zero, self.zone)))
    }

    fn next_known_after(&mut self, sequence: Sequence) -> Result<Option<Instant>, StorageError> {
        let sequence = super::event::to_column(sequence);
        if let Some((found, at)) = self.next_known
            && found > sequence
        {
            return Ok(at);
        }
        let next = format!(
            "SELECT event.sequence, {} FROM event JOIN boot ON boot.id = event.boot
             WHERE event.sequence > ?1 AND (event.at IS NOT NULL OR boot.zero IS NOT NULL)
             ORDER BY event.sequence LIMIT 1",
            StoredMoment::COLUMNS
        );
        let mut next = self.connection.prepare_cached(&next)?;
        let found = next.query_row([sequence], |row| Ok((row.get(0)?, StoredMoment::parse(row, 1)?))).optional()?;
        let found = found.map_or((i64::MAX, None), |(at, stored): (i64, _)| (at, stored.known(self.zone)));
        self.next_known = Some(found);
        Ok(found.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(at: Option<i64>, zero: Option<i64>, floor: Option<i64>) -> StoredMoment {
        StoredMoment { at, utc_offset: at.map(|_| 90), monotonic: 5, boot: "b".to_owned(), zero, floor }
    }

    #[test]
    fn a_time_is_the_given_one_or_reckoned_from_the_boot_but_not_before_what_was_seen() {
        let table = [
            (stored(Some(7), Some(1), Some(9)), Some((7, 90))),
            (stored(None, Some(1_000), None), Some((6_000, 0))),
            (stored(None, Some(1_000), Some(5_999)), Some((6_000, 0))),
            (stored(None, Some(1_000), Some(6_001)), Some((6_001, 0))),
            (stored(None, None, Some(9)), None),
            (stored(None, Some(i64::MAX), None), Some((i64::MAX, 0))),
        ];
        for (stored, expected) in table {
            let found = stored.known(&TimeZone::UTC).map(|at| (at.unix_micros, at.utc_offset_minutes));
            assert_eq!(found, expected, "{stored:?}");
        }
    }

    #[test]
    fn a_moment_carries_the_offset_of_its_own_day() {
        let zone = TimeZone::get("Australia/Sydney").unwrap();
        assert_eq!(instant(1_767_225_600_000_000, &zone).utc_offset_minutes, 11 * 60);
        assert_eq!(instant(1_782_864_000_000_000, &zone).utc_offset_minutes, 10 * 60);
    }
}
