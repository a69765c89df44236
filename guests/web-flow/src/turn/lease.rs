//! A lease that was given: held until it is renewed, ends, or is refused by a service.

use punchcard_sdk::auth_policy_0_2::Directive;
use punchcard_sdk::oauth::problem::Cause;
use punchcard_sdk::oauth::renewal::plan_replacement;
use punchcard_sdk::oauth::scope::missing_scopes;
use punchcard_sdk::oauth::token::{Grant, HeldLease, Token};

use super::{ACCESS_TOKEN, BROUGHT, ID_TOKEN, REFRESH_TOKEN, Turn};
use crate::state::Phase;

impl Turn<'_> {
    /// By the device's clock, in seconds since 1970.
    pub(super) fn now_s(&self) -> i64 {
        self.now.unix_micros / 1_000_000
    }

    /// The person has agreed, by all that is known; what exactly was granted comes with a lease.
    pub(super) fn begin_grant(&mut self) {
        self.state.grant = Some(Grant { scopes: self.settings.scopes.clone(), signed_in_at: Some(self.now_s()) });
        self.state.refused = 0;
        self.state.refused_version = None;
        // The server gave none in its place: the old one is of a sign-in that is over.
        if self.state.kept.take().is_some_and(|kept| self.slot_version(REFRESH_TOKEN) == Some(kept)) {
            self.forget(&[REFRESH_TOKEN]);
        }
    }

    /// The person has agreed, and here is the lease.
    pub(super) fn sign_in_granted(&mut self, token: Token) -> Directive {
        self.begin_grant();
        if self.slot_version(REFRESH_TOKEN).is_none() {
            self.warn(
                "the server gave no refresh token: a person must sign in each time that the lease ends; perhaps \
                 `offline_access` is missing in `scopes`",
            );
        }
        self.take_lease(token)
    }

    /// A new lease is there, by sign-in or renewal.
    pub(super) fn take_lease(&mut self, token: Token) -> Directive {
        let Some(slot_version) = self.slot_version(ACCESS_TOKEN) else {
            return self.block(Cause::OddAnswer("access_token".to_owned()));
        };
        let before = self.state.grant.take();
        let mut grant = before.unwrap_or_else(|| Grant { scopes: self.settings.scopes.clone(), signed_in_at: None });
        if let Some(scopes) = token.scopes {
            grant.scopes = scopes;
        }
        let missing = missing_scopes(&self.settings.required_scopes, &grant.scopes);
        if !missing.is_empty() {
            return self.block(Cause::ScopesMissing(missing));
        }
        self.state.grant = Some(grant);
        self.state.kept = None;
        self.state.mendings = 0;
        self.state.doubts = 0;
        self.succeed();
        // The code is spent, and nobody reads the statement about the person.
        self.forget(&BROUGHT);
        self.forget(&[ID_TOKEN]);
        if self.state.refused_version == Some(slot_version) {
            // The server has given the very token that was refused.
            return self.replace_lease(self.now_ms);
        }
        self.state.lease = Some(HeldLease::new(token.lifetime, slot_version, self.now_ms, self.chance));
        self.hold_lease()
    }

    /// Leaves the lease alone until it is to be renewed, or ends.
    pub(super) fn hold_lease(&mut self) -> Directive {
        self.state.phase = Phase::Authorized;
        let can_renew = self.can_renew();
        let wake_at = self
            .state
            .lease
            .as_ref()
            .and_then(|lease| if can_renew { Some(lease.renew_at_ms) } else { lease.ends_at_ms });
        match wake_at {
            Some(at) => self.wait_until(at),
            None => self.rest(),
        }
    }

    /// The lease lasted until its renewal was due: what was refused before was an exception.
    pub(super) fn renew_due_lease(&mut self) -> Directive {
        self.state.refused = 0;
        self.renew()
    }

    /// A service refused the lease: it is over for good. The first of them is replaced at once; where each new one is
    /// refused too, after pauses that grow: a service that refuses every token is not to be fed with tokens.
    pub(super) fn token_refused(&mut self) -> Directive {
        let Some(lease) = self.state.lease.take() else { return self.go_on() };
        self.state.refused_version = Some(lease.slot_version);
        if self.state.phase == Phase::Authorized { self.replace_lease(lease.granted_at_ms) } else { self.go_on() }
    }

    /// Asks for another lease in place of one that was refused.
    fn replace_lease(&mut self, granted_at_ms: u64) -> Directive {
        self.state.refused = self.state.refused.saturating_add(1);
        let earliest = granted_at_ms.saturating_add(plan_replacement(self.state.refused));
        if self.now_ms < earliest && self.can_renew() {
            self.state.phase = Phase::Renewing;
            self.state.trouble = Some(Cause::TokenRefused);
            return self.wait_until(earliest);
        }
        self.renew()
    }
}
