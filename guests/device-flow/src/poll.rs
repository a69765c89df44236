//! Asking whether the person has agreed: RFC 8628 §3.4 and §3.5.
//!
//! Two promises hold here: no poll leaves earlier than the interval after the answer before it, and none leaves once the
//! code is spent, by success, by refusal or by its deadline.

use punchcard_sdk::auth_policy::Directive;

use crate::answer::{Answer, Reason};
use crate::code::Code;
use crate::form::{DEVICE_CODE, plain, post_authenticated, secret};
use crate::metadata::Errand;
use crate::pace::{MINUTE, SECOND};
use crate::problem::Cause;
use crate::state::Phase;
use crate::token::parse_token;
use crate::turn::Turn;

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
    let doubled = interval.saturating_mul(1 << failures.min(20));
    doubled.min(FAILED_MAX.max(interval))
}

impl Turn<'_> {
    /// Shows a code, and polls after a whole interval from now.
    pub(crate) fn show_code(&mut self, code: Code) -> Directive {
        if self.now_ms >= code.expires_at_ms {
            return self.block(Cause::CodeExpired);
        }
        let poll_at = self.now_ms.saturating_add(plan_poll(code.interval, self.state.failures));
        let wake_at = poll_at.min(code.expires_at_ms);
        self.state.phase = Phase::AwaitingPerson(code);
        self.wait_until(wake_at)
    }

    /// The time for a poll has come, or the code's deadline.
    pub(crate) fn poll(&mut self, code: &Code) -> Directive {
        if self.now_ms >= code.expires_at_ms {
            return self.block(Cause::CodeExpired);
        }
        let Some(endpoints) = self.endpoints() else { return self.discover(Errand::SignIn) };
        let mut fields = vec![secret("device_code", DEVICE_CODE), plain("grant_type", DEVICE_CODE_GRANT)];
        if let Some(resource) = &self.settings.resource {
            fields.push(plain("resource", resource));
        }
        let request = post_authenticated(self.settings, self.slots, &endpoints.token, fields);
        self.send(request)
    }

    /// What the server answered to a poll.
    pub(crate) fn poll_answered(&mut self, mut code: Code, answer: Answer) -> Directive {
        match answer {
            Answer::Members(members) => match parse_token(&members) {
                Ok(token) => self.sign_in_granted(token),
                Err(cause) => self.block(cause),
            },
            Answer::Silence(_) => {
                self.state.failures = self.state.failures.saturating_add(1);
                self.show_code(code)
            }
            Answer::Refusal(refusal) => match refusal.reason {
                Reason::Pending => {
                    self.state.failures = 0;
                    self.show_code(code)
                }
                Reason::SlowDown => {
                    self.state.failures = 0;
                    code.interval = slow_down(code.interval, refusal.interval);
                    self.show_code(code)
                }
                Reason::Busy(_) => {
                    self.state.failures = self.state.failures.saturating_add(1);
                    self.show_code(code)
                }
                Reason::ExpiredToken => self.block(Cause::CodeExpired),
                Reason::InvalidGrant => self.block(Cause::CodeRefused),
                Reason::Stop(cause) => self.block(cause),
            },
        }
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
