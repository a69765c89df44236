//! Back-off: how long to wait before the next try, and a little chance so that a fleet does not try in step.
//!
//! All spans are milliseconds.

use crate::Context;

/// Chance, from a call's entropy. Equal entropy gives equal draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chance(u64);

impl Chance {
    /// The chance of a call.
    #[must_use]
    pub fn of(context: &Context) -> Self {
        Self::from_entropy(&context.entropy)
    }

    /// Takes the last eight bytes; fewer are taken as they are. The first are left for what must differ from everything
    /// else, such as ids.
    #[must_use]
    pub fn from_entropy(entropy: &[u8]) -> Self {
        let last = entropy.get(entropy.len().saturating_sub(8)..).unwrap_or_default();
        Self(last.iter().fold(0, |sum, byte| sum * 256 + u64::from(*byte)))
    }

    /// From 0 to `span`, in steps of a thousandth.
    #[must_use]
    pub fn part_of(self, span: u64) -> u64 {
        let part = self.0 % 1_001;
        span / 1_000 * part + span % 1_000 * part / 1_000
    }
}

/// The wait before the next try: 1, 2, 4, 8 … s, at most `longest_ms`, or what the server asks for where that is longer;
/// and by chance up to a quarter of the wait more, also at the longest, where those that failed together would otherwise
/// stay together.
///
/// `failures` are the tries in a row that brought nothing, the latest included; 0 counts as 1. `retry_after_ms` is what
/// [`parse_retry_after`](crate::retry_after::parse_retry_after) made of the answer.
#[must_use]
pub fn plan_retry(failures: u32, longest_ms: u64, retry_after_ms: Option<u64>, chance: Chance) -> u64 {
    let wait = double(1_000, failures.saturating_sub(1), longest_ms);
    wait.max(retry_after_ms.unwrap_or(0)).saturating_add(chance.part_of(wait / 4))
}

/// A span that is doubled so many times, at most `longest_ms`. For a wait that begins with a span of its own, such as a
/// server's interval; others begin with a second, see [`plan_retry`].
#[must_use]
pub fn double(span_ms: u64, times: u32, longest_ms: u64) -> u64 {
    span_ms.saturating_mul(1 << times.min(32)).min(longest_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: Chance = Chance(0);
    const MOST: Chance = Chance(1_000);

    #[test]
    fn waits_double_up_to_the_longest_and_a_quarter_is_left_to_chance() {
        for (failures, seconds) in
            [(0, 1), (1, 1), (2, 2), (3, 4), (7, 64), (9, 256), (10, 300), (33, 300), (u32::MAX, 300)]
        {
            assert_eq!(plan_retry(failures, 300_000, None, LEAST), seconds * 1_000, "{failures}");
            assert_eq!(plan_retry(failures, 300_000, None, MOST), seconds * 1_250, "{failures}");
        }
        assert_eq!(plan_retry(u32::MAX, u64::MAX, None, LEAST), 1_000 << 32);
    }

    #[test]
    fn a_server_may_ask_for_a_longer_wait_and_not_for_a_shorter_one() {
        assert_eq!(plan_retry(1, 64_000, Some(30_000), LEAST), 30_000);
        assert_eq!(plan_retry(1, 64_000, Some(30_000), MOST), 30_250);
        assert_eq!(plan_retry(7, 64_000, Some(30_000), LEAST), 64_000);
        assert_eq!(plan_retry(1, 64_000, Some(100_000), LEAST), 100_000, "longer than the longest of its own");
    }

    #[test]
    fn a_wait_of_its_own_doubles_to_its_own_longest() {
        for (times, seconds) in [(0, 5), (1, 10), (3, 40), (4, 60), (u32::MAX, 60)] {
            assert_eq!(double(5_000, times, 60_000), seconds * 1_000, "{times}");
        }
        assert_eq!(double(u64::MAX, 3, u64::MAX), u64::MAX);
    }

    #[test]
    fn chance_spreads_from_nothing_to_the_whole_span() {
        assert_eq!(LEAST.part_of(12_345), 0);
        assert_eq!(MOST.part_of(12_345), 12_345);
        assert_eq!(Chance(500).part_of(12_345), 6_000 + 172);
        assert_eq!(Chance(1_001).part_of(12_345), 0);
        assert_eq!(MOST.part_of(u64::MAX), u64::MAX);
    }

    #[test]
    fn entropy_of_any_length_gives_a_chance() {
        assert_eq!(Chance::from_entropy(&[]).0, 0);
        assert_eq!(Chance::from_entropy(&[1, 2]).0, 258);
        assert_eq!(Chance::from_entropy(&[9, 9, 0, 0, 0, 0, 0, 0, 1, 0]).0, 256);
        assert_eq!(Chance::from_entropy(&[255; 32]).0, u64::MAX);
    }
}
