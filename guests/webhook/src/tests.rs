//! Scripts of signals, and what is done.

use std::ops::Range;

use punchcard_sdk::connector::Rejection;
use punchcard_sdk::http::Response;
use punchcard_sdk::settings::parse_settings;
use punchcard_sdk::state::{parse_state, render_state};
use punchcard_sdk::{Cell, ColumnKind, Instant, Row};

use super::*;

mod answer;
mod piece;
mod refusal;

fn settings(more: &str) -> Settings {
    parse_settings(&format!(r#"{{"url":"https://example.com/rows"{more}}}"#)).unwrap()
}

fn batch() -> Batch {
    let column = |key: &str, kind| Column { key: key.into(), title: key.to_uppercase(), kind };
    let moment = Instant { unix_micros: 0, utc_offset_minutes: 600 };
    Batch {
        id: "5f0c".into(),
        columns: vec![
            column("at", ColumnKind::DateTime),
            column("day", ColumnKind::Date),
            column("hour", ColumnKind::Time),
            column("what", ColumnKind::Text),
            column("n", ColumnKind::Number),
            column("ok", ColumnKind::Flag),
            column("took", ColumnKind::Duration),
        ],
        rows: vec![Row {
            key: "01J/0".into(),
            cells: vec![
                Cell::Moment(moment),
                Cell::Empty,
                Cell::Empty,
                Cell::Text("=1+1".into()),
                Cell::Number(0.5),
                Cell::Flag(true),
                Cell::Seconds(90.0),
            ],
        }],
        corrections: vec![],
    }
}

fn context(entropy: u8) -> Context {
    let now = Instant { unix_micros: 0, utc_offset_minutes: 0 };
    Context { now, monotonic_ms: 0, boot: String::new(), entropy: vec![entropy], device: "door".into() }
}

fn step(state: &mut State, signal: Signal) -> Directive {
    Webhook::step(&settings(""), state, &batch(), signal, &context(0)).unwrap()
}

fn failing(failures: u32) -> State {
    let mut state = State::default();
    state.failures = failures;
    state
}

/// A receiver of a batch with this many rows, and what the device is told at each step.
struct Script {
    settings: Settings,
    state: State,
    batch: Batch,
    device: &'static str,
}

impl Script {
    fn new(rows: u32) -> Self {
        Self::of_bytes(rows, 0)
    }

    /// With a text of so many bytes in each row.
    fn of_bytes(rows: u32, bytes: usize) -> Self {
        let cells = || vec![Cell::Text("x".repeat(bytes))];
        let rows = (0..rows).map(|row| Row { key: format!("01J/{row}"), cells: cells() }).collect();
        let columns = vec![Column { key: "what".into(), title: "What".into(), kind: ColumnKind::Text }];
        Self {
            settings: settings(""),
            state: State::default(),
            batch: Batch { columns, rows, ..batch() },
            device: "door",
        }
    }

    fn step(&mut self, signal: Signal) -> Directive {
        let context = Context { device: self.device.into(), ..context(0) };
        // As the host does between two steps.
        let kept = render_state(&self.state, Webhook::STATE_VERSION).unwrap();
        assert!(kept.len() <= 1 << 20, "{} bytes", kept.len());
        self.state = parse_state(&kept, Webhook::STATE_VERSION, Webhook::migrate).unwrap();
        Webhook::step(&self.settings, &mut self.state, &self.batch, signal, &context).unwrap()
    }

    fn answer(&mut self, status: u16, body: &str) -> Directive {
        self.step(answered(status, &[], body))
    }

    /// Lets a receiver answer until nothing is sent any more. It is asked with the range of rows that a request carries.
    fn run(&mut self, answer: impl Fn(&Range<u32>) -> (u16, String)) -> (Vec<Range<u32>>, Directive) {
        let (mut asked, mut directive) = (Vec::new(), self.step(Signal::Begin));
        while let Directive::Send(request) = &directive {
            let range = range(request);
            let (status, body) = answer(&range);
            asked.push(range);
            assert!(asked.len() < 10_000, "it never ends");
            directive = self.answer(status, &body);
        }
        (asked, directive)
    }
}

fn body(request: &Request) -> serde_json::Value {
    serde_json::from_slice(&request.body.as_ref().unwrap().bytes).unwrap()
}

/// The rows of a request, after a look at what says so: its key, twice, and its content.
fn range(request: &Request) -> Range<u32> {
    let body = body(request);
    let number = |row: &serde_json::Value| row["key"].as_str().unwrap()["01J/".len()..].parse::<u32>().unwrap();
    let rows = body["rows"].as_array().unwrap();
    let range = number(&rows[0])..number(rows.last().unwrap()) + 1;
    assert_eq!(rows.len(), range.len());
    let key = &request.headers[0].value;
    assert_eq!(body["batch"], key.as_str());
    if key != "5f0c" {
        assert_eq!(*key, format!("5f0c/{}-{}", range.start, range.end));
    }
    range
}

fn sent(directive: Directive) -> Request {
    match directive {
        Directive::Send(request) => request,
        other => panic!("{other:?}"),
    }
}

fn held(directive: Directive) -> (u64, Problem) {
    match directive {
        Directive::Hold(Pause { milliseconds, problem: Some(problem) }) => {
            assert!(problem.headline.chars().count() <= 21, "{}", problem.headline);
            (milliseconds, problem)
        }
        other => panic!("{other:?}"),
    }
}

fn answered(status: u16, headers: &[(&str, &str)], body: &str) -> Signal {
    let headers = headers.iter().map(|(name, value)| Header { name: (*name).into(), value: (*value).into() }).collect();
    Signal::Responded(Response { status, headers, body: body.into() })
}

fn rejected(directive: Directive) -> Vec<Rejection> {
    match directive {
        Directive::Delivered(Receipt { rejected, link: None }) => rejected,
        other => panic!("{other:?}"),
    }
}

fn headline(directive: Directive) -> String {
    let (milliseconds, problem) = held(directive);
    assert_eq!(milliseconds, 900_000);
    problem.headline
}

fn pause(directive: &Directive) -> (u64, bool) {
    match directive {
        Directive::Wait(pause) => (pause.milliseconds, pause.problem.is_some()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_batch_is_posted_with_its_id() {
    for signal in [Signal::Begin, Signal::Resumed, Signal::Elapsed, Signal::Retry] {
        let Directive::Send(request) = step(&mut State::default(), signal) else { panic!("not sent") };
        assert_eq!(request.url, "https://example.com/rows");
        assert_eq!(request.method, punchcard_sdk::http::Method::Post);
        assert_eq!(request.headers, [Header { name: "Idempotency-Key".into(), value: "5f0c".into() }]);
        assert!(!request.idempotent);
        assert_eq!(request.timeout_ms, Some(60_000));
        let body = request.body.unwrap();
        assert_eq!(body.media_type, "application/json");
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&body.bytes).unwrap(),
            serde_json::json!({
                "batch": "5f0c",
                "device": "door",
                "columns": [
                    {"key": "at", "title": "AT", "kind": "date-time"},
                    {"key": "day", "title": "DAY", "kind": "date"},
                    {"key": "hour", "title": "HOUR", "kind": "time"},
                    {"key": "what", "title": "WHAT", "kind": "text"},
                    {"key": "n", "title": "N", "kind": "number"},
                    {"key": "ok", "title": "OK", "kind": "flag"},
                    {"key": "took", "title": "TOOK", "kind": "duration"},
                ],
                "rows": [{"key": "01J/0", "cells": {
                    "at": "1970-01-01T10:00:00.000000+10:00", "day": null, "hour": null, "what": "=1+1", "n": 0.5,
                    "ok": true, "took": 90.0,
                }}],
            })
        );
    }
}

#[test]
fn there_is_nothing_to_prepare() {
    for signal in [Signal::Prepare, Signal::CreateAnew] {
        assert_eq!(rejected(step(&mut State::default(), signal)), []);
    }
    let empty = Batch { rows: vec![], ..batch() };
    for signal in [Signal::Begin, Signal::Retry] {
        let done = Webhook::step(&settings(""), &mut State::default(), &empty, signal, &context(0)).unwrap();
        assert_eq!(rejected(done), []);
    }
}

#[test]
fn an_answer_that_is_too_long_to_be_read_is_no_delivery() {
    let mut state = failing(3);
    let (milliseconds, problem) = held(step(&mut state, Signal::Failed(Failure::TooLarge(8))));
    assert_eq!((milliseconds, problem.headline.as_str()), (24 * 60 * 60_000, "answer too long"));
    assert!(problem.advice.contains("more than 8 bytes"), "{}", problem.advice);
    assert_eq!(rejected(step(&mut state, answered(200, &[], ""))), []);
}

#[test]
fn a_repeat_is_the_same_byte_by_byte_even_when_the_device_has_another_name() {
    let mut script = Script::new(3);
    let first = sent(script.step(Signal::Begin));
    assert_eq!(body(&first)["device"], "door");
    script.device = "gate";
    for signal in [Signal::Resumed, Signal::Elapsed, Signal::Retry] {
        assert_eq!(sent(script.step(signal)), first);
        assert!(matches!(script.step(Signal::Failed(Failure::Interrupted("reset".into()))), Directive::Wait(_)));
        assert!(matches!(script.answer(409, ""), Directive::Wait(_)));
        assert!(matches!(script.answer(403, ""), Directive::Hold(_)));
        // What comes without rows between two steps is not about this batch.
        let (empty, context) = (Batch { id: "a wish".into(), rows: vec![], ..batch() }, context(0));
        for signal in [Signal::Prepare, Signal::CreateAnew] {
            let done = Webhook::step(&script.settings, &mut script.state, &empty, signal, &context).unwrap();
            assert_eq!(rejected(done), []);
        }
    }
    assert_eq!(rejected(script.answer(200, "")), []);
    script.batch.id = "77aa".into();
    let next = sent(script.step(Signal::Begin));
    assert_eq!((body(&next)["device"].as_str(), next.headers[0].value.as_str()), (Some("gate"), "77aa"));
}

#[test]
fn a_receiver_that_is_still_at_work_on_the_batch_is_asked_again_and_its_words_are_said() {
    let mut script = Script::new(1);
    let first = sent(script.step(Signal::Begin));
    assert_eq!(pause(&script.step(Signal::Failed(Failure::Interrupted("timed out".into())))), (1_000, false));
    assert_eq!(pause(&script.answer(409, "at work")), (2_000, false));
    let Directive::Wait(Pause { problem: Some(problem), .. }) = script.answer(409, "at work") else { panic!() };
    assert!(problem.advice.ends_with("the server answers 409; it says: at work"), "{}", problem.advice);
    assert_eq!(sent(script.step(Signal::Elapsed)), first);
    assert_eq!(rejected(script.answer(200, "")), []);
}

#[test]
fn what_an_older_version_posted_was_the_whole_batch() {
    let older = || parse_state(br#"[1,{"failures":2}]"#, Webhook::STATE_VERSION, Webhook::migrate).unwrap();
    let mut script = Script { state: older(), ..Script::new(3) };
    let rows = rejected(script.answer(200, r#"{"rejected":[{"row":2}]}"#));
    assert_eq!((rows.len(), rows[0].row), (1, 2));
    for signal in [Signal::Resumed, Signal::Elapsed, Signal::Retry] {
        let mut script = Script { state: older(), ..Script::new(3) };
        script.settings.rows_per_request = 2;
        assert_eq!(sent(script.step(signal)).headers[0].value, "5f0c");
        assert_eq!(range(&sent(script.answer(422, ""))), 0..1, "it took none");
    }
}

#[test]
fn between_batches_an_older_version_can_take_over() {
    let mut script = Script::new(3);
    script.run(|_| (200, String::new()));
    let none = br#"[1,{"failures":0}]"#;
    assert_eq!(render_state(&script.state, Webhook::STATE_VERSION).unwrap(), none);
    // Also once pieces are as large again as the settings say: 6 and 413, 3, 4; then 6 again.
    for (rows, pieces) in [(8, &[0..6, 0..3, 3..7, 7..8][..]), (7, &[0..6, 0..3, 3..7])] {
        let mut script = Script::new(rows);
        script.settings.rows_per_request = 6;
        let (asked, _) = script.run(|rows| (if rows.len() > 5 { 413 } else { 200 }, String::new()));
        assert_eq!(asked, pieces);
        assert_eq!(render_state(&script.state, Webhook::STATE_VERSION).unwrap(), none);
    }
}

#[test]
fn a_batch_without_rows_leaves_the_one_on_its_way_alone() {
    let mut script = Script::new(3);
    script.step(Signal::Begin);
    let (before, empty) = (script.state.clone(), Batch { id: "77aa".into(), rows: vec![], ..batch() });
    let done = Webhook::step(&script.settings, &mut script.state, &empty, Signal::Retry, &context(0)).unwrap();
    assert_eq!((rejected(done), script.state), (vec![], before));
}

#[test]
fn a_request_has_no_more_rows_than_its_columns_leave_room_for() {
    let rows = |columns: usize, key: &str| {
        let column = Column { key: key.into(), title: String::new(), kind: ColumnKind::Number };
        let most = settings(r#","rows-per-request":10000"#);
        Webhook::check(&most, &vec![column; columns]).unwrap().rows_per_batch
    };
    assert_eq!(rows(3, "k"), 10_000);
    // 2 MiB / (64 + 25 × (12 + 45)); a quotation mark takes two bytes.
    assert_eq!((rows(25, &"k".repeat(10)), rows(25, &"\"".repeat(5))), (1_408, 1_408));
    assert_eq!(rows(256, &"k".repeat(1_024)), 7);
    assert_eq!(rows(2_000, &"k".repeat(1_024)), 1);
    // A moment that is a guess has its column named once more: 2 MiB / (64 + 100 × (2 × 5 + 45 + 16)).
    let column = Column { key: "now".into(), title: String::new(), kind: ColumnKind::DateTime };
    let most = settings(r#","rows-per-request":10000"#);
    assert_eq!(Webhook::check(&most, &vec![column; 100]).unwrap().rows_per_batch, 292);
}

#[test]
fn a_receiver_can_refuse_rows_of_the_batch_once() {
    let body = r#"{"rejected":[{"row":0,"reason":"old"},{"row":0}]}"#;
    let rows = rejected(step(&mut State::default(), answered(200, &[], body)));
    assert_eq!(rows, [Rejection { row: 0, reason: "old".into() }]);
    let rows = rejected(step(&mut State::default(), answered(200, &[], r#"{"rejected":[{"row":0,"reason":null}]}"#)));
    assert_eq!(rows, [Rejection { row: 0, reason: "no reason was given".into() }]);
}

#[test]
fn what_heals_by_itself_is_waited_for_ever_longer() {
    let mut state = State::default();
    let mut pauses = Vec::new();
    for status in [500, 502, 503, 599, 408, 409, 425, 429, 500, 500, 500] {
        pauses.push(pause(&step(&mut state, answered(status, &[], ""))));
    }
    let seconds: Vec<u64> = pauses.iter().map(|(milliseconds, _)| milliseconds / 1_000).collect();
    assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    let said: Vec<bool> = pauses.iter().map(|(_, said)| *said).collect();
    assert_eq!(said[..3], [false, false, true]);
    for failure in [Failure::Unsent("no route".into()), Failure::Interrupted("reset".into())] {
        assert_eq!(pause(&step(&mut State::default(), Signal::Failed(failure))), (1_000, false));
    }
    let mut many = failing(32);
    assert_eq!(pause(&step(&mut many, answered(500, &[], ""))).0, 300_000);
    assert_eq!(many.failures, 33);
}

const RECEIPT: &str = "`receipt` is { member = \"…\", value = … } with a text, a number or a flag, or { text = \"…\" }";

#[test]
fn settings_are_checked_by_name() {
    let limits = Webhook::check(&settings(""), &[]).unwrap();
    assert_eq!((limits.rows_per_batch, limits.requests_per_minute), (1_000, 60));
    assert_eq!(limits.bytes_per_batch, 1_048_576);
    for (more, says) in [
        (r#","rows-per-request":0"#, "`rows-per-request` is 0; 1 to 10000 is accepted"),
        (r#","rows-per-request":10001"#, "`rows-per-request` is 10001; 1 to 10000 is accepted"),
        (r#","requests-per-minute":0"#, "`requests-per-minute` is 0; 1 to 6000 is accepted"),
        (r#","timeout-ms":999"#, "`timeout-ms` is 999; 1000 to 600000 is accepted"),
        (r#","receipt":{}"#, RECEIPT),
        (r#","receipt":{"member":"ok"}"#, RECEIPT),
        (r#","receipt":{"value":true}"#, RECEIPT),
        (r#","receipt":{"member":"ok","value":[]}"#, RECEIPT),
        (r#","receipt":{"member":"ok","value":true,"text":"ok"}"#, RECEIPT),
        (r#","receipt":{"text":" "}"#, RECEIPT),
    ] {
        assert_eq!(Webhook::check(&settings(more), &[]), Err(Error::InvalidSettings(says.into())));
    }
}

#[test]
fn an_address_is_https_or_http_and_names_no_user() {
    let checked = |url: &str| Webhook::check(&Settings { url: url.into(), ..settings("") }, &[]).map(|_| ());
    let refused = |said: &str| Err(Error::InvalidSettings(said.into()));
    for url in ["ftp://example.com", "example.com", "user:hidden@example.com", ""] {
        assert_eq!(checked(url), refused("`url` begins with neither https:// nor http://"), "{url}");
    }
    for url in [
        "https://user@example.com/",
        "https://user:hidden@example.com",
        "http://@example.com/rows",
        "https:///user@example.com/",
        "https://\\user@example.com/",
        "https://user:a@b@example.com/",
    ] {
        assert_eq!(
            checked(url),
            refused("`url` names a user; take that out, and give the sink an `authorize`"),
            "{url}"
        );
    }
    for url in ["http://192.168.1.5/", "https://h.example/@me", "https://h.example?to=a@b", "https://h.example#a@b"] {
        assert_eq!(checked(url), Ok(()), "{url}");
    }
}

#[test]
fn what_the_settings_need_is_said() {
    for (more, authorization) in [("", false), (r#","authorized":false"#, false), (r#","authorized":true"#, true)] {
        let urls = vec!["https://example.com/rows".to_owned()];
        assert_eq!(Webhook::needs(&settings(more)), Needs { urls, slots: vec![], authorization });
    }
    let secret = Settings { url: "https://h.example/in?key=hidden#x".into(), ..settings("") };
    assert_eq!(Webhook::needs(&secret).urls, ["https://h.example/in"]);
}

#[test]
fn what_plugins_toml_authorizes_is_authorized_unless_a_setting_says_no() {
    for (more, authorized) in [("", true), (r#","authorized":true"#, true), (r#","authorized":false"#, false)] {
        let begun = Webhook::step(&settings(more), &mut State::default(), &batch(), Signal::Begin, &context(0));
        assert_eq!(sent(begun.unwrap()).authorized, authorized, "{more}");
    }
    assert_eq!(sent(step(&mut State::default(), Signal::Begin)).timeout_ms, Some(60_000));
    let begun =
        Webhook::step(&settings(r#","timeout-ms":5000"#), &mut State::default(), &batch(), Signal::Begin, &context(0));
    assert_eq!(sent(begun.unwrap()).timeout_ms, Some(5_000));
}

#[test]
fn a_row_that_corrects_another_says_which_and_how_in_whatever_piece_it_goes() {
    use punchcard_sdk::connector::{Correction, CorrectionKind};

    let mut script = Script::new(3);
    script.settings = settings(r#","rows-per-request":2"#);
    let correction = |row, kind| Correction { row, of: format!("01J/{row}"), kind };
    script.batch.corrections = vec![correction(1, CorrectionKind::Changed), correction(2, CorrectionKind::Withdrawn)];
    let corrections = |directive: Directive| {
        let Directive::Send(request) = directive else { panic!("{directive:?}") };
        let body: serde_json::Value = serde_json::from_slice(&request.body.unwrap().bytes).unwrap();
        body["rows"].as_array().unwrap().iter().map(|row| row["correction"].clone()).collect::<Vec<_>>()
    };
    let none = serde_json::Value::Null;
    let changed = serde_json::json!({ "of": "01J/1", "kind": "changed" });
    assert_eq!(corrections(script.step(Signal::Begin)), [none, changed]);
    let taken = Signal::Responded(Response { status: 200, headers: vec![], body: vec![] });
    let withdrawn = serde_json::json!({ "of": "01J/2", "kind": "withdrawn" });
    assert_eq!(corrections(script.step(taken)), [withdrawn]);
}
