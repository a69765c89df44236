//! Servers that answer anything, and signals in any order: what must hold whatever comes.

use proptest::prelude::*;
use punchcard_sdk::auth_policy::{Directive, Request, Signal, Status};
use punchcard_sdk::http::{Failure, Response};

use crate::script::{CODE, DAY, PENDING, RENEWED, SECOND, Script, TOKEN};

/// What happens next.
#[derive(Debug, Clone)]
enum Event {
    Answer(u16, String),
    Fail(Failure),
    /// Time passes by this part of the wait, in per cent, and the wait is said to be over.
    Elapse(u64),
    SignIn,
    SignOut(bool),
    TokenRefused,
    Restart,
    Reboot,
}

fn any_json() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("null".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        (0u32..100).prop_map(|number| format!("\"{number}\"")),
        any::<f64>()
            .prop_filter("JSON has none of these", |number| number.is_finite())
            .prop_map(|number| number.to_string()),
        "[ -~]{0,20}".prop_map(|text| serde_json::Value::from(text).to_string()),
        "\\PC{0,9}".prop_map(|text| serde_json::Value::from(text).to_string()),
        Just("{}".to_owned()),
        Just("[[]]".to_owned()),
    ]
}

fn any_body() -> impl Strategy<Value = String> {
    let member = prop_oneof![
        Just("device_code"),
        Just("user_code"),
        Just("verification_uri"),
        Just("verification_url"),
        Just("interval"),
        Just("expires_in"),
        Just("access_token"),
        Just("refresh_token"),
        Just("scope"),
        Just("token_type"),
        Just("error"),
        Just("error_code"),
        Just("error_description"),
        Just("id_token"),
        Just("verification_uri_complete"),
    ];
    let error = prop_oneof![
        Just("authorization_pending"),
        Just("slow_down"),
        Just("access_denied"),
        Just("expired_token"),
        Just("invalid_grant"),
        Just("invalid_client"),
        Just("invalid_scope"),
        Just("server_error"),
        Just("odd"),
    ];
    prop_oneof![
        4 => Just(CODE.to_owned()),
        2 => (any_json(), any_json()).prop_map(|(interval, expires_in)| {
            CODE.replace(r#""interval":5"#, &format!(r#""interval":{interval}"#))
                .replace(r#""expires_in":1800"#, &format!(r#""expires_in":{expires_in}"#))
        }),
        4 => Just(PENDING.to_owned()),
        2 => Just(TOKEN.to_owned()),
        2 => Just(RENEWED.to_owned()),
        1 => any_json().prop_map(|expires_in| TOKEN.replace("3599", &expires_in)),
        3 => (error, any_json()).prop_map(|(error, interval)| format!(r#"{{"error":"{error}","interval":{interval}}}"#)),
        3 => prop::collection::vec((member, any_json()), 0..9).prop_map(|members| {
            let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            format!("{{{}}}", members.join(","))
        }),
        1 => "\\PC{0,40}",
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    let status = prop_oneof![4 => Just(200u16), 2 => Just(428), 1 => Just(400), 1 => Just(503), 1 => any::<u16>()];
    let failure = prop_oneof![
        4 => Just(Failure::Interrupted("timed out".into())),
        1 => Just(Failure::Unsent("no route".into())),
        1 => Just(Failure::TooLarge(1)),
        1 => Just(Failure::Denied("x".into())),
        1 => Just(Failure::Invalid("x".into())),
        1 => Just(Failure::Missing("refresh-token".into())),
    ];
    prop_oneof![
        12 => (status, any_body()).prop_map(|(status, body)| Event::Answer(status, body)),
        3 => failure.prop_map(Event::Fail),
        10 => Just(Event::Elapse(100)),
        2 => (0u64..150).prop_map(Event::Elapse),
        2 => Just(Event::SignIn),
        1 => any::<bool>().prop_map(Event::SignOut),
        1 => Just(Event::TokenRefused),
        1 => Just(Event::Restart),
        1 => Just(Event::Reboot),
    ]
}

/// What a careful reader of RFC 8628 keeps in mind about the code that is shown.
#[derive(Debug, Default)]
struct Reference {
    /// The interval in seconds, while a code is good.
    interval: Option<f64>,
    answered_at_ms: u64,
    expires_at_ms: u64,
}

impl Reference {
    fn seconds(value: Option<&serde_json::Value>) -> Option<f64> {
        let value = value?;
        let is_plain = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit() || b". ".contains(&byte));
        value.as_f64().or_else(|| value.as_str().filter(is_plain)?.trim().parse().ok()).map(f64::floor)
    }

    fn learn(&mut self, script: &Script, body: &str, was_poll: bool) {
        self.answered_at_ms = script.now_ms;
        let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        let interval = Self::seconds(body.get("interval"));
        if was_poll {
            if body.get("error").and_then(serde_json::Value::as_str) == Some("slow_down") {
                let slower = self.interval.map(|known| known + 5.0);
                self.interval = slower.map(|slower| slower.max(interval.unwrap_or(0.0)));
            }
        } else {
            self.interval = Some(interval.filter(|seconds| *seconds > 0.0).unwrap_or(5.0));
            let lifetime = Self::seconds(body.get("expires_in")).unwrap_or(0.0);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
            let lifetime = (lifetime * 1_000.0) as u64;
            self.expires_at_ms = script.now_ms.saturating_add(lifetime);
        }
    }
}

fn is_poll(request: &Request) -> bool {
    let Request::Post(form) = request else { return false };
    form.fields.iter().any(|field| field.name == "device_code")
}

/// Lets a step's outcome stand before the rules.
fn judge(script: &Script, reference: &mut Reference) {
    let step = script.step();
    match &step.next {
        Directive::Wait(ms) => assert!(*ms <= 7 * DAY, "waits {ms} ms"),
        Directive::Send(request) if is_poll(request) => {
            let interval = reference.interval.expect("a poll without a code, or after it was spent");
            let waited = script.now_ms - reference.answered_at_ms;
            #[expect(clippy::cast_precision_loss, reason = "a comparison of milliseconds")]
            let early = (waited as f64) < interval * SECOND as f64;
            assert!(!early, "a poll {waited} ms after the answer, with an interval of {interval} s");
            assert!(script.now_ms < reference.expires_at_ms, "a poll after the deadline");
            assert!(matches!(step.status, Status::AwaitingPerson(_)));
        }
        Directive::Send(_) | Directive::Rest => {}
    }
    match &step.status {
        Status::Blocked(problem) => assert!((1..=21).contains(&problem.headline.chars().count())),
        Status::AwaitingPerson(prompt) => {
            assert!(prompt.user_code.len() <= 64 && prompt.url.len() <= 512);
            assert!(prompt.user_code.bytes().chain(prompt.url.bytes()).all(|byte| (b' '..=b'~').contains(&byte)));
        }
        Status::Authorized(_) => assert!(script.slots.contains_key("access-token"), "a lease without a token"),
        Status::SignedOut | Status::Renewing => {}
    }
    if !matches!(step.status, Status::AwaitingPerson(_)) {
        reference.interval = None;
    }
}

fn play(mut script: Script, events: Vec<Event>) {
    let mut reference = Reference::default();
    script.signal(Signal::Started);
    for event in events {
        let sent = match &script.step().next {
            Directive::Send(request) => Some(request.clone()),
            Directive::Wait(_) | Directive::Rest => None,
        };
        let waits = match script.step().next {
            Directive::Wait(ms) => Some(ms),
            Directive::Send(_) | Directive::Rest => None,
        };
        match (event, sent, waits) {
            (Event::Answer(status, body), Some(request), _) => {
                let was_poll = is_poll(&request);
                script.pass(300);
                script.answer(status, &body);
                if matches!(script.step().status, Status::AwaitingPerson(_)) {
                    reference.learn(&script, &body, was_poll);
                }
            }
            (Event::Fail(failure), Some(_), _) => {
                script.pass(10 * SECOND);
                script.fail(failure);
                reference.answered_at_ms = script.now_ms;
            }
            (Event::Elapse(per_cent), None, Some(ms)) => {
                script.pass(ms / 100 * per_cent + ms % 100 * per_cent / 100);
                script.signal(Signal::Elapsed);
            }
            (Event::Answer(status, body), None, _) => {
                let response = Response { status, headers: Vec::new(), body: body.into() };
                script.signal(Signal::Responded(response));
            }
            (Event::Fail(failure), None, _) => drop(script.signal(Signal::Failed(failure))),
            (Event::Elapse(_), _, _) => drop(script.signal(Signal::Elapsed)),
            (Event::SignIn, _, _) => drop(script.signal(Signal::SignIn)),
            (Event::SignOut(revoke), _, _) => drop(script.signal(Signal::SignOut(revoke))),
            (Event::TokenRefused, _, _) => drop(script.signal(Signal::TokenRefused)),
            (Event::Restart, _, _) => drop(script.signal(Signal::Started)),
            (Event::Reboot, _, _) => {
                script.reboot(20 * SECOND);
                script.signal(Signal::Started);
            }
        }
        judge(&script, &mut reference);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_answer_leads_to_a_panic_an_early_poll_or_an_endless_wait(
        events in prop::collection::vec(any_event(), 1..60),
        entropy in prop::collection::vec(any::<u8>(), 0..33),
    ) {
        let mut script = Script::google();
        script.entropy = entropy;
        play(script, events);
    }

    #[test]
    fn nor_with_an_issuer(events in prop::collection::vec(any_event(), 1..40)) {
        let settings = r#"{"issuer":"https://a.example","client-id":"c","scopes":["write"]}"#;
        let metadata = r#"{"issuer":"https://a.example","token_endpoint":"https://a.example/token",
            "device_authorization_endpoint":"https://a.example/device"}"#;
        let mut events = events;
        events.insert(0, Event::Answer(200, metadata.to_owned()));
        events.insert(1, Event::Answer(200, CODE.to_owned()));
        play(Script::new(settings), events);
    }

    #[test]
    fn nor_with_a_code_already_shown(events in prop::collection::vec(any_event(), 1..30)) {
        let mut events = events;
        events.insert(0, Event::Answer(200, CODE.to_owned()));
        play(Script::google(), events);
    }
}
