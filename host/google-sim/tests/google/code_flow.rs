//! The code flow of a desktop app: the page, the browser's way back, and the code that becomes tokens once.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use google_sim::{GoogleSim, OauthClient};
use sha2::{Digest as _, Sha256};
use url::Url;
use url::form_urlencoded::Serializer;

use crate::client::{Reply, frozen, post_form, refresh_as, send};

const TASKS: &str = "https://www.googleapis.com/auth/tasks";
const BACK: &str = "http://127.0.0.1:4711/return";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

/// A request that can be answered, with some parameters changed; an empty one is left out.
fn page(changes: &[(&str, &str)]) -> String {
    let challenge = challenge();
    let mut pairs = vec![
        ("client_id", OauthClient::DESKTOP_ID),
        ("redirect_uri", BACK),
        ("response_type", "code"),
        ("scope", TASKS),
        ("state", "st"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
        ("access_type", "offline"),
    ];
    for (name, value) in changes {
        pairs.retain(|(known, _)| known != name);
        pairs.push((name, value));
    }
    pairs.retain(|(_, value)| !value.is_empty());
    format!("/o/oauth2/v2/auth?{}", Serializer::new(String::new()).extend_pairs(pairs).finish())
}

async fn decide(sim: &GoogleSim, page: &str, decision: &str) -> Url {
    let form = Some(("application/x-www-form-urlencoded", format!("decision={decision}")));
    let reply = send(sim, "POST", page, None, form).await.unwrap();
    assert_eq!(reply.status, 302, "{}", reply.text);
    Url::parse(reply.headers["location"].to_str().unwrap()).unwrap()
}

fn value(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

async fn exchange(sim: &GoogleSim, code: &str, changes: &[(&str, &str)]) -> Reply {
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("client_id", OauthClient::DESKTOP_ID),
        ("client_secret", OauthClient::DESKTOP_SECRET),
        ("code", code),
        ("redirect_uri", BACK),
        ("code_verifier", VERIFIER),
    ];
    for (name, value) in changes {
        form.retain(|(known, _)| known != name);
        form.push((name, value));
    }
    post_form(sim, "/token", &form).await
}

#[tokio::test]
async fn a_code_becomes_tokens_once_and_a_second_use_ends_them() {
    let sim = GoogleSim::start(frozen()).await.unwrap();
    let shown = send(&sim, "GET", &page(&[]), None, None).await.unwrap();
    assert!(shown.status == 200 && shown.text.contains(TASKS), "{}", shown.text);
    let back = decide(&sim, &page(&[]), "allow").await;
    assert!(back.as_str().starts_with(&format!("{BACK}?")), "{back}");
    assert_eq!(value(&back, "state").as_deref(), Some("st"));
    assert_eq!(value(&back, "iss"), Some(sim.base_url()));
    let code = value(&back, "code").unwrap();
    let tokens = exchange(&sim, &code, &[]).await.ok();
    assert_eq!(tokens["scope"], TASKS);
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    let client = (OauthClient::DESKTOP_ID, OauthClient::DESKTOP_SECRET);
    assert_eq!(refresh_as(&sim, client, refresh_token).await.status, 200);
    for _ in 0..2 {
        let again = exchange(&sim, &code, &[]).await;
        assert_eq!((again.status, again.json()["error"].as_str()), (400, Some("invalid_grant")));
    }
    assert_eq!(refresh_as(&sim, client, refresh_token).await.status, 400, "what it brought is no more");
}

#[tokio::test]
async fn a_code_is_of_no_use_without_its_proof_its_address_and_in_time() {
    let sim = GoogleSim::start(frozen()).await.unwrap();
    let code = value(&decide(&sim, &page(&[]), "allow").await, "code").unwrap();
    for (change, error) in [
        (("code_verifier", "wrong-wrong-wrong-wrong-wrong-wrong-wrong-wrong"), "invalid_grant"),
        (("redirect_uri", "http://127.0.0.1:4712/return"), "redirect_uri_mismatch"),
        (("code", "4/0Aguess"), "invalid_grant"),
    ] {
        let reply = exchange(&sim, &code, &[change]).await;
        assert_eq!((reply.status, reply.json()["error"].as_str()), (400, Some(error)), "{change:?}");
    }
    let without: Vec<_> = [("grant_type", "authorization_code"), ("client_id", OauthClient::DESKTOP_ID)].into();
    assert_eq!(post_form(&sim, "/token", &without).await.status, 400);
    sim.advance(Duration::from_secs(601));
    assert_eq!(exchange(&sim, &code, &[]).await.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn a_person_who_says_no_is_said_to_the_app_and_what_no_app_asks_for_to_the_person() {
    let sim = GoogleSim::start(frozen()).await.unwrap();
    let back = decide(&sim, &page(&[]), "deny").await;
    assert_eq!((value(&back, "error").as_deref(), value(&back, "code")), (Some("access_denied"), None));
    assert_eq!(value(&back, "state").as_deref(), Some("st"));
    for (change, error) in [
        (("client_id", "nobody"), "invalid_client"),
        (("client_id", OauthClient::DEMO_ID), "redirect_uri_mismatch"),
        (("redirect_uri", "https://evil.example/"), "redirect_uri_mismatch"),
        (("redirect_uri", "http://evil.example:4711/return"), "redirect_uri_mismatch"),
        (("redirect_uri", "http://127.0.0.1@evil.example/"), "redirect_uri_mismatch"),
        (("redirect_uri", ""), "redirect_uri_mismatch"),
        (("scope", ""), "invalid_scope"),
        (("scope", "sheets"), "invalid_scope"),
    ] {
        let reply = send(&sim, "GET", &page(&[change]), None, None).await.unwrap();
        assert!((400..402).contains(&reply.status) && reply.text.contains(error), "{change:?}: {}", reply.text);
    }
    for (change, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge_method", ""), "invalid_request"),
    ] {
        let reply = send(&sim, "GET", &page(&[change]), None, None).await.unwrap();
        let location = reply.headers["location"].to_str().unwrap();
        assert!(location.contains(&format!("error={error}")), "{change:?}: {location}");
    }
    let doubled = format!("{}&state=other", page(&[]));
    assert_eq!(send(&sim, "GET", &doubled, None, None).await.unwrap().status, 400);
}

#[tokio::test]
async fn a_refresh_token_comes_offline_and_again_only_where_it_is_asked_for() {
    let sim = GoogleSim::start(frozen()).await.unwrap();
    for (changes, has_one) in
        [(&[("access_type", "")][..], false), (&[], true), (&[], false), (&[("prompt", "consent")], true)]
    {
        let code = value(&decide(&sim, &page(changes), "allow").await, "code").unwrap();
        let tokens = exchange(&sim, &code, &[]).await.ok();
        assert_eq!(tokens["refresh_token"].is_string(), has_one, "{changes:?}");
    }
}
