//! Renewing the lease: RFC 6749 §6.
//!
//! The lease is renewed ahead of its end for as long as the device runs, so that no request ever waits for it: the
//! contract has no signal by which a request could ask for a lease that has lapsed. For Google that is one small request
//! in about 50 minutes, which also keeps the grant from dying of disuse (six months). A lease that lasts long, or for
//! which the server named no end, is renewed weekly. Only `invalid_grant` gives the grant up.

use punchcard_sdk::auth_policy::{Directive, Request};

use crate::answer::{Answer, Reason, Silence};
use crate::form::{REFRESH_TOKEN, plain, post_authenticated, secret};
use crate::metadata::Errand;
use crate::pace::{Chance, DAY, HOUR, SECOND};
use crate::problem::Cause;
use crate::settings::Endpoints;
use crate::state::Phase;
use crate::token::parse_token;
use crate::turn::Turn;

/// However short a lease is, renewals are at least this far apart, in milliseconds.
const GAP_MIN: u64 = 30 * SECOND;

/// An idle grant is renewed at least this often, in milliseconds.
const IDLE_MAX: u64 = 7 * DAY;

/// Google ends the grants of clients in Testing after seven days. Seconds since the sign-in at which a refusal is taken
/// for that.
const TESTING_ENDS: std::ops::RangeInclusive<i64> = 13 * 43_200..=16 * 43_200;

/// When to renew a lease of so many seconds, in milliseconds from its beginning: at 80 to 90 per cent of it, by chance, so
/// that a fleet that was switched on together does not renew together.
pub(crate) fn plan_renewal(lifetime: Option<u64>, chance: Chance) -> u64 {
    let lifetime = lifetime.map_or(IDLE_MAX, |seconds| seconds.saturating_mul(SECOND)).min(IDLE_MAX);
    (lifetime / 10 * 8 + chance.part_of(lifetime / 10)).max(GAP_MIN)
}

/// Whether a refusal so long after the sign-in means that the OAuth client is in Testing.
pub(crate) fn is_testing_end(signed_in_at: Option<i64>, now_s: i64) -> bool {
    signed_in_at.is_some_and(|at| TESTING_ENDS.contains(&now_s.saturating_sub(at)))
}

impl Turn<'_> {
    /// Asks for a new lease, or for a new sign-in where there is nothing to ask with.
    pub(crate) fn renew(&mut self) -> Directive {
        if self.slot_version(REFRESH_TOKEN).is_none() {
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
    pub(crate) fn renewal_answered(&mut self, answer: Answer, status: u16) -> Directive {
        if matches!(status, 404 | 410) {
            // The issuer may have moved its endpoints; a device that nobody visits has to find them again.
            self.state.discovered = None;
        }
        match answer {
            Answer::Members(members) => match parse_token(&members) {
                Ok(token) => self.take_lease(token),
                Err(cause) => self.block(cause),
            },
            Answer::Silence(silence) => self.retry(silence),
            Answer::Refusal(refusal) => match refusal.reason {
                Reason::InvalidGrant => self.grant_ended(),
                Reason::Busy(cause) => self.retry(Silence { cause, retry_after_ms: None }),
                Reason::SlowDown => self.retry(Silence { cause: Cause::RateLimited, retry_after_ms: None }),
                Reason::Stop(cause) => self.block(cause),
                Reason::Pending | Reason::ExpiredToken => self.block(Cause::OddAnswer("error".to_owned())),
            },
        }
    }

    /// The refresh token is worth nothing any more. Somebody has to sign in again, so the next code is shown at once;
    /// but where the client is in Testing, it would end the same way in a week, and a person has to read why first.
    fn grant_ended(&mut self) -> Directive {
        let signed_in_at = self.state.grant.as_ref().and_then(|grant| grant.signed_in_at);
        if self.settings.is_google() && is_testing_end(signed_in_at, self.now_s()) {
            return self.block(Cause::TestingEnded);
        }
        self.warn("the server ended the grant (invalid_grant); a person has to sign in again");
        self.sign_in_anew()
    }

    /// A server refused the lease: it is over, and one renewal follows.
    pub(crate) fn token_refused(&mut self) -> Directive {
        let refused = self.state.lease.take();
        if self.state.phase != Phase::Authorized {
            return self.go_on();
        }
        let earliest = refused.map_or(0, |lease| lease.granted_at_ms.saturating_add(GAP_MIN));
        if self.now_ms < earliest && self.slot_version(REFRESH_TOKEN).is_some() {
            // A server that refuses each new token is not to be fed with tokens.
            self.state.phase = Phase::Renewing;
            self.state.trouble = Some(Cause::TokenRefused);
            return self.wait_until(earliest);
        }
        self.renew()
    }

    /// A problem during a renewal may be mended elsewhere, at the server or in its console; then the device recovers by
    /// itself. Until then it asks hourly.
    pub(crate) fn wait_for_mending(&mut self) -> Directive {
        let wake_at = self.now_ms.saturating_add(HOUR + self.chance.part_of(HOUR / 10));
        self.wait_until(wake_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_renewed_at_80_to_90_per_cent_of_it() {
        let (least, most) = (Chance::from_entropy(&[]), Chance::from_entropy(&[3, 232]));
        for (lifetime, earliest, latest) in [
            (Some(3_600), 2_880, 3_240),
            (Some(100), 80, 90),
            (Some(40), 32, 36),
            (Some(10), 30, 30),
            (Some(1), 30, 30),
            (Some(30 * 86_400), 483_840, 544_320),
            (None, 483_840, 544_320),
            (Some(u64::MAX), 483_840, 544_320),
        ] {
            assert_eq!(plan_renewal(lifetime, least), earliest * SECOND, "{lifetime:?}");
            assert_eq!(plan_renewal(lifetime, most), latest * SECOND, "{lifetime:?}");
        }
    }

    #[test]
    fn a_refusal_about_seven_days_after_the_sign_in_means_testing() {
        let hour = 3_600;
        for (age, testing) in [
            (6 * 24 * hour, false),
            (6 * 24 * hour + 12 * hour - 1, false),
            (6 * 24 * hour + 12 * hour, true),
            (7 * 24 * hour, true),
            (8 * 24 * hour, true),
            (8 * 24 * hour + 1, false),
            (-7 * 24 * hour, false),
        ] {
            assert_eq!(is_testing_end(Some(1_000_000), 1_000_000 + age), testing, "{age}");
        }
        assert!(!is_testing_end(None, 7 * 24 * hour));
        assert!(!is_testing_end(Some(i64::MIN), i64::MAX));
    }
}
