//! What an OAuth endpoint answered: members, a refusal, or nothing that can be used.
//!
//! The body is read before the status: an error with status 200 is an error, and a known error with status 500 is that
//! error. Nothing is taken from an answer that is not a JSON object of moderate size.

use punchcard_sdk::Instant;
use punchcard_sdk::http::{Failure, Response};
use punchcard_sdk::retry_after::parse_retry_after;
use serde_json::{Map, Value};

use crate::problem::{Cause, excerpt};

/// Longer answers are not looked at, in bytes. Real ones stay below a tenth of it.
pub(crate) const BODY_MAX: usize = 256 * 1024;

/// What an endpoint answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// A JSON object without an error, and a status that means success.
    Members(Map<String, Value>),
    /// An error that the server named.
    Refusal(Refusal),
    /// Nothing was learnt.
    Silence(Silence),
}

/// Nothing was learnt: no answer, 5xx, or no JSON. Asking again is right.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Silence {
    /// Why, for a person.
    pub(crate) cause: Cause,
    /// How long the server wishes to be left alone, in milliseconds.
    pub(crate) retry_after_ms: Option<u64>,
}

/// An error that the server named.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    /// Which.
    pub(crate) reason: Reason,
    /// The interval that came along, in seconds.
    pub(crate) interval: Option<u64>,
}

/// The errors of RFC 6749 §5.2, RFC 8628 §3.5 and Google's, by what is to be done about them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reason {
    /// `authorization_pending`.
    Pending,
    /// `slow_down`.
    SlowDown,
    /// `expired_token`.
    ExpiredToken,
    /// `invalid_grant`.
    InvalidGrant,
    /// The server is busy, and says so.
    Busy(Cause),
    /// Any other.
    Stop(Cause),
}

impl Answer {
    /// Reads an answer.
    pub(crate) fn read(response: &Response, now: Instant) -> Self {
        let silence = || Self::Silence(Silence::of(response, now));
        let Some(members) = parse_object(&response.body) else { return silence() };
        let interval = members.get("interval").and_then(parse_seconds);
        match error_code(&members) {
            Some(code) => {
                let description = members.get("error_description").and_then(Value::as_str).unwrap_or_default();
                let reason = Reason::from_code(&code, description);
                let is_unknown = matches!(reason, Reason::Stop(Cause::Refused { .. }));
                if is_unknown && is_overloaded(response.status) {
                    silence()
                } else {
                    Self::Refusal(Refusal { reason, interval })
                }
            }
            None if (200..300).contains(&response.status) => Self::Members(members),
            None if is_overloaded(response.status) => silence(),
            None => {
                let cause = Cause::Refused { code: format!("HTTP {}", response.status), description: String::new() };
                Self::Refusal(Refusal { reason: Reason::Stop(cause), interval })
            }
        }
    }
}

impl Silence {
    /// An answer in which there is nothing to read.
    pub(crate) fn of(response: &Response, now: Instant) -> Self {
        Self { cause: Cause::Trouble(response.status), retry_after_ms: parse_retry_after(response, now) }
    }

    /// What a failure means.
    ///
    /// # Errors
    /// The cause of a failure that will not pass by itself.
    pub(crate) fn from_failure(failure: &Failure) -> Result<Self, Cause> {
        let cause = match failure {
            Failure::Denied(said) => return Err(Cause::NotInReach(excerpt(said, 600))),
            Failure::Invalid(reason) => return Err(Cause::NotSendable(excerpt(reason, 200))),
            Failure::Missing(slot) => return Err(Cause::SlotEmpty(excerpt(slot, 64))),
            Failure::Unsent(reason) | Failure::Interrupted(reason) => Cause::Unreachable(excerpt(reason, 200)),
            Failure::TooLarge(bytes) => Cause::TooLarge(*bytes),
        };
        Ok(Self { cause, retry_after_ms: None })
    }
}

impl Reason {
    fn from_code(code: &str, description: &str) -> Self {
        let cause = match code {
            "authorization_pending" => return Self::Pending,
            "slow_down" => return Self::SlowDown,
            "expired_token" => return Self::ExpiredToken,
            "invalid_grant" => return Self::InvalidGrant,
            "rate_limit_exceeded" => return Self::Busy(Cause::RateLimited),
            "temporarily_unavailable" | "server_error" | "internal_failure" => return Self::Busy(Cause::Trouble(503)),
            "access_denied" => Cause::Denied,
            "invalid_client" => Cause::ClientRefused,
            "org_internal" => Cause::OrganisationOnly,
            "admin_policy_enforced" => Cause::AdminPolicy,
            "unsupported_grant_type" | "unauthorized_client" => Cause::FlowRefused,
            "invalid_scope" => Cause::ScopeRefused,
            other => Cause::Refused { code: excerpt(other, 60), description: excerpt(description, 200) },
        };
        Self::Stop(cause)
    }
}

/// Whether the status says that the server can't answer now.
pub(crate) fn is_overloaded(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..)
}

/// A JSON object of moderate size.
pub(crate) fn parse_object(body: &[u8]) -> Option<Map<String, Value>> {
    if body.len() > BODY_MAX {
        return None;
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Some(members),
        _ => None,
    }
}

/// Said where a server does not say which error it means.
const NAMELESS: &str = "an error without a name";

/// RFC 6749 §5.2 `error`; Google's quota on codes has `error_code`; Google's APIs have an object.
fn error_code(members: &Map<String, Value>) -> Option<String> {
    let error = members.get("error").filter(|error| !error.is_null()).or_else(|| members.get("error_code"))?;
    match error {
        Value::Null => None,
        Value::String(code) => Some(code.clone()),
        Value::Object(error) => Some(error.get("status").and_then(Value::as_str).unwrap_or(NAMELESS).to_owned()),
        other => Some(other.as_i64().map_or_else(|| NAMELESS.to_owned(), |number| number.to_string())),
    }
}

/// A text member that is not empty.
pub(crate) fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Whole seconds, from a number or a text that holds one. None below zero, and for anything else.
pub(crate) fn parse_seconds(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| {
            let seconds = number.as_f64().filter(|seconds| *seconds >= 0.0)?;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
            Some(seconds as u64)
        }),
        // By hand: the standard library's reader of floating-point numbers is a tenth of this component.
        Value::String(text) => {
            let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
            let is_number =
                !whole.is_empty() && whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
            is_number.then(|| whole.parse().unwrap_or(u64::MAX))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use punchcard_sdk::http::Header;

    use super::*;

    /// 2026-10-21T07:27:00Z.
    const NOW: Instant = Instant { unix_micros: 1_792_567_620_000_000, utc_offset_minutes: 0 };

    fn answer(status: u16, body: &str) -> Answer {
        Answer::read(&Response { status, headers: Vec::new(), body: body.into() }, NOW)
    }

    fn nothing(status: u16) -> Answer {
        Answer::Silence(Silence { cause: Cause::Trouble(status), retry_after_ms: None })
    }

    fn refusal(reason: Reason) -> Answer {
        Answer::Refusal(Refusal { reason, interval: None })
    }

    fn refused(code: &str) -> Reason {
        Reason::Stop(Cause::Refused { code: code.into(), description: String::new() })
    }

    #[test]
    fn google_s_answers_are_told_apart() {
        for (status, body, reason) in [
            (428, r#"{"error":"authorization_pending","error_description":"Precondition Required"}"#, Reason::Pending),
            (403, r#"{"error":"slow_down","error_description":"Forbidden"}"#, Reason::SlowDown),
            (403, r#"{"error":"access_denied","error_description":"Forbidden"}"#, Reason::Stop(Cause::Denied)),
            (403, r#"{"error":"org_internal"}"#, Reason::Stop(Cause::OrganisationOnly)),
            (400, r#"{"error":"invalid_grant","error_description":"Malformed auth code."}"#, Reason::InvalidGrant),
            (400, r#"{"error":"unsupported_grant_type"}"#, Reason::Stop(Cause::FlowRefused)),
            (400, r#"{"error":"unauthorized_client"}"#, Reason::Stop(Cause::FlowRefused)),
            (400, r#"{"error":"admin_policy_enforced"}"#, Reason::Stop(Cause::AdminPolicy)),
            (401, r#"{"error":"invalid_client"}"#, Reason::Stop(Cause::ClientRefused)),
            (400, r#"{"error":"invalid_scope"}"#, Reason::Stop(Cause::ScopeRefused)),
            (403, r#"{"error_code":"rate_limit_exceeded"}"#, Reason::Busy(Cause::RateLimited)),
            (400, r#"{"error":"expired_token"}"#, Reason::ExpiredToken),
            (503, r#"{"error":"temporarily_unavailable"}"#, Reason::Busy(Cause::Trouble(503))),
            (500, r#"{"error":"server_error"}"#, Reason::Busy(Cause::Trouble(503))),
            (400, r#"{"error":"internal_failure"}"#, Reason::Busy(Cause::Trouble(503))),
            (403, r#"{"error":{"code":403,"status":"PERMISSION_DENIED"}}"#, refused("PERMISSION_DENIED")),
            (400, r#"{"error":{"code":400}}"#, refused("an error without a name")),
            (400, r#"{"error":17}"#, refused("17")),
            (400, r#"{"error":-1}"#, refused("-1")),
            (400, r#"{"error":[]}"#, refused("an error without a name")),
            (400, r#"{"error":true}"#, refused("an error without a name")),
            (404, r#"{"message":"no such page"}"#, refused("HTTP 404")),
            (302, "{}", refused("HTTP 302")),
            (199, "{}", refused("HTTP 199")),
        ] {
            assert_eq!(answer(status, body), refusal(reason), "{body}");
        }
    }

    #[test]
    fn point_20_an_error_with_status_200_is_an_error() {
        assert_eq!(answer(200, r#"{"error":"access_denied"}"#), refusal(Reason::Stop(Cause::Denied)));
        assert_eq!(
            answer(200, r#"{"error":"slow_down","access_token":"access-token","interval":"15"}"#),
            Answer::Refusal(Refusal { reason: Reason::SlowDown, interval: Some(15) })
        );
        let members = answer(200, r#"{"error":null,"error_code":null,"a":1}"#);
        assert!(matches!(members, Answer::Members(members) if members.len() == 3));
    }

    #[test]
    fn a_known_error_counts_whatever_the_status_and_an_unknown_one_with_5xx_does_not() {
        assert_eq!(answer(500, r#"{"error":"invalid_grant"}"#), refusal(Reason::InvalidGrant));
        for status in [408, 429, 500, 503, 599] {
            assert_eq!(answer(status, r#"{"error":"odd"}"#), nothing(status));
            assert_eq!(answer(status, "{}"), nothing(status));
        }
        assert_eq!(answer(400, r#"{"error":"odd"}"#), refusal(refused("odd")));
    }

    #[test]
    fn point_15_a_body_that_is_no_json_object_says_nothing() {
        for body in ["", "<html>", "[]", "\"x\"", "{", "{}x", "null", "{\"a\":\"\u{0}\"}"] {
            for status in [200, 302, 400, 404, 502] {
                assert_eq!(answer(status, body), nothing(status), "{body}");
            }
        }
        let deep = "[".repeat(100_000);
        assert_eq!(answer(200, &format!(r#"{{"a":{deep}"#)), nothing(200));
    }

    #[test]
    fn long_answers_are_not_looked_at() {
        let body = |length: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(length - 8));
        assert!(matches!(answer(200, &body(262_144)), Answer::Members(_)));
        assert_eq!(answer(200, &body(262_145)), nothing(200));
    }

    #[test]
    fn what_a_server_says_about_its_error_is_cut() {
        let body = format!(r#"{{"error":"{}","error_description":"{}\n"}}"#, "e".repeat(99), "d".repeat(999));
        let cause = Cause::Refused { code: "e".repeat(60), description: "d".repeat(200) };
        assert_eq!(answer(400, &body), refusal(Reason::Stop(cause)));
    }

    #[test]
    fn retry_after_is_taken_in_seconds_and_as_a_date() {
        for (value, retry_after_ms) in
            [("120", Some(120_000)), ("Wed, 21 Oct 2026 07:28:00 GMT", Some(60_000)), ("-1", None)]
        {
            let headers = vec![Header { name: "Retry-After".into(), value: value.into() }];
            let answer = Answer::read(&Response { status: 503, headers, body: Vec::new() }, NOW);
            assert_eq!(answer, Answer::Silence(Silence { cause: Cause::Trouble(503), retry_after_ms }), "{value}");
        }
    }

    #[test]
    fn point_04_numbers_sent_as_strings_are_taken() {
        for (json, seconds) in [
            ("1800", Some(1800)),
            ("\"1800\"", Some(1800)),
            ("\" 5 \"", Some(5)),
            ("3599.9", Some(3599)),
            ("\"3599.9\"", Some(3599)),
            ("0", Some(0)),
            ("-1", None),
            ("\"-1\"", None),
            ("1e300", Some(u64::MAX)),
            ("18446744073709551615", Some(u64::MAX)),
            ("-1.5", None),
            ("\"99999999999999999999\"", Some(u64::MAX)),
            ("\"\"", None),
            ("\".5\"", None),
            ("\"5.x\"", None),
            ("\"1.2.3\"", None),
            ("\"inf\"", None),
            ("\"NaN\"", None),
            ("\"soon\"", None),
            ("null", None),
            ("true", None),
            ("[5]", None),
        ] {
            assert_eq!(parse_seconds(&serde_json::from_str(json).unwrap()), seconds, "{json}");
        }
    }

    #[test]
    fn failures_that_pass_are_told_from_those_that_do_not() {
        let silence = |cause| Ok(Silence { cause, retry_after_ms: None });
        for (failure, expected) in [
            (Failure::Unsent("no route".into()), silence(Cause::Unreachable("no route".into()))),
            (Failure::Interrupted("reset".into()), silence(Cause::Unreachable("reset".into()))),
            (Failure::TooLarge(9), silence(Cause::TooLarge(9))),
            (Failure::Denied("https://a".into()), Err(Cause::NotInReach("https://a".into()))),
            (Failure::Invalid("odd".into()), Err(Cause::NotSendable("odd".into()))),
            (Failure::Missing("client-secret".into()), Err(Cause::SlotEmpty("client-secret".into()))),
        ] {
            assert_eq!(Silence::from_failure(&failure), expected);
        }
    }
}
