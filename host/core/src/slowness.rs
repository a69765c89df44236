//! What a board gets that is slow for its connector: fewer rows in the next batches, and more time for the batch that is
//! there.
//!
//! A batch keeps its rows once it was formed. One whose steps take longer than a call may would be tried for ever: so each
//! step that overran gets twice the time when it is tried again, up to [`MOST_TIMES`] as much. What is formed after it gets
//! half the rows, and so does what is formed after a batch whose steps came near the limit; after one that was far from it,
//! twice as many again. Deliberately unknown here: what a row is, and how a call is ended. Nothing is kept over a restart.

use std::time::Duration;

use crate::plugin::delivery::Limits;

/// How many times its usual time a step gets at most.
pub const MOST_TIMES: u32 = 16;

/// A step that takes more than one part in so many of its time is near the limit.
const NEAR: u32 = 2;
/// One that takes less than one part in so many is far from it: twice the rows don't bring it near.
const FAR: u32 = 8;

/// How slow the board was for one sink's connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slowness {
    most_rows: u32,
    times: u32,
    /// Of the steps with the batch that is on its way.
    longest: Duration,
}

impl Default for Slowness {
    fn default() -> Self {
        Self { most_rows: u32::MAX, times: 1, longest: Duration::ZERO }
    }
}

impl Slowness {
    /// What the next batch may hold, of what the service takes.
    #[must_use]
    pub fn limits(&self, service: &Limits) -> Limits {
        Limits { rows_per_batch: service.rows_per_batch.min(self.most_rows), ..*service }
    }

    /// How many times its usual time the next step gets.
    #[must_use]
    pub fn times(&self) -> u32 {
        self.times
    }

    /// A step with so many rows ended after `took`, where `usual` is the time that a call has.
    pub fn ended(&mut self, rows: usize, took: Duration, usual: Duration) {
        self.longest = self.longest.max(took);
        if took > usual / NEAR {
            self.halve(rows);
        }
    }

    /// A step with so many rows was ended by its limit.
    pub fn overran(&mut self, rows: usize) {
        self.times = (self.times * 2).min(MOST_TIMES);
        self.longest = Duration::MAX;
        self.halve(rows);
    }

    /// A batch of so many rows is delivered, or another work is done.
    pub fn finished(&mut self, rows: usize, usual: Duration) {
        let was_full = u32::try_from(rows).unwrap_or(u32::MAX) >= self.most_rows;
        if was_full && self.longest < usual / FAR {
            self.most_rows = self.most_rows.saturating_mul(2);
        }
        self.times = 1;
        self.longest = Duration::ZERO;
    }

    /// The next batch gets half of these rows. The same batch can't halve it twice.
    fn halve(&mut self, rows: usize) {
        if rows > 0 {
            let half = u32::try_from(rows / 2).unwrap_or(u32::MAX);
            self.most_rows = self.most_rows.min(half).max(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    const USUAL: Duration = Duration::from_secs(1);

    fn most(slowness: &Slowness) -> u32 {
        let service = Limits {
            rows_per_batch: 4_800,
            bytes_per_batch: 1,
            characters_per_cell: 1,
            requests_per_minute: 1,
            reads_back: false,
        };
        slowness.limits(&service).rows_per_batch
    }

    #[test]
    fn what_was_near_the_limit_halves_the_next_batch_and_what_was_far_from_it_doubles_it() {
        let table: [(&[u64], u32); 7] = [
            (&[], 4_800),
            (&[500], 4_800),
            (&[501], 2_400),
            // The same batch once, however many steps it takes.
            (&[501, 900, 501], 2_400),
            (&[124], 4_800),
            (&[125, 10], 4_800),
            (&[5, 3_000], 2_400),
        ];
        for (steps, expected) in table {
            let mut slowness = Slowness::default();
            for took in steps {
                slowness.ended(4_800, Duration::from_millis(*took), USUAL);
            }
            slowness.finished(4_800, USUAL);
            assert_eq!(most(&slowness), expected, "{steps:?}");
        }
        let table = [(2_400, 124, 4_800), (2_400, 125, 2_400), (2_399, 1, 2_400)];
        for (rows, took, expected) in table {
            let mut slowness = Slowness { most_rows: 2_400, ..Slowness::default() };
            slowness.ended(rows, Duration::from_millis(took), USUAL);
            slowness.finished(rows, USUAL);
            assert_eq!(most(&slowness), expected, "{rows} rows in {took} ms");
        }
    }

    #[test]
    fn a_step_that_overran_gets_twice_the_time_and_only_until_its_batch_is_through() {
        let mut slowness = Slowness::default();
        let mut times = Vec::new();
        for _ in 0..6 {
            times.push(slowness.times());
            slowness.overran(4_800);
        }
        assert_eq!((times, most(&slowness)), (vec![1, 2, 4, 8, 16, 16], 2_400));
        slowness.finished(4_800, USUAL);
        assert_eq!((slowness.times(), most(&slowness)), (1, 2_400), "a batch that overran does not double the next");
    }

    #[test]
    fn a_step_without_rows_gets_more_time_and_no_batch_becomes_smaller_for_it() {
        let mut slowness = Slowness::default();
        slowness.overran(0);
        assert_eq!((slowness.times(), most(&slowness)), (2, 4_800));
    }

    #[test]
    fn a_batch_always_has_a_row() {
        let mut slowness = Slowness::default();
        for _ in 0..40 {
            let rows = most(&slowness) as usize;
            slowness.overran(rows);
            slowness.finished(rows, USUAL);
        }
        assert_eq!(most(&slowness), 1);
    }

    proptest! {
        /// A board takes so many µs for a row. Whatever it takes, as long as one row fits into the longest time.
        #[test]
        fn every_backlog_is_delivered_and_after_a_few_batches_no_step_overruns(per_row in 0_u64..1_000_000) {
            let mut slowness = Slowness::default();
            for batch in 0..40 {
                let rows = most(&slowness) as usize;
                let takes = Duration::from_micros(per_row * rows as u64);
                let mut tries = 0;
                while takes > USUAL * slowness.times() && slowness.times() < MOST_TIMES {
                    slowness.overran(rows);
                    tries += 1;
                }
                prop_assert!(tries <= 4);
                slowness.ended(rows, takes, USUAL);
                slowness.finished(rows, USUAL);
                if batch >= 13 {
                    prop_assert_eq!(tries, 0, "{} rows take {:?}", rows, takes);
                }
            }
        }
    }
}
