//! The listing against answers that are written by hand.

use punchcard_sdk::Instant;
use punchcard_sdk::http::Response;
use punchcard_sdk::listing::Failure;
use punchcard_sdk::settings::parse_settings;

use super::*;

fn settings() -> Settings {
    parse_settings(r#"{"list":"L1"}"#).expect("settings")
}

fn context() -> Context {
    Context {
        now: Instant { unix_micros: 0, utc_offset_minutes: 0 },
        monotonic_ms: 0,
        boot: "b".into(),
        entropy: vec![0; 32],
        device: "d".into(),
    }
}

/// Answers these bodies one after the other. Returns the addresses that were asked, and what came of it.
fn fetch(bodies: &[&str]) -> (Vec<String>, Directive) {
    let mut state = State::default();
    let mut signal = Signal::Started;
    let mut asked = Vec::new();
    let mut bodies = bodies.iter();
    loop {
        match GoogleTasks::step(&settings(), &mut state, signal, &context()) {
            Directive::Send(request) => {
                assert!(request.authorized && request.idempotent && request.body.is_none());
                asked.push(request.url);
                let Some(body) = bodies.next() else { return (asked, Directive::Wait(0)) };
                signal = Signal::Responded(Response { status: 200, headers: Vec::new(), body: (*body).into() });
            }
            other => return (asked, other),
        }
    }
}

fn texts(directive: Directive) -> Vec<String> {
    match directive {
        Directive::Done(items) => items.into_iter().map(|item| item.text).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn open_tasks_of_all_pages_are_listed_in_the_order_of_the_phone() {
    let (asked, done) = fetch(&[
        r#"{"items":[{"id":"b","title":"Second","position":"02","status":"needsAction"},
            {"id":"b1","title":"Of second","parent":"b","position":"01"},
            {"id":"x","title":"Done","position":"00","status":"completed"}],"nextPageToken":"p/2"}"#,
        r#"{"items":[{"id":"a","title":"First","position":"01"},{"id":"e","title":" ","position":"03"},
            {"id":"h","title":"Hidden","hidden":true},{"id":"d","title":"Deleted","deleted":true},
            {"id":"o","title":"Orphan","parent":"x","position":"09"}],"nextPageToken":""}"#,
    ]);
    assert_eq!(texts(done), ["First", "Second", "Of second", "Orphan"]);
    assert_eq!(asked.len(), 2);
    assert!(
        asked[0].starts_with("https://tasks.googleapis.com/tasks/v1/lists/L1/tasks?maxResults=100&"),
        "{}",
        asked[0]
    );
    assert!(!asked[0].contains("pageToken") && asked[1].ends_with("&pageToken=p%2F2"), "{asked:?}");
}

#[test]
fn an_empty_list_is_one_and_another_form_is_none() {
    assert_eq!(fetch(&["{}"]).1, Directive::Done(Vec::new()));
    for body in [r#"{"items":7}"#, r#"{"items":[{"title":7}]}"#, "[]"] {
        assert!(matches!(fetch(&[body]).1, Directive::Unavailable(_)), "{body}");
    }
}

#[test]
fn a_list_of_ten_thousand_items_is_read_until_there_are_enough() {
    let page = |number: usize| {
        let items: Vec<String> = (0..100)
            .map(|task| {
                format!(
                    r#"{{"id":"{number}-{task}","title":"{}","position":"{number:03}{task:03}"}}"#,
                    "ä".repeat(10_000)
                )
            })
            .collect();
        format!(r#"{{"items":[{}],"nextPageToken":"{number}"}}"#, items.join(","))
    };
    let pages: Vec<String> = (0..100).map(page).collect();
    let (asked, done) = fetch(&pages.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(asked.len(), MOST_TASKS / 100);
    let texts = texts(done);
    assert_eq!(texts.len(), MOST_TASKS);
    assert_eq!(texts[0].chars().count(), 102, "one more than is shown, and the mark");
}

#[test]
fn the_state_of_a_long_list_stays_within_what_the_host_keeps() {
    let task = Task::widest();
    let state = State { tasks: vec![task; MOST_TASKS + 99], page: Some("x".repeat(4_000)), tries: Tries::default() };
    assert!(serde_json::to_vec(&state).expect("JSON").len() < 1 << 20);
}

#[test]
fn what_failed_is_asked_again_from_the_same_page() {
    let mut state = State { page: Some("p2".into()), ..State::default() };
    let failed = Signal::Failed(Failure::Broken("reset".into()));
    let wait = GoogleTasks::step(&settings(), &mut state, failed, &context());
    assert!(matches!(wait, Directive::Wait(_)));
    match GoogleTasks::step(&settings(), &mut state, Signal::Elapsed, &context()) {
        Directive::Send(request) => assert!(request.url.ends_with("&pageToken=p2")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn settings_name_a_list() {
    for (json, is_good) in [
        ("{}", true),
        (r#"{"list":"MTIz:0"}"#, true),
        (r#"{"list":""}"#, false),
        (r#"{"list":"a/b"}"#, false),
        (r#"{"list":"a b"}"#, false),
        (r#"{"tasks-url":"tasks.googleapis.com"}"#, false),
        (r#"{"lst":"a"}"#, false),
        (r#"{"list":7}"#, false),
    ] {
        let found = parse_settings::<Settings>(json).and_then(|settings| settings.check());
        assert_eq!(found.is_ok(), is_good, "{json}");
    }
}
