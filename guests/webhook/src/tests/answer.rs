//! What is a receipt, what is not, and what is not sent again.

use super::*;

const PAGE: &str = "<!DOCTYPE html><html><body>Sign in to the network</body></html>";

/// What a batch that was just posted is told.
fn told(settings: &Settings, state: &mut State, signal: Signal) -> Directive {
    sent(Webhook::step(settings, state, &batch(), Signal::Begin, &context(0)).unwrap());
    Webhook::step(settings, state, &batch(), signal, &context(0)).unwrap()
}

/// The problem that is said while it is tried again by itself.
fn waited(directive: Directive) -> (u64, Problem) {
    match directive {
        Directive::Wait(Pause { milliseconds, problem: Some(problem) }) => {
            assert!(problem.headline.chars().count() <= 21, "{}", problem.headline);
            (milliseconds, problem)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_json_object_or_nothing_is_a_receipt() {
    for (status, body) in [
        (200, ""),
        (204, ""),
        (202, " \r\n"),
        (201, "{}"),
        (299, "\u{feff}{\"ok\":false}"),
        (200, r#"{"rejected":null}"#),
        (200, r#"{"rejected":[]}"#),
        (200, r#"{"batch":[[{"rejected":7}]]}"#),
    ] {
        let mut state = failing(3);
        assert_eq!(rejected(told(&settings(""), &mut state, answered(status, &[], body))), [], "{body}");
        assert_eq!(state, State::default());
    }
}

#[test]
fn a_success_that_is_no_receipt_leaves_it_open_and_is_tried_again_by_itself() {
    for (body, media_type, headline) in [
        (PAGE, "text/html", "not the receiver"),
        (PAGE, "application/json", "not the receiver"),
        ("Blocked by policy", "text/html; charset=utf-8", "not the receiver"),
        ("ok", "text/plain", "no receipt"),
        ("[]", "application/json", "no receipt"),
        ("true", "application/json", "no receipt"),
        ("{", "application/json", "no receipt"),
        (r#"{"rejected":[{"row":0}"#, "application/json", "no receipt"),
        ("{'ok': true}", "application/json", "no receipt"),
    ] {
        let mut state = State::default();
        let first = sent(step(&mut state, Signal::Begin));
        let said = step(&mut state, answered(200, &[("Content-Type", media_type)], body));
        let (milliseconds, problem) = waited(said);
        assert_eq!((milliseconds, problem.headline.as_str()), (1_000, headline), "{body}");
        assert_eq!(sent(step(&mut state, Signal::Elapsed)), first, "the same key");
        assert_eq!(rejected(step(&mut state, answered(200, &[], "{}"))), []);
    }
}

#[test]
fn a_page_in_place_of_the_receiver_is_named_so_and_changes_nothing() {
    for status in [200, 400, 401, 403, 422] {
        let mut script = Script::new(8);
        let first = sent(script.step(Signal::Begin));
        let (milliseconds, problem) = waited(script.step(answered(status, &[("content-type", "text/html")], PAGE)));
        assert_eq!((milliseconds, problem.headline.as_str()), (1_000, "not the receiver"));
        let beginning = format!(
            "something in the network answers in place of the receiver (status {status}, with a page of HTML); look at"
        );
        assert!(problem.advice.starts_with(&beginning), "{}", problem.advice);
        assert_eq!(sent(script.step(Signal::Elapsed)), first, "the same rows under the same key");
        // For as long as it lasts, up to five minutes apart.
        for _ in 0..12 {
            waited(script.answer(status, PAGE));
        }
        assert_eq!(waited(script.answer(status, PAGE)).0, 300_000);
    }
}

#[test]
fn a_receiver_that_gives_no_receipt_gets_its_copies_ever_more_rarely() {
    let mut state = State::default();
    let pauses: Vec<u64> = (0..19).map(|_| waited(step(&mut state, answered(200, &[], "ok"))).0 / 1_000).collect();
    assert_eq!(pauses[..3], [1, 2, 4]);
    assert_eq!(pauses[16..], [65_536, 86_400, 86_400]);
    let (_, problem) = waited(step(&mut state, answered(200, &[], "ok")));
    assert!(problem.advice.ends_with("name in `receipt` what it answers; it says: ok"), "{}", problem.advice);
}

#[test]
fn what_counts_as_a_receipt_can_be_named() {
    let member = r#","receipt":{"member":"ok","value":true}"#;
    let number = r#","receipt":{"member":"code","value":0}"#;
    let word = r#","receipt":{"member":"status","value":"stored"}"#;
    let text = r#","receipt":{"text":"ok"}"#;
    let long = format!(r#"{{"ok":true,"more":"{}"}}"#, "x".repeat(64 << 10));
    for (receipt, body, counts) in [
        (member, r#"{"ok":true,"rows":1}"#, true),
        (member, "\u{feff}{\"ok\":true}\n", true),
        (member, r#"{"ok":false,"error":"no such form"}"#, false),
        (member, r#"{"ok":"true"}"#, false),
        (member, r#"{"ok":1}"#, false),
        (member, r#"{"result":{"ok":true}}"#, false),
        (member, "{}", false),
        (member, "", false),
        (member, "ok", false),
        (member, PAGE, false),
        (member, long.as_str(), false),
        (number, r#"{"code":0}"#, true),
        (number, r#"{"code":0.0}"#, true),
        (number, r#"{"code":1}"#, false),
        (word, r#"{"status":"stored"}"#, true),
        (word, r#"{"status":"queued"}"#, false),
        (text, "ok", true),
        (text, " ok\r\n", true),
        (text, "ok, but", false),
        (text, "", false),
        (text, "{}", false),
    ] {
        let directive = told(&settings(receipt), &mut State::default(), answered(200, &[], body));
        assert_eq!(matches!(directive, Directive::Delivered(_)), counts, "{receipt} {body}");
        assert_eq!(matches!(directive, Directive::Wait(Pause { problem: Some(_), .. })), !counts, "{receipt} {body}");
    }
    // Its words are said, and rows that it refuses in a receipt are refused.
    let (_, problem) = waited(told(&settings(member), &mut State::default(), answered(200, &[], r#"{"ok":false}"#)));
    assert!(
        problem.advice.ends_with(r#"let it answer what `receipt` names; it says: {"ok":false}"#),
        "{}",
        problem.advice
    );
    let refused = answered(200, &[], r#"{"ok":true,"rejected":[{"row":0,"reason":"old"}]}"#);
    let rows = rejected(told(&settings(member), &mut State::default(), refused));
    assert_eq!(rows, [Rejection { row: 0, reason: "old".into() }]);
}

#[test]
fn a_refusal_that_can_not_be_read_is_no_delivery() {
    for (body, found) in [
        (r#"{"rejected":"no"}"#, "invalid type: string \"no\""),
        (r#"{"rejected":[{"row":"0","reason":"old"}]}"#, "invalid type: string \"0\""),
        (r#"{"rejected":[{"reason":"old"}]}"#, "missing field `row`"),
        (r#"{"rejected":[{"row":-1}]}"#, "invalid value: integer `-1`"),
        (r#"{"rejected":[{"row":1,"reason":"counted from one"}]}"#, "no row 1 among 1"),
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
fn a_redirect_is_held_at_once_and_not_followed_by_a_repeat() {
    for (status, headers, body, said) in [
        (302, &[("Location", "https://h.example/done")][..], "", "answers 302 and points to https://h.example/done;"),
        (
            301,
            &[("location", "https://h.example/new\u{1b}[2J")],
            PAGE,
            "answers 301 and points to https://h.example/new [2J;",
        ),
        (303, &[("LOCATION", " /in ")], "{}", "answers 303 and points to /in;"),
        (308, &[], "", "answers 308 without saying where to;"),
        (300, &[], "", "answers 300 without saying where to;"),
        (304, &[], "", "answers 304 without saying where to;"),
        (399, &[], "", "answers 399 without saying where to;"),
    ] {
        let mut script = Script::new(3);
        let first = sent(script.step(Signal::Begin));
        let (milliseconds, problem) = held(script.step(answered(status, headers, body)));
        assert_eq!((milliseconds, problem.headline.as_str()), (u64::MAX, "webhook has moved"));
        assert!(problem.advice.contains(said), "{}", problem.advice);
        // Restarts change nothing, however many.
        for _ in 0..3 {
            assert_eq!(held(script.step(Signal::Resumed)), (u64::MAX, problem.clone()));
        }
        assert_eq!(sent(script.step(Signal::Retry)), first, "a person says so");
        // From then on it is on its way as any other.
        assert_eq!(sent(script.step(Signal::Resumed)), first);
        assert_eq!(rejected(script.answer(200, "")), []);
    }
}

#[test]
fn another_address_is_tried_after_a_restart() {
    let mut script = Script::new(3);
    let first = sent(script.step(Signal::Begin));
    held(script.step(answered(302, &[("location", "https://h.example/new")], "")));
    script.settings.url = "https://h.example/new".into();
    let next = sent(script.step(Signal::Resumed));
    assert_eq!((next.url.as_str(), &next.headers), ("https://h.example/new", &first.headers));
    assert_eq!(rejected(script.answer(200, "")), []);
}

#[test]
fn a_wrong_address_is_tried_a_few_times_and_then_held_without_repeats() {
    for (status, body, said) in [
        (404, "gone", "the server answers 404; the rows may have been taken all the same"),
        (404, PAGE, "the server answers 404; the rows may have been taken all the same"),
        (405, "", "the server answers 405; the rows may have been taken all the same"),
        (410, "", "the server answers 410; the rows may have been taken all the same"),
        (499, "", "the server answers 499; the rows may have been taken all the same"),
    ] {
        let mut script = Script::new(3);
        let first = sent(script.step(Signal::Begin));
        for (milliseconds, is_said) in [(1_000, false), (2_000, false), (4_000, true), (8_000, true)] {
            assert_eq!(pause(&script.answer(status, body)), (milliseconds, is_said), "{status}");
            assert_eq!(sent(script.step(Signal::Elapsed)), first);
        }
        let (milliseconds, problem) = held(script.answer(status, body));
        assert_eq!((milliseconds, problem.headline.as_str()), (u64::MAX, "webhook refuses rows"));
        assert!(problem.advice.starts_with(said), "{}", problem.advice);
        assert_eq!(problem.advice.ends_with("it says: gone"), body == "gone");
        assert_eq!(held(script.step(Signal::Resumed)), (u64::MAX, problem));
        assert_eq!(sent(script.step(Signal::Retry)), first);
        // What was wrong for a moment is forgotten.
        assert!(matches!(script.answer(status, body), Directive::Wait(_)));
        assert_eq!(rejected(script.answer(200, "")), []);
    }
}

#[test]
fn what_a_person_has_to_mend_is_held() {
    let mut state = failing(3);
    assert_eq!(headline(step(&mut state, answered(403, &[], "no such key"))), "webhook refuses us");
    assert_eq!(state.failures, 0);
    for (failure, says) in [
        (Failure::Denied("x".into()), "address not granted"),
        (Failure::Invalid("x".into()), "address not granted"),
        (Failure::Missing("key".into()), "secret is missing"),
    ] {
        assert_eq!(headline(step(&mut State::default(), Signal::Failed(failure))), says);
    }
}

#[test]
fn a_refused_token_is_waited_for_and_not_held() {
    let mut script = Script::new(8);
    let first = sent(script.step(Signal::Begin));
    let mut waits = Vec::new();
    for tries in 1..=12 {
        let Directive::Wait(Pause { milliseconds, problem }) = script.answer(401, "token expired") else { panic!() };
        waits.push(milliseconds / 1_000);
        // One that a renewal mends needs nobody.
        assert_eq!(problem.is_some(), tries > 2, "{tries}");
        if let Some(problem) = problem {
            assert_eq!(problem.headline, "webhook refuses us");
            assert!(problem.advice.contains("`authorize`") && problem.advice.ends_with("token expired"), "{problem:?}");
        }
        assert_eq!(sent(script.step(Signal::Elapsed)), first, "the same rows under the same key");
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
    assert_eq!(rejected(script.answer(200, "")), []);
    assert_eq!(script.state.failures, 0);
    // What is sent without any needs a person.
    let mut script = Script { settings: settings(r#","authorized":false"#), ..Script::new(8) };
    script.step(Signal::Begin);
    let (milliseconds, problem) = held(script.answer(401, "who are you?"));
    assert_eq!((milliseconds, problem.headline.as_str()), (RECHECK_MS, "webhook refuses us"));
    assert!(problem.advice.contains("`authorized` is false"), "{}", problem.advice);
}

#[test]
fn a_status_that_is_none_is_tried_again() {
    for status in [0, 101, 199, 600, 999] {
        let (milliseconds, problem) = waited(step(&mut State::default(), answered(status, &[], "{}")));
        assert_eq!((milliseconds, problem.headline.as_str()), (1_000, "no receipt"), "{status}");
    }
}

#[test]
fn devices_do_not_return_together() {
    for (entropy, milliseconds) in [(0, 8_000), (250, 8_500)] {
        let unavailable = answered(500, &[], "");
        let waits = Webhook::step(&settings(""), &mut failing(3), &batch(), unavailable, &context(entropy)).unwrap();
        assert_eq!(pause(&waits).0, milliseconds);
    }
}

#[test]
fn a_server_that_asks_for_a_longer_pause_gets_it() {
    for (status, value, milliseconds) in [
        (503, "7", 7_000),
        (429, " 7 ", 7_000),
        (413, "9", 9_000),
        (409, "600", 600_000),
        (503, "99999999", 3_600_000),
        (429, "Thu, 01 Jan 1970 00:01:00 GMT", 60_000),
        (503, "Wed, 31 Dec 1969 23:59:00 GMT", 1_000),
        (503, "0", 1_000),
        (503, "tomorrow", 1_000),
    ] {
        let asked = answered(status, &[("Retry-After", value)], "");
        assert_eq!(pause(&step(&mut State::default(), asked)).0, milliseconds, "{status} {value}");
    }
}
