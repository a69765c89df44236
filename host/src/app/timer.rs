//! Waiting for a moment of the monotonic clock.

use std::time::Duration;

use crate::clock::Clock;

/// The longest that is slept at once. The runtime's timers stand still while the machine sleeps, the clock does not.
const NAP: Duration = Duration::from_secs(30);

/// Waits until the monotonic clock shows this many milliseconds; for ever where nothing is waited for.
pub(super) async fn wait_until(clock: &Clock, until_ms: Option<u64>) {
    match until_ms {
        Some(until_ms) => sleep_until(clock, until_ms).await,
        None => std::future::pending().await,
    }
}

/// Waits until the monotonic clock shows this many milliseconds.
pub(super) async fn sleep_until(clock: &Clock, until_ms: u64) {
    loop {
        let left = Duration::from_millis(until_ms.saturating_sub(clock.monotonic_ms()));
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(NAP)).await;
    }
}
