//! Scripts of signals, and what is done.

use std::ops::Range;

use punchcard_sdk::connector::Rejection;
use punchcard_sdk::http::Response;
use punchcard_sdk::settings::parse_settings;
use punchcard_sdk::state::{parse_state, render_state};
use punchcard_sdk::{Cell, ColumnKind, Instant, Row};

use super::*;

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
        assert!(!request.idempotent && !request.authorized);
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
fn the_sinks_authority_is_added_where_the_settings_want_it() {
    let settings = settings(r#","authorized":true,"timeout-ms":5000"#);
    let directive = Webhook::step(&settings, &mut State::default(), &batch(), Signal::Begin, &context(0)).unwrap();
    let Directive::Send(request) = directive else { panic!("not sent") };
    assert!(request.authorized);
    assert_eq!(request.timeout_ms, Some(5_000));
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
fn any_2xx_means_that_the_batch_is_there() {
    for (status, body) in [
        (200, ""),
        (204, ""),
        (299, "<html>"),
        (201, "{}"),
        (200, r#"{"rejected":null}"#),
        (200, r#"["rejected"]"#),
        (200, r#"[[{"row":0}]]"#),
        (200, "{"),
        (200, "{'ok': true, 'batch': 1}"),
    ] {
        let mut state = failing(3);
        assert_eq!(rejected(step(&mut state, answered(status, &[], body))), []);
        assert_eq!(state, State::default());
    }
}

#[test]
fn a_refusal_that_can_not_be_read_is_no_delivery() {
    for (body, found) in [
        (r#"{"rejected":"no"}"#, "invalid type: string \"no\""),
        (r#"{"rejected":[{"row":"0","reason":"old"}]}"#, "invalid type: string \"0\""),
        (r#"{"rejected":[{"reason":"old"}]}"#, "missing field `row`"),
        (r#"{"rejected":[{"row":-1}]}"#, "invalid value: integer `-1`"),
        (r#"{"rejected":[{"row":1,"reason":"counted from one"}]}"#, "no row 1 among 1"),
        (r#"{"rejected":[{"row":0}"#, "EOF"),
        (r#"{'batch':1,"rejected":[]}"#, "key must be a string"),
        ("\u{feff}{\"rejected\":7}", "invalid type: integer `7`"),
    ] {
        let mut state = failing(3);
        let (milliseconds, problem) = held(step(&mut state, answered(200, &[], body)));
        assert_eq!((problem.headline.as_str(), state.failures), ("answer not readable", 0));
        assert!(problem.advice.contains(found), "{}", problem.advice);
        assert!(problem.advice.ends_with("the `Idempotency-Key` is 5f0c"), "{}", problem.advice);
        // Each repeat is a copy at a receiver that does not remember ids.
        assert_eq!(milliseconds, 24 * 60 * 60_000);
        assert_eq!(sent(step(&mut state, Signal::Retry)).headers[0].value, "5f0c");
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
fn a_batch_that_is_too_large_goes_in_halves() {
    let mut script = Script::new(10);
    let (asked, done) = script.run(|rows| (if rows.len() > 3 { 413 } else { 200 }, String::new()));
    assert_eq!(rejected(done), []);
    assert_eq!(asked, [0..10, 0..5, 0..2, 2..5, 5..9, 5..7, 7..10]);
    // The next batch begins with what passed last, and a quarter more.
    script.batch.id = "77aa".into();
    assert_eq!(sent(script.step(Signal::Begin)).headers[0].value, "77aa/0-4");
}

#[test]
fn a_row_that_is_too_large_alone_is_refused_and_holds_up_no_other() {
    let mut script = Script::new(1_000);
    script.batch.rows[700].cells = vec![Cell::Text("x".repeat(70_000))];
    let (asked, done) = script.run(|rows| (if rows.contains(&700) { 413 } else { 200 }, String::new()));
    let reason = "the server answers 413: 70143 bytes with this row alone are too many".to_owned();
    assert_eq!(rejected(done), [Rejection { row: 700, reason }]);
    assert!(asked.len() < 60, "{}", asked.len());
    // Every other row arrived once, in order.
    let arrived: Vec<u32> = asked.into_iter().filter(|rows| !rows.contains(&700)).flatten().collect();
    assert_eq!(arrived, (0..1_000).filter(|row| *row != 700).collect::<Vec<_>>());
}

#[test]
fn every_row_too_large_is_a_batch_without_a_row_that_arrives() {
    let (asked, done) = Script::of_bytes(4, 70_000).run(|_| (413, String::new()));
    assert_eq!(rejected(done).iter().map(|rejection| rejection.row).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(asked, [0..4, 0..2, 0..1, 1..2, 2..3, 3..4]);
}

#[test]
fn a_receiver_to_which_everything_is_too_large_loses_no_row() {
    let mut script = Script::new(4);
    let (asked, held_up) = script.run(|_| (413, String::new()));
    assert_eq!(asked, [0..4, 0..2, 0..1]);
    let (milliseconds, problem) = held(held_up);
    assert_eq!((milliseconds, problem.headline.as_str()), (900_000, "webhook refuses rows"));
    let bytes = sent(script.step(Signal::Retry)).body.unwrap().bytes.len();
    assert_eq!(problem.advice, format!("the server answers 413 to {bytes} bytes with a single row; let it take more"));
    // At the border.
    for (more, refused) in [(0, false), (1, true)] {
        let mut script = Script::of_bytes(1, (64 << 10) - bytes + "/0-1".len() + more);
        let request = sent(script.step(Signal::Begin));
        assert_eq!(request.body.unwrap().bytes.len(), (64 << 10) + more);
        assert_eq!(matches!(script.answer(413, ""), Directive::Delivered(_)), refused);
    }
    // Mended, it goes on where it was.
    assert_eq!(range(&sent(script.answer(200, ""))), 1..3);
}

#[test]
fn what_is_too_large_for_a_while_is_waited_for() {
    let mut script = Script::new(4);
    let first = sent(script.step(Signal::Begin));
    assert_eq!(pause(&script.step(answered(413, &[("Retry-After", "9")], ""))), (9_000, false));
    assert_eq!(sent(script.step(Signal::Elapsed)), first);
    assert_eq!(range(&sent(script.answer(413, ""))), 0..2);
}

/// What leaves it open whether rows were taken, and what does not.
fn doubts() -> [(Signal, bool); 12] {
    [
        (Signal::Resumed, true),
        (Signal::Failed(Failure::Interrupted("reset".into())), true),
        (Signal::Failed(Failure::TooLarge(8)), true),
        (answered(200, &[], r#"{"rejected":7}"#), true),
        (answered(409, &[], ""), true),
        (answered(500, &[], ""), true),
        (answered(599, &[], ""), true),
        (Signal::Failed(Failure::Unsent("no route".into())), false),
        (answered(408, &[], ""), false),
        (answered(429, &[], ""), false),
        (answered(403, &[], ""), false),
        // It would have overtaken an answer.
        (Signal::Elapsed, true),
    ]
}

#[test]
fn a_restart_doubts_only_what_was_out() {
    for (signal, doubtful) in doubts() {
        let mut script = Script::new(4);
        script.step(Signal::Begin);
        script.step(signal.clone());
        let sends_at_once = matches!(signal, Signal::Resumed | Signal::Elapsed);
        assert_eq!(range(&sent(script.step(Signal::Resumed))), 0..4);
        let held_up = matches!(script.answer(422, ""), Directive::Hold(_));
        assert_eq!(held_up, doubtful || sends_at_once, "{signal:?}");
    }
}

#[test]
fn rows_that_may_have_arrived_are_not_sent_under_other_keys() {
    for status in [400, 422] {
        for (signal, doubtful) in doubts() {
            let mut script = Script::new(4);
            let first = sent(script.step(Signal::Begin));
            script.step(signal.clone());
            let answer = script.answer(status, "seen");
            if !doubtful {
                assert_eq!(range(&sent(answer)), 0..2, "{signal:?}");
                continue;
            }
            let (milliseconds, problem) = held(answer);
            assert_eq!((milliseconds, problem.headline.as_str()), (900_000, "webhook refuses rows"));
            assert_eq!(
                problem.advice,
                format!(
                    "the server answers {status} to rows that it may have from an earlier try with the same \
                     `Idempotency-Key`, 5f0c; let it answer 200 to that key if it has them, and take them if not or \
                     name those that it refuses in `rejected`; it says: seen"
                )
            );
            assert_eq!(sent(script.step(Signal::Retry)), first, "{signal:?}");
            // Too large is too large: it is the same to the byte.
            assert_eq!(range(&sent(script.answer(413, ""))), 0..2);
            // What follows is in no doubt.
            assert_eq!(range(&sent(script.answer(422, ""))), 0..1);
            assert!(matches!(script.step(Signal::Failed(Failure::Interrupted("reset".into()))), Directive::Wait(_)));
            assert_eq!(range(&sent(script.answer(200, ""))), 1..3);
            assert_eq!(range(&sent(script.answer(400, ""))), 1..2);
        }
    }
}

#[test]
fn after_one_row_that_is_too_large_later_batches_go_whole_again() {
    let mut script = Script::new(8);
    script.run(|rows| (if rows.contains(&0) { 413 } else { 200 }, String::new()));
    for _ in 0..9 {
        script.run(|_| (200, String::new()));
    }
    assert_eq!(script.run(|_| (200, String::new())).0.first(), Some(&(0..8)));
}

#[test]
fn fewer_rows_in_the_settings_count_for_the_batch_on_its_way_once_it_is_in_no_doubt() {
    let mut script = Script::new(10);
    assert_eq!(range(&sent(script.step(Signal::Begin))), 0..10);
    script.settings.rows_per_request = 4;
    // The first may have arrived, and is known by its key only.
    assert_eq!(range(&sent(script.step(Signal::Resumed))), 0..10);
    assert_eq!(range(&sent(script.answer(413, ""))), 0..4);
    assert_eq!(range(&sent(script.answer(200, ""))), 4..8);
    assert_eq!(range(&sent(script.answer(200, ""))), 8..10);
    assert_eq!(rejected(script.answer(200, "")), []);
}

#[test]
fn a_piece_is_repeated_as_it_was_after_a_restart() {
    let mut script = Script::new(4);
    assert_eq!(range(&sent(script.step(Signal::Begin))), 0..4);
    let first = sent(script.answer(413, ""));
    assert_eq!(sent(script.step(Signal::Resumed)), first);
    let second = sent(script.answer(200, ""));
    assert_eq!((range(&first), range(&second)), (0..2, 2..4));
    assert!(matches!(script.step(Signal::Failed(Failure::Interrupted("reset".into()))), Directive::Wait(_)));
    assert_eq!(sent(script.step(Signal::Elapsed)), second);
    assert_eq!(rejected(script.answer(200, "")), []);
    assert_eq!(script.state.failures, 0);
}

#[test]
fn rows_that_are_refused_in_a_piece_are_counted_from_its_first() {
    let mut script = Script::new(4);
    let (_, done) = script.run(|rows| match rows.len() {
        4 => (413, String::new()),
        _ => (200, r#"{"rejected":[{"row":1,"reason":"old"}]}"#.to_owned()),
    });
    assert_eq!(rejected(done).iter().map(|rejection| rejection.row).collect::<Vec<_>>(), [1, 3]);
    let mut script = Script::new(4);
    script.step(Signal::Begin);
    script.answer(413, "");
    let (_, problem) = held(script.answer(200, r#"{"rejected":[{"row":2}]}"#));
    assert!(problem.advice.contains("no row 2 among 2"), "{}", problem.advice);
}

#[test]
fn the_reasons_of_a_batch_in_pieces_fit_into_a_state() {
    let mut script = Script::new(10_000);
    script.settings.rows_per_request = 10_000;
    let quotes = "\\\"".repeat(400);
    let (_, done) = script.run(|rows| {
        let refusals: Vec<_> = (0..rows.len()).map(|row| format!(r#"{{"row":{row},"reason":"{quotes}"}}"#)).collect();
        let small = rows.len() <= 5_000;
        if small { (200, format!(r#"{{"rejected":[{}]}}"#, refusals.join(","))) } else { (413, String::new()) }
    });
    let rows = rejected(done);
    assert_eq!((rows.len(), rows[0].reason.len()), (10_000, 300));
    assert_eq!(rows[4_999].reason, "no room for the reason");
    assert_eq!(script.state.failures, 0);
}

#[test]
fn a_row_that_the_receiver_does_not_accept_is_found_and_held_with_its_words() {
    for status in [400, 422] {
        let mut script = Script::new(8);
        let words = "no such\nproject\u{1b}[2J";
        let (asked, held_up) = script.run(|rows| (if rows.contains(&5) { status } else { 200 }, words.to_owned()));
        assert_eq!(asked, [0..8, 0..4, 4..8, 4..6, 4..5, 5..7, 5..6]);
        let (_, problem) = held(held_up);
        assert_eq!(problem.headline, "webhook refuses rows");
        assert_eq!(
            problem.advice,
            format!(
                "the server answers {status} to the row 01J/5 with the `Idempotency-Key` 5f0c/5-6; let it take the row, \
                 or answer 200 and name it in `rejected`; it says: no such project [2J"
            )
        );
        // Mended, the others follow.
        assert_eq!(range(&sent(script.step(Signal::Retry))), 5..6);
        assert_eq!(range(&sent(script.answer(200, r#"{"rejected":[{"row":0}]}"#))), 6..8);
        assert_eq!(rejected(script.answer(204, "")).len(), 1);
    }
}

#[test]
fn a_receivers_words_are_quoted_from_their_beginning() {
    let advice = |status, body: &str| {
        let mut script = Script::new(1);
        script.step(Signal::Begin);
        held(script.answer(status, body)).1.advice
    };
    for character in ["x", "é", "€", "🦀"] {
        let long = advice(400, &character.repeat(2_000));
        let (_, said) = long.split_once("; it says: ").unwrap();
        assert_eq!(said, character.repeat(300));
    }
    for status in [400, 422] {
        let silent = advice(status, " \r\n");
        assert!(silent.ends_with("`rejected`") && !silent.contains("`url`"), "{silent}");
    }
    assert_eq!(advice(404, "gone"), "the server answers 404; check the sink's `url`; it says: gone");
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
        assert!(matches!(script.answer(422, ""), Directive::Hold(_)), "it may be there");
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
    assert_eq!(many.failures, 32);
}

#[test]
fn devices_do_not_return_together() {
    let directive =
        Webhook::step(&settings(""), &mut State::default(), &batch(), answered(500, &[], ""), &context(250)).unwrap();
    assert_eq!(pause(&directive).0, 2_000);
}

#[test]
fn the_servers_own_pause_is_kept_within_reason() {
    for (value, milliseconds) in [("7", 7_000), (" 7 ", 7_000), ("99999", 300_000), ("tomorrow", 1_000)] {
        let signal = answered(503, &[("Retry-After", value)], "");
        assert_eq!(pause(&step(&mut State::default(), signal)).0, milliseconds, "{value}");
    }
}

#[test]
fn what_a_person_has_to_mend_is_held() {
    for (status, says) in [
        (401, "webhook refuses us"),
        (403, "webhook refuses us"),
        (300, "webhook has moved"),
        (399, "webhook has moved"),
        (400, "webhook refuses rows"),
        (404, "webhook refuses rows"),
        (199, "webhook refuses rows"),
    ] {
        let mut state = failing(3);
        assert_eq!(headline(step(&mut state, answered(status, &[], ""))), says, "{status}");
        assert_eq!(state.failures, 0);
    }
    for (failure, says) in [
        (Failure::Denied("x".into()), "address not granted"),
        (Failure::Invalid("x".into()), "address not granted"),
        (Failure::Missing("key".into()), "secret is missing"),
    ] {
        assert_eq!(headline(step(&mut State::default(), Signal::Failed(failure))), says);
    }
}

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
    ] {
        assert_eq!(Webhook::check(&settings(more), &[]), Err(Error::InvalidSettings(says.into())));
    }
    let mut elsewhere = settings("");
    for url in ["ftp://example.com", "example.com"] {
        elsewhere.url = url.into();
        assert!(Webhook::check(&elsewhere, &[]).is_err());
    }
    elsewhere.url = "http://192.168.1.5/".into();
    assert!(Webhook::check(&elsewhere, &[]).is_ok());
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
