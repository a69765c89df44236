//! What other servers answer, as their sources have it, and what it means here.

use punchcard_sdk::auth_policy::{Signal, Status};

use crate::script::{CODE, ENDPOINTS, SECOND, Script};

const TOKEN: &str = r#"{"access_token":"a","refresh_token":"r","expires_in":3600,"token_type":"Bearer"}"#;

/// A device that is signed in at another server than Google, and has asked for a new lease.
fn renewing() -> Script {
    let mut script = awaiting();
    script.answer(200, TOKEN);
    script.elapse();
    script
}

/// A device that shows a code of another server than Google, and has asked whether it was entered.
fn awaiting() -> Script {
    let mut script = Script::new(ENDPOINTS);
    script.signal(Signal::Started);
    script.answer(200, CODE);
    script.elapse();
    script
}

/// Whether a new code is asked for, and the old token kept.
fn signs_in_anew(script: &Script) -> bool {
    script.sends() && script.form().url == "https://a.example/device" && script.slots.contains_key("refresh-token")
}

#[test]
fn a_refresh_token_that_was_used_or_revoked_leads_to_a_new_code() {
    for (server, status, body, times) in [
        ("Keycloak", 400, r#"{"error":"invalid_grant","error_description":"Token is not active"}"#, 1),
        ("Keycloak", 400, r#"{"error":"invalid_grant","error_description":"Session not active"}"#, 1),
        (
            "oidc-provider",
            400,
            r#"{"error":"invalid_grant","error_description":"grant request is invalid",
                "error_detail":"refresh token already used"}"#,
            1,
        ),
        ("django-oauth-toolkit", 400, r#"{"error": "invalid_grant"}"#, 1),
        ("Authlib", 400, r#"{"error": "invalid_grant"}"#, 1),
        (
            "Authlib, where the account is gone",
            400,
            r#"{"error": "invalid_request", "error_description": "There is no 'user' for this token."}"#,
            2,
        ),
        ("Glewlwyd", 400, "", 2),
        (
            "GitHub",
            200,
            r#"{"error":"bad_refresh_token","error_description":"The refresh token passed is incorrect."}"#,
            1,
        ),
        ("Twitch", 400, r#"{"error":"Bad Request","status":400,"message":"Invalid refresh token"}"#, 1),
        ("Okta", 400, r#"{"errorCode":"E0000011","errorSummary":"Invalid token provided"}"#, 2),
        ("FastAPI", 401, r#"{"detail":"Could not validate credentials"}"#, 2),
        ("RFC 6750's word", 401, r#"{"error":"invalid_token","error_description":"The token was revoked"}"#, 2),
    ] {
        let mut script = renewing();
        for _ in 1..times {
            script.answer(status, body);
            assert!(matches!(script.step().status, Status::Authorized(_)), "{server}");
            assert_eq!(script.wait(), 60 * SECOND, "{server}");
            script.elapse();
        }
        script.answer(status, body);
        assert!(signs_in_anew(&script), "{server}: {:?}", script.step());
    }
}

#[test]
fn what_is_wrong_with_the_client_or_the_account_keeps_the_token() {
    for (server, status, body, headline) in [
        (
            "Keycloak before 23",
            401,
            r#"{"error":"unauthorized_client","error_description":"Invalid client or Invalid client credentials"}"#,
            "client id refused",
        ),
        ("Keycloak", 400, r#"{"error":"invalid_grant","error_description":"User disabled"}"#, "account restricted"),
        (
            "oidc-provider",
            401,
            r#"{"error":"invalid_client","error_description":"client authentication failed"}"#,
            "client id refused",
        ),
        ("Authlib", 401, r#"{"error": "invalid_client"}"#, "client id refused"),
        ("GitHub", 200, r#"{"error":"incorrect_client_credentials"}"#, "client id refused"),
        (
            "Microsoft",
            400,
            r#"{"error":"invalid_grant","error_description":"AADSTS50057: The user account is disabled."}"#,
            "account restricted",
        ),
    ] {
        let mut script = renewing();
        for _ in 0..3 {
            script.answer(status, body);
            assert!(script.is_blocked(headline), "{server}: {:?}", script.step());
            assert!(script.slots.contains_key("refresh-token"), "{server}");
            script.elapse();
            assert_eq!(script.field("grant_type").unwrap(), "refresh_token", "{server}");
        }
    }
}

#[test]
fn polls_are_answered_in_many_words() {
    for (server, status, body, shown) in [
        ("GitHub", 200, r#"{"error":"authorization_pending","interval":5}"#, None),
        ("Twitch", 400, r#"{"status":400,"message":"authorization_pending"}"#, None),
        ("Nest", 400, r#"{"statusCode":400,"message":"authorization_pending","error":"Bad Request"}"#, None),
        (
            "Keycloak",
            400,
            r#"{"error":"authorization_pending","error_description":"The authorization request is still pending"}"#,
            None,
        ),
        ("Microsoft", 400, r#"{"error":"authorization_declined"}"#, Some("access was refused")),
        ("Microsoft", 400, r#"{"error":"bad_verification_code"}"#, Some("code not accepted")),
        ("GitHub", 200, r#"{"error":"incorrect_device_code"}"#, Some("code not accepted")),
        ("Twitch", 400, r#"{"status":400,"message":"invalid device code"}"#, Some("code not accepted")),
        (
            "oidc-provider",
            400,
            r#"{"error":"expired_token","error_description":"device code is expired"}"#,
            Some("code expired"),
        ),
    ] {
        let mut script = awaiting();
        script.answer(status, body);
        match shown {
            None => assert_eq!(script.wait(), 5 * SECOND, "{server}"),
            Some(headline) => assert!(script.is_blocked(headline) && script.rests(), "{server}: {:?}", script.step()),
        }
    }
}

#[test]
fn words_that_are_not_understood_are_shown() {
    let mut script = awaiting();
    let body = r#"{"error":"odd_error","error_description":"The realm sleeps on Sundays."}"#;
    script.answer(400, body);
    assert!(script.is_blocked("sign-in failed"));
    let advice = &script.problem().advice;
    assert!(advice.contains("`odd_error`: The realm sleeps on Sundays. Look"), "{advice}");
}
