//! The token endpoint: device codes and refresh tokens become access tokens; and revocation.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::device::DeviceState;
use super::{Caller, Forced, Form, Oauth, OauthClient, OauthRefusal, Publishing, random_text, render_json};
use crate::call::Answer;
use crate::clock::{later, since};
use crate::switch::{ExpiredCode, RefreshTokens, Switches};

/// Refresh tokens of one account for one client; the oldest goes when there are more.
const MOST_REFRESH_TOKENS: usize = 100;
/// A refresh token that is not used for so long dies: six months.
const UNUSED_LIVE_FOR: Duration = Duration::from_secs(182 * 86_400);
/// While the consent screen is in testing.
const TESTING_LIVE_FOR: Duration = Duration::from_secs(7 * 86_400);
/// Scopes that the seven days of testing do not concern.
const IDENTITY_SCOPES: &[&str] = &["email", "openid", "profile"];

const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const ASSERTION_GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// An access token's rights.
pub(crate) struct Access {
    pub(crate) caller: Caller,
    pub(crate) expires_at: Timestamp,
}

/// A refresh token's rights.
#[derive(Clone)]
pub(crate) struct Refresh {
    pub(crate) client_id: String,
    pub(crate) caller: Caller,
    pub(crate) issued_at: Timestamp,
    pub(crate) used_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
}

impl Refresh {
    fn is_alive(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|expires_at| now < expires_at) && since(self.used_at, now) < UNUSED_LIVE_FOR
    }
}

/// Google's own number for an account: 21 digits.
fn subject(account: &str) -> String {
    let number = account.bytes().fold(0_u64, |number, byte| number.wrapping_mul(31).wrapping_add(byte.into()));
    format!("1{number:020}")
}

impl Oauth {
    /// Who a token speaks for; `None` for one that is unknown, revoked or expired.
    pub(crate) fn caller(&self, token: &str, now: Timestamp) -> Option<&Caller> {
        self.access.get(token).filter(|access| now < access.expires_at).map(|access| &access.caller)
    }

    /// An access token with these scopes, without a refresh token.
    pub(crate) fn issue_token(&mut self, scopes: &[&str], now: Timestamp) -> String {
        let project = self.clients.first().map_or(0, |client| client.project);
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let caller = Caller { account: super::ACCOUNT.to_owned(), project, scopes, has_storage: true };
        let token = random_text("ya29.sim-", 4);
        let expires_at = later(now, self.settings.access_tokens_live_for);
        self.access.insert(token.clone(), Access { caller, expires_at });
        token
    }

    /// From now on no access token is valid.
    pub(crate) fn expire_access_tokens(&mut self) {
        self.access.clear();
    }

    /// From now on no refresh token is valid; access tokens live on until they expire.
    pub(crate) fn revoke_refresh_tokens(&mut self) {
        self.refresh.clear();
    }

    /// From now on no token allows more than to know who somebody is.
    pub(crate) fn narrow_tokens(&mut self) {
        let callers = self.access.values_mut().map(|access| &mut access.caller);
        for caller in callers.chain(self.refresh.values_mut().map(|refresh| &mut refresh.caller)) {
            caller.scopes = BTreeSet::from(["openid".to_owned()]);
        }
    }

    /// How many refresh tokens are alive.
    pub(crate) fn count_refresh_tokens(&self, now: Timestamp) -> usize {
        self.refresh.values().filter(|refresh| refresh.is_alive(now)).count()
    }

    pub(super) fn perform_token(
        &mut self,
        form: &Form,
        forced: Option<Forced>,
        switches: &Switches,
        now: Timestamp,
    ) -> Result<Answer, OauthRefusal> {
        let grant_type = form.need("grant_type")?;
        if grant_type == ASSERTION_GRANT {
            return match forced {
                Some(Forced::RateLimit) => Err(OauthRefusal::rate_limit()),
                _ => self.perform_assertion(form, now),
            };
        }
        if ![DEVICE_GRANT, "refresh_token", "authorization_code"].contains(&grant_type) {
            let description = format!("Invalid grant_type: {grant_type}");
            return Err(OauthRefusal::new(StatusCode::BAD_REQUEST, "unsupported_grant_type", description));
        }
        let client_id = form.need("client_id")?;
        let client = self
            .client(client_id)
            .ok_or_else(|| OauthRefusal::invalid_client("The OAuth client was not found."))?
            .clone();
        if form.need("client_secret")? != client.secret {
            return Err(OauthRefusal::invalid_client("Unauthorized"));
        }
        if forced == Some(Forced::RateLimit) {
            return Err(OauthRefusal::rate_limit());
        }
        let body = match grant_type {
            DEVICE_GRANT => self.perform_device_grant(form.need("device_code")?, &client, forced, switches, now)?,
            "authorization_code" => self.perform_code(form, &client, now)?,
            _ => self.perform_refresh(form, &client, forced, switches, now)?,
        };
        Ok(render_json(StatusCode::OK, &body))
    }

    fn perform_device_grant(
        &mut self,
        device_code: &str,
        client: &OauthClient,
        forced: Option<Forced>,
        switches: &Switches,
        now: Timestamp,
    ) -> Result<Value, OauthRefusal> {
        let device = self
            .devices
            .get_mut(device_code)
            .filter(|device| device.client_id == client.id)
            .ok_or_else(|| OauthRefusal::invalid_grant("Malformed auth code."))?;
        if now >= device.expires_at {
            return Err(match switches.expired_code {
                ExpiredCode::InvalidGrant => OauthRefusal::invalid_grant("Bad Request"),
                ExpiredCode::ExpiredToken => OauthRefusal::new(StatusCode::BAD_REQUEST, "expired_token", "Bad Request"),
            });
        }
        if device.state == DeviceState::Claimed {
            return Err(OauthRefusal::invalid_grant("Bad Request"));
        }
        device.note_poll(forced == Some(Forced::SlowDown), now)?;
        if forced == Some(Forced::Deny) {
            device.state = DeviceState::Denied;
        }
        let account = match &device.state {
            DeviceState::Waiting => {
                let status = StatusCode::PRECONDITION_REQUIRED;
                return Err(OauthRefusal::new(status, "authorization_pending", "Precondition Required"));
            }
            DeviceState::Denied => {
                return Err(OauthRefusal::new(StatusCode::FORBIDDEN, "access_denied", "Forbidden"));
            }
            DeviceState::Claimed => return Err(OauthRefusal::invalid_grant("Bad Request")),
            DeviceState::Allowed { account } => account.clone(),
        };
        if client.is_internal {
            return Err(OauthRefusal::new(StatusCode::FORBIDDEN, "org_internal", "Forbidden"));
        }
        device.state = DeviceState::Claimed;
        let caller = Caller { account, project: client.project, scopes: device.scopes.clone(), has_storage: true };
        Ok(self.issue(&caller, client, true, now))
    }

    /// What a sign-in brings.
    pub(super) fn issue(
        &mut self,
        caller: &Caller,
        client: &OauthClient,
        wants_refresh: bool,
        now: Timestamp,
    ) -> Value {
        let mut body = self.issue_access(caller, client, now);
        if !wants_refresh {
            return body;
        }
        let lives_for = lives_for(client, &caller.scopes);
        let refresh = Refresh {
            client_id: client.id.clone(),
            caller: caller.clone(),
            issued_at: now,
            used_at: now,
            expires_at: lives_for.map(|span| later(now, span)),
        };
        body["refresh_token"] = json!(self.issue_refresh(refresh));
        if let Some(lives_for) = lives_for {
            body["refresh_token_expires_in"] = json!(lives_for.as_secs() - 1);
        }
        body
    }

    /// Whether an account has let a client in for good.
    pub(super) fn has_refresh_token(&self, client_id: &str, account: &str) -> bool {
        self.refresh.values().any(|refresh| refresh.client_id == client_id && refresh.caller.account == account)
    }

    fn perform_refresh(
        &mut self,
        form: &Form,
        client: &OauthClient,
        forced: Option<Forced>,
        switches: &Switches,
        now: Timestamp,
    ) -> Result<Value, OauthRefusal> {
        let token = form.need("refresh_token")?;
        let refresh = self
            .refresh
            .get_mut(token)
            .filter(|refresh| refresh.client_id == client.id && refresh.is_alive(now))
            .ok_or_else(|| OauthRefusal::invalid_grant("Token has been expired or revoked."))?;
        // RFC 6749, section 6: never beyond what was granted.
        if let Some(scope) = form.get("scope")
            && !scope.split(' ').all(|scope| refresh.caller.scopes.contains(scope))
        {
            return Err(OauthRefusal::new(StatusCode::BAD_REQUEST, "invalid_scope", "Bad Request"));
        }
        refresh.used_at = now;
        let refresh = refresh.clone();
        let mut body = self.issue_access(&refresh.caller, client, now);
        let becomes = match forced {
            Some(Forced::RotateRefreshToken) => RefreshTokens::Replaced,
            _ => switches.refresh_tokens,
        };
        if becomes == RefreshTokens::Replaced {
            self.refresh.remove(token);
        }
        if becomes != RefreshTokens::Kept {
            body["refresh_token"] = json!(self.issue_refresh(refresh));
        }
        Ok(body)
    }

    fn issue_access(&mut self, caller: &Caller, client: &OauthClient, now: Timestamp) -> Value {
        let token = random_text("ya29.", 2);
        let lives_for = self.settings.access_tokens_live_for;
        let scope = caller.scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        let mut body = json!({
            "access_token": token,
            "expires_in": lives_for.as_secs(),
            "scope": scope,
            "token_type": "Bearer",
        });
        if caller.scopes.contains("openid") {
            body["id_token"] = json!(self.issue_id_token(caller, client, now));
        }
        self.access.insert(token, Access { caller: caller.clone(), expires_at: later(now, lives_for) });
        body
    }

    /// An identity token whose signature nobody can check.
    fn issue_id_token(&self, caller: &Caller, client: &OauthClient, now: Timestamp) -> String {
        let header = json!({ "alg": "RS256", "kid": "stand-in", "typ": "JWT" });
        let claims = json!({
            "iss": self.base_url,
            "azp": client.id,
            "aud": client.id,
            "sub": subject(&caller.account),
            "email": caller.account,
            "iat": now.as_second(),
            "exp": later(now, Duration::from_secs(3600)).as_second(),
        });
        [header.to_string(), claims.to_string(), random_text("", 2)].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
    }

    fn issue_refresh(&mut self, refresh: Refresh) -> String {
        let mut siblings: Vec<_> = self
            .refresh
            .iter()
            .filter(|(_, other)| other.client_id == refresh.client_id && other.caller.account == refresh.caller.account)
            .map(|(token, other)| (other.issued_at, token.clone()))
            .collect();
        siblings.sort();
        let surplus = (siblings.len() + 1).saturating_sub(MOST_REFRESH_TOKENS);
        for (_, token) in siblings.into_iter().take(surplus) {
            self.refresh.remove(&token);
        }
        let token = random_text("1//0", 2);
        self.refresh.insert(token.clone(), refresh);
        token
    }

    /// RFC 7009. Google takes every scope of the whole project from the account, on every device.
    pub(super) fn perform_revoke(&mut self, form: &Form) -> Result<Answer, OauthRefusal> {
        let token = form.need("token")?;
        let caller = self
            .refresh
            .get(token)
            .map(|refresh| &refresh.caller)
            .or_else(|| self.access.get(token).map(|access| &access.caller))
            .cloned()
            .ok_or_else(|| OauthRefusal::new(StatusCode::BAD_REQUEST, "invalid_token", "Token expired or revoked"))?;
        let is_other = |other: &Caller| other.account != caller.account || other.project != caller.project;
        self.refresh.retain(|_, refresh| is_other(&refresh.caller));
        self.access.retain(|_, access| is_other(&access.caller));
        Ok(render_json(StatusCode::OK, &json!({})))
    }
}

/// How long a refresh token lives at most; `None` for as long as it is used.
fn lives_for(client: &OauthClient, scopes: &BTreeSet<String>) -> Option<Duration> {
    let is_identity = scopes.iter().all(|scope| IDENTITY_SCOPES.contains(&scope.as_str()));
    (client.publishing == Publishing::Testing && !is_identity).then_some(TESTING_LIVE_FOR)
}
