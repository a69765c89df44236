//! The device flow, tokens and revocation, in Google's dialect.

use std::time::Duration;

use google_sim::{
    Action, ClientKind, Config, Decision, Effect, Fault, GoogleSim, OauthClient, Publishing, RefreshTokens,
};
use serde_json::{Value, json};

use crate::client::{
    DEVICE_GRANT, DRIVE_FILE, Device, Reply, frozen, poll, post_form, refresh, send, sign_in, sign_in_for,
};

const ID: &str = OauthClient::DEMO_ID;
const SECRET: &str = OauthClient::DEMO_SECRET;

async fn ask(sim: &GoogleSim) -> (String, String) {
    let code = post_form(sim, "/device/code", &[("client_id", ID), ("scope", DRIVE_FILE)]).await.ok();
    let text = |name: &str| code[name].as_str().unwrap().to_owned();
    (text("device_code"), text("user_code"))
}

#[track_caller]
fn assert_error(reply: &Reply, status: u16, body: &Value) {
    assert_eq!((reply.status, &reply.json()), (status, body));
    assert_eq!(reply.content_type(), "application/json; charset=utf-8");
}

fn wait(sim: &GoogleSim, seconds: u64) {
    sim.advance(Duration::from_secs(seconds));
}

#[tokio::test]
async fn a_code_is_dealt_in_googles_words() {
    let sim = GoogleSim::start(frozen()).await.unwrap();
    let code = post_form(&sim, "/device/code", &[("client_id", ID), ("scope", DRIVE_FILE)]).await.ok();
    assert_eq!(code["expires_in"], 1800);
    assert_eq!(code["interval"], 5);
    assert_eq!(code["verification_url"], format!("{}/device", sim.base_url()));
    assert!(code.get("verification_uri").is_none() && code.get("verification_uri_complete").is_none());
    assert!(code["user_code"].as_str().unwrap().len() == 9);
}

#[tokio::test]
async fn scripted_codes_are_dealt_first() {
    let config = Config {
        user_codes: vec!["W".repeat(15)],
        verification_url: Some("https://www.example.com/a-long-path-to-device".into()),
        ..frozen()
    };
    let sim = GoogleSim::start(config).await.unwrap();
    let code = post_form(&sim, "/device/code", &[("client_id", ID), ("scope", DRIVE_FILE)]).await.ok();
    assert_eq!(code["user_code"], "W".repeat(15));
    assert_eq!(code["verification_url"], "https://www.example.com/a-long-path-to-device");
    assert_ne!(ask(&sim).await.1, "W".repeat(15));
}

#[tokio::test]
async fn a_device_polls_until_the_person_allows() {
    let sim = GoogleSim::start(frozen()).await.unwrap();
    let (device_code, user_code) = ask(&sim).await;
    let pending = json!({ "error": "authorization_pending", "error_description": "Precondition Required" });
    wait(&sim, 5);
    assert_error(&poll(&sim, ID, SECRET, &device_code).await, 428, &pending);
    sim.consent(&user_code, Decision::Allow).unwrap();
    wait(&sim, 5);
    let tokens = poll(&sim, ID, SECRET, &device_code).await.ok();
    assert_eq!(tokens["expires_in"], 3599);
    assert_eq!(tokens["scope"], DRIVE_FILE);
    assert_eq!(tokens["token_type"], "Bearer");
    assert!(tokens["refresh_token"].as_str().unwrap().starts_with("1//"));
    assert!(tokens.get("refresh_token_expires_in").is_none() && tokens.get("id_token").is_none());
    wait(&sim, 5);
    let claimed = json!({ "error": "invalid_grant", "error_description": "Bad Request" });
    assert_error(&poll(&sim, ID, SECRET, &device_code).await, 400, &claimed);
}

#[tokio::test]
async fn polling_too_fast_lengthens_the_interval_for_good() {
    let sim = GoogleSim::start(frozen()).await.unwrap();
    let (device_code, _) = ask(&sim).await;
    let slow_down = json!({ "error": "slow_down", "error_description": "Forbidden" });
    wait(&sim, 4);
    assert_error(&poll(&sim, ID, SECRET, &device_code).await, 403, &slow_down);
    for (seconds, status) in [(10, 428), (9, 403), (14, 403), (20, 428), (20, 428)] {
        wait(&sim, seconds);
        assert_eq!(poll(&sim, ID, SECRET, &device_code).await.status, status, "after {seconds} s");
    }
}

#[tokio::test]
async fn a_person_may_deny() {
    let sim = GoogleSim::start(frozen()).await.unwrap();
    let (device_code, user_code) = ask(&sim).await;
    sim.consent(&user_code, Decision::Deny).unwrap();
    wait(&sim, 5);
    let denied = json!({ "error": "access_denied", "error_description": "Forbidden" });
    assert_error(&poll(&sim, ID, SECRET, &device_code).await, 403, &denied);
}

#[tokio::test]
async fn a_code_is_case_sensitive_and_used_once() {
    let config = Config { user_codes: vec!["aBcD-eFgH".into()], ..frozen() };
    let sim = GoogleSim::start(config).await.unwrap();
    ask(&sim).await;
    assert!(sim.consent("ABCD-EFGH", Decision::Allow).is_err());
    assert!(sim.consent("aBcD-eFgH", Decision::Allow).is_ok());
    assert!(sim.consent("aBcD-eFgH", Decision::Deny).is_err());
}

#[tokio::test]
async fn wrong_requests_get_googles_errors() {
    let web = OauthClient { kind: ClientKind::Web, ..OauthClient::device("web", "s") };
    let sim =
        GoogleSim::start(Config { clients: vec![OauthClient::device(ID, SECRET), web], ..frozen() }).await.unwrap();
    let refresh = ("grant_type", "refresh_token");
    let device = ("grant_type", DEVICE_GRANT);
    let (id, secret) = (("client_id", ID), ("client_secret", SECRET));
    let table: &[(&str, &[(&str, &str)], u16, &str, &str)] = &[
        ("/device/code", &[("scope", DRIVE_FILE)], 400, "invalid_request", "Missing required parameter: client_id"),
        ("/device/code", &[id], 400, "invalid_request", "Missing required parameter: scope"),
        (
            "/device/code",
            &[("client_id", "x"), ("scope", DRIVE_FILE)],
            401,
            "invalid_client",
            "The OAuth client was not found.",
        ),
        ("/device/code", &[("client_id", "web"), ("scope", DRIVE_FILE)], 401, "invalid_client", "Invalid client type."),
        (
            "/device/code",
            &[id, ("scope", "email https://www.googleapis.com/auth/spreadsheets")],
            400,
            "invalid_scope",
            "Invalid device flow scope: https://www.googleapis.com/auth/spreadsheets",
        ),
        ("/token", &[id, secret], 400, "invalid_request", "Missing required parameter: grant_type"),
        ("/token", &[("grant_type", "password")], 400, "unsupported_grant_type", "Invalid grant_type: password"),
        ("/token", &[device, secret], 400, "invalid_request", "Missing required parameter: client_id"),
        ("/token", &[device, id], 400, "invalid_request", "Missing required parameter: client_secret"),
        ("/token", &[device, id, ("client_secret", "x")], 401, "invalid_client", "Unauthorized"),
        ("/token", &[device, ("client_id", "x"), secret], 401, "invalid_client", "The OAuth client was not found."),
        ("/token", &[device, id, secret], 400, "invalid_request", "Missing required parameter: device_code"),
        ("/token", &[device, id, secret, ("device_code", "x")], 400, "invalid_grant", "Malformed auth code."),
        ("/token", &[refresh, id, secret], 400, "invalid_request", "Missing required parameter: refresh_token"),
        (
            "/token",
            &[refresh, id, secret, ("refresh_token", "x")],
            400,
            "invalid_grant",
            "Token has been expired or revoked.",
        ),
        ("/token", &[id, id], 400, "invalid_request", "OAuth 2 parameters can only have a single value: client_id"),
        ("/revoke", &[], 400, "invalid_request", "Missing required parameter: token"),
        ("/revoke", &[("token", "x")], 400, "invalid_token", "Token expired or revoked"),
    ];
    for (path, form, status, error, description) in table {
        let reply = post_form(&sim, path, form).await;
        assert_error(&reply, *status, &json!({ "error": error, "error_description": description }));
    }
}

#[tokio::test]
async fn a_form_must_be_one() {
    let sim = GoogleSim::start(frozen()).await.unwrap();
    for path in ["/device/code", "/token", "/revoke"] {
        let body = ("application/json", format!(r#"{{"client_id":"{ID}"}}"#));
        let reply = send(&sim, "POST", path, None, Some(body)).await.unwrap();
        assert_eq!((reply.status, &reply.json()["error"]), (400, &json!("invalid_request")), "{path}");
        assert_eq!(send(&sim, "GET", path, None, None).await.unwrap().status, 405, "{path}");
    }
}

#[tokio::test]
async fn every_scope_of_the_device_flow_is_accepted() {
    let sim = GoogleSim::start(frozen()).await.unwrap();
    let scopes = "email openid profile https://www.googleapis.com/auth/drive.appdata \
                  https://www.googleapis.com/auth/drive.file https://www.googleapis.com/auth/youtube \
                  https://www.googleapis.com/auth/youtube.readonly";
    let tokens = sign_in_for(&sim, ID, SECRET, scopes).await;
    assert_eq!(tokens["scope"].as_str().unwrap().split(' ').count(), 7);
    assert_eq!(tokens["id_token"].as_str().unwrap().split('.').count(), 3);
}

#[tokio::test]
async fn a_device_code_belongs_to_its_client() {
    let sim = GoogleSim::start(frozen()).await.unwrap();
    let (device_code, _) = ask(&sim).await;
    wait(&sim, 5);
    let reply = poll(&sim, OauthClient::OTHER_ID, OauthClient::OTHER_SECRET, &device_code).await;
    assert_eq!((reply.status, &reply.json()["error"]), (400, &json!("invalid_grant")));
}

#[tokio::test]
async fn an_internal_client_is_for_its_organisation() {
    let client = OauthClient { is_internal: true, ..OauthClient::device(ID, SECRET) };
    let sim = GoogleSim::start(Config { clients: vec![client], ..frozen() }).await.unwrap();
    let (device_code, user_code) = ask(&sim).await;
    sim.consent(&user_code, Decision::Allow).unwrap();
    wait(&sim, 5);
    let refused = json!({ "error": "org_internal", "error_description": "Forbidden" });
    assert_error(&poll(&sim, ID, SECRET, &device_code).await, 403, &refused);
}

#[tokio::test]
async fn a_refresh_brings_an_access_token_and_no_new_refresh_token() {
    let device = Device::start().await;
    let tokens = refresh(&device.sim, &device.refresh_token).await.ok();
    assert!(tokens.get("refresh_token").is_none());
    assert_ne!(tokens["access_token"], device.token);
    assert_eq!(refresh(&device.sim, &device.refresh_token).await.status, 200);
    let form = [
        ("client_id", ID),
        ("client_secret", SECRET),
        ("refresh_token", &device.refresh_token),
        ("grant_type", "refresh_token"),
        ("scope", "email"),
    ];
    assert_eq!(post_form(&device.sim, "/token", &form).await.json()["error"], "invalid_scope");
}

#[tokio::test]
async fn an_access_token_expires() {
    let device = Device::start_with(Config { access_tokens_live_for: Duration::from_secs(60), ..frozen() }).await;
    wait(&device.sim, 59);
    assert_eq!(device.get("/drive/v3/files").await.status, 200);
    wait(&device.sim, 1);
    let reply = device.get("/drive/v3/files").await;
    assert_eq!(reply.status, 401);
    assert_eq!(reply.json()["error"]["status"], "UNAUTHENTICATED");
    assert_eq!(reply.json()["error"]["errors"][0]["reason"], "authError");
    assert!(reply.headers["www-authenticate"].to_str().unwrap().contains("invalid_token"));
}

#[tokio::test]
async fn revoking_one_token_takes_all_of_the_project() {
    let device = Device::start().await;
    let second = sign_in(&device.sim, ID, SECRET).await;
    let other = sign_in(&device.sim, OauthClient::OTHER_ID, OauthClient::OTHER_SECRET).await;
    let revoked = post_form(&device.sim, "/revoke", &[("token", second["access_token"].as_str().unwrap())]).await;
    assert_eq!((revoked.status, revoked.json()), (200, json!({})));
    assert_eq!(refresh(&device.sim, &device.refresh_token).await.json()["error"], "invalid_grant");
    assert_eq!(device.get("/drive/v3/files").await.status, 401);
    let others = send(&device.sim, "GET", "/drive/v3/files", other["access_token"].as_str(), None).await.unwrap();
    assert_eq!(others.status, 200);
}

#[tokio::test]
async fn a_refresh_token_dies_unused_after_six_months() {
    let device = Device::start().await;
    for (days, status) in [(100, 200), (181, 200), (182, 400)] {
        wait(&device.sim, days * 86_400);
        assert_eq!(refresh(&device.sim, &device.refresh_token).await.status, status, "after {days} days");
    }
}

#[tokio::test]
async fn in_testing_a_refresh_token_lives_for_seven_days() {
    let client = OauthClient { publishing: Publishing::Testing, ..OauthClient::device(ID, SECRET) };
    let sim = GoogleSim::start(Config { clients: vec![client], ..frozen() }).await.unwrap();
    let tokens = sign_in(&sim, ID, SECRET).await;
    let identity = sign_in_for(&sim, ID, SECRET, "email openid").await;
    assert_eq!(tokens["refresh_token_expires_in"], 604_799);
    assert!(identity.get("refresh_token_expires_in").is_none());
    wait(&sim, 6 * 86_400);
    assert_eq!(refresh(&sim, tokens["refresh_token"].as_str().unwrap()).await.status, 200);
    wait(&sim, 86_400);
    assert_eq!(refresh(&sim, tokens["refresh_token"].as_str().unwrap()).await.status, 400);
    assert_eq!(refresh(&sim, identity["refresh_token"].as_str().unwrap()).await.status, 200);
}

#[tokio::test]
async fn the_hundred_and_first_refresh_token_ends_the_oldest() {
    let device = Device::start().await;
    for _ in 0..99 {
        wait(&device.sim, 1);
        sign_in(&device.sim, ID, SECRET).await;
    }
    assert_eq!(refresh(&device.sim, &device.refresh_token).await.status, 200);
    sign_in(&device.sim, ID, SECRET).await;
    assert_eq!(refresh(&device.sim, &device.refresh_token).await.status, 400);
}

#[tokio::test]
async fn a_rotated_refresh_token_replaces_the_old_one() {
    let device = Device::start().await;
    device.sim.arm(Fault::on("/token", Effect::RotateRefreshToken));
    let tokens = refresh(&device.sim, &device.refresh_token).await.ok();
    assert_eq!(refresh(&device.sim, &device.refresh_token).await.status, 400);
    assert_eq!(refresh(&device.sim, tokens["refresh_token"].as_str().unwrap()).await.status, 200);
}

#[tokio::test]
async fn each_refresh_may_bring_another_refresh_token() {
    for (becomes, old) in [(RefreshTokens::Replaced, 400), (RefreshTokens::Added, 200)] {
        let device = Device::start().await;
        device.sim.switch(|switches| switches.refresh_tokens = becomes);
        let first =
            refresh(&device.sim, &device.refresh_token).await.ok()["refresh_token"].as_str().unwrap().to_owned();
        assert_ne!(first, device.refresh_token);
        assert_eq!(refresh(&device.sim, &device.refresh_token).await.status, old, "{becomes:?}");
        assert_eq!(refresh(&device.sim, &first).await.status, 200);
    }
}

#[tokio::test]
async fn narrowed_tokens_allow_no_files_until_somebody_signs_in_again() {
    let device = Device::start().await;
    device.sim.act(Action::NarrowTokens);
    let tokens = refresh(&device.sim, &device.refresh_token).await.ok();
    assert_eq!(tokens["scope"], "openid");
    for token in [device.token.as_str(), tokens["access_token"].as_str().unwrap()] {
        let reply = send(&device.sim, "GET", "/drive/v3/files", Some(token), None).await.unwrap();
        assert_eq!(reply.status, 403, "{}", reply.text);
    }
    wait(&device.sim, 1);
    let tokens = sign_in(&device.sim, ID, SECRET).await;
    let token = tokens["access_token"].as_str().unwrap();
    assert_eq!(send(&device.sim, "GET", "/drive/v3/files", Some(token), None).await.unwrap().status, 200);
}

#[tokio::test]
async fn forced_answers_come_whatever_the_state() {
    let sim = GoogleSim::start(frozen()).await.unwrap();
    let (device_code, user_code) = ask(&sim).await;
    sim.consent(&user_code, Decision::Allow).unwrap();
    sim.arm(Fault::on("/token", Effect::SlowDown));
    sim.arm(Fault::on("/token", Effect::TooManyRequests));
    sim.arm(Fault::on("/token", Effect::Deny));
    for (status, key, error) in
        [(403, "error", "slow_down"), (403, "error_code", "rate_limit_exceeded"), (403, "error", "access_denied")]
    {
        wait(&sim, 60);
        let reply = poll(&sim, ID, SECRET, &device_code).await;
        assert_eq!((reply.status, &reply.json()[key]), (status, &json!(error)));
    }
    sim.arm(Fault::on("/device/code", Effect::TooManyRequests));
    let reply = post_form(&sim, "/device/code", &[("client_id", ID), ("scope", DRIVE_FILE)]).await;
    assert_error(&reply, 403, &json!({ "error_code": "rate_limit_exceeded" }));
}

#[tokio::test]
async fn the_server_describes_itself() {
    let sim = GoogleSim::start(frozen()).await.unwrap();
    let reply = send(&sim, "GET", "/.well-known/openid-configuration", None, None).await.unwrap();
    let metadata = reply.ok();
    assert_eq!(metadata["issuer"], sim.base_url());
    assert_eq!(metadata["device_authorization_endpoint"], format!("{}/device/code", sim.base_url()));
    assert_eq!(metadata["token_endpoint"], format!("{}/token", sim.base_url()));
    assert_eq!(metadata["revocation_endpoint"], format!("{}/revoke", sim.base_url()));
}
