//! Answers: what an answer, or its absence, means for what was asked.
//!
//! It does not know what was asked. Every answer is one of a few cases, and what matters is whether something may have
//! been done.
//!
//! An answer is Google's only if it has Google's form: a JSON object, and for a refusal one whose `error.code` is the
//! status. A proxy, a filter or a portal answers with any status, also after Google has carried out what was asked, so
//! everything else leaves that in doubt.

use punchcard_sdk::answer::{content, in_place_of};
use punchcard_sdk::http::{Failure, Response};
use punchcard_sdk::quote::fragment;
use punchcard_sdk::retry_after::parse_retry_after;
use punchcard_sdk::{Instant, Problem};
use serde_json::Value;

use crate::member::{list, number, text};
use crate::problem::QUOTE_CHARACTERS;
use crate::{Settings, problem};

/// What became of a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// It was carried out; a JSON object.
    Done(Value),
    /// It was carried out, and the answer was too long to be passed on.
    TooLarge,
    /// It may have been carried out, or may yet be.
    Doubtful(Trouble),
    /// Nothing was done, and later it may work.
    Busy(Trouble),
    /// Nothing was done: what it is about is not there (404).
    Missing,
    /// Nothing was done: the request is not accepted as it is. The service's words.
    Refused(String),
    /// Nothing was done, and a person has to mend something first.
    Barred(Problem),
}

/// What passes by itself, and is waited for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trouble {
    /// What a panel of one line shows.
    pub(crate) headline: &'static str,
    /// A sentence or a fragment of one.
    pub(crate) why: String,
    /// How long the service wishes to be left alone.
    pub(crate) retry_after_ms: Option<u64>,
}

impl Trouble {
    /// There is no answer at all.
    pub(crate) fn silence(why: String) -> Self {
        Self { headline: "no answer from Google", why, retry_after_ms: None }
    }

    /// Google answers, and can't do what was asked yet.
    pub(crate) fn google(why: impl Into<String>) -> Self {
        Self { headline: "Google is not ready", why: why.into(), retry_after_ms: None }
    }

    /// Google refuses the token, also the renewed one.
    fn unauthenticated() -> Self {
        let why = "Google does not accept the device's sign-in, and another token is asked for".to_owned();
        Self { headline: "sign-in not accepted", why, retry_after_ms: None }
    }

    /// Somebody else answers.
    fn foreign(why: String) -> Self {
        Self { headline: "not Google's answer", why, retry_after_ms: None }
    }
}

impl Answer {
    /// The object of an answer.
    pub(crate) fn object(self) -> Result<Value, Self> {
        match self {
            Self::Done(object) => Ok(object),
            other => Err(other),
        }
    }

    /// The object of an answer that is about one list, which Google leaves out where it is empty. With anything beside it,
    /// it is no such answer of Google's.
    pub(crate) fn only_list(self, member: &str) -> Result<Value, Self> {
        let object = self.object()?;
        let has_form = |object: &serde_json::Map<String, Value>| {
            object.iter().all(|(key, value)| key == member && value.is_array())
        };
        if object.as_object().is_some_and(has_form) { Ok(object) } else { Err(Self::unreadable()) }
    }

    /// One that does not hold what was asked for: it is not Google's, and leaves in doubt what was done.
    pub(crate) fn unreadable() -> Self {
        let why = "something in the network answers in place of Google (with JSON of another form)".to_owned();
        Self::Doubtful(Trouble::foreign(why))
    }
}

/// What an answer means.
pub(crate) fn parse_response(response: &Response, now: Instant, settings: &Settings) -> Answer {
    let status = response.status;
    let body = serde_json::from_slice(content(response)).unwrap_or(Value::Null);
    let mut answer = match status {
        200..=299 if body.is_object() && body["error"].is_null() => Answer::Done(body),
        400.. if number::<u16>(&body["error"], "code") == status => parse_refusal(&body["error"], status, settings),
        // Google's own front end writes pages too, when what is behind it fails.
        500..=599 if !body.is_object() => Answer::Doubtful(Trouble::google(format!(
            "Google, or something in the network in its place, answered with status {status}"
        ))),
        _ => Answer::Doubtful(Trouble::foreign(in_place_of("Google", response))),
    };
    if let Answer::Doubtful(trouble) | Answer::Busy(trouble) = &mut answer {
        trouble.retry_after_ms = parse_retry_after(response, now);
    }
    answer
}

/// What Google's own refusal means.
fn parse_refusal(error: &Value, status: u16, settings: &Settings) -> Answer {
    match status {
        // The service aborted or gave up.
        408 | 409 | 500.. => {
            Answer::Doubtful(Trouble::google(format!("Google answered with status {status}: {}", said(error))))
        }
        404 => Answer::Missing,
        429 => Answer::Busy(too_many()),
        // The host has renewed the token once by then, and gives another one to the next request when there is one.
        401 => Answer::Busy(Trouble::unauthenticated()),
        403 => parse_forbidden(error, settings),
        _ => Answer::Refused(said(error)),
    }
}

fn too_many() -> Trouble {
    Trouble::google("Google takes no more requests for the moment")
}

/// What it means that there is no answer.
pub(crate) fn parse_failure(failure: Failure, settings: &Settings) -> Answer {
    match failure {
        Failure::Denied(said) => Answer::Barred(problem::out_of_reach(&said, settings)),
        Failure::Invalid(said) => Answer::Barred(problem::unsendable(&said)),
        Failure::Missing(said) => Answer::Barred(problem::secret_missing(&said)),
        Failure::Unsent(said) => Answer::Busy(Trouble::silence(said)),
        Failure::Interrupted(said) => Answer::Doubtful(Trouble::silence(said)),
        Failure::TooLarge(_) => Answer::TooLarge,
    }
}

/// A 403 has many meanings; the reasons tell them apart.
fn parse_forbidden(error: &Value, settings: &Settings) -> Answer {
    // Drive writes the first, the other APIs write the second.
    let entries = list(error, "errors").iter().chain(list(error, "details"));
    let reasons: Vec<&str> = entries.filter_map(|entry| entry["reason"].as_str()).collect();
    let any = |known: &[&str]| reasons.iter().any(|reason| known.contains(reason));
    if any(&[
        "rateLimitExceeded",
        "userRateLimitExceeded",
        "RATE_LIMIT_EXCEEDED",
        "dailyLimitExceeded",
        "quotaExceeded",
    ]) {
        Answer::Busy(too_many())
    } else if any(&["SERVICE_DISABLED", "accessNotConfigured"]) {
        Answer::Barred(problem::api_disabled(text(error, "message")))
    } else if any(&["ACCESS_TOKEN_SCOPE_INSUFFICIENT", "insufficientPermissions", "insufficientScopes"]) {
        Answer::Barred(problem::scope_missing(settings))
    } else if any(&["storageQuotaExceeded"]) {
        Answer::Barred(problem::storage_full())
    } else {
        Answer::Barred(problem::forbidden(&said(error), settings))
    }
}

/// Google's words, cut: they come into the state and the log.
fn said(error: &Value) -> String {
    match text(error, "message") {
        "" => "without a reason".to_owned(),
        message => fragment(message, QUOTE_CHARACTERS),
    }
}

#[cfg(test)]
mod tests {
    use punchcard_sdk::http::Header;
    use serde_json::json;

    use super::*;
    use crate::tests::context;

    fn answer(status: u16, body: &str) -> Answer {
        let response = Response { status, headers: vec![], body: body.as_bytes().to_vec() };
        parse_response(&response, context().now, &crate::tests::settings())
    }

    fn refusal(status: u16) -> String {
        json!({ "error": { "code": status, "message": "Google's words" } }).to_string()
    }

    fn headline(answer: Answer) -> String {
        match answer {
            Answer::Barred(problem) => problem.headline,
            Answer::Doubtful(trouble) | Answer::Busy(trouble) => trouble.headline.to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_answer_without_googles_form_leaves_in_doubt_what_was_done_whatever_its_status() {
        for status in (100..=599).chain([0, 999]) {
            for body in [
                "<html>blocked</html>",
                "",
                "blocked",
                "{",
                "[]",
                "7",
                "null",
                r#"{"error":"blocked"}"#,
                r#"{"error":{"message":"blocked"}}"#,
                r#"{"error":{"code":999999,"message":"blocked"}}"#,
                r#"{"error":{"code":"403","message":"blocked"}}"#,
                r#"{"code":404}"#,
            ] {
                // Whether an object without an error is what was asked for, those say who asked.
                if body.starts_with(r#"{"code"#) && (200..300).contains(&status) {
                    continue;
                }
                let is_page_of_a_front_end = (500..=599).contains(&status) && !body.starts_with("{\"");
                let expected = if is_page_of_a_front_end { "Google is not ready" } else { "not Google's answer" };
                assert_eq!(headline(answer(status, body)), expected, "{status} {body}");
                assert!(matches!(answer(status, body), Answer::Doubtful(_)), "{status} {body}");
            }
            let other = if status == 404 { 403 } else { 404 };
            assert!(matches!(answer(status, &refusal(other)), Answer::Doubtful(_)), "the code of another status");
        }
        let Answer::Doubtful(trouble) = answer(403, "<html>") else { panic!() };
        assert_eq!(
            trouble.why,
            "something in the network answers in place of Google (status 403, with a page of HTML)"
        );
    }

    #[test]
    fn only_what_google_refused_is_certain_not_to_have_been_done() {
        for status in [408, 409, 500, 502, 503, 504, 599] {
            let Answer::Doubtful(trouble) = answer(status, &refusal(status)) else { panic!("{status}") };
            assert_eq!(trouble.headline, "Google is not ready");
            assert_eq!(trouble.why, format!("Google answered with status {status}: Google's words"));
        }
        for status in [200, 201, 204] {
            assert_eq!(answer(status, "{}"), Answer::Done(json!({})));
        }
        assert_eq!(answer(200, "\u{feff}{\"a\":7}\n"), Answer::Done(json!({"a": 7})));
        assert_eq!(answer(404, &refusal(404)), Answer::Missing);
        assert_eq!(answer(429, &refusal(429)), Answer::Busy(too_many()));
        for status in [400, 402, 413, 499] {
            assert_eq!(answer(status, &refusal(status)), Answer::Refused("Google's words".into()));
        }
        let wordless = r#"{"error":{"code":400}}"#;
        assert_eq!(answer(400, wordless), Answer::Refused("without a reason".into()));
    }

    #[test]
    fn a_wish_to_be_left_alone_is_heeded_in_seconds_and_as_a_date() {
        // The context's moment is 2026-11-20 10:00 UTC.
        for (status, body, value, expected) in [
            (429, refusal(429), "30", Some(30_000)),
            (503, refusal(503), "30", Some(30_000)),
            (503, "<html>".to_owned(), "Fri, 20 Nov 2026 10:02:00 GMT", Some(120_000)),
            (429, refusal(429), "soon", None),
        ] {
            let headers = vec![Header { name: "Retry-After".into(), value: value.into() }];
            let response = Response { status, headers, body: body.into_bytes() };
            let (Answer::Doubtful(trouble) | Answer::Busy(trouble)) =
                parse_response(&response, context().now, &crate::tests::settings())
            else {
                panic!("{status}")
            };
            assert_eq!(trouble.retry_after_ms, expected, "{status} {value}");
        }
    }

    #[test]
    fn a_403_is_told_apart_by_its_reason() {
        let drive =
            |reason: &str| format!(r#"{{"error":{{"code":403,"message":"m","errors":[{{"reason":"{reason}"}}]}}}}"#);
        let cloud = |reason: &str| {
            format!(
                r#"{{"error":{{"code":403,"message":"Google Drive API … m","details":[{{"@type":"x"}},{{"reason":"{reason}"}}]}}}}"#
            )
        };
        for reason in ["rateLimitExceeded", "userRateLimitExceeded"] {
            assert!(matches!(answer(403, &drive(reason)), Answer::Busy(_)), "{reason}");
        }
        assert!(matches!(answer(403, &cloud("RATE_LIMIT_EXCEEDED")), Answer::Busy(_)));
        for (body, expected) in [
            (cloud("SERVICE_DISABLED"), "Drive API is off"),
            (drive("accessNotConfigured"), "Sheets API is off"),
            (cloud("ACCESS_TOKEN_SCOPE_INSUFFICIENT"), "permission is missing"),
            (drive("insufficientPermissions"), "permission is missing"),
            (drive("storageQuotaExceeded"), "Google Drive is full"),
            (drive("forbidden"), "access was refused"),
        ] {
            assert_eq!(headline(answer(403, &body)), expected, "{body}");
        }
    }

    #[test]
    fn a_refused_token_is_waited_for_and_not_held() {
        assert_eq!(answer(401, &refusal(401)), Answer::Busy(Trouble::unauthenticated()));
    }

    #[test]
    fn the_link_that_enables_an_api_reaches_the_person() {
        let link = "https://console.developers.google.com/apis/api/sheets.googleapis.com/overview?project=1";
        let body = format!(
            r#"{{"error":{{"code":403,"message":"Enable it by visiting {link} then retry.","status":"PERMISSION_DENIED",
            "details":[{{"reason":"SERVICE_DISABLED"}}]}}}}"#
        );
        let Answer::Barred(problem) = answer(403, &body) else { panic!() };
        assert!(problem.advice.contains(link));
    }

    #[test]
    fn failures_say_whether_something_may_have_been_done() {
        let settings = crate::tests::settings();
        let answer = |failure| parse_failure(failure, &settings);
        assert_eq!(answer(Failure::Unsent("a".into())), Answer::Busy(Trouble::silence("a".into())));
        assert_eq!(answer(Failure::Interrupted("a".into())), Answer::Doubtful(Trouble::silence("a".into())));
        assert_eq!(answer(Failure::TooLarge(9)), Answer::TooLarge);
        assert_eq!(headline(answer(Failure::Denied("a".into()))), "address not granted");
        assert_eq!(headline(answer(Failure::Invalid("a".into()))), "request was refused");
        assert_eq!(headline(answer(Failure::Missing("a".into()))), "secret is missing");
    }

    #[test]
    fn an_answer_about_a_list_has_that_list_or_nothing() {
        for (object, has_form) in [
            (json!({}), true),
            (json!({"list": []}), true),
            (json!({"list": [1]}), true),
            (json!({"list": 7}), false),
            (json!({"list": [], "ok": true}), false),
            (json!({"ok": true}), false),
        ] {
            let read = Answer::Done(object.clone()).only_list("list");
            assert_eq!(read, if has_form { Ok(object) } else { Err(Answer::unreadable()) });
        }
        assert_eq!(Answer::Missing.only_list("list"), Err(Answer::Missing));
    }
}
