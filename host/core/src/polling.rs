//! When a sensor is read.
//!
//! On the clock's grid: with `every = "10min"` at 10:00, 10:10, 10:20 of the device's zone, so that rows of several sensors,
//! and of several devices, stand beside one another. Before the time is known the grid is that of the monotonic clock. A
//! reading that was missed is not made up for: what is read later is another one. When one that failed is tried again is not
//! decided here, but by `backoff`, as for everything else.

use crate::time::Now;

/// A sensor is not read twice within this part of its interval, nor within so many milliseconds where that is less: a wall
/// clock that is slewed may show a moment before the grid's when the monotonic one says that it has come.
const CLOSE_PART: u64 = 10;
const CLOSE_MS: u64 = 5_000;

/// Milliseconds from now until a sensor is read next that was read `since_ms` ago.
#[must_use]
pub fn plan_poll(now: &Now, every_ms: u64, since_ms: u64) -> u64 {
    let every_ms = every_ms.max(1);
    let beyond_ms = if now.is_known() {
        let offset_ms = i64::from(now.wall.utc_offset_minutes) * 60_000;
        let local_ms = now.wall.unix_micros.div_euclid(1_000).saturating_add(offset_ms);
        local_ms.rem_euclid(i64::try_from(every_ms).unwrap_or(i64::MAX)).unsigned_abs()
    } else {
        now.monotonic.milliseconds % every_ms
    };
    let left_ms = (every_ms - beyond_ms) % every_ms;
    let close_ms = CLOSE_MS.min(every_ms / CLOSE_PART);
    if since_ms.saturating_add(left_ms) < close_ms { left_ms + every_ms } else { left_ms }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::{Instant, Monotonic, TimeStatus};

    fn now(standing: TimeStatus, unix_ms: i64, utc_offset_minutes: i16, milliseconds: u64) -> Now {
        Now {
            wall: Instant { unix_micros: unix_ms * 1_000, utc_offset_minutes },
            standing,
            monotonic: Monotonic { milliseconds, boot: String::new() },
        }
    }

    #[test]
    fn a_sensor_is_read_when_the_local_clock_comes_to_its_grid() {
        const MINUTE: u64 = 60_000;
        const HOUR: u64 = 60 * MINUTE;
        // 2023-11-14T22:13:20Z.
        const AT: i64 = 1_700_000_000_000;
        let known = |at, offset| now(TimeStatus::Synchronised, at, offset, 12_345);
        let table = [
            (known(AT, 0), MINUTE, 40_000),
            (known(AT, 0), 1_000, 1_000),
            (known(AT + 1, 0), 1_000, 999),
            // Just before the grid: that is the poll that was.
            (known(AT - 1, 0), 1_000, 1_001),
            (known(AT + 35_001, 0), MINUTE, 64_999),
            (known(AT + 34_999, 0), MINUTE, 5_001),
            (known(AT, 0), 10 * MINUTE, 6 * MINUTE + 40_000),
            (known(AT, 0), HOUR, 46 * MINUTE + 40_000),
            // Zones of half hours; midnight of the day there.
            (known(AT, 330), HOUR, 16 * MINUTE + 40_000),
            (known(AT, 60), 24 * HOUR, 46 * MINUTE + 40_000),
            (known(AT, -60), 24 * HOUR, 2 * HOUR + 46 * MINUTE + 40_000),
            // Before 1970, and a clock that nobody believes.
            (known(-500, 0), MINUTE, 60_500),
            (known(-10_000, 0), MINUTE, 10_000),
            (now(TimeStatus::Unknown, AT, 0, 61_000), MINUTE, 59_000),
            (now(TimeStatus::Believed, AT, 0, 61_000), MINUTE, 40_000),
        ];
        for (now, every_ms, expected) in table {
            assert_eq!(plan_poll(&now, every_ms, 0), expected, "{now:?} every {every_ms}");
        }
    }

    #[test]
    fn a_plan_that_is_made_anew_on_the_way_comes_to_the_same_moment() {
        let known = |ms| now(TimeStatus::Synchronised, ms, 0, 0);
        for (at_ms, since_ms, expected) in [
            (600_000, 0, 60_000),
            (601_000, 1_000, 59_000),
            (659_999, 59_999, 1),
            (660_000, 60_000, 0),
            // A poll that took long.
            (659_000, 4_000, 1_000),
            (659_000, 3_999, 61_000),
        ] {
            assert_eq!(plan_poll(&known(at_ms), 60_000, since_ms), expected, "{at_ms} {since_ms}");
        }
    }

    proptest! {
        #[test]
        fn the_next_poll_is_on_the_grid_and_neither_at_once_nor_late(
            unix_ms in -1_000_000_000_000_i64..4_000_000_000_000,
            minutes in -720_i16..=840,
            every_s in 1_u64..=86_400,
        ) {
            let every_ms = every_s * 1_000;
            let wait = plan_poll(&now(TimeStatus::Synchronised, unix_ms, minutes, 0), every_ms, 0);
            prop_assert!(wait >= 5_000.min(every_ms / 10) && wait <= every_ms + every_ms / 10);
            let local = unix_ms + i64::from(minutes) * 60_000 + i64::try_from(wait).unwrap();
            prop_assert_eq!(local.rem_euclid(i64::try_from(every_ms).unwrap()), 0);
        }
    }
}
