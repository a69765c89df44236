//! One step of the machine: a signal, with everything that it may be judged by.
//!
//! What always holds: each way out of a turn says what is waited for ([`Pending`]), an answer counts only while one is waited
//! for, and a wait that ended early is waited on. Nothing is ever given up: what somebody may mend at the server is asked for
//! again, after pauses that grow to an hour.

use punchcard_sdk::auth_policy_0_2::{
    Assertion, ClientAuthentication, Directive, Form, FormField, FormValue, Lease, Request, Signal, Slot, Status,
};
use punchcard_sdk::backoff::{Chance, plan_retry};
use punchcard_sdk::log::Level;
use punchcard_sdk::oauth::pace::{HOUR, SECOND, WAIT_MAX, longest_pause};
use punchcard_sdk::oauth::renewal::plan_replacement;
use punchcard_sdk::oauth::token::HeldLease;
use punchcard_sdk::{Context, Instant};
use serde_json::json;

use crate::answer::Answer;
use crate::problem::Cause;
use crate::settings::Settings;
use crate::state::{Pending, Phase, State};

/// The slot of the key.
pub(crate) const KEY: &str = "service-account";
/// The slot of the token.
const ACCESS_TOKEN: &str = "access-token";
/// The slot of what some servers give along, which nobody here reads.
const ID_TOKEN: &str = "id-token";

/// RFC 7523 §2.1.
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Seconds that an assertion is good for: the most that Google takes, so that a clock which is behind does no harm.
const ASSERTION_LASTS: i64 = 3_600;

/// Failures in a row from which on a person is told.
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
        let is_awaited = self.state.pending == Pending::Answer;
        match signal {
            Signal::Started => self.start(),
            Signal::SignIn if is_awaited => self.go_on(),
            Signal::SignIn => self.begin(),
            Signal::SignOut(_) => self.sign_out(),
            Signal::TokenRefused => self.token_refused(),
            Signal::Responded(response) if is_awaited => self.learnt(Answer::read(&response, self.now)),
            Signal::Failed(failure) if is_awaited => self.learnt(Answer::from_failure(&failure)),
            Signal::Elapsed if matches!(self.state.pending, Pending::Until(at) if self.now_ms >= at) => self.act(),
            Signal::Responded(_)
            | Signal::Failed(_)
            | Signal::Elapsed
            | Signal::Returned(_)
            | Signal::TurnedAway(_) => self.go_on(),
        }
    }

    /// What to show.
    pub(crate) fn status(&self) -> Status {
        if matches!(self.state.phase, Phase::Fresh | Phase::SignedOut) {
            return Status::SignedOut;
        }
        if let Some(lease) = self.lease() {
            return Status::Authorized(lease);
        }
        if let Phase::Blocked(cause) = &self.state.phase {
            return Status::Blocked(cause.problem(self.settings));
        }
        match &self.state.trouble {
            Some(cause) if self.state.failures >= SAID_FROM || *cause == Cause::TokenRefused => {
                Status::Blocked(cause.problem(self.settings))
            }
            _ => Status::Renewing,
        }
    }

    /// The lease as the host knows it. None: there is none, or it is over.
    fn lease(&self) -> Option<Lease> {
        let held = self.state.lease.as_ref()?;
        if self.slot_version(ACCESS_TOKEN) != Some(held.slot_version) {
            return None;
        }
        let expires_in_seconds = held.seconds_left(self.now_ms)?;
        Some(Lease { expires_in_seconds, scopes: self.settings.scopes.clone() })
    }

    /// The host has started, or this version of the plugin has taken over. A request may have been under way, and its answer
    /// stored; asking once more costs nothing but a request.
    fn start(&mut self) -> Directive {
        if self.state.boot != self.boot {
            self.boot.clone_into(&mut self.state.boot);
            self.state.lease = None;
        }
        match self.state.phase {
            Phase::SignedOut => self.sign_out(),
            Phase::Authorized if self.state.identity == self.settings.identity() && self.lease().is_some() => {
                self.hold_lease()
            }
            _ => self.begin(),
        }
    }

    /// Asks for a token, as after nothing went wrong.
    fn begin(&mut self) -> Directive {
        self.state.failures = 0;
        self.state.mendings = 0;
        self.state.trouble = None;
        self.ask()
    }

    fn sign_out(&mut self) -> Directive {
        *self.state = State { phase: Phase::SignedOut, boot: self.boot.to_owned(), ..State::default() };
        self.forget(ACCESS_TOKEN);
        self.forget(ID_TOKEN);
        self.rest()
    }

    /// Does what the phase waited to do.
    fn act(&mut self) -> Directive {
        match self.state.phase {
            Phase::Authorized => {
                // It lasted until another one was due: what was refused before was an exception.
                self.state.refused = 0;
                self.ask()
            }
            Phase::Asking | Phase::Blocked(_) => self.ask(),
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

    fn ask(&mut self) -> Directive {
        let identity = self.settings.identity();
        if self.state.identity != identity {
            // Another account's token, or one for something else.
            self.state.lease = None;
            if self.slot_version(ACCESS_TOKEN).is_some() {
                self.forget(ACCESS_TOKEN);
            }
            self.state.identity = identity;
        }
        self.state.phase = Phase::Asking;
        self.state.pending = Pending::Answer;
        Directive::Send(Request::Post(self.request()))
    }

    fn request(&self) -> Form {
        let Settings { account, token_url, subject, key_id, algorithm, .. } = self.settings;
        let issued_at = self.now.unix_micros.div_euclid(1_000_000);
        let mut claims = json!({
            "iss": account,
            "aud": token_url,
            "scope": self.settings.scope(),
            "iat": issued_at,
            "exp": issued_at.saturating_add(ASSERTION_LASTS),
        });
        // RFC 7523 §3 wants a subject always; Google takes one for a person in whose name is acted.
        let subject = subject.as_ref().or_else(|| (!self.settings.is_google()).then_some(account));
        if let Some(subject) = subject {
            claims["sub"] = subject.as_str().into();
        }
        let assertion = Assertion {
            slot: KEY.to_owned(),
            algorithm: (*algorithm).into(),
            key_id: key_id.clone(),
            claims: claims.to_string(),
        };
        let field = |name: &str, value| FormField { name: name.to_owned(), value };
        let mut fields = vec![
            field("grant_type", FormValue::Plain(GRANT_TYPE.to_owned())),
            field("assertion", FormValue::Assertion(assertion)),
        ];
        if !self.settings.is_google() {
            // RFC 7521 §4.1. Google reads the claim.
            fields.push(field("scope", FormValue::Plain(self.settings.scope())));
        }
        Form { url: token_url.clone(), client: ClientAuthentication::None, fields }
    }

    fn learnt(&mut self, answer: Answer) -> Directive {
        match answer {
            Answer::Granted(lifetime) => self.take_lease(lifetime),
            Answer::Refused(cause) => self.block(cause),
            Answer::Silence(cause, retry_after_ms) => self.retry(cause, retry_after_ms),
        }
    }

    /// A new lease is there.
    fn take_lease(&mut self, lifetime: Option<u64>) -> Directive {
        let Some(slot_version) = self.slot_version(ACCESS_TOKEN) else {
            return self.retry(Cause::OddAnswer("access_token".to_owned()), None);
        };
        self.state.failures = 0;
        self.state.mendings = 0;
        self.state.trouble = None;
        self.forget(ID_TOKEN);
        if self.state.refused_version == Some(slot_version) {
            // The server has given the very token that was refused.
            return self.replace_lease(self.now_ms);
        }
        self.state.lease = Some(HeldLease::new(lifetime, slot_version, self.now_ms, self.chance));
        self.hold_lease()
    }

    /// Leaves the lease alone until another one is due.
    fn hold_lease(&mut self) -> Directive {
        self.state.phase = Phase::Authorized;
        match self.state.lease.as_ref().map(|lease| lease.renew_at_ms) {
            Some(at) => self.wait_until(at),
            None => self.ask(),
        }
    }

    /// A service refused the lease: it is over for good. The first is replaced at once; where each new one is refused too,
    /// after pauses that grow.
    fn token_refused(&mut self) -> Directive {
        let Some(lease) = self.state.lease.take() else { return self.go_on() };
        self.state.refused_version = Some(lease.slot_version);
        if self.state.phase == Phase::Authorized { self.replace_lease(lease.granted_at_ms) } else { self.go_on() }
    }

    fn replace_lease(&mut self, granted_at_ms: u64) -> Directive {
        self.state.refused = self.state.refused.saturating_add(1);
        let earliest = granted_at_ms.saturating_add(plan_replacement(self.state.refused));
        if self.now_ms < earliest {
            self.state.phase = Phase::Asking;
            self.state.trouble = Some(Cause::TokenRefused);
            return self.wait_until(earliest);
        }
        self.ask()
    }

    /// Nothing was learnt: waits, longer each time, and tries again.
    fn retry(&mut self, cause: Cause, retry_after_ms: Option<u64>) -> Directive {
        let failures = self.state.failures.saturating_add(1);
        self.state.failures = failures;
        let wait_for = plan_retry(failures, longest_pause(failures), retry_after_ms, self.chance);
        self.warn(format!("{} The next try is in {} s.", cause.problem(self.settings).advice, wait_for / SECOND));
        self.state.trouble = Some(cause);
        self.wait_until(self.now_ms.saturating_add(wait_for))
    }

    /// The server said no, or the host can't ask. Where the lease is still good, that is said once it is over.
    fn block(&mut self, cause: Cause) -> Directive {
        let problem = cause.problem(self.settings);
        self.warn(format!("{}: {}", problem.headline, problem.advice));
        self.state.failures = 0;
        self.state.trouble = None;
        let is_of_this_device = cause.is_of_this_device();
        self.state.phase = Phase::Blocked(cause);
        let lease_ends_at = self.lease().and(self.state.lease.as_ref()).and_then(|lease| lease.ends_at_ms);
        if is_of_this_device {
            return match lease_ends_at {
                Some(at) => self.wait_until(at),
                None => self.rest(),
            };
        }
        // From a minute to an hour.
        self.state.mendings = self.state.mendings.saturating_add(1);
        let wait_for = plan_retry(self.state.mendings.saturating_add(6), HOUR, None, self.chance);
        let at = self.now_ms.saturating_add(wait_for);
        self.wait_until(lease_ends_at.map_or(at, |end| end.min(at)))
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
        let is_forgotten = self.forgotten.iter().any(|forgotten| forgotten == name);
        self.slots.iter().find(|slot| slot.name == name && !is_forgotten).map(|slot| slot.version)
    }

    fn forget(&mut self, slot: &str) {
        self.forgotten.push(slot.to_owned());
    }

    fn warn(&mut self, text: String) {
        self.notes.push((Level::Warn, text));
    }
}
