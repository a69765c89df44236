//! A host for one grant, simulated: it stores what answers and browsers bring, erases what is forgotten, and keeps the time.

use std::collections::BTreeMap;

use punchcard_sdk::auth_policy_0_2::{
    AuthPolicy as _, Directive, Form, FormValue, Refusal, Request, Signal, Slot, Status, Step, Visit,
};
use punchcard_sdk::http::{Failure, Response};
use punchcard_sdk::{Context, Instant, Problem};
use serde_json::Value;
use web_flow::{Settings, State, WebFlow};

pub(crate) const GOOGLE: &str = r#"{"provider":"google","client-id":"the-client.apps.googleusercontent.com",
    "scopes":["https://www.googleapis.com/auth/tasks"],"issuer":"https://accounts.google.com"}"#;

pub(crate) const TOKEN: &str = r#"{"access_token":"ya29.a0AfH6","expires_in":3599,"refresh_token":"1//0gLu4",
    "scope":"https://www.googleapis.com/auth/tasks","token_type":"Bearer","id_token":"ey.ey.x"}"#;

/// Google's answer to a renewal: no new refresh token.
pub(crate) const RENEWED: &str = r#"{"access_token":"ya29.a0AfH7","expires_in":3599,
    "scope":"https://www.googleapis.com/auth/tasks","token_type":"Bearer"}"#;

pub(crate) const BACK: &str = "http://127.0.0.1:4711/return";
pub(crate) const SECOND: u64 = 1_000;
pub(crate) const MINUTE: u64 = 60 * SECOND;

pub(crate) struct Script {
    settings: Settings,
    state: Vec<u8>,
    /// Filled slots and their versions.
    pub(crate) slots: BTreeMap<String, u64>,
    versions: u64,
    now_ms: u64,
    pub(crate) unix_s: i64,
    boot: u32,
    last: Option<Step>,
}

impl Script {
    pub(crate) fn new() -> Self {
        let mut script = Self {
            settings: serde_json::from_str(GOOGLE).unwrap(),
            state: Vec::new(),
            slots: BTreeMap::new(),
            versions: 0,
            now_ms: 100_000,
            unix_s: 1_800_000_000,
            boot: 1,
            last: None,
        };
        script.fill("client-secret");
        script
    }

    /// A device whose page waits for a browser.
    pub(crate) fn awaiting() -> Self {
        let mut script = Self::new();
        script.signal(Signal::Started);
        script
    }

    /// A device that has asked for tokens with a code.
    pub(crate) fn exchanging() -> Self {
        let mut script = Self::awaiting();
        script.come_back();
        script
    }

    /// A device that is signed in.
    pub(crate) fn authorized() -> Self {
        let mut script = Self::exchanging();
        script.answer(200, TOKEN);
        assert!(script.is_authorized());
        script
    }

    pub(crate) fn change_settings(&mut self, from: &str, to: &str) {
        assert!(GOOGLE.contains(from));
        self.set_settings(&GOOGLE.replace(from, to));
    }

    pub(crate) fn set_settings(&mut self, settings: &str) {
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

    pub(crate) fn reboot(&mut self) {
        self.now_ms = 2_000;
        self.boot += 1;
    }

    pub(crate) fn signal(&mut self, signal: Signal) -> &Step {
        let mut state: State =
            if self.state.is_empty() { State::default() } else { serde_json::from_slice(&self.state).unwrap() };
        let slot = |(name, version): (&String, &u64)| Slot { name: name.clone(), version: *version };
        let slots: Vec<Slot> = self.slots.iter().map(slot).collect();
        let context = Context {
            now: Instant { unix_micros: self.unix_s * 1_000_000, utc_offset_minutes: 600 },
            monotonic_ms: self.now_ms,
            boot: format!("boot-{}", self.boot),
            entropy: vec![0; 32],
            device: "front-door".into(),
        };
        let step = WebFlow::step(&self.settings, &mut state, signal, &slots, &context).unwrap();
        self.state = serde_json::to_vec(&state).unwrap();
        assert!(self.state.len() < 65_536, "the state stays small");
        self.slots.retain(|slot, _| !step.forget.contains(slot));
        self.last.insert(step)
    }

    /// A browser brings a code.
    pub(crate) fn come_back(&mut self) {
        self.fill("authorization-code");
        self.fill("code-verifier");
        self.signal(Signal::Returned(BACK.to_owned()));
    }

    pub(crate) fn turn_away(&mut self, error: &str, description: &str) {
        let description = Some(description.to_owned()).filter(|text| !text.is_empty());
        self.signal(Signal::TurnedAway(Refusal { error: error.to_owned(), description }));
    }

    /// A server answers: what is secret goes into slots first.
    pub(crate) fn answer(&mut self, status: u16, body: &str) {
        let mut body = body.to_owned();
        if let Ok(Value::Object(mut members)) = serde_json::from_str(&body) {
            for (member, slot) in
                [("access_token", "access-token"), ("refresh_token", "refresh-token"), ("id_token", "id-token")]
            {
                if members.contains_key(member) {
                    self.fill(slot);
                    members.insert(member.into(), slot.into());
                }
            }
            body = Value::Object(members).to_string();
        }
        self.form();
        self.signal(Signal::Responded(Response { status, headers: Vec::new(), body: body.into() }));
    }

    pub(crate) fn fail(&mut self, failure: Failure) {
        self.form();
        self.signal(Signal::Failed(failure));
    }

    /// Waits as long as the policy asked, and says so.
    pub(crate) fn elapse(&mut self) {
        let Directive::Wait(ms) = self.step().next else { panic!("does not wait: {:?}", self.step().next) };
        self.pass(ms);
        self.signal(Signal::Elapsed);
    }

    pub(crate) fn step(&self) -> &Step {
        self.last.as_ref().expect("no step yet")
    }

    pub(crate) fn form(&self) -> &Form {
        match &self.step().next {
            Directive::Send(Request::Post(form)) => form,
            other => panic!("sends nothing: {other:?}"),
        }
    }

    /// The form, with `<slot>` for the content of a slot.
    pub(crate) fn fields(&self) -> Vec<(String, String)> {
        let show = |value: &FormValue| match value {
            FormValue::Plain(text) => text.clone(),
            FormValue::Secret(slot) => format!("<{slot}>"),
            FormValue::Assertion(assertion) => panic!("{assertion:?}"),
        };
        self.form().fields.iter().map(|field| (field.name.clone(), show(&field.value))).collect()
    }

    pub(crate) fn visit(&self) -> &Visit {
        match &self.step().status {
            Status::AwaitingBrowser(visit) => visit,
            other => panic!("awaits nobody: {other:?}"),
        }
    }

    pub(crate) fn is_awaiting(&self) -> bool {
        matches!(self.step().status, Status::AwaitingBrowser(_))
    }

    pub(crate) fn is_authorized(&self) -> bool {
        matches!(self.step().status, Status::Authorized(_))
    }

    pub(crate) fn problem(&self) -> &Problem {
        match &self.step().status {
            Status::Blocked(problem) => problem,
            other => panic!("not blocked: {other:?}"),
        }
    }

    pub(crate) fn filled(&self) -> Vec<&str> {
        self.slots.keys().map(String::as_str).collect()
    }
}

pub(crate) fn pairs(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
