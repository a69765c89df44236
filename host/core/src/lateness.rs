//! How late it surely is: for what must not be done too early, and can wait.
//!
//! A clock that leaps forward by months may be right, after a winter in a drawer, or wrong. Old events are deleted by it,
//! which nobody can mend; so a leap counts only after the device has run under it for a day, in which somebody sees the
//! panel's clock or the kernel hears from a server. A leap back counts at once: it keeps more.

/// The longest leap that is believed at once, in µs: a month without power.
const LEAP: i64 = 30 * 24 * 3_600_000_000;
/// How long a device runs under a longer one before it counts, in ms.
const DOUBT_FOR_MS: u64 = 24 * 3_600_000;

/// It is at least this late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lateness {
    /// µs since 1970.
    pub at: i64,
    /// For how many milliseconds the device has run under a clock that leapt ahead of it.
    pub doubted_for_ms: u64,
}

impl Lateness {
    /// Where nothing is known of earlier.
    #[must_use]
    pub fn new(now: i64) -> Self {
        Self { at: now, doubted_for_ms: 0 }
    }

    /// The clock says `now`, in µs since 1970, and the device ran for so many milliseconds since it was asked last.
    #[must_use]
    pub fn hear(self, now: i64, ran_for_ms: u64) -> Self {
        let doubted_for_ms = self.doubted_for_ms.saturating_add(ran_for_ms);
        if now.saturating_sub(self.at) <= LEAP || doubted_for_ms >= DOUBT_FOR_MS {
            Self::new(now)
        } else {
            Self { doubted_for_ms, ..self }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: u64 = 3_600_000;
    const DAY: i64 = 24 * 3_600_000_000;

    #[test]
    fn a_clock_that_goes_on_is_followed() {
        let lateness = Lateness::new(0).hear(DAY, 0).hear(31 * DAY, HOUR_MS).hear(61 * DAY, 0);
        assert_eq!(lateness, Lateness::new(61 * DAY));
        assert_eq!(lateness.hear(-DAY, 0), Lateness::new(-DAY), "back at once");
        assert_eq!(Lateness::new(i64::MIN).hear(i64::MAX, 0).at, i64::MIN);
    }

    #[test]
    fn a_leap_counts_after_a_day_under_it() {
        let mut lateness = Lateness::new(0);
        for hour in 1..24 {
            lateness = lateness.hear(31 * DAY, HOUR_MS);
            assert_eq!(lateness, Lateness { at: 0, doubted_for_ms: hour * HOUR_MS });
        }
        assert_eq!(lateness.hear(31 * DAY, HOUR_MS), Lateness::new(31 * DAY));
    }

    #[test]
    fn a_leap_that_is_taken_back_is_forgotten() {
        let leapt = Lateness::new(0).hear(400 * DAY, 23 * HOUR_MS);
        assert_eq!(leapt.hear(DAY, HOUR_MS), Lateness::new(DAY));
        assert_eq!(leapt.hear(DAY, 0).hear(400 * DAY, HOUR_MS).doubted_for_ms, HOUR_MS);
    }
}
