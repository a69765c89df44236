//! Scripts of signals, and what is done.

use punchcard_sdk::connector::Rejection;
use punchcard_sdk::http::Response;
use punchcard_sdk::settings::parse_settings;
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
    }
}

fn context(entropy: u8) -> Context {
    let now = Instant { unix_micros: 0, utc_offset_minutes: 0 };
    Context { now, monotonic_ms: 0, boot: String::new(), entropy: vec![entropy], device: "door".into() }
}

fn step(state: &mut State, signal: Signal) -> Directive {
    Webhook::step(&settings(""), state, &batch(), signal, &context(0)).unwrap()
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
    match directive {
        Directive::Hold(Pause { milliseconds: 900_000, problem: Some(problem) }) => {
            assert!(problem.headline.chars().count() <= 21, "{}", problem.headline);
            problem.headline
        }
        other => panic!("{other:?}"),
    }
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
        assert!(request.idempotent && !request.authorized);
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
    for (status, body) in
        [(200, ""), (204, ""), (299, "<html>"), (201, "{}"), (200, r#"{"rejected":null}"#), (200, r#"["rejected"]"#)]
    {
        let mut state = State { failures: 3, device: Some("door".into()) };
        assert_eq!(rejected(step(&mut state, answered(status, &[], body))), []);
        assert_eq!(state, State::default());
    }
}

#[test]
fn a_refusal_that_can_not_be_read_is_no_delivery() {
    for (body, found) in [
        (r#"{"rejected":"no"}"#, "invalid type"),
        (r#"{"rejected":[{"row":"0","reason":"old"}]}"#, "invalid type"),
        (r#"{"rejected":[{"row":1,"reason":"counted from one"}]}"#, "no row 1 among 1"),
    ] {
        let Directive::Hold(Pause { problem: Some(problem), .. }) =
            step(&mut State::default(), answered(200, &[], body))
        else {
            panic!("{body}")
        };
        assert_eq!(problem.headline, "answer not readable");
        assert!(problem.advice.contains(found), "{}", problem.advice);
    }
    assert_eq!(headline(step(&mut State::default(), Signal::Failed(Failure::TooLarge(8)))), "answer too long");
}

#[test]
fn a_repeat_has_the_device_s_name_of_the_first_time() {
    let mut state = State::default();
    let sent = |state: &mut State, name: &str| {
        let context = Context { device: name.into(), ..context(0) };
        let directive = Webhook::step(&settings(""), state, &batch(), Signal::Resumed, &context).unwrap();
        let Directive::Send(request) = directive else { panic!("not sent") };
        request.body.unwrap().bytes
    };
    let first = sent(&mut state, "door");
    assert_eq!(sent(&mut state, "gate"), first);
    assert_eq!(rejected(step(&mut state, answered(200, &[], ""))), []);
    assert_ne!(sent(&mut state, "gate"), first);
}

#[test]
fn what_the_receiver_says_of_a_batch_is_quoted() {
    let answer = answered(422, &[], "row 0: no such\nproject\u{1b}[2J");
    let Directive::Hold(Pause { problem: Some(problem), .. }) = step(&mut State::default(), answer) else { panic!() };
    assert_eq!(problem.advice, "the server answers 422: row 0: no such project [2J");
    let Directive::Hold(Pause { problem: Some(problem), .. }) =
        step(&mut State::default(), answered(400, &[], &"x".repeat(2_000)))
    else {
        panic!()
    };
    assert_eq!(problem.advice.len(), "the server answers 400: ".len() + 300);
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
    let mut many = State { failures: 32, device: None };
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
        (413, "webhook: too large"),
        (300, "webhook has moved"),
        (399, "webhook has moved"),
        (400, "webhook refuses rows"),
        (404, "webhook refuses rows"),
        (199, "webhook refuses rows"),
    ] {
        let mut state = State { failures: 3, device: None };
        assert_eq!(headline(step(&mut state, answered(status, &[], ""))), says, "{status}");
        assert_eq!(state, State::default());
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
