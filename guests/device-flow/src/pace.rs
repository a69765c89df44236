//! How long to wait before the next try, and a little chance so that a fleet does not try in step.
//!
//! All spans are milliseconds.

/// A second.
pub(crate) const SECOND: u64 = 1_000;
/// A minute.
pub(crate) const MINUTE: u64 = 60 * SECOND;
/// An hour.
pub(crate) const HOUR: u64 = 60 * MINUTE;
/// A day.
pub(crate) const DAY: u64 = 24 * HOUR;

/// No wait is longer: the instants in a state may be another boot's.
pub(crate) const WAIT_MAX: u64 = 7 * DAY;

/// Chance, from the call's entropy. Equal entropy gives equal draws.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chance(u64);

impl Chance {
    /// Takes the first eight bytes; fewer are taken as they are.
    pub(crate) fn from_entropy(entropy: &[u8]) -> Self {
        Self(entropy.iter().take(8).fold(0, |sum, byte| sum * 256 + u64::from(*byte)))
    }

    /// From 0 to `span`, in steps of a thousandth.
    pub(crate) fn part_of(self, span: u64) -> u64 {
        span / 1_000 * (self.0 % 1_001) + span % 1_000 * (self.0 % 1_001) / 1_000
    }
}

/// The wait after so many failures in a row, of which the last is the newest: 1, 2, 4 … 64 s; after a quarter of an hour
/// of that, 5 minutes. A quarter of it, by chance, is added. A server's own wish is heeded where it is longer.
pub(crate) fn plan_retry(failures: u32, retry_after_ms: Option<u64>, chance: Chance) -> u64 {
    let base = match failures {
        0..=6 => SECOND << failures.saturating_sub(1),
        7..=20 => 64 * SECOND,
        _ => 5 * MINUTE,
    };
    (base + chance.part_of(base / 4)).max(retry_after_ms.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: Chance = Chance(0);
    const MOST: Chance = Chance(1_000);

    #[test]
    fn failures_in_a_row_wait_longer_up_to_five_minutes() {
        for (failures, seconds) in
            [(0, 1), (1, 1), (2, 2), (3, 4), (6, 32), (7, 64), (20, 64), (21, 300), (u32::MAX, 300)]
        {
            assert_eq!(plan_retry(failures, None, LEAST), seconds * SECOND, "{failures}");
            assert_eq!(plan_retry(failures, None, MOST), seconds * SECOND * 5 / 4, "{failures}");
        }
    }

    #[test]
    fn a_server_may_ask_for_a_longer_wait() {
        assert_eq!(plan_retry(1, Some(30 * SECOND), LEAST), 30 * SECOND);
        assert_eq!(plan_retry(7, Some(30 * SECOND), LEAST), 64 * SECOND);
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
        assert_eq!(Chance::from_entropy(&[0, 0, 0, 0, 0, 0, 1, 0, 9, 9]).0, 256);
        assert_eq!(Chance::from_entropy(&[255; 32]).0, u64::MAX);
    }
}
