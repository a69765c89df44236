//! Signing out: forgetting, and telling the server where that is wished (RFC 7009).
//!
//! The device forgets whatever the server answers. What could not be revoked is said until somebody signs in again: the
//! grant then ends when a person removes it from the account, or of disuse.

use punchcard_sdk::answer::{Form, form, in_place_of};
use punchcard_sdk::auth_policy::{Directive, Request};
use punchcard_sdk::http::Response;

use super::Turn;
use crate::answer::Answer;
use crate::form::{plain, post_authenticated, secret};
use crate::problem::Cause;
use crate::slot::{ACCESS_TOKEN, REFRESH_TOKEN};
use crate::state::Phase;

/// A restart amid a revocation repeats it this often, then gives up.
const TRIES_MAX: u32 = 2;

/// Why there is no request to revoke with.
enum NoRevocation {
    NoToken,
    NoEndpoint,
}

impl Turn<'_> {
    /// A person signs out.
    pub(super) fn sign_out(&mut self, revoke: bool) -> Directive {
        if revoke { self.revoke(1) } else { self.forget_all() }
    }

    /// Tells the server, as try number `tries`; then forgets.
    pub(super) fn revoke(&mut self, tries: u32) -> Directive {
        match self.revocation_request() {
            Ok(request) if tries <= TRIES_MAX => {
                self.state.lease = None;
                self.state.phase = Phase::Revoking(tries);
                self.send(request)
            }
            Ok(_) => self.revocation_failed("it was interrupted repeatedly"),
            Err(NoRevocation::NoToken) => self.forget_all(),
            Err(NoRevocation::NoEndpoint) => self.revocation_failed("its revocation endpoint is not known"),
        }
    }

    /// RFC 7009 §2.1; the refresh token ends the whole grant. Google's form holds nothing but the token.
    fn revocation_request(&self) -> Result<Request, NoRevocation> {
        let slot = [REFRESH_TOKEN, ACCESS_TOKEN]
            .into_iter()
            .find(|slot| self.slot_version(slot).is_some())
            .ok_or(NoRevocation::NoToken)?;
        let endpoint = self.endpoints().and_then(|endpoints| endpoints.revocation).ok_or(NoRevocation::NoEndpoint)?;
        let token = secret("token", slot);
        Ok(if self.settings.is_google() {
            let form = punchcard_sdk::auth_policy::Form {
                url: endpoint.as_str().to_owned(),
                client: punchcard_sdk::auth_policy::ClientAuthentication::None,
                fields: vec![token],
            };
            Request::Post(form)
        } else {
            let kind = if slot == REFRESH_TOKEN { "refresh_token" } else { "access_token" };
            post_authenticated(self.settings, self.slots, &endpoint, vec![token, plain("token_type_hint", kind)])
        })
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
