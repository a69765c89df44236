//! What the host decides about a sink's deliveries: which signal its connector is called with next.
//!
//! The rules of the step machines (design, "The contract"): one batch of a sink at a time; after a trap, an error, a
//! deadline or a restart the batch comes again with `resumed`; a person's `retry` and `create-anew` come between two
//! steps, never into a request. While a person has the sink paused no request is planned, and what was begun stands where
//! a restart would have left it. Deliberately unknown here: what a batch holds, leases, pacing, and how a request is
//! performed. All times are milliseconds of the monotonic clock.

use std::num::NonZeroU32;

use crate::backoff::{describe_quarantine, plan_quarantine, plan_wait};
use crate::http::Request;
use crate::pace::{Departure, Pace};
use crate::plugin::Problem;
use crate::plugin::delivery::{Directive, Page, Pause, Receipt, Signal};

/// Steps a minute that neither rows nor a server's answer led to. More would be a connector that runs in circles: each
/// writes to the card.
const IDLE_STEPS: NonZeroU32 = NonZeroU32::new(60).unwrap();

/// What a connector is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Making the destination ready. Without rows.
    Prepare,
    /// Making another destination, as a person asked. Without rows.
    CreateAnew,
    /// The batch in flight.
    Batch,
    /// Reading back which rows are there, as a person asked. It changes nothing. Deliveries wait while pages come; whatever
    /// else is in its way ends it.
    ReadBack,
}

/// Where a sink's delivery stands, for the panel and `status`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum DeliveryStatus {
    /// Nothing to do.
    #[default]
    Idle,
    /// At work.
    Working,
    /// A person wants nothing delivered for now. No request is under way.
    Paused,
    /// Waiting a moment, perhaps for something that is wrong.
    Waiting {
        /// What is wrong.
        problem: Option<Problem>,
    },
    /// A person has to mend something.
    Held {
        /// What.
        problem: Option<Problem>,
    },
    /// The connector does not work: it trapped, overran or refused. It is tried again.
    Failing {
        /// Why.
        reason: String,
    },
}

/// What is to be done for a sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Call the connector.
    Step {
        /// With what kind of batch.
        work: Work,
        /// With which signal.
        signal: Signal,
    },
    /// Nothing before this moment, unless a person asks.
    WaitUntil(u64),
    /// Nothing, until a person resumes the sink.
    Rest,
    /// Look for work, and [`Carrier::begin`] it.
    Idle,
}

/// What a step led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Perform this and give the answer to [`Carrier::answered`].
    Send(Request),
    /// The work is done.
    Done(Work, Receipt),
    /// These rows are there. More are read where the page says so.
    Found(Page),
    /// The rows can't be read back now.
    GaveUp {
        /// Why.
        reason: String,
        /// A person has to mend something before they can.
        needs_person: bool,
    },
    /// Ask [`Carrier::plan`].
    Later,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Idle,
    Due(Work, Signal),
    /// The connector waits.
    Waiting {
        work: Work,
        until_ms: u64,
    },
    /// The connector waits for a person.
    Held {
        work: Work,
        until_ms: u64,
    },
    /// The connector failed; its work is begun again.
    Failed {
        work: Work,
        until_ms: u64,
    },
}

/// The carrier of one sink.
#[derive(Debug)]
pub struct Carrier {
    phase: Phase,
    standing: DeliveryStatus,
    paused: bool,
    create_anew: bool,
    retry: bool,
    failures: u32,
    idle_steps: Pace,
    notice: Option<Problem>,
}

impl Default for Carrier {
    fn default() -> Self {
        Self {
            phase: Phase::Idle,
            standing: DeliveryStatus::Idle,
            paused: false,
            create_anew: false,
            retry: false,
            failures: 0,
            idle_steps: Pace::new(IDLE_STEPS),
            notice: None,
        }
    }
}

impl Carrier {
    /// Where the delivery stands.
    #[must_use]
    pub fn standing(&self) -> &DeliveryStatus {
        if self.rests() { &DeliveryStatus::Paused } else { &self.standing }
    }

    /// What the connector wants a person to know, and what stops nothing.
    #[must_use]
    pub fn notice(&self) -> Option<&Problem> {
        self.notice.as_ref()
    }

    /// A person paused the sink, or resumed it.
    pub fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Whether there is nothing left to do before the sink is resumed: an answer that came is still taken in.
    fn rests(&self) -> bool {
        self.paused && !matches!(self.phase, Phase::Due(_, Signal::Responded(_) | Signal::Failed(_)))
    }

    /// A person says that the problem is mended.
    pub fn ask_retry(&mut self) {
        self.retry = true;
    }

    /// A person wants a new destination.
    pub fn ask_create_anew(&mut self) {
        self.create_anew = true;
    }

    /// What is to be done now.
    pub fn plan(&mut self, now_ms: u64) -> Plan {
        if self.rests() {
            if matches!(self.phase, Phase::Due(Work::ReadBack, _) | Phase::Waiting { work: Work::ReadBack, .. }) {
                self.phase = Phase::Idle;
            }
            return Plan::Rest;
        }
        if self.create_anew && !matches!(self.phase, Phase::Due(..)) {
            self.create_anew = false;
            self.phase = Phase::Due(Work::CreateAnew, Signal::CreateAnew);
        }
        let retry = std::mem::take(&mut self.retry);
        match self.phase.clone() {
            Phase::Due(..) | Phase::Idle => {}
            Phase::Waiting { work, until_ms } => {
                if now_ms < until_ms {
                    return Plan::WaitUntil(until_ms);
                }
                self.phase = Phase::Due(work, Signal::Elapsed);
            }
            Phase::Held { work, until_ms } => {
                if now_ms < until_ms && !retry {
                    return Plan::WaitUntil(until_ms);
                }
                self.phase = Phase::Due(work, Signal::Retry);
            }
            Phase::Failed { work, until_ms } => {
                if now_ms < until_ms && !retry {
                    return Plan::WaitUntil(until_ms);
                }
                self.phase = Phase::Due(work, again(work));
            }
        }
        match &self.phase {
            Phase::Due(work, signal) => {
                if is_idle(signal)
                    && let Departure::At(at_ms) = self.idle_steps.plan(now_ms)
                {
                    return Plan::WaitUntil(at_ms);
                }
                // What is wrong stays said until a step has shown that it is not.
                if self.standing == DeliveryStatus::Idle {
                    self.standing = DeliveryStatus::Working;
                }
                Plan::Step { work: *work, signal: signal.clone() }
            }
            _ => {
                self.standing = DeliveryStatus::Idle;
                Plan::Idle
            }
        }
    }

    /// Gives the carrier work, after [`Plan::Idle`]. `tried`: whether an earlier call may have sent something for it.
    pub fn begin(&mut self, work: Work, tried: bool) {
        let signal = match work {
            Work::Batch if !tried => Signal::Begin,
            work => again(work),
        };
        self.phase = Phase::Due(work, signal);
    }

    /// The connector answered `work`.
    pub fn stepped(&mut self, work: Work, next: Directive, now_ms: u64) -> Next {
        if let Phase::Due(_, signal) = &self.phase
            && is_idle(signal)
        {
            self.idle_steps.record(now_ms);
        }
        match next {
            Directive::Found(page) if work == Work::ReadBack => {
                self.phase = match &page.next {
                    Some(next) => Phase::Due(work, Signal::ReadBack(Some(next.clone()))),
                    None => Phase::Idle,
                };
                Next::Found(page)
            }
            Directive::Found(_) => {
                self.failed(work, "the connector found rows when nobody asked for them".into(), now_ms);
                Next::Later
            }
            Directive::Hold(Pause { problem, .. }) if work == Work::ReadBack => {
                self.phase = Phase::Idle;
                let reason = problem.as_ref().map_or_else(|| "the connector waits for a person".into(), render_reason);
                Next::GaveUp { reason, needs_person: true }
            }
            Directive::Wait(Pause { problem: Some(problem), .. }) if work == Work::ReadBack => {
                self.phase = Phase::Idle;
                Next::GaveUp { reason: render_reason(&problem), needs_person: false }
            }
            Directive::Delivered(_) if work == Work::ReadBack => {
                self.phase = Phase::Idle;
                let reason = "the connector does not say which rows are there".into();
                Next::GaveUp { reason, needs_person: false }
            }
            Directive::Send(request) => {
                self.phase = Phase::Due(work, again(work));
                if self.paused { Next::Later } else { Next::Send(request) }
            }
            Directive::Notice(problem) => {
                self.notice = problem;
                self.phase = Phase::Due(work, Signal::Elapsed);
                Next::Later
            }
            Directive::Wait(pause) => {
                self.phase = Phase::Waiting { work, until_ms: now_ms.saturating_add(pause.milliseconds) };
                self.standing = DeliveryStatus::Waiting { problem: pause.problem };
                Next::Later
            }
            Directive::Hold(pause) => {
                self.phase = Phase::Held { work, until_ms: now_ms.saturating_add(pause.milliseconds) };
                self.standing = DeliveryStatus::Held { problem: pause.problem };
                Next::Later
            }
            Directive::Delivered(receipt) => {
                self.phase = Phase::Idle;
                self.standing = DeliveryStatus::Working;
                Next::Done(work, receipt)
            }
        }
    }

    /// What the connector answered is durable: failures before it no longer count.
    pub fn kept(&mut self) {
        self.failures = 0;
    }

    /// The request of `work` was answered, or failed.
    pub fn answered(&mut self, work: Work, signal: Signal) {
        self.phase = Phase::Due(work, signal);
    }

    /// The connector's call failed. Its work is begun again after a pause that grows with each failure.
    pub fn failed(&mut self, work: Work, reason: String, now_ms: u64) {
        if work == Work::ReadBack {
            self.phase = Phase::Idle;
            return;
        }
        self.standing = DeliveryStatus::Failing { reason };
        self.phase = Phase::Failed { work, until_ms: now_ms.saturating_add(plan_wait(self.failures, 0)) };
        self.failures = self.failures.saturating_add(1);
    }

    /// What failed just now was the plugin itself: it is called ever more rarely, where it keeps failing.
    pub fn quarantine(&mut self, now_ms: u64) {
        let wait_ms = plan_quarantine(self.failures.saturating_sub(1));
        if let (Phase::Failed { until_ms, .. }, DeliveryStatus::Failing { reason }) =
            (&mut self.phase, &mut self.standing)
        {
            *until_ms = now_ms.saturating_add(wait_ms);
            reason.extend(describe_quarantine(wait_ms));
        }
    }
}

fn render_reason(problem: &Problem) -> String {
    format!("{}: {}", problem.headline, problem.advice)
}

/// Whether nothing from outside led to a step with this signal.
fn is_idle(signal: &Signal) -> bool {
    !matches!(signal, Signal::Responded(_) | Signal::Begin)
}

/// The signal with which work begins, when it may have been begun before.
fn again(work: Work) -> Signal {
    match work {
        Work::Prepare => Signal::Prepare,
        Work::CreateAnew => Signal::CreateAnew,
        Work::Batch => Signal::Resumed,
        Work::ReadBack => Signal::ReadBack(None),
    }
}

#[cfg(test)]
mod tests;
