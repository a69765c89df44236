//! A sink's formatting at work: events from the ledger through the formatter into rows of the ledger.
//!
//! What always holds here: the formatter's state, its rows and the cursor move in one transaction; an event that can't be
//! formatted is tried alone, then set aside with its reason, and never lost; none is set aside for a formatter that works
//! for no event; events whose time is not known yet wait, and those behind them with them; a version that is put back makes
//! nothing before it has the state that it would have had.

use std::sync::Arc;

use punchcard_core::event::Sequence;
use punchcard_core::formatting::{AfterExamination, AfterFailure, Blame, Caution, Examination, OTHERS};
use punchcard_core::name::SinkName;
use punchcard_core::plugin::PluginError;
use punchcard_core::plugin::format::{Formatted, TimedEvent, Verdict};
use punchcard_core::row::Row;
use punchcard_core::time::Context;
use tokio::sync::{Notify, mpsc, watch};
use tracing::{debug, warn};

use super::error_chain::chain;
use super::known_time::KnownTime;
use super::replay::Replayer;
use super::timer::sleep_until;
use crate::clock::Clock;
use punchcard_ledger::{Checkpoint, CommitError, FormattedCommit, Ledger, Unformatted};
use punchcard_sandbox::CallError;

mod correction;
mod shadow;

pub(super) use correction::{Corrected, FormattingCommand};

/// Milliseconds after which a read that failed is tried again.
const READ_AGAIN_MS: u64 = 10_000;

/// Where a sink's formatting stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum FormattingStatus {
    /// Nothing to do.
    #[default]
    Idle,
    /// At work.
    Working,
    /// The next event's time is not known yet.
    AwaitingTime,
    /// The formatter does not work. It is tried again.
    Failing {
        /// Why.
        reason: String,
    },
}

/// What a formatter said for a person, or did to what waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// For a moment, about this event.
    Notice(Sequence, String),
    /// From now on. Said after each commit.
    Standing(SinkName, Option<String>),
    /// An event was set aside: one fewer waits.
    SetAside,
}

/// What drives one sink's formatter.
pub(super) struct Formatting {
    pub(super) sink: SinkName,
    pub(super) by: Replayer,
    pub(super) ledger: Ledger,
    pub(super) clock: Clock,
    pub(super) time: KnownTime,
    /// The newest event.
    pub(super) accepted: watch::Receiver<Sequence>,
    /// Whenever the ledger was told the time.
    pub(super) learnt: watch::Receiver<u64>,
    /// There are rows to deliver.
    pub(super) rows: Arc<Notify>,
    pub(super) standing: watch::Sender<FormattingStatus>,
    pub(super) said: mpsc::UnboundedSender<Said>,
    pub(super) asks: mpsc::UnboundedReceiver<FormattingCommand>,
}

impl Formatting {
    /// Formats until the task is dropped.
    pub(super) async fn run(mut self) {
        let mut caution = Caution::default();
        self.settle_owed_state().await;
        loop {
            // Between two calls, so that nothing is made meanwhile from a state that is replaced.
            while let Ok(ask) = self.asks.try_recv() {
                self.answer(ask).await;
            }
            self.accepted.mark_unchanged();
            self.learnt.mark_unchanged();
            // Some more than the next call gets: with them the formatter is tried where it fails.
            let most = caution.most().max(1 + OTHERS);
            let work = match self.ledger.read_unformatted(&self.sink, most).await {
                Ok(work) => work,
                Err(error) => {
                    self.fail(chain(error));
                    sleep_until(&self.clock, self.clock.monotonic_ms() + READ_AGAIN_MS).await;
                    continue;
                }
            };
            if work.events.is_empty() {
                self.rest(&work).await;
                continue;
            }
            self.standing.send_if_modified(|standing| {
                let news = *standing == FormattingStatus::Idle;
                if news {
                    *standing = FormattingStatus::Working;
                }
                news
            });
            self.work(work, &mut caution).await;
        }
    }

    /// Waits for an event, or for the time.
    async fn rest(&mut self, work: &Unformatted) {
        if work.more {
            return;
        }
        if work.blocked_by_unknown_time {
            self.publish(FormattingStatus::AwaitingTime);
        } else {
            self.publish(FormattingStatus::Idle);
        }
        // What waits behind an event without a time waits for that alone.
        let news = async {
            let changed =
                if work.blocked_by_unknown_time { self.learnt.changed().await } else { self.accepted.changed().await };
            if changed.is_err() {
                // The device ends, and with it this task.
                std::future::pending::<()>().await;
            }
        };
        let asked = tokio::select! {
            Some(ask) = self.asks.recv() => Some(ask),
            () = news => None,
        };
        if let Some(ask) = asked {
            self.answer(ask).await;
        }
    }

    /// Formats what was read, or as much of it as the formatter is trusted with.
    async fn work(&mut self, mut work: Unformatted, caution: &mut Caution) {
        // What failed alone before a restart is tried alone again.
        let most = if work.failures > 0 { 1 } else { caution.most() };
        let others = leave(&mut work, most);
        let context = self.clock.context();
        match self.call(&work.state, work.events.clone(), &context).await {
            Ok(formatted) => {
                caution.succeeded();
                self.keep(work, formatted, context).await;
            }
            Err(error) => self.blame(&work, &others, &error, caution).await,
        }
    }

    async fn call(&self, state: &[u8], events: Vec<TimedEvent>, context: &Context) -> Result<Formatted, CallError> {
        let Replayer { formatter, settings, columns, .. } = &self.by;
        formatter.format(settings, columns.len(), state.to_vec(), events, context).await
    }

    /// Decides what a failed call means for its events, and waits or sets aside accordingly.
    async fn blame(&mut self, work: &Unformatted, others: &[TimedEvent], error: &CallError, caution: &mut Caution) {
        let [first, rest @ ..] = work.events.as_slice() else { return };
        let (first, reason) = (first.event.sequence, error.to_string());
        self.fail(reason.clone());
        let blame = match error {
            CallError::Returned(PluginError::InvalidSettings(_) | PluginError::UnknownState) => Blame::Plugin,
            CallError::Deadline { .. } => Blame::Slowness,
            CallError::Returned(PluginError::Other(_)) | CallError::Trapped { .. } | CallError::Refused { .. } => {
                Blame::Event
            }
        };
        let mut attempts = work.failures;
        if blame != Blame::Plugin && rest.is_empty() {
            match self.ledger.note_failure(&self.sink, first, &reason).await {
                Ok(noted) => attempts = noted,
                Err(error) => warn!(sink = %self.sink, error = chain(error), "a failure can't be noted"),
            }
        }
        match caution.failed(blame, work.events.len(), attempts, self.clock.monotonic_ms()) {
            AfterFailure::TryFewer => {}
            AfterFailure::TryAgainAt(at_ms) | AfterFailure::HoldUntil(at_ms) => sleep_until(&self.clock, at_ms).await,
            AfterFailure::Examine => {
                let examination = self.examine(work, others).await;
                match caution.examined(examination, self.clock.monotonic_ms()) {
                    AfterExamination::SetAside => self.set_aside(work, first, &reason).await,
                    AfterExamination::HoldUntil(at_ms) => {
                        self.fail(format!(
                            "{reason}; no event is set aside for it, because the plugin has not been seen to work for \
                             another one: put the version back that did, or mend its settings"
                        ));
                        sleep_until(&self.clock, at_ms).await;
                    }
                }
            }
        }
    }

    /// Finds out whether the formatter works at all. Guests only return data, so what these calls return can be dropped.
    async fn examine(&self, work: &Unformatted, others: &[TimedEvent]) -> Examination {
        let context = self.clock.context();
        // The contract allows a call without events as a dry run.
        if self.call(&work.state, Vec::new(), &context).await.is_err() {
            return Examination::FailsAlways;
        }
        for other in others.iter().take(OTHERS) {
            if self.call(&work.state, vec![other.clone()], &context).await.is_ok() {
                return Examination::Works;
            }
        }
        if others.is_empty() { Examination::NoOthers } else { Examination::FailsForOthers }
    }

    async fn set_aside(&self, work: &Unformatted, event: Sequence, reason: &str) {
        warn!(sink = %self.sink, event = event.0, reason, "the event is set aside");
        match self.ledger.set_aside_event(&self.sink, work.cursor, event, reason).await {
            Ok(()) => self.say(Said::SetAside),
            Err(error) => {
                self.fail(chain(error));
                sleep_until(&self.clock, self.clock.monotonic_ms() + READ_AGAIN_MS).await;
            }
        }
    }

    /// Keeps what the formatter made, and says what it said.
    async fn keep(&mut self, work: Unformatted, formatted: Formatted, context: Context) {
        let Sorted { rows, set_aside, notices } = sort(&work.events, formatted.verdicts);
        for (sequence, reason) in &set_aside {
            warn!(sink = %self.sink, event = sequence.0, reason, "the formatter rejects the event; it is set aside");
        }
        let any_rows = !rows.is_empty();
        // What it says of one event may be the event's fault.
        let refusal =
            set_aside.first().filter(|_| set_aside.len() == work.events.len()).map(|(_, reason)| reason.clone());
        let commit = FormattedCommit {
            from: work.cursor,
            through: work.through,
            boots: work.boots,
            state: formatted.state,
            columns: self.by.columns.clone(),
            rows,
            set_aside,
            standing: formatted.standing.clone(),
            checkpoint: Some(Checkpoint {
                context,
                settings: self.by.settings.clone(),
                plugin_sha256: *self.by.formatter.sha256(),
            }),
        };
        let kept = self.ledger.commit_formatted(&self.sink, commit).await;
        if let Err(CommitError::CursorMoved { .. } | CommitError::TimesLearnt) = kept {
            // Rows went once more meanwhile, and the sink past them; or the clock that its times came from was wrong. What
            // was made is made again.
            return;
        }
        if let Err(error) = kept {
            self.fail(chain(error));
            return sleep_until(&self.clock, self.clock.monotonic_ms() + READ_AGAIN_MS).await;
        }
        match refusal {
            Some(reason) => self.by.formatter.tally().note_refusal(&reason),
            None => self.by.formatter.tally().note_work(),
        }
        self.publish(FormattingStatus::Working);
        if any_rows {
            self.rows.notify_one();
        }
        if let Some((sequence, notice)) = notices {
            self.say(Said::Notice(sequence, notice));
        }
        self.say(Said::Standing(self.sink.clone(), formatted.standing));
    }

    fn say(&self, said: Said) {
        if self.said.send(said).is_err() {
            debug!(sink = %self.sink, "nobody shows what the formatter says any more");
        }
    }

    fn fail(&self, reason: String) {
        warn!(sink = %self.sink, reason, "formatting failed; the events stay in the ledger");
        self.publish(FormattingStatus::Failing { reason });
    }

    fn publish(&self, standing: FormattingStatus) {
        self.standing.send_if_modified(|current| {
            let news = *current != standing;
            *current = standing;
            news
        });
    }
}

/// Leaves all but the first `most` events for a later call, and returns them.
fn leave(work: &mut Unformatted, most: usize) -> Vec<TimedEvent> {
    let others = work.events.split_off(most.min(work.events.len()));
    if let (false, Some(last)) = (others.is_empty(), work.events.last()) {
        work.through = last.event.sequence;
    }
    others
}

/// A call's verdicts, by what is done with them.
struct Sorted {
    rows: Vec<(Sequence, Vec<Row>)>,
    set_aside: Vec<(Sequence, String)>,
    /// The last one: a person looks at the panel for the press just made.
    notices: Option<(Sequence, String)>,
}

fn sort(events: &[TimedEvent], verdicts: Vec<Verdict>) -> Sorted {
    let mut sorted = Sorted { rows: Vec::new(), set_aside: Vec::new(), notices: None };
    for (event, verdict) in events.iter().zip(verdicts) {
        let sequence = event.event.sequence;
        match verdict {
            Verdict::Accepted { rows, notice } => {
                if !rows.is_empty() {
                    sorted.rows.push((sequence, rows));
                }
                if let Some(notice) = notice {
                    sorted.notices = Some((sequence, notice));
                }
            }
            Verdict::Reject(reason) => sorted.set_aside.push((sequence, reason)),
        }
    }
    sorted
}

#[cfg(test)]
mod tests;
