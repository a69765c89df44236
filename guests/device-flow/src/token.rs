//! The answer that grants access: RFC 6749 §5.1. The tokens themselves are in the host's slots before it is seen here.

use punchcard_sdk::auth_policy::{Directive, Lease};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::answer::{parse_seconds, text};
use crate::form::{ACCESS_TOKEN, DEVICE_CODE, ID_TOKEN, REFRESH_TOKEN};
use crate::pace::{Chance, SECOND};
use crate::problem::{Cause, excerpt};
use crate::renewal::plan_renewal;
use crate::scope::missing_scopes;
use crate::state::Phase;
use crate::turn::Turn;

/// A longer validity is taken for this one, in seconds: a year.
const LIFETIME_MAX: u64 = 365 * 24 * 60 * 60;

/// More scopes, or longer ones, are not kept.
const SCOPES_MAX: usize = 64;
const SCOPE_LENGTH_MAX: usize = 256;

/// What an answer says of its token.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    /// Seconds; None: the server did not say.
    pub(crate) lifetime: Option<u64>,
    /// None: as before (RFC 6749 §5.1).
    pub(crate) scopes: Option<Vec<String>>,
}

/// What was granted, as long as it lasts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(crate) scopes: Vec<String>,
    /// By the device's clock, in seconds since 1970. None: the state was lost, and the tokens were not.
    pub(crate) signed_in_at: Option<i64>,
}

/// How long the access token may be used. Instants in milliseconds on the monotonic clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct HeldLease {
    pub(crate) granted_at_ms: u64,
    /// None: the server did not say.
    pub(crate) ends_at_ms: Option<u64>,
    pub(crate) renew_at_ms: u64,
    /// The version of the slot `access-token` that it is about.
    pub(crate) slot_version: u64,
}

/// Reads an answer that grants access.
///
/// # Errors
/// Why it can't be used.
pub(crate) fn parse_token(members: &Map<String, Value>) -> Result<Token, Cause> {
    // The host took the token out and left the slot's name in its place.
    if text(members, "access_token").is_none() {
        return Err(Cause::OddAnswer("access_token".to_owned()));
    }
    // RFC 6749 §7.1: a token of an unknown type must not be used. Servers that leave the type out mean Bearer.
    match members.get("token_type").filter(|found| !found.is_null()) {
        None => {}
        Some(Value::String(found)) if found.eq_ignore_ascii_case("bearer") => {}
        Some(Value::String(found)) => return Err(Cause::TokenType(excerpt(found, 40))),
        Some(_) => return Err(Cause::OddAnswer("token_type".to_owned())),
    }
    Ok(Token {
        lifetime: members
            .get("expires_in")
            .and_then(parse_seconds)
            .filter(|seconds| *seconds > 0)
            .map(|seconds| seconds.min(LIFETIME_MAX)),
        scopes: members.get("scope").and_then(parse_scopes),
    })
}

/// RFC 6749 §3.3, or a list as some servers write it. None where nothing is said.
fn parse_scopes(value: &Value) -> Option<Vec<String>> {
    let keep = |scopes: &mut dyn Iterator<Item = &str>| {
        scopes
            .filter(|scope| !scope.is_empty() && scope.len() <= SCOPE_LENGTH_MAX)
            .take(SCOPES_MAX)
            .map(ToOwned::to_owned)
            .collect::<Vec<_>>()
    };
    let scopes = match value {
        Value::String(text) => keep(&mut text.split(' ')),
        Value::Array(list) => keep(&mut list.iter().filter_map(Value::as_str)),
        _ => return None,
    };
    (!scopes.is_empty()).then_some(scopes)
}

impl HeldLease {
    fn new(lifetime: Option<u64>, slot_version: u64, now_ms: u64, chance: Chance) -> Self {
        Self {
            granted_at_ms: now_ms,
            ends_at_ms: lifetime.map(|seconds| now_ms.saturating_add(seconds * SECOND)),
            renew_at_ms: now_ms.saturating_add(plan_renewal(lifetime, chance)),
            slot_version,
        }
    }

    /// The lease as the host knows it. None: over.
    pub(crate) fn current(&self, scopes: &[String], now_ms: u64) -> Option<Lease> {
        let expires_in_seconds = match self.ends_at_ms {
            None => None,
            Some(ends_at_ms) => match ends_at_ms.saturating_sub(now_ms) / SECOND {
                0 => return None,
                seconds => Some(u32::try_from(seconds).unwrap_or(u32::MAX)),
            },
        };
        Some(Lease { expires_in_seconds, scopes: scopes.to_vec() })
    }
}

impl Turn<'_> {
    /// The person has agreed, by all that is known; what exactly was granted comes with a lease.
    pub(crate) fn begin_grant(&mut self) {
        self.state.grant = Some(Grant { scopes: self.settings.scopes.clone(), signed_in_at: Some(self.now_s()) });
    }

    /// The person has agreed, and here is the lease.
    pub(crate) fn sign_in_granted(&mut self, token: Token) -> Directive {
        self.begin_grant();
        if self.slot_version(REFRESH_TOKEN).is_none() {
            self.warn(
                "the server gave no refresh token: a person must sign in each time that the lease ends; \
                 perhaps `offline_access` is missing in `scopes`",
            );
        }
        self.take_lease(token)
    }

    /// A new lease is there, by sign-in or renewal.
    pub(crate) fn take_lease(&mut self, token: Token) -> Directive {
        let Some(slot_version) = self.slot_version(ACCESS_TOKEN) else {
            return self.block(Cause::OddAnswer("access_token".to_owned()));
        };
        let mut grant = self
            .state
            .grant
            .take()
            .unwrap_or_else(|| Grant { scopes: self.settings.scopes.clone(), signed_in_at: None });
        if let Some(scopes) = token.scopes {
            grant.scopes = scopes;
        }
        let missing = missing_scopes(&self.settings.required_scopes, &grant.scopes);
        if !missing.is_empty() {
            return self.block(Cause::ScopesMissing(missing));
        }
        self.state.grant = Some(grant);
        self.state.lease = Some(HeldLease::new(token.lifetime, slot_version, self.now_ms, self.chance));
        self.succeed();
        // The code is spent (point 17), and nobody reads the statement about the person.
        self.forget(&[DEVICE_CODE, ID_TOKEN]);
        self.hold_lease()
    }

    /// Leaves the lease alone until it is to be renewed, or ends.
    pub(crate) fn hold_lease(&mut self) -> Directive {
        self.state.phase = Phase::Authorized;
        let renewable = self.slot_version(REFRESH_TOKEN).is_some();
        let wake_at = self.state.lease.as_ref().and_then(|lease| match renewable {
            true => Some(lease.renew_at_ms),
            false => lease.ends_at_ms,
        });
        match wake_at {
            Some(at) => self.wait_until(at),
            None => self.rest(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(json: &str) -> Result<Token, Cause> {
        parse_token(&serde_json::from_str(json).unwrap())
    }

    fn scopes(json: &str) -> Option<Vec<String>> {
        token(&format!(r#"{{"access_token":"access-token","scope":{json}}}"#)).unwrap().scopes
    }

    #[test]
    fn google_s_answer_is_read() {
        let answer = r#"{"access_token":"access-token","expires_in":3599,"refresh_token":"refresh-token",
            "scope":"https://www.googleapis.com/auth/drive.file","token_type":"Bearer",
            "refresh_token_expires_in":604799,"id_token":"id-token"}"#;
        let scopes = Some(vec!["https://www.googleapis.com/auth/drive.file".to_owned()]);
        assert_eq!(token(answer), Ok(Token { lifetime: Some(3599), scopes }));
    }

    #[test]
    fn an_answer_without_a_token_grants_nothing() {
        for json in ["{}", r#"{"access_token":null}"#, r#"{"access_token":""}"#, r#"{"access_token":7}"#] {
            assert_eq!(token(json), Err(Cause::OddAnswer("access_token".into())), "{json}");
        }
    }

    #[test]
    fn point_21_the_type_is_compared_without_case_and_a_missing_validity_is_tolerated() {
        for kind in [r#""Bearer""#, r#""bearer""#, r#""BEARER""#, "null"] {
            let answer = token(&format!(r#"{{"access_token":"access-token","token_type":{kind}}}"#));
            assert_eq!(answer, Ok(Token { lifetime: None, scopes: None }), "{kind}");
        }
        for (kind, cause) in [
            (r#""mac""#, Cause::TokenType("mac".into())),
            (r#""DPoP""#, Cause::TokenType("DPoP".into())),
            (r#""""#, Cause::TokenType(String::new())),
            ("7", Cause::OddAnswer("token_type".into())),
        ] {
            assert_eq!(token(&format!(r#"{{"access_token":"access-token","token_type":{kind}}}"#)), Err(cause));
        }
        for (lifetime, seconds) in
            [("null", None), ("0", None), ("-1", None), (r#""3600""#, Some(3600)), ("1e12", Some(31_536_000))]
        {
            let answer = token(&format!(r#"{{"access_token":"access-token","expires_in":{lifetime}}}"#));
            assert_eq!(answer.map(|token| token.lifetime), Ok(seconds), "{lifetime}");
        }
    }

    #[test]
    fn scopes_are_read_in_both_forms_and_bounded() {
        assert_eq!(scopes(r#""a  b""#), Some(vec!["a".into(), "b".into()]));
        assert_eq!(scopes(r#"["a",7,"","b"]"#), Some(vec!["a".into(), "b".into()]));
        for json in [r#""""#, "[]", "null", "7", "{}"] {
            assert_eq!(scopes(json), None, "{json}");
        }
        assert_eq!(scopes(&format!(r#""{}""#, "a ".repeat(1_000))).map(|scopes| scopes.len()), Some(SCOPES_MAX));
        let long = "a".repeat(SCOPE_LENGTH_MAX);
        assert_eq!(scopes(&format!(r#""{long} {long}a""#)), Some(vec![long]));
    }

    #[test]
    fn a_lease_lasts_to_its_last_whole_second() {
        let lease = HeldLease::new(Some(10), 1, 5_000, Chance::from_entropy(&[]));
        let remaining = |now_ms| lease.current(&[], now_ms).map(|lease| lease.expires_in_seconds);
        assert_eq!(remaining(5_000), Some(Some(10)));
        assert_eq!(remaining(14_000), Some(Some(1)));
        assert_eq!(remaining(14_001), None);
        assert_eq!(remaining(99_000), None);
        let endless = HeldLease::new(None, 1, 5_000, Chance::from_entropy(&[]));
        assert_eq!(endless.current(&[], u64::MAX).unwrap().expires_in_seconds, None);
    }
}
