//! Renewing the lease, ahead of its end for as long as the device runs: RFC 6749 §6. What an answer means is decided in
//! `punchcard_sdk::oauth::renewal`.

use punchcard_sdk::auth_policy_0_2::Directive;
use punchcard_sdk::backoff::plan_retry;
use punchcard_sdk::oauth::answer::{Answer, Refusal, Silence};
use punchcard_sdk::oauth::pace::HOUR;
use punchcard_sdk::oauth::problem::Cause;
use punchcard_sdk::oauth::renewal::{DOUBTS_MAX, Verdict, is_testing_end, judge_refusal};
use punchcard_sdk::oauth::token::{is_not_its_form, parse_token};

use super::{REFRESH_TOKEN, Turn, plain, secret};
use crate::state::Phase;

impl Turn<'_> {
    /// Whether there is something to renew with.
    pub(super) fn can_renew(&self) -> bool {
        self.slot_version(REFRESH_TOKEN).is_some()
    }

    /// Asks for a new lease, or for a person where there is nothing to ask with.
    pub(super) fn renew(&mut self) -> Directive {
        if !self.can_renew() {
            return self.sign_in_anew();
        }
        self.state.phase = Phase::Renewing;
        let endpoint = self.settings.endpoints.token.clone();
        // No scope is asked for: what was granted stays granted.
        let fields = vec![plain("grant_type", "refresh_token"), secret("refresh_token", REFRESH_TOKEN)];
        self.send_authenticated(&endpoint, fields)
    }

    /// What the server answered to a renewal.
    pub(super) fn renewal_answered(&mut self, answer: Answer) -> Directive {
        match answer {
            Answer::Members(members) => match parse_token(&members) {
                Ok(token) => self.take_lease(token),
                Err(cause) if is_not_its_form(&cause) => self.retry(Silence { cause, retry_after_ms: None }),
                Err(cause) => self.block(cause),
            },
            Answer::Silence(silence) => self.retry(silence),
            Answer::Refusal(refusal) => self.renewal_refused(refusal),
        }
    }

    fn renewal_refused(&mut self, refusal: Refusal) -> Directive {
        match judge_refusal(refusal) {
            Verdict::Again(silence) => self.retry(silence),
            Verdict::Blocked(cause) => self.block(cause),
            Verdict::Ended => {
                let signed_in_at = self.state.grant.as_ref().and_then(|grant| grant.signed_in_at);
                if self.settings.is_google && is_testing_end(signed_in_at, self.now_s()) {
                    return self.block(Cause::TestingEnded);
                }
                self.warn("the server ended the grant (invalid_grant); a person has to sign in again");
                self.give_up_token()
            }
            Verdict::Doubted(silence) => {
                self.state.doubts = self.state.doubts.saturating_add(1);
                if self.state.doubts < DOUBTS_MAX {
                    return self.retry(silence);
                }
                let advice = silence.cause.problem(&self.settings.subject()).advice;
                self.warn(&format!("{advice} It refused the renewal twice; a person has to sign in again."));
                self.give_up_token()
            }
        }
    }

    /// The refresh token is worth nothing any more.
    fn give_up_token(&mut self) -> Directive {
        self.forget_sign_in();
        self.sign_in_anew()
    }

    /// A problem may be mended elsewhere, at the server or in its console; then the device recovers by itself. Until then it
    /// asks after pauses that grow from a minute to an hour.
    pub(super) fn wait_for_mending(&mut self) -> Directive {
        self.state.mendings = self.state.mendings.saturating_add(1);
        let wait_for = plan_retry(self.state.mendings.saturating_add(6), HOUR, None, self.chance);
        self.wait_until(self.now_ms.saturating_add(wait_for))
    }
}
