//! One step of the machine: a signal, with everything that it may be judged by.
//!
//! What a phase does stands in the phase's own module, as more of [`Turn`]; here stands what they share. What always holds:
//! each way out of a turn says what is waited for ([`Pending`]), an answer counts only while one is waited for, and a wait
//! that ended early is waited on.

mod start;

mod visit;

mod lease;

mod renewal;

mod revocation;

use punchcard_sdk::auth_policy_0_2::{
    ClientAuthentication as Client, Directive, Form, FormField, FormValue, Lease, Request, Signal, Slot, Status,
};
use punchcard_sdk::backoff::{Chance, plan_retry};
use punchcard_sdk::log::Level;
use punchcard_sdk::oauth::address::Address;
use punchcard_sdk::oauth::answer::{Answer, Silence};
use punchcard_sdk::oauth::pace::{SECOND, WAIT_MAX, longest_pause};
use punchcard_sdk::oauth::problem::Cause;
use punchcard_sdk::{Context, Instant, http};

use crate::settings::{CLIENT_SECRET, ClientAuthentication, Settings};
use crate::state::{Pending, Phase, State};

const ACCESS_TOKEN: &str = "access-token";
const REFRESH_TOKEN: &str = "refresh-token";
/// OpenID Connect's statement about the person, which nobody here reads.
const ID_TOKEN: &str = "id-token";
/// What a person's browser brings, of use once.
const BROUGHT: [&str; 2] = ["authorization-code", "code-verifier"];

/// Failures in a row from which on a person is told that it does not succeed.
const SAID_FROM: u32 = 4;

/// One step of the machine.
pub(crate) struct Turn<'a> {
    settings: &'a Settings,
    state: &'a mut State,
    slots: &'a [Slot],
    /// On the monotonic clock, in milliseconds.
    now_ms: u64,
    /// By the device's clock.
    now: Instant,
    boot: &'a str,
    chance: Chance,
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
            Signal::Returned(redirect_uri) => self.returned(redirect_uri),
            Signal::TurnedAway(refusal) => self.turned_away(&refusal),
            Signal::Responded(response) if self.state.pending == Pending::Answer => self.answered(&response),
            Signal::Failed(failure) if self.state.pending == Pending::Answer => self.failed(&failure),
            Signal::Elapsed if matches!(self.state.pending, Pending::Until(at) if self.now_ms >= at) => self.act(),
            Signal::Responded(_) | Signal::Failed(_) | Signal::Elapsed => self.go_on(),
        }
    }

    /// What to show.
    pub(crate) fn status(&self) -> Status {
        let trouble = self.state.trouble.as_ref().filter(|cause| {
            // A service that refuses every token is said at once; what passes by itself, when it lasts.
            **cause == Cause::TokenRefused || self.state.failures >= SAID_FROM
        });
        match &self.state.phase {
            Phase::Fresh | Phase::SignedOut | Phase::Revoking(_) => Status::SignedOut,
            Phase::AwaitingBrowser { ends_at_ms } => Status::AwaitingBrowser(self.visit(*ends_at_ms)),
            Phase::Blocked(cause) => self.blocked(cause),
            Phase::Exchanging(_) => trouble.map_or(Status::Renewing, |cause| self.blocked(cause)),
            Phase::Authorized | Phase::Renewing => {
                match self.state.lease.as_ref().and_then(|lease| lease.seconds_left(self.now_ms)) {
                    Some(expires_in_seconds) => {
                        let scopes = self.state.grant.as_ref().map(|grant| grant.scopes.clone()).unwrap_or_default();
                        Status::Authorized(Lease { expires_in_seconds, scopes })
                    }
                    None => trouble.map_or(Status::Renewing, |cause| self.blocked(cause)),
                }
            }
        }
    }

    fn blocked(&self, cause: &Cause) -> Status {
        Status::Blocked(cause.problem(&self.settings.subject()))
    }

    fn answered(&mut self, response: &http::Response) -> Directive {
        match self.state.phase {
            Phase::Revoking(_) => self.revocation_answered(response),
            _ => self.learnt(Answer::read(response, self.now)),
        }
    }

    fn failed(&mut self, failure: &http::Failure) -> Directive {
        match Silence::from_failure(failure) {
            Ok(silence) => self.learnt(Answer::Silence(silence)),
            Err(_) if matches!(self.state.phase, Phase::Revoking(_)) => {
                self.revocation_failed("the request could not be sent")
            }
            // The storage lost it since this step's slots were counted.
            Err(Cause::SlotEmpty(slot)) if slot == REFRESH_TOKEN => self.sign_in_anew(),
            Err(cause) => self.block(cause),
        }
    }

    /// An answer, for the phase that asked.
    fn learnt(&mut self, answer: Answer) -> Directive {
        match self.state.phase.clone() {
            Phase::Exchanging(exchange) => self.exchange_answered(&exchange, answer),
            Phase::Renewing => self.renewal_answered(answer),
            Phase::Revoking(_) => self.revocation_failed("there was no answer"),
            _ => self.go_on(),
        }
    }

    /// Does what the phase waited to do.
    fn act(&mut self) -> Directive {
        match self.state.phase.clone() {
            Phase::AwaitingBrowser { .. } => self.block(Cause::CodeExpired),
            Phase::Exchanging(exchange) => self.exchange(exchange),
            Phase::Authorized => self.renew_due_lease(),
            Phase::Renewing => self.renew(),
            Phase::Blocked(_) => self.begin(),
            Phase::Revoking(tries) => self.revoke(tries.saturating_add(1)),
            Phase::Fresh | Phase::SignedOut => self.rest(),
        }
    }

    /// Goes on waiting as before a signal that changes nothing.
    fn go_on(&mut self) -> Directive {
        match self.state.pending {
            Pending::Person => self.rest(),
            Pending::Until(at) => self.wait_until(at),
            // The host lets no signal overtake an answer. If one did, the answer is lost: as after a time-out.
            Pending::Answer => self.wait_until(self.now_ms.saturating_add(SECOND)),
        }
    }

    /// Nothing was learnt: waits, longer each time, and tries again. Never gives up, and discards nothing.
    fn retry(&mut self, silence: Silence) -> Directive {
        let Silence { cause, retry_after_ms } = silence;
        let failures = self.state.failures.saturating_add(1);
        self.state.failures = failures;
        let wait_for = plan_retry(failures, longest_pause(failures), retry_after_ms, self.chance);
        let advice = cause.problem(&self.settings.subject()).advice;
        self.warn(&format!("{advice} The next try is in {} s.", wait_for / SECOND));
        self.state.trouble = Some(cause);
        self.wait_until(self.now_ms.saturating_add(wait_for))
    }

    /// Stops and shows why. A refresh token from before a sign-in that came to nothing is tried again.
    fn block(&mut self, cause: Cause) -> Directive {
        let problem = cause.problem(&self.settings.subject());
        self.warn(&format!("{}: {}", problem.headline, problem.advice));
        let kept = self.state.kept;
        let keeps = cause.is_about_code() && kept.is_some() && self.slot_version(REFRESH_TOKEN) == kept;
        if cause.needs_person() && !keeps {
            self.forget_sign_in();
            self.state.identity = self.settings.identity();
        } else {
            self.forget(&BROUGHT);
            self.succeed();
        }
        self.state.phase = Phase::Blocked(cause);
        if self.can_renew() { self.wait_for_mending() } else { self.rest() }
    }

    /// A server answered as it should.
    fn succeed(&mut self) {
        self.state.failures = 0;
        self.state.trouble = None;
    }

    fn send(&mut self, url: &Address, client: Client, fields: Vec<FormField>) -> Directive {
        self.state.pending = Pending::Answer;
        Directive::Send(Request::Post(Form { url: url.as_str().to_owned(), client, fields }))
    }

    /// A request in which the client shows its secret, in the way that the settings choose: RFC 6749 §2.3.1.
    fn send_authenticated(&mut self, url: &Address, mut fields: Vec<FormField>) -> Directive {
        let id = self.settings.client_id.clone();
        fields.insert(0, plain("client_id", &id));
        let client = match self.settings.client_authentication {
            ClientAuthentication::Basic => Client::Basic((id, CLIENT_SECRET.to_owned())),
            ClientAuthentication::Form if self.slot_version(CLIENT_SECRET).is_some() => {
                fields.insert(1, secret("client_secret", CLIENT_SECRET));
                Client::None
            }
            ClientAuthentication::Form | ClientAuthentication::None => Client::None,
        };
        self.send(url, client, fields)
    }

    fn wait_until(&mut self, at_ms: u64) -> Directive {
        self.state.pending = Pending::Until(at_ms);
        Directive::Wait(at_ms.saturating_sub(self.now_ms).min(WAIT_MAX))
    }

    fn rest(&mut self) -> Directive {
        self.state.pending = Pending::Person;
        Directive::Rest
    }

    /// A filled slot's version.
    fn slot_version(&self, name: &str) -> Option<u64> {
        let slot = self.slots.iter().find(|slot| slot.name == name);
        slot.map(|slot| slot.version).filter(|_| !self.forgotten.iter().any(|forgotten| forgotten == name))
    }

    fn forget(&mut self, slots: &[&str]) {
        for slot in slots {
            if !self.forgotten.iter().any(|forgotten| forgotten == slot) {
                self.forgotten.push((*slot).to_owned());
            }
        }
    }

    fn info(&mut self, text: &str) {
        self.notes.push((Level::Info, text.to_owned()));
    }

    fn warn(&mut self, text: &str) {
        self.notes.push((Level::Warn, text.to_owned()));
    }
}

/// A form field with a plain value.
fn plain(name: &str, value: &str) -> FormField {
    FormField { name: name.to_owned(), value: FormValue::Plain(value.to_owned()) }
}

/// A form field with the content of a slot.
fn secret(name: &str, slot: &str) -> FormField {
    FormField { name: name.to_owned(), value: FormValue::Secret(slot.to_owned()) }
}
