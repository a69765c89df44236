//! What the token endpoint answered, or that it did not.
//!
//! The body is read before the status: an error with status 200 is an error. A page of HTML says that something in the network
//! answers in place of the server. The token itself is in its slot before the answer is seen here.

use punchcard_sdk::Instant;
use punchcard_sdk::answer::{Form, content, form, in_place_of};
use punchcard_sdk::http::{Failure, Response};
use punchcard_sdk::quote::{fragment, quote, says};
use punchcard_sdk::retry_after::parse_retry_after;
use serde_json::{Map, Value};

use crate::problem::{Cause, WORDS_MAX};

/// Longer answers are not looked at, in bytes.
const BODY_MAX: usize = 256 * 1024;
/// A longer validity is taken for this one, in seconds: a year.
const LIFETIME_MAX: u64 = 365 * 24 * 60 * 60;
/// Characters of an error's name that are kept.
const NAME_MAX: usize = 60;

/// What was learnt.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// A token is in the slot, good for so many seconds where the server said.
    Granted(Option<u64>),
    /// The server said no.
    Refused(Cause),
    /// Nothing: asking again is right, not before so many milliseconds where the server said.
    Silence(Cause, Option<u64>),
}

impl Answer {
    /// Reads an answer.
    pub(crate) fn read(response: &Response, now: Instant) -> Self {
        let retry_after_ms = parse_retry_after(response, now);
        let status = response.status;
        let form = form(response);
        if response.body.len() > BODY_MAX {
            return Self::Silence(Cause::Trouble(status), retry_after_ms);
        }
        if form == Form::Html {
            return Self::Silence(foreign(response), retry_after_ms);
        }
        let members = match serde_json::from_slice(content(response)) {
            Ok(Value::Object(members)) => members,
            _ => Map::new(),
        };
        if let Some(name) = text(&members, "error") {
            return match parse_error(name, text(&members, "error_description").unwrap_or_default()) {
                Some(cause) => Self::Refused(cause),
                None => Self::Silence(Cause::Trouble(status), retry_after_ms),
            };
        }
        match status {
            408 | 429 | 500.. => Self::Silence(Cause::Trouble(status), retry_after_ms),
            200..=299 if form == Form::Object => parse_grant(&members),
            // Without a name of an error it may be anybody's: a proxy, a filter, a path that is not the server's.
            _ => Self::Silence(foreign(response), retry_after_ms),
        }
    }

    /// What a failure means.
    pub(crate) fn from_failure(failure: &Failure) -> Self {
        let silence = |cause| Self::Silence(cause, None);
        match failure {
            Failure::Denied(said) => Self::Refused(Cause::NotInReach(fragment(said, WORDS_MAX))),
            Failure::Invalid(said) if says(said, "slot") => {
                Self::Refused(Cause::KeyUnusable(fragment(said, WORDS_MAX)))
            }
            Failure::Invalid(said) => Self::Refused(Cause::NotSendable(fragment(said, WORDS_MAX))),
            Failure::Missing(slot) => Self::Refused(Cause::SlotEmpty(quote(slot, 64))),
            // The host signs nothing before it knows the time.
            Failure::Unsent(said) if says(said, "does not know the time") => silence(Cause::TimeUnknown),
            Failure::Unsent(said) | Failure::Interrupted(said) if says(said, "certificate") => {
                silence(Cause::Certificate(fragment(said, WORDS_MAX)))
            }
            Failure::Unsent(said) | Failure::Interrupted(said) => {
                silence(Cause::Unreachable(fragment(said, WORDS_MAX)))
            }
            Failure::TooLarge(_) => silence(Cause::Trouble(200)),
        }
    }
}

fn foreign(response: &Response) -> Cause {
    Cause::Foreign(in_place_of("the sign-in server", response))
}

/// RFC 6749 §5.1.
fn parse_grant(members: &Map<String, Value>) -> Answer {
    // The host took the token out and left the slot's name in its place.
    if text(members, "access_token").is_none() {
        return Answer::Silence(Cause::OddAnswer("access_token".to_owned()), None);
    }
    // RFC 6749 §7.1: a token of an unknown type must not be used. Servers that leave the type out mean Bearer.
    match members.get("token_type").filter(|found| !found.is_null()) {
        None => {}
        Some(Value::String(found)) if found.eq_ignore_ascii_case("bearer") => {}
        Some(_) => return Answer::Refused(Cause::OddAnswer("token_type".to_owned())),
    }
    let seconds = match members.get("expires_in") {
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(number)) => number.parse().ok(),
        _ => None,
    };
    Answer::Granted(seconds.filter(|seconds| *seconds > 0).map(|seconds| seconds.min(LIFETIME_MAX)))
}

/// RFC 6749 §5.2, with Google's descriptions: it has one name for many things. `None`: the server is in trouble, and says so.
fn parse_error(name: &str, description: &str) -> Option<Cause> {
    let said = |words: &str| says(description, words);
    Some(match name {
        "temporarily_unavailable" | "server_error" | "internal_failure" | "rate_limit_exceeded" | "slow_down" => {
            return None;
        }
        "invalid_grant" if said("reasonable timeframe") || said("iat and exp") || said("expired") => {
            Cause::ClockDiffers
        }
        "invalid_grant" | "disabled_client" | "invalid_client" if said("disabled") => Cause::AccountDisabled,
        "invalid_grant" if said("signature") => Cause::KeyRefused,
        "invalid_grant" if said("account not found") => Cause::AccountUnknown,
        "invalid_grant" if said("email or user id") => Cause::SubjectUnknown,
        "unauthorized_client" | "access_denied" => Cause::DelegationRefused,
        "invalid_scope" => Cause::ScopeRefused,
        _ => {
            let description = fragment(description, WORDS_MAX);
            Cause::Refused { code: quote(name, NAME_MAX), description }
        }
    })
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use punchcard_sdk::http::Header;

    use super::*;

    const NOW: Instant = Instant { unix_micros: 1_792_567_620_000_000, utc_offset_minutes: 0 };

    fn answer(status: u16, body: &str) -> Answer {
        Answer::read(&Response { status, headers: Vec::new(), body: body.into() }, NOW)
    }

    #[test]
    fn a_grant_is_read_and_its_end() {
        for (body, granted) in [
            (r#"{"access_token":"access-token","expires_in":3599,"token_type":"Bearer"}"#, Some(3_599)),
            (r#"{"access_token":"access-token","expires_in":"60","token_type":"bearer"}"#, Some(60)),
            (r#"{"access_token":"access-token"}"#, None),
            (r#"{"access_token":"access-token","expires_in":0}"#, None),
            (r#"{"access_token":"access-token","expires_in":-5}"#, None),
            (r#"{"access_token":"access-token","expires_in":99999999999}"#, Some(LIFETIME_MAX)),
        ] {
            assert_eq!(answer(200, body), Answer::Granted(granted), "{body}");
        }
        let odd = Answer::Refused(Cause::OddAnswer("token_type".into()));
        assert_eq!(answer(200, r#"{"access_token":"access-token","token_type":"mac"}"#), odd);
        assert!(matches!(answer(200, "{}"), Answer::Silence(Cause::OddAnswer(_), None)));
    }

    #[test]
    fn each_refusal_of_google_s_is_told_from_the_others() {
        let timeframe = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check \
                         your iat and exp values in the JWT claim.";
        let unauthorized = "Client is unauthorized to retrieve access tokens using this method, or client not authorized for \
                            any of the scopes requested.";
        for (status, name, description, cause) in [
            (400, "invalid_grant", "Invalid JWT Signature.", Cause::KeyRefused),
            (400, "invalid_grant", "Invalid grant: account not found", Cause::AccountUnknown),
            (400, "invalid_grant", "Invalid grant: account disabled", Cause::AccountDisabled),
            (401, "disabled_client", "The OAuth client was disabled.", Cause::AccountDisabled),
            (400, "invalid_grant", "Invalid email or User ID", Cause::SubjectUnknown),
            (400, "invalid_grant", timeframe, Cause::ClockDiffers),
            (401, "unauthorized_client", unauthorized, Cause::DelegationRefused),
            (403, "access_denied", "Requested client not authorized.", Cause::DelegationRefused),
            (400, "invalid_scope", "Invalid OAuth scope or ID token audience provided.", Cause::ScopeRefused),
            (200, "invalid_scope", "An error with status 200 is an error.", Cause::ScopeRefused),
            (
                400,
                "invalid_grant",
                "Invalid JWT: Failed audience check.",
                Cause::Refused {
                    code: "invalid_grant".into(),
                    description: "Invalid JWT: Failed audience check".into(),
                },
            ),
        ] {
            let body = serde_json::json!({ "error": name, "error_description": description }).to_string();
            assert_eq!(answer(status, &body), Answer::Refused(cause), "{body}");
        }
    }

    #[test]
    fn trouble_and_other_people_s_answers_teach_nothing() {
        for status in [408, 429, 500, 503] {
            assert_eq!(answer(status, "{}"), Answer::Silence(Cause::Trouble(status), None));
        }
        for name in ["server_error", "temporarily_unavailable", "internal_failure", "rate_limit_exceeded"] {
            let body = format!(r#"{{"error":"{name}"}}"#);
            assert_eq!(answer(400, &body), Answer::Silence(Cause::Trouble(400), None), "{name}");
        }
        for (status, body) in
            [(200, "<html>"), (403, "<html>"), (302, ""), (404, ""), (200, "[]"), (403, "{}"), (511, "<p>")]
        {
            assert!(
                matches!(answer(status, body), Answer::Silence(Cause::Foreign(_) | Cause::Trouble(511), None)),
                "{status}"
            );
        }
        let headers = vec![Header { name: "Retry-After".into(), value: "30".into() }];
        let busy = Answer::read(&Response { status: 503, headers, body: "{}".into() }, NOW);
        assert_eq!(busy, Answer::Silence(Cause::Trouble(503), Some(30_000)));
        assert_eq!(answer(200, &" ".repeat(BODY_MAX + 1)), Answer::Silence(Cause::Trouble(200), None));
    }

    #[test]
    fn a_failure_of_the_key_is_told_from_one_of_the_network_or_the_clock() {
        let refused = |failure| match Answer::from_failure(&failure) {
            Answer::Refused(cause) => cause,
            other => panic!("{other:?}"),
        };
        let silent = |failure| match Answer::from_failure(&failure) {
            Answer::Silence(cause, None) => cause,
            other => panic!("{other:?}"),
        };
        let unusable = "the slot `service-account` holds a private key that can't be used for RS256";
        assert_eq!(refused(Failure::Invalid(unusable.into())), Cause::KeyUnusable(unusable.into()));
        assert_eq!(refused(Failure::Missing("service-account".into())), Cause::SlotEmpty("service-account".into()));
        assert_eq!(refused(Failure::Denied("no".into())), Cause::NotInReach("no".into()));
        assert_eq!(
            refused(Failure::Invalid("an assertion has ended".into())),
            Cause::NotSendable("an assertion has ended".into())
        );
        let time = "the device does not know the time yet, and signs nothing before it does";
        assert_eq!(silent(Failure::Unsent(time.into())), Cause::TimeUnknown);
        assert_eq!(silent(Failure::Unsent("no route".into())), Cause::Unreachable("no route".into()));
        assert_eq!(
            silent(Failure::Interrupted("bad certificate".into())),
            Cause::Certificate("bad certificate".into())
        );
        assert_eq!(silent(Failure::TooLarge(9)), Cause::Trouble(200));
    }
}
