//! The code flow for apps of a device: the page to which a browser is sent, and the code that becomes tokens (RFC 6749 §4.1,
//! RFC 7636, RFC 8252, RFC 9207).
//!
//! Strict where Google is lenient: without a challenge by S256 nobody is let in.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::StatusCode;
use jiff::Timestamp;
use maud::html;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use url::{Host, Url};

use super::consent::render_scopes;
use super::{ACCOUNT, Caller, ClientKind, Form, Oauth, OauthClient, OauthRefusal, random_text};
use crate::call::{Answer, Call};
use crate::clock::later;
use crate::page::render_page;

/// The page's path.
pub(super) const PATH: &str = "/o/oauth2/v2/auth";
/// RFC 6749 §4.1.2 recommends ten minutes at most.
const LIVES_FOR: Duration = Duration::from_secs(600);

/// A code that somebody was let in with.
pub(crate) struct Code {
    client_id: String,
    redirect_uri: String,
    challenge: String,
    scopes: BTreeSet<String>,
    account: String,
    wants_refresh: bool,
    pub(super) expires_at: Timestamp,
    /// What it brought, once it was used.
    brought: Option<Vec<String>>,
}

/// An authorization request that can be answered.
struct Asked {
    client_id: String,
    redirect_uri: Url,
    state: Option<String>,
    challenge: String,
    scopes: BTreeSet<String>,
    is_offline: bool,
    asks_again: bool,
}

/// Why a request is not answered.
enum Refused {
    /// The person sees it: nobody knows where the browser should go (RFC 6749 §4.1.2.1).
    OnPage(StatusCode, &'static str),
    /// The app hears it.
    ToApp(Box<(Url, Option<String>)>, &'static str),
}

impl Oauth {
    /// Shows the page, or takes a person's decision.
    pub(super) fn perform_authorization(&mut self, call: &Call, form: Option<&Form>, now: Timestamp) -> Answer {
        let asked = match self.parse_asked(call) {
            Ok(asked) => asked,
            Err(Refused::OnPage(status, error)) => {
                let title = format!("Error {}: {error}", status.as_u16());
                return Answer::html(
                    status,
                    render_page("Access blocked", &html! { h1 { "Access blocked" } p { (title) } }),
                );
            }
            Err(Refused::ToApp(back, error)) => {
                let (redirect_uri, state) = *back;
                return self.send_back(redirect_uri, state.as_deref(), &[("error", error)]);
            }
        };
        match form.and_then(|form| form.get("decision")) {
            Some("allow") => {
                let account = form.and_then(|form| form.get("account")).unwrap_or(ACCOUNT).to_owned();
                let has_token = self.has_refresh_token(&asked.client_id, &account);
                let code = random_text("4/0A", 2);
                let scope = asked.scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
                let kept = Code {
                    client_id: asked.client_id,
                    redirect_uri: asked.redirect_uri.to_string(),
                    challenge: asked.challenge,
                    scopes: asked.scopes,
                    account,
                    wants_refresh: asked.is_offline && (asked.asks_again || !has_token),
                    expires_at: later(now, LIVES_FOR),
                    brought: None,
                };
                self.codes.insert(code.clone(), kept);
                self.send_back(asked.redirect_uri, asked.state.as_deref(), &[("code", &code), ("scope", &scope)])
            }
            Some(_) => self.send_back(asked.redirect_uri, asked.state.as_deref(), &[("error", "access_denied")]),
            None => Answer::html(
                StatusCode::OK,
                render_page(
                    "Allow access?",
                    &html! {
                        h1 { (asked.client_id) " wants access to your account" }
                        (render_scopes(&asked.scopes))
                        form method="post" {
                            p { label { "Account " input name="account" value=(ACCOUNT) autocomplete="off"; } }
                            button name="decision" value="allow" { "Allow" }
                            " "
                            button name="decision" value="deny" { "Deny" }
                        }
                    },
                ),
            ),
        }
    }

    fn parse_asked(&self, call: &Call) -> Result<Asked, Refused> {
        let on_page = |error| Refused::OnPage(StatusCode::BAD_REQUEST, error);
        // RFC 6749 §3.1: none may be included more than once.
        let is_doubled = call
            .query
            .iter()
            .enumerate()
            .any(|(index, (name, _))| call.query.iter().take(index).any(|(other, _)| other == name));
        if is_doubled {
            return Err(on_page("invalid_request"));
        }
        let client = call.query("client_id").and_then(|id| self.client(id));
        let client = client.ok_or(Refused::OnPage(StatusCode::UNAUTHORIZED, "invalid_client"))?;
        let redirect_uri = call.query("redirect_uri").and_then(|uri| Url::parse(uri).ok());
        let redirect_uri =
            redirect_uri.filter(|uri| client.is_sent_back_to(uri)).ok_or(on_page("redirect_uri_mismatch"))?;
        let scopes: BTreeSet<String> = call
            .query("scope")
            .unwrap_or_default()
            .split(' ')
            .filter(|scope| !scope.is_empty())
            .map(str::to_owned)
            .collect();
        let is_known = |scope: &String| {
            matches!(scope.as_str(), "openid" | "email" | "profile")
                || scope.starts_with("https://www.googleapis.com/auth/")
        };
        if scopes.is_empty() || !scopes.iter().all(is_known) {
            return Err(on_page("invalid_scope"));
        }
        let state = call.query("state").map(str::to_owned);
        let to_app = |error| Refused::ToApp(Box::new((redirect_uri.clone(), state.clone())), error);
        if call.query("response_type") != Some("code") {
            return Err(to_app("unsupported_response_type"));
        }
        // RFC 7636 §4.2: 32 bytes in base64url. RFC 8252 §8.1: apps of a device must use it.
        let challenge = call.query("code_challenge").filter(|challenge| challenge.len() == 43);
        let by_s256 = call.query("code_challenge_method") == Some("S256");
        let challenge = challenge.filter(|_| by_s256).ok_or_else(|| to_app("invalid_request"))?;
        Ok(Asked {
            client_id: client.id.clone(),
            challenge: challenge.to_owned(),
            scopes,
            is_offline: call.query("access_type") == Some("offline"),
            asks_again: call.query("prompt").is_some_and(|prompt| prompt.split(' ').any(|word| word == "consent")),
            state,
            redirect_uri,
        })
    }

    /// Sends the browser back, and says who does (RFC 9207 §2).
    fn send_back(&self, mut redirect_uri: Url, state: Option<&str>, parameters: &[(&str, &str)]) -> Answer {
        let state = state.map(|state| ("state", state));
        redirect_uri.query_pairs_mut().extend_pairs(state).extend_pairs(parameters).append_pair("iss", &self.base_url);
        Answer::redirect(redirect_uri.as_str())
    }

    /// A code becomes tokens, once: a second use ends what the first one brought (RFC 6749 §4.1.2).
    pub(super) fn perform_code(
        &mut self,
        form: &Form,
        client: &OauthClient,
        now: Timestamp,
    ) -> Result<Value, OauthRefusal> {
        let name = form.need("code")?.to_owned();
        let (redirect_uri, verifier) = (form.need("redirect_uri")?, form.need("code_verifier")?);
        let code = self.codes.get_mut(&name).filter(|code| code.client_id == client.id);
        let code = code.ok_or_else(|| OauthRefusal::invalid_grant("Malformed auth code."))?;
        if let Some(brought) = code.brought.take() {
            code.brought = Some(Vec::new());
            self.refresh.retain(|token, _| !brought.contains(token));
            self.access.retain(|token, _| !brought.contains(token));
            return Err(OauthRefusal::invalid_grant("Bad Request"));
        }
        if now >= code.expires_at {
            return Err(OauthRefusal::invalid_grant("Bad Request"));
        }
        if redirect_uri != code.redirect_uri {
            return Err(OauthRefusal::new(StatusCode::BAD_REQUEST, "redirect_uri_mismatch", "Bad Request"));
        }
        // RFC 7636 §4.1 and §4.6.
        let is_proof = (43..=128).contains(&verifier.len())
            && URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())) == code.challenge;
        if !is_proof {
            return Err(OauthRefusal::invalid_grant("Invalid code verifier."));
        }
        code.brought = Some(Vec::new());
        let caller = Caller {
            account: code.account.clone(),
            project: client.project,
            scopes: code.scopes.clone(),
            has_storage: true,
        };
        let wants_refresh = code.wants_refresh;
        let body = self.issue(&caller, client, wants_refresh, now);
        let tokens = ["access_token", "refresh_token"].iter().filter_map(|member| body[member].as_str());
        let tokens = tokens.map(str::to_owned).collect();
        if let Some(code) = self.codes.get_mut(&name) {
            code.brought = Some(tokens);
        }
        Ok(body)
    }
}

impl OauthClient {
    /// Whether a browser may be sent back there: a desktop app's to loopback, at any port (RFC 8252 §7.3).
    fn is_sent_back_to(&self, uri: &Url) -> bool {
        let is_loopback = match uri.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        self.kind == ClientKind::Desktop
            && uri.scheme() == "http"
            && is_loopback
            && uri.fragment().is_none()
            && uri.username().is_empty()
    }
}
