//! Renewing: what keeps a device signed in for years.

use punchcard_sdk::auth_policy::{Directive, Signal, Status};
use punchcard_sdk::http::{Failure, Response};

use crate::script::{CLIENT, CODE, DAY, ENDPOINTS, HOUR, PENDING, RENEWED, SECOND, Script, TOKEN, lost, pairs};

const INVALID_GRANT: &str = r#"{"error":"invalid_grant","error_description":"Token has been expired or revoked."}"#;

#[test]
fn the_lease_is_renewed_ahead_of_its_end_and_stays_good_meanwhile() {
    let mut script = Script::authorized();
    assert_eq!(script.wait(), 3_599 * SECOND / 10 * 8);
    script.elapse();
    assert_eq!(script.form().url, "https://oauth2.googleapis.com/token");
    assert_eq!(script.lease().expires_in_seconds, Some(719), "requests need not wait");
    script.answer(200, RENEWED);
    assert_eq!(script.lease().expires_in_seconds, Some(3599));
    assert_eq!(script.wait(), 3_599 * SECOND / 10 * 8);
}

#[test]
fn a_fleet_does_not_renew_in_step() {
    let mut script = Script::awaiting();
    script.elapse();
    script.entropy = vec![0, 0, 0, 0, 0, 0, 3, 232];
    script.answer(200, TOKEN);
    assert_eq!(script.wait(), 3_599 * SECOND / 10 * 9);
}

#[test]
fn an_idle_grant_is_renewed_weekly_however_long_its_lease() {
    let mut script = Script::awaiting();
    script.elapse();
    script.answer(200, &TOKEN.replace("3599", "31536000"));
    for _ in 0..3 {
        assert!(script.wait() < 7 * DAY);
        script.elapse();
        assert_eq!(script.field("grant_type").unwrap(), "refresh_token");
        script.answer(200, &RENEWED.replace("3599", "31536000"));
    }
}

#[test]
fn point_24_a_renewal_asks_for_no_scope() {
    let script = Script::renewing();
    assert_eq!(
        script.fields(),
        pairs(&[
            ("client_id", CLIENT),
            ("client_secret", "<client-secret>"),
            ("grant_type", "refresh_token"),
            ("refresh_token", "<refresh-token>"),
        ])
    );
}

#[test]
fn point_23_the_newest_refresh_token_is_used_and_the_old_one_kept_where_none_came() {
    let mut script = Script::renewing();
    let first = script.slots["refresh-token"];
    let step = script.answer(200, RENEWED);
    assert!(!step.forget.iter().any(|slot| slot == "refresh-token" || slot == "access-token"));
    assert_eq!(script.slots["refresh-token"], first);
    script.elapse();
    let step = script.answer(200, &RENEWED.replacen('{', r#"{"refresh_token":"1//new","#, 1));
    assert!(!step.forget.iter().any(|slot| slot == "refresh-token"));
    assert!(script.slots["refresh-token"] > first);
    script.elapse();
    assert_eq!(script.field("refresh_token").unwrap(), "<refresh-token>");
}

#[test]
fn a_statement_about_the_person_is_not_kept() {
    let mut script = Script::renewing();
    script.answer(200, &RENEWED.replacen('{', r#"{"id_token":"eyJ.eyJ.sig","#, 1));
    assert_eq!(script.filled(), ["access-token", "client-secret", "refresh-token"]);
}

#[test]
fn point_25_invalid_grant_asks_for_a_new_sign_in_at_once() {
    let mut script = Script::renewing();
    script.answer(400, INVALID_GRANT);
    assert_eq!(script.form().url, "https://oauth2.googleapis.com/device/code", "the code is shown at once");
    assert!(script.is(&Status::SignedOut));
    assert_eq!(script.filled(), ["client-secret", "refresh-token"], "kept until the new sign-in has succeeded");
    script.answer(200, CODE);
    assert_eq!(script.prompt().user_code, "GQVQ-JKEC");
    let old = script.slots["refresh-token"];
    script.elapse();
    script.answer(200, TOKEN);
    script.lease();
    assert!(script.slots["refresh-token"] > old);
}

#[test]
fn point_25_what_may_be_mended_elsewhere_stops_it_and_discards_nothing() {
    for (status, body, headline) in [
        (401, r#"{"error":"invalid_client"}"#, "client id refused"),
        (401, r#"{"error":"deleted_client"}"#, "client was deleted"),
        (401, r#"{"error":"disabled_client"}"#, "client was disabled"),
        (403, r#"{"error":"org_internal"}"#, "organisation only"),
        (400, r#"{"error":"admin_policy_enforced"}"#, "blocked by an admin"),
        (400, r#"{"error":"access_denied","error_description":"Account restricted"}"#, "account restricted"),
        (403, r#"{"error":"access_denied"}"#, "account restricted"),
        (400, r#"{"error":"invalid_grant","error_description":"User disabled"}"#, "account restricted"),
        (415, "{}", "server wants JSON"),
    ] {
        let mut script = Script::renewing();
        for seconds in [64, 128, 256, 512, 1_024, 2_048, 3_600, 3_600] {
            script.answer(status, body);
            assert!(script.is_blocked(headline), "{body}");
            assert!(script.slots.contains_key("refresh-token"), "{body}");
            assert_eq!(script.wait(), seconds * SECOND, "it may be mended elsewhere");
            script.elapse();
            assert_eq!(script.field("grant_type").unwrap(), "refresh_token");
        }
        script.answer(200, RENEWED);
        script.lease();
        script.elapse();
        script.answer(status, body);
        assert_eq!(script.wait(), 64 * SECOND, "a success ends the growing");
    }
}

#[test]
fn a_restriction_is_said_in_the_server_s_words_and_blames_nobody() {
    let mut script = Script::renewing();
    script.answer(400, r#"{"error":"access_denied","error_description":"Account restricted."}"#);
    let advice = &script.problem().advice;
    assert!(advice.contains("`access_denied`: Account restricted)"), "{advice}");
    assert!(!advice.contains("person who entered") && !advice.contains(".."), "{advice}");
}

#[test]
fn a_refusal_that_is_not_certain_counts_when_it_comes_twice() {
    for (status, body) in [
        (400, ""),
        (400, "no such token"),
        (401, "{}"),
        (400, r#"{"error":"invalid_request"}"#),
        (401, r#"{"error":"invalid_token"}"#),
        (400, r#"{"error":"expired_token"}"#),
        (400, r#"{"error":"odd"}"#),
        (403, r#"{"message":"Forbidden"}"#),
    ] {
        let mut script = Script::renewing();
        script.answer(status, body);
        script.lease();
        assert_eq!(script.wait(), 60 * SECOND, "what a restart of the server says should have passed: {body}");
        script.elapse();
        assert_eq!(script.field("grant_type").unwrap(), "refresh_token", "{body}");
        script.answer(200, RENEWED);
        script.lease();

        script.elapse();
        script.answer(status, body);
        script.elapse();
        script.fail(lost());
        script.elapse();
        script.answer(status, body);
        assert_eq!(script.form().url, "https://oauth2.googleapis.com/device/code", "{body}");
        assert!(script.slots.contains_key("refresh-token"), "kept until the new sign-in has succeeded");
        script.answer(200, CODE);
        script.elapse();
        script.answer(200, TOKEN);
        script.lease();
        script.elapse();
        script.answer(status, body);
        script.lease();
        assert!(!script.sends(), "and then it is counted anew");
    }
}

#[test]
fn where_nobody_comes_to_enter_the_code_the_old_token_is_tried_again() {
    let mut script = Script::renewing();
    script.answer(400, INVALID_GRANT);
    script.answer(200, CODE);
    while script.elapse().next != Directive::Wait(64 * SECOND) {
        script.answer(428, PENDING);
    }
    assert!(script.is_blocked("code expired"));
    for seconds in [128, 256] {
        script.elapse();
        assert_eq!(script.field("grant_type").unwrap(), "refresh_token");
        assert!(script.is_blocked("code expired"), "what a person has to do is still said");
        script.answer(400, INVALID_GRANT);
        assert!(script.is_blocked("code expired"), "no other code is shown unless a person asks");
        assert_eq!(script.wait(), seconds * SECOND);
    }
    script.reboot(HOUR);
    script.signal(Signal::Started);
    assert!(script.is_blocked("code expired"));
    script.elapse();
    script.answer(200, RENEWED);
    script.lease();
    script.elapse();
    script.answer(400, INVALID_GRANT);
    assert_eq!(script.form().url, "https://oauth2.googleapis.com/device/code", "another time, another code");
}

#[test]
fn a_person_who_refuses_or_a_code_of_no_use_leaves_the_old_token() {
    for body in [r#"{"error":"access_denied"}"#, r#"{"error":"invalid_grant"}"#, r#"{"error":"expired_token"}"#] {
        let mut script = Script::authorized();
        script.signal(Signal::SignIn);
        script.answer(200, CODE);
        script.elapse();
        script.answer(400, body);
        script.problem();
        script.elapse();
        assert_eq!(script.field("grant_type").unwrap(), "refresh_token", "{body}");
        script.answer(200, RENEWED);
        script.lease();
    }
}

#[test]
fn a_person_s_wish_to_sign_in_always_begins_a_new_one() {
    let mut failing = Script::renewing();
    failing.fail(lost());
    let mut blocked = Script::renewing();
    blocked.answer(401, r#"{"error":"invalid_client"}"#);
    for mut script in [Script::authorized(), failing, blocked] {
        let old = script.slots["refresh-token"];
        script.signal(Signal::SignIn);
        assert_eq!(script.form().url, "https://oauth2.googleapis.com/device/code");
        assert_eq!(script.slots["refresh-token"], old, "kept until it has succeeded");
        script.answer(200, CODE);
        script.signal(Signal::SignIn);
        assert_eq!((script.prompt().user_code.as_str(), script.wait()), ("GQVQ-JKEC", 5 * SECOND), "one is shown");
        script.reboot(HOUR);
        script.signal(Signal::Started);
        assert_eq!(script.field("grant_type").unwrap(), "refresh_token", "a power cut costs no sign-in");
    }
}

#[test]
fn a_new_sign_in_without_a_refresh_token_ends_the_old_one() {
    let mut script = Script::authorized();
    script.signal(Signal::SignIn);
    script.answer(200, CODE);
    script.elapse();
    script.answer(200, RENEWED);
    script.lease();
    assert_eq!(script.filled(), ["access-token", "client-secret"]);
}

#[test]
fn a_client_that_may_not_renew_signs_in_anew_when_the_lease_ends() {
    for body in [
        r#"{"error":"unauthorized_client"}"#,
        r#"{"error":"unsupported_grant_type"}"#,
        r#"{"error":"invalid_request","error_description":"requested grant type is not allowed for this client"}"#,
    ] {
        let mut script = Script::renewing();
        script.answer(400, body);
        script.elapse();
        script.answer(400, body);
        let remaining = script.lease().expires_in_seconds.unwrap();
        assert_eq!(script.wait() / SECOND, u64::from(remaining), "the lease is used to its end: {body}");
        script.elapse();
        assert_eq!(script.form().url, "https://oauth2.googleapis.com/device/code", "{body}");

        let mut script = Script::authorized();
        script.pass(HOUR);
        script.signal(Signal::TokenRefused);
        script.answer(400, body);
        script.elapse();
        script.answer(400, body);
        assert_eq!(script.form().url, "https://oauth2.googleapis.com/device/code", "there is no lease: {body}");
    }
}

#[test]
fn point_25_nothing_is_discarded_while_nothing_is_learnt() {
    let mut script = Script::renewing();
    let mut waits = Vec::new();
    for round in 0..40 {
        match round % 5 {
            0 => script.fail(lost()),
            1 => script.fail(Failure::Unsent("no route".into())),
            2 => script.answer(503, "<html>"),
            3 => script.answer(200, "<html>"),
            _ => script.answer(403, r#"{"error_code":"rate_limit_exceeded"}"#),
        };
        waits.push(script.wait() / SECOND);
        assert!(script.slots.contains_key("refresh-token"));
        script.elapse();
        assert_eq!(script.field("grant_type").unwrap(), "refresh_token");
    }
    assert_eq!(waits[..8], [1, 2, 4, 8, 16, 32, 64, 64]);
    assert_eq!(waits[39], 300);
    assert!(script.is_blocked("too many sign-ins"), "the lease has ended, and that it lasts is said");
    script.answer(200, RENEWED);
    script.lease();
    script.elapse();
    script.answer(403, r#"{"error":"slow_down"}"#);
    assert_eq!(script.wait(), SECOND, "a success ends the counting");
}

#[test]
fn a_renewal_that_fails_for_long_is_said_and_goes_on() {
    let mut script = Script::authorized();
    script.pass(HOUR);
    script.signal(Signal::TokenRefused);
    for failures in 1..=6 {
        script.fail(Failure::Unsent("no route".into()));
        let is_said = if failures < 4 { script.is(&Status::Renewing) } else { script.is_blocked("server not reached") };
        assert!(is_said, "after {failures} failures");
        script.elapse();
    }
    script.answer(200, RENEWED);
    script.lease();
}

#[test]
fn a_refusal_a_week_after_the_sign_in_says_to_publish_the_client() {
    let mut script = Script::authorized();
    let signed_in_ms = script.now_ms;
    while script.now_ms - signed_in_ms < 7 * DAY {
        script.elapse();
        script.answer(200, RENEWED);
    }
    script.elapse();
    script.answer(400, INVALID_GRANT);
    assert!(script.is_blocked("sign-in ended") && script.rests());
    assert!(script.problem().advice.contains("Publish the OAuth client"));
    assert_eq!(script.filled(), ["client-secret"]);
    script.reboot(HOUR);
    script.signal(Signal::Started);
    assert!(script.is_blocked("sign-in ended") && script.rests());
    script.signal(Signal::SignIn);
    assert_eq!(script.form().url, "https://oauth2.googleapis.com/device/code");
}

#[test]
fn a_refusal_a_week_after_the_sign_in_at_another_server_shows_a_code() {
    let mut script = Script::new(ENDPOINTS);
    script.signal(Signal::Started);
    script.answer(200, CODE);
    script.elapse();
    script.answer(200, r#"{"access_token":"a","refresh_token":"r","expires_in":604800}"#);
    script.reboot(7 * DAY);
    script.signal(Signal::Started);
    script.answer(400, INVALID_GRANT);
    assert_eq!(script.form().url, "https://a.example/device");
}

#[test]
fn point_26_a_refused_token_is_renewed_once() {
    let mut script = Script::authorized();
    script.pass(600 * SECOND);
    script.signal(Signal::TokenRefused);
    assert!(script.is(&Status::Renewing), "requests wait");
    assert_eq!(script.field("grant_type").unwrap(), "refresh_token");
    script.answer(200, RENEWED);
    script.lease();
}

#[test]
fn point_26_a_service_that_refuses_every_token_is_not_fed_with_tokens() {
    let mut script = Script::authorized();
    script.pass(10 * SECOND);
    script.signal(Signal::TokenRefused);
    assert!(script.is_blocked("token was refused"), "why requests wait is said");
    assert_eq!(script.wait(), 20 * SECOND);
    for seconds in [60, 120, 240, 480, 960, 1_920, 3_600, 3_600] {
        script.elapse();
        assert_eq!(script.field("grant_type").unwrap(), "refresh_token");
        script.answer(200, &RENEWED.replace("3599", "36000"));
        script.lease();
        script.signal(Signal::TokenRefused);
        assert!(script.is_blocked("token was refused"));
        assert_eq!(script.wait(), seconds * SECOND, "pauses grow");
    }
    script.elapse();
    script.answer(200, RENEWED);
    script.elapse();
    script.answer(200, RENEWED);
    script.pass(40 * SECOND);
    script.signal(Signal::TokenRefused);
    assert!(script.sends(), "a lease that lasted until its renewal ends the growing");
}

#[test]
fn a_token_that_was_refused_is_never_given_again() {
    let mut script = Script::authorized();
    script.pass(600 * SECOND);
    let refused = script.slots["access-token"];
    script.signal(Signal::TokenRefused);
    for seconds in [60, 120] {
        // A server that gives the token that it has given before: the slot keeps its version.
        let same = br#"{"access_token":"access-token","expires_in":3000,"token_type":"Bearer"}"#.to_vec();
        script.signal(Signal::Responded(Response { status: 200, headers: Vec::new(), body: same }));
        assert_eq!(script.slots["access-token"], refused);
        assert!(script.is_blocked("token was refused"));
        assert_eq!(script.wait(), seconds * SECOND);
        script.signal(Signal::Started);
        assert!(script.sends(), "nor after a restart");
    }
    script.answer(200, RENEWED);
    script.lease();
}

#[test]
fn point_29_nothing_starts_a_second_renewal_beside_the_first() {
    let mut script = Script::renewing();
    script.fail(lost());
    script.signal(Signal::TokenRefused);
    assert!(script.is(&Status::Renewing));
    assert_eq!(script.wait(), SECOND, "the next try is due as before");
    script.signal(Signal::TokenRefused);
    assert_eq!(script.wait(), SECOND);
    script.elapse();
    assert_eq!(script.field("grant_type").unwrap(), "refresh_token");
    script.signal(Signal::TokenRefused);
    assert!(!script.sends(), "not while an answer is awaited");
}

#[test]
fn point_22_a_renewal_that_lost_a_scope_is_a_problem_to_show() {
    let mut script = Script::renewing();
    script.answer(200, &RENEWED.replace("https://www.googleapis.com/auth/drive.file", "openid"));
    assert!(script.is_blocked("permission missing") && script.rests());
    assert_eq!(script.filled(), ["client-secret"]);
}

#[test]
fn a_renewal_that_names_no_scope_leaves_them_as_they_were() {
    let mut script = Script::new(ENDPOINTS);
    script.signal(Signal::Started);
    script.answer(200, CODE);
    script.elapse();
    script.answer(200, r#"{"access_token":"a","refresh_token":"r","expires_in":60,"scope":"write more"}"#);
    script.elapse();
    script.answer(200, r#"{"access_token":"a","expires_in":60}"#);
    assert_eq!(script.lease().scopes, ["write", "more"]);
}

#[test]
fn a_refresh_token_that_the_storage_lost_means_a_new_sign_in() {
    let mut script = Script::authorized();
    script.slots.remove("refresh-token");
    script.elapse();
    assert_eq!(script.form().url, "https://oauth2.googleapis.com/device/code");

    let mut script = Script::renewing();
    script.fail(Failure::Missing("refresh-token".into()));
    assert_eq!(script.form().url, "https://oauth2.googleapis.com/device/code");

    let mut script = Script::renewing();
    script.fail(Failure::Missing("client-secret".into()));
    assert!(script.is_blocked("secret is missing"));
    assert!(script.slots.contains_key("refresh-token"));
}

#[test]
fn an_answer_whose_token_was_not_stored_is_not_a_lease() {
    let mut script = Script::renewing();
    script.slots.remove("access-token");
    let body = br#"{"access_token":"access-token","expires_in":3599}"#.to_vec();
    script.signal(Signal::Responded(Response { status: 200, headers: Vec::new(), body }));
    assert!(script.is_blocked("answer not understood"));
}

#[test]
fn devices_that_wait_for_mending_do_not_ask_in_step() {
    for (entropy, seconds) in [(vec![], 64), (vec![3, 232], 80)] {
        let mut script = Script::renewing();
        script.entropy = entropy;
        script.answer(401, r#"{"error":"invalid_client"}"#);
        assert_eq!(script.wait(), seconds * SECOND);
    }
}
