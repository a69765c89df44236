//! What the host decides about formatting: how many events a call gets, and what a failed call means for them.
//!
//! Events are formatted many at a time. When a call fails that many, the first one is tried alone: an event that fails
//! [`ATTEMPTS`] times alone is set aside, so that one event can't hold up those behind it. An error that no event can be
//! blamed for (settings, a state of another version) holds the sink instead: nothing is set aside for it.

use crate::backoff::plan_wait;

/// Events of one call, at most.
pub const TOGETHER: usize = 1_000;
/// Failed calls with an event alone after which it is set aside.
pub const ATTEMPTS: u32 = 3;

/// Whom a failed call is to be blamed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// Perhaps an event: it trapped, overran, or answered against the contract.
    Event,
    /// The plugin or its settings, whatever the events.
    Plugin,
}

/// What to do after a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// Call with the first event alone, now.
    TryAlone,
    /// Call with it again at this moment of the monotonic clock, in milliseconds.
    TryAgainAt(u64),
    /// Set the event aside and go on with the next.
    SetAside,
    /// Leave the events where they are until the plugin or its settings change, or this moment has come.
    HoldUntil(u64),
}

/// Decides what to do after a call with `events` events failed. `attempts` counts the failed calls with the first of them
/// alone, this one included.
#[must_use]
pub fn plan_after_failure(blame: Blame, events: usize, attempts: u32, now_ms: u64) -> AfterFailure {
    match blame {
        Blame::Plugin => AfterFailure::HoldUntil(now_ms.saturating_add(60_000)),
        Blame::Event if events > 1 => AfterFailure::TryAlone,
        Blame::Event if attempts < ATTEMPTS => {
            AfterFailure::TryAgainAt(now_ms.saturating_add(plan_wait(attempts.saturating_sub(1), 0)))
        }
        Blame::Event => AfterFailure::SetAside,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_events_are_not_blamed_together() {
        assert_eq!(plan_after_failure(Blame::Event, 2, 0, 0), AfterFailure::TryAlone);
        assert_eq!(plan_after_failure(Blame::Event, 1_000, 9, 0), AfterFailure::TryAlone);
    }

    #[test]
    fn an_event_alone_is_tried_three_times_with_growing_pauses() {
        assert_eq!(plan_after_failure(Blame::Event, 1, 1, 500), AfterFailure::TryAgainAt(1_500));
        assert_eq!(plan_after_failure(Blame::Event, 1, 2, 500), AfterFailure::TryAgainAt(2_500));
        assert_eq!(plan_after_failure(Blame::Event, 1, 3, 500), AfterFailure::SetAside);
        assert_eq!(plan_after_failure(Blame::Event, 1, 4, 500), AfterFailure::SetAside);
    }

    #[test]
    fn no_event_is_set_aside_for_a_plugins_own_fault() {
        for (events, attempts) in [(1, 1), (1, 9), (5, 0)] {
            assert_eq!(plan_after_failure(Blame::Plugin, events, attempts, 7), AfterFailure::HoldUntil(60_007));
        }
    }
}
