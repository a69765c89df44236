//! Pauses: how long to wait before trying again.

use punchcard_sdk::backoff::{Chance, plan_retry};
use punchcard_sdk::connector::{Directive, Pause};
use punchcard_sdk::{Context, Problem};

use crate::answer::{Answer, Trouble};
use crate::problem;

/// Until a problem that only a person can mend is looked at again.
const RECHECK_MS: u64 = 600_000;
/// min(2ⁿ s + jitter, 64 s), as Google asks for after 429 and 5xx.
const LONGEST_MS: u64 = 64_000;
/// A person is told of what is waited for so long: from the fourth failure on, or when the service asks for it.
const SAID_FROM_MS: u64 = 8_000;

/// Waits, the longer the more requests failed, and counts one more failure.
pub(crate) fn back_off(failures: &mut u32, trouble: &Trouble, context: &Context) -> Directive {
    *failures = failures.saturating_add(1);
    let milliseconds = plan_retry(*failures, LONGEST_MS, trouble.retry_after_ms, Chance::of(context));
    let problem = (milliseconds >= SAID_FROM_MS).then(|| problem::passing(trouble.headline, &trouble.why));
    Directive::Wait(Pause { milliseconds, problem })
}

/// What an answer leads to that brought nothing and did nothing: `what` was asked for.
pub(crate) fn unanswered(failures: &mut u32, answer: Answer, what: &str, context: &Context) -> Directive {
    match answer {
        Answer::Busy(trouble) | Answer::Doubtful(trouble) => back_off(failures, &trouble, context),
        Answer::Done(_) | Answer::TooLarge => {
            back_off(failures, &Trouble::google("Google's answer is too long"), context)
        }
        Answer::Barred(problem) => hold(problem),
        Answer::Refused(said) => hold(problem::refused(what, &said)),
        Answer::Missing => hold(problem::refused(what, "not found")),
    }
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

    fn pause(failures: &mut u32, retry_after_ms: Option<u64>, context: &Context) -> Pause {
        let trouble = Trouble { retry_after_ms, ..Trouble::silence("connection reset".into()) };
        match back_off(failures, &trouble, context) {
            Directive::Wait(pause) => pause,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn waits_double_up_to_64_seconds_and_are_said_from_the_fourth_on() {
        for (entropy, quarters) in [(0, 0), (0xff, 1)] {
            let context = Context { entropy: vec![entropy; 32], ..context() };
            let mut failures = 0;
            for (count, expected) in
                [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 64_000].into_iter().enumerate()
            {
                let pause = pause(&mut failures, None, &context);
                let most = expected + quarters * expected / 4;
                assert!((expected..=most).contains(&pause.milliseconds), "{pause:?}");
                assert_eq!(pause.problem.is_some(), count >= 3, "{count}");
            }
            assert_eq!(failures, 8);
        }
        let mut failures = u32::MAX;
        assert!(pause(&mut failures, None, &context()).milliseconds >= 64_000);
    }

    #[test]
    fn a_service_that_wishes_to_be_left_alone_for_longer_is_and_that_is_said() {
        let context = Context { entropy: vec![0; 32], ..context() };
        for (asked, waited, is_said) in [(0, 1_000, false), (5_000, 5_000, false), (300_000, 300_000, true)] {
            let pause = pause(&mut 0, Some(asked), &context);
            assert_eq!((pause.milliseconds, pause.problem.is_some()), (waited, is_said));
        }
    }

    #[test]
    fn what_is_said_does_not_contradict_itself() {
        let context = context();
        let said = |trouble: Trouble| {
            let Directive::Wait(pause) = back_off(&mut 9, &trouble, &context) else { panic!() };
            let problem = pause.problem.unwrap();
            format!("{}: {}", problem.headline, problem.advice)
        };
        assert_eq!(
            said(Trouble::silence("connection reset".into())),
            "no answer from Google: Connection reset. It is tried again by itself."
        );
        assert_eq!(
            said(Trouble::google("Google answered with status 503: The service is currently unavailable.")),
            "Google is not ready: Google answered with status 503: The service is currently unavailable. It is tried again by itself."
        );
    }
}
