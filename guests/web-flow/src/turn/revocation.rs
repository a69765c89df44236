//! Signing out: forgetting, and telling the server where that is wished (RFC 7009).
//!
//! The device forgets whatever the server answers. What could not be revoked is said until somebody signs in again.

use punchcard_sdk::answer::{Form, form, in_place_of};
use punchcard_sdk::auth_policy_0_2::{ClientAuthentication as Client, Directive};
use punchcard_sdk::http::Response;
use punchcard_sdk::oauth::answer::Answer;
use punchcard_sdk::oauth::problem::Cause;

use super::{ACCESS_TOKEN, REFRESH_TOKEN, Turn, plain, secret};
use crate::state::Phase;

/// A restart amid a revocation repeats it this often, then gives up.
const TRIES_MAX: u32 = 2;

impl Turn<'_> {
    /// A person signs out.
    pub(super) fn sign_out(&mut self, revoke: bool) -> Directive {
        if revoke { self.revoke(1) } else { self.forget_all() }
    }

    /// Tells the server, as try number `tries`; then forgets. The refresh token ends the whole grant (RFC 7009 §2.1).
    pub(super) fn revoke(&mut self, tries: u32) -> Directive {
        let filled = [REFRESH_TOKEN, ACCESS_TOKEN].into_iter().find(|slot| self.slot_version(slot).is_some());
        let Some(slot) = filled else { return self.forget_all() };
        let Some(endpoint) = self.settings.endpoints.revocation.clone() else {
            return self.revocation_failed("its revocation endpoint is not known");
        };
        if tries > TRIES_MAX {
            return self.revocation_failed("it was interrupted repeatedly");
        }
        self.state.lease = None;
        self.state.phase = Phase::Revoking(tries);
        let token = secret("token", slot);
        // Google's form holds nothing but the token.
        if self.settings.is_google {
            return self.send(&endpoint, Client::None, vec![token]);
        }
        let kind = if slot == REFRESH_TOKEN { "refresh_token" } else { "access_token" };
        self.send_authenticated(&endpoint, vec![token, plain("token_type_hint", kind)])
    }

    /// What was answered to a revocation.
    pub(super) fn revocation_answered(&mut self, response: &Response) -> Directive {
        if form(response) == Form::Html {
            return self.revocation_failed(&in_place_of("the sign-in server", response));
        }
        // RFC 7009 §2.2: 200, whatever the body; an error body counts before it.
        let is_error = matches!(Answer::read(response, self.now), Answer::Refusal(_));
        if response.status == 200 && !is_error {
            self.info("the grant was revoked");
            return self.forget_all();
        }
        self.revocation_failed(&format!("it answered with status {}", response.status))
    }

    /// The server could not be told.
    pub(super) fn revocation_failed(&mut self, reason: &str) -> Directive {
        self.block(Cause::NotRevoked(reason.to_owned()))
    }

    fn forget_all(&mut self) -> Directive {
        self.forget_sign_in();
        self.state.phase = Phase::SignedOut;
        self.rest()
    }
}
