//! How long to wait after a failure: exponential, with jitter, capped.
//!
//! Google's advice for 429 and 5xx, min(2ⁿ s + jitter, 64 s), which suits any other server as well. It knows neither what
//! failed nor whether trying again is right.

/// No wait is longer, in milliseconds.
pub const LONGEST_MS: u64 = 64_000;

/// What jitter adds at most, in milliseconds.
const JITTER_MS: u64 = 1_000;

/// Milliseconds to wait after the failure number `failures` in a row, the first being 0: 2ⁿ seconds and up to one more,
/// at most [`LONGEST_MS`]. Jitter keeps devices that failed together from returning together; `entropy` are any random
/// bits.
#[must_use]
pub fn plan_wait(failures: u32, entropy: u64) -> u64 {
    let exponential = 1_000_u64.saturating_mul(1_u64.checked_shl(failures).unwrap_or(u64::MAX));
    exponential.saturating_add(entropy % (JITTER_MS + 1)).min(LONGEST_MS)
}

/// No plugin that fails is called more rarely, in milliseconds: four hours.
pub const LONGEST_QUARANTINE_MS: u64 = 4 * 3_600_000;
/// Failures of a plugin in a row after which it is called ever more rarely.
const QUARANTINE_AFTER: u32 = 7;

/// Milliseconds for which a plugin is not called after its failure number `failures` in a row, the first being 0: as
/// [`plan_wait`] has it, and then twice as long each time, up to [`LONGEST_QUARANTINE_MS`]. What a plugin does wrong mends
/// itself more rarely than a network does.
#[must_use]
pub fn plan_quarantine(failures: u32) -> u64 {
    let beyond = failures.saturating_sub(QUARANTINE_AFTER);
    let doubled = plan_wait(failures, 0).saturating_mul(1_u64.checked_shl(beyond).unwrap_or(u64::MAX));
    doubled.min(LONGEST_QUARANTINE_MS)
}

/// When a plugin that failed is called again, for a person; nothing while that is soon.
#[must_use]
pub fn describe_quarantine(wait_ms: u64) -> Option<String> {
    (wait_ms > LONGEST_MS).then(|| {
        format!("; it keeps failing, is called again in {} min, and what it would do waits", wait_ms.div_ceil(60_000))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_cap() {
        let table = [
            (0, 0, 1_000),
            (0, 1_000, 2_000),
            (0, 1_001, 1_000),
            (1, 0, 2_000),
            (2, 250, 4_250),
            (3, 0, 8_000),
            (4, 0, 16_000),
            (5, 1_000, 33_000),
            (6, 0, 64_000),
            (6, 999, 64_000),
            (7, 0, 64_000),
            (63, 0, 64_000),
            (64, 0, 64_000),
            (u32::MAX, u64::MAX, 64_000),
        ];
        for (failures, entropy, wait) in table {
            assert_eq!(plan_wait(failures, entropy), wait, "after {failures} with {entropy}");
        }
    }

    #[test]
    fn what_keeps_failing_is_called_ever_more_rarely_from_seconds_to_hours() {
        let table = [(0, 1_000), (3, 8_000), (6, 64_000), (7, 64_000), (8, 128_000), (10, 512_000), (14, 8_192_000)];
        for (failures, wait) in table {
            assert_eq!(plan_quarantine(failures), wait, "{failures}");
        }
        for failures in [15, 63, 64, 80, u32::MAX] {
            assert_eq!(plan_quarantine(failures), LONGEST_QUARANTINE_MS, "{failures}");
        }
        assert_eq!(describe_quarantine(64_000), None);
        assert!(describe_quarantine(128_000).unwrap().contains("in 3 min"));
    }

    proptest! {
        #[test]
        fn the_wait_stays_between_its_power_of_two_and_the_cap(failures in 0_u32..100, entropy: u64) {
            let wait = plan_wait(failures, entropy);
            let least = if failures < 6 { 1_000 << failures } else { LONGEST_MS };
            prop_assert!(wait >= least && wait <= (least + JITTER_MS).min(LONGEST_MS));
        }
    }
}
