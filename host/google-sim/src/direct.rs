//! The stand-in without a socket: a call goes in as data, and what a client would see of its answer comes out.
//!
//! For tests of programs that are data in and data out themselves. Nothing waits and nothing runs beside it: time stands until
//! it is advanced. Files are called `file1`, `file2` and so on, so that a test is the same in each run. What only a
//! connection has, half an answer, silence, an answer without an end, is no answer here.

use std::time::Duration;

use hyper::Method;
use hyper::body::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use url::form_urlencoded;

use crate::call::{Call, Manner};
use crate::clock::later;
use crate::control::{ControlError, FileAction};
use crate::fault::Fault;
use crate::oauth::{ACCOUNT, Decision, Oauth, OauthClient, OauthSettings};
use crate::quota::Quota;
use crate::sheets::SheetTable;
use crate::sim::Config;
use crate::switch::Switches;
use crate::world::World;

const FORM: &str = "application/x-www-form-urlencoded";
/// What a device asks for.
const SCOPE: &str = "https://www.googleapis.com/auth/drive.file";
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A world, and a device that has signed in to it with the first of the default clients.
pub struct Direct {
    world: World,
    now: Timestamp,
    interval: Duration,
    authorization: String,
}

/// An answer as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectAnswer {
    /// The status.
    pub status: u16,
    /// Names and values, `Content-Type` first.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// The device could not sign in.
#[derive(Debug, thiserror::Error)]
#[error("the stand-in did not sign the device in: {answer}")]
pub struct SignInError {
    answer: String,
}

impl Direct {
    /// A world at `now`, with the configuration's clients, quota, switches and spans; nothing listens.
    ///
    /// # Errors
    /// [`SignInError`] where the configuration has no such client, or lets nobody sign in.
    pub fn new(config: Config, now: Timestamp) -> Result<Self, SignInError> {
        let settings = OauthSettings {
            interval: config.interval,
            codes_live_for: config.codes_live_for,
            access_tokens_live_for: config.access_tokens_live_for,
            user_codes: config.user_codes,
            verification_url: config.verification_url,
        };
        let oauth = Oauth::new("http://127.0.0.1".to_owned(), settings, config.clients);
        let mut world = World::new(oauth, Quota::new(config.quota), config.switches);
        world.drive.number_files();
        let mut direct = Self { world, now, interval: config.interval, authorization: String::new() };
        direct.sign_in(ACCOUNT)?;
        Ok(direct)
    }

    /// Signs the device in with an account, whose files it sees from then on. That takes as long as a poll's interval.
    ///
    /// # Errors
    /// [`SignInError`] as for [`Direct::new`].
    pub fn sign_in(&mut self, account: &str) -> Result<(), SignInError> {
        let (id, secret) = (OauthClient::DEMO_ID, OauthClient::DEMO_SECRET);
        let code = self.post_form("/device/code", &[("client_id", id), ("scope", SCOPE)])?;
        let user_code = text(&code, "user_code")?;
        let refused = |error: crate::oauth::UnknownCode| SignInError { answer: error.to_string() };
        self.world.oauth.decide(user_code, Decision::Allow, account, self.now).map_err(refused)?;
        self.advance(self.interval);
        let device_code = text(&code, "device_code")?;
        let form =
            [("client_id", id), ("client_secret", secret), ("device_code", device_code), ("grant_type", DEVICE_GRANT)];
        let tokens = self.post_form("/token", &form)?;
        self.authorization = format!("Bearer {}", text(&tokens, "access_token")?);
        Ok(())
    }

    /// From now on the device is this service account, and may see sheets that were shared with it.
    pub fn sign_in_as_service(&mut self, email: &str) {
        let scopes = ["https://www.googleapis.com/auth/spreadsheets"];
        self.authorization = format!("Bearer {}", self.world.oauth.let_in(email, &scopes, self.now));
    }

    /// Makes a spreadsheet as a person with the account [`ACCOUNT`] would, with one blank tab. Returns its id.
    pub fn create_as_person(&mut self, name: &str) -> String {
        self.world.create_as_person(name, self.now)
    }

    fn post_form(&mut self, path: &str, form: &[(&str, &str)]) -> Result<Value, SignInError> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let call = Call {
            method: Method::POST,
            path: path.to_owned(),
            query: Vec::new(),
            media_type: Some(FORM.to_owned()),
            authorization: None,
            body: body.into(),
        };
        let answer = self.world.answer(call, self.now).answer;
        let body = answer.map(|answer| answer.body).unwrap_or_default();
        serde_json::from_slice(&body).map_err(|_| SignInError { answer: String::from_utf8_lossy(&body).into_owned() })
    }

    /// Makes a call of the device's, with its token. `path` begins with a stroke and may have a query; a body is JSON.
    /// `None`: no whole answer comes, whatever was done.
    pub fn call(&mut self, method: &str, path: &str, body: Option<&[u8]>) -> Option<DirectAnswer> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let call = Call {
            method: Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET),
            path: path.to_owned(),
            query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            media_type: body.map(|_| "application/json".to_owned()),
            authorization: Some(self.authorization.clone()),
            body: Bytes::copy_from_slice(body.unwrap_or_default()),
        };
        let delivery = self.world.answer(call, self.now);
        let is_whole = matches!(delivery.manner, Manner::Whole | Manner::Delayed(_) | Manner::Dripped(_));
        let answer = delivery.answer.filter(|_| is_whole)?;
        let mut headers = vec![("content-type".to_owned(), answer.content_type.into_owned())];
        for (name, value) in &answer.headers {
            headers.extend(value.to_str().ok().map(|value| (name.to_string(), value.to_owned())));
        }
        Some(DirectAnswer { status: answer.status.as_u16(), headers, body: answer.body.to_vec() })
    }

    /// The simulated time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Moves the simulated time forward; what becomes due by that is carried out.
    pub fn advance(&mut self, by: Duration) {
        self.now = later(self.now, by);
        self.world.settle(self.now);
    }

    /// Lets something go wrong; see [`Fault`].
    pub fn arm(&mut self, fault: Fault) {
        self.world.faults.arm(fault);
    }

    /// Changes switches.
    pub fn switch(&mut self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.world.switches);
    }

    /// Does to a file what a person would. Returns its id, or its copy's.
    ///
    /// # Errors
    /// [`ControlError::NoSuchFile`].
    pub fn edit_file(&mut self, id: &str, action: &FileAction) -> Result<String, ControlError> {
        self.world.edit_file(id, action, self.now)
    }

    /// Edits a spreadsheet as a person would: the requests of a `batchUpdate`, without token and quota.
    ///
    /// # Errors
    /// [`ControlError::Edit`] where Google would refuse it.
    pub fn edit_as_person(&mut self, id: &str, requests: &Value) -> Result<Vec<Value>, ControlError> {
        self.world.edit_as_person(id, requests, self.now)
    }

    /// All spreadsheets as formatted texts, in the order of their creation.
    pub fn tables(&self) -> Vec<SheetTable> {
        self.world.tables(usize::MAX)
    }

    /// What `GET /sim/state` lists of each file, in no order: what Drive knows of it, the sizes of its tabs, its developer
    /// metadata.
    pub fn files(&self) -> Vec<Value> {
        self.world.files()
    }

    /// How often an operation was called, as in `sheets.spreadsheets.batchUpdate`.
    pub fn count(&self, operation: &str) -> u64 {
        self.world.journal.counts().get(operation).copied().unwrap_or(0)
    }
}

fn text<'a>(answer: &'a Value, member: &str) -> Result<&'a str, SignInError> {
    answer[member].as_str().ok_or_else(|| SignInError { answer: answer.to_string() })
}
