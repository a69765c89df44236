//! What the host decides about a grant: which signal its policy is called with next, and which lease is current.
//!
//! The rules of the step machines (design, "The contract"): one step at a time; signals that come during a request wait
//! their turn; after a trap, an error, a deadline or a restart the next signal is `started`; a `token-refused` for a lease
//! that is no longer current is dropped. Deliberately unknown here: what the policy is, tokens, and how a request is
//! performed. All times are milliseconds of the monotonic clock.

use std::collections::VecDeque;

use crate::backoff::plan_wait;
use crate::http::AuthRequest;
use crate::plugin::Problem;
use crate::plugin::auth::{Directive, Prompt, Signal, Status};

/// The version of the slot `access-token` that a lease is for. Another token is another lease.
pub type LeaseId = u64;

/// Where a grant stands, for the panel, `status` and the requests that wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
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

impl Standing {
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
}

/// The keeper of one grant.
#[derive(Debug)]
pub struct Keeper {
    phase: Phase,
    /// What people and servers said while the policy was busy.
    waiting: VecDeque<Signal>,
    standing: Standing,
    failures: u32,
}

impl Default for Keeper {
    fn default() -> Self {
        Self { phase: Phase::Due(Signal::Started), waiting: VecDeque::new(), standing: Standing::Starting, failures: 0 }
    }
}

impl Keeper {
    /// Where the grant stands.
    #[must_use]
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// A person asked for something.
    pub fn ask(&mut self, signal: Signal) {
        if !self.waiting.contains(&signal) {
            self.waiting.push_back(signal);
        }
    }

    /// A server answered 401 to the token of this lease. Whether that is news: the lease is still current and nobody has
    /// said so before.
    pub fn refuse(&mut self, lease: LeaseId) -> bool {
        let current = matches!(&self.standing, Standing::Authorized { lease: current, .. } if *current == lease);
        if current {
            self.ask(Signal::TokenRefused);
            // Nobody else is sent with it meanwhile.
            self.standing = Standing::Renewing;
        }
        current
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
            Phase::Resting => {}
        }
        if self.phase == Phase::Resting {
            match self.waiting.pop_front() {
                Some(signal) => self.phase = Phase::Due(signal),
                None => return Plan::Rest,
            }
        }
        match &self.phase {
            Phase::Due(signal) => Plan::Step(signal.clone()),
            _ => Plan::Rest,
        }
    }

    /// The policy answered. Its state is durable and what it forgets is erased. `token` is the version of the slot
    /// `access-token`, where that is filled. The request that it wants performed is returned; its answer comes with
    /// [`Keeper::answered`].
    pub fn stepped(&mut self, status: Status, next: Directive, token: Option<u64>, now_ms: u64) -> Option<AuthRequest> {
        self.failures = 0;
        self.standing = match (status, token) {
            (Status::SignedOut, _) => Standing::SignedOut,
            (Status::AwaitingPerson(prompt), _) => {
                let until_ms = now_ms.saturating_add(u64::from(prompt.expires_in_seconds) * 1_000);
                Standing::AwaitingPerson { prompt, until_ms }
            }
            (Status::Authorized(lease), Some(token)) => Standing::Authorized {
                lease: token,
                until_ms: lease.expires_in_seconds.map(|seconds| now_ms.saturating_add(u64::from(seconds) * 1_000)),
                scopes: lease.scopes,
            },
            (Status::Authorized(_), None) => {
                Standing::Failing { reason: "the policy says that it is authorized, but holds no access token".into() }
            }
            (Status::Renewing, _) => Standing::Renewing,
            (Status::Blocked(problem), _) => Standing::Blocked(problem),
        };
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

    /// The policy's call failed. It is started again after a pause that grows with each failure.
    pub fn failed(&mut self, reason: String, now_ms: u64) {
        self.standing = Standing::Failing { reason };
        self.phase = Phase::Failed { until_ms: now_ms.saturating_add(plan_wait(self.failures, 0)) };
        self.failures = self.failures.saturating_add(1);
    }
}

#[cfg(test)]
mod tests;
