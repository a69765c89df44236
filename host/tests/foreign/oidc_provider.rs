//! `oidc-provider` of npm: the device flow by discovery, and the web flow with `iss`.

use crate::bench::{Bench, Client, Grant, Secret};
use crate::server::Server;

const DEVICE: Client<'_> =
    Client { id: "punchcard-device", secret: Secret::None, token: "/token", revocation: "/token/revocation" };
const WEB: Client<'_> = Client { id: "punchcard-web", ..DEVICE };
/// What a person enters, and agrees to.
const ANNA: [(&str, &str); 2] = [("login", "anna"), ("password", "a password")];

fn server(name: &str) -> Option<Server> {
    Server::start(name, "node", "oidc_provider.mjs", &[])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_signs_in_with_a_code_delivers_renews_and_signs_out() {
    let Some(server) = server("oidc-provider-device-flow") else { return };
    let grant = Grant {
        plugin: "device-flow",
        settings: r#"issuer = "ORIGIN"
client-id = "punchcard-device"
client-authentication = "none"
scopes = ["openid", "offline_access", "punches"]
required-scopes = ["punches"]"#,
        secret: None,
    };
    let mut bench = Bench::start(server, &grant).await;
    // The first person does not agree.
    bench.enter_code(&[("abort", "yes")]).await;
    bench.until_refused().await;
    bench.ask_again().await;
    bench.enter_code(&ANNA).await;
    bench.until_authorized().await;
    bench.press_and_deliver().await;
    bench.rotate(&DEVICE).await;
    bench.sign_out(&DEVICE).await;
    bench.assert_unsaid();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_signs_a_device_in_which_delivers_renews_and_signs_out() {
    let Some(server) = server("oidc-provider-web-flow") else { return };
    let grant = Grant {
        plugin: "web-flow",
        settings: r#"issuer = "ORIGIN"
client-id = "punchcard-web"
client-authentication = "none"
scopes = ["openid", "offline_access", "punches"]
required-scopes = ["punches"]
endpoints = { authorization = "ORIGIN/auth", token = "ORIGIN/token", revocation = "ORIGIN/token/revocation" }"#,
        secret: None,
    };
    let mut bench = Bench::start(server, &grant).await;
    bench.sign_in_with_browser(&ANNA).await;
    bench.until_authorized().await;
    bench.assert_issuer_was_said();
    bench.press_and_deliver().await;
    bench.rotate(&WEB).await;
    bench.sign_out(&WEB).await;
    bench.assert_unsaid();
}
