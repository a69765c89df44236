//! Where to go on after a restart, and what a person's wish to sign in means.
//!
//! A request may have been under way when the device stopped, and the host may have stored its answer: what is in the
//! slots counts, not what the state expected.

use punchcard_sdk::auth_policy::Directive;

use super::Turn;
use crate::scope::missing_scopes;
use crate::slot::{ACCESS_TOKEN, DEVICE_CODE, REFRESH_TOKEN, SIGN_IN_SLOTS};
use crate::state::{Pending, Phase, Refused};
use crate::token::Token;

impl Turn<'_> {
    /// The host has started, or this version of the plugin has taken over.
    pub(super) fn start(&mut self) -> Directive {
        let same_boot = self.state.boot == self.boot;
        self.boot.clone_into(&mut self.state.boot);
        self.state.failures = 0;
        self.state.trouble = None;
        if !same_boot {
            self.state.lease = None;
        }
        let phase = self.state.phase.clone();
        match phase {
            Phase::SignedOut => self.sign_out(false),
            Phase::Revoking(tries) => self.revoke(tries.saturating_add(1)),
            _ if self.is_another_account() => {
                self.warn("the server or the client has changed in the settings: a person has to sign in again");
                self.sign_in_anew()
            }
            Phase::Blocked(cause) if cause.needs_person() => self.block(cause),
            Phase::AwaitingPerson(_) if self.has_new_refresh_token() => {
                self.begin_grant();
                self.renew()
            }
            // The answer to the last poll brought this token alone; what it said besides is lost.
            Phase::AwaitingPerson(_) if self.slot_version(ACCESS_TOKEN).is_some() => {
                self.sign_in_granted(Token { lifetime: None, scopes: None })
            }
            Phase::AwaitingPerson(code) if same_boot && self.slot_version(DEVICE_CODE) == Some(code.slot_version) => {
                self.show_code(code, 0)
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

    /// A person asked to sign in: a new code, unless one is shown or on its way. Their time is not spent on trying the
    /// old sign-in once more.
    pub(super) fn sign_in(&mut self) -> Directive {
        match &self.state.phase {
            Phase::AwaitingPerson(_) | Phase::Revoking(_) => self.go_on(),
            // The host lets no signal overtake an answer.
            _ if self.state.pending == Pending::Answer => self.go_on(),
            Phase::Discovering(search) if !search.is_for_renewal() => self.try_at_once(),
            Phase::Comparing | Phase::RequestingCode => self.try_at_once(),
            _ => {
                self.state.never_renews = false;
                self.state.said_never_renews = false;
                self.state.mendings = 0;
                self.sign_in_anew()
            }
        }
    }

    fn try_at_once(&mut self) -> Directive {
        self.state.failures = 0;
        self.act()
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

    /// Drops everything that belongs to a sign-in, but for what was published about the server.
    pub(super) fn forget_sign_in(&mut self) {
        self.forget(&SIGN_IN_SLOTS);
        self.state.grant = None;
        self.state.kept = None;
        self.state.lease = None;
        self.state.refused = Refused::default();
        self.state.doubts = 0;
        self.state.mendings = 0;
        self.state.never_renews = false;
        self.state.said_never_renews = false;
        self.succeed();
        self.state.identity.clear();
    }

    /// Whether a sign-in has brought a refresh token, beside one that was kept.
    fn has_new_refresh_token(&self) -> bool {
        let kept = self.state.kept.as_ref().map(|kept| kept.slot_version);
        self.slot_version(REFRESH_TOKEN).is_some_and(|version| Some(version) != kept)
    }

    /// Tokens of one server or client must not be sent to another.
    pub(super) fn is_another_account(&self) -> bool {
        !self.state.identity.is_empty() && self.state.identity != self.settings.identity()
    }

    fn lacks_scopes(&self) -> bool {
        self.state
            .grant
            .as_ref()
            .is_some_and(|grant| !missing_scopes(&self.settings.required_scopes, &grant.scopes).is_empty())
    }

    fn has_lease(&self) -> bool {
        self.state.lease.as_ref().is_some_and(|lease| {
            Some(lease.slot_version) == self.slot_version(ACCESS_TOKEN) && lease.seconds_left(self.now_ms).is_some()
        })
    }
}
