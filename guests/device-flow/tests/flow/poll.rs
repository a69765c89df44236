//! Polling, until the person has agreed or the code is spent.

use punchcard_sdk::auth_policy::{Directive, Signal};
use punchcard_sdk::http::{Failure, Header};

use crate::script::{CLIENT, CODE, HOUR, PENDING, SECOND, Script, TOKEN, lost, pairs};

const SLOW_DOWN: &str = r#"{"error":"slow_down","error_description":"Forbidden"}"#;

#[test]
fn point_07_the_poll_has_the_exact_grant_type_and_the_device_code() {
    let mut script = Script::awaiting();
    script.elapse();
    assert_eq!(script.form().url, "https://oauth2.googleapis.com/token");
    assert_eq!(
        script.fields(),
        pairs(&[
            ("client_id", CLIENT),
            ("client_secret", "<client-secret>"),
            ("device_code", "<device-code>"),
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ])
    );
}

#[test]
fn point_08_each_poll_waits_for_the_interval_from_the_answer_before() {
    let mut script = Script::awaiting();
    assert_eq!(script.wait(), 5 * SECOND, "also before the first");
    script.elapse();
    script.pass(20 * SECOND);
    script.answer(428, PENDING);
    assert_eq!(script.wait(), 5 * SECOND, "however long the answer took");
}

#[test]
fn point_08_a_wait_that_ends_early_or_is_disturbed_is_waited_on() {
    let mut script = Script::awaiting();
    for (signal, remaining) in [(Signal::Elapsed, 4), (Signal::SignIn, 3), (Signal::TokenRefused, 2)] {
        script.pass(SECOND);
        script.signal(signal);
        assert_eq!(script.wait(), remaining * SECOND);
        assert_eq!(script.prompt().user_code, "GQVQ-JKEC");
    }
    script.elapse();
    assert!(script.sends());
}

#[test]
fn a_signal_that_overtakes_the_answer_does_not_shorten_the_interval() {
    let mut script = Script::awaiting();
    script.elapse();
    script.signal(Signal::SignIn);
    assert_eq!(script.wait(), 5 * SECOND);
}

#[test]
fn point_09_pending_keeps_the_interval() {
    let mut script = Script::awaiting();
    for _ in 0..10 {
        script.elapse();
        script.answer(428, PENDING);
        assert_eq!(script.wait(), 5 * SECOND);
    }
    assert_eq!(script.prompt().expires_in_seconds, 1800 - 50);
}

#[test]
fn point_10_slow_down_counts_for_all_later_polls() {
    let mut script = Script::awaiting();
    for (body, seconds) in [
        (SLOW_DOWN, 10),
        (PENDING, 10),
        (SLOW_DOWN, 15),
        (r#"{"error":"slow_down","interval":"60"}"#, 60),
        (r#"{"error":"slow_down","interval":1}"#, 65),
        (PENDING, 65),
    ] {
        script.elapse();
        script.answer(403, body);
        assert_eq!(script.wait(), seconds * SECOND, "{body}");
    }
}

#[test]
fn point_11_a_refusal_by_the_person_ends_it() {
    let mut script = Script::awaiting();
    script.elapse();
    script.answer(403, r#"{"error":"access_denied","error_description":"Forbidden"}"#);
    assert!(script.is_blocked("access was refused") && script.rests());
    assert_eq!(script.filled(), ["client-secret"]);
    script.reboot(HOUR);
    script.signal(Signal::Started);
    assert!(script.is_blocked("access was refused") && script.rests(), "not even a restart asks again");
    script.signal(Signal::SignIn);
    assert_eq!(script.form().url, "https://oauth2.googleapis.com/device/code");
}

#[test]
fn point_12_after_expired_token_a_new_code_comes_only_when_the_person_asks() {
    let mut script = Script::awaiting();
    script.elapse();
    script.answer(400, r#"{"error":"expired_token"}"#);
    assert!(script.is_blocked("code expired") && script.rests());
    script.signal(Signal::Elapsed);
    script.signal(Signal::TokenRefused);
    assert!(script.is_blocked("code expired") && script.rests());
    script.signal(Signal::SignIn);
    assert_eq!(script.form().url, "https://oauth2.googleapis.com/device/code");
    script.answer(200, CODE);
    assert_eq!(script.prompt().expires_in_seconds, 1800);
}

#[test]
fn point_13_any_other_error_stops_and_is_shown() {
    for (status, body, headline) in [
        (401, r#"{"error":"invalid_client"}"#, "client id refused"),
        (403, r#"{"error":"org_internal"}"#, "organisation only"),
        (400, r#"{"error":"admin_policy_enforced"}"#, "blocked by an admin"),
        (400, r#"{"error":"unsupported_grant_type"}"#, "device flow refused"),
        (400, r#"{"error":"invalid_scope"}"#, "scope refused"),
        (400, r#"{"error":"invalid_grant","error_description":"Malformed auth code."}"#, "code not accepted"),
        (400, r#"{"error":"odd","error_description":"very odd"}"#, "sign-in failed"),
        (401, r#"{"error":"deleted_client"}"#, "client was deleted"),
        (401, r#"{"error":"disabled_client"}"#, "client was disabled"),
        (403, r#"{"error":"access_denied","error_description":"Account restricted"}"#, "account restricted"),
        (415, r#"{"error":"Unsupported Media Type"}"#, "server wants JSON"),
        (200, r#"{"access_token":"a","token_type":"mac"}"#, "token not usable"),
    ] {
        let mut script = Script::awaiting();
        script.elapse();
        script.answer(status, body);
        assert!(script.is_blocked(headline) && script.rests(), "{body}: {:?}", script.step());
        assert!(!script.slots.contains_key("device-code"));
        script.signal(Signal::SignIn);
        assert_eq!(script.form().url, "https://oauth2.googleapis.com/device/code", "{body}");
    }
}

#[test]
fn point_14_polls_without_an_answer_double_the_wait_and_go_on() {
    let mut script = Script::awaiting();
    for (failure, seconds) in [
        (lost(), 10),
        (Failure::Unsent("no route".into()), 20),
        (Failure::TooLarge(8_388_608), 40),
        (lost(), 60),
        (lost(), 60),
    ] {
        script.elapse();
        script.fail(failure);
        assert_eq!(script.wait(), seconds * SECOND);
        assert_eq!(script.prompt().user_code, "GQVQ-JKEC");
    }
    script.elapse();
    script.answer(428, PENDING);
    assert_eq!(script.wait(), 5 * SECOND, "an answer ends the doubling");
    script.elapse();
    script.answer(403, SLOW_DOWN);
    script.elapse();
    script.fail(lost());
    assert_eq!(script.wait(), 20 * SECOND);
    script.elapse();
    script.answer(403, SLOW_DOWN);
    assert_eq!(script.wait(), 15 * SECOND, "also where it slows down");
}

#[test]
fn point_14_the_cap_never_shortens_the_interval() {
    let mut script = Script::google();
    script.signal(Signal::Started);
    script.answer(200, &CODE.replace(r#""interval":5"#, r#""interval":90"#));
    for _ in 0..3 {
        script.elapse();
        script.fail(lost());
        assert_eq!(script.wait(), 90 * SECOND);
    }
}

#[test]
fn point_15_5xx_and_what_is_no_json_are_no_answer() {
    let mut script = Script::awaiting();
    for (status, body, seconds) in [
        (500, "<html>", 10),
        (503, r#"{"error":"odd"}"#, 20),
        (200, "<html>", 40),
        (404, "not found", 60),
        (404, "{}", 60),
        (403, "<html>", 60),
        (200, "{}", 60),
        (200, r#"{"blocked":true}"#, 60),
        (400, "", 60),
        (429, "{}", 60),
        (400, r#"{"error":"temporarily_unavailable"}"#, 60),
    ] {
        script.elapse();
        script.answer(status, body);
        assert_eq!(script.wait(), seconds * SECOND, "{body}");
    }
    script.elapse();
    script.answer(200, TOKEN);
    assert_eq!(script.lease().expires_in_seconds, Some(3599));
}

#[test]
fn point_16_the_deadline_is_local_and_monotonic() {
    let mut script = Script::awaiting();
    script.unix_s -= 10 * 365 * 86_400; // the wall clock jumps: nothing changes
    let begun_ms = script.now_ms;
    loop {
        script.elapse();
        if !script.sends() {
            break;
        }
        script.answer(428, PENDING);
    }
    assert_eq!(script.now_ms - begun_ms, 1800 * SECOND);
    assert!(script.is_blocked("code expired") && script.rests());
    assert_eq!(script.filled(), ["client-secret"]);
}

#[test]
fn point_16_an_interval_beyond_the_deadline_means_no_poll_at_all() {
    let mut script = Script::google();
    script.signal(Signal::Started);
    script.answer(200, &CODE.replace(r#""interval":5"#, r#""interval":1000000000"#));
    assert_eq!(script.wait(), 1800 * SECOND);
    script.elapse();
    assert!(script.is_blocked("code expired") && script.rests());
}

#[test]
fn an_answer_after_the_deadline_still_counts_if_it_grants() {
    for (status, body, headline) in
        [(200, TOKEN, None), (428, PENDING, Some("code expired")), (500, "", Some("sign-in unanswered"))]
    {
        let mut script = Script::awaiting();
        script.elapse();
        script.pass(2 * HOUR);
        script.answer(status, body);
        match headline {
            None => drop(script.lease()),
            Some(headline) => assert!(script.is_blocked(headline) && script.rests()),
        }
    }
}

#[test]
fn a_token_endpoint_that_is_not_there_is_not_nobody_s_entering_the_code() {
    for (status, body, words) in [
        (404, "not found", "status 404"),
        (503, "", "status 503"),
        (403, "<html>", "in place of the sign-in server"),
        (200, r#"{"blocked":true}"#, "`access_token` is missing"),
        (400, r#"{"message":"No such client."}"#, "No such client"),
    ] {
        let mut script = Script::awaiting();
        while script.elapse().next != Directive::Rest {
            script.answer(status, body);
        }
        assert!(script.is_blocked("sign-in unanswered"), "{body}");
        let advice = &script.problem().advice;
        assert!(advice.contains(words) && !advice.contains("Nobody") && !advice.contains("by itself"), "{advice}");
        script.signal(Signal::Started);
        assert!(script.is_blocked("sign-in unanswered") && script.rests(), "not even a restart asks again");
    }
    let mut script = Script::awaiting();
    script.elapse();
    script.answer(404, "not found");
    while script.elapse().next != Directive::Rest {
        script.answer(428, PENDING);
    }
    assert!(script.is_blocked("code expired"), "what passed is forgotten");
}

#[test]
fn a_server_s_wish_to_be_left_alone_is_heeded_by_polls_too() {
    for (status, body) in [(429, "{}"), (400, r#"{"error":"slow_down"}"#), (428, PENDING), (503, "<html>")] {
        let mut script = Script::awaiting();
        script.elapse();
        script.answer_with(status, vec![Header { name: "Retry-After".into(), value: "90".into() }], body);
        assert_eq!(script.wait(), 90 * SECOND, "{body}");
    }
}

#[test]
fn point_17_no_poll_follows_a_success() {
    let mut script = Script::authorized();
    assert!(!script.slots.contains_key("device-code"));
    script.signal(Signal::Elapsed);
    assert!(script.wait() > 0);
    script.lease();
    script.elapse();
    assert_eq!(script.field("grant_type").unwrap(), "refresh_token");
}

#[test]
fn what_the_host_refuses_to_send_is_said() {
    for (failure, headline, words) in [
        (
            Failure::Denied("https://oauth2.googleapis.com/token".into()),
            "address not in reach",
            "oauth2.googleapis.com",
        ),
        (Failure::Invalid("odd".into()), "request not possible", "odd"),
        (Failure::Missing("client-secret".into()), "secret is missing", "`client-secret`"),
    ] {
        let mut script = Script::awaiting();
        script.elapse();
        script.fail(failure);
        assert!(script.is_blocked(headline) && script.rests());
        assert!(script.problem().advice.contains(words));
    }
}
