//! Where to go on after a restart, and what a person's wish to sign in means.
//!
//! A request may have been under way when the device stopped, and the host may have stored its answer: what is in the slots
//! counts, not what the state expected.

use punchcard_sdk::auth_policy_0_2::Directive;
use punchcard_sdk::oauth::scope::missing_scopes;
use punchcard_sdk::oauth::token::Token;

use super::visit::VISIT_FOR;
use super::{ACCESS_TOKEN, BROUGHT, ID_TOKEN, REFRESH_TOKEN, Turn};
use crate::state::{Exchange, Pending, Phase};

impl Turn<'_> {
    /// The host has started, or this version of the plugin has taken over.
    pub(super) fn start(&mut self) -> Directive {
        let same_boot = self.state.boot == self.boot;
        self.boot.clone_into(&mut self.state.boot);
        self.succeed();
        if !same_boot {
            self.state.lease = None;
        }
        match self.state.phase.clone() {
            Phase::SignedOut => self.sign_out(false),
            Phase::Revoking(tries) => self.revoke(tries.saturating_add(1)),
            _ if self.is_another_account() => {
                self.warn("the server or the client has changed in the settings: a person has to sign in again");
                self.forget_sign_in();
                self.sign_in_anew()
            }
            Phase::Blocked(cause) if cause.needs_person() => self.block(cause),
            Phase::Exchanging(exchange) => self.resume_exchange(exchange, same_boot),
            // The page that it began on is gone with the host that showed it; what it brought is of no use without the
            // address that it came back to.
            Phase::AwaitingBrowser { ends_at_ms } if same_boot && self.now_ms < ends_at_ms => {
                self.forget(&BROUGHT);
                self.await_browser(ends_at_ms)
            }
            Phase::Authorized | Phase::Renewing if self.lacks_scopes() => {
                self.warn("the settings ask for more than was granted: a person has to sign in again");
                self.forget_sign_in();
                self.sign_in_anew()
            }
            Phase::Authorized if self.has_lease() => self.hold_lease(),
            _ => self.begin(),
        }
    }

    fn resume_exchange(&mut self, exchange: Exchange, same_boot: bool) -> Directive {
        let refresh = self.slot_version(REFRESH_TOKEN);
        if refresh.is_some() && refresh != self.state.kept {
            self.begin_grant();
            return self.renew();
        }
        // The exchange brought this token alone; what it said besides is lost.
        if self.slot_version(ACCESS_TOKEN).is_some() {
            return self.sign_in_granted(Token { lifetime: None, scopes: None });
        }
        let is_brought = BROUGHT.iter().all(|slot| self.slot_version(slot).is_some());
        if is_brought && same_boot { self.exchange(exchange) } else { self.begin() }
    }

    /// A person asked to sign in: a visit begins, or the one that has begun is good for longer.
    pub(super) fn sign_in(&mut self) -> Directive {
        match self.state.phase.clone() {
            Phase::AwaitingBrowser { .. } => self.await_browser(self.now_ms.saturating_add(VISIT_FOR)),
            Phase::Revoking(_) => self.go_on(),
            // The host lets no signal overtake an answer.
            _ if self.state.pending == Pending::Answer => self.go_on(),
            Phase::Exchanging(exchange) => self.exchange(exchange),
            _ => self.sign_in_anew(),
        }
    }

    /// Signs in, silently where a refresh token is left.
    pub(super) fn begin(&mut self) -> Directive {
        self.state.failures = 0;
        if self.can_renew() && !self.is_another_account() {
            self.state.identity = self.settings.identity();
            self.renew()
        } else {
            self.sign_in_anew()
        }
    }

    /// Begins a visit. The refresh token of before stays until the new sign-in has succeeded.
    pub(super) fn sign_in_anew(&mut self) -> Directive {
        if self.is_another_account() {
            self.forget_sign_in();
        }
        self.forget(&[ACCESS_TOKEN, ID_TOKEN]);
        self.forget(&BROUGHT);
        self.state.kept = self.slot_version(REFRESH_TOKEN);
        self.state.lease = None;
        self.state.doubts = 0;
        self.state.mendings = 0;
        self.succeed();
        self.state.identity = self.settings.identity();
        self.await_browser(self.now_ms.saturating_add(VISIT_FOR))
    }

    /// Drops everything that belongs to a sign-in.
    pub(super) fn forget_sign_in(&mut self) {
        self.forget(&[REFRESH_TOKEN, ACCESS_TOKEN, ID_TOKEN]);
        self.forget(&BROUGHT);
        self.state.grant = None;
        self.state.kept = None;
        self.state.lease = None;
        self.state.refused = 0;
        self.state.refused_version = None;
        self.state.doubts = 0;
        self.state.mendings = 0;
        self.succeed();
        self.state.identity.clear();
    }

    /// Tokens of one server or client must not be sent to another.
    fn is_another_account(&self) -> bool {
        !self.state.identity.is_empty() && self.state.identity != self.settings.identity()
    }

    fn lacks_scopes(&self) -> bool {
        let granted = self.state.grant.as_ref().map(|grant| &grant.scopes[..]);
        granted.is_some_and(|granted| !missing_scopes(&self.settings.required_scopes, granted).is_empty())
    }

    fn has_lease(&self) -> bool {
        self.state.lease.as_ref().is_some_and(|lease| {
            Some(lease.slot_version) == self.slot_version(ACCESS_TOKEN) && lease.seconds_left(self.now_ms).is_some()
        })
    }
}
