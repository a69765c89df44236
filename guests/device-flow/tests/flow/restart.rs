//! Restarts: of the host, of the machine, and amid requests whose answers were stored.

use punchcard_sdk::auth_policy::{Signal, Status};
use punchcard_sdk::http::Response;

use crate::script::{CODE, ENDPOINTS, GOOGLE, HOUR, RENEWED, SECOND, Script, TOKEN, lost};

#[test]
fn after_a_reboot_the_device_signs_in_silently() {
    let mut script = Script::authorized();
    script.reboot(30 * 24 * HOUR);
    script.signal(Signal::Started);
    assert!(script.is(&Status::Renewing));
    assert_eq!(script.field("grant_type").unwrap(), "refresh_token");
    script.fail(lost());
    assert!(script.is(&Status::Renewing), "also without network");
    script.elapse();
    script.answer(200, RENEWED);
    script.lease();
}

#[test]
fn a_lease_outlives_the_host_but_not_the_boot() {
    let mut script = Script::authorized();
    script.pass(600 * SECOND);
    script.signal(Signal::Started);
    assert_eq!(script.lease().expires_in_seconds, Some(2999));
    assert_eq!(script.wait(), 3_599 * SECOND / 10 * 8 - 600 * SECOND);

    script.slots.insert("access-token".into(), 99);
    script.signal(Signal::Started);
    assert!(script.sends(), "another token than the state knows");

    let mut script = Script::authorized();
    script.pass(HOUR);
    script.signal(Signal::Started);
    assert!(script.sends() && script.is(&Status::Renewing));
}

#[test]
fn a_restart_amid_a_renewal_renews_again() {
    let mut script = Script::renewing();
    script.signal(Signal::Started);
    assert_eq!(script.field("grant_type").unwrap(), "refresh_token");
    assert_eq!(script.lease().expires_in_seconds, Some(719), "the old lease is good until it ends");
}

#[test]
fn a_restart_amid_a_sign_in_shows_the_same_code() {
    for polling in [false, true] {
        let mut script = Script::awaiting();
        if polling {
            script.elapse();
        }
        script.pass(60 * SECOND);
        script.signal(Signal::Started);
        assert_eq!(script.prompt().user_code, "GQVQ-JKEC");
        assert!(script.prompt().expires_in_seconds < 1741);
        assert_eq!(script.wait(), 5 * SECOND, "when the last answer came is not known");
        script.elapse();
        script.answer(200, TOKEN);
        script.lease();
    }
}

#[test]
fn after_a_reboot_amid_a_sign_in_a_new_code_is_asked_for() {
    let mut script = Script::awaiting();
    script.reboot(60 * SECOND);
    script.signal(Signal::Started);
    assert_eq!(script.form().url, "https://oauth2.googleapis.com/device/code");
    assert_eq!(script.filled(), ["client-secret"]);
}

#[test]
fn a_code_that_ran_out_meanwhile_or_was_lost_is_not_shown() {
    let mut script = Script::awaiting();
    script.pass(HOUR);
    script.signal(Signal::Started);
    assert!(script.is_blocked("code expired") && script.rests());

    let mut script = Script::awaiting();
    script.slots.remove("device-code");
    script.signal(Signal::Started);
    assert_eq!(script.form().url, "https://oauth2.googleapis.com/device/code");

    let mut script = Script::awaiting();
    script.fill("device-code");
    script.signal(Signal::Started);
    assert_eq!(script.form().url, "https://oauth2.googleapis.com/device/code", "another code than the one shown");
}

#[test]
fn slots_that_are_ahead_of_the_state_are_believed() {
    let mut script = Script::awaiting();
    script.elapse();
    script.fill("access-token");
    script.fill("refresh-token");
    script.signal(Signal::Started);
    assert_eq!(script.field("grant_type").unwrap(), "refresh_token");
    script.answer(200, RENEWED);
    script.lease();

    let mut script = Script::awaiting();
    script.elapse();
    script.fill("access-token");
    script.reboot(SECOND);
    script.signal(Signal::Started);
    assert_eq!(script.lease().expires_in_seconds, None, "what else the answer said is lost");
    assert!(script.rests());
}

#[test]
fn a_sign_in_whose_answer_was_only_stored_counts_from_then() {
    let mut script = Script::awaiting();
    script.elapse();
    script.fill("refresh-token");
    script.signal(Signal::Started);
    script.answer(200, RENEWED);
    script.reboot(7 * 24 * HOUR);
    script.signal(Signal::Started);
    script.answer(400, r#"{"error":"invalid_grant"}"#);
    assert!(script.is_blocked("sign-in ended"));
}

#[test]
fn tokens_outlive_a_lost_state() {
    let mut script = Script::google();
    script.fill("refresh-token");
    script.signal(Signal::Started);
    assert!(script.is(&Status::Renewing));
    script.answer(200, RENEWED);
    script.lease();
    script.reboot(7 * 24 * HOUR);
    script.signal(Signal::Started);
    script.answer(400, r#"{"error":"invalid_grant"}"#);
    assert!(script.sends(), "nobody knows when the sign-in was");
}

#[test]
fn a_lost_refresh_token_means_a_new_sign_in() {
    let mut script = Script::authorized();
    script.slots.retain(|slot, _| slot == "client-secret");
    script.signal(Signal::Started);
    assert_eq!(script.form().url, "https://oauth2.googleapis.com/device/code");
}

#[test]
fn a_person_who_signed_out_stays_signed_out() {
    let mut script = Script::authorized();
    script.signal(Signal::SignOut(false));
    script.reboot(HOUR);
    let step = script.signal(Signal::Started);
    assert!(script.is(&Status::SignedOut) && script.rests());
    assert_eq!(step.forget.len(), 4, "forgotten again, in case the device stopped before");
    script.signal(Signal::SignIn);
    assert_eq!(script.form().url, "https://oauth2.googleapis.com/device/code");
}

#[test]
fn a_restart_amid_the_request_for_a_code_asks_again() {
    let mut script = Script::google();
    script.signal(Signal::Started);
    script.fill("device-code"); // the answer was stored, and never seen
    script.signal(Signal::Started);
    assert_eq!(script.form().url, "https://oauth2.googleapis.com/device/code");
    assert_eq!(script.filled(), ["client-secret"]);
    script.answer(200, CODE);
    assert_eq!(script.prompt().user_code, "GQVQ-JKEC");
}

#[test]
fn tokens_never_go_to_another_server_or_client() {
    for (settings, url) in [
        (ENDPOINTS, "https://a.example/device"),
        (&GOOGLE.replace("the-client", "another"), "https://oauth2.googleapis.com/device/code"),
    ] {
        for mut script in [Script::authorized(), Script::renewing(), Script::awaiting()] {
            script.change_settings(settings);
            script.signal(Signal::Started);
            assert_eq!(script.form().url, url);
            assert_eq!(script.filled(), ["client-secret"]);
        }
        let mut script = Script::authorized();
        script.signal(Signal::SignOut(false));
        script.change_settings(settings);
        script.signal(Signal::Started);
        assert!(script.rests(), "signed out is signed out");
    }
}

#[test]
fn settings_that_ask_for_more_than_was_granted_need_a_new_sign_in() {
    let more = GOOGLE.replace("drive.file", "drive.file\",\"https://www.googleapis.com/auth/drive.appdata");
    for mut script in [Script::authorized(), Script::renewing()] {
        script.change_settings(&more);
        script.signal(Signal::Started);
        assert_eq!(script.form().url, "https://oauth2.googleapis.com/device/code");
    }
    let mut script = Script::authorized();
    script.change_settings(&GOOGLE.replace("drive.file", "drive.file\",\"email"));
    script.signal(Signal::Started);
    script.lease();
}

#[test]
fn what_was_blocked_by_configuration_is_tried_again_after_a_restart() {
    let mut script = Script::renewing();
    script.answer(401, r#"{"error":"invalid_client"}"#);
    script.signal(Signal::Started);
    assert_eq!(script.field("grant_type").unwrap(), "refresh_token");
}

#[test]
fn failures_before_a_restart_do_not_slow_what_follows() {
    let mut script = Script::renewing();
    for _ in 0..9 {
        script.fail(lost());
        script.elapse();
    }
    script.signal(Signal::Started);
    script.fail(lost());
    assert_eq!(script.wait(), SECOND);
}

#[test]
fn a_refresh_token_of_another_client_is_not_sent_even_if_nothing_was_started_in_between() {
    let mut script = Script::renewing();
    script.answer(401, r#"{"error":"invalid_client"}"#);
    script.change_settings(&GOOGLE.replace("the-client", "another-client"));
    script.signal(Signal::SignIn);
    assert_eq!(script.form().url, "https://oauth2.googleapis.com/device/code");
    assert!(!script.filled().contains(&"refresh-token"));
}

#[test]
fn an_answer_that_is_not_waited_for_changes_nothing() {
    let late = [
        Signal::Failed(lost()),
        Signal::Responded(Response { status: 400, headers: Vec::new(), body: br#"{"error":"invalid_client"}"#.into() }),
    ];
    let mut blocked = Script::awaiting();
    blocked.pass(HOUR);
    blocked.signal(Signal::Started);
    for mut script in [Script::awaiting(), Script::authorized(), blocked] {
        let (state, step) = (script.state().to_owned(), script.step().clone());
        for signal in late.clone() {
            let after = script.signal(signal);
            assert_eq!((after.status, after.next), (step.status.clone(), step.next.clone()));
            assert_eq!(script.state(), state);
        }
    }
}

#[test]
fn a_person_who_asks_while_a_request_is_out_sends_no_second_one() {
    let mut script = Script::renewing();
    script.signal(Signal::SignIn);
    assert_eq!(script.wait(), SECOND, "as after an answer that was lost");
}
