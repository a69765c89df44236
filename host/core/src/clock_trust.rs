//! When the wall clock is trusted, and what time it is then.
//!
//! Three things vouch for it, of which only the kernel's word is final: plugins.toml, a battery-backed clock that does not
//! stand before the last time seen, and the kernel, which says that it is synchronised. A clock that was believed stays so
//! until the next boot. Once the kernel was synchronised, the time counts on from there by the monotonic clock whenever it
//! is not: between two synchronisations a clock is only ever set by mistake, and a network that is gone for a week does not
//! make it wrong by more than some seconds. Nothing here asks a clock.

use crate::time::TimeStatus;

/// What the kernel's clocks say, all at the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The wall clock, in µs since 1970.
    pub wall: i64,
    /// The monotonic clock, in µs since the machine started.
    pub monotonic: i64,
    /// The kernel says that its wall clock is disciplined.
    pub synchronised: bool,
}

impl Reading {
    fn zero(&self) -> i64 {
        self.wall.saturating_sub(self.monotonic)
    }
}

/// How far the wall clock is trusted in this boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClockTrust {
    vouched_for: bool,
    battery_backed: bool,
    believed: bool,
    /// µs since 1970 when the monotonic clock stood at 0, as the kernel last had it while it was synchronised.
    zero: Option<i64>,
}

impl ClockTrust {
    /// Nothing was asked yet in this boot. `vouched_for`: plugins.toml says that the wall clock is right. `battery_backed`:
    /// the kernel set it from a clock chip that can be believed.
    #[must_use]
    pub fn new(vouched_for: bool, battery_backed: bool) -> Self {
        Self { vouched_for, battery_backed, believed: false, zero: None }
    }

    /// The clock was believed earlier in this boot, before this program was started anew. `zero`: where the kernel was
    /// synchronised then, what its clocks came to last.
    pub fn resume(&mut self, zero: Option<i64>) {
        self.believed = true;
        self.zero = self.zero.or(zero);
    }

    /// Takes in what the clocks say. `last_seen`: the latest time that was ever believed, in µs since 1970.
    pub fn judge(&mut self, reading: &Reading, last_seen: i64) -> TimeStatus {
        if reading.synchronised {
            self.zero = Some(reading.zero());
        }
        let vouched_for = self.vouched_for || (self.battery_backed && reading.wall >= last_seen);
        self.believed |= vouched_for || self.zero.is_some();
        match (self.zero, self.believed) {
            (Some(_), _) => TimeStatus::Synchronised,
            (None, true) => TimeStatus::Believed,
            (None, false) => TimeStatus::Unknown,
        }
    }

    /// The time, in µs since 1970, as well as it is known.
    #[must_use]
    pub fn wall(&self, reading: &Reading) -> i64 {
        match self.zero {
            Some(zero) if !reading.synchronised => zero.saturating_add(reading.monotonic),
            _ => reading.wall,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;
    const NOON: i64 = 1_795_168_800_000_000;

    /// A boot that began at noon: what the wall clock shows so many hours later, `off` hours wrong.
    fn reading(hours: i64, off: i64, synchronised: bool) -> Reading {
        Reading { wall: NOON + (hours + off) * HOUR, monotonic: hours * HOUR, synchronised }
    }

    /// What is said of readings one after the other: how the time stands, and how many hours it is wrong by.
    fn script(mut trust: ClockTrust, last_seen: i64, readings: &[Reading]) -> Vec<(TimeStatus, i64)> {
        readings
            .iter()
            .map(|reading| {
                let standing = trust.judge(reading, last_seen);
                (standing, (trust.wall(reading) - NOON - reading.monotonic) / HOUR)
            })
            .collect()
    }

    #[test]
    fn a_clock_that_nothing_vouches_for_is_unknown_until_the_kernel_is_synchronised() {
        let readings = [reading(0, -9, false), reading(1, -9, false), reading(2, 0, true), reading(3, 0, false)];
        let expected = [(TimeStatus::Unknown, -9), (TimeStatus::Unknown, -9), (TimeStatus::Synchronised, 0)];
        let said = script(ClockTrust::new(false, false), 0, &readings);
        assert_eq!(said[..3], expected);
        assert_eq!(said[3], (TimeStatus::Synchronised, 0), "the network is gone again");
    }

    #[test]
    fn a_clock_that_is_vouched_for_is_believed_and_put_right_by_the_kernel() {
        let readings = [reading(0, 3, false), reading(1, 3, false), reading(2, 0, true)];
        let expected = [(TimeStatus::Believed, 3), (TimeStatus::Believed, 3), (TimeStatus::Synchronised, 0)];
        assert_eq!(script(ClockTrust::new(true, false), i64::MAX, &readings), expected);
        assert_eq!(script(ClockTrust::new(false, true), NOON, &readings), expected);
    }

    #[test]
    fn a_battery_backed_clock_before_the_last_time_seen_is_not_believed_until_it_is_past_it() {
        let readings = [reading(0, 0, false), reading(2, 0, false), reading(3, -9, false)];
        let expected = [(TimeStatus::Unknown, 0), (TimeStatus::Believed, 0), (TimeStatus::Believed, -9)];
        assert_eq!(script(ClockTrust::new(false, true), NOON + HOUR, &readings), expected);
    }

    #[test]
    fn once_synchronised_no_step_is_followed_that_the_kernel_does_not_stand_for() {
        let readings = [
            reading(0, 0, true),
            reading(1, 5, false),
            reading(2, -5, false),
            // A server that is wrong, and then right again: what else could be followed?
            reading(3, 2, true),
            reading(4, 0, false),
            reading(5, 0, true),
        ];
        let wrong_by: Vec<_> = script(ClockTrust::new(true, true), 0, &readings)
            .into_iter()
            .map(|(standing, off)| {
                assert_eq!(standing, TimeStatus::Synchronised);
                off
            })
            .collect();
        assert_eq!(wrong_by, [0, 0, 0, 2, 2, 0]);
    }

    #[test]
    fn a_program_that_is_started_anew_goes_on_as_before() {
        let mut believed = ClockTrust::new(false, false);
        believed.resume(None);
        assert_eq!(script(believed, i64::MAX, &[reading(1, 4, false)]), [(TimeStatus::Believed, 4)]);
        let mut synchronised = ClockTrust::new(false, false);
        synchronised.resume(Some(NOON));
        assert_eq!(script(synchronised, 0, &[reading(1, 4, false)]), [(TimeStatus::Synchronised, 0)]);
        assert_eq!(script(synchronised, 0, &[reading(1, 4, true)]), [(TimeStatus::Synchronised, 4)]);
        let mut asked = ClockTrust::new(false, false);
        asked.judge(&reading(1, 4, true), 0);
        asked.resume(Some(NOON));
        assert_eq!(asked.wall(&reading(2, 0, false)), NOON + 6 * HOUR, "what the kernel says now counts for more");
        assert_eq!(asked.wall(&reading(2, 1, true)), NOON + 3 * HOUR, "and what it says next for more still");
    }
}
