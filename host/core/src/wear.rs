//! How much a sink may write to the card: its connector's state, which is made durable before each of its directives is
//! done.
//!
//! A bucket of bytes that fills evenly: a burst is let through, and what goes on for long is slowed down to what a card
//! bears for years. It knows no clock: times are milliseconds of the monotonic clock.

/// Bytes of state that a sink writes in an hour, at most, once it has used up the same amount at once.
const BYTES_PER_HOUR: u64 = 32 << 20;
/// Milliseconds.
const HOUR_MS: u64 = 3_600_000;

/// What a sink has written of late.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wear {
    /// Bytes that count at `since_ms`.
    bytes: u64,
    since_ms: u64,
}

impl Wear {
    /// Notes that so many bytes are written. When the next may be, in milliseconds of the monotonic clock: at once where
    /// that is not later than `now_ms`.
    pub fn write(&mut self, bytes: usize, now_ms: u64) -> u64 {
        let passed_ms = now_ms.saturating_sub(self.since_ms);
        let forgotten = u128::from(passed_ms) * u128::from(BYTES_PER_HOUR) / u128::from(HOUR_MS);
        self.bytes = self.bytes.saturating_sub(u64::try_from(forgotten).unwrap_or(u64::MAX));
        self.since_ms = now_ms;
        self.bytes = self.bytes.saturating_add(bytes as u64);
        let over = self.bytes.saturating_sub(BYTES_PER_HOUR);
        let wait_ms = u128::from(over) * u128::from(HOUR_MS) / u128::from(BYTES_PER_HOUR);
        now_ms.saturating_add(u64::try_from(wait_ms).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connector_of_ours_is_never_slowed_down() {
        let mut wear = Wear::default();
        for request in 0..100_000_u64 {
            // 50 requests a minute with 4 KiB of state each.
            let now_ms = request * 1_200;
            assert!(wear.write(4 << 10, now_ms) <= now_ms, "{request}");
        }
    }

    #[test]
    fn a_state_of_a_megabyte_at_each_request_is_slowed_down_to_what_an_hour_allows() {
        let mut wear = Wear::default();
        let (mut now_ms, mut written) = (0, 0);
        while now_ms < 10 * HOUR_MS {
            written += 1 << 20;
            now_ms = wear.write(1 << 20, now_ms).max(now_ms + 10);
        }
        assert!((10 * BYTES_PER_HOUR..=11 * BYTES_PER_HOUR + (1 << 20)).contains(&written), "{written}");
    }
}
