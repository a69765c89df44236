//! Service accounts: who signs in with a key of its own (RFC 7523, section 2.1), as Google answers it.
//!
//! An assertion is looked at in this order: its form, whose it is, the signature, whom it is for, its times, the scopes, and whom
//! it speaks for. The descriptions are Google's where they are known; what it says of an account that is disabled is not
//! confirmed.

use std::collections::BTreeSet;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hyper::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::token::Access;
use super::{Caller, Form, Oauth, OauthRefusal, random_text, render_json};
use crate::call::Answer;
use crate::clock::later;

/// The Cloud project of the service accounts.
const PROJECT: u64 = 123_456_789_012;
/// Seconds that an assertion lasts, at most.
const LONGEST_LIFE: i64 = 3_600;
/// Seconds by which a clock may differ.
const SKEW: i64 = 300;
/// The beginning of Google's scopes.
const SCOPES: &str = "https://www.googleapis.com/auth/";

/// A service account, as the console would list it.
pub(crate) struct ServiceAccount {
    pub(crate) email: String,
    /// Ids with public keys in PKCS#1.
    keys: Vec<(String, Vec<u8>)>,
    is_disabled: bool,
    /// For which scopes it may act for a person of the organisation.
    delegated: BTreeSet<String>,
}

/// What somebody does to a service account in the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountChange {
    /// It is let in no more.
    Disable,
    /// It is let in again.
    Enable,
    /// All of its keys.
    DeleteKeys,
    /// It may act for people with these scopes: domain-wide delegation.
    Delegate(Vec<String>),
}

/// The key could not be made.
#[derive(Debug, thiserror::Error)]
#[error("no key could be made for the service account")]
pub struct KeyError;

impl Oauth {
    /// Makes a key for a service account, which is new where there is none of this address. Returns the file that the console
    /// would download.
    pub(crate) fn make_key(&mut self, email: &str) -> Result<String, KeyError> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError)?;
        let id = Uuid::new_v4().simple().to_string();
        let public = pair.public_key().as_ref().to_vec();
        let private = pair.as_der().map_err(|_| KeyError)?;
        let file = json!({
            "type": "service_account",
            "project_id": "punchcard-demo",
            "private_key_id": id,
            "private_key": render_pem(private.as_ref()),
            "client_email": email,
            "client_id": "100000000000000000001",
            "token_uri": format!("{}/token", self.base_url),
            "universe_domain": "googleapis.com",
        });
        match self.service_accounts.iter_mut().find(|account| account.email == email) {
            Some(account) => account.keys.push((id, public)),
            None => self.service_accounts.push(ServiceAccount {
                email: email.to_owned(),
                keys: vec![(id, public)],
                is_disabled: false,
                delegated: BTreeSet::new(),
            }),
        }
        Ok(format!("{file:#}"))
    }

    /// Does what the console would. An account that there is none of stays none.
    pub(crate) fn change_account(&mut self, email: &str, change: &AccountChange) {
        let Some(account) = self.service_accounts.iter_mut().find(|account| account.email == email) else { return };
        match change {
            AccountChange::Disable => account.is_disabled = true,
            AccountChange::Enable => account.is_disabled = false,
            AccountChange::DeleteKeys => account.keys.clear(),
            AccountChange::Delegate(scopes) => account.delegated = scopes.iter().cloned().collect(),
        }
    }

    /// An access token of a service account, as if it had signed in.
    pub(crate) fn let_in(&mut self, email: &str, scopes: &[&str], now: Timestamp) -> String {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let caller = Caller { account: email.to_owned(), project: PROJECT, scopes, has_storage: false };
        self.issue_assertion_token(caller, now)
    }

    fn issue_assertion_token(&mut self, caller: Caller, now: Timestamp) -> String {
        let token = random_text("ya29.c.", 2);
        let expires_at = later(now, self.settings.access_tokens_live_for);
        self.access.insert(token.clone(), Access { caller, expires_at });
        token
    }

    pub(super) fn perform_assertion(&mut self, form: &Form, now: Timestamp) -> Result<Answer, OauthRefusal> {
        let caller = self.judge(form.need("assertion")?, now)?;
        let token = self.issue_assertion_token(caller, now);
        let expires_in = self.settings.access_tokens_live_for.as_secs();
        Ok(render_json(
            StatusCode::OK,
            &json!({ "access_token": token, "expires_in": expires_in, "token_type": "Bearer" }),
        ))
    }

    /// Who speaks by an assertion, and with which scopes.
    fn judge(&self, assertion: &str, now: Timestamp) -> Result<Caller, OauthRefusal> {
        let refused = |description: &str| OauthRefusal::invalid_grant(description);
        let malformed = || refused("Invalid JWT: Failed to parse the assertion.");
        let (signed, signature) = assertion.rsplit_once('.').ok_or_else(malformed)?;
        let (header, claims) = signed.split_once('.').ok_or_else(malformed)?;
        let [header, claims] = [header, claims].map(parse_part);
        let (header, claims) = header.zip(claims).ok_or_else(malformed)?;
        let issuer = claims["iss"].as_str().ok_or_else(malformed)?;
        let account = self
            .service_accounts
            .iter()
            .find(|account| account.email == issuer)
            .ok_or_else(|| refused("Invalid grant: account not found"))?;
        if account.is_disabled {
            return Err(refused("Invalid grant: account disabled"));
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed())?;
        let named = header["kid"].as_str();
        let mut keys = account.keys.iter().filter(|(id, _)| named.is_none_or(|named| named == id));
        let is_signed_by = |(_, key): &(String, Vec<u8>)| {
            UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key).verify(signed.as_bytes(), &signature).is_ok()
        };
        if header["alg"] != "RS256" || !keys.any(is_signed_by) {
            return Err(refused("Invalid JWT Signature."));
        }
        if claims["aud"] != format!("{}/token", self.base_url) {
            return Err(refused("Invalid JWT: Failed audience check."));
        }
        let is_timely = claims["iat"].as_i64().zip(claims["exp"].as_i64()).is_some_and(|(issued_at, expires_at)| {
            let now = now.as_second();
            issued_at <= now + SKEW && expires_at + SKEW > now && (0..=LONGEST_LIFE).contains(&(expires_at - issued_at))
        });
        if !is_timely {
            return Err(refused(
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and \
                 exp values in the JWT claim.",
            ));
        }
        let scopes: BTreeSet<String> =
            claims["scope"].as_str().unwrap_or_default().split(' ').map(str::to_owned).collect();
        if !scopes.iter().all(|scope| scope.len() > SCOPES.len() && scope.starts_with(SCOPES)) {
            let description = "Invalid OAuth scope or ID token audience provided.";
            return Err(OauthRefusal::new(StatusCode::BAD_REQUEST, "invalid_scope", description));
        }
        let Some(subject) = claims["sub"].as_str().filter(|subject| *subject != account.email) else {
            return Ok(Caller { account: account.email.clone(), project: PROJECT, scopes, has_storage: false });
        };
        if !subject.contains('@') {
            return Err(refused("Invalid email or User ID"));
        }
        if !scopes.is_subset(&account.delegated) {
            let description = "Client is unauthorized to retrieve access tokens using this method, or client not authorized \
                               for any of the scopes requested.";
            return Err(OauthRefusal::new(StatusCode::UNAUTHORIZED, "unauthorized_client", description));
        }
        Ok(Caller { account: subject.to_owned(), project: PROJECT, scopes, has_storage: true })
    }
}

fn parse_part(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// RFC 7468, section 10.
fn render_pem(der: &[u8]) -> String {
    let mut pem = "-----BEGIN PRIVATE KEY-----\n".to_owned();
    let text = STANDARD.encode(der);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem + "-----END PRIVATE KEY-----\n"
}
