//! What the host decides about a grant: which signal its policy is called with next, and which lease is current.
//!
//! The rules of the step machines (design, "The contract"): one step at a time; signals that come during a request wait
//! their turn; after a trap, an error, a deadline or a restart the next signal is `started`; a `token-refused` for a lease
//! that is no longer current is dropped. Deliberately unknown here: what the policy is, tokens, and how a request is
//! performed. All times are milliseconds of the monotonic clock.

use std::collections::VecDeque;
use std::num::NonZeroU32;

use crate::backoff::plan_wait;
use crate::config::grant::SignIn;
use crate::http::AuthRequest;
use crate::pace::{Departure, Pace};
use crate::plugin::Problem;
use crate::plugin::auth::{Directive, Prompt, Signal, Status};

/// How often a signal that a person or a server gave is repeated to a policy that fails on it.
const REPEATS: u32 = 3;
/// Steps a minute that no server's answer led to. More would be a policy that runs in circles: each writes to the card.
const IDLE_STEPS: NonZeroU32 = NonZeroU32::new(60).unwrap();

/// What a request is sent under. Another token is another lease; and the same token is one, once the policy has heard that
/// it was refused and says that it holds all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseId {
    /// The version of the slot `access-token`.
    pub token: u64,
    /// How many refusals the policy had heard of before.
    pub refusals: u64,
}

/// Where a grant stands, for the panel, `status` and the requests that wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantStatus {
    /// The policy has not answered yet.
    Starting,
    /// Nobody is signed in.
    SignedOut,
    /// A person has to act elsewhere.
    AwaitingPerson {
        /// What.
        prompt: Prompt,
        /// Until when.
        until_ms: u64,
    },
    /// The access token may be used.
    Authorized {
        /// Which token.
        lease: LeaseId,
        /// Until when, where the server said.
        until_ms: Option<u64>,
        /// What it allows.
        scopes: Vec<String>,
    },
    /// A renewal is under way; requests wait.
    Renewing,
    /// No access, and trying again without a person would be wrong.
    Blocked(Problem),
    /// The policy does not work: it trapped, overran or refused. It is tried again.
    Failing {
        /// Why.
        reason: String,
    },
}

impl GrantStatus {
    /// The lease that a request may be sent under at this moment.
    #[must_use]
    pub fn lease(&self, now_ms: u64) -> Option<LeaseId> {
        match self {
            Self::Authorized { lease, until_ms, .. } if until_ms.is_none_or(|until_ms| now_ms < until_ms) => {
                Some(*lease)
            }
            _ => None,
        }
    }

    /// Where it stands at this moment. A lease ends by the clock, and while a renewal takes long the policy has not said so
    /// yet: whoever waits for the grant waits for that renewal.
    #[must_use]
    pub fn at(self, now_ms: u64) -> Self {
        match &self {
            Self::Authorized { .. } if self.lease(now_ms).is_none() => Self::Renewing,
            _ => self,
        }
    }
}

/// What is to be done for a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Call the policy.
    Step(Signal),
    /// Nothing before this moment, unless a signal comes.
    WaitUntil(u64),
    /// Nothing until a signal comes.
    Rest,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    /// The policy's next signal.
    Due(Signal),
    /// The policy waits.
    Waiting {
        until_ms: u64,
    },
    /// The policy failed and is started again.
    Failed {
        until_ms: u64,
    },
    Resting,
    /// It was not started yet, and nobody wants to sign in.
    Unwanted,
}

/// The keeper of one grant.
#[derive(Debug)]
pub struct Keeper {
    phase: Phase,
    /// What people and servers said while the policy was busy.
    waiting: VecDeque<Signal>,
    standing: GrantStatus,
    /// The lease that requests in flight may have been sent under.
    last_lease: Option<LeaseId>,
    /// The lease that was refused, until the policy has heard of it or has another token.
    refused: Option<LeaseId>,
    /// That the policy has heard of.
    refusals: u64,
    failures: u32,
    /// Failures of a signal that somebody gave.
    repeats: u32,
    idle_steps: Pace,
    sign_in: SignIn,
    /// A person wants to sign in, and nobody is yet.
    is_wanted: bool,
}

impl Default for Keeper {
    fn default() -> Self {
        Self {
            phase: Phase::Due(Signal::Started),
            waiting: VecDeque::new(),
            standing: GrantStatus::Starting,
            last_lease: None,
            refused: None,
            refusals: 0,
            failures: 0,
            repeats: 0,
            idle_steps: Pace::new(IDLE_STEPS),
            sign_in: SignIn::AtStart,
            is_wanted: false,
        }
    }
}

impl Keeper {
    /// A keeper that asks for a person as the grant's `sign-in` says.
    #[must_use]
    pub fn new(sign_in: SignIn) -> Self {
        Self { sign_in, ..Self::default() }
    }

    /// The storage holds no token. The policy of a grant on request is not even started then before a person wants to sign in.
    pub fn note_no_token(&mut self) {
        if self.sign_in == SignIn::OnRequest && self.phase == Phase::Due(Signal::Started) {
            self.standing = GrantStatus::SignedOut;
            self.phase = Phase::Unwanted;
        }
    }

    /// Whether the policy asks for a person whom nobody wants to ask.
    #[must_use]
    pub fn is_unwanted(&self, status: &Status) -> bool {
        self.sign_in == SignIn::OnRequest
            && !self.is_wanted
            && matches!(status, Status::AwaitingPerson(_) | Status::AwaitingBrowser(_))
    }

    /// Where the grant stands.
    #[must_use]
    pub fn standing(&self) -> &GrantStatus {
        &self.standing
    }

    /// A person asked for something.
    pub fn ask(&mut self, signal: Signal) {
        match signal {
            Signal::SignIn => self.is_wanted = true,
            Signal::SignOut { .. } => self.is_wanted = false,
            _ => {}
        }
        if !self.waiting.contains(&signal) {
            self.waiting.push_back(signal);
        }
    }

    /// A server answered 401 to the token of this lease. Whether that is news: the lease is the last one that was given,
    /// and nobody has said so before. While the policy renews by itself it is remembered, in case the old token stays.
    pub fn refuse(&mut self, lease: LeaseId) -> bool {
        let news = self.last_lease == Some(lease) && self.refused != Some(lease);
        if news {
            self.refused = Some(lease);
            self.ask(Signal::TokenRefused);
            if matches!(self.standing, GrantStatus::Authorized { .. }) {
                // Nobody else is sent with it meanwhile.
                self.standing = GrantStatus::Renewing;
            }
        }
        news
    }

    /// What the policy wants done can't be done yet, for a reason of the device's own: it is said until the next step.
    pub fn note_trouble(&mut self, reason: String) {
        self.standing = GrantStatus::Failing { reason };
    }

    /// What is to be done now.
    pub fn plan(&mut self, now_ms: u64) -> Plan {
        match &self.phase {
            Phase::Due(_) => {}
            Phase::Waiting { until_ms } | Phase::Failed { until_ms } if now_ms < *until_ms => {
                let until_ms = *until_ms;
                if matches!(self.phase, Phase::Failed { .. }) || self.waiting.is_empty() {
                    return Plan::WaitUntil(until_ms);
                }
                self.phase = Phase::Resting;
            }
            Phase::Waiting { .. } => self.phase = Phase::Due(Signal::Elapsed),
            Phase::Failed { .. } => self.phase = Phase::Due(Signal::Started),
            // Whatever is asked, the first signal is `started`.
            Phase::Unwanted if !self.waiting.is_empty() => self.phase = Phase::Due(Signal::Started),
            Phase::Resting | Phase::Unwanted => {}
        }
        if self.phase == Phase::Resting {
            match self.waiting.pop_front() {
                Some(signal) => self.phase = Phase::Due(signal),
                None => return Plan::Rest,
            }
        }
        let Phase::Due(signal) = &self.phase else { return Plan::Rest };
        if !matches!(signal, Signal::Responded(_))
            && let Departure::At(at_ms) = self.idle_steps.plan(now_ms)
        {
            return Plan::WaitUntil(at_ms);
        }
        Plan::Step(signal.clone())
    }

    /// When the policy goes on by itself, in milliseconds of the monotonic clock; 0: at once. `None`: it rests until somebody
    /// asks for something, or a request is answered.
    #[must_use]
    pub fn goes_on_at_ms(&self) -> Option<u64> {
        match &self.phase {
            Phase::Due(_) => Some(0),
            Phase::Waiting { until_ms } | Phase::Failed { until_ms } => Some(*until_ms),
            Phase::Resting | Phase::Unwanted => None,
        }
    }

    /// The policy answered. Its state is durable and what it forgets is erased. `token` is the version of the slot
    /// `access-token`, where that is filled. The request that it wants performed is returned; its answer comes with
    /// [`Keeper::answered`].
    pub fn stepped(&mut self, status: Status, next: Directive, token: Option<u64>, now_ms: u64) -> Option<AuthRequest> {
        self.failures = 0;
        if let Phase::Due(signal) = self.phase.clone() {
            if !matches!(signal, Signal::Responded(_)) {
                self.idle_steps.record(now_ms);
            }
            if was_given(&signal) {
                self.repeats = 0;
            }
            if signal == Signal::TokenRefused {
                self.note_refusal_heard();
            }
        }
        let is_unwanted = self.is_unwanted(&status);
        let give_up = Signal::SignOut { revoke: false };
        if is_unwanted && !self.waiting.contains(&give_up) {
            // What the policy remembers of this try would otherwise come up again.
            self.waiting.push_front(give_up);
        }
        self.standing = match (status, token) {
            _ if is_unwanted => GrantStatus::SignedOut,
            (Status::SignedOut, _) => GrantStatus::SignedOut,
            (Status::AwaitingPerson(prompt), _) => {
                let until_ms = now_ms.saturating_add(u64::from(prompt.expires_in_seconds) * 1_000);
                GrantStatus::AwaitingPerson { prompt, until_ms }
            }
            // Whoever has the browser's pages makes a prompt of it, or says why not.
            (Status::AwaitingBrowser(_), _) => {
                GrantStatus::Failing { reason: "this host can't sign in with a browser".into() }
            }
            (Status::Authorized(lease), Some(token)) => GrantStatus::Authorized {
                lease: LeaseId { token, refusals: self.refusals },
                until_ms: lease.expires_in_seconds.map(|seconds| now_ms.saturating_add(u64::from(seconds) * 1_000)),
                scopes: lease.scopes,
            },
            (Status::Authorized(_), None) => GrantStatus::Failing {
                reason: "the policy says that it is authorized, but holds no access token".into(),
            },
            (Status::Renewing, _) => GrantStatus::Renewing,
            (Status::Blocked(problem), _) => GrantStatus::Blocked(problem),
        };
        if matches!(self.standing, GrantStatus::Authorized { .. }) {
            self.is_wanted = false;
        }
        self.note_lease();
        match next {
            Directive::Send(request) => {
                self.phase = Phase::Resting;
                return Some(request);
            }
            Directive::Wait(milliseconds) => {
                self.phase = Phase::Waiting { until_ms: now_ms.saturating_add(milliseconds) };
            }
            Directive::Rest => self.phase = Phase::Resting,
        }
        None
    }

    /// A request was answered, or failed.
    pub fn answered(&mut self, signal: Signal) {
        self.phase = Phase::Due(signal);
    }

    /// The answer that the policy has not heard yet, before another version takes its place.
    #[must_use]
    pub fn unheard_answer(&self) -> Option<Signal> {
        match &self.phase {
            Phase::Due(signal @ (Signal::Responded(_) | Signal::Failed(_))) => Some(signal.clone()),
            _ => None,
        }
    }

    /// Takes account of the lease of a new standing: a refusal of another token is no longer news, and one of this token
    /// keeps it from being used.
    fn note_lease(&mut self) {
        match &self.standing {
            GrantStatus::Authorized { lease, .. } => {
                self.last_lease = Some(*lease);
                match self.refused {
                    Some(refused) if refused == *lease => self.standing = GrantStatus::Renewing,
                    Some(_) => self.withdraw_refusal(),
                    None => {}
                }
            }
            GrantStatus::Renewing => {}
            _ => {
                self.last_lease = None;
                self.withdraw_refusal();
            }
        }
    }

    fn withdraw_refusal(&mut self) {
        self.refused = None;
        self.waiting.retain(|signal| *signal != Signal::TokenRefused);
    }

    fn note_refusal_heard(&mut self) {
        self.refusals += 1;
        self.refused = None;
    }

    /// The policy's call failed. It is started again after a pause that grows with each failure. What somebody asked for is
    /// asked again after that, some times.
    pub fn failed(&mut self, reason: String, now_ms: u64) {
        if let Phase::Due(signal) = self.phase.clone()
            && was_given(&signal)
        {
            self.repeats += 1;
            if self.repeats <= REPEATS {
                self.waiting.retain(|other| *other != signal);
                self.waiting.push_front(signal);
            } else {
                self.repeats = 0;
                if signal == Signal::TokenRefused {
                    // Those who wait for another token would wait for ever.
                    self.note_refusal_heard();
                }
            }
        }
        self.standing = GrantStatus::Failing { reason };
        self.phase = Phase::Failed { until_ms: now_ms.saturating_add(plan_wait(self.failures, 0)) };
        self.failures = self.failures.saturating_add(1);
    }
}

/// Whether a person or a server gave this signal: nobody else would give it again.
fn was_given(signal: &Signal) -> bool {
    matches!(
        signal,
        Signal::SignIn
            | Signal::SignOut { .. }
            | Signal::TokenRefused
            | Signal::Returned { .. }
            | Signal::TurnedAway(_)
    )
}

#[cfg(test)]
mod tests;
