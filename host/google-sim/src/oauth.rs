//! Google's authorization server: device flow, code flow, service accounts, tokens, revocation, and the page on which a person consents.
//!
//! It knows clients, accounts and scopes, and nothing of files. Tokens are opaque texts that appear in answers only:
//! nothing here logs or lists them.

mod client;
mod code;
mod consent;
mod device;
mod form;
mod metadata;
mod service_account;
mod token;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use hyper::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

pub use self::client::{ClientKind, OauthClient, Publishing};
use self::code::Code;
pub use self::consent::{Decision, UnknownCode};
use self::device::Device;
pub(crate) use self::form::Form;
use self::service_account::ServiceAccount;
pub use self::service_account::{AccountChange, KeyError};
use self::token::{Access, Refresh};
use crate::call::{Answer, Call};
use crate::switch::Switches;

/// The account that consents where the page is not told another.
pub const ACCOUNT: &str = "owner@example.com";

/// Everything the authorization server remembers.
pub(crate) struct Oauth {
    /// Without a slash at its end.
    base_url: String,
    settings: OauthSettings,
    clients: Vec<OauthClient>,
    service_accounts: Vec<ServiceAccount>,
    /// By device code.
    devices: HashMap<String, Device>,
    /// By code.
    codes: HashMap<String, Code>,
    /// By token.
    access: HashMap<String, Access>,
    /// By token.
    refresh: HashMap<String, Refresh>,
}

/// What the authorization server is set up with.
#[derive(Clone, Debug)]
pub(crate) struct OauthSettings {
    pub(crate) interval: Duration,
    pub(crate) codes_live_for: Duration,
    pub(crate) access_tokens_live_for: Duration,
    /// Dealt first, in this order, before random ones.
    pub(crate) user_codes: Vec<String>,
    /// Instead of `/device` here.
    pub(crate) verification_url: Option<String>,
}

/// Who makes an API call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) account: String,
    /// The Cloud project of the client: `drive.file` opens what any client of it created.
    pub(crate) project: u64,
    pub(crate) scopes: BTreeSet<String>,
    /// Whether its account can have files of its own, as a service account can't.
    pub(crate) has_storage: bool,
}

/// The scopes that let an app see files which it did not make.
const WHOLE: [&str; 2] = ["https://www.googleapis.com/auth/drive", "https://www.googleapis.com/auth/spreadsheets"];

impl Caller {
    /// Whether it sees every file of its account, and all that were shared with it.
    pub(crate) fn sees_all(&self) -> bool {
        WHOLE.iter().any(|scope| self.scopes.contains(*scope))
    }
}

/// What a fault makes the token endpoint do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forced {
    SlowDown,
    Deny,
    RotateRefreshToken,
    RateLimit,
}

impl Oauth {
    pub(crate) fn new(base_url: String, settings: OauthSettings, clients: Vec<OauthClient>) -> Self {
        Self {
            base_url,
            settings,
            clients,
            service_accounts: Vec::new(),
            devices: HashMap::new(),
            codes: HashMap::new(),
            access: HashMap::new(),
            refresh: HashMap::new(),
        }
    }

    /// Whether a path is this server's.
    pub(crate) fn operation(path: &str) -> Option<&'static str> {
        Some(match path {
            "/device/code" => "oauth.deviceCode",
            "/token" => "oauth.token",
            "/revoke" => "oauth.revoke",
            "/device" => "oauth.consent",
            code::PATH => "oauth.authorization",
            "/.well-known/openid-configuration" => "oauth.metadata",
            _ => return None,
        })
    }

    /// Answers a call to one of this server's paths.
    pub(crate) fn perform(
        &mut self,
        call: &Call,
        forced: Option<Forced>,
        switches: &Switches,
        now: Timestamp,
    ) -> Answer {
        self.forget_expired(now);
        let post = |perform: &mut dyn FnMut(&Form) -> Result<Answer, OauthRefusal>| match Form::parse(call) {
            Ok(form) => perform(&form).unwrap_or_else(|refusal| refusal.render()),
            Err(refusal) => refusal.render(),
        };
        match (call.path.as_str(), &call.method) {
            ("/device/code", &Method::POST) => post(&mut |form| self.perform_device_code(form, forced, now)),
            ("/token", &Method::POST) => post(&mut |form| self.perform_token(form, forced, switches, now)),
            ("/revoke", &Method::POST) => post(&mut |form| self.perform_revoke(form)),
            ("/device", &Method::GET) => self.render_code_entry(call, now),
            ("/device", &Method::POST) => match Form::parse(call) {
                Ok(form) => self.perform_consent(&form, now),
                Err(refusal) => refusal.render(),
            },
            (code::PATH, &Method::GET) => self.perform_authorization(call, None, now),
            (code::PATH, &Method::POST) => match Form::parse(call) {
                Ok(form) => self.perform_authorization(call, Some(&form), now),
                Err(refusal) => refusal.render(),
            },
            ("/.well-known/openid-configuration", &Method::GET) => self.render_metadata(),
            (path, method) => {
                let text = format!("{method} is not what {path} takes.");
                Answer::html(StatusCode::METHOD_NOT_ALLOWED, maud::html! { p { (text) } })
            }
        }
    }

    fn client(&self, id: &str) -> Option<&OauthClient> {
        self.clients.iter().find(|client| client.id == id)
    }
}

/// A refusal of one of the OAuth endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OauthRefusal {
    status: StatusCode,
    /// Google's key for one of its errors is `error_code`.
    key: &'static str,
    error: &'static str,
    description: Option<String>,
}

impl OauthRefusal {
    fn new(status: StatusCode, error: &'static str, description: impl Into<String>) -> Self {
        Self { status, key: "error", error, description: Some(description.into()) }
    }

    fn invalid_request(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    fn invalid_client(description: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", description)
    }

    fn invalid_grant(description: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_grant", description)
    }

    fn slow_down() -> Self {
        Self::new(StatusCode::FORBIDDEN, "slow_down", "Forbidden")
    }

    fn rate_limit() -> Self {
        Self { status: StatusCode::FORBIDDEN, key: "error_code", error: "rate_limit_exceeded", description: None }
    }

    fn render(&self) -> Answer {
        let mut body = json!({ self.key: self.error });
        if let Some(description) = &self.description {
            body["error_description"] = json!(description);
        }
        render_json(self.status, &body)
    }
}

fn render_json(status: StatusCode, body: &serde_json::Value) -> Answer {
    let mut answer = Answer::json(status, body);
    answer.content_type = "application/json; charset=utf-8".into();
    answer
}

/// A text that cannot be guessed, of `2 * parts` times 16 hexadecimal digits after `prefix`.
fn random_text(prefix: &str, parts: usize) -> String {
    (0..parts).fold(prefix.to_owned(), |text, _| text + &Uuid::new_v4().simple().to_string())
}
