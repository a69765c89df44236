//! A new version of a plugin on trial: when it stays for good, and when the one before is put back.
//!
//! It stays once it has been there for a while and something has come of its calls, more than once. It goes as soon as too many of
//! its calls have come to nothing. What counts is what happened since the trial began.

use crate::plugin_version::Calls;

/// Milliseconds for which a version is on trial, at least.
const LEAST_MS: u64 = 600_000;
/// Calls of which something came, at least: events formatted, batches delivered, leases renewed, chips read.
const LEAST_WORK: u64 = 3;
/// Calls that may break off, or take too long, together.
const BROKEN_OFF: u64 = 1;
/// Calls that may not know the state that the version before left.
const UNKNOWN_STATES: u64 = 0;
/// Times that a person may be waited for: a service may have its own reasons.
const HOLDS: u64 = 2;

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

/// Decides what becomes of a version, `for_ms` after its trial began, by what came of its calls since. `last_error`: why the last
/// call that brought no value did not.
#[must_use]
pub fn judge(since: &Calls, for_ms: u64, last_error: Option<&str>) -> Standing {
    let because = |what: String| {
        let last = last_error.map_or_else(String::new, |error| format!("; at last: {error}"));
        Standing::Failed(format!("on trial, {what}{last}"))
    };
    if since.unknown_states > UNKNOWN_STATES {
        return because("it did not know the state that the version before left".to_owned());
    }
    if since.traps + since.deadlines > BROKEN_OFF {
        return because(format!("{} calls broke off and {} took too long", since.traps, since.deadlines));
    }
    if since.holds > HOLDS {
        return because(format!("it had a person waited for {} times", since.holds));
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_stays_after_time_and_work_and_goes_when_its_calls_come_to_nothing() {
        let calls = |work, traps, deadlines, unknown_states, holds| Calls {
            work,
            traps,
            deadlines,
            unknown_states,
            holds,
            errors: 9,
        };
        let goes = "goes";
        // Work, traps, deadlines, unknown states, holds; for how long.
        let table = [
            (calls(0, 0, 0, 0, 0), 0, "on trial"),
            (calls(0, 0, 0, 0, 0), u64::MAX, "on trial"),
            (calls(1_000, 0, 0, 0, 0), LEAST_MS - 1, "on trial"),
            (calls(2, 0, 0, 0, 0), LEAST_MS, "on trial"),
            (calls(3, 0, 0, 0, 0), LEAST_MS, "proven"),
            (calls(3, 1, 0, 0, 2), LEAST_MS, "proven"),
            (calls(3, 1, 0, 0, 0), 0, "on trial"),
            (calls(1_000, 2, 0, 0, 0), LEAST_MS, goes),
            (calls(0, 1, 1, 0, 0), 0, goes),
            (calls(0, 0, 2, 0, 0), 0, goes),
            (calls(0, 0, 0, 1, 0), 0, goes),
            (calls(0, 0, 0, 0, 2), 0, "on trial"),
            (calls(0, 0, 0, 0, 3), 0, goes),
        ];
        for (since, for_ms, expected) in table {
            let standing = match judge(&since, for_ms, Some("it trapped")) {
                Standing::OnTrial => "on trial",
                Standing::Proven => "proven",
                Standing::Failed(reason) => {
                    assert!(reason.starts_with("on trial, ") && reason.ends_with("; at last: it trapped"), "{reason}");
                    goes
                }
            };
            assert_eq!(standing, expected, "{since:?} {for_ms}");
        }
    }

    #[test]
    fn what_happened_before_the_trial_does_not_count() {
        let before = Calls { work: 5, traps: 7, ..Calls::default() };
        let now = Calls { work: 6, traps: 8, deadlines: 1, ..Calls::default() };
        let since = Calls { work: 1, traps: 1, deadlines: 1, ..Calls::default() };
        assert_eq!(now.since(&before), since);
    }
}
