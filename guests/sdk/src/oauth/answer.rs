//! What an OAuth endpoint answered: members, a refusal, or nothing that can be used.
//!
//! The body is read before the status: an error with status 200 is an error, and a known error with status 500 is that
//! error. A page of HTML says, whatever its status is, that something in the network answers in place of the server.
//! Nothing is taken from an answer that is not a JSON object of moderate size.

use crate::Instant;
use crate::answer::{Form, content, form, in_place_of};
use crate::http::{Failure, Response};
use crate::quote::{self, quote, says};
use crate::retry_after::parse_retry_after;
use serde_json::{Map, Value};

use crate::oauth::problem::Cause;
use crate::oauth::refusal::{Reason, description, error_member, fragment, known_error, refine, unknown_error};

/// Longer answers are not looked at, in bytes. Real ones stay below a tenth of it.
pub const BODY_MAX: usize = 256 * 1024;

/// What an endpoint answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// A JSON object without an error, and a status that means success.
    Members(Map<String, Value>),
    /// An error that the server named, or a refusal without words.
    Refusal(Refusal),
    /// Nothing was learnt.
    Silence(Silence),
}

/// Nothing was learnt: no answer, 5xx, or not the server's. Asking again is right.
#[derive(Debug, Clone, PartialEq)]
pub struct Silence {
    /// Why, for a person.
    pub cause: Cause,
    /// How long the server wishes to be left alone, in milliseconds.
    pub retry_after_ms: Option<u64>,
}

/// An error that the server named, or a refusal without words.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// Which.
    pub reason: Reason,
    /// The server's own words, without a full stop. Perhaps none.
    pub description: String,
    /// The interval that came along, in seconds.
    pub interval: Option<u64>,
    /// How long the server wishes to be left alone, in milliseconds.
    pub retry_after_ms: Option<u64>,
}

impl Answer {
    /// Reads an answer.
    pub fn read(response: &Response, now: Instant) -> Self {
        let retry_after_ms = parse_retry_after(response, now);
        let silence = |cause| Self::Silence(Silence { cause, retry_after_ms });
        let status = response.status;
        if response.body.len() > BODY_MAX {
            return silence(Cause::Trouble(status));
        }
        let form = form(response);
        if form == Form::Html {
            return silence(Cause::foreign(response));
        }
        let members = parse_object(response).unwrap_or_default();
        let is_success = (200..300).contains(&status);
        let description = description(&members);
        let interval = members.get("interval").and_then(parse_seconds);
        let refusal = |reason, description| Self::Refusal(Refusal { reason, description, interval, retry_after_ms });
        let is_error = error_member(&members).is_some();
        // What grants something may say anything else beside it.
        let grants = ["access_token", "device_code"].iter().any(|name| members.contains_key(*name));
        if (is_error || !grants)
            && let Some(reason) = known_error(&members)
        {
            return refusal(refine(reason, &description), description);
        }
        if is_overloaded(status) && status != 511 {
            return silence(Cause::Trouble(status));
        }
        if let Some(code) = unknown_error(&members) {
            let cause = Cause::Refused { code, description: description.clone() };
            return refusal(refine(Reason::Stop(cause), &description), description);
        }
        match status {
            _ if is_success && form == Form::Object => Self::Members(members),
            415 => refusal(Reason::Stop(Cause::FormRefused), description),
            404 | 405 | 410 => silence(Cause::NoEndpoint(status)),
            400..500 if status != 407 => {
                let words = if form == Form::Object { description } else { fragment(&quoted_text(response)) };
                let cause = Cause::Refused { code: format!("HTTP {status}"), description: words.clone() };
                refusal(Reason::Unsaid(cause), words)
            }
            // A redirect, a proxy or a portal that wants to know who asks (407, 511), or a success without an object.
            _ => silence(Cause::foreign(response)),
        }
    }
}

/// A body that is no JSON, as far as it is text.
fn quoted_text(response: &Response) -> String {
    str::from_utf8(content(response)).map(|text| quote(text, 100)).unwrap_or_default()
}

impl Cause {
    /// Something else than the server has answered.
    pub fn foreign(response: &Response) -> Self {
        Self::Foreign(in_place_of("the sign-in server", response))
    }
}

impl Silence {
    /// An answer in which there is nothing to read.
    pub fn of(response: &Response, now: Instant) -> Self {
        let is_page = form(response) == Form::Html;
        let cause = if is_page { Cause::foreign(response) } else { Cause::Trouble(response.status) };
        Self { cause, retry_after_ms: parse_retry_after(response, now) }
    }

    /// What a failure means.
    ///
    /// # Errors
    /// The cause of a failure that will not pass by itself.
    pub fn from_failure(failure: &Failure) -> Result<Self, Cause> {
        let cause = match failure {
            Failure::Denied(said) => return Err(Cause::NotInReach(quote::fragment(said, 600))),
            Failure::Invalid(reason) => return Err(Cause::NotSendable(fragment(reason))),
            Failure::Missing(slot) => return Err(Cause::SlotEmpty(quote(slot, 64))),
            Failure::Unsent(reason) | Failure::Interrupted(reason) if says(reason, "certificate") => {
                Cause::Certificate(fragment(reason))
            }
            Failure::Unsent(reason) | Failure::Interrupted(reason) => Cause::Unreachable(fragment(reason)),
            Failure::TooLarge(bytes) => Cause::TooLarge(*bytes),
        };
        Ok(Self { cause, retry_after_ms: None })
    }
}

/// Whether the status says that the server can't answer now.
pub fn is_overloaded(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..)
}

/// A JSON object of moderate size.
pub fn parse_object(response: &Response) -> Option<Map<String, Value>> {
    if response.body.len() > BODY_MAX {
        return None;
    }
    match serde_json::from_slice(content(response)) {
        Ok(Value::Object(members)) => Some(members),
        _ => None,
    }
}

/// A text member that is not empty.
pub fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Whole seconds, from a number or a text that holds one. None below zero, and for anything else.
pub fn parse_seconds(value: &Value) -> Option<u64> {
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
    use crate::http::Header;

    use super::*;

    /// 2026-10-21T07:27:00Z.
    const NOW: Instant = Instant { unix_micros: 1_792_567_620_000_000, utc_offset_minutes: 0 };

    fn answer(status: u16, body: &str) -> Answer {
        Answer::read(&Response { status, headers: Vec::new(), body: body.into() }, NOW)
    }

    fn nothing(status: u16) -> Answer {
        Answer::Silence(Silence { cause: Cause::Trouble(status), retry_after_ms: None })
    }

    fn silence(cause: Cause) -> Answer {
        Answer::Silence(Silence { cause, retry_after_ms: None })
    }

    /// Something in the network answered.
    fn foreign(status: u16, what: &str) -> Answer {
        let text = format!("something in the network answers in place of the sign-in server (status {status}, {what})");
        silence(Cause::Foreign(text))
    }

    /// A refusal without words.
    fn unsaid(status: u16, words: &str) -> Reason {
        Reason::Unsaid(Cause::Refused { code: format!("HTTP {status}"), description: words.into() })
    }

    /// The reason that an answer gives.
    fn reason(status: u16, body: &str) -> Reason {
        match answer(status, body) {
            Answer::Refusal(refusal) => refusal.reason,
            other => panic!("{body}: {other:?}"),
        }
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
        ] {
            assert_eq!(self::reason(status, body), reason, "{body}");
        }
    }

    #[test]
    fn point_20_an_error_with_status_200_is_an_error() {
        assert_eq!(reason(200, r#"{"error":"access_denied"}"#), Reason::Stop(Cause::Denied));
        assert_eq!(reason(200, r#"{"message":"access_denied"}"#), Reason::Stop(Cause::Denied));
        let slow_down = answer(200, r#"{"error":"slow_down","access_token":"access-token","interval":"15"}"#);
        assert!(matches!(slow_down, Answer::Refusal(Refusal { reason: Reason::SlowDown, interval: Some(15), .. })));
        let granted = answer(200, r#"{"access_token":"access-token","message":"slow_down"}"#);
        assert!(matches!(granted, Answer::Members(_)), "what grants something may say anything beside it");
        let members = answer(200, r#"{"error":null,"error_code":null,"a":1}"#);
        assert!(matches!(members, Answer::Members(members) if members.len() == 3));
    }

    #[test]
    fn a_known_error_counts_whatever_the_status_and_an_unknown_one_with_5xx_does_not() {
        assert_eq!(reason(500, r#"{"error":"invalid_grant"}"#), Reason::InvalidGrant);
        for status in [408, 429, 500, 503, 599] {
            assert_eq!(answer(status, r#"{"error":"odd"}"#), nothing(status));
            assert_eq!(answer(status, "{}"), nothing(status));
        }
        assert_eq!(reason(400, r#"{"error":"odd"}"#), refused("odd"));
    }

    #[test]
    fn point_15_a_page_of_html_is_the_network_s_whatever_its_status() {
        for body in ["<html>", "\n<!doctype html><p>Sign in to the hotel", "<?xml version=\"1.0\"?>"] {
            for status in [200, 302, 400, 401, 403, 404, 407, 415, 429, 502, 511] {
                assert_eq!(answer(status, body), foreign(status, "with a page of HTML"), "{body}");
            }
        }
        let headers = vec![Header { name: "content-type".into(), value: "text/html".into() }];
        let page = Answer::read(&Response { status: 403, headers, body: "Blocked".into() }, NOW);
        assert_eq!(page, foreign(403, "with a page of HTML"));
    }

    #[test]
    fn point_15_what_is_no_json_object_grants_and_ends_nothing() {
        for body in ["", "[]", "\"x\"", "{", "{}x", "null", "ok"] {
            let what = if body.is_empty() { "without content" } else { "with something else than JSON" };
            for status in [200, 204, 302, 407, 511] {
                assert_eq!(answer(status, body), foreign(status, what), "{body}");
            }
            for status in [404, 405, 410] {
                assert_eq!(answer(status, body), silence(Cause::NoEndpoint(status)), "{body}");
            }
            for status in [408, 429, 500, 502] {
                assert_eq!(answer(status, body), nothing(status), "{body}");
            }
            for status in [400, 401, 403, 422] {
                assert_eq!(reason(status, body), unsaid(status, body), "{body}");
            }
            assert_eq!(reason(415, body), Reason::Stop(Cause::FormRefused));
        }
        let deep = "[".repeat(100_000);
        assert_eq!(answer(200, &format!(r#"{{"a":{deep}"#)), foreign(200, "with something else than JSON"));
    }

    #[test]
    fn an_object_without_an_error_s_name_is_what_its_status_is_and_its_words_are_kept() {
        for (status, body, expected) in [
            (404, r#"{"message":"no such page"}"#, silence(Cause::NoEndpoint(404))),
            (404, r#"{"timestamp":1,"status":404,"error":"Not Found","path":"/"}"#, silence(Cause::NoEndpoint(404))),
            (302, "{}", foreign(302, "with JSON of another form")),
            (199, "{}", foreign(199, "with JSON of another form")),
        ] {
            assert_eq!(answer(status, body), expected, "{body}");
        }
        for (status, body, expected) in [
            (415, r#"{"status":415,"error":"Unsupported Media Type"}"#, Reason::Stop(Cause::FormRefused)),
            (400, r#"{"status":400,"error":"Bad Request","message":"No token."}"#, unsaid(400, "No token")),
            (403, r#"{"message":"Forbidden"}"#, unsaid(403, "Forbidden")),
        ] {
            assert_eq!(reason(status, body), expected, "{body}");
        }
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
        let cut = |letter: &str, length| format!("{}…", letter.repeat(length));
        let cause = Cause::Refused { code: cut("e", 60), description: cut("d", 200) };
        assert_eq!(reason(400, &body), Reason::Stop(cause));
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
            (
                Failure::Unsent("client error (Connect): invalid peer certificate: UnknownIssuer".into()),
                silence(Cause::Certificate("client error (Connect): invalid peer certificate: UnknownIssuer".into())),
            ),
            (Failure::Denied("https://a.".into()), Err(Cause::NotInReach("https://a".into()))),
            (Failure::Invalid("odd".into()), Err(Cause::NotSendable("odd".into()))),
            (Failure::Missing("client-secret".into()), Err(Cause::SlotEmpty("client-secret".into()))),
        ] {
            assert_eq!(Silence::from_failure(&failure), expected);
        }
    }
}
