//! Asking for a code: RFC 8628 §3.1.

use punchcard_sdk::auth_policy::{Directive, Request};

use super::Turn;
use crate::answer::{Answer, Silence};
use crate::code::parse_code;
use crate::form::{plain, post_authenticated, post_named};
use crate::metadata::Errand;
use crate::pace::MINUTE;
use crate::problem::Cause;
use crate::refusal::Reason;
use crate::settings::Endpoints;
use crate::slot::{ACCESS_TOKEN, DEVICE_CODE, ID_TOKEN, REFRESH_TOKEN};
use crate::state::{Kept, Phase};

impl Turn<'_> {
    /// Begins a sign-in. What an earlier one left is forgotten, so that no answer can be mistaken for it; but for the
    /// refresh token of this server and client, which stays until this sign-in has succeeded: nobody may come to enter
    /// the code.
    pub(super) fn sign_in_anew(&mut self) -> Directive {
        if self.is_another_account() {
            self.forget_sign_in();
        } else {
            self.forget(&[ACCESS_TOKEN, ID_TOKEN, DEVICE_CODE]);
            self.state.kept = self.slot_version(REFRESH_TOKEN).map(|slot_version| Kept { slot_version, blocked: None });
            self.state.lease = None;
            self.state.doubts = 0;
            self.succeed();
        }
        self.state.identity = self.settings.identity();
        self.discover(Errand::SignIn)
    }

    /// Asks for a code.
    pub(super) fn request_code(&mut self) -> Directive {
        let Some(endpoints) = self.endpoints() else { return self.discover(Errand::SignIn) };
        self.state.phase = Phase::RequestingCode;
        let request = self.code_request(&endpoints);
        self.send(request)
    }

    /// RFC 8628 §3.1. Google's form holds no secret; elsewhere the client authenticates as for tokens.
    fn code_request(&self, endpoints: &Endpoints) -> Request {
        let settings = self.settings;
        let mut fields = Vec::new();
        if !settings.scopes.is_empty() {
            fields.push(plain("scope", &settings.scopes.join(" ")));
        }
        for (name, value) in [("audience", &settings.audience), ("resource", &settings.resource)] {
            if let Some(value) = value {
                fields.push(plain(name, value));
            }
        }
        if settings.is_google() {
            post_named(settings, &endpoints.device_authorization, fields)
        } else {
            post_authenticated(settings, self.slots, &endpoints.device_authorization, fields)
        }
    }

    /// What the server answered to a request for a code.
    pub(super) fn code_answered(&mut self, answer: Answer) -> Directive {
        let refusal = match answer {
            Answer::Members(members) => {
                return match parse_code(&members, self.slot_version(DEVICE_CODE), self.now_ms) {
                    Ok(code) => {
                        self.succeed();
                        self.show_code(code, 0)
                    }
                    Err(member) => {
                        let cause = Cause::OddAnswer(member.to_owned());
                        // Without either it is perhaps not the server's.
                        let is_its_form = members.contains_key("device_code") || members.contains_key("user_code");
                        let silence = |cause| Silence { cause, retry_after_ms: Some(MINUTE) };
                        if is_its_form { self.block(cause) } else { self.retry(silence(cause)) }
                    }
                };
            }
            Answer::Silence(silence) => return self.retry(silence),
            Answer::Refusal(refusal) => refusal,
        };
        // Where the server does not say how long: its quotas on codes are for minutes.
        let retry_after_ms = Some(refusal.retry_after_ms.unwrap_or(MINUTE));
        match refusal.reason {
            Reason::Stop(cause) => self.block(cause),
            Reason::Busy(cause) | Reason::Unsaid(cause) => self.retry(Silence { cause, retry_after_ms }),
            Reason::SlowDown => self.retry(Silence { cause: Cause::RateLimited, retry_after_ms }),
            Reason::Pending | Reason::ExpiredToken | Reason::InvalidGrant => {
                self.block(Cause::OddAnswer("error".to_owned()))
            }
        }
    }
}
