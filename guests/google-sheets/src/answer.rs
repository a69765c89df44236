//! Answers: what an answer, or its absence, means for what was asked.
//!
//! It does not know what was asked. Every answer is one of a few cases, and what matters is whether something may have
//! been done.

use punchcard_sdk::Problem;
use punchcard_sdk::http::{Failure, Response};
use serde_json::Value;

use crate::{Settings, problem};

/// What became of a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// It was carried out; the body is JSON, as far as one can see from its beginning.
    Done(Vec<u8>),
    /// It was carried out, and the answer was too long to be passed on.
    TooLarge,
    /// It may have been carried out, or may yet be.
    Doubtful(String),
    /// Nothing was done, and later it may work.
    Busy(String),
    /// Nothing was done: what it is about is not there (404).
    Missing,
    /// Nothing was done: the request is not accepted as it is. The service's words.
    Refused(String),
    /// Nothing was done, and a person has to mend something first.
    Barred(Problem),
}

impl Answer {
    /// Reads an answer's body, a JSON object. One that can't be read leaves in doubt what was done.
    pub(crate) fn object(self) -> Result<Value, Self> {
        match self {
            Self::Done(body) => match serde_json::from_slice(&body) {
                Ok(object @ Value::Object(_)) => Ok(object),
                _ => Err(Self::unreadable()),
            },
            other => Err(other),
        }
    }

    /// One that does not hold what was asked for.
    pub(crate) fn unreadable() -> Self {
        Self::Doubtful("Google's answer can't be read.".to_owned())
    }
}

/// A text of an object; empty where there is none.
pub(crate) fn text<'a>(object: &'a Value, member: &str) -> &'a str {
    object[member].as_str().unwrap_or_default()
}

/// A list of an object; empty where there is none. Google leaves empty ones out.
pub(crate) fn list<'a>(object: &'a Value, member: &str) -> &'a [Value] {
    object[member].as_array().map_or(&[], Vec::as_slice)
}

/// An id, a position or a count of an object. Google leaves zeros out.
pub(crate) fn number<T: TryFrom<u64> + Default>(object: &Value, member: &str) -> T {
    object[member].as_u64().and_then(|number| number.try_into().ok()).unwrap_or_default()
}

/// What an answer means.
pub(crate) fn parse_response(response: Response) -> Answer {
    let Response { status, body, .. } = response;
    match status {
        200..=299 => Answer::Done(body),
        // The service aborted or gave up; anything else out of these classes is not an answer of the service.
        0..=399 | 408 | 409 | 500.. => Answer::Doubtful(format!("Google answered with status {status}.")),
        404 => Answer::Missing,
        429 => Answer::Busy("Google takes no more requests for the moment.".to_owned()),
        401 => Answer::Barred(problem::unauthenticated()),
        403 => parse_forbidden(&parse_body(&body)["error"]),
        _ => Answer::Refused(said(&parse_body(&body)["error"], status)),
    }
}

/// What it means that there is no answer.
pub(crate) fn parse_failure(failure: Failure, settings: &Settings) -> Answer {
    match failure {
        Failure::Denied(said) => Answer::Barred(problem::out_of_reach(&said, settings)),
        Failure::Invalid(said) => Answer::Barred(problem::unsendable(&said)),
        Failure::Missing(said) => Answer::Barred(problem::secret_missing(&said)),
        Failure::Unsent(said) => Answer::Busy(said),
        Failure::Interrupted(said) => Answer::Doubtful(said),
        Failure::TooLarge(_) => Answer::TooLarge,
    }
}

/// A 403 has many meanings; the reasons tell them apart.
fn parse_forbidden(error: &Value) -> Answer {
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
        Answer::Busy("Google takes no more requests for the moment.".to_owned())
    } else if any(&["SERVICE_DISABLED", "accessNotConfigured"]) {
        Answer::Barred(problem::api_disabled(text(error, "message")))
    } else if any(&["ACCESS_TOKEN_SCOPE_INSUFFICIENT", "insufficientPermissions", "insufficientScopes"]) {
        Answer::Barred(problem::scope_missing())
    } else if any(&["storageQuotaExceeded"]) {
        Answer::Barred(problem::storage_full())
    } else {
        Answer::Barred(problem::forbidden(&said(error, 403)))
    }
}

/// A body that is something else than JSON says nothing.
fn parse_body(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

fn said(error: &Value, status: u16) -> String {
    match text(error, "message") {
        "" => format!("status {status}, without a reason"),
        message => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        parse_response(Response { status, headers: vec![], body: body.as_bytes().to_vec() })
    }

    fn headline(answer: Answer) -> String {
        match answer {
            Answer::Barred(problem) => problem.headline,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_what_google_refused_is_certain_not_to_have_been_done() {
        for status in [100, 302, 307, 408, 409, 500, 502, 503, 504, 599] {
            assert!(matches!(answer(status, "<html>"), Answer::Doubtful(_)), "{status}");
        }
        for status in [200, 201, 204] {
            assert_eq!(answer(status, "{}"), Answer::Done(b"{}".to_vec()));
        }
        assert_eq!(answer(404, "{}"), Answer::Missing);
        assert!(matches!(answer(429, "<html>"), Answer::Busy(_)));
        assert_eq!(answer(413, "<html>"), Answer::Refused("status 413, without a reason".into()));
        assert_eq!(
            answer(400, r#"{"error":{"code":400,"message":"Invalid requests[2].appendCells: no"}}"#),
            Answer::Refused("Invalid requests[2].appendCells: no".into())
        );
    }

    #[test]
    fn a_403_is_told_apart_by_its_reason() {
        let drive =
            |reason: &str| format!(r#"{{"error":{{"code":403,"message":"m","errors":[{{"reason":"{reason}"}}]}}}}"#);
        let cloud = |reason: &str| {
            format!(
                r#"{{"error":{{"message":"Google Drive API … m","details":[{{"@type":"x"}},{{"reason":"{reason}"}}]}}}}"#
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
            ("<html>".to_owned(), "access was refused"),
        ] {
            assert_eq!(headline(answer(403, &body)), expected, "{body}");
        }
        assert_eq!(headline(answer(401, "")), "access was refused");
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
        assert_eq!(answer(Failure::Unsent("a".into())), Answer::Busy("a".into()));
        assert_eq!(answer(Failure::Interrupted("a".into())), Answer::Doubtful("a".into()));
        assert_eq!(answer(Failure::TooLarge(9)), Answer::TooLarge);
        assert_eq!(headline(answer(Failure::Denied("a".into()))), "address not granted");
        assert_eq!(headline(answer(Failure::Invalid("a".into()))), "request was refused");
        assert_eq!(headline(answer(Failure::Missing("a".into()))), "secret is missing");
    }

    #[test]
    fn a_body_that_cannot_be_read_leaves_doubt() {
        assert_eq!(Answer::Done(b"{\"a\":7}".to_vec()).object(), Ok(json!({"a": 7})));
        for body in ["", "<html>", "7", "null", "[]", "{}x"] {
            assert_eq!(Answer::Done(body.into()).object(), Err(Answer::unreadable()), "{body}");
        }
        assert!(matches!(Answer::unreadable(), Answer::Doubtful(_)));
        assert_eq!(Answer::Missing.object(), Err(Answer::Missing));
    }

    #[test]
    fn what_google_leaves_out_is_empty() {
        let object = json!({"text": "a", "list": [1], "id": 7, "odd": {"text": 1, "list": "a", "id": -1}});
        assert_eq!((text(&object, "text"), list(&object, "list"), number(&object, "id")), ("a", &[json!(1)][..], 7));
        for absent in [&json!({}), &json!(null), &object["odd"]] {
            assert_eq!((text(absent, "text"), list(absent, "list"), number(absent, "id")), ("", &[][..], 0));
        }
        assert_eq!(number::<i32>(&json!({"id": 1_u64 << 31}), "id"), 0);
    }
}
