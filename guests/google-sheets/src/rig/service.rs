//! The service, and the ways in which requests to it fail.
//!
//! Google is the stand-in's world. What can be lost, be late or be garbled between a device and Google is here.

use std::collections::VecDeque;
use std::time::Duration;

use google_sim::{Config, Direct, MissingMetadata};
use punchcard_sdk::http::{Failure, Header, Method, Request, Response};
use serde_json::{Value, json};

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// Carried out and answered.
    None,
    /// Never leaves.
    Unsent,
    /// Lost on the way there.
    LostBefore,
    /// Carried out; the answer is lost.
    LostAfter,
    /// The connection breaks, and after so many milliseconds it is carried out.
    Late(u64),
    /// Refused with this status before anything is done.
    Status(u16),
    /// Carried out and answered with a page of HTML and this status.
    HtmlAfter(u16),
    /// Carried out and answered with a 200 that is no JSON.
    Garbled,
    /// Carried out; the answer is too long.
    TooLarge,
    /// The host dies before it is sent, and the machine with it or not.
    CrashBefore { reboot: bool },
    /// The host dies after it was carried out.
    CrashAfter { reboot: bool },
    /// The host dies and it is carried out after so many milliseconds.
    CrashLate { reboot: bool, after_ms: u64 },
}

/// What a device sees of a request.
pub(crate) enum Reply {
    Response(Response),
    Failure(Failure),
    Crash { reboot: bool },
}

pub(crate) struct Google {
    pub(crate) direct: Direct,
    started_ms: i64,
    /// What was asked, in short: `append`, `mark`, `files`.
    pub(crate) log: Vec<&'static str>,
    /// Whole requests: what was asked, the URL, the body.
    pub(crate) requests: Vec<(&'static str, String, Value)>,
    pub(crate) faults: VecDeque<Fault>,
    late: Vec<(u64, Request)>,
    /// Answers instead of the service: by what is asked, as often as given.
    pub(crate) scripted: VecDeque<(&'static str, u16, String)>,
}

impl Default for Google {
    fn default() -> Self {
        let access_tokens_live_for = Duration::from_secs(400_000_000);
        let config = Config { quota: false, access_tokens_live_for, ..Config::default() };
        let direct = Direct::new(config, "2026-11-20T10:00:00Z".parse().unwrap()).unwrap();
        Self {
            started_ms: direct.now().as_millisecond(),
            direct,
            log: vec![],
            requests: vec![],
            faults: VecDeque::new(),
            late: vec![],
            scripted: VecDeque::new(),
        }
    }
}

impl Google {
    /// One whose listings show a new spreadsheet after so many seconds, and with these faults.
    pub(crate) fn lagging(listing_lag_seconds: u64, faults: impl Into<VecDeque<Fault>>) -> Self {
        let mut google = Self { faults: faults.into(), ..Self::default() };
        google.direct.switch(|switches| switches.listing_lag_seconds = listing_lag_seconds);
        google
    }

    /// Whether a batch is refused that deletes metadata which is not there.
    pub(crate) fn refuse_missing_metadata(&mut self, is_refused: bool) {
        let missing_metadata = if is_refused { MissingMetadata::Refused } else { MissingMetadata::Ignored };
        self.direct.switch(|switches| switches.missing_metadata = missing_metadata);
    }

    /// Milliseconds since the beginning.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.direct.now().as_millisecond() - self.started_ms).unwrap()
    }

    /// The time goes on, and what was late is carried out.
    pub(crate) fn advance(&mut self, milliseconds: u64) {
        let end = self.now_ms() + milliseconds;
        self.late.sort_by_key(|(at, _)| *at);
        while let Some((at, _)) = self.late.first()
            && *at <= end
        {
            let (at, request) = self.late.remove(0);
            self.direct.advance(Duration::from_millis(at.saturating_sub(self.now_ms())));
            self.carry_out(&request);
        }
        self.direct.advance(Duration::from_millis(end - self.now_ms()));
    }

    /// Takes a request, in the way of the next fault.
    pub(crate) fn perform(&mut self, request: &Request) -> Reply {
        let kind = kind(request);
        self.log.push(kind);
        let body = request.body.as_ref().map_or(Value::Null, |body| {
            assert_eq!(body.media_type, "application/json");
            serde_json::from_slice(&body.bytes).unwrap()
        });
        self.requests.push((kind, request.url.clone(), body));
        assert!(request.authorized);
        assert_eq!(request.idempotent, !matches!(kind, "create" | "setup" | "adopt" | "extend" | "append"), "{kind}");
        if let Some(position) = self.scripted.iter().position(|(asked, ..)| *asked == kind)
            && let Some((_, status, body)) = self.scripted.remove(position)
        {
            return Reply::Response(Response { status, headers: vec![], body: body.into_bytes() });
        }
        let interrupted = || Reply::Failure(Failure::Interrupted("connection reset".into()));
        match self.faults.pop_front().unwrap_or(Fault::None) {
            Fault::None => self.carry_out(request).map_or_else(interrupted, Reply::Response),
            Fault::Unsent => Reply::Failure(Failure::Unsent("no route to host".into())),
            Fault::LostBefore => interrupted(),
            Fault::LostAfter => {
                self.carry_out(request);
                interrupted()
            }
            Fault::Late(after_ms) => {
                self.late.push((self.now_ms() + after_ms, request.clone()));
                interrupted()
            }
            Fault::Status(status) => {
                let message = "Quota exceeded for quota metric 'Write requests'.";
                let body = json!({"error": {"code": status, "message": message, "errors": [{"reason": "userRateLimitExceeded"}]}});
                Reply::Response(response(status, &body))
            }
            Fault::HtmlAfter(status) => {
                self.carry_out(request);
                Reply::Response(Response { status, headers: vec![], body: b"<html>".to_vec() })
            }
            Fault::Garbled => {
                let Some(mut response) = self.carry_out(request) else { return interrupted() };
                response.body.truncate(10);
                Reply::Response(response)
            }
            Fault::TooLarge => {
                self.carry_out(request);
                Reply::Failure(Failure::TooLarge(8 << 20))
            }
            Fault::CrashBefore { reboot } => Reply::Crash { reboot },
            Fault::CrashAfter { reboot } => {
                self.carry_out(request);
                Reply::Crash { reboot }
            }
            Fault::CrashLate { reboot, after_ms } => {
                self.late.push((self.now_ms() + after_ms, request.clone()));
                Reply::Crash { reboot }
            }
        }
    }

    fn carry_out(&mut self, request: &Request) -> Option<Response> {
        let method = if request.method == Method::Get { "GET" } else { "POST" };
        let url = request.url.strip_prefix("https://").unwrap();
        let path = url.strip_prefix("www.googleapis.com").or(url.strip_prefix("sheets.googleapis.com")).unwrap();
        let answer = self.direct.call(method, path, request.body.as_ref().map(|body| body.bytes.as_slice()))?;
        let headers = answer.headers.into_iter().map(|(name, value)| Header { name, value }).collect();
        Some(Response { status: answer.status, headers, body: answer.body })
    }
}

/// What a request is about.
fn kind(request: &Request) -> &'static str {
    let body = || String::from_utf8(request.body.as_ref().unwrap().bytes.clone()).unwrap();
    match (request.method, &request.url) {
        (Method::Get, url) if url.contains("/v3/files?") => "files",
        (Method::Post, url) if url.contains("/v3/files?") => "create",
        (Method::Get, url) if url.contains("/v3/files/") => "trashed",
        (Method::Get, url) if url.contains("/developerMetadata/") => "mark",
        (Method::Get, url) if url.contains("majorDimension=COLUMNS") => "header",
        (Method::Get, url) if url.contains("/values/") => "rows",
        (Method::Post, url) if url.ends_with("/developerMetadata:search") && body().contains("batch") => "marks",
        (Method::Post, url) if url.ends_with("/developerMetadata:search") => "columns",
        (Method::Post, url) if url.ends_with(":batchUpdate") && body().contains("addSheet") => "setup",
        (Method::Post, url) if url.ends_with(":batchUpdate") && body().contains("appendCells") => "append",
        (Method::Post, url) if url.ends_with(":batchUpdate") && body().contains("punchcard.tab") => "adopt",
        (Method::Post, url) if url.ends_with(":batchUpdate") => "extend",
        (Method::Get, url) if url.contains("/v4/spreadsheets/") => "tabs",
        (_, url) => panic!("{url}"),
    }
}

fn response(status: u16, body: &Value) -> Response {
    let headers = vec![Header { name: "Content-Type".into(), value: "application/json; charset=UTF-8".into() }];
    Response { status, headers, body: format!("{body:#}\n").into_bytes() }
}
