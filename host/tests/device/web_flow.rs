//! Signing in with a browser by `web-flow`, against the stand-in: by a link whose browser comes back, by an address that a
//! person pastes, and every way in which that comes to nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use google_sim::{Effect, Fault, OauthClient};
use reqwest::redirect::Policy;
use serde_json::Value;
use url::Url;

use crate::bench::{Bench, configuration};

const FORM: &str = "application/x-www-form-urlencoded";
/// Google's device flow refuses this one.
const SHEETS: &str = "https://www.googleapis.com/auth/spreadsheets";

/// A device that runs, whose grant signs in with a browser.
async fn device(more: &str) -> Bench {
    let mut bench = Bench::new().await;
    let origin = bench.sim.base_url();
    let text = configuration(&origin)
        .replace("device-flow", "web-flow")
        .replace(OauthClient::DEMO_ID, OauthClient::DESKTOP_ID)
        .replace(
            &format!("device-authorization = \"{origin}/device/code\""),
            &format!("authorization = \"{origin}/o/oauth2/v2/auth\""),
        )
        .replace("/auth/drive.file\"]", &format!("/auth/drive.file\", \"{SHEETS}\"]\nissuer = \"{origin}\""))
        .replace("[grants.google.settings]", &format!("{more}\n[grants.google.settings]"));
    bench.configure(&text);
    let secret = bench.folder().join("client-secret");
    fs::write(&secret, OauthClient::DESKTOP_SECRET).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    bench.start().await;
    bench.until("the grant runs", |report| report["grants"][0]["status"].is_string()).await;
    bench
}

/// The link that `sign-in --web` prints.
async fn link(bench: &Bench) -> Url {
    let printed = bench.printed(&["sign-in", "google", "--web", "--no-wait"]).await;
    let link = printed.lines().map(str::trim).find(|line| line.starts_with("http")).expect("a link");
    let link = Url::parse(link).unwrap();
    let port = Url::parse(&value(&link, "redirect_uri")).unwrap().port().unwrap();
    assert!(printed.contains(&format!("ssh -N -L {port}:127.0.0.1:{port} ")), "{printed}");
    link
}

fn value(url: &Url, name: &str) -> String {
    url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned()).expect(name)
}

fn browser() -> reqwest::Client {
    reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap()
}

/// A person's browser goes to the server, and the person decides. Where it is sent back to.
async fn decide(link: &Url, decision: &str) -> String {
    let shown = browser().get(link.clone()).send().await.unwrap();
    assert_eq!(shown.status(), 200);
    assert!(shown.text().await.unwrap().contains(SHEETS));
    let answer = browser()
        .post(link.clone())
        .header("content-type", FORM)
        .body(format!("decision={decision}"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 302);
    answer.headers()["location"].to_str().unwrap().to_owned()
}

/// Nothing that lets anybody in is anywhere but in the token storage.
async fn assert_unsaid(bench: &Bench, secrets: &[String]) {
    let escaped = |secret: &String| url::form_urlencoded::byte_serialize(secret.as_bytes()).collect::<String>();
    for secret in secrets.iter().flat_map(|secret| [secret.clone(), escaped(secret)]) {
        assert!(secret.len() > 20, "{secret} is none");
        assert!(!bench.log().contains(&secret), "a secret is in the log");
        for arguments in [&["status"][..], &["status", "--json"], &["doctor"], &["panel"]] {
            let output = bench.command(arguments).await;
            assert!(!String::from_utf8_lossy(&output.stdout).contains(&secret), "a secret is in {arguments:?}");
        }
        for entry in fs::read_dir(bench.state()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let bytes = fs::read(&path).unwrap();
                let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!found, "a secret is in {}", path.display());
            }
        }
    }
}

async fn until_authorized(bench: &mut Bench) {
    bench.until("it is signed in", |report| report["grants"][0]["status"] == "authorized").await;
}

fn token(bench: &Bench, slot: &str) -> String {
    bench.tokens()["slots"][slot]["secret"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_signs_in_with_a_browser_and_rows_appear() {
    let mut bench = device("").await;
    bench.press("one").await;
    // Nobody can come to it before somebody asks for a link.
    let report = bench.until("it says how", |report| report["grants"][0]["status"] == "blocked").await;
    assert!(report["grants"][0].to_string().contains("`punchcard sign-in google --web`"), "{report:#}");
    let link = link(&bench).await;
    assert!(value(&link, "redirect_uri").starts_with("http://127.0.0.1:"));
    let back = decide(&link, "allow").await;
    // Another browser came as far.
    let other = decide(&link, "allow").await;
    assert_eq!(browser().get(&back).send().await.unwrap().status(), 200);
    // It is one visit, and one answer: the pages are gone, or say so.
    if let Ok(late) = browser().get(&other).send().await {
        assert_eq!(late.status(), 410);
    }
    until_authorized(&mut bench).await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one"]);
    let (first, refresh) = (token(&bench, "access-token"), token(&bench, "refresh-token"));
    bench.sim.act(google_sim::Action::ExpireAccessTokens);
    bench.press("two").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "two"]);
    let slots = bench.tokens();
    let slots: Vec<_> = slots["slots"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(slots, ["access-token", "refresh-token"]);
    let [state, code] = [value(&link, "state"), value(&Url::parse(&back).unwrap(), "code")];
    assert_unsaid(&bench, &[state, code, first, refresh, OauthClient::DESKTOP_SECRET.to_owned()]).await;

    bench.printed(&["sign-out", "google", "--revoke", "--yes"]).await;
    bench.until_google("the grant is revoked", |google| google.state()["refreshTokens"] == 0).await;
    bench.until("it is signed out", |report| report["grants"][0]["status"] == "signed-out").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_a_person_pastes_signs_in_and_no_other() {
    let mut bench = device("").await;
    let link = link(&bench).await;
    let back = decide(&link, "allow").await;
    let paste = async |text: &str| {
        let output = bench.command_with_input(&["sign-in", "google", "--web", "--paste"], &format!("{text}\n")).await;
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let state = value(&link, "state");
    let parsed = Url::parse(&back).unwrap();
    let with = |name: &str, value: &str| {
        let pairs: Vec<(String, String)> =
            parsed.query_pairs().into_owned().filter(|(found, _)| found != name).collect();
        let mut url = parsed.clone();
        url.query_pairs_mut().clear().extend_pairs(pairs).append_pair(name, value);
        url.to_string()
    };
    for (text, said) in [
        ("it did not work".to_owned(), "not the address to which the browser was sent back"),
        (link.to_string(), "not the address to which the browser was sent back"),
        (back.replace("127.0.0.1", "127.0.0.2"), "not the address to which the browser was sent back"),
        (
            back.replace("http://127.0.0.1", "https://evil.example"),
            "not the address to which the browser was sent back",
        ),
        (with("state", &"x".repeat(state.len())), "does not belong to this sign-in"),
        (with("iss", "https://evil.example"), "another server"),
        (with("code", "").replace("&code=", ""), "`code` is missing"),
    ] {
        let (is_taken, error) = paste(&text).await;
        assert!(!is_taken && error.contains(said), "{text}: {error}");
    }
    let nothing = bench.command_with_input(&["sign-in", "google", "--web", "--paste"], "").await;
    assert!(!nothing.status.success());
    assert_eq!(bench.sim.count("oauth.token"), 0);
    // A browser shows it without `http://`, and whoever copies adds spaces.
    let (is_taken, error) = paste(&format!("  {} ", back.trim_start_matches("http://"))).await;
    assert!(is_taken, "{error}");
    until_authorized(&mut bench).await;
    let code = value(&parsed, "code");
    let access = token(&bench, "access-token");
    assert_unsaid(&bench, &[state, code, access]).await;
    bench.press("one").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_says_no_an_endless_answer_and_a_spent_code_are_said_and_another_try_works() {
    let mut bench = device("").await;
    bench.press("one").await;
    let headline = |report: &Value| report["grants"][0]["problem"]["headline"].as_str().unwrap_or_default().to_owned();

    let back = decide(&link(&bench).await, "deny").await;
    assert_eq!(browser().get(&back).send().await.unwrap().status(), 200);
    bench.until("the refusal is said", |report| headline(report) == "access was refused").await;
    assert_eq!(bench.sim.count("oauth.token"), 0);

    // The answer has 100 MB, and the code is spent by it.
    let first = link(&bench).await;
    let back = decide(&first, "allow").await;
    bench.sim.arm(Fault::on("/token", Effect::Oversized { bytes: 100_000_000 }));
    assert_eq!(browser().get(&back).send().await.unwrap().status(), 200);
    bench.until("that the code is spent is said", |report| headline(report) == "code not accepted").await;
    bench.until_google("what the first use brought is revoked", |google| google.state()["refreshTokens"] == 0).await;

    let second = link(&bench).await;
    assert_ne!(value(&second, "state"), value(&first, "state"), "another visit");
    // What belongs to the visit before is no answer to this one.
    let stale = back.replace(&value(&first, "redirect_uri"), &value(&second, "redirect_uri"));
    assert_eq!(browser().get(&stale).send().await.unwrap().status(), 400);
    let back = decide(&second, "allow").await;
    assert_eq!(browser().get(&back).send().await.unwrap().status(), 200);
    until_authorized(&mut bench).await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_for_loopback_works_where_the_panel_shows_another_address() {
    let port = std::net::TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port();
    let browser_at = format!("browser = {{ listen = \"0.0.0.0:{port}\", address = \"http://door.local:{port}\" }}");
    let mut bench = device(&browser_at).await;
    bench.user_code().await;
    let report = bench.status().await;
    assert_eq!(report["grants"][0]["url"], format!("http://door.local:{port}"));
    let back = decide(&link(&bench).await, "allow").await;
    assert_eq!(browser().get(&back).send().await.unwrap().status(), 200);
    until_authorized(&mut bench).await;
}
