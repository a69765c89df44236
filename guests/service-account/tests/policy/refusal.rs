//! What a wrong key, an account that is not let in and a wrong clock do.

use punchcard_sdk::auth_policy_0_2::{Directive, Signal, Status};
use punchcard_sdk::http::Failure;

use crate::script::{Script, sent, waited};

/// What the server says, the headline, and a word of the advice.
const REFUSALS: [(&str, &str, &str, &str); 8] = [
    ("invalid_grant", "Invalid JWT Signature.", "key was refused", "client_email"),
    ("invalid_grant", "Invalid grant: account not found", "account not found", "recorder@project"),
    ("invalid_grant", "Invalid grant: account disabled", "account is disabled", "enable it"),
    ("invalid_grant", "Invalid JWT: Token must be in a reasonable timeframe.", "clock is wrong", "doctor"),
    ("invalid_grant", "Invalid email or User ID", "person not found", "anna@example.org"),
    ("unauthorized_client", "Client is unauthorized.", "delegation refused", "domain-wide delegation"),
    ("invalid_scope", "Invalid OAuth scope.", "scope refused", "auth/spreadsheets"),
    ("odd", "Odd words.", "sign-in failed", "`odd`: Odd words"),
];

#[test]
fn a_refusal_is_said_with_advice_and_asked_again_after_pauses_that_grow_to_an_hour() {
    for (name, description, headline, advice) in REFUSALS {
        let mut script = Script::new(r#","subject":"anna@example.org""#);
        sent(script.step(Signal::Started));
        let body = format!(r#"{{"error":"{name}","error_description":"{description}"}}"#);
        let mut waits = Vec::new();
        for _ in 0..8 {
            let next = script.answer(400, &body);
            assert_eq!(script.headline(), headline);
            let Status::Blocked(problem) = &script.status else { panic!() };
            assert!(problem.advice.contains(advice), "{}", problem.advice);
            waits.push(waited(&next) / 1_000);
            sent(script.elapse(waited(&next)));
            assert_eq!(script.status, Status::Renewing);
        }
        assert_eq!(waits, [64, 128, 256, 512, 1_024, 2_048, 3_600, 3_600], "{name}");
        script.grant();
        assert!(script.is_authorized(), "mended at the server, it goes on by itself");
    }
}

#[test]
fn without_somebody_to_act_for_it_is_the_account_that_is_not_allowed() {
    let mut script = Script::new("");
    sent(script.step(Signal::Started));
    script.answer(401, r#"{"error":"unauthorized_client","error_description":"Client is unauthorized."}"#);
    assert_eq!(script.headline(), "account not allowed");
}

#[test]
fn a_key_that_the_host_can_t_use_waits_for_another_file() {
    for (failure, headline) in [
        (Failure::Invalid("the slot `service-account` holds no private key in PKCS#8".into()), "key is not usable"),
        (Failure::Missing("service-account".into()), "key is missing"),
        (Failure::Denied("`https://oauth2.googleapis.com/token` is not in reach".into()), "address not in reach"),
    ] {
        let mut script = Script::new("");
        sent(script.step(Signal::Started));
        assert_eq!(script.fail(failure), Directive::Rest);
        assert_eq!(script.headline(), headline);
        // Another file, or other settings, start the grant anew; and a person may ask.
        sent(script.step(Signal::SignIn));
        sent(script.step(Signal::Started));
    }
}

#[test]
fn until_the_time_is_known_nothing_is_signed_and_it_is_tried_again() {
    let mut script = Script::new("");
    let mut next = script.step(Signal::Started);
    let unknown = "the device does not know the time yet, and signs nothing before it does";
    for failure in 1..=10_u32 {
        sent(next);
        next = script.fail(Failure::Unsent(unknown.into()));
        match failure {
            1..=3 => assert_eq!(script.status, Status::Renewing, "it mostly takes some seconds"),
            _ => assert_eq!(script.headline(), "time is not known"),
        }
        assert!(waited(&next) <= 80_000, "a person waits for it");
        let wait = waited(&next);
        next = script.elapse(wait);
    }
    sent(next);
    script.grant();
    assert!(script.is_authorized());
}

#[test]
fn a_refusal_is_said_only_once_the_lease_is_over() {
    let mut script = Script::authorized();
    let next = script.step(Signal::Started);
    sent(script.elapse(waited(&next)));
    let body = r#"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#;
    let mut next = script.answer(400, body);
    assert!(script.is_authorized(), "the token is good for some minutes yet");
    for _ in 0..20 {
        if !script.is_authorized() {
            break;
        }
        sent(script.elapse(waited(&next)));
        next = script.answer(400, body);
    }
    assert_eq!(script.headline(), "key was refused");
}
