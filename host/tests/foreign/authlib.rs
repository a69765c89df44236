//! Authlib with Flask of PyPI: the device flow with HTTP Basic, the web flow with a secret in the form, and the key of a service
//! account (RFC 7523).

use rcgen::KeyPair;

use crate::bench::{Bench, Client, Grant, Secret};
use crate::server::Server;

const SECRET: &str = "the-secret-of-the-device";
const WEB_SECRET: &str = "the-secret-of-the-web";
const DEVICE: Client<'_> =
    Client { id: "punchcard-device", secret: Secret::Basic(SECRET), token: "/token", revocation: "/revoke" };
const WEB: Client<'_> = Client { id: "punchcard-web", secret: Secret::Form(WEB_SECRET), ..DEVICE };
/// A person agrees.
const YES: [(&str, &str); 1] = [("decision", "allow")];

fn server(name: &str, variables: &[(&str, &str)]) -> Option<Server> {
    Server::start(name, ".venv/bin/python", "authlib_server.py", variables)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_signs_in_with_a_code_delivers_renews_and_signs_out() {
    let Some(server) = server("authlib-device-flow", &[]) else { return };
    let grant = Grant {
        plugin: "device-flow",
        settings: r#"client-id = "punchcard-device"
client-authentication = "basic"
scopes = ["punches"]
endpoints = { device-authorization = "ORIGIN/device/code", token = "ORIGIN/token", revocation = "ORIGIN/revoke" }"#,
        secret: Some(("client-secret", SECRET)),
    };
    let mut bench = Bench::start(server, &grant).await;
    // The first person does not agree.
    bench.enter_code(&[("decision", "deny")]).await;
    bench.until_refused().await;
    bench.ask_again().await;
    bench.enter_code(&YES).await;
    bench.until_authorized().await;
    bench.press_and_deliver().await;
    bench.rotate(&DEVICE).await;
    bench.sign_out(&DEVICE).await;
    bench.assert_unsaid();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_signs_a_device_in_which_delivers_renews_and_signs_out() {
    let Some(server) = server("authlib-web-flow", &[]) else { return };
    let grant = Grant {
        plugin: "web-flow",
        settings: r#"issuer = "ORIGIN"
client-id = "punchcard-web"
scopes = ["punches"]
endpoints = { authorization = "ORIGIN/authorize", token = "ORIGIN/token", revocation = "ORIGIN/revoke" }"#,
        secret: Some(("client-secret", WEB_SECRET)),
    };
    let mut bench = Bench::start(server, &grant).await;
    bench.sign_in_with_browser(&[("decision", "deny")]).await;
    bench.until_refused().await;
    bench.sign_in_with_browser(&YES).await;
    bench.until_authorized().await;
    bench.assert_issuer_was_said();
    bench.press_and_deliver().await;
    bench.rotate(&WEB).await;
    bench.sign_out(&WEB).await;
    bench.assert_unsaid();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_a_service_account_signs_in_delivers_and_renews() {
    let key = KeyPair::generate().unwrap();
    let Some(server) = server("authlib-service-account", &[("PUBLIC_KEY", &key.public_key_pem())]) else { return };
    let key = key.serialize_pem();
    let grant = Grant {
        plugin: "service-account",
        settings: r#"account = "recorder@authlib.example"
scopes = ["punches"]
token-url = "ORIGIN/token"
algorithm = "ES256""#,
        secret: Some(("service-account", &key)),
    };
    let mut bench = Bench::start(server, &grant).await;
    bench.until_authorized().await;
    bench.press_and_deliver().await;
    bench.deliver_after_refusal(&Client { id: "recorder@authlib.example", ..DEVICE }).await;
    bench.assert_unsaid();
}
