//! Asking whether the person has agreed: RFC 8628 §3.4 and §3.5.
//!
//! Two promises hold here: no poll leaves earlier than the interval after the answer before it, and none leaves once
//! the code is spent, by success, by refusal or by its deadline.

use punchcard_sdk::auth_policy::Directive;
use punchcard_sdk::backoff::double;

use super::Turn;
use crate::answer::{Answer, Silence};
use crate::code::Code;
use crate::form::{plain, post_authenticated, secret};
use crate::metadata::Errand;
use crate::pace::{MINUTE, SECOND};
use crate::problem::Cause;
use crate::refusal::{Reason, is_restriction};
use crate::slot::DEVICE_CODE;
use crate::state::Phase;
use crate::token::{is_not_its_form, parse_token};

/// RFC 8628 §3.4.
const DEVICE_CODE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// RFC 8628 §3.5: `slow_down` means five seconds more, for this and all subsequent requests.
const SLOW_DOWN: u64 = 5;

/// Polls that fail wait no longer than this, unless the interval is longer. Milliseconds.
const FAILED_MAX: u64 = MINUTE;

/// The interval after `slow_down`, in seconds: the larger one if the answer carries its own.
pub(crate) fn slow_down(interval: u64, given: Option<u64>) -> u64 {
    interval.saturating_add(SLOW_DOWN).max(given.unwrap_or(0))
}

/// The wait before the next poll, in milliseconds: doubled for each failure in a row ("exponential backoff", RFC 8628
/// §3.5), and never below the interval.
pub(crate) fn plan_poll(interval: u64, failures: u32) -> u64 {
    let interval = interval.saturating_mul(SECOND);
    double(interval, failures, FAILED_MAX.max(interval))
}

impl Turn<'_> {
    /// Shows a code, and polls after a whole interval from now, or after the milliseconds that the server asked for.
    pub(super) fn show_code(&mut self, code: Code, retry_after_ms: u64) -> Directive {
        if self.now_ms >= code.expires_at_ms {
            return self.end_code();
        }
        let wait_for = plan_poll(code.interval, self.state.failures).max(retry_after_ms);
        let wake_at = self.now_ms.saturating_add(wait_for).min(code.expires_at_ms);
        self.state.phase = Phase::AwaitingPerson(code);
        self.wait_until(wake_at)
    }

    /// The time for a poll has come, or the code's deadline.
    pub(super) fn poll(&mut self, code: &Code) -> Directive {
        if self.now_ms >= code.expires_at_ms {
            return self.end_code();
        }
        let Some(endpoints) = self.endpoints() else { return self.discover(Errand::SignIn) };
        let mut fields = vec![secret("device_code", DEVICE_CODE), plain("grant_type", DEVICE_CODE_GRANT)];
        if let Some(resource) = &self.settings.resource {
            fields.push(plain("resource", resource));
        }
        let request = post_authenticated(self.settings, self.slots, &endpoints.token, fields);
        self.send(request)
    }

    /// The code ran out. That nobody entered it is only known where the server was there to say so.
    fn end_code(&mut self) -> Directive {
        let unheard = self.state.trouble.take().map(|cause| Cause::CodeUnheard(Box::new(cause)));
        self.block(unheard.unwrap_or(Cause::CodeExpired))
    }

    /// What the server answered to a poll.
    pub(super) fn poll_answered(&mut self, mut code: Code, answer: Answer) -> Directive {
        let refusal = match answer {
            Answer::Members(members) => {
                return match parse_token(&members) {
                    Ok(token) => self.sign_in_granted(token),
                    Err(cause) if is_not_its_form(&cause) => {
                        self.poll_again(code, Silence { cause, retry_after_ms: None })
                    }
                    Err(cause) => self.block(cause),
                };
            }
            Answer::Silence(silence) => return self.poll_again(code, silence),
            Answer::Refusal(refusal) => refusal,
        };
        let retry_after_ms = refusal.retry_after_ms;
        match refusal.reason {
            Reason::Pending => {
                self.succeed();
                self.show_code(code, retry_after_ms.unwrap_or(0))
            }
            Reason::SlowDown => {
                self.succeed();
                code.interval = slow_down(code.interval, refusal.interval);
                self.show_code(code, retry_after_ms.unwrap_or(0))
            }
            Reason::Busy(cause) | Reason::Unsaid(cause) => self.poll_again(code, Silence { cause, retry_after_ms }),
            Reason::ExpiredToken => self.block(Cause::CodeExpired),
            Reason::InvalidGrant => self.block(Cause::CodeRefused),
            Reason::Stop(Cause::Denied) if is_restriction(&refusal.description) => {
                self.block(Cause::Restricted { code: "access_denied".to_owned(), description: refusal.description })
            }
            Reason::Stop(cause) => self.block(cause),
        }
    }

    /// A poll told nothing. Why is kept, in case nothing else is heard before the code runs out.
    fn poll_again(&mut self, code: Code, silence: Silence) -> Directive {
        self.state.failures = self.state.failures.saturating_add(1);
        if self.state.failures == 1 {
            self.warn(&format!("a poll told nothing: {}", silence.cause.problem(&self.settings.subject()).advice));
        }
        self.state.trouble = Some(silence.cause);
        self.show_code(code, silence.retry_after_ms.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn point_10_slow_down_adds_five_seconds_or_takes_the_larger_interval() {
        for (interval, given, expected) in [
            (5, None, 10),
            (10, None, 15),
            (5, Some(7), 10),
            (5, Some(10), 10),
            (5, Some(30), 30),
            (u64::MAX, Some(1), u64::MAX),
        ] {
            assert_eq!(slow_down(interval, given), expected);
        }
    }

    #[test]
    fn point_14_failures_double_the_wait_up_to_a_cap_that_never_shortens_the_interval() {
        for (interval, failures, seconds) in [
            (5, 0, 5),
            (5, 1, 10),
            (5, 2, 20),
            (5, 3, 40),
            (5, 4, 60),
            (5, u32::MAX, 60),
            (59, 1, 60),
            (61, 1, 61),
            (300, 0, 300),
            (300, 9, 300),
        ] {
            assert_eq!(plan_poll(interval, failures), seconds * SECOND);
        }
        assert_eq!(plan_poll(u64::MAX, 3), u64::MAX);
    }
}
