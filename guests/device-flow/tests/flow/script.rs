//! A host for one grant, simulated: it stores what answers bring, erases what is forgotten, and keeps the time.

use std::collections::BTreeMap;

use device_flow::{DeviceFlow, Settings, State};
use punchcard_sdk::auth_policy::{
    AuthPolicy, ClientAuthentication, Directive, Form, FormValue, Lease, Prompt, Request, Signal, Slot, Status, Step,
};
use punchcard_sdk::http::{Failure, Header, Response};
use punchcard_sdk::{Context, Instant, Problem};
use serde_json::Value;

pub(crate) const GOOGLE: &str = r#"{"provider":"google","client-id":"the-client.apps.googleusercontent.com",
    "scopes":["https://www.googleapis.com/auth/drive.file"]}"#;

pub(crate) const ENDPOINTS: &str = r#"{"endpoints":{"device-authorization":"https://a.example/device",
    "token":"https://a.example/token","revocation":"https://a.example/revoke"},
    "client-id":"the-client","scopes":["openid","write","offline_access"]}"#;

/// Google's id of the client that [`GOOGLE`] names.
pub(crate) const CLIENT: &str = "the-client.apps.googleusercontent.com";

pub(crate) const CODE: &str = r#"{"device_code":"AH-1Ng2eB3","user_code":"GQVQ-JKEC","verification_url":
    "https://www.google.com/device","expires_in":1800,"interval":5}"#;

pub(crate) const TOKEN: &str = r#"{"access_token":"ya29.a0AfH6","expires_in":3599,"refresh_token":"1//0gLu4",
    "scope":"https://www.googleapis.com/auth/drive.file","token_type":"Bearer"}"#;

/// Google's answer to a renewal: no new refresh token.
pub(crate) const RENEWED: &str = r#"{"access_token":"ya29.a0AfH7","expires_in":3599,
    "scope":"https://www.googleapis.com/auth/drive.file","token_type":"Bearer"}"#;

pub(crate) const PENDING: &str = r#"{"error":"authorization_pending","error_description":"Precondition Required"}"#;

pub(crate) const SECOND: u64 = 1_000;
pub(crate) const HOUR: u64 = 3_600 * SECOND;
pub(crate) const DAY: u64 = 24 * HOUR;

pub(crate) struct Script {
    settings: Settings,
    state: Vec<u8>,
    /// Filled slots and their versions.
    pub(crate) slots: BTreeMap<String, u64>,
    versions: u64,
    /// On the monotonic clock.
    pub(crate) now_ms: u64,
    /// On the wall clock.
    pub(crate) unix_s: i64,
    boot: u32,
    pub(crate) entropy: Vec<u8>,
    pub(crate) last: Option<Step>,
    /// Leave secrets in the answers, as no host does.
    pub(crate) leaks: bool,
    /// Beginnings of the addresses to which the host sends anything.
    pub(crate) reach: Vec<&'static str>,
}

impl Script {
    pub(crate) fn new(settings: &str) -> Self {
        Self {
            settings: serde_json::from_str(settings).unwrap(),
            state: Vec::new(),
            slots: BTreeMap::new(),
            versions: 0,
            now_ms: 100_000,
            unix_s: 1_800_000_000,
            boot: 1,
            entropy: vec![0; 32],
            last: None,
            leaks: false,
            reach: vec!["https://", "http://"],
        }
    }

    pub(crate) fn google() -> Self {
        let mut script = Self::new(GOOGLE);
        script.fill("client-secret");
        script
    }

    /// A device that shows a code.
    pub(crate) fn awaiting() -> Self {
        let mut script = Self::google();
        script.signal(Signal::Started);
        script.answer(200, CODE);
        script
    }

    /// A device that is signed in.
    pub(crate) fn authorized() -> Self {
        let mut script = Self::awaiting();
        script.elapse();
        script.answer(200, TOKEN);
        assert_eq!(script.lease().expires_in_seconds, Some(3599));
        script
    }

    /// A device that has asked for a new lease.
    pub(crate) fn renewing() -> Self {
        let mut script = Self::authorized();
        script.elapse();
        script
    }

    pub(crate) fn change_settings(&mut self, settings: &str) {
        self.settings = serde_json::from_str(settings).unwrap();
    }

    pub(crate) fn fill(&mut self, slot: &str) {
        self.versions += 1;
        self.slots.insert(slot.to_owned(), self.versions);
    }

    pub(crate) fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        self.unix_s += i64::try_from(ms / SECOND).unwrap();
    }

    /// The machine restarts, `ms` later.
    pub(crate) fn reboot(&mut self, ms: u64) {
        self.pass(ms);
        self.now_ms = 2_000;
        self.boot += 1;
    }

    pub(crate) fn signal(&mut self, signal: Signal) -> Step {
        let mut state: State =
            if self.state.is_empty() { State::default() } else { serde_json::from_slice(&self.state).unwrap() };
        let slots: Vec<Slot> =
            self.slots.iter().map(|(name, version)| Slot { name: name.clone(), version: *version }).collect();
        let context = Context {
            now: Instant { unix_micros: self.unix_s * 1_000_000, utc_offset_minutes: 600 },
            monotonic_ms: self.now_ms,
            boot: format!("boot-{}", self.boot),
            entropy: self.entropy.clone(),
            device: "front-door".into(),
        };
        let step = DeviceFlow::step(&self.settings, &mut state, signal, &slots, &context).unwrap();
        self.state = serde_json::to_vec(&state).unwrap();
        assert!(self.state.len() < 65_536, "the state stays small");
        self.slots.retain(|slot, _| !step.forget.contains(slot));
        self.last = Some(step.clone());
        match self.unsendable() {
            Some(failure) => self.signal(Signal::Failed(failure)),
            None => step,
        }
    }

    /// Why the host does not send the request that is wanted. It looks at the address first.
    fn unsendable(&self) -> Option<Failure> {
        let Directive::Send(request) = &self.step().next else { return None };
        let (url, fields) = match request {
            Request::Get(url) => (url, &[][..]),
            Request::Post(form) => (&form.url, &form.fields[..]),
        };
        if !self.reach.iter().any(|prefix| url.starts_with(prefix)) {
            return Some(Failure::Denied(format!("{url} is not within `grants.door.reach`")));
        }
        let empty = |value: &FormValue| match value {
            FormValue::Secret(slot) if !self.slots.contains_key(slot) => Some(Failure::Missing(slot.clone())),
            _ => None,
        };
        fields.iter().find_map(|field| empty(&field.value))
    }

    /// A server answers: what is secret goes into slots first.
    pub(crate) fn answer(&mut self, status: u16, body: &str) -> Step {
        self.answer_with(status, Vec::new(), body)
    }

    pub(crate) fn answer_with(&mut self, status: u16, headers: Vec<Header>, body: &str) -> Step {
        self.form_or_get();
        let mut body = body.to_owned();
        if let Ok(Value::Object(mut members)) = serde_json::from_str(&body) {
            for (member, slot) in [
                ("access_token", "access-token"),
                ("refresh_token", "refresh-token"),
                ("id_token", "id-token"),
                ("device_code", "device-code"),
            ] {
                if members.get(member).and_then(Value::as_str).is_some_and(|text| !text.is_empty()) {
                    self.fill(slot);
                    if !self.leaks {
                        members.insert(member.into(), slot.into());
                    }
                }
            }
            body = Value::Object(members).to_string();
        }
        self.signal(Signal::Responded(Response { status, headers, body: body.into() }))
    }

    pub(crate) fn fail(&mut self, failure: Failure) -> Step {
        self.form_or_get();
        self.signal(Signal::Failed(failure))
    }

    /// Waits as long as the policy asked, and says so.
    pub(crate) fn elapse(&mut self) -> Step {
        let wait = self.wait();
        self.pass(wait);
        self.signal(Signal::Elapsed)
    }

    pub(crate) fn step(&self) -> &Step {
        self.last.as_ref().expect("no step yet")
    }

    /// How long the policy waits.
    pub(crate) fn wait(&self) -> u64 {
        match self.step().next {
            Directive::Wait(ms) => ms,
            ref other => panic!("does not wait: {other:?}"),
        }
    }

    pub(crate) fn rests(&self) -> bool {
        self.step().next == Directive::Rest
    }

    fn form_or_get(&self) -> &Request {
        match &self.step().next {
            Directive::Send(request) => request,
            other => panic!("sends nothing: {other:?}"),
        }
    }

    pub(crate) fn form(&self) -> &Form {
        match self.form_or_get() {
            Request::Post(form) => form,
            Request::Get(url) => panic!("asks {url}"),
        }
    }

    pub(crate) fn get(&self) -> &str {
        match self.form_or_get() {
            Request::Get(url) => url,
            Request::Post(form) => panic!("posts {form:?}"),
        }
    }

    pub(crate) fn sends(&self) -> bool {
        matches!(self.step().next, Directive::Send(_))
    }

    /// The form, with `<slot>` for the content of a slot.
    pub(crate) fn fields(&self) -> Vec<(String, String)> {
        let show = |value: &FormValue| match value {
            FormValue::Plain(text) => text.clone(),
            FormValue::Secret(slot) => format!("<{slot}>"),
        };
        self.form().fields.iter().map(|field| (field.name.clone(), show(&field.value))).collect()
    }

    pub(crate) fn field(&self, name: &str) -> Option<String> {
        self.fields().into_iter().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    pub(crate) fn authenticates_in_form(&self) -> bool {
        self.form().client == ClientAuthentication::None
    }

    pub(crate) fn prompt(&self) -> &Prompt {
        match &self.step().status {
            Status::AwaitingPerson(prompt) => prompt,
            other => panic!("awaits nobody: {other:?}"),
        }
    }

    pub(crate) fn lease(&self) -> &Lease {
        match &self.step().status {
            Status::Authorized(lease) => lease,
            other => panic!("not authorized: {other:?}"),
        }
    }

    pub(crate) fn problem(&self) -> &Problem {
        match &self.step().status {
            Status::Blocked(problem) => problem,
            other => panic!("not blocked: {other:?}"),
        }
    }

    pub(crate) fn is_blocked(&self, headline: &str) -> bool {
        self.problem().headline == headline
    }

    pub(crate) fn is(&self, status: &Status) -> bool {
        self.step().status == *status
    }

    pub(crate) fn filled(&self) -> Vec<&str> {
        self.slots.keys().map(String::as_str).collect()
    }

    pub(crate) fn state(&self) -> &str {
        std::str::from_utf8(&self.state).unwrap()
    }
}

pub(crate) fn pairs(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub(crate) fn lost() -> Failure {
    Failure::Interrupted("timed out".into())
}
