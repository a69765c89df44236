//! Policies of version 0.2 of the contract, beside a formatter and a connector of version 0.1: a person signs in with a
//! browser, and a device signs in with a key.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use url::Url;

use crate::bench::{Bench, guest};

const ACCESS_TOKEN: &str = "the-access-token";

/// What the stand-in for an authorization server and for the receiver of rows was sent.
#[derive(Clone, Default)]
struct Server {
    forms: Arc<Mutex<Vec<BTreeMap<String, String>>>>,
    rows: Arc<Mutex<Vec<(String, Value)>>>,
    /// Answers with what it was sent.
    echoes: bool,
}

impl Server {
    async fn start(echoes: bool) -> (String, Self) {
        let server = Self { echoes, ..Self::default() };
        let token = |State(server): State<Self>, Form(form): Form<BTreeMap<String, String>>| async move {
            let said = if server.echoes { form.get("assertion").cloned().unwrap_or_default() } else { String::new() };
            server.forms.lock().unwrap().push(form);
            if server.echoes {
                return (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant", "error_description": said })));
            }
            (StatusCode::OK, Json(json!({ "access_token": ACCESS_TOKEN, "token_type": "Bearer" })))
        };
        let rows = |State(server): State<Self>, headers: HeaderMap, Json(body): Json<Value>| async move {
            let credential = headers.get("authorization").map_or("", |value| value.to_str().unwrap()).to_owned();
            server.rows.lock().unwrap().push((credential, body));
            Json(json!({}))
        };
        let router = Router::new().route("/token", post(token)).route("/rows", post(rows)).with_state(server.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (origin, server)
    }

    fn form(&self, number: usize) -> BTreeMap<String, String> {
        self.forms.lock().unwrap()[number].clone()
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn configuration(origin: &str, settings: &str, more: &str) -> String {
    let plugin = |name: &str| Value::from(guest(name).to_str().unwrap()).to_string();
    format!(
        r#"[device]
name = "bench"
time-zone = "Australia/Brisbane"
trust-clock = true
[panel]
driver = "none"
size = "128x32"
[inputs.one]
driver = "keyboard"
key = "1"
press = {{ event = "punch", fields = {{ project = "one" }} }}
debounce-ms = 20
[plugins]
visitor = {visitor}
saboteur = {saboteur}
webhook = {webhook}
[grants.id]
plugin = "visitor"
reach = ["{origin}/token", "https://id.example/authorize"]
audience = ["{origin}/rows"]
settings = {{ token-url = "{origin}/token", client-id = "door", {settings} }}
{more}
[sinks.rows]
events = ["punch"]
format = {{ plugin = "saboteur", settings = {{ columns = ["Deed"] }} }}
deliver = {{ plugin = "webhook", settings = {{ url = "{origin}/rows" }} }}
reach = ["{origin}/rows"]
authorize = {{ grant = "id" }}
"#,
        visitor = plugin("for-tests/visitor"),
        saboteur = plugin("for-tests/saboteur"),
        webhook = plugin("webhook"),
    )
}

/// A browser that shows where it is sent.
fn browser() -> reqwest::Client {
    reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap()
}

fn value(url: &Url, name: &str) -> String {
    let found: Vec<_> =
        url.query_pairs().filter(|(found, _)| found == name).map(|(_, value)| value.into_owned()).collect();
    let [value] = &found[..] else { panic!("{name} in {url}: {found:?}") };
    value.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_with_a_browser_and_no_plugin_sees_what_it_brings() {
    let (origin, server) = Server::start(false).await;
    let mut bench = Bench::new().await;
    let port = free_port();
    let settings = r#"authorization-url = "https://id.example/authorize", issuer = "https://id.example""#;
    bench.configure(&configuration(&origin, settings, &format!("browser = {{ listen = \"127.0.0.1:{port}\" }}")));
    bench.start().await;
    bench.press("one").await;
    let code = bench.user_code().await;
    let report = bench.status().await;
    let address = format!("http://127.0.0.1:{port}");
    assert_eq!(report["grants"][0]["url"], address, "{report:#}");

    let browser = browser();
    let get = async |url: &str| {
        let answer = browser.get(url).send().await.unwrap();
        let location = answer.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), location, answer.text().await.unwrap())
    };
    assert_eq!(get(&address).await.0, 200);
    assert_eq!(get(&format!("{address}/?code=WRONG")).await.0, 404);
    assert_eq!(get(&format!("{address}/return?code=stolen&state=guessed")).await.0, 400);
    let (status, location, _) = get(&format!("{address}/?code={}", code.to_lowercase())).await;
    let sent_to = Url::parse(&location.unwrap()).unwrap();
    assert_eq!((status, sent_to.host_str()), (303, Some("id.example")));
    assert_eq!(value(&sent_to, "client_id"), "door");
    assert_eq!(value(&sent_to, "code_challenge_method"), "S256");
    let (state, redirect_uri) = (value(&sent_to, "state"), value(&sent_to, "redirect_uri"));
    assert_eq!(redirect_uri, format!("{address}/return"));

    let back = |iss: &str| format!("{redirect_uri}?code=s3cret-code&state={state}&iss={iss}");
    let (status, _, text) = get(&back("https://evil.example")).await;
    assert_eq!(status, 400, "{text}");
    assert!(text.contains("another server"), "{text}");
    assert_eq!(get(&back("https://id.example")).await.0, 200);
    bench.until("it is signed in", |report| report["grants"][0]["status"] == "authorized").await;

    let form = server.form(0);
    assert_eq!(form["code"], "s3cret-code");
    assert_eq!(form["redirect_uri"], redirect_uri);
    // RFC 7636 §4.6.
    let challenge = punchcard_sandbox::fingerprint(form["code_verifier"].as_bytes());
    let challenge = base64_url(&challenge);
    assert_eq!(value(&sent_to, "code_challenge"), challenge);

    // Rows go out under the token: plugins of both versions at work for one of them.
    bench.settle().await;
    let rows = server.rows.lock().unwrap().clone();
    let (credential, body) = rows.iter().find(|(_, body)| body.to_string().contains("one")).expect("a row");
    assert_eq!(credential, &format!("Bearer {ACCESS_TOKEN}"), "{body}");

    // What was used up is forgotten, the pages are gone, and nothing of it was said.
    let slots = bench.tokens();
    let slots = slots["slots"].as_object().unwrap();
    assert_eq!(slots.keys().collect::<Vec<_>>(), ["access-token"]);
    assert!(browser.get(&address).send().await.is_err(), "nobody listens any more");
    for secret in ["s3cret-code", &form["code_verifier"], ACCESS_TOKEN] {
        assert!(!bench.log().contains(secret), "a secret is in the log");
    }
    bench.stop().await;
    bench.start().await;
    bench.until("it stays signed in", |report| report["grants"][0]["status"] == "authorized").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_turns_a_person_away_is_quoted_and_another_try_has_another_code() {
    let (origin, server) = Server::start(false).await;
    let mut bench = Bench::new().await;
    let port = free_port();
    let settings = r#"authorization-url = "https://id.example/authorize""#;
    bench.configure(&configuration(&origin, settings, &format!("browser = {{ listen = \"127.0.0.1:{port}\" }}")));
    bench.start().await;
    let code = bench.user_code().await;
    let browser = browser();
    let begun = browser.get(format!("http://127.0.0.1:{port}/{code}")).send().await.unwrap();
    let sent_to = Url::parse(begun.headers()["location"].to_str().unwrap()).unwrap();
    let denied = format!("{}?error=access_denied&state={}", value(&sent_to, "redirect_uri"), value(&sent_to, "state"));
    assert_eq!(browser.get(denied).send().await.unwrap().status().as_u16(), 200);
    let report = bench.until("the refusal is said", |report| report["grants"][0]["status"] == "blocked").await;
    assert!(report["grants"][0].to_string().contains("access_denied"), "{report:#}");
    bench.printed(&["sign-in", "id", "--no-wait"]).await;
    assert_ne!(bench.user_code().await, code);
    assert!(server.forms.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_policy_may_not_ask_of_a_browser_and_a_device_without_one_are_said() {
    let (origin, _server) = Server::start(false).await;
    let mut bench = Bench::new().await;
    let settings = r#"authorization-url = "https://id.example/authorize""#;
    bench.configure(&configuration(&origin, settings, ""));
    bench.start().await;
    let report = bench.until("it says so", |report| report["grants"][0]["status"] == "blocked").await;
    let said = report["grants"][0].to_string();
    assert!(said.contains("add `browser = { listen = ") && said.contains("to grants.id"), "{said}");
    assert!(said.contains("`punchcard sign-in id --web` prints a link"), "{said}");
    bench.stop().await;

    let browser = format!("browser = {{ listen = \"127.0.0.1:{}\" }}", free_port());
    bench.configure(&configuration(&origin, &format!("{settings}, parameter = \"state\""), &browser));
    bench.start().await;
    let report = bench.until("it says so", |report| report["grants"][0]["status"] == "blocked").await;
    let said = report["grants"][0].to_string();
    assert!(said.contains("names the parameter `state`, which is the host's"), "{said}");
}

fn key_file(bench: &Bench) {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let file = json!({ "type": "service_account", "private_key_id": "k1", "private_key": key.serialize_pem() });
    let path = bench.folder().join("service-account.json");
    fs::write(&path, serde_json::to_string_pretty(&file).unwrap()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_signs_in_with_a_service_accounts_key_that_no_plugin_sees() {
    let (origin, server) = Server::start(false).await;
    let mut bench = Bench::new().await;
    key_file(&bench);
    let secrets = "secrets = { service-account = { file = \"service-account.json\" } }";
    bench.configure(&configuration(&origin, "", secrets));
    bench.start().await;
    bench.press("one").await;
    bench.settle().await;
    let form = server.form(0);
    let parts: Vec<_> = form["assertion"].split('.').map(decoded).collect();
    assert_eq!(parts[0], br#"{"alg":"RS256","kid":"k1","typ":"JWT"}"#);
    let claims: Value = serde_json::from_slice(&parts[1]).unwrap();
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!("door"), &json!(format!("{origin}/token"))));
    assert_eq!(parts[2].len(), 256, "a signature of RSA with 2,048 bits");
    let rows = server.rows.lock().unwrap().clone();
    assert!(rows.iter().all(|(credential, _)| *credential == format!("Bearer {ACCESS_TOKEN}")));
    assert!(!bench.log().contains(&form["assertion"]), "the assertion is in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_signed_for_another_server_and_an_assertion_that_is_echoed_is_blanked() {
    let (origin, server) = Server::start(true).await;
    let mut bench = Bench::new().await;
    key_file(&bench);
    let secrets = "secrets = { service-account = { file = \"service-account.json\" } }";
    bench.configure(&configuration(&origin, r#"audience = "https://elsewhere.example/token""#, secrets));
    bench.start().await;
    let report = bench.until("it is refused", |report| report["grants"][0]["status"] == "blocked").await;
    let said = report["grants"][0].to_string();
    assert!(said.contains("is for `https://elsewhere.example/token`, but goes to"), "{said}");
    assert!(server.forms.lock().unwrap().is_empty(), "nothing left");
    bench.stop().await;

    bench.configure(&configuration(&origin, "", secrets));
    bench.start().await;
    let report = bench.until("it is refused", |report| report["grants"][0]["status"] == "blocked").await;
    let said = report["grants"][0].to_string();
    assert!(said.contains("invalid_grant"), "{said}");
    let assertion = server.form(0)["assertion"].clone();
    assert!(!said.contains(&assertion) && !bench.log().contains(&assertion), "{said}");
    let signature = assertion.rsplit('.').next().unwrap();
    assert!(!said.contains(signature), "{said}");
}

fn base64_url(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

fn decoded(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap()
}
