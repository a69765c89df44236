//! Signing in: from nothing to a lease.

use punchcard_sdk::auth_policy::{ClientAuthentication, Signal, Status};
use punchcard_sdk::http::{Failure, Header};

use crate::script::{CLIENT, CODE, ENDPOINTS, HOUR, PENDING, SECOND, Script, TOKEN, lost, pairs};

#[test]
fn the_first_start_signs_in_by_itself() {
    let mut script = Script::google();
    script.signal(Signal::Started);
    assert!(script.is(&Status::SignedOut));
    script.answer(200, CODE);
    script.elapse();
    script.answer(428, PENDING);
    script.elapse();
    script.answer(200, TOKEN);
    assert_eq!(script.lease().expires_in_seconds, Some(3599));
    assert_eq!(script.lease().scopes, ["https://www.googleapis.com/auth/drive.file"]);
    assert_eq!(script.filled(), ["access-token", "client-secret", "refresh-token"]);
}

#[test]
fn point_01_google_is_asked_for_a_code_by_a_form_over_tls_with_the_client_id() {
    let mut script = Script::google();
    script.signal(Signal::Started);
    assert_eq!(script.form().url, "https://oauth2.googleapis.com/device/code");
    let scope = "https://www.googleapis.com/auth/drive.file";
    assert_eq!(script.fields(), pairs(&[("client_id", CLIENT), ("scope", scope)]));
    assert!(script.authenticates_in_form());
}

#[test]
fn point_01_other_servers_are_shown_the_client_as_the_settings_say() {
    let settings = |extra: &str| ENDPOINTS.replacen('{', &format!("{{{extra}"), 1);
    let scope = ("scope", "openid write offline_access");
    let id = ("client_id", "the-client");

    let mut script = Script::new(ENDPOINTS);
    script.signal(Signal::Started);
    assert_eq!(script.form().url, "https://a.example/device");
    assert_eq!(script.fields(), pairs(&[id, scope]), "no secret is configured");

    script.fill("client-secret");
    script.signal(Signal::Started);
    assert_eq!(script.fields(), pairs(&[id, ("client_secret", "<client-secret>"), scope]));
    assert!(script.authenticates_in_form());

    script.change_settings(&settings(r#""client-authentication":"none","#));
    script.signal(Signal::Started);
    assert_eq!(script.fields(), pairs(&[id, scope]));

    script.change_settings(&settings(r#""client-authentication":"basic","audience":"the-api","resource":"urn:r","#));
    script.signal(Signal::Started);
    assert_eq!(script.fields(), pairs(&[id, scope, ("audience", "the-api"), ("resource", "urn:r")]));
    assert_eq!(script.form().client, ClientAuthentication::Basic(("the-client".into(), "client-secret".into())));
    script.answer(200, CODE);
    script.elapse();
    assert_eq!(script.field("resource").unwrap(), "urn:r");
    assert_eq!(script.field("audience"), None);
}

#[test]
fn without_scopes_none_is_asked_for() {
    let mut script = Script::new(
        r#"{"endpoints":{"device-authorization":"https://a.example/d","token":"https://a.example/t"},"client-id":"c"}"#,
    );
    script.signal(Signal::Started);
    assert_eq!(script.fields(), pairs(&[("client_id", "c")]));
}

#[test]
fn point_02_a_code_without_what_is_required_is_not_shown() {
    for member in ["device_code", "user_code", "verification_url", "expires_in"] {
        let mut script = Script::google();
        script.signal(Signal::Started);
        script.answer(200, &CODE.replace(member, "x"));
        assert!(script.is_blocked("answer not understood") && script.rests(), "{member}");
        script.signal(Signal::SignIn);
        assert!(script.sends());
    }
}

#[test]
fn point_05_unknown_members_are_ignored() {
    let mut script = Script::google();
    script.signal(Signal::Started);
    script.answer(200, &CODE.replacen('{', r#"{"message":{"a":[1]},"user_codes":null,"#, 1));
    assert_eq!(script.prompt().user_code, "GQVQ-JKEC");
    script.elapse();
    script.answer(200, &TOKEN.replacen('{', r#"{"refresh_token_expires_in":604799,"x":[{}],"#, 1));
    assert_eq!(script.lease().expires_in_seconds, Some(3599));
}

#[test]
fn point_06_and_19_the_person_sees_address_code_and_purpose() {
    let script = Script::awaiting();
    let prompt = script.prompt();
    assert_eq!(prompt.user_code, "GQVQ-JKEC");
    assert_eq!(prompt.url, "https://www.google.com/device");
    assert_eq!(prompt.complete_url, None);
    assert_eq!(prompt.purpose, "keep its own files in your Drive");
    assert_eq!(prompt.expires_in_seconds, 1800);
}

#[test]
fn point_06_a_link_that_needs_no_typing_comes_beside_the_code() {
    let mut script = Script::new(ENDPOINTS);
    script.signal(Signal::Started);
    script.answer(
        200,
        r#"{"device_code":"d","user_code":"wdJB","verification_uri":"https://a.example/d","expires_in":"600",
            "verification_uri_complete":"https://a.example/d?user_code=wdJB"}"#,
    );
    let prompt = script.prompt();
    assert_eq!(prompt.complete_url.as_deref(), Some("https://a.example/d?user_code=wdJB"));
    assert_eq!((prompt.user_code.as_str(), prompt.url.as_str()), ("wdJB", "https://a.example/d"));
    assert_eq!(prompt.purpose, "know who you are, use write, stay signed in");
}

#[test]
fn the_same_errors_stop_a_request_for_a_code() {
    for (status, body, headline) in [
        (401, r#"{"error":"invalid_client"}"#, "client id refused"),
        (400, r#"{"error":"invalid_scope","error_description":"Invalid device flow scope: x"}"#, "scope refused"),
        (403, r#"{"error":"org_internal"}"#, "organisation only"),
        (400, r#"{"error":"odd"}"#, "sign-in failed"),
        (400, r#"{"error":"authorization_pending"}"#, "answer not understood"),
        (400, r#"{"error":"expired_token"}"#, "answer not understood"),
        (400, r#"{"error":"invalid_grant"}"#, "answer not understood"),
    ] {
        let mut script = Script::google();
        script.signal(Signal::Started);
        script.answer(status, body);
        assert!(script.is_blocked(headline) && script.rests(), "{body}");
        script.signal(Signal::Started);
        assert!(script.sends(), "a restart may come with better settings");
    }
}

#[test]
fn point_18_what_is_secret_is_neither_kept_nor_shown() {
    let mut script = Script::google();
    script.leaks = true;
    let mut seen = Vec::new();
    script.signal(Signal::Started);
    script.answer(200, CODE);
    seen.push(format!("{:?} {}", script.step(), script.state()));
    script.elapse();
    seen.push(format!("{:?} {}", script.step(), script.state()));
    script.answer(200, &TOKEN.replacen('{', r#"{"id_token":"eyJhb.eyJ.sig","#, 1));
    seen.push(format!("{:?} {}", script.step(), script.state()));
    script.elapse();
    script.answer(200, RENEWED_AND_ROTATED);
    seen.push(format!("{:?} {}", script.step(), script.state()));
    for secret in ["AH-1Ng2eB3", "ya29.a0AfH6", "1//0gLu4", "eyJhb", "ya29.new", "1//new"] {
        assert!(!seen.iter().any(|text| text.contains(secret)), "{secret}");
    }
}

const RENEWED_AND_ROTATED: &str =
    r#"{"access_token":"ya29.new","refresh_token":"1//new","expires_in":3599,"token_type":"bearer"}"#;

#[test]
fn point_20_an_error_with_status_200_ends_a_sign_in() {
    let mut script = Script::awaiting();
    script.elapse();
    script.answer(200, r#"{"error":"access_denied"}"#);
    assert!(script.is_blocked("access was refused"));
    let mut script = Script::google();
    script.signal(Signal::Started);
    script.answer(200, r#"{"error":"invalid_client"}"#);
    assert!(script.is_blocked("client id refused"));
}

#[test]
fn point_21_without_expires_in_the_lease_has_no_end_and_is_renewed_weekly() {
    let mut script = Script::awaiting();
    script.elapse();
    script.answer(200, r#"{"access_token":"a","refresh_token":"r","token_type":"bearer"}"#);
    assert_eq!(script.lease().expires_in_seconds, None);
    assert_eq!(script.wait(), 7 * 24 * HOUR / 10 * 8);
}

#[test]
fn point_22_a_scope_that_was_not_granted_is_a_problem_to_show() {
    let mut script = Script::awaiting();
    script.elapse();
    script.answer(200, &TOKEN.replace("https://www.googleapis.com/auth/drive.file", "openid email"));
    assert!(script.is_blocked("permission missing") && script.rests());
    assert!(script.problem().advice.contains("https://www.googleapis.com/auth/drive.file"));
    assert_eq!(script.filled(), ["client-secret"], "tokens that do not suffice are not kept");
    script.signal(Signal::SignIn);
    assert_eq!(script.form().url, "https://oauth2.googleapis.com/device/code");
}

#[test]
fn point_22_more_scopes_than_asked_for_and_fewer_of_identity_are_fine() {
    let mut script = Script::new(ENDPOINTS);
    script.signal(Signal::Started);
    script.answer(200, CODE);
    script.elapse();
    script.answer(200, &TOKEN.replace("https://www.googleapis.com/auth/drive.file", "write more"));
    assert_eq!(script.lease().scopes, ["write", "more"]);
}

#[test]
fn too_many_sign_ins_are_waited_out_and_said() {
    for body in [r#"{"error_code":"rate_limit_exceeded"}"#, r#"{"error":"slow_down"}"#] {
        let mut script = Script::google();
        script.signal(Signal::Started);
        script.answer(403, body);
        assert!(script.is_blocked("too many sign-ins"));
        assert_eq!(script.wait(), 60 * SECOND);
        script.elapse();
        assert_eq!(script.form().url, "https://oauth2.googleapis.com/device/code");
        script.answer(200, CODE);
        assert_eq!((script.prompt().user_code.as_str(), script.wait()), ("GQVQ-JKEC", 5 * SECOND));
    }
}

#[test]
fn a_first_start_without_network_tries_until_there_is_one() {
    let mut script = Script::google();
    script.signal(Signal::Started);
    for seconds in [1, 2, 4, 8, 16, 32, 64, 64] {
        script.fail(Failure::Unsent("no route".into()));
        assert!(script.is_blocked("server not reached"));
        assert!(script.problem().advice.contains("no route"));
        assert_eq!(script.wait(), seconds * SECOND);
        script.elapse();
        assert_eq!(script.form().url, "https://oauth2.googleapis.com/device/code");
    }
    script.answer(502, "");
    assert!(script.is_blocked("server has trouble"));
    script.elapse();
    script.answer(403, "<html>");
    assert!(script.is_blocked("network in the way"));
    script.signal(Signal::SignIn);
    assert!(script.sends(), "a person need not wait");
    script.fail(lost());
    assert_eq!(script.wait(), SECOND, "and begins anew");
    script.elapse();
    script.answer(200, CODE);
    assert_eq!(script.wait(), 5 * SECOND);
}

#[test]
fn a_server_s_wish_to_be_left_alone_is_heeded() {
    for (status, body) in [
        (503, ""),
        (429, ""),
        (429, r#"{"error":"slow_down"}"#),
        (403, r#"{"error_code":"rate_limit_exceeded"}"#),
        (429, r#"{"error":"odd"}"#),
        (502, "<html>"),
    ] {
        let mut script = Script::google();
        script.signal(Signal::Started);
        script.answer_with(status, vec![Header { name: "retry-after".into(), value: "120".into() }], body);
        assert_eq!(script.wait(), 120 * SECOND, "{status} {body}");
    }
}

#[test]
fn what_is_not_the_server_s_answer_is_waited_out() {
    for (status, body, headline) in [
        (200, "<html>Welcome to our guest network", "network in the way"),
        (200, "", "network in the way"),
        (302, "", "network in the way"),
        (407, "<html>", "network in the way"),
        (511, "", "network in the way"),
        (404, "<html>", "network in the way"),
        (404, "", "address not found"),
        (400, "", "sign-in failed"),
        (200, "{}", "answer not understood"),
    ] {
        let mut script = Script::google();
        script.signal(Signal::Started);
        script.answer(status, body);
        assert!(script.is_blocked(headline), "{status} {body}: {:?}", script.step());
        script.elapse();
        assert_eq!(script.form().url, "https://oauth2.googleapis.com/device/code", "{status} {body}");
        script.answer(200, CODE);
        assert_eq!(script.prompt().user_code, "GQVQ-JKEC");
    }
}

#[test]
fn a_certificate_that_is_not_accepted_is_named_and_waited_out() {
    let mut script = Script::google();
    script.signal(Signal::Started);
    script.fail(Failure::Unsent("client error (Connect): invalid peer certificate: UnknownIssuer".into()));
    assert!(script.is_blocked("certificate refused"));
    let advice = &script.problem().advice;
    assert!(advice.contains("UnknownIssuer") && advice.contains("SSL_CERT_FILE"), "{advice}");
    script.elapse();
    assert!(script.sends());
}

#[test]
fn a_server_that_takes_only_json_is_said() {
    let mut script = Script::google();
    script.signal(Signal::Started);
    script.answer(415, r#"{"timestamp":1,"status":415,"error":"Unsupported Media Type"}"#);
    assert!(script.is_blocked("server wants JSON") && script.rests());
}

#[test]
fn without_a_refresh_token_a_person_is_asked_again_when_the_lease_ends() {
    let mut script = Script::awaiting();
    script.elapse();
    script.answer(200, r#"{"access_token":"a","token_type":"Bearer","expires_in":3600}"#);
    assert_eq!(script.wait(), HOUR);
    script.elapse();
    assert_eq!(script.form().url, "https://oauth2.googleapis.com/device/code");
    assert!(script.is(&Status::SignedOut));

    let mut script = Script::awaiting();
    script.elapse();
    script.answer(200, r#"{"access_token":"a","token_type":"Bearer"}"#);
    assert!(script.rests());
    assert_eq!(script.lease().expires_in_seconds, None);
    script.signal(Signal::TokenRefused);
    assert_eq!(script.form().url, "https://oauth2.googleapis.com/device/code");
}

#[test]
fn signals_that_mean_nothing_change_nothing() {
    let mut script = Script::google();
    for signal in [Signal::Elapsed, Signal::TokenRefused, Signal::Failed(lost())] {
        script.signal(signal);
        assert!(script.is(&Status::SignedOut) && script.rests());
    }
    let mut script = Script::awaiting();
    let body = TOKEN.into();
    script.signal(Signal::Responded(punchcard_sdk::http::Response { status: 200, headers: Vec::new(), body }));
    assert_eq!(script.wait(), 5 * SECOND, "nothing was asked");
    script.prompt();
}
