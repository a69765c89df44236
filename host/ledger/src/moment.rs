//! When an event happened, where the wall clock was not known at that moment.
//!
//! A boot's monotonic clock gives the time of all its events as soon as the time of one is known. When the kernel is
//! synchronised, it gives another one to those before that which had theirs from a clock that was only believed: no event is
//! formatted any more with a time that is known to be wrong. Events of a boot that ended before it knew the time are as
//! long after a guess of when it began ([`super::boot`]) as it had lasted, so that their distances are true. The clock
//! itself is asked elsewhere; what it says is kept by [`known_time`](super::known_time).

use jiff::Timestamp;
use jiff::tz::TimeZone;
use punchcard_core::time::Instant;
use rusqlite::{Connection, OptionalExtension as _, Row};

/// What is known of an event's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// It is known.
    Known(Instant),
    /// It never will be; a guess, of which the order and the distances within a boot are true.
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

/// A moment with the device's offset from UTC then.
pub(super) fn instant(unix_micros: i64, zone: &TimeZone) -> Instant {
    let offset = Timestamp::from_microsecond(unix_micros).map_or(0, |at| zone.to_offset(at).seconds() / 60);
    Instant { unix_micros, utc_offset_minutes: i16::try_from(offset).unwrap_or(0) }
}

/// µs since 1970. `history` has the last time seen, unless the newest event has a later one: looking no further back than
/// at that one, a press costs the same however many events without a time are behind it.
pub(super) fn last_time_seen(connection: &Connection) -> Result<Option<i64>, rusqlite::Error> {
    let kept = "SELECT seen FROM history";
    let kept: Option<i64> = connection.prepare_cached(kept)?.query_row([], |row| row.get(0))?;
    let newest = "SELECT at FROM event WHERE sequence > (SELECT seen_after FROM history)
                  ORDER BY sequence DESC LIMIT 1";
    let newest: Option<Option<i64>> = connection.prepare_cached(newest)?.query_row([], |row| row.get(0)).optional()?;
    Ok(kept.max(newest.flatten()))
}

/// A time than which it is not earlier, in µs since 1970.
pub(super) fn time_lower_bound(connection: &Connection) -> Result<Option<i64>, rusqlite::Error> {
    connection.prepare_cached("SELECT lower_bound FROM history")?.query_row([], |row| row.get(0))
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
    synchronised: Option<i64>,
}

impl StoredMoment {
    /// Reads its columns ([`EventRow::COLUMNS`](super::event::EventRow::COLUMNS)), of which `first` is the first.
    pub(super) fn parse(row: &Row<'_>, first: usize) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            at: row.get(first)?,
            utc_offset: row.get(first + 1)?,
            monotonic: row.get(first + 2)?,
            boot: row.get(first + 3)?,
            zero: row.get(first + 4)?,
            floor: row.get(first + 5)?,
            synchronised: row.get(first + 6)?,
        })
    }

    /// What is known of it.
    pub(super) fn resolve(&self, zone: &TimeZone) -> Moment {
        let guess = || Some(instant(self.floor?.saturating_add(self.ran_for()), zone));
        match self.known(zone) {
            Some(at) => Moment::Known(at),
            None => guess().map_or(Moment::Unknown, Moment::Estimated),
        }
    }

    /// As the event was given.
    pub(super) fn given(&self) -> Option<Instant> {
        let utc_offset_minutes = self.utc_offset.unwrap_or(0);
        self.at.map(|unix_micros| Instant { unix_micros, utc_offset_minutes })
    }

    /// What is known of its boot: when it began, what none of its events is before, and when it was synchronised.
    pub(super) fn boot_times(&self) -> [Option<i64>; 3] {
        [self.zero, self.floor, self.synchronised]
    }

    /// As it is known now. Not earlier than what was seen before the boot, but where the kernel knows better.
    fn known(&self, zone: &TimeZone) -> Option<Instant> {
        if self.synchronised.is_some_and(|since| self.monotonic <= since) {
            return Some(instant(self.zero?.saturating_add(self.ran_for()), zone));
        }
        self.given().or_else(|| {
            let reckoned = self.zero?.saturating_add(self.ran_for());
            Some(instant(reckoned.max(self.floor.unwrap_or(i64::MIN)), zone))
        })
    }

    /// How long the boot had lasted, in µs.
    fn ran_for(&self) -> i64 {
        self.monotonic.saturating_mul(1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(at: Option<i64>, zero: Option<i64>, floor: Option<i64>) -> StoredMoment {
        let utc_offset = at.map(|_| 90);
        StoredMoment { at, utc_offset, monotonic: 5, boot: "b".to_owned(), zero, floor, synchronised: None }
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
    fn before_the_kernel_was_synchronised_a_time_is_reckoned_and_after_it_the_given_one() {
        let table = [
            // A ms after that, and within the same one, in which it may have been before it.
            (4, Some(7), Some(1_000), Some(7)),
            (5, Some(7), Some(1_000), Some(6_000)),
            (6, Some(7), None, None),
            (6, None, Some(1_000), Some(6_000)),
        ];
        for (since, at, zero, expected) in table {
            // What was seen before by a clock that was only believed does not count.
            let stored = StoredMoment { synchronised: Some(since), ..stored(at, zero, Some(99_000)) };
            assert_eq!(stored.known(&TimeZone::UTC).map(|at| at.unix_micros), expected, "{stored:?}");
        }
    }

    #[test]
    fn an_estimate_is_as_long_after_a_guess_of_its_boots_start_as_that_had_lasted() {
        let found = |zero, floor| stored(None, zero, floor).resolve(&TimeZone::UTC);
        assert_eq!(found(None, Some(7)), Moment::Estimated(instant(5_007, &TimeZone::UTC)));
        assert_eq!(found(Some(1), Some(7)), Moment::Known(instant(5_001, &TimeZone::UTC)));
        assert_eq!(found(None, None), Moment::Unknown);
    }

    #[test]
    fn a_moment_carries_the_offset_of_its_own_day() {
        let zone = TimeZone::get("Australia/Sydney").unwrap();
        assert_eq!(instant(1_767_225_600_000_000, &zone).utc_offset_minutes, 11 * 60);
        assert_eq!(instant(1_782_864_000_000_000, &zone).utc_offset_minutes, 10 * 60);
    }
}
