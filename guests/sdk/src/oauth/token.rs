//! The answer that grants access: RFC 6749 §5.1. The tokens themselves are in the host's slots before it is seen here.

use crate::backoff::Chance;
use crate::quote::quote;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::oauth::answer::{parse_seconds, text};
use crate::oauth::pace::{DAY, SECOND};
use crate::oauth::problem::Cause;

/// A longer validity is taken for this one, in seconds: a year.
const LIFETIME_MAX: u64 = 365 * 24 * 60 * 60;

/// The member without which an answer grants nothing.
const ACCESS_TOKEN: &str = "access_token";

/// More scopes, or longer ones, are not kept.
const SCOPES_MAX: usize = 64;
const SCOPE_LENGTH_MAX: usize = 256;

/// However short a lease is, renewals are at least this far apart, in milliseconds.
pub const GAP_MIN: u64 = 30 * SECOND;

/// An idle grant is renewed at least this often, in milliseconds.
const IDLE_MAX: u64 = 7 * DAY;

/// What an answer says of its token.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// Seconds; None: the server did not say.
    pub lifetime: Option<u64>,
    /// None: as before (RFC 6749 §5.1).
    pub scopes: Option<Vec<String>>,
}

/// What was granted, as long as it lasts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grant {
    /// What it allows.
    pub scopes: Vec<String>,
    /// By the device's clock, in seconds since 1970. None: the state was lost, and the tokens were not.
    pub signed_in_at: Option<i64>,
}

/// How long the access token may be used. Instants in milliseconds on the monotonic clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeldLease {
    /// When it was given.
    pub granted_at_ms: u64,
    /// None: the server did not say.
    pub ends_at_ms: Option<u64>,
    /// When another is to be asked for.
    pub renew_at_ms: u64,
    /// The version of the slot `access-token` that it is about.
    pub slot_version: u64,
}

/// Reads an answer that grants access.
///
/// # Errors
/// Why it can't be used.
pub fn parse_token(members: &Map<String, Value>) -> Result<Token, Cause> {
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
pub fn is_not_its_form(cause: &Cause) -> bool {
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

/// When to renew a lease of so many seconds, in milliseconds from its beginning: at 80 to 90 per cent of it, by chance,
/// so that a fleet that was switched on together does not renew together.
fn plan_renewal(lifetime: Option<u64>, chance: Chance) -> u64 {
    let lifetime = lifetime.map_or(IDLE_MAX, |seconds| seconds.saturating_mul(SECOND)).min(IDLE_MAX);
    (lifetime / 10 * 8 + chance.part_of(lifetime / 10)).max(GAP_MIN)
}

impl HeldLease {
    /// A lease that is given now, for so many seconds, of this version of the slot `access-token`.
    #[must_use]
    pub fn new(lifetime: Option<u64>, slot_version: u64, now_ms: u64, chance: Chance) -> Self {
        Self {
            granted_at_ms: now_ms,
            ends_at_ms: lifetime.map(|seconds| now_ms.saturating_add(seconds * SECOND)),
            renew_at_ms: now_ms.saturating_add(plan_renewal(lifetime, chance)),
            slot_version,
        }
    }

    /// The whole seconds that are left of it, where the server said when it ends. None: it is over.
    #[must_use]
    pub fn seconds_left(&self, now_ms: u64) -> Option<Option<u32>> {
        match self.ends_at_ms {
            None => Some(None),
            Some(ends_at_ms) => match ends_at_ms.saturating_sub(now_ms) / SECOND {
                0 => None,
                seconds => Some(Some(u32::try_from(seconds).unwrap_or(u32::MAX))),
            },
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
    fn a_lease_is_renewed_at_80_to_90_per_cent_of_it() {
        let (least, most) = (Chance::from_entropy(&[]), Chance::from_entropy(&[3, 232]));
        for (lifetime, earliest, latest) in [
            (Some(3_600), 2_880, 3_240),
            (Some(100), 80, 90),
            (Some(40), 32, 36),
            (Some(10), 30, 30),
            (Some(1), 30, 30),
            (Some(30 * 86_400), 483_840, 544_320),
            (None, 483_840, 544_320),
            (Some(u64::MAX), 483_840, 544_320),
        ] {
            assert_eq!(plan_renewal(lifetime, least), earliest * SECOND, "{lifetime:?}");
            assert_eq!(plan_renewal(lifetime, most), latest * SECOND, "{lifetime:?}");
        }
    }

    #[test]
    fn a_lease_lasts_to_its_last_whole_second() {
        let lease = HeldLease::new(Some(10), 1, 5_000, Chance::from_entropy(&[]));
        let remaining = |now_ms| lease.seconds_left(now_ms);
        assert_eq!(remaining(5_000), Some(Some(10)));
        assert_eq!(remaining(14_000), Some(Some(1)));
        assert_eq!(remaining(14_001), None);
        assert_eq!(remaining(99_000), None);
        let endless = HeldLease::new(None, 1, 5_000, Chance::from_entropy(&[]));
        assert_eq!(endless.seconds_left(u64::MAX), Some(None));
    }
}
