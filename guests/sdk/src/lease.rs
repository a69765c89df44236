//! Leases: how long an access token may be used, when another one is asked for, and how long to wait between two tries.
//!
//! A lease is renewed ahead of its end for as long as the device runs, so that no request ever waits for it. Instants are
//! milliseconds on the monotonic clock, and mean something only within a boot.

use serde::{Deserialize, Serialize};

use crate::backoff::Chance;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// However short a lease is, renewals are at least this far apart, in milliseconds.
const GAP_MIN: u64 = 30 * SECOND;

/// An idle lease is renewed at least this often, in milliseconds: seven days.
const IDLE_MAX: u64 = 7 * 24 * HOUR;

/// How long the access token may be used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeldLease {
    /// When it was given.
    pub granted_at_ms: u64,
    /// None: the server did not say.
    pub ends_at_ms: Option<u64>,
    /// When the next one is asked for.
    pub renew_at_ms: u64,
    /// The version of the slot `access-token` that it is about.
    pub slot_version: u64,
}

/// What is left of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remaining {
    /// The server did not say when it ends.
    Unknown,
    /// Whole seconds, at least one.
    Seconds(u32),
    /// It is over.
    Nothing,
}

impl HeldLease {
    /// A lease that was given just now, for so many seconds where the server said.
    #[must_use]
    pub fn new(lifetime: Option<u64>, slot_version: u64, now_ms: u64, chance: Chance) -> Self {
        Self {
            granted_at_ms: now_ms,
            ends_at_ms: lifetime.map(|seconds| now_ms.saturating_add(seconds.saturating_mul(SECOND))),
            renew_at_ms: now_ms.saturating_add(plan_renewal(lifetime, chance)),
            slot_version,
        }
    }

    /// What is left of it.
    #[must_use]
    pub fn remaining(&self, now_ms: u64) -> Remaining {
        match self.ends_at_ms {
            None => Remaining::Unknown,
            Some(ends_at_ms) => match ends_at_ms.saturating_sub(now_ms) / SECOND {
                0 => Remaining::Nothing,
                seconds => Remaining::Seconds(u32::try_from(seconds).unwrap_or(u32::MAX)),
            },
        }
    }
}

/// When to renew a lease of so many seconds, in milliseconds from its beginning: at 80 to 90 per cent of it, by chance,
/// so that a fleet that was switched on together does not renew together.
#[must_use]
pub fn plan_renewal(lifetime: Option<u64>, chance: Chance) -> u64 {
    let lifetime = lifetime.map_or(IDLE_MAX, |seconds| seconds.saturating_mul(SECOND)).min(IDLE_MAX);
    (lifetime / 10 * 8 + chance.part_of(lifetime / 10)).max(GAP_MIN)
}

/// How long a lease has to have been given before another is asked for, after so many in a row that a service refused.
/// Milliseconds: a service that refuses every token is not to be fed with tokens.
#[must_use]
pub fn plan_replacement(refused: u32) -> u64 {
    GAP_MIN.saturating_mul(1 << refused.saturating_sub(1).min(20)).min(HOUR)
}

/// The longest pause after so many tries in a row that told nothing, in milliseconds, unless a server asks for more: about a
/// minute for the first quarter of an hour, in which most outages pass, and five minutes then.
#[must_use]
pub fn longest_pause(failures: u32) -> u64 {
    if failures <= 20 { 64 * SECOND } else { 5 * MINUTE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_renewed_at_80_to_90_per_cent_of_it() {
        let (least, most) = (Chance::from_entropy(&[]), Chance::from_entropy(&[3, 232]));
        for (lifetime, earliest, latest) in [
            (Some(3_600), 2_880, 3_240),
            (Some(100), 80, 90),
            (Some(40), 32, 36),
            (Some(10), 30, 30),
            (Some(1), 30, 30),
            (Some(30 * 86_400), 483_840, 544_320),
            (None, 483_840, 544_320),
            (Some(u64::MAX), 483_840, 544_320),
        ] {
            assert_eq!(plan_renewal(lifetime, least), earliest * SECOND, "{lifetime:?}");
            assert_eq!(plan_renewal(lifetime, most), latest * SECOND, "{lifetime:?}");
        }
    }

    #[test]
    fn a_lease_lasts_to_its_last_whole_second() {
        let lease = HeldLease::new(Some(10), 1, 5_000, Chance::from_entropy(&[]));
        for (now_ms, remaining) in [
            (5_000, Remaining::Seconds(10)),
            (14_000, Remaining::Seconds(1)),
            (14_001, Remaining::Nothing),
            (99_000, Remaining::Nothing),
        ] {
            assert_eq!(lease.remaining(now_ms), remaining, "{now_ms}");
        }
        let endless = HeldLease::new(None, 1, 5_000, Chance::from_entropy(&[]));
        assert_eq!(endless.remaining(u64::MAX), Remaining::Unknown);
    }

    #[test]
    fn pauses_after_refused_leases_grow_up_to_an_hour() {
        for (refused, seconds) in [(0, 30), (1, 30), (2, 60), (3, 120), (7, 1_920), (8, 3_600), (u32::MAX, 3_600)] {
            assert_eq!(plan_replacement(refused), seconds * SECOND, "{refused}");
        }
    }
}
