//! What the host decides about formatting: how many events a call gets, and what a failed call means for them.
//!
//! Events are formatted many at a time. When a call fails, fewer are tried, down to one alone; an event that fails
//! [`ATTEMPTS`] times alone may be set aside, so that one event can't hold up those behind it. But an event is never blamed
//! for a plugin that works for none: before it is set aside, the plugin has to have shown that it can do better, with
//! earlier events, with those behind it, or, once, by answering at all. Else the sink is held and nothing is set aside: a
//! broken update costs a delay, not the backlog.

use crate::backoff::{LONGEST_QUARANTINE_MS, plan_wait};

/// Events of one call, at most. What becomes of them is one commit, which a press may have to wait for: with a thousand it
/// waits twice as long beside a backlog, which is formatted no faster by it.
pub const TOGETHER: usize = 250;
/// Failed calls with an event alone after which it may be set aside.
pub const ATTEMPTS: u32 = 3;
/// Events behind one that fails with which the plugin is tried, their outcomes dropped.
pub const OTHERS: usize = 8;
/// So many events in a row may be set aside on the strength of those that succeeded before them. After these the plugin
/// has to show anew that it works.
const IN_A_ROW: u32 = 5;
/// Milliseconds for which a sink is held, the first time. Each further time it is twice as long, up to
/// [`LONGEST_QUARANTINE_MS`].
const HOLD_MS: u64 = 60_000;

/// Whom a failed call is to be blamed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// Perhaps an event: it trapped, or answered against the contract.
    Event,
    /// Perhaps an event, perhaps a board with too much to do: it took too long.
    Slowness,
    /// The plugin or its settings, whatever the events.
    Plugin,
}

/// What to do after a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// Call with fewer events, now: see [`Caution::most`].
    TryFewer,
    /// Call with the first event again at this moment of the monotonic clock, in milliseconds.
    TryAgainAt(u64),
    /// Find out whether the plugin works at all, for [`Caution::examined`].
    Examine,
    /// Leave the events where they are until the plugin or its settings change, or this moment has come.
    HoldUntil(u64),
}

/// What was found out about a plugin beside an event that it fails on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Examination {
    /// It fails without any event.
    FailsAlways,
    /// It works for another event that waits.
    Works,
    /// It works without events, and for none of those that wait.
    FailsForOthers,
    /// It works without events, and no other event waits.
    NoOthers,
}

/// What an examination leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterExamination {
    /// Set the event aside and go on with the next.
    SetAside,
    /// Set nothing aside; try again at this moment.
    HoldUntil(u64),
}

/// How much a sink's formatter is trusted with, from what became of its calls since the host started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caution {
    most: usize,
    worked: bool,
    set_aside: u32,
    /// Times that it was held in a row.
    held: u32,
}

impl Default for Caution {
    fn default() -> Self {
        Self { most: TOGETHER, worked: false, set_aside: 0, held: 0 }
    }
}

impl Caution {
    /// Events that the next call gets at most.
    #[must_use]
    pub fn most(&self) -> usize {
        self.most
    }

    /// A call succeeded.
    pub fn succeeded(&mut self) {
        *self = Self { most: self.most.saturating_mul(2).min(TOGETHER), worked: true, set_aside: 0, held: 0 };
    }

    /// A call with `events` events failed. `attempts` counts the failed calls with the first of them alone, this one
    /// included.
    pub fn failed(&mut self, blame: Blame, events: usize, attempts: u32, now_ms: u64) -> AfterFailure {
        if blame == Blame::Plugin {
            return AfterFailure::HoldUntil(now_ms.saturating_add(self.hold()));
        }
        if events > 1 {
            self.most = events / 2;
            return AfterFailure::TryFewer;
        }
        self.most = 1;
        if attempts >= ATTEMPTS {
            return AfterFailure::Examine;
        }
        // A board with too much to do is not helped by more of it.
        let patience = if blame == Blame::Slowness { 2 } else { 0 };
        AfterFailure::TryAgainAt(now_ms.saturating_add(plan_wait(attempts.saturating_sub(1) + patience, 0)))
    }

    /// For how long it is held now: ever longer, while it works for nothing.
    fn hold(&mut self) -> u64 {
        let hold_ms =
            HOLD_MS.saturating_mul(1_u64.checked_shl(self.held).unwrap_or(u64::MAX)).min(LONGEST_QUARANTINE_MS);
        self.held = self.held.saturating_add(1);
        hold_ms
    }

    /// Decides on an event that failed often enough, after the plugin was examined.
    pub fn examined(&mut self, examination: Examination, now_ms: u64) -> AfterExamination {
        let to_be_blamed = match examination {
            Examination::FailsAlways => false,
            Examination::Works => true,
            Examination::FailsForOthers => self.worked && self.set_aside < IN_A_ROW,
            // The first may be a bad event or a bad plugin, and nothing waits behind it. Not so the next ones.
            Examination::NoOthers => self.set_aside < if self.worked { IN_A_ROW } else { 1 },
        };
        if to_be_blamed {
            self.set_aside = self.set_aside.saturating_add(1);
            AfterExamination::SetAside
        } else {
            AfterExamination::HoldUntil(now_ms.saturating_add(self.hold()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_events_are_not_blamed_together() {
        let mut caution = Caution::default();
        let mut calls = vec![caution.most()];
        while caution.most() > 1 {
            assert_eq!(caution.failed(Blame::Slowness, caution.most(), 9, 0), AfterFailure::TryFewer);
            calls.push(caution.most());
        }
        assert_eq!(calls, [250, 125, 62, 31, 15, 7, 3, 1]);
        let more = std::iter::repeat_with(|| {
            caution.succeeded();
            caution.most()
        });
        assert_eq!(more.take(9).collect::<Vec<_>>(), [2, 4, 8, 16, 32, 64, 128, 250, 250]);
    }

    #[test]
    fn fewer_than_were_allowed_are_halved_from_what_they_were() {
        let mut caution = Caution::default();
        assert_eq!(caution.failed(Blame::Event, 6, 0, 0), AfterFailure::TryFewer);
        assert_eq!(caution.most(), 3);
    }

    #[test]
    fn an_event_alone_is_tried_three_times_with_growing_pauses() {
        let mut caution = Caution::default();
        assert_eq!(caution.failed(Blame::Event, 1, 1, 500), AfterFailure::TryAgainAt(1_500));
        assert_eq!(caution.failed(Blame::Event, 1, 2, 500), AfterFailure::TryAgainAt(2_500));
        assert_eq!(caution.failed(Blame::Event, 1, 3, 500), AfterFailure::Examine);
        assert_eq!(caution.failed(Blame::Event, 1, 4, 500), AfterFailure::Examine);
        assert_eq!(caution.most(), 1);
    }

    #[test]
    fn one_that_is_slow_is_given_more_time() {
        let mut caution = Caution::default();
        assert_eq!(caution.failed(Blame::Slowness, 1, 1, 0), AfterFailure::TryAgainAt(4_000));
        assert_eq!(caution.failed(Blame::Slowness, 1, 2, 0), AfterFailure::TryAgainAt(8_000));
        assert_eq!(caution.failed(Blame::Slowness, 1, 3, 0), AfterFailure::Examine);
    }

    #[test]
    fn a_sink_whose_formatter_works_for_nothing_is_held_ever_longer_until_it_works() {
        let mut caution = Caution::default();
        let minutes = |caution: &mut Caution| match caution.failed(Blame::Plugin, 1, 0, 0) {
            AfterFailure::HoldUntil(until_ms) => until_ms / 60_000,
            other => panic!("{other:?}"),
        };
        let held: Vec<u64> = (0..10).map(|_| minutes(&mut caution)).collect();
        assert_eq!(held, [1, 2, 4, 8, 16, 32, 64, 128, 240, 240]);
        caution.succeeded();
        assert_eq!(minutes(&mut caution), 1);
    }

    #[test]
    fn no_event_is_set_aside_for_a_plugins_own_fault() {
        for (events, attempts) in [(1, 1), (1, 9), (5, 0)] {
            let mut caution = Caution::default();
            assert_eq!(caution.failed(Blame::Plugin, events, attempts, 7), AfterFailure::HoldUntil(60_007));
        }
    }

    /// How many of twenty events in a row are set aside.
    fn set_aside(mut caution: Caution, examination: Examination) -> usize {
        (0..20).filter(|_| caution.examined(examination, 7) == AfterExamination::SetAside).count()
    }

    #[test]
    fn a_plugin_that_works_for_nothing_does_not_set_the_backlog_aside() {
        let mut worked = Caution::default();
        worked.succeeded();
        let table = [
            (Examination::FailsAlways, 0, 0),
            (Examination::Works, 20, 20),
            (Examination::FailsForOthers, 0, 5),
            (Examination::NoOthers, 1, 5),
        ];
        for (examination, fresh, after_success) in table {
            assert_eq!(set_aside(Caution::default(), examination), fresh, "{examination:?}");
            assert_eq!(set_aside(worked.clone(), examination), after_success, "{examination:?}");
        }
        assert_eq!(worked.examined(Examination::FailsAlways, 7), AfterExamination::HoldUntil(60_007));
    }

    #[test]
    fn a_success_restores_trust() {
        let mut caution = Caution::default();
        caution.succeeded();
        for _ in 0..4 {
            for _ in 0..5 {
                assert_eq!(caution.examined(Examination::FailsForOthers, 0), AfterExamination::SetAside);
            }
            assert_eq!(caution.examined(Examination::FailsForOthers, 0), AfterExamination::HoldUntil(60_000));
            caution.succeeded();
        }
    }
}
