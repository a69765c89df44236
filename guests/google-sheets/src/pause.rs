//! Pauses: how long to wait before trying again.

use punchcard_sdk::connector::{Directive, Pause};
use punchcard_sdk::{Context, Problem};

use crate::{draw, problem};

/// Until a problem that only a person can mend is looked at again.
const RECHECK_MS: u64 = 600_000;
/// min(2ⁿ s + jitter, 64 s), as Google asks for after 429 and 5xx.
const LONGEST_MS: u64 = 64_000;
/// Failures in a row from which on a person is told.
const SAID_FROM: u32 = 4;

/// Waits, the longer the more requests failed, and counts one more failure.
pub(crate) fn back_off(failures: &mut u32, why: &str, context: &Context) -> Directive {
    let milliseconds = (1_000 << (*failures).min(6)) + draw::jitter_ms(context);
    *failures = failures.saturating_add(1);
    let problem = (*failures >= SAID_FROM).then(|| problem::no_answer(why));
    Directive::Wait(Pause { milliseconds: milliseconds.min(LONGEST_MS), problem })
}

/// Waits.
pub(crate) fn wait(milliseconds: u64) -> Directive {
    Directive::Wait(Pause { milliseconds, problem: None })
}

/// Waits so long that it is said why.
pub(crate) fn wait_and_say(milliseconds: u64, problem: Problem) -> Directive {
    Directive::Wait(Pause { milliseconds, problem: Some(problem) })
}

/// Waits for a person.
pub(crate) fn hold(problem: Problem) -> Directive {
    Directive::Hold(Pause { milliseconds: RECHECK_MS, problem: Some(problem) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::context;

    #[test]
    fn waits_double_up_to_64_seconds_and_are_said_from_the_fourth_on() {
        let context = Context { entropy: vec![0xff; 32], ..context() };
        let jitter = draw::jitter_ms(&context);
        assert!(jitter > 0);
        let mut failures = 0;
        for (count, expected) in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 64_000].into_iter().enumerate() {
            let Directive::Wait(pause) = back_off(&mut failures, "why", &context) else { panic!() };
            assert_eq!(pause.milliseconds, (expected + jitter).min(64_000));
            assert_eq!(pause.problem.is_some(), count >= 3, "{count}");
        }
        assert_eq!(failures, 8);
        failures = u32::MAX;
        assert!(matches!(back_off(&mut failures, "why", &context), Directive::Wait(_)));
    }
}
