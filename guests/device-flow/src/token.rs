//! The answer that grants access: RFC 6749 §5.1. The tokens themselves are in the host's slots before it is seen here.

use punchcard_sdk::auth_policy::Lease;
use punchcard_sdk::lease::{HeldLease, Remaining};
use punchcard_sdk::quote::quote;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::answer::{parse_seconds, text};
use crate::problem::Cause;

/// A longer validity is taken for this one, in seconds: a year.
const LIFETIME_MAX: u64 = 365 * 24 * 60 * 60;

/// The member without which an answer grants nothing.
const ACCESS_TOKEN: &str = "access_token";

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

/// Reads an answer that grants access.
///
/// # Errors
/// Why it can't be used.
pub(crate) fn parse_token(members: &Map<String, Value>) -> Result<Token, Cause> {
    // The host took the token out and left the slot's name in its place.
    if text(members, ACCESS_TOKEN).is_none() {
        return Err(Cause::OddAnswer(ACCESS_TOKEN.to_owned()));
    }
    // RFC 6749 §7.1: a token of an unknown type must not be used. Servers that leave the type out mean Bearer.
    match members.get("token_type").filter(|found| !found.is_null()) {
        None => {}
        Some(Value::String(found)) if found.eq_ignore_ascii_case("bearer") => {}
        Some(Value::String(found)) => return Err(Cause::TokenType(quote(found, 40))),
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

/// Whether an answer that could not be used is perhaps not the server's: it grants nothing, and names no error.
pub(crate) fn is_not_its_form(cause: &Cause) -> bool {
    matches!(cause, Cause::OddAnswer(member) if member == ACCESS_TOKEN)
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

/// The lease as the host knows it. None: over.
pub(crate) fn current(lease: &HeldLease, scopes: &[String], now_ms: u64) -> Option<Lease> {
    let expires_in_seconds = match lease.remaining(now_ms) {
        Remaining::Nothing => return None,
        Remaining::Unknown => None,
        Remaining::Seconds(seconds) => Some(seconds),
    };
    Some(Lease { expires_in_seconds, scopes: scopes.to_vec() })
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
}
