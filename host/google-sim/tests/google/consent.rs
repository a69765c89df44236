//! The consent page, as a browser or curl uses it.

use std::time::Duration;

use google_sim::{Config, GoogleSim, OauthClient};

use crate::client::{DRIVE_FILE, frozen, poll, post_form, send};

const CODE: &str = "aBcD-eFgH";

async fn start() -> (GoogleSim, String) {
    let sim = GoogleSim::start(Config { user_codes: vec![CODE.into()], ..frozen() }).await.unwrap();
    let form = [("client_id", OauthClient::DEMO_ID), ("scope", DRIVE_FILE)];
    let code = post_form(&sim, "/device/code", &form).await.ok();
    sim.advance(Duration::from_secs(5));
    (sim, code["device_code"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn the_page_asks_for_the_code_then_for_consent() {
    let (sim, device_code) = start().await;
    let page = send(&sim, "GET", "/device", None, None).await.unwrap();
    assert_eq!((page.status, page.content_type()), (200, "text/html; charset=UTF-8"));
    assert!(page.text.contains(r#"name="user_code""#), "{}", page.text);
    let page = post_form(&sim, "/device", &[("user_code", " aBcD-eFgH ")]).await;
    assert_eq!(page.status, 200);
    for part in [
        OauthClient::DEMO_ID,
        "only the specific Google Drive files",
        DRIVE_FILE,
        r#"value="allow""#,
        r#"value="deny""#,
    ] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    let page = post_form(&sim, "/device", &[("user_code", CODE), ("decision", "allow")]).await;
    assert!(page.status == 200 && page.text.contains("Device connected"), "{}", page.text);
    assert_eq!(poll(&sim, OauthClient::DEMO_ID, OauthClient::DEMO_SECRET, &device_code).await.status, 200);
}

#[tokio::test]
async fn the_page_takes_a_no() {
    let (sim, device_code) = start().await;
    let page = post_form(&sim, "/device", &[("user_code", CODE), ("decision", "deny")]).await;
    assert!(page.status == 200 && page.text.contains("Access denied"), "{}", page.text);
    let reply = poll(&sim, OauthClient::DEMO_ID, OauthClient::DEMO_SECRET, &device_code).await;
    assert_eq!(reply.json()["error"], "access_denied");
}

#[tokio::test]
async fn a_wrong_or_late_code_is_said_to_be_wrong() {
    let (sim, _) = start().await;
    for form in [&[("user_code", "ABCD-EFGH")][..], &[], &[("user_code", CODE), ("decision", "maybe")]] {
        let page = post_form(&sim, "/device", form).await;
        assert!(page.status == 400 && page.text.contains(r#"role="alert""#), "{form:?}: {}", page.text);
    }
    sim.advance(Duration::from_secs(1800));
    assert_eq!(post_form(&sim, "/device", &[("user_code", CODE), ("decision", "allow")]).await.status, 400);
}

#[tokio::test]
async fn a_page_escapes_what_it_shows() {
    let config = Config { user_codes: vec!["<b>&\"".into()], ..frozen() };
    let sim = GoogleSim::start(config).await.unwrap();
    post_form(&sim, "/device/code", &[("client_id", OauthClient::DEMO_ID), ("scope", DRIVE_FILE)]).await.ok();
    let page = post_form(&sim, "/device", &[("user_code", "<b>&\"")]).await;
    assert!(page.status == 200 && page.text.contains("&lt;b&gt;&amp;") && !page.text.contains("<b>&"), "{}", page.text);
}
