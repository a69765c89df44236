//! Serial numbers: how a sheet keeps dates, times and spans.
//!
//! A date is the number of days since 1899-12-30, its fraction is the time of day, and there is no zone: what is written
//! is the device's local time. A span is a fraction of a day.

use punchcard_sdk::Instant;

const MICROS_PER_MINUTE: i64 = 60_000_000;
const MICROS_PER_DAY: i64 = 86_400_000_000;
/// Days from 1899-12-30 to 1970-01-01.
const EPOCH: i64 = 25_569;

/// The local date and time.
pub(crate) fn date_time(moment: Instant) -> f64 {
    date(moment) + time(moment)
}

/// The local date: a whole number.
#[expect(clippy::cast_precision_loss, reason = "no moment of an i64 is more than 107 million days away")]
pub(crate) fn date(moment: Instant) -> f64 {
    (local_micros(moment).div_euclid(MICROS_PER_DAY) + EPOCH) as f64
}

/// The local time of day: at least 0 and less than 1.
#[expect(clippy::cast_precision_loss, reason = "a day has fewer than 2^53 microseconds")]
pub(crate) fn time(moment: Instant) -> f64 {
    local_micros(moment).rem_euclid(MICROS_PER_DAY) as f64 / MICROS_PER_DAY as f64
}

/// A span.
pub(crate) fn duration(seconds: f64) -> f64 {
    seconds / 86_400.0
}

/// The local calendar year.
pub(crate) fn year(moment: Instant) -> i64 {
    // Cassio Neri and Lorenz Schneider, "Euclidean affine functions and their application to calendar algorithms" (2022),
    // section 8, counted from 0000-03-01.
    let days = local_micros(moment).div_euclid(MICROS_PER_DAY) + 719_468;
    let quarters = 4 * days + 3;
    let century = quarters.div_euclid(146_097);
    let quarters = 4 * (quarters.rem_euclid(146_097) / 4) + 3;
    let (year, day_of_year) = (quarters / 1_461, quarters % 1_461 / 4);
    // Years are counted from March: its last 60 days, from day 306 on, belong to the next year.
    100 * century + year + i64::from(day_of_year >= 306)
}

fn local_micros(moment: Instant) -> i64 {
    moment.unix_micros.saturating_add(i64::from(moment.utc_offset_minutes) * MICROS_PER_MINUTE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(unix_seconds: i64, utc_offset_minutes: i16) -> Instant {
        Instant { unix_micros: unix_seconds * 1_000_000, utc_offset_minutes }
    }

    #[test]
    fn moments_become_local_serial_numbers() {
        // Each expected value is what a sheet shows for the local time in the comment, formatted as a number.
        for (moment, expected) in [
            (at(0, 0), 25_569.0),                              // 1970-01-01 00:00
            (at(-25_569 * 86_400, 0), 0.0),                    // 1899-12-30 00:00
            (at(-25_570 * 86_400 + 21_600, 0), -0.75),         // 1899-12-29 06:00
            (at(1_795_168_800, 0), 46_346.416_666_666_664),    // 2026-11-20 10:00
            (at(1_795_168_800, 600), 46_346.833_333_333_336),  // the same in Brisbane: 20:00
            (at(1_795_168_800, -660), 46_345.958_333_333_336), // Samoa: the day before, 23:00
            (at(951_782_400, 0), 36_585.0),                    // 2000-02-29
        ] {
            assert!((date_time(moment) - expected).abs() < 1e-9, "{moment:?}: {}", date_time(moment));
        }
    }

    #[test]
    fn an_hour_that_comes_twice_is_the_same_time_twice_and_one_that_never_comes_is_left_out() {
        // Paris: 02:30 before and after the clocks go back on 2026-10-25; 01:59:59 and 03:00 on 2027-03-28.
        let half_past_two = 46_320.0 + 2.5 / 24.0;
        assert!((date_time(at(1_792_888_200, 120)) - half_past_two).abs() < 1e-9);
        assert!((date_time(at(1_792_891_800, 60)) - half_past_two).abs() < 1e-9);
        let gap = date_time(at(1_806_195_600, 120)) - date_time(at(1_806_195_599, 60));
        assert!((gap * 86_400.0 - 3_601.0).abs() < 1e-3, "{gap}");
    }

    #[test]
    fn a_date_is_whole_and_a_time_is_a_fraction() {
        assert_eq!(date(at(1_795_168_800, 600)), 46_346.0);
        assert_eq!(date(at(1_795_168_800, -660)), 46_345.0);
        assert!((time(at(1_795_168_800, -660)) - 23.0 / 24.0).abs() < 1e-12);
        assert_eq!(time(at(-86_400, 0)), 0.0);
        assert_eq!(date(at(-1, 0)), 25_568.0);
        assert!((time(at(-1, 0)) - 86_399.0 / 86_400.0).abs() < 1e-12);
    }

    #[test]
    fn a_microsecond_survives() {
        let exact = Instant { unix_micros: 1_795_168_800_123_456, utc_offset_minutes: 0 };
        let seconds = (date_time(exact) - date(exact)) * 86_400.0;
        assert!((seconds - 36_000.123_456).abs() < 1e-6, "{seconds}");
    }

    #[test]
    fn extreme_moments_do_not_overflow() {
        for unix_micros in [i64::MIN, i64::MAX] {
            for utc_offset_minutes in [i16::MIN, i16::MAX] {
                let moment = Instant { unix_micros, utc_offset_minutes };
                assert!(date_time(moment).is_finite());
                assert!(year(moment).abs() < 300_000);
            }
        }
    }

    #[test]
    fn durations_are_fractions_of_a_day() {
        for (seconds, expected) in
            [(0.0, 0.0), (86_400.0, 1.0), (5_400.0, 0.0625), (-43_200.0, -0.5), (90_000.0, 25.0 / 24.0)]
        {
            assert_eq!(duration(seconds), expected);
        }
    }

    #[test]
    fn each_year_has_its_days() {
        // 0001-01-01.
        let mut first = -719_162;
        for expected in 1..3_000 {
            let leap = expected % 4 == 0 && (expected % 100 != 0 || expected % 400 == 0);
            let next = first + if leap { 366 } else { 365 };
            assert_eq!((year(at(first * 86_400, 0)), year(at(next * 86_400 - 1, 0))), (expected, expected));
            first = next;
        }
        assert_eq!(first, 376_200, "3000-01-01");
    }

    #[test]
    fn the_year_turns_at_local_midnight() {
        for (moment, expected) in [
            (at(0, 0), 1970),
            (at(-1, 0), 1969),
            (at(951_782_400, 0), 2000),     // 2000-02-29
            (at(951_868_800, 0), 2000),     // 2000-03-01
            (at(1_798_761_599, 0), 2026),   // 2026-12-31 23:59:59
            (at(1_798_761_600, 0), 2027),   // 2027-01-01 00:00:00
            (at(1_798_761_599, 600), 2027), // already 2027 in Brisbane
            (at(1_798_761_600, -60), 2026), // still 2026 in the Azores
            (at(1_772_323_199, 0), 2026),   // 2026-02-28 23:59:59
            (at(1_772_323_200, 0), 2026),   // 2026-03-01
            (at(1_767_225_600, 0), 2026),   // 2026-01-01
            (at(1_767_225_599, 0), 2025),
        ] {
            assert_eq!(year(moment), expected, "{moment:?}");
        }
    }
}
