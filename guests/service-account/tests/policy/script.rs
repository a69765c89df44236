//! A host on paper: it keeps the state as text, fills the slots, and lets time go by.

use punchcard_sdk::auth_policy_0_2::{AuthPolicy, Directive, Form, FormValue, Request, Signal, Slot, Status};
use punchcard_sdk::http::{Failure, Response};
use punchcard_sdk::settings::parse_settings;
use punchcard_sdk::state::{parse_state, render_state};
use punchcard_sdk::{Context, Instant};
use serde_json::Value;
use service_account::{ServiceAccount, Settings, State};

pub(crate) const ACCOUNT: &str = "recorder@project.iam.gserviceaccount.com";
pub(crate) const GRANTED: &str = r#"{"access_token":"access-token","expires_in":3599,"token_type":"Bearer"}"#;

pub(crate) struct Script {
    pub(crate) settings: Settings,
    pub(crate) state: Vec<u8>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) now_ms: u64,
    pub(crate) boot: String,
    pub(crate) status: Status,
    pub(crate) forgotten: Vec<String>,
}

pub(crate) fn settings(more: &str) -> Settings {
    let scope = "https://www.googleapis.com/auth/spreadsheets";
    parse_settings(&format!(r#"{{"account":"{ACCOUNT}","scopes":["{scope}"]{more}}}"#)).unwrap()
}

impl Script {
    pub(crate) fn new(more: &str) -> Self {
        Self {
            settings: settings(more),
            state: Vec::new(),
            slots: vec![Slot { name: "service-account".into(), version: 1 }],
            now_ms: 5_000,
            boot: "one".into(),
            status: Status::SignedOut,
            forgotten: Vec::new(),
        }
    }

    /// Started, and let in.
    pub(crate) fn authorized() -> Self {
        let mut script = Self::new("");
        sent(script.step(Signal::Started));
        script.grant();
        script
    }

    /// The device's clock, in seconds since 1970.
    pub(crate) fn unix_s(&self) -> i64 {
        1_795_168_800 + i64::try_from(self.now_ms / 1_000).unwrap()
    }

    pub(crate) fn step(&mut self, signal: Signal) -> Directive {
        let context = Context {
            now: Instant { unix_micros: self.unix_s() * 1_000_000, utc_offset_minutes: 0 },
            monotonic_ms: self.now_ms,
            boot: self.boot.clone(),
            entropy: vec![0; 32],
            device: "door".into(),
        };
        let mut state: State = parse_state(&self.state, 1, |_, _| None).unwrap();
        let step = ServiceAccount::step(&self.settings, &mut state, signal, &self.slots, &context).unwrap();
        self.state = render_state(&state, 1).unwrap();
        self.slots.retain(|slot| !step.forget.contains(&slot.name));
        self.forgotten = step.forget;
        self.status = step.status;
        step.next
    }

    /// The server answers.
    pub(crate) fn answer(&mut self, status: u16, body: &str) -> Directive {
        self.step(Signal::Responded(Response { status, headers: Vec::new(), body: body.into() }))
    }

    /// The server gives a token, which the host takes.
    pub(crate) fn grant(&mut self) -> Directive {
        let version = self.slots.iter().map(|slot| slot.version).max().unwrap_or(0) + 1;
        self.slots.retain(|slot| slot.name != "access-token");
        self.slots.push(Slot { name: "access-token".into(), version });
        self.answer(200, GRANTED)
    }

    pub(crate) fn fail(&mut self, failure: Failure) -> Directive {
        self.step(Signal::Failed(failure))
    }

    /// So many milliseconds go by, and the wait is over.
    pub(crate) fn elapse(&mut self, milliseconds: u64) -> Directive {
        self.now_ms += milliseconds;
        self.step(Signal::Elapsed)
    }

    /// The headline of the problem.
    pub(crate) fn headline(&self) -> &str {
        match &self.status {
            Status::Blocked(problem) => &problem.headline,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn is_authorized(&self) -> bool {
        matches!(self.status, Status::Authorized(_))
    }
}

/// The form that is sent.
pub(crate) fn sent(next: Directive) -> Form {
    match next {
        Directive::Send(Request::Post(form)) => form,
        other => panic!("{other:?}"),
    }
}

/// For how long is waited.
pub(crate) fn waited(next: &Directive) -> u64 {
    match next {
        Directive::Wait(milliseconds) => *milliseconds,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn claims_of(form: &Form) -> Value {
    match &form.fields[1].value {
        FormValue::Assertion(assertion) => serde_json::from_str(&assertion.claims).unwrap(),
        other => panic!("{other:?}"),
    }
}
