//! One step of the machine: a signal, with everything that it may be judged by.
//!
//! What a phase does stands in the phase's own module, as more of [`Turn`]; here stands what they share. What always
//! holds: each way out of a turn says what is waited for ([`Pending`]), an answer counts only while one is waited for,
//! and a wait that ended early is waited on.

mod start;

mod search;

mod code;

mod poll;

mod lease;

mod renewal;

mod revocation;

use punchcard_sdk::auth_policy::{Directive, Lease, Request, Signal, Slot, Status};
use punchcard_sdk::backoff::{Chance, plan_retry};
use punchcard_sdk::log::Level;
use punchcard_sdk::{Context, Instant, http};

use crate::answer::{Answer, Silence};
use crate::pace::{SECOND, WAIT_MAX, longest_pause};
use crate::problem::Cause;
use crate::settings::Settings;
use crate::slot::{DEVICE_CODE, REFRESH_TOKEN, slot_version};
use crate::state::{Pending, Phase, State};

/// Failures in a row from which on a person is told that a renewal does not succeed.
const SAID_FROM: u32 = 4;

/// One step of the machine.
pub(crate) struct Turn<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) state: &'a mut State,
    pub(crate) slots: &'a [Slot],
    /// On the monotonic clock, in milliseconds.
    pub(crate) now_ms: u64,
    /// By the device's clock.
    pub(crate) now: Instant,
    pub(crate) boot: &'a str,
    pub(crate) chance: Chance,
    /// Slots to erase.
    pub(crate) forgotten: Vec<String>,
    /// Lines for the log.
    pub(crate) notes: Vec<(Level, String)>,
}

impl<'a> Turn<'a> {
    pub(crate) fn new(settings: &'a Settings, state: &'a mut State, slots: &'a [Slot], context: &'a Context) -> Self {
        Self {
            settings,
            state,
            slots,
            now_ms: context.monotonic_ms,
            now: context.now,
            boot: &context.boot,
            chance: Chance::of(context),
            forgotten: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Takes what happened.
    pub(crate) fn take(&mut self, signal: Signal) -> Directive {
        match signal {
            Signal::Started => self.start(),
            Signal::SignIn => self.sign_in(),
            Signal::SignOut(revoke) => self.sign_out(revoke),
            Signal::TokenRefused => self.token_refused(),
            Signal::Responded(response) if self.state.pending == Pending::Answer => self.answered(&response),
            Signal::Failed(failure) if self.state.pending == Pending::Answer => self.failed(&failure),
            Signal::Elapsed if matches!(self.state.pending, Pending::Until(at) if self.now_ms >= at) => self.act(),
            Signal::Responded(_) | Signal::Failed(_) | Signal::Elapsed => self.go_on(),
        }
    }

    /// By the device's clock, in seconds since 1970.
    pub(crate) fn now_s(&self) -> i64 {
        self.now.unix_micros / 1_000_000
    }

    /// What to show.
    pub(crate) fn status(&self) -> Status {
        match &self.state.phase {
            Phase::Fresh | Phase::SignedOut | Phase::Revoking(_) => Status::SignedOut,
            Phase::AwaitingPerson(code) => Status::AwaitingPerson(code.prompt(&self.settings.purpose, self.now_ms)),
            Phase::Blocked(cause) => Status::Blocked(cause.problem(&self.settings.subject())),
            Phase::Authorized | Phase::Renewing | Phase::Discovering(_) | Phase::Comparing | Phase::RequestingCode => {
                let scopes = self.state.grant.as_ref().map_or(&[][..], |grant| &grant.scopes);
                match self.state.lease.as_ref().and_then(|lease| lease.seconds_left(self.now_ms)) {
                    Some(expires_in_seconds) => {
                        Status::Authorized(Lease { expires_in_seconds, scopes: scopes.to_vec() })
                    }
                    None if let Some(cause) = self.state.kept.as_ref().and_then(|kept| kept.blocked.as_ref()) => {
                        Status::Blocked(cause.problem(&self.settings.subject()))
                    }
                    None if self.is_renewing() && !self.is_trouble_said() => Status::Renewing,
                    None => {
                        let trouble = self.state.trouble.as_ref();
                        trouble
                            .map_or(Status::SignedOut, |cause| Status::Blocked(cause.problem(&self.settings.subject())))
                    }
                }
            }
        }
    }

    /// Whether what keeps a renewal from succeeding is said while it is tried again: a person may have to look at the
    /// settings, or it lasts.
    fn is_trouble_said(&self) -> bool {
        match self.state.trouble {
            Some(Cause::NoMetadata(_) | Cause::TokenRefused) => true,
            _ => self.state.failures >= SAID_FROM,
        }
    }

    /// Whether a renewal is under way, perhaps by way of the issuer's metadata.
    fn is_renewing(&self) -> bool {
        match &self.state.phase {
            Phase::Authorized | Phase::Renewing => true,
            Phase::Discovering(search) => search.is_for_renewal(),
            _ => false,
        }
    }

    fn answered(&mut self, response: &http::Response) -> Directive {
        match self.state.phase.clone() {
            Phase::Discovering(search) => self.metadata_answered(search, response),
            Phase::Revoking(_) => self.revocation_answered(response),
            _ => self.learnt(Answer::read(response, self.now), response.status),
        }
    }

    fn failed(&mut self, failure: &http::Failure) -> Directive {
        if self.state.phase == Phase::Comparing {
            return self.compared(failure);
        }
        match Silence::from_failure(failure) {
            Ok(silence) => self.learnt(Answer::Silence(silence), 0),
            Err(_) if matches!(self.state.phase, Phase::Revoking(_)) => {
                self.revocation_failed("the request could not be sent")
            }
            // The storage lost it since this step's slots were counted.
            Err(Cause::SlotEmpty(slot)) if slot == REFRESH_TOKEN => self.sign_in_anew(),
            Err(cause) => self.block(cause),
        }
    }

    /// An answer, for the phase that asked.
    fn learnt(&mut self, answer: Answer, status: u16) -> Directive {
        let phase = self.state.phase.clone();
        match (phase, answer) {
            (Phase::Discovering(_), Answer::Silence(silence)) => self.retry(silence),
            (Phase::RequestingCode, answer) => self.code_answered(answer),
            (Phase::AwaitingPerson(code), answer) => self.poll_answered(code, answer),
            (Phase::Renewing, answer) => self.renewal_answered(answer, status),
            (Phase::Revoking(_), _) => self.revocation_failed("there was no answer"),
            _ => self.go_on(),
        }
    }

    /// Does what the phase waited to do.
    pub(super) fn act(&mut self) -> Directive {
        let phase = self.state.phase.clone();
        match phase {
            Phase::Discovering(search) => self.ask_metadata(search),
            Phase::Comparing => self.compare(),
            Phase::RequestingCode => self.request_code(),
            Phase::AwaitingPerson(code) => self.poll(&code),
            Phase::Authorized => self.renew_due_lease(),
            Phase::Renewing => self.renew(),
            Phase::Blocked(_) => self.begin(),
            Phase::Revoking(tries) => self.revoke(tries.saturating_add(1)),
            Phase::Fresh | Phase::SignedOut => self.rest(),
        }
    }

    /// Goes on waiting as before a signal that changes nothing.
    pub(crate) fn go_on(&mut self) -> Directive {
        match (self.state.pending, &self.state.phase) {
            (Pending::Person, _) => self.rest(),
            (Pending::Until(at), _) => self.wait_until(at),
            // The host lets no signal overtake an answer. If one did, the answer is lost: as after a time-out.
            (Pending::Answer, Phase::AwaitingPerson(code)) => {
                let code = code.clone();
                self.show_code(code, 0)
            }
            (Pending::Answer, _) => self.wait_until(self.now_ms.saturating_add(SECOND)),
        }
    }

    /// Nothing was learnt: waits, longer each time, and tries again. Never gives up, and discards nothing.
    pub(crate) fn retry(&mut self, silence: Silence) -> Directive {
        let Silence { cause, retry_after_ms } = silence;
        let failures = self.state.failures.saturating_add(1);
        self.state.failures = failures;
        let wait_for = plan_retry(failures, longest_pause(failures), retry_after_ms, self.chance);
        self.warn(&format!(
            "{} The next try is in {} s.",
            cause.problem(&self.settings.subject()).advice,
            wait_for / SECOND
        ));
        self.state.trouble = Some(cause);
        self.wait_until(self.now_ms.saturating_add(wait_for))
    }

    /// Stops and shows why.
    pub(crate) fn block(&mut self, cause: Cause) -> Directive {
        let problem = cause.problem(&self.settings.subject());
        self.warn(&format!("{}: {}", problem.headline, problem.advice));
        let kept = self.state.kept.as_ref().map(|kept| kept.slot_version);
        let keeps = cause.is_about_code() && kept.is_some() && self.slot_version(REFRESH_TOKEN) == kept;
        if cause.needs_person() && !keeps {
            self.forget_sign_in();
            self.state.identity = self.settings.identity();
        } else {
            self.forget(&[DEVICE_CODE]);
            self.succeed();
        }
        if let Some(kept) = self.state.kept.as_mut().filter(|_| keeps) {
            kept.blocked = Some(cause.clone());
        }
        self.state.phase = Phase::Blocked(cause);
        if self.can_renew() { self.wait_for_mending() } else { self.rest() }
    }

    /// A server answered as it should.
    pub(crate) fn succeed(&mut self) {
        self.state.failures = 0;
        self.state.trouble = None;
    }

    pub(crate) fn send(&mut self, request: Request) -> Directive {
        self.state.pending = Pending::Answer;
        Directive::Send(request)
    }

    pub(crate) fn wait_until(&mut self, at_ms: u64) -> Directive {
        self.state.pending = Pending::Until(at_ms);
        Directive::Wait(at_ms.saturating_sub(self.now_ms).min(WAIT_MAX))
    }

    pub(crate) fn rest(&mut self) -> Directive {
        self.state.pending = Pending::Person;
        Directive::Rest
    }

    /// A filled slot's version.
    pub(crate) fn slot_version(&self, name: &str) -> Option<u64> {
        slot_version(self.slots, name).filter(|_| !self.forgotten.iter().any(|forgotten| forgotten == name))
    }

    pub(crate) fn forget(&mut self, slots: &[&str]) {
        for slot in slots {
            if !self.forgotten.iter().any(|forgotten| forgotten == slot) {
                self.forgotten.push((*slot).to_owned());
            }
        }
    }

    pub(crate) fn info(&mut self, text: &str) {
        self.notes.push((Level::Info, text.to_owned()));
    }

    pub(crate) fn warn(&mut self, text: &str) {
        self.notes.push((Level::Warn, text.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use punchcard_sdk::Instant;

    use super::*;

    fn context() -> Context {
        Context {
            now: Instant { unix_micros: 0, utc_offset_minutes: 0 },
            monotonic_ms: 0,
            boot: "b".into(),
            entropy: vec![0; 32],
            device: "d".into(),
        }
    }

    /// What is logged when this answers the request that a state in `phase` waits for, with every slot filled.
    fn notes(phase: Phase, status: u16, body: &str) -> Vec<String> {
        let json = r#"{"provider":"google","client-id":"c.apps.googleusercontent.com",
            "scopes":["https://www.googleapis.com/auth/drive.file"]}"#;
        let settings: Settings = serde_json::from_str(json).unwrap();
        let mut state = State { phase, pending: Pending::Answer, boot: "b".into(), ..State::default() };
        let slot = |name: &str| Slot { name: name.into(), version: 1 };
        let slots = ["access-token", "refresh-token", "device-code"].map(slot);
        let context = context();
        let mut turn = Turn::new(&settings, &mut state, &slots, &context);
        turn.take(Signal::Responded(http::Response { status, headers: Vec::new(), body: body.into() }));
        turn.notes.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn that_a_person_has_to_come_each_time_is_said_once() {
        let json = r#"{"issuer":"https://a.example","client-id":"c"}"#;
        let settings: Settings = serde_json::from_str(json).unwrap();
        let slots = [Slot { name: "access-token".into(), version: 1 }];
        let mut state = State::default();
        let mut said = 0;
        for _ in 0..3 {
            let context = context();
            let mut turn = Turn::new(&settings, &mut state, &slots, &context);
            turn.sign_in_granted(crate::token::Token { lifetime: Some(60), scopes: None });
            said += turn.notes.len();
        }
        assert_eq!(said, 1);
    }

    #[test]
    fn point_18_the_log_says_what_happened_and_nothing_secret() {
        for (phase, status, body, said) in [
            (
                Phase::RequestingCode,
                200,
                r#"{"device_code":"hidden","user_code":"hidden","expires_in":9}"#,
                "verification",
            ),
            (
                Phase::Renewing,
                200,
                r#"{"access_token":"hidden","refresh_token":"hidden","scope":"openid"}"#,
                "permission",
            ),
            (Phase::Renewing, 503, r#"{"access_token":"hidden"}"#, "The next try is in 1 s."),
            (Phase::Renewing, 400, r#"{"error":"invalid_grant","access_token":"hidden"}"#, "invalid_grant"),
            (Phase::Revoking(1), 400, r#"{"error":"invalid_token","token":"hidden"}"#, "not revoked"),
            (Phase::Revoking(1), 200, r#"{"token":"hidden"}"#, "was revoked"),
        ] {
            let notes = notes(phase, status, body);
            assert_eq!(notes.len(), 1, "{notes:?}");
            assert!(notes[0].contains(said) && !notes[0].contains("hidden"), "{notes:?}");
        }
        let granted = r#"{"access_token":"hidden","token_type":"Bearer","expires_in":9}"#;
        assert_eq!(notes(Phase::Renewing, 200, granted), Vec::<String>::new());
    }
}
