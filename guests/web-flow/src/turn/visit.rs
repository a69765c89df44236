//! A person's visit to the server with a browser, and the exchange of the code that it brings: RFC 6749 §4.1.

use punchcard_sdk::auth_policy_0_2::{Directive, Parameter, Refusal, Visit};
use punchcard_sdk::oauth::answer::{Answer, Silence};
use punchcard_sdk::oauth::pace::{MINUTE, SECOND};
use punchcard_sdk::oauth::problem::Cause;
use punchcard_sdk::oauth::refusal::{Reason, fragment, is_restriction, known_error};
use punchcard_sdk::oauth::token::{is_not_its_form, parse_token};
use punchcard_sdk::quote::quote;
use serde_json::{Map, Value};

use super::{BROUGHT, Turn, plain, secret};
use crate::state::{Exchange, Phase};

/// How long a person has, in milliseconds: as long as Google's codes for devices are good.
pub(super) const VISIT_FOR: u64 = 30 * MINUTE;
/// How long it is tried to exchange a code. RFC 6749 §4.1.2 recommends that codes live for ten minutes at most.
const EXCHANGE_FOR: u64 = 10 * MINUTE;
/// The scope with which OpenID Connect asks for a refresh token.
const OFFLINE_ACCESS: &str = "offline_access";

impl Turn<'_> {
    /// Waits for a person with a browser.
    pub(super) fn await_browser(&mut self, ends_at_ms: u64) -> Directive {
        self.state.phase = Phase::AwaitingBrowser { ends_at_ms };
        self.wait_until(ends_at_ms)
    }

    /// Where the browser goes. It stays the same visit for as long as the settings stay the same.
    pub(super) fn visit(&self, ends_at_ms: u64) -> Visit {
        let settings = self.settings;
        let parameter = |name: &str, value: &str| Parameter { name: name.to_owned(), value: value.to_owned() };
        let mut parameters = vec![parameter("client_id", &settings.client_id)];
        if !settings.scopes.is_empty() {
            parameters.push(parameter("scope", &settings.scopes.join(" ")));
        }
        if settings.is_google {
            // Google gives a refresh token for these alone, and to whom had one before only where it asks again.
            parameters.extend([parameter("access_type", "offline"), parameter("prompt", "consent")]);
        } else if settings.scopes.iter().any(|scope| scope == OFFLINE_ACCESS) {
            // OpenID Connect Core 1.0 §11: without it a server ignores the scope, and gives no refresh token.
            parameters.push(parameter("prompt", "consent"));
        }
        let seconds = ends_at_ms.saturating_sub(self.now_ms) / SECOND;
        Visit {
            url: settings.endpoints.authorization.as_str().to_owned(),
            parameters,
            issuer: settings.issuer.clone(),
            purpose: settings.purpose.clone(),
            expires_in_seconds: u32::try_from(seconds).unwrap_or(u32::MAX),
        }
    }

    /// A person was let in.
    pub(super) fn returned(&mut self, redirect_uri: String) -> Directive {
        if !matches!(self.state.phase, Phase::AwaitingBrowser { .. }) {
            return self.go_on();
        }
        self.succeed();
        self.exchange(Exchange { redirect_uri, ends_at_ms: self.now_ms.saturating_add(EXCHANGE_FOR) })
    }

    /// The server sent the person back without a code: RFC 6749 §4.1.2.1.
    pub(super) fn turned_away(&mut self, refusal: &Refusal) -> Directive {
        if !matches!(self.state.phase, Phase::AwaitingBrowser { .. }) {
            return self.go_on();
        }
        let description = refusal.description.as_deref().map(fragment).unwrap_or_default();
        let members = Map::from_iter([("error".to_owned(), Value::from(refusal.error.as_str()))]);
        let cause = match known_error(&members) {
            Some(Reason::Stop(Cause::Denied)) if is_restriction(&description) => {
                Cause::Restricted { code: "access_denied".to_owned(), description }
            }
            Some(Reason::Stop(cause)) => cause,
            _ => Cause::Refused { code: quote(&refusal.error, 60), description },
        };
        self.block(cause)
    }

    /// Exchanges the code: RFC 6749 §4.1.3, with the verifier of RFC 7636 §4.5.
    pub(super) fn exchange(&mut self, exchange: Exchange) -> Directive {
        let [code, verifier] = BROUGHT;
        let fields = vec![
            plain("grant_type", "authorization_code"),
            secret("code", code),
            secret("code_verifier", verifier),
            plain("redirect_uri", &exchange.redirect_uri),
        ];
        self.state.phase = Phase::Exchanging(exchange);
        let endpoint = self.settings.endpoints.token.clone();
        self.send_authenticated(&endpoint, fields)
    }

    /// What the server answered to a code.
    pub(super) fn exchange_answered(&mut self, exchange: &Exchange, answer: Answer) -> Directive {
        let refusal = match answer {
            Answer::Members(members) => {
                return match parse_token(&members) {
                    Ok(token) => self.sign_in_granted(token),
                    Err(cause) if is_not_its_form(&cause) => {
                        self.exchange_again(exchange, Silence { cause, retry_after_ms: None })
                    }
                    Err(cause) => self.block(cause),
                };
            }
            Answer::Silence(silence) => return self.exchange_again(exchange, silence),
            Answer::Refusal(refusal) => refusal,
        };
        let retry_after_ms = refusal.retry_after_ms;
        match refusal.reason {
            Reason::Busy(cause) | Reason::Unsaid(cause) => {
                self.exchange_again(exchange, Silence { cause, retry_after_ms })
            }
            Reason::SlowDown => self.exchange_again(exchange, Silence { cause: Cause::RateLimited, retry_after_ms }),
            Reason::InvalidGrant if is_restriction(&refusal.description) => {
                self.block(Cause::Restricted { code: "invalid_grant".to_owned(), description: refusal.description })
            }
            Reason::InvalidGrant | Reason::ExpiredToken | Reason::Pending => self.block(Cause::CodeRefused),
            Reason::Stop(cause) => self.block(cause),
        }
    }

    /// Nothing was learnt. The same code is sent again: where the server took it up already, it says so, and somebody has to
    /// sign in once more.
    fn exchange_again(&mut self, exchange: &Exchange, silence: Silence) -> Directive {
        if self.now_ms >= exchange.ends_at_ms {
            return self.block(Cause::CodeUnheard(Box::new(silence.cause)));
        }
        self.retry(silence)
    }
}
