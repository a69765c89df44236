//! A time than which it is not earlier, for what must not be done too early, and can wait.
//!
//! A clock that leaps forward by months may be right, after a winter in a drawer, or wrong. Old events are deleted by it,
//! which nobody can mend; so a leap counts only after the device has run under it for a day, in which somebody sees the
//! panel's clock or the kernel hears from a server. A leap back counts at once: it keeps more. How long the device ran
//! without knowing the time says nothing of a clock, nor how long the machine slept.

/// The longest leap that is believed at once, in µs: a month without power.
const LEAP: i64 = 30 * 24 * 3_600_000_000;
/// After so many milliseconds is said again how late it is: once an hour spares the card. No more counts at once, for the
/// machine may have slept meanwhile.
const SAY_AFTER_MS: u64 = 3_600_000;
/// How long a device runs under a longer leap before it counts, in ms: a day, and the hour in which the clock leapt.
const DOUBT_FOR_MS: u64 = 24 * 3_600_000 + SAY_AFTER_MS;

/// It is not earlier than this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLowerBound {
    /// µs since 1970.
    pub at: i64,
    /// For how many milliseconds the device has run under a clock that leapt ahead of it.
    pub doubted_for_ms: u64,
}

impl TimeLowerBound {
    /// Where nothing is known of earlier.
    #[must_use]
    pub fn new(now: i64) -> Self {
        Self { at: now, doubted_for_ms: 0 }
    }

    /// The clock says `now`, in µs since 1970, and the device ran for so many milliseconds since it was asked last, of which
    /// an hour counts at most.
    #[must_use]
    pub fn hear(self, now: i64, ran_for_ms: u64) -> Self {
        let doubted_for_ms = self.doubted_for_ms.saturating_add(ran_for_ms.min(SAY_AFTER_MS));
        if now.saturating_sub(self.at) <= LEAP || doubted_for_ms >= DOUBT_FOR_MS {
            Self::new(now)
        } else {
            Self { doubted_for_ms, ..self }
        }
    }
}

/// How long a device has run, knowing the time, since it said last how late it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Run {
    since_ms: Option<u64>,
}

impl Run {
    /// The device knows the time or does not, `now_ms` milliseconds after the machine started. Where it is time to say how
    /// late it is: how many milliseconds it has run.
    pub fn look(&mut self, is_known: bool, now_ms: u64) -> Option<u64> {
        if !is_known {
            self.since_ms = None;
            return None;
        }
        let ran_for_ms = now_ms.saturating_sub(*self.since_ms.get_or_insert(now_ms));
        if ran_for_ms < SAY_AFTER_MS {
            return None;
        }
        self.since_ms = Some(now_ms);
        Some(ran_for_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 3_600_000;
    const DAY: i64 = 24 * 3_600_000_000;

    #[test]
    fn a_clock_that_goes_on_is_followed() {
        let bound = TimeLowerBound::new(0).hear(DAY, 0).hear(31 * DAY, HOUR_MS).hear(61 * DAY, 0);
        assert_eq!(bound, TimeLowerBound::new(61 * DAY));
        assert_eq!(bound.hear(-DAY, 0), TimeLowerBound::new(-DAY), "back at once");
        assert_eq!(TimeLowerBound::new(i64::MIN).hear(i64::MAX, 0).at, i64::MIN);
    }

    #[test]
    fn a_leap_counts_after_a_day_under_it() {
        let mut bound = TimeLowerBound::new(0);
        for hour in 1..=24 {
            bound = bound.hear(31 * DAY, HOUR_MS);
            assert_eq!(bound, TimeLowerBound { at: 0, doubted_for_ms: hour * HOUR_MS });
        }
        assert_eq!(bound.hear(31 * DAY, HOUR_MS), TimeLowerBound::new(31 * DAY));
    }

    #[test]
    fn no_more_than_an_hour_counts_at_once() {
        let slept = TimeLowerBound::new(0).hear(400 * DAY, 30 * HOUR_MS);
        assert_eq!(slept, TimeLowerBound { at: 0, doubted_for_ms: HOUR_MS });
    }

    #[test]
    fn a_leap_that_is_taken_back_is_forgotten() {
        let leapt = TimeLowerBound { at: 0, doubted_for_ms: 24 * HOUR_MS };
        assert_eq!(leapt.hear(DAY, HOUR_MS), TimeLowerBound::new(DAY));
        assert_eq!(leapt.hear(DAY, 0).hear(400 * DAY, HOUR_MS).doubted_for_ms, HOUR_MS);
    }

    #[test]
    fn what_ran_without_the_time_does_not_count() {
        let mut run = Run::default();
        let script = [
            (false, 0, None),
            (false, 30 * HOUR_MS, None),
            (true, 30 * HOUR_MS + 5, None),
            (true, 31 * HOUR_MS, None),
            (true, 31 * HOUR_MS + 5, Some(HOUR_MS)),
            (true, 31 * HOUR_MS + 6, None),
            (true, 40 * HOUR_MS, Some(9 * HOUR_MS - 5)),
            (false, 41 * HOUR_MS, None),
            (true, 42 * HOUR_MS, None),
        ];
        for (is_known, now_ms, expected) in script {
            assert_eq!(run.look(is_known, now_ms), expected, "{now_ms}");
        }
    }
}
