//! A device whose rows go to a webhook of a foreign server's, which takes them from whoever has a token of that server's.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use punchcard_rig::{Compiled, Device, Folder, Programs};
use reqwest::StatusCode;
use serde_json::Value;
use url::Url;

use crate::person::Person;
use crate::server::{Exchange, Server};
use crate::transcript;

/// How long is waited for what should happen at once, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(150);
/// Rows with a token that was forgotten, at most.
const TRIES: usize = 3;
/// Where rows go.
const ROWS: &str = "/rows";

/// How the device signs in.
pub(crate) struct Grant<'a> {
    /// The policy.
    pub(crate) plugin: &'a str,
    /// Its settings, as lines of TOML in which `ORIGIN` stands for the server.
    pub(crate) settings: &'a str,
    /// What is in the file of a secret slot: its name and the text.
    pub(crate) secret: Option<(&'a str, &'a str)>,
}

/// Where a server has what the test needs beside the device.
pub(crate) struct Client<'a> {
    pub(crate) id: &'a str,
    pub(crate) secret: Secret<'a>,
    pub(crate) token: &'a str,
    pub(crate) revocation: &'a str,
}

/// How a client shows its secret: RFC 6749 §2.3.1.
#[derive(Clone, Copy)]
pub(crate) enum Secret<'a> {
    None,
    Form(&'a str),
    Basic(&'a str),
}

/// A device and a foreign server.
pub(crate) struct Bench {
    pub(crate) server: Server,
    device: Device,
    /// Its own secret.
    secret: Option<String>,
    pressed: usize,
}

impl Bench {
    /// A device that runs, and is not signed in.
    pub(crate) async fn start(server: Server, grant: &Grant<'_>) -> Self {
        let folder = Folder::new(&configuration(&server.origin, grant)).unwrap();
        if let Some((slot, text)) = grant.secret {
            let path = folder.path().join(slot);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let compiled = Compiled::within(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled")).unwrap();
        let mut device = Device::new(&programs().host, folder, PATIENCE).with_compiled(compiled);
        device.set_variable("PUNCHCARD_LOG", "info,punchcard=trace,reqwest=trace,hyper_util=trace");
        device.start_and_wait().await.unwrap();
        Self { server, device, secret: grant.secret.map(|(_, text)| text.to_owned()), pressed: 0 }
    }

    /// Waits until the report is as it should be.
    pub(crate) async fn until(&mut self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        self.device.wait(what, |report| is_so(report).then(|| report.clone())).await.unwrap()
    }

    pub(crate) async fn until_authorized(&mut self) {
        self.until("it is signed in", |report| report["grants"][0]["status"] == "authorized").await;
    }

    /// Waits until it is said that a person does not agree.
    pub(crate) async fn until_refused(&mut self) {
        let report = self.until("that is said", |report| report["grants"][0]["status"] == "blocked").await;
        assert_eq!(report["grants"][0]["problem"]["headline"], "access was refused", "{report:#}");
    }

    /// Waits until the server was asked what it should be.
    pub(crate) async fn until_asked(&mut self, what: &str, is_so: impl Fn(&Server) -> bool) {
        let server = &self.server;
        self.device.wait_with(what, async |_| Ok(is_so(server).then_some(()))).await.unwrap();
    }

    /// Goes where the device says, as a person, enters its code, and answers.
    pub(crate) async fn enter_code(&mut self, answers: &[(&str, &str)]) {
        let report = self.until("a code is shown", |report| report["grants"][0]["status"] == "awaiting-person").await;
        let shown = |key: &str| report["grants"][0][key].as_str().unwrap().to_owned();
        let code = shown("user-code");
        let mut answers = answers.to_vec();
        answers.push(("user_code", &code));
        Person::new(&answers).visit(&shown("url")).await;
    }

    /// A person asks for another code.
    pub(crate) async fn ask_again(&mut self) {
        self.device.printed(&["sign-in", "rows", "--no-wait"]).await.unwrap();
    }

    /// Goes to the link of `sign-in --web`, and answers. Returns the page at which the browser ends.
    pub(crate) async fn sign_in_with_browser(&mut self, answers: &[(&str, &str)]) -> String {
        self.until("it has its grant", |report| report["grants"][0]["status"].is_string()).await;
        let printed = self.device.printed(&["sign-in", "rows", "--web", "--no-wait"]).await.unwrap();
        let link = printed.lines().map(str::trim).find(|line| line.starts_with("http")).expect("a link");
        Person::new(answers).visit(link).await
    }

    /// Presses the key, and waits until the server has taken the row.
    pub(crate) async fn press_and_deliver(&mut self) {
        self.device.press("1").await.unwrap();
        self.pressed += 1;
        let pressed = self.pressed;
        self.until_asked("the row is there", |server| {
            server.at(ROWS).iter().filter(|row| row.status == 201).count() == pressed
        })
        .await;
        self.until("it is delivered", |report| {
            let sink = &report["sinks"][0];
            ["events-waiting", "rows-waiting", "rows-in-flight"].iter().all(|count| sink[count] == 0)
        })
        .await;
        assert!(self.server.at(ROWS).last().unwrap().body.contains("Deed one"));
    }

    /// The server forgets the newest access token, so that the next row is refused, and sent again with another one.
    pub(crate) async fn deliver_after_refusal(&mut self, client: &Client<'_>) {
        // On a slow machine a renewal that was due comes in between.
        for _ in 0..TRIES {
            let newest = self.answered_tokens(client).pop().expect("a token").member("access_token").unwrap();
            assert_eq!(self.post("/forget", None, &[("token", &newest)]).await.0, StatusCode::OK);
            self.press_and_deliver().await;
            let is_refused = |row: &Exchange| row.status == 401 && row.authorization.ends_with(&newest);
            if self.server.at(ROWS).iter().any(is_refused) {
                return;
            }
        }
        panic!("no row was refused");
    }

    /// Each answer with tokens.
    pub(crate) fn answered_tokens(&self, client: &Client<'_>) -> Vec<Exchange> {
        tokens(&self.server, client)
    }

    /// Renewed twice, after a refusal and when it is due, each time with the refresh token that came last: of those that rotate,
    /// only that one is good. A policy asks once in 30 seconds, so this takes a minute.
    pub(crate) async fn rotate(&mut self, client: &Client<'_>) {
        self.deliver_after_refusal(client).await;
        self.until_asked("it is renewed when it is due", |server| tokens(server, client).len() >= 3).await;
        self.press_and_deliver().await;
        let answers = self.answered_tokens(client);
        for pair in answers.windows(2) {
            let given = |exchange: &Exchange| exchange.member("refresh_token").expect("a refresh token");
            assert_eq!(pair[1].field("grant_type").unwrap(), "refresh_token");
            assert_eq!(pair[1].field("refresh_token").unwrap(), given(&pair[0]));
            assert_ne!(given(&pair[1]), given(&pair[0]), "the server rotates");
        }
        let row = self.server.at(ROWS).pop().unwrap();
        assert!(
            answers.iter().skip(2).any(|answer| row.authorization.ends_with(&answer.member("access_token").unwrap()))
        );
    }

    /// Signs out, and the server is told: what the device had is good for nothing.
    pub(crate) async fn sign_out(&mut self, client: &Client<'_>) {
        let newest = self.answered_tokens(client).pop().unwrap().member("refresh_token").unwrap();
        self.device.printed(&["sign-out", "rows", "--revoke", "--yes"]).await.unwrap();
        self.until("it is signed out", |report| report["grants"][0]["status"] == "signed-out").await;
        self.until_asked("the server is told", |server| !server.at(client.revocation).is_empty()).await;
        let told = self.server.at(client.revocation).pop().unwrap();
        assert_eq!((told.status, told.field("token")), (200, Some(newest.clone())));
        let form = [("client_id", client.id), ("grant_type", "refresh_token"), ("refresh_token", &newest)];
        let (status, answer) = self.post(client.token, Some(client), &form).await;
        assert!(status.is_client_error() && answer.contains("invalid_grant"), "{status}: {answer}");
    }

    async fn post(&self, path: &str, client: Option<&Client<'_>>, form: &[(&str, &str)]) -> (StatusCode, String) {
        let mut form = form.to_vec();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = http.post(format!("{}{path}", self.server.origin));
        match client.map(|client| (client.id, client.secret)) {
            Some((_, Secret::Form(secret))) => form.push(("client_secret", secret)),
            Some((id, Secret::Basic(secret))) => request = request.basic_auth(id, Some(secret)),
            Some((_, Secret::None)) | None => {}
        }
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let answer =
            request.header("content-type", "application/x-www-form-urlencoded").body(body).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    /// The server said who it is when it sent the browser back: RFC 9207.
    pub(crate) fn assert_issuer_was_said(&self) {
        let sent = self.server.exchanges().into_iter().find(|exchange| exchange.location.contains("code="));
        let back = Url::parse(&sent.expect("a browser that was sent back").location).unwrap();
        assert!(back.query_pairs().any(|(name, value)| name == "iss" && value == self.server.origin.as_str()));
    }

    /// Nothing that went over the wire and lets anybody in stands in the log.
    pub(crate) fn assert_unsaid(&self) {
        let log = self.device.log();
        for (secret, label) in transcript::secrets(&self.server.exchanges()) {
            // The code is for a person to read.
            assert!(label.starts_with("user_code") || !log.contains(&secret), "{label} is in the log");
        }
        assert!(self.secret.iter().all(|secret| !log.contains(secret)), "the device's own secret is in the log");
    }
}

fn tokens(server: &Server, client: &Client<'_>) -> Vec<Exchange> {
    let all = server.at(client.token).into_iter();
    all.filter(|exchange| exchange.status == 200 && exchange.member("access_token").is_some()).collect()
}

fn programs() -> Programs {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/guests");
    let guests = std::env::var_os("PUNCHCARD_GUESTS").map_or(target, PathBuf::from);
    let guests = guests.canonicalize().expect("the guests, which `cargo xtask test guests` builds");
    Programs { host: env!("CARGO_BIN_EXE_punchcard").into(), guests }
}

fn configuration(origin: &str, grant: &Grant<'_>) -> String {
    let plugin = |name: &str| Value::from(programs().guest(name).to_str().unwrap()).to_string();
    let secrets = grant.secret.map_or_else(String::new, |(slot, _)| format!("{slot} = {{ file = \"{slot}\" }}"));
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
{policy} = {policy_file}
saboteur = {saboteur}
webhook = {webhook}
[grants.rows]
plugin = "{policy}"
reach = [{{ url = "{origin}", private = true }}]
audience = [{{ url = "{origin}", private = true }}]
secrets = {{ {secrets} }}
[grants.rows.settings]
{settings}
[sinks.rows]
events = ["punch"]
format = {{ plugin = "saboteur", settings = {{ columns = ["Deed"] }} }}
reach = [{{ url = "{origin}", private = true }}]
authorize = {{ grant = "rows" }}
[sinks.rows.deliver]
plugin = "webhook"
settings = {{ url = "{origin}{ROWS}", requests-per-minute = 6000 }}
"#,
        policy = grant.plugin,
        policy_file = plugin(grant.plugin),
        saboteur = plugin("for-tests/saboteur"),
        webhook = plugin("webhook"),
        settings = grant.settings.replace("ORIGIN", origin),
    )
}
