//! django-oauth-toolkit of PyPI: the device flow, and the web flow with HTTP Basic and `iss`.

use crate::bench::{Bench, Client, Grant, Secret};
use crate::server::Server;

const WEB_SECRET: &str = "the-secret-of-the-web";
const DEVICE: Client<'_> =
    Client { id: "punchcard-device", secret: Secret::None, token: "/token/", revocation: "/revoke_token/" };
const WEB: Client<'_> = Client { id: "punchcard-web", secret: Secret::Basic(WEB_SECRET), ..DEVICE };
/// What a person enters.
const ANNA: [(&str, &str); 2] = [("username", "anna"), ("password", "a password")];

fn server(name: &str) -> Option<Server> {
    Server::start(name, ".venv/bin/python", "toolkit_server.py", &[])
}

/// Anna, and what she decides.
fn anna<'a>(name: &'a str, decision: &'a str) -> Vec<(&'a str, &'a str)> {
    ANNA.into_iter().chain([(name, decision)]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_signs_in_with_a_code_delivers_renews_and_signs_out() {
    let Some(server) = server("django-oauth-toolkit-device-flow") else { return };
    let grant = Grant {
        plugin: "device-flow",
        settings: r#"client-id = "punchcard-device"
client-authentication = "none"
scopes = ["punches"]
[grants.rows.settings.endpoints]
device-authorization = "ORIGIN/device-authorization/"
token = "ORIGIN/token/"
revocation = "ORIGIN/revoke_token/""#,
        secret: None,
    };
    let mut bench = Bench::start(server, &grant).await;
    // The first person does not agree.
    bench.enter_code(&anna("action", "deny")).await;
    bench.until_refused().await;
    bench.ask_again().await;
    bench.enter_code(&anna("action", "accept")).await;
    bench.until_authorized().await;
    bench.press_and_deliver().await;
    bench.rotate(&DEVICE).await;
    bench.sign_out(&DEVICE).await;
    bench.assert_unsaid();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_signs_a_device_in_which_delivers_renews_and_signs_out() {
    let Some(server) = server("django-oauth-toolkit-web-flow") else { return };
    let grant = Grant {
        plugin: "web-flow",
        settings: r#"issuer = "ORIGIN"
client-id = "punchcard-web"
client-authentication = "basic"
scopes = ["punches"]
endpoints = { authorization = "ORIGIN/authorize/", token = "ORIGIN/token/", revocation = "ORIGIN/revoke_token/" }"#,
        secret: Some(("client-secret", WEB_SECRET)),
    };
    let mut bench = Bench::start(server, &grant).await;
    // It does not say who it is when a person does not agree, against RFC 9207 §2: that is not taken, as it could be anybody's.
    let page = bench.sign_in_with_browser(&ANNA).await;
    assert!(page.contains("another server"), "{page}");
    bench.sign_in_with_browser(&anna("allow", "Authorize")).await;
    bench.until_authorized().await;
    bench.assert_issuer_was_said();
    bench.press_and_deliver().await;
    bench.rotate(&WEB).await;
    bench.sign_out(&WEB).await;
    bench.assert_unsaid();
}
