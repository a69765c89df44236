//! Errors that a server names: which one, wherever its name stands, and in the server's own words.
//!
//! RFC 6749 §5.2 puts the name into `error`. Others put it into `message`, `error_code` or an object, as Google's
//! services do, or write it in their own way. A name is understood wherever it stands if it is known, and nothing else
//! is guessed.

use crate::quote::{self, quote, says};
use serde_json::{Map, Value};

use crate::oauth::problem::Cause;

/// The errors of RFC 6749 §5.2, RFC 8628 §3.5 and other servers, by what is to be done about them.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
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
    /// A status of refusal and nothing that is an error's name: it may be the server's, and says nothing certain.
    Unsaid(Cause),
    /// Any other.
    Stop(Cause),
}

/// Said where a server does not say which error it means.
const NAMELESS: &str = "an error without a name";

/// Characters of a name and of a description that are kept.
const NAME_MAX: usize = 60;
const DESCRIPTION_MAX: usize = 200;

/// Reads the error that a body names, if it is a known one.
pub fn known_error(members: &Map<String, Value>) -> Option<Reason> {
    names(members).find_map(parse_name)
}

/// The name of an error that is not a known one, as far as the server calls it an error. A status in words is none: it
/// is what frameworks put there by themselves.
pub fn unknown_error(members: &Map<String, Value>) -> Option<String> {
    let error = error_member(members)?;
    let name = match error {
        Value::String(name) => name.clone(),
        Value::Object(error) => ["status", "type", "code"]
            .iter()
            .find_map(|name| error.get(*name).and_then(Value::as_str))
            .unwrap_or(NAMELESS)
            .to_owned(),
        other => other.as_i64().map_or_else(|| NAMELESS.to_owned(), |number| number.to_string()),
    };
    (!is_status_in_words(&name)).then(|| quote(&name, NAME_MAX))
}

/// What the server says of its error, without a full stop. Empty: nothing.
pub fn description(members: &Map<String, Value>) -> String {
    let text = |members: &Map<String, Value>, names: &[&str]| {
        names.iter().find_map(|name| members.get(*name)?.as_str().filter(|text| !text.trim().is_empty()).map(fragment))
    };
    text(members, &["error_description"])
        .or_else(|| text(members.get("error")?.as_object()?, &["message", "error_description"]))
        .or_else(|| text(members, &["message", "errorSummary", "detail", "title"]))
        .unwrap_or_default()
}

/// A text of others as a part of a sentence: short, on one line, without the full stop at its end.
pub fn fragment(text: &str) -> String {
    quote::fragment(text, DESCRIPTION_MAX)
}

/// Whether a server says that it does not let this account or this client in, whatever the name of the error is:
/// Keycloak writes `invalid_grant` for an account that is disabled, and lets its tokens in again once it is enabled.
pub fn is_restriction(description: &str) -> bool {
    let any = |known: &[&str]| known.iter().any(|word| says(description, word));
    any(&["account", "user", "client", "application"])
        && any(&["restricted", "disabled", "suspended", "locked", "blocked", "deactivated"])
}

/// What an error is by its description, where servers have one name for several. Keycloak calls a wrong secret
/// `unauthorized_client`; oidc-provider calls a grant that a client may not use `invalid_request`.
pub fn refine(reason: Reason, description: &str) -> Reason {
    let has = |word: &str| says(description, word);
    match reason {
        Reason::Stop(Cause::FlowRefused) if has("credential") || has("secret") => Reason::Stop(Cause::ClientRefused),
        Reason::Stop(Cause::Refused { .. }) if has("grant type") && has("not allowed") => {
            Reason::Stop(Cause::FlowRefused)
        }
        other => other,
    }
}

/// What the server calls an error, if it does: RFC 6749's member, or that of Google's quota on codes.
pub fn error_member(members: &Map<String, Value>) -> Option<&Value> {
    ["error", "error_code", "errorCode"].iter().find_map(|name| members.get(*name).filter(|error| !error.is_null()))
}

/// Everything that may be the name of an error, the likeliest first.
fn names(members: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let within = members.get("error").and_then(Value::as_object);
    let inner = ["status", "type", "code", "error", "message"].into_iter().filter_map(move |name| within?.get(name));
    let outer = ["error", "error_code", "errorCode", "code", "message", "detail", "error_description"];
    outer.into_iter().filter_map(|name| members.get(name)).chain(inner).filter_map(Value::as_str)
}

/// Letters and digits alone, in lower case: servers write `invalid_grant`, `Invalid grant` and `invalidGrant`.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

fn parse_name(name: &str) -> Option<Reason> {
    if name.len() > NAME_MAX {
        return None;
    }
    let stop = |cause| Some(Reason::Stop(cause));
    match plain(name).as_str() {
        "authorizationpending" => Some(Reason::Pending),
        "slowdown" => Some(Reason::SlowDown),
        "expiredtoken" => Some(Reason::ExpiredToken),
        // The others are GitHub's, Microsoft's, Twitch's and Ory's for a code or a refresh token of no use.
        "invalidgrant"
        | "badrefreshtoken"
        | "invalidrefreshtoken"
        | "badverificationcode"
        | "incorrectdevicecode"
        | "invaliddevicecode"
        | "tokeninactive" => Some(Reason::InvalidGrant),
        "ratelimitexceeded" | "resourceexhausted" | "toomanyrequests" => Some(Reason::Busy(Cause::RateLimited)),
        "temporarilyunavailable" | "servererror" | "internalfailure" | "unavailable" | "deadlineexceeded" => {
            Some(Reason::Busy(Cause::Trouble(503)))
        }
        // The second is Microsoft's.
        "accessdenied" | "authorizationdeclined" => stop(Cause::Denied),
        // The second is GitHub's.
        "invalidclient" | "incorrectclientcredentials" => stop(Cause::ClientRefused),
        "deletedclient" => stop(Cause::ClientDeleted),
        "disabledclient" => stop(Cause::ClientDisabled),
        "orginternal" => stop(Cause::OrganisationOnly),
        "adminpolicyenforced" => stop(Cause::AdminPolicy),
        // The third is GitHub's.
        "unsupportedgranttype" | "unauthorizedclient" | "deviceflowdisabled" => stop(Cause::FlowRefused),
        "invalidscope" => stop(Cause::ScopeRefused),
        _ => None,
    }
}

/// Whether this is what RFC 9110 §15 calls a status.
fn is_status_in_words(name: &str) -> bool {
    matches!(
        plain(name).as_str(),
        "badrequest"
            | "unauthorized"
            | "forbidden"
            | "notfound"
            | "methodnotallowed"
            | "notacceptable"
            | "conflict"
            | "gone"
            | "unsupportedmediatype"
            | "unprocessableentity"
            | "unprocessablecontent"
            | "internalservererror"
            | "badgateway"
            | "serviceunavailable"
            | "gatewaytimeout"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(json: &str) -> Map<String, Value> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_known_name_is_understood_wherever_it_stands_and_however_it_is_written() {
        for (json, reason) in [
            (r#"{"error":"authorization_pending"}"#, Reason::Pending),
            (r#"{"status":400,"message":"authorization_pending"}"#, Reason::Pending),
            (r#"{"error":{"code":428,"message":"authorization_pending"}}"#, Reason::Pending),
            (r#"{"error_code":"AUTHORIZATION_PENDING"}"#, Reason::Pending),
            (r#"{"statusCode":400,"error":"Bad Request","message":"slow_down"}"#, Reason::SlowDown),
            (r#"{"error":"Invalid grant"}"#, Reason::InvalidGrant),
            (r#"{"status":400,"message":"Invalid refresh token"}"#, Reason::InvalidGrant),
            (r#"{"error":"bad_refresh_token"}"#, Reason::InvalidGrant),
            (r#"{"error":"incorrect_device_code"}"#, Reason::InvalidGrant),
            (r#"{"error":{"type":"invalid_grant"}}"#, Reason::InvalidGrant),
            (r#"{"error":"authorization_declined"}"#, Reason::Stop(Cause::Denied)),
            (r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}"#, Reason::Busy(Cause::RateLimited)),
            (r#"{"error":{"code":503,"status":"UNAVAILABLE"}}"#, Reason::Busy(Cause::Trouble(503))),
            (r#"{"error":"deleted_client"}"#, Reason::Stop(Cause::ClientDeleted)),
            (r#"{"error":"disabled_client"}"#, Reason::Stop(Cause::ClientDisabled)),
            (r#"{"error":"device_flow_disabled"}"#, Reason::Stop(Cause::FlowRefused)),
            (r#"{"detail":"invalid_scope"}"#, Reason::Stop(Cause::ScopeRefused)),
        ] {
            assert_eq!(known_error(&members(json)), Some(reason), "{json}");
        }
    }

    #[test]
    fn nothing_is_guessed_and_a_status_in_words_is_no_name() {
        for (json, unknown) in [
            (r#"{"error":"odd"}"#, Some("odd")),
            (r#"{"error":{"code":403,"status":"PERMISSION_DENIED"}}"#, Some("PERMISSION_DENIED")),
            (r#"{"error":{"code":"E17"}}"#, Some("E17")),
            (r#"{"error":{"code":400}}"#, Some(NAMELESS)),
            (r#"{"error":17}"#, Some("17")),
            (r#"{"error":[]}"#, Some(NAMELESS)),
            (r#"{"errorCode":"E0000011","errorSummary":"Invalid token provided"}"#, Some("E0000011")),
            (r#"{"timestamp":1,"status":404,"error":"Not Found","path":"/token"}"#, None),
            (r#"{"error":null,"message":"the grant of the user is invalid_grant, perhaps"}"#, None),
            (r#"{"message":"Forbidden"}"#, None),
        ] {
            assert_eq!(known_error(&members(json)), None, "{json}");
            assert_eq!(unknown_error(&members(json)).as_deref(), unknown, "{json}");
        }
    }

    #[test]
    fn the_server_s_words_are_found_and_lose_their_full_stop() {
        for (json, words) in [
            (r#"{"error":"a","error_description":"Account restricted."}"#, "Account restricted"),
            (r#"{"error":{"message":"No such client. "}}"#, "No such client"),
            (r#"{"message":"Forbidden"}"#, "Forbidden"),
            (r#"{"errorCode":"E1","errorSummary":"Invalid token"}"#, "Invalid token"),
            (r#"{"detail":"a\nb"}"#, "a b"),
            (r#"{"error":"a","error_description":7}"#, ""),
        ] {
            assert_eq!(description(&members(json)), words, "{json}");
        }
        let long = format!(r#"{{"error_description":"{}"}}"#, "d".repeat(999));
        assert_eq!(description(&members(&long)).chars().count(), DESCRIPTION_MAX + 1);
    }

    #[test]
    fn one_name_for_several_errors_is_told_by_the_description() {
        let refused = || Cause::Refused { code: "invalid_request".into(), description: String::new() };
        for (cause, description, expected) in [
            (Cause::FlowRefused, "Invalid client or Invalid client credentials", Cause::ClientRefused),
            (Cause::FlowRefused, "Invalid client secret", Cause::ClientRefused),
            (Cause::FlowRefused, "requested grant type is not allowed for this client", Cause::FlowRefused),
            (refused(), "requested grant type is not allowed for this client", Cause::FlowRefused),
            (refused(), "missing required parameter(s)", refused()),
        ] {
            assert_eq!(refine(Reason::Stop(cause), description), Reason::Stop(expected), "{description}");
        }
        assert_eq!(refine(Reason::InvalidGrant, "the secret is not allowed"), Reason::InvalidGrant);
    }

    #[test]
    fn a_restriction_is_told_from_a_token_of_no_use() {
        for (words, restricted) in [
            ("Account restricted", true),
            ("User disabled", true),
            ("AADSTS50057: The user account is disabled.", true),
            ("Your account has been suspended", true),
            ("Token has been expired or revoked.", false),
            ("Session not active", false),
            ("Refresh token is disabled", false),
            ("The client is unknown", false),
            ("", false),
        ] {
            assert_eq!(is_restriction(words), restricted, "{words}");
        }
    }
}
