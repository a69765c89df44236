//! Renewing the lease: RFC 6749 §6.
//!
//! The lease is renewed ahead of its end for as long as the device runs, so that no request ever waits for it: the
//! contract has no signal by which a request could ask for a lease that has lapsed. For Google that is one small
//! request in about 50 minutes, which also keeps the grant from dying of disuse (six months). A lease that lasts long,
//! or for which the server named no end, is renewed weekly.

use punchcard_sdk::auth_policy::{Directive, Request};
use punchcard_sdk::backoff::plan_retry;
use punchcard_sdk::oauth::renewal::{DOUBTS_MAX, Verdict, is_testing_end, judge_refusal};

use super::Turn;
use crate::answer::{Answer, Refusal, Silence};
use crate::form::{plain, post_authenticated, secret};
use crate::metadata::Errand;
use crate::pace::HOUR;
use crate::problem::Cause;
use crate::settings::Endpoints;
use crate::slot::REFRESH_TOKEN;
use crate::state::Phase;
use crate::token::{is_not_its_form, parse_token};

impl Turn<'_> {
    /// Whether there is something to renew with, as far as it is known.
    pub(super) fn can_renew(&self) -> bool {
        self.slot_version(REFRESH_TOKEN).is_some() && !self.state.never_renews
    }

    /// Asks for a new lease, or for a new sign-in where there is nothing to ask with.
    pub(super) fn renew(&mut self) -> Directive {
        if !self.can_renew() {
            return self.sign_in_anew();
        }
        let Some(endpoints) = self.endpoints() else { return self.discover(Errand::Renewal) };
        self.state.phase = Phase::Renewing;
        let request = self.renewal_request(&endpoints);
        self.send(request)
    }

    /// No scope is asked for: what was granted stays granted (point 24).
    fn renewal_request(&self, endpoints: &Endpoints) -> Request {
        let mut fields = vec![plain("grant_type", "refresh_token"), secret("refresh_token", REFRESH_TOKEN)];
        if let Some(resource) = &self.settings.resource {
            fields.push(plain("resource", resource));
        }
        post_authenticated(self.settings, self.slots, &endpoints.token, fields)
    }

    /// What the server answered to a renewal, with its HTTP status.
    pub(super) fn renewal_answered(&mut self, answer: Answer, status: u16) -> Directive {
        if matches!(status, 404 | 410) {
            // The issuer may have moved its endpoints; a device that nobody visits has to find them again.
            self.state.discovered = None;
        }
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
            Verdict::Ended => self.grant_ended(),
            Verdict::Doubted(silence) => self.doubt(silence),
        }
    }

    /// A refusal that does not say for certain that the refresh token is of no use, unless it comes twice.
    fn doubt(&mut self, silence: Silence) -> Directive {
        self.state.doubts = self.state.doubts.saturating_add(1);
        if self.state.doubts < DOUBTS_MAX {
            return self.retry(silence);
        }
        let cause = silence.cause;
        self.succeed();
        if cause == Cause::FlowRefused {
            return self.never_renew();
        }
        self.warn(&format!(
            "{} It refused the renewal twice; a person has to sign in again.",
            cause.problem(&self.settings.subject()).advice
        ));
        self.give_up_token()
    }

    /// The refresh token is worth nothing any more. Somebody has to sign in again, so the next code is shown at once;
    /// but where the client is in Testing, it would end the same way in a week, and a person has to read why first.
    fn grant_ended(&mut self) -> Directive {
        let signed_in_at = self.state.grant.as_ref().and_then(|grant| grant.signed_in_at);
        if self.settings.is_google() && is_testing_end(signed_in_at, self.now_s()) {
            return self.block(Cause::TestingEnded);
        }
        self.warn("the server ended the grant (invalid_grant); a person has to sign in again");
        self.give_up_token()
    }

    /// Shows the next code; but where one was shown and came to nothing, its problem, until a person asks (RFC 8628
    /// §3.5).
    fn give_up_token(&mut self) -> Directive {
        match self.state.kept.as_ref().and_then(|kept| kept.blocked.clone()) {
            Some(cause) => self.block(cause),
            None => self.sign_in_anew(),
        }
    }

    /// The server lets this client sign in and not renew: it signs in anew each time that the lease ends.
    fn never_renew(&mut self) -> Directive {
        self.state.never_renews = true;
        if !self.state.said_never_renews {
            self.state.said_never_renews = true;
            self.warn(
                "the server does not let this client renew: a person must sign in each time that the lease ends; \
                 enable refresh tokens for the client at the server, and then `punchcard sign-in`",
            );
        }
        let lasts = self.state.lease.as_ref().is_some_and(|lease| lease.seconds_left(self.now_ms).is_some());
        if lasts { self.hold_lease() } else { self.sign_in_anew() }
    }

    /// A problem during a renewal may be mended elsewhere, at the server or in its console; then the device recovers by
    /// itself. Until then it asks after pauses that grow from a minute to an hour.
    pub(super) fn wait_for_mending(&mut self) -> Directive {
        self.state.mendings = self.state.mendings.saturating_add(1);
        let wait_for = plan_retry(self.state.mendings.saturating_add(6), HOUR, None, self.chance);
        self.wait_until(self.now_ms.saturating_add(wait_for))
    }
}
