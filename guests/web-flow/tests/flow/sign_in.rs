//! From nothing to a lease, and every way in which that comes to nothing.

use punchcard_sdk::auth_policy_0_2::{Directive, Signal, Status};
use punchcard_sdk::http::Failure;

use crate::script::{BACK, MINUTE, SECOND, Script, TOKEN, pairs};

const CLIENT: &str = "the-client.apps.googleusercontent.com";

#[test]
fn a_browser_is_sent_to_google_for_a_refresh_token_and_the_code_is_exchanged_by_its_slot() {
    let mut script = Script::awaiting();
    let visit = script.visit();
    assert_eq!(visit.url, "https://accounts.google.com/o/oauth2/v2/auth");
    let parameters: Vec<_> =
        visit.parameters.iter().map(|parameter| (parameter.name.clone(), parameter.value.clone())).collect();
    assert_eq!(
        parameters,
        pairs(&[
            ("client_id", CLIENT),
            ("scope", "https://www.googleapis.com/auth/tasks"),
            ("access_type", "offline"),
            ("prompt", "consent"),
        ])
    );
    assert_eq!((visit.issuer.as_deref(), visit.expires_in_seconds), (Some("https://accounts.google.com"), 1_800));
    script.come_back();
    assert_eq!(script.form().url, "https://oauth2.googleapis.com/token");
    assert_eq!(
        script.fields(),
        pairs(&[
            ("client_id", CLIENT),
            ("client_secret", "<client-secret>"),
            ("grant_type", "authorization_code"),
            ("code", "<authorization-code>"),
            ("code_verifier", "<code-verifier>"),
            ("redirect_uri", BACK),
        ])
    );
    script.answer(200, TOKEN);
    assert!(script.is_authorized());
    assert_eq!(script.filled(), ["access-token", "client-secret", "refresh-token"]);
    assert!(matches!(script.step().next, Directive::Wait(ms) if (2_879 * SECOND..=3_240 * SECOND).contains(&ms)));
}

#[test]
fn another_server_is_asked_for_consent_where_a_refresh_token_takes_that() {
    const SERVER: &str =
        r#""client-id":"c","endpoints":{"authorization":"https://a.example/auth","token":"https://a.example/token"}"#;
    for (scopes, expected) in [
        (
            r#"["openid","offline_access"]"#,
            [("client_id", "c"), ("scope", "openid offline_access"), ("prompt", "consent")].as_slice(),
        ),
        (r#"["openid"]"#, &[("client_id", "c"), ("scope", "openid")]),
        ("[]", &[("client_id", "c")]),
    ] {
        let mut script = Script::new();
        script.set_settings(&format!(r#"{{{SERVER},"scopes":{scopes}}}"#));
        script.signal(Signal::Started);
        let visit = script.visit();
        let parameters: Vec<_> =
            visit.parameters.iter().map(|parameter| (parameter.name.clone(), parameter.value.clone())).collect();
        assert_eq!(parameters, pairs(expected));
    }
}

#[test]
fn what_the_server_says_to_a_code_is_told_apart() {
    for (status, body, headline) in [
        (400, r#"{"error":"invalid_grant","error_description":"Bad Request"}"#, "code not accepted"),
        (400, r#"{"error":"invalid_grant","error_description":"Account disabled"}"#, "account restricted"),
        (401, r#"{"error":"invalid_client"}"#, "client id refused"),
        (400, r#"{"error":"unauthorized_client"}"#, "web flow refused"),
        (400, r#"{"error":"redirect_uri_mismatch"}"#, "sign-in failed"),
        (200, r#"{"access_token":"x","token_type":"mac"}"#, "token not usable"),
        (200, r#"{"access_token":"x","scope":"openid"}"#, "permission missing"),
    ] {
        let mut script = Script::exchanging();
        script.answer(status, body);
        assert_eq!(script.problem().headline, headline, "{body}");
        assert_eq!(script.step().next, Directive::Rest);
        assert!(!script.filled().iter().any(|slot| slot.starts_with("code") || slot.starts_with("auth")), "{body}");
        script.signal(Signal::SignIn);
        assert!(script.is_awaiting(), "{body}");
    }
}

#[test]
fn a_code_is_tried_again_while_nothing_is_learnt_and_given_up_when_it_is_worthless() {
    for failure in [
        Failure::Unsent("no route".into()),
        Failure::Interrupted("timed out".into()),
        // An answer of 100 MB.
        Failure::TooLarge(8_388_608),
    ] {
        let mut script = Script::exchanging();
        script.fail(failure.clone());
        assert_eq!(script.step().status, Status::Renewing);
        script.elapse();
        assert_eq!(script.fields()[3], ("code".to_owned(), "<authorization-code>".to_owned()));
        script.pass(10 * MINUTE);
        script.fail(failure);
        assert_eq!(script.problem().headline, "sign-in unanswered");
        assert_eq!(script.filled(), ["client-secret"]);
    }
}

#[test]
fn who_is_turned_away_is_told_why_and_asked_no_more() {
    for (error, description, headline, words) in [
        ("access_denied", "", "access was refused", "did not allow"),
        ("access_denied", "The user account is disabled", "account restricted", "ask whoever"),
        ("invalid_scope", "", "scope refused", "/auth/tasks"),
        ("admin_policy_enforced", "", "blocked by an admin", CLIENT),
        ("server_error", "try later", "sign-in failed", "`server_error`: try later"),
        ("\u{1b}[2Jodd", "", "sign-in failed", "[2Jodd"),
    ] {
        let mut script = Script::awaiting();
        script.turn_away(error, description);
        assert_eq!(script.problem().headline, headline, "{error}");
        assert!(script.problem().advice.contains(words), "{}", script.problem().advice);
        assert!(!script.problem().advice.contains('\u{1b}'));
        assert_eq!(script.step().next, Directive::Rest);
    }
}

#[test]
fn a_visit_stays_the_same_until_its_end_and_a_person_has_it_prolonged() {
    let mut script = Script::awaiting();
    let first = script.visit().clone();
    script.pass(20 * MINUTE);
    script.signal(Signal::TokenRefused);
    assert_eq!(script.visit().expires_in_seconds, 600);
    script.signal(Signal::SignIn);
    assert_eq!(script.visit(), &first);
    script.elapse();
    assert_eq!(script.problem().headline, "sign-in expired");
    assert_eq!(script.step().next, Directive::Rest);
    // Nobody is awaited any more.
    script.signal(Signal::Started);
    assert_eq!(script.problem().headline, "sign-in expired");
    script.come_back();
    assert_eq!(script.problem().headline, "sign-in expired");
}

#[test]
fn after_a_restart_what_is_in_the_slots_counts() {
    // The code was stored, and the policy did not hear where the browser came back to.
    let mut script = Script::awaiting();
    script.fill("authorization-code");
    script.fill("code-verifier");
    script.signal(Signal::Started);
    assert!(script.is_awaiting());
    assert_eq!(script.filled(), ["client-secret"]);
    // The exchange was not answered.
    let mut script = Script::exchanging();
    script.signal(Signal::Started);
    assert_eq!(script.fields()[2].1, "authorization_code");
    // By another boot the code is old.
    script.reboot();
    script.signal(Signal::Started);
    assert!(script.is_awaiting());
    // Its answer was stored, and not heard.
    let mut script = Script::exchanging();
    script.fill("access-token");
    script.fill("refresh-token");
    script.signal(Signal::Started);
    assert_eq!(script.fields()[2].1, "refresh_token");
    let mut script = Script::exchanging();
    script.fill("access-token");
    script.signal(Signal::Started);
    assert!(script.is_authorized());
}

#[test]
fn a_wrong_clock_changes_nothing_but_what_is_said_of_google_s_seven_days() {
    let mut script = Script::exchanging();
    script.unix_s = 0;
    script.answer(200, TOKEN);
    assert!(script.is_authorized());
    script.pass(MINUTE);
    script.unix_s = 4_000_000_000;
    script.signal(Signal::TokenRefused);
    assert_eq!(script.fields()[2].1, "refresh_token");
}
