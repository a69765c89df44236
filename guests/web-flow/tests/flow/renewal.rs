//! Staying signed in, signing in again, and signing out.

use punchcard_sdk::auth_policy_0_2::{Signal, Status};
use punchcard_sdk::http::Failure;

use crate::script::{RENEWED, Script, TOKEN, pairs};

const INVALID_GRANT: &str = r#"{"error":"invalid_grant","error_description":"Token has been expired or revoked."}"#;

#[test]
fn a_lease_is_renewed_ahead_of_its_end_and_an_outage_loses_nothing() {
    let mut script = Script::authorized();
    script.elapse();
    assert_eq!(script.fields()[2..], pairs(&[("grant_type", "refresh_token"), ("refresh_token", "<refresh-token>")]));
    assert!(script.is_authorized(), "the old one still holds");
    script.fail(Failure::Unsent("no route".into()));
    script.elapse();
    script.answer(503, "");
    script.elapse();
    script.answer(200, RENEWED);
    assert!(script.is_authorized());
    assert_eq!(script.filled(), ["access-token", "client-secret", "refresh-token"]);
}

#[test]
fn a_grant_that_ended_asks_for_a_person_and_a_doubt_only_when_it_comes_twice() {
    let mut script = Script::authorized();
    script.elapse();
    script.answer(400, INVALID_GRANT);
    assert!(script.is_awaiting());
    assert_eq!(script.filled(), ["client-secret"]);

    let mut script = Script::authorized();
    script.elapse();
    script.answer(403, r#"{"error":"odd"}"#);
    script.elapse();
    script.answer(403, r#"{"error":"odd"}"#);
    assert!(script.is_awaiting());

    let mut script = Script::authorized();
    script.unix_s += 7 * 24 * 3_600;
    script.elapse();
    script.answer(400, INVALID_GRANT);
    assert_eq!(script.problem().headline, "sign-in ended");
    assert!(script.problem().advice.contains("Publish"), "{}", script.problem().advice);
}

#[test]
fn a_lease_that_a_service_refuses_is_replaced_at_once_and_then_after_pauses() {
    let mut script = Script::authorized();
    script.pass(60_000);
    script.signal(Signal::TokenRefused);
    script.answer(200, RENEWED);
    script.signal(Signal::TokenRefused);
    assert_eq!(script.problem().headline, "token was refused");
    script.elapse();
    script.answer(200, RENEWED);
    assert!(script.is_authorized());
}

#[test]
fn the_old_refresh_token_stays_until_another_sign_in_has_succeeded() {
    let mut script = Script::authorized();
    let old = script.slots["refresh-token"];
    script.signal(Signal::SignIn);
    assert_eq!(script.slots.get("refresh-token"), Some(&old));
    script.turn_away("access_denied", "");
    assert_eq!(script.problem().headline, "access was refused");
    script.elapse();
    assert_eq!(script.fields()[2].1, "refresh_token");
    script.answer(200, RENEWED);
    assert!(script.is_authorized());

    script.signal(Signal::SignIn);
    script.come_back();
    script.answer(200, TOKEN);
    assert!(script.is_authorized() && script.slots["refresh-token"] != old);

    // A server that gives none in its place leaves none.
    script.signal(Signal::SignIn);
    script.come_back();
    script.answer(200, RENEWED);
    assert!(script.is_authorized());
    assert_eq!(script.filled(), ["access-token", "client-secret"]);
}

#[test]
fn signing_out_forgets_and_with_revoke_the_server_is_told() {
    let mut script = Script::authorized();
    script.signal(Signal::SignOut(false));
    assert_eq!((&script.step().status, script.filled()), (&Status::SignedOut, vec!["client-secret"]));
    script.reboot();
    script.signal(Signal::Started);
    assert_eq!(script.step().status, Status::SignedOut, "nobody is asked who went away on purpose");

    let mut script = Script::authorized();
    script.signal(Signal::SignOut(true));
    assert_eq!(script.form().url, "https://oauth2.googleapis.com/revoke");
    assert_eq!(script.fields(), pairs(&[("token", "<refresh-token>")]));
    script.answer(200, "{}");
    assert_eq!((&script.step().status, script.filled()), (&Status::SignedOut, vec!["client-secret"]));

    let mut script = Script::authorized();
    script.signal(Signal::SignOut(true));
    script.answer(400, r#"{"error":"invalid_token"}"#);
    assert_eq!((script.problem().headline.as_str(), script.filled()), ("not revoked", vec!["client-secret"]));
}

#[test]
fn tokens_of_one_client_go_to_no_other_and_more_scopes_need_a_person() {
    for (from, to) in [("the-client", "another-client"), ("[\"https://www.", "[\"openid.more\",\"https://www.")] {
        let mut script = Script::authorized();
        script.change_settings(from, to);
        script.signal(Signal::Started);
        assert!(script.is_awaiting(), "{to}");
        assert_eq!(script.filled(), ["client-secret"], "{to}");
    }
}
