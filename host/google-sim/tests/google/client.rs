//! A client of the stand-in: a connection for each call, so that a test sees how it ends.

use std::time::Duration;

use google_sim::{Config, Decision, GoogleSim, OauthClient};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header::HeaderMap;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use url::form_urlencoded;

pub(crate) const DRIVE_FILE: &str = "https://www.googleapis.com/auth/drive.file";
pub(crate) const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// An answer that came whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The body of a 200.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()
    }

    /// The message of an API's refusal with this status.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text);
        self.json()["error"]["message"].as_str().unwrap().to_owned()
    }

    pub(crate) fn content_type(&self) -> &str {
        self.headers.get("content-type").map_or("", |value| value.to_str().unwrap())
    }
}

/// A stand-in, and the token of a device that signed in to it.
pub(crate) struct Device {
    pub(crate) sim: GoogleSim,
    pub(crate) token: String,
    pub(crate) refresh_token: String,
}

pub(crate) fn frozen() -> Config {
    Config { frozen_at: Some("2026-11-21T08:00:00Z".parse().unwrap()), ..Config::default() }
}

impl Device {
    /// Signed in, without quota, at a clock that stands.
    pub(crate) async fn start() -> Self {
        Self::start_with(Config { quota: false, ..frozen() }).await
    }

    pub(crate) async fn start_with(config: Config) -> Self {
        let sim = GoogleSim::start(config).await.unwrap();
        let tokens = sign_in(&sim, OauthClient::DEMO_ID, OauthClient::DEMO_SECRET).await;
        let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
        Self { token: text("access_token"), refresh_token: text("refresh_token"), sim }
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Reply, String> {
        let body = body.map(|body| ("application/json", body.to_string()));
        send(&self.sim, method, path, Some(&self.token), body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, None).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.send("POST", path, Some(&body)).await.unwrap()
    }

    /// The id of a new spreadsheet.
    pub(crate) async fn create(&self, name: &str) -> String {
        let body = json!({ "name": name, "mimeType": "application/vnd.google-apps.spreadsheet" });
        self.post("/drive/v3/files", body).await.ok()["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn batch(&self, id: &str, requests: Value) -> Reply {
        self.post(&format!("/v4/spreadsheets/{id}:batchUpdate"), json!({ "requests": requests })).await
    }

    /// The values of a range, plain.
    pub(crate) async fn values(&self, id: &str, range: &str) -> Value {
        let path = format!("/v4/spreadsheets/{id}/values/{range}?valueRenderOption=UNFORMATTED_VALUE");
        self.get(&path).await.ok()["values"].clone()
    }
}

/// An `appendCells` of texts.
pub(crate) fn append(rows: &[&[&str]]) -> Value {
    let cell = |text: &&str| json!({ "userEnteredValue": { "stringValue": text } });
    let row = |row: &&[&str]| json!({ "values": row.iter().map(cell).collect::<Vec<_>>() });
    let rows: Vec<Value> = rows.iter().map(row).collect();
    json!({ "appendCells": { "sheetId": 0, "rows": rows, "fields": "userEnteredValue" } })
}

/// The whole device flow, with the person's consent.
pub(crate) async fn sign_in(sim: &GoogleSim, id: &str, secret: &str) -> Value {
    sign_in_for(sim, id, secret, DRIVE_FILE).await
}

pub(crate) async fn sign_in_for(sim: &GoogleSim, id: &str, secret: &str, scope: &str) -> Value {
    let code = post_form(sim, "/device/code", &[("client_id", id), ("scope", scope)]).await.ok();
    sim.consent(code["user_code"].as_str().unwrap(), Decision::Allow).unwrap();
    sim.advance(Duration::from_secs(5));
    poll(sim, id, secret, code["device_code"].as_str().unwrap()).await.ok()
}

pub(crate) async fn poll(sim: &GoogleSim, id: &str, secret: &str, device_code: &str) -> Reply {
    let form =
        [("client_id", id), ("client_secret", secret), ("device_code", device_code), ("grant_type", DEVICE_GRANT)];
    post_form(sim, "/token", &form).await
}

pub(crate) async fn refresh(sim: &GoogleSim, token: &str) -> Reply {
    refresh_as(sim, (OauthClient::DEMO_ID, OauthClient::DEMO_SECRET), token).await
}

/// The same for another client: its id and its secret.
pub(crate) async fn refresh_as(sim: &GoogleSim, (id, secret): (&str, &str), token: &str) -> Reply {
    let form =
        [("client_id", id), ("client_secret", secret), ("refresh_token", token), ("grant_type", "refresh_token")];
    post_form(sim, "/token", &form).await
}

pub(crate) async fn post_form(sim: &GoogleSim, path: &str, form: &[(&str, &str)]) -> Reply {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    send(sim, "POST", path, None, Some(("application/x-www-form-urlencoded", body))).await.unwrap()
}

/// Sends a call on a connection of its own. `Err` if no whole answer came.
pub(crate) async fn send(
    sim: &GoogleSim,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: Option<(&str, String)>,
) -> Result<Reply, String> {
    let stream = TcpStream::connect(("127.0.0.1", sim.port())).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(path);
    request = request.header("host", "127.0.0.1");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if let Some((kind, _)) = &body {
        request = request.header("content-type", *kind);
    }
    let bytes = body.map_or_else(Bytes::new, |(_, text)| Bytes::from(text));
    let request = request.body(Full::new(bytes)).unwrap();
    let (parts, body) = sender.send_request(request).await.map_err(|error| error.to_string())?.into_parts();
    let bytes = body.collect().await.map_err(|error| format!("in the body: {error}"))?.to_bytes();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    Ok(Reply { status: parts.status.as_u16(), headers: parts.headers, text })
}
