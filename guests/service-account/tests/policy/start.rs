//! The first token, and starts and ends of the device.

use punchcard_sdk::auth_policy_0_2::{
    Algorithm, AuthPolicy, ClientAuthentication, Directive, FormValue, Signal, Status,
};
use serde_json::json;
use service_account::ServiceAccount;

use crate::script::{ACCOUNT, Script, claims_of, sent, settings, waited};

#[test]
fn the_host_is_asked_to_sign_who_asks_for_what() {
    let mut script = Script::new("");
    let form = sent(script.step(Signal::Started));
    assert_eq!(form.url, "https://oauth2.googleapis.com/token");
    assert_eq!(form.client, ClientAuthentication::None);
    let FormValue::Plain(grant_type) = &form.fields[0].value else { panic!() };
    assert_eq!(grant_type, "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let FormValue::Assertion(assertion) = &form.fields[1].value else { panic!() };
    assert_eq!(
        (assertion.slot.as_str(), assertion.algorithm, &assertion.key_id),
        ("service-account", Algorithm::Rs256, &None)
    );
    let now = script.unix_s();
    let scope = "https://www.googleapis.com/auth/spreadsheets";
    let expected = json!({
        "iss": ACCOUNT, "aud": "https://oauth2.googleapis.com/token", "scope": scope, "iat": now, "exp": now + 3_600,
    });
    assert_eq!(claims_of(&form), expected);
    assert_eq!(form.fields.len(), 2, "Google's form holds no more");
    assert_eq!(script.status, Status::Renewing);

    let next = script.grant();
    let Status::Authorized(lease) = &script.status else { panic!("{:?}", script.status) };
    assert_eq!((lease.expires_in_seconds, &lease.scopes[..]), (Some(3_599), &[scope.to_owned()][..]));
    assert_eq!(waited(&next), 3_599_000 / 10 * 8);
}

#[test]
fn who_is_acted_for_and_how_is_signed_are_settings() {
    let mut script =
        Script::new(r#","subject":"anna@example.org","algorithm":"ES256","key-id":"k1","token-url":"http://a/t""#);
    let form = sent(script.step(Signal::Started));
    let FormValue::Assertion(assertion) = &form.fields[1].value else { panic!() };
    assert_eq!((assertion.algorithm, assertion.key_id.as_deref()), (Algorithm::Es256, Some("k1")));
    let claims = claims_of(&form);
    assert_eq!((&claims["sub"], &claims["aud"]), (&json!("anna@example.org"), &json!("http://a/t")));
}

#[test]
fn another_server_is_told_the_scope_in_the_form_and_always_a_subject() {
    let mut script = Script::new(r#","token-url":"https://other.example/token""#);
    let form = sent(script.step(Signal::Started));
    assert_eq!(claims_of(&form)["sub"], ACCOUNT);
    assert_eq!(form.fields.len(), 3);
    assert_eq!(form.fields[2].name, "scope");
    let FormValue::Plain(scope) = &form.fields[2].value else { panic!() };
    assert_eq!(scope, "https://www.googleapis.com/auth/spreadsheets");
}

#[test]
fn an_address_and_the_key_are_needed() {
    let needs = ServiceAccount::needs(&settings(""));
    assert_eq!(
        (needs.urls, needs.slots),
        (vec!["https://oauth2.googleapis.com/token".into()], vec!["service-account".into()])
    );
}

#[test]
fn a_lease_outlives_a_restart_of_the_program_and_not_of_the_machine() {
    let mut script = Script::authorized();
    script.now_ms += 600_000;
    let next = script.step(Signal::Started);
    assert!(script.is_authorized());
    assert_eq!(waited(&next), 3_599_000 / 10 * 8 - 600_000);

    script.boot = "two".into();
    script.now_ms = 900;
    sent(script.step(Signal::Started));
    assert_eq!(script.status, Status::Renewing, "how old the token is can't be told");
}

#[test]
fn a_token_of_another_account_or_for_something_else_is_erased() {
    for more in [r#","subject":"anna@example.org""#, r#","token-url":"https://other.example/token""#] {
        let mut script = Script::authorized();
        script.settings = settings(more);
        sent(script.step(Signal::Started));
        assert_eq!(
            (&script.forgotten[..], &script.status),
            (&["access-token".to_owned()][..], &Status::Renewing),
            "{more}"
        );
    }
}

#[test]
fn signed_out_it_stays_so_until_a_person_signs_in() {
    let mut script = Script::authorized();
    assert_eq!(script.step(Signal::SignOut(true)), Directive::Rest);
    assert!(script.forgotten.contains(&"access-token".to_owned()));
    for signal in [Signal::Started, Signal::Elapsed, Signal::TokenRefused] {
        assert_eq!(script.step(signal), Directive::Rest);
        assert_eq!(script.status, Status::SignedOut);
    }
    sent(script.step(Signal::SignIn));
    script.grant();
    assert!(script.is_authorized());
}

#[test]
fn an_answer_that_was_lost_with_the_power_is_asked_for_again() {
    let mut script = Script::new("");
    sent(script.step(Signal::Started));
    sent(script.step(Signal::Started));
}
