//! Answers: what an answer, or its absence, means for what was asked.
//!
//! It does not know what was asked. Every answer is one of a few cases, and what matters is whether something may have
//! been done.

use punchcard_sdk::Problem;
use punchcard_sdk::http::{Failure, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;

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
    /// Reads an answer's body. One that can't be read leaves in doubt what was done.
    pub(crate) fn parse<T: DeserializeOwned>(self) -> Result<T, Self> {
        match self {
            Self::Done(body) => serde_json::from_slice(&body)
                .map_err(|error| Self::Doubtful(format!("Google's answer can't be read: {error}"))),
            other => Err(other),
        }
    }
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
        403 => parse_forbidden(&RawError::parse(&body)),
        _ => Answer::Refused(RawError::parse(&body).said(status)),
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
fn parse_forbidden(error: &RawError) -> Answer {
    let reasons: Vec<&str> = error.reasons().collect();
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
        Answer::Barred(problem::api_disabled(&error.message))
    } else if any(&["ACCESS_TOKEN_SCOPE_INSUFFICIENT", "insufficientPermissions", "insufficientScopes"]) {
        Answer::Barred(problem::scope_missing())
    } else if any(&["storageQuotaExceeded"]) {
        Answer::Barred(problem::storage_full())
    } else {
        Answer::Barred(problem::forbidden(&error.said(403)))
    }
}

/// `error` of Google's error bodies.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawError {
    message: String,
    /// Of Drive.
    errors: Vec<RawReason>,
    details: Vec<RawReason>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawReason {
    reason: Option<String>,
}

impl RawError {
    /// A body that is something else says nothing.
    fn parse(body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Body {
            error: RawError,
        }
        serde_json::from_slice::<Body>(body).map(|body| body.error).unwrap_or_default()
    }

    fn reasons(&self) -> impl Iterator<Item = &str> {
        self.errors.iter().chain(&self.details).filter_map(|entry| entry.reason.as_deref())
    }

    fn said(&self, status: u16) -> String {
        if self.message.is_empty() { format!("status {status}, without a reason") } else { self.message.clone() }
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(Answer::Done(b"7".to_vec()).parse::<u8>(), Ok(7));
        assert!(matches!(Answer::Done(b"<html>".to_vec()).parse::<u8>(), Err(Answer::Doubtful(_))));
        assert_eq!(Answer::Missing.parse::<u8>(), Err(Answer::Missing));
    }
}
