//! Pacing: at most so many requests in any minute.
//!
//! It remembers when requests left, and says when the next may. It knows neither requests nor grants, and no clock: one
//! [`Pace`] belongs to one grant, and times are milliseconds of the monotonic clock. Always: no window `[t, t + 60 s)`
//! holds more departures than the limit that was in force at the last of them. What left before a restart of the host is
//! not remembered; the back-off after a 429 covers that minute.

use std::collections::VecDeque;
use std::num::NonZeroU32;

/// The window, in milliseconds.
const WINDOW_MS: u64 = 60_000;

/// When a request may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// Now.
    Now,
    /// Not before this reading of the monotonic clock, in milliseconds.
    At(u64),
}

/// The departures of the last minute.
#[derive(Debug, Clone)]
pub struct Pace {
    per_minute: NonZeroU32,
    departed_at: VecDeque<u64>,
}

impl Pace {
    /// Nothing has left yet.
    #[must_use]
    pub fn new(per_minute: NonZeroU32) -> Self {
        Self { per_minute, departed_at: VecDeque::new() }
    }

    /// Another limit, from now on: the least of all sinks of the grant.
    pub fn set_limit(&mut self, per_minute: NonZeroU32) {
        self.per_minute = per_minute;
    }

    /// When the next request may leave.
    #[must_use]
    pub fn plan(&self, now_ms: u64) -> Departure {
        let limit = usize::try_from(self.per_minute.get()).unwrap_or(usize::MAX);
        // The one that has to be a whole window old: with it, the window would be full.
        let Some(index) = self.departed_at.len().checked_sub(limit) else { return Departure::Now };
        let free_at = self.departed_at.get(index).map_or(0, |at| at.saturating_add(WINDOW_MS));
        if free_at <= now_ms { Departure::Now } else { Departure::At(free_at) }
    }

    /// When the next request leaves if those of a minute leave evenly, in milliseconds: at once, where the last one left long
    /// ago.
    #[must_use]
    pub fn even_at_ms(&self) -> u64 {
        let last = self.departed_at.back();
        last.map_or(0, |last| last.saturating_add(WINDOW_MS / u64::from(self.per_minute.get())))
    }

    /// A request leaves. A clock that seems to go back is taken to stand still.
    pub fn record(&mut self, now_ms: u64) {
        let now_ms = self.departed_at.back().map_or(now_ms, |last| now_ms.max(*last));
        while self.departed_at.front().is_some_and(|first| first.saturating_add(WINDOW_MS) <= now_ms) {
            self.departed_at.pop_front();
        }
        self.departed_at.push_back(now_ms);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pace(per_minute: u32) -> Pace {
        Pace::new(NonZeroU32::new(per_minute).unwrap())
    }

    #[test]
    fn a_full_minute_waits_for_its_oldest_departure() {
        let mut pace = pace(2);
        assert_eq!(pace.plan(1_000), Departure::Now);
        pace.record(1_000);
        assert_eq!(pace.plan(1_000), Departure::Now);
        pace.record(5_000);
        assert_eq!(pace.plan(5_000), Departure::At(61_000));
        assert_eq!(pace.plan(60_999), Departure::At(61_000));
        assert_eq!(pace.plan(61_000), Departure::Now);
        pace.record(61_000);
        assert_eq!(pace.plan(61_000), Departure::At(65_000));
    }

    #[test]
    fn requests_of_a_minute_that_leave_evenly_are_never_held_up() {
        let mut pace = pace(50);
        assert_eq!(pace.even_at_ms(), 0);
        let mut now_ms = 5_000;
        for _ in 0..200 {
            now_ms = pace.even_at_ms().max(now_ms);
            assert_eq!(pace.plan(now_ms), Departure::Now);
            pace.record(now_ms);
        }
        assert_eq!(now_ms, 5_000 + 199 * 1_200);
    }

    #[test]
    fn a_lower_limit_counts_what_has_left_already() {
        let mut pace = pace(3);
        for at in [0, 10, 20] {
            pace.record(at);
        }
        pace.set_limit(NonZeroU32::MIN);
        assert_eq!(pace.plan(30), Departure::At(60_020));
        pace.set_limit(NonZeroU32::new(4).unwrap());
        assert_eq!(pace.plan(30), Departure::Now);
    }

    #[test]
    fn only_the_last_minute_is_remembered() {
        let mut pace = pace(u32::MAX);
        for second in 0..600 {
            pace.record(second * 1_000);
        }
        assert_eq!(pace.departed_at.len(), 60);
        assert_eq!(pace.departed_at.front(), Some(&540_000));
    }

    #[test]
    fn a_clock_that_goes_back_stands_still() {
        let mut pace = pace(1);
        pace.record(100_000);
        assert_eq!(pace.plan(10), Departure::At(160_000));
        pace.record(10);
        assert_eq!(pace.plan(100_000), Departure::At(160_000));
    }

    proptest! {
        // The model counts all departures of all time, and tries every millisecond that could matter.
        #[test]
        fn it_is_the_earliest_schedule_within_the_limit(
            per_minute in 1_u32..6,
            wants in prop::collection::vec(0_u64..40_000, 1..60),
        ) {
            let mut pace = pace(per_minute);
            let mut all: Vec<u64> = Vec::new();
            let mut now = 0;
            for pause in wants {
                now += pause;
                let full = |at: u64| {
                    all.iter().filter(|sent| **sent + WINDOW_MS > at).count() >= per_minute as usize
                };
                let earliest = if full(now) {
                    all.iter().map(|sent| sent + WINDOW_MS).find(|at| *at > now && !full(*at)).unwrap()
                } else {
                    now
                };
                let expected = if earliest == now { Departure::Now } else { Departure::At(earliest) };
                prop_assert_eq!(pace.plan(now), expected);
                now = earliest;
                prop_assert_eq!(pace.plan(now), Departure::Now);
                pace.record(now);
                all.push(now);
            }
        }
    }
}
