//! The stand-in's own idea of now.
//!
//! Its time is the real time plus whatever it was advanced by, or, frozen, only what it was advanced by: expiry, quota
//! windows and requests that are applied late need no waiting. Everything else in this crate is given `now`.
//!
//! Time never goes backwards: the real part is counted on a monotonic clock.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// A clock that can be advanced from outside.
#[derive(Debug)]
pub(crate) struct Clock {
    started_at: Timestamp,
    /// `None` in a frozen clock.
    running_since: Option<Instant>,
    advanced_for: Mutex<Duration>,
}

impl Clock {
    /// A clock that starts at the real time and runs with it.
    #[expect(clippy::disallowed_methods, reason = "the clock adapter of the stand-in is the one place that asks")]
    pub(crate) fn running() -> Self {
        Self {
            started_at: Timestamp::now(),
            running_since: Some(Instant::now()),
            advanced_for: Mutex::new(Duration::ZERO),
        }
    }

    /// A clock that stands at `now` until it is advanced.
    pub(crate) fn frozen(now: Timestamp) -> Self {
        Self { started_at: now, running_since: None, advanced_for: Mutex::new(Duration::ZERO) }
    }

    /// The simulated time. Stops at the last moment that a [`Timestamp`] can hold.
    pub(crate) fn now(&self) -> Timestamp {
        let ran_for = self.running_since.map_or(Duration::ZERO, |since| since.elapsed());
        let advanced_for = *self.advanced_for.lock().unwrap_or_else(PoisonError::into_inner);
        later(self.started_at, ran_for.saturating_add(advanced_for))
    }

    /// Moves the simulated time forward.
    pub(crate) fn advance(&self, by: Duration) {
        let mut advanced_for = self.advanced_for.lock().unwrap_or_else(PoisonError::into_inner);
        *advanced_for = advanced_for.saturating_add(by);
    }
}

/// The moment `span` after `instant`, or the last one that there is.
pub(crate) fn later(instant: Timestamp, span: Duration) -> Timestamp {
    instant.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// The span from `earlier` to `now`; zero where `earlier` is the later one.
pub(crate) fn since(earlier: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(earlier)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_clock_moves_only_when_it_is_advanced() {
        let clock = Clock::frozen(Timestamp::UNIX_EPOCH);
        assert_eq!(clock.now(), Timestamp::UNIX_EPOCH);
        clock.advance(Duration::from_secs(180));
        assert_eq!(clock.now().as_second(), 180);
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), Timestamp::MAX);
    }

    #[test]
    fn a_running_clock_keeps_its_advance() {
        let clock = Clock::running();
        let before = clock.now();
        clock.advance(Duration::from_secs(1000));
        assert!(since(before, clock.now()) >= Duration::from_secs(1000));
        assert_eq!(since(clock.now(), before), Duration::ZERO);
    }
}
