//! A new version of a plugin on trial: when it stays for good, and when the one before is put back.
//!
//! It stays once it has been there for a while and something has come of its calls, more than once. It goes as soon as too many of
//! its calls have come to nothing. What counts is what happened since the trial began. What may be the world's fault counts only where
//! it is known that the version before had none of it while it ran: a board that is slow, a service that wants a person, that is
//! gone, or an event that nobody could use; and the last two only where nothing came of any call. After a restart of the device it
//! is not known.

use crate::plugin_version::Calls;

/// Milliseconds for which a version is on trial, at least.
const LEAST_MS: u64 = 600_000;
/// Calls of which something came, at least: events formatted, batches delivered, leases renewed, chips read.
const LEAST_WORK: u64 = 3;
/// Calls that may break off, or take too long, together. On a slow board the first calls of each connector take too long: then
/// those of the version before did so, too.
const BROKEN_OFF: u64 = 1;
/// Calls that may not know the state that the version before left.
const UNKNOWN_STATES: u64 = 0;
/// Times that a person may be waited for: a service may have its own reasons. Of a version of which nothing comes, none may be
/// after the time that it is on trial at least.
const HOLDS: u64 = 2;
/// Calls that may say that they can't, while nothing comes of any.
const ERRORS: u64 = 2;
/// Calls that may refuse all that they are given, while nothing comes of any.
const REFUSALS: u64 = 2;

/// What becomes of a version on trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is still on trial.
    OnTrial,
    /// It stays.
    Proven,
    /// The version before is put back, for this reason.
    Failed(String),
}

/// Decides what becomes of a version, `for_ms` after its trial began, by what came of its calls `since`. `before`: what came of
/// those of the version before while it ran; `None` where that is not known. `last_error`: why the last call that brought no value
/// did not.
#[must_use]
pub fn judge(since: &Calls, before: Option<&Calls>, for_ms: u64, last_error: Option<&str>) -> Standing {
    let is_news = |of: fn(&Calls) -> u64| before.is_some_and(|before| of(before) == 0);
    let because = |what: String| {
        let last = last_error.map_or_else(String::new, |error| format!("; at last: {error}"));
        Standing::Failed(format!("on trial, {what}{last}"))
    };
    if since.unknown_states > UNKNOWN_STATES {
        return because("it did not know the state that the version before left".to_owned());
    }
    let deadlines = if is_news(|before| before.deadlines) { since.deadlines } else { 0 };
    if since.traps + deadlines > BROKEN_OFF {
        return because(format!("{} calls broke off and {} took too long", since.traps, since.deadlines));
    }
    let holds_are_news = is_news(|before| before.holds);
    if since.holds > HOLDS && holds_are_news {
        return because(format!("it had a person waited for {} times", since.holds));
    }
    if since.work == 0 {
        if since.errors > ERRORS && is_news(|before| before.errors) {
            return because(format!("nothing came of its calls, {} of which said that they can't", since.errors));
        }
        if since.refusals > REFUSALS && is_news(|before| before.refusals) {
            return because(format!("it refused all that it was given, {} times", since.refusals));
        }
        if for_ms >= LEAST_MS && since.holds > 0 && holds_are_news {
            return because("nothing came of its calls but that a person is waited for".to_owned());
        }
    }
    if for_ms >= LEAST_MS && since.work >= LEAST_WORK { Standing::Proven } else { Standing::OnTrial }
}

impl Calls {
    /// What came since an earlier count.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            work: self.work.saturating_sub(before.work),
            traps: self.traps.saturating_sub(before.traps),
            deadlines: self.deadlines.saturating_sub(before.deadlines),
            unknown_states: self.unknown_states.saturating_sub(before.unknown_states),
            errors: self.errors.saturating_sub(before.errors),
            holds: self.holds.saturating_sub(before.holds),
            refusals: self.refusals.saturating_sub(before.refusals),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOES: &str = "goes";

    fn judged(since: &Calls, before: Option<&Calls>, for_ms: u64) -> &'static str {
        match judge(since, before, for_ms, Some("it trapped")) {
            Standing::OnTrial => "on trial",
            Standing::Proven => "proven",
            Standing::Failed(reason) => {
                assert!(reason.starts_with("on trial, ") && reason.ends_with("; at last: it trapped"), "{reason}");
                GOES
            }
        }
    }

    #[test]
    fn a_version_stays_after_time_and_work_and_goes_when_its_calls_come_to_nothing() {
        let calls = |work, traps, deadlines, unknown_states, holds| Calls {
            work,
            traps,
            deadlines,
            unknown_states,
            holds,
            ..Calls::default()
        };
        // Work, traps, deadlines, unknown states, holds; for how long.
        let table = [
            (calls(0, 0, 0, 0, 0), 0, "on trial"),
            (calls(0, 0, 0, 0, 0), u64::MAX, "on trial"),
            (calls(1_000, 0, 0, 0, 0), LEAST_MS - 1, "on trial"),
            (calls(2, 0, 0, 0, 0), LEAST_MS, "on trial"),
            (calls(3, 0, 0, 0, 0), LEAST_MS, "proven"),
            (calls(3, 1, 0, 0, 2), LEAST_MS, "proven"),
            (calls(3, 1, 0, 0, 0), 0, "on trial"),
            (calls(1_000, 2, 0, 0, 0), LEAST_MS, GOES),
            (calls(0, 1, 1, 0, 0), 0, GOES),
            (calls(0, 0, 2, 0, 0), 0, GOES),
            (calls(0, 0, 0, 1, 0), 0, GOES),
            (calls(0, 0, 0, 0, 2), 0, "on trial"),
            (calls(0, 0, 0, 0, 3), 0, GOES),
        ];
        for (since, for_ms, expected) in table {
            assert_eq!(judged(&since, Some(&Calls::default()), for_ms), expected, "{since:?} {for_ms}");
        }
    }

    #[test]
    fn errors_refusals_and_holds_count_where_nothing_comes_of_any_call_and_the_version_before_had_none() {
        let calls = |work, errors, refusals, holds| Calls { work, errors, refusals, holds, ..Calls::default() };
        let nothing = || calls(0, 0, 0, 0);
        // Work, errors, refusals, holds: since the trial began, and of the version before.
        let table = [
            (calls(0, 2, 0, 0), nothing(), 0, "on trial"),
            (calls(0, 3, 0, 0), nothing(), 0, GOES),
            (calls(0, 3, 0, 0), calls(9, 0, 9, 9), 0, GOES),
            (calls(0, 99, 0, 0), calls(9, 1, 0, 0), LEAST_MS, "on trial"),
            (calls(1, 99, 0, 0), nothing(), LEAST_MS, "on trial"),
            (calls(3, 99, 0, 0), nothing(), LEAST_MS, "proven"),
            (calls(0, 0, 2, 0), nothing(), LEAST_MS, "on trial"),
            (calls(0, 0, 3, 0), nothing(), 0, GOES),
            (calls(0, 0, 3, 0), calls(9, 9, 0, 9), 0, GOES),
            (calls(0, 0, 99, 0), calls(9, 0, 1, 0), LEAST_MS, "on trial"),
            (calls(3, 0, 99, 0), nothing(), LEAST_MS, "proven"),
            (calls(0, 0, 0, 1), nothing(), LEAST_MS - 1, "on trial"),
            (calls(0, 0, 0, 1), nothing(), LEAST_MS, GOES),
            (calls(1, 0, 0, 1), nothing(), LEAST_MS, "on trial"),
            (calls(0, 0, 0, 1), calls(0, 0, 0, 1), LEAST_MS, "on trial"),
            (calls(9, 0, 0, 3), nothing(), 0, GOES),
            (calls(0, 0, 0, 9), calls(0, 0, 0, 1), LEAST_MS, "on trial"),
        ];
        for (since, before, for_ms, expected) in table {
            assert_eq!(judged(&since, Some(&before), for_ms), expected, "{since:?} {before:?} {for_ms}");
        }
    }

    #[test]
    fn what_may_be_the_worlds_fault_does_not_count_where_the_version_before_had_it_or_is_not_known() {
        let calls = |traps, deadlines, unknown_states, errors, holds, refusals| Calls {
            work: 0,
            traps,
            deadlines,
            unknown_states,
            errors,
            holds,
            refusals,
        };
        let had = calls(0, 1, 0, 1, 1, 1);
        // Traps, deadlines, unknown states, errors, holds, refusals: since the trial began; and whether they count all the same.
        let table = [
            (calls(0, 99, 0, 0, 0, 0), false),
            (calls(1, 99, 0, 0, 0, 0), false),
            (calls(0, 0, 0, 99, 0, 0), false),
            (calls(0, 0, 0, 0, 99, 0), false),
            (calls(0, 0, 0, 0, 0, 99), false),
            (calls(2, 0, 0, 0, 0, 0), true),
            (calls(0, 0, 1, 0, 0, 0), true),
        ];
        for (since, counts) in table {
            let expected = if counts { GOES } else { "on trial" };
            for before in [None, Some(&had)] {
                assert_eq!(judged(&since, before, LEAST_MS), expected, "{since:?} {before:?}");
            }
            assert_eq!(judged(&since, Some(&Calls::default()), LEAST_MS), GOES, "{since:?}");
        }
        let proven = Calls { work: 3, deadlines: 9, ..Calls::default() };
        assert_eq!(judged(&proven, None, LEAST_MS), "proven");
    }

    #[test]
    fn what_happened_before_the_trial_does_not_count() {
        let before = Calls { work: 5, traps: 7, ..Calls::default() };
        let now = Calls { work: 6, traps: 8, deadlines: 1, ..Calls::default() };
        let since = Calls { work: 1, traps: 1, deadlines: 1, ..Calls::default() };
        assert_eq!(now.since(&before), since);
    }
}
