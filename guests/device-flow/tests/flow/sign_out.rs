//! Signing out.

use punchcard_sdk::auth_policy::{Signal, Status};
use punchcard_sdk::http::Failure;

use crate::script::{CODE, ENDPOINTS, Script, TOKEN, lost, pairs};

const SIGN_IN_SLOTS: [&str; 4] = ["refresh-token", "access-token", "id-token", "device-code"];

fn is_signed_out(script: &Script) -> bool {
    script.is(&Status::SignedOut) && has_forgotten(script)
}

/// Signed out here, and not at the server.
fn is_not_revoked(script: &Script) -> bool {
    script.is_blocked("not revoked") && has_forgotten(script)
}

fn has_forgotten(script: &Script) -> bool {
    script.rests() && script.step().forget == SIGN_IN_SLOTS
}

#[test]
fn signing_out_forgets_everything_at_once() {
    for mut script in [Script::authorized(), Script::renewing(), Script::awaiting(), Script::google()] {
        script.signal(Signal::SignOut(false));
        assert!(is_signed_out(&script));
        assert_eq!(script.filled(), ["client-secret"], "what the owner configured stays");
        assert!(!script.state().contains("GQVQ"));
    }
}

#[test]
fn point_27_revoking_tells_the_server_and_then_forgets() {
    let mut script = Script::authorized();
    let step = script.signal(Signal::SignOut(true));
    assert_eq!(script.form().url, "https://oauth2.googleapis.com/revoke");
    assert_eq!(script.fields(), pairs(&[("token", "<refresh-token>")]));
    assert!(step.forget.is_empty(), "the token is still needed");
    assert!(script.is(&Status::SignedOut), "but no request gets it any more");
    script.answer(200, "");
    assert!(is_signed_out(&script));
}

#[test]
fn point_27_forgets_even_if_the_server_could_not_be_told() {
    for (status, body) in [
        (400, r#"{"error":"invalid_token"}"#),
        (503, "<html>"),
        (302, ""),
        (200, r#"{"error":"odd"}"#),
        (200, "<html>Welcome to our guest network"),
    ] {
        let mut script = Script::authorized();
        script.signal(Signal::SignOut(true));
        script.answer(status, body);
        assert!(is_not_revoked(&script), "{body}");
        script.signal(Signal::Started);
        assert!(script.is_blocked("not revoked"), "a restart does not make it good");
    }
    for failure in [lost(), Failure::Denied("x".into()), Failure::Invalid("x".into()), Failure::Missing("x".into())] {
        let mut script = Script::authorized();
        script.signal(Signal::SignOut(true));
        script.fail(failure);
        assert!(is_not_revoked(&script));
    }
}

#[test]
fn point_27_other_servers_see_the_client_and_the_kind_of_token() {
    let mut script = Script::new(ENDPOINTS);
    script.signal(Signal::Started);
    script.answer(200, CODE);
    script.elapse();
    script.answer(200, r#"{"access_token":"a","refresh_token":"r","expires_in":60}"#);
    script.signal(Signal::SignOut(true));
    assert_eq!(script.form().url, "https://a.example/revoke");
    let fields = [("client_id", "the-client"), ("token", "<refresh-token>"), ("token_type_hint", "refresh_token")];
    assert_eq!(script.fields(), pairs(&fields));

    script.answer(200, "");
    script.fill("access-token");
    script.signal(Signal::SignOut(true));
    let fields = [("client_id", "the-client"), ("token", "<access-token>"), ("token_type_hint", "access_token")];
    assert_eq!(script.fields(), pairs(&fields));
}

#[test]
fn without_a_token_or_an_endpoint_there_is_nothing_to_revoke() {
    let mut script = Script::awaiting();
    script.signal(Signal::SignOut(true));
    assert!(is_signed_out(&script));

    let mut script = Script::new(&ENDPOINTS.replace(r#","revocation":"https://a.example/revoke""#, ""));
    script.change_settings(
        r#"{"endpoints":{"device-authorization":"https://a.example/d","token":"https://a.example/t"},"client-id":"c"}"#,
    );
    script.fill("refresh-token");
    script.signal(Signal::SignOut(true));
    assert!(is_not_revoked(&script));
}

#[test]
fn a_restart_amid_a_revocation_repeats_it_once() {
    let mut script = Script::authorized();
    script.signal(Signal::SignOut(true));
    script.signal(Signal::Started);
    assert_eq!(script.form().url, "https://oauth2.googleapis.com/revoke");
    script.signal(Signal::Started);
    assert!(is_not_revoked(&script), "a crash must not repeat for ever");
}

#[test]
fn a_signal_that_overtakes_the_answer_repeats_the_revocation_once() {
    let mut script = Script::authorized();
    script.signal(Signal::SignOut(true));
    script.signal(Signal::SignIn);
    assert!(script.is(&Status::SignedOut));
    script.elapse();
    assert_eq!(script.form().url, "https://oauth2.googleapis.com/revoke");
    script.answer(200, "");
    assert!(is_signed_out(&script));
}

#[test]
fn after_signing_out_a_person_can_sign_in_again() {
    let mut script = Script::authorized();
    script.signal(Signal::SignOut(true));
    script.answer(200, "{}");
    script.signal(Signal::SignIn);
    script.answer(200, CODE);
    script.elapse();
    script.answer(200, TOKEN);
    script.lease();
}
