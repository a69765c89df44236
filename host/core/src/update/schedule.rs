//! When a repository is looked at again.

use std::time::Duration;

use crate::config::repository::Window;

/// After the first failure.
const FIRST_WAIT: Duration = Duration::from_secs(60);
const DAY_MINUTES: u16 = 24 * 60;

/// How long until the next look, after `failures` failures in a row: `check-every`, or after a failure a minute and twice as
/// long each time, up to that. A tenth of it more by chance, so that devices that were switched on together do not come
/// together; `entropy` are any random bits.
#[must_use]
pub fn plan_next_check(check_every: Duration, failures: u32, entropy: u64) -> Duration {
    let wait = match failures.checked_sub(1) {
        None => check_every,
        Some(doublings) => {
            let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
            FIRST_WAIT.checked_mul(factor).unwrap_or(check_every).min(check_every)
        }
    };
    let tenth_ms = u64::try_from(wait.as_millis() / 10).unwrap_or(u64::MAX).max(1);
    wait.saturating_add(Duration::from_millis(entropy % tenth_ms))
}

impl Window {
    /// How long from a minute of the day until the hours begin; nothing within them.
    #[must_use]
    pub fn begins_in(self, minute: u16) -> Duration {
        if self.contains(minute) {
            return Duration::ZERO;
        }
        let minutes = (self.from_minute + DAY_MINUTES - minute % DAY_MINUTES) % DAY_MINUTES;
        Duration::from_secs(60 * u64::from(minutes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_repeated_ever_more_rarely_and_never_more_rarely_than_looks() {
        let hour = Duration::from_secs(3600);
        let table = [
            (0, 0, 3600),
            (1, 0, 60),
            (2, 0, 120),
            (3, 0, 240),
            (6, 0, 1920),
            (7, 0, 3600),
            (40, 0, 3600),
            (u32::MAX, 0, 3600),
            (1, 5_999, 65),
            (1, 6_000, 60),
            (0, 359_999, 3959),
        ];
        for (failures, entropy, seconds) in table {
            assert_eq!(plan_next_check(hour, failures, entropy).as_secs(), seconds, "{failures} with {entropy}");
        }
    }

    #[test]
    fn hours_that_are_waited_for_are_not_missed() {
        let night = Window { from_minute: 120, to_minute: 300 };
        let over_midnight = Window { from_minute: 22 * 60, to_minute: 5 * 60 };
        let table = [
            (night, 0, 120),
            (night, 120, 0),
            (night, 299, 0),
            (night, 300, 21 * 60),
            (over_midnight, 12 * 60, 600),
            (over_midnight, 23 * 60, 0),
            (over_midnight, 0, 0),
            (over_midnight, 300, 17 * 60),
        ];
        for (window, minute, minutes) in table {
            assert_eq!(window.begins_in(minute).as_secs(), 60 * minutes, "{window:?} at {minute}");
        }
    }
}
