//! A sink's formatting at work: events from the ledger through the formatter into rows of the ledger.
//!
//! What always holds here: the formatter's state, its rows and the cursor move in one transaction; an event that can't be
//! formatted is tried alone, then set aside with its reason, and never lost; events whose time is not known yet wait, and
//! those behind them with them.

use std::sync::Arc;

use punchcard_core::event::Sequence;
use punchcard_core::formatting::{AfterFailure, Blame, TOGETHER, plan_after_failure};
use punchcard_core::name::SinkName;
use punchcard_core::plugin::PluginError;
use punchcard_core::plugin::format::{Formatted, TimedEvent, Verdict};
use punchcard_core::row::{Column, Row};
use punchcard_core::time::Context;
use tokio::sync::{Notify, mpsc, watch};
use tracing::{debug, warn};

use super::grant::chain;
use super::timer::sleep_until;
use crate::clock::Clock;
use crate::ledger::{Checkpoint, FormattedCommit, Ledger, Unformatted};
use crate::wasm::{CallError, Formatter};

/// Milliseconds after which a read that failed is tried again.
const READ_AGAIN_MS: u64 = 10_000;
/// Milliseconds after which is looked whether the time is known by now.
const TIME_AGAIN_MS: u64 = 1_000;

/// Where a sink's formatting stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Standing {
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

/// What a formatter said for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// For a moment, about this event.
    Notice(Sequence, String),
    /// From now on.
    Standing(SinkName, Option<String>),
}

/// What drives one sink's formatter.
pub(super) struct Formatting {
    pub(super) sink: SinkName,
    pub(super) formatter: Formatter,
    pub(super) settings: String,
    pub(super) columns: Vec<Column>,
    pub(super) ledger: Ledger,
    pub(super) clock: Clock,
    /// The newest event.
    pub(super) accepted: watch::Receiver<Sequence>,
    /// There are rows to deliver.
    pub(super) rows: Arc<Notify>,
    pub(super) standing: watch::Sender<Standing>,
    pub(super) said: mpsc::UnboundedSender<Said>,
}

impl Formatting {
    /// Formats until the task is dropped.
    pub(super) async fn run(mut self) {
        let mut alone = false;
        loop {
            self.accepted.mark_unchanged();
            let most = if alone { 1 } else { TOGETHER };
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
                let news = *standing == Standing::Idle;
                if news {
                    *standing = Standing::Working;
                }
                news
            });
            // What failed alone before a restart is tried alone again.
            alone = self.work(work, alone).await;
        }
    }

    /// Waits for an event, or for the time.
    async fn rest(&mut self, work: &Unformatted) {
        if work.more {
            return;
        }
        if work.blocked_by_unknown_time {
            self.publish(Standing::AwaitingTime);
            sleep_until(&self.clock, self.clock.monotonic_ms() + TIME_AGAIN_MS).await;
        } else {
            self.publish(Standing::Idle);
            if self.accepted.changed().await.is_err() {
                // The ledger has ended; so will this task.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Formats what was read. Whether the next event is to be tried alone.
    async fn work(&mut self, mut work: Unformatted, alone: bool) -> bool {
        let Some(first) = work.events.first().map(|event| event.event.sequence) else { return false };
        if (alone || work.failures > 0) && work.events.len() > 1 {
            work.events.truncate(1);
            work.through = first;
        }
        let context = self.clock.context();
        let count = work.events.len();
        let called = self
            .formatter
            .format(&self.settings, self.columns.len(), work.state.clone(), work.events.clone(), &context)
            .await;
        match called {
            Ok(formatted) => {
                self.keep(work, formatted, context).await;
                false
            }
            Err(error) => self.blame(&work, first, count, &error).await,
        }
    }

    /// Decides what a failed call means for its events. Whether the first is to be tried alone.
    async fn blame(&mut self, work: &Unformatted, first: Sequence, count: usize, error: &CallError) -> bool {
        let reason = error.to_string();
        self.fail(reason.clone());
        let blame = match error {
            CallError::Returned(PluginError::InvalidSettings(_) | PluginError::UnknownState) => Blame::Plugin,
            CallError::Returned(PluginError::Other(_))
            | CallError::Trapped { .. }
            | CallError::Deadline { .. }
            | CallError::Refused { .. } => Blame::Event,
        };
        let mut attempts = work.failures;
        if blame == Blame::Event && count == 1 {
            match self.ledger.note_failure(&self.sink, first, &reason).await {
                Ok(noted) => attempts = noted,
                Err(error) => warn!(sink = %self.sink, error = chain(error), "a failure can't be noted"),
            }
        }
        match plan_after_failure(blame, count, attempts, self.clock.monotonic_ms()) {
            AfterFailure::TryAlone => return true,
            AfterFailure::TryAgainAt(at_ms) | AfterFailure::HoldUntil(at_ms) => {
                sleep_until(&self.clock, at_ms).await;
            }
            AfterFailure::SetAside => {
                warn!(sink = %self.sink, event = first.0, reason, "the event is set aside");
                if let Err(error) = self.ledger.set_aside_event(&self.sink, work.cursor, first, &reason).await {
                    self.fail(chain(error));
                    sleep_until(&self.clock, self.clock.monotonic_ms() + READ_AGAIN_MS).await;
                }
                return false;
            }
        }
        count == 1
    }

    /// Keeps what the formatter made, and says what it said.
    async fn keep(&mut self, work: Unformatted, formatted: Formatted, context: Context) {
        let Sorted { rows, set_aside, notices } = sort(&work.events, formatted.verdicts);
        for (sequence, reason) in &set_aside {
            warn!(sink = %self.sink, event = sequence.0, reason, "the formatter rejects the event; it is set aside");
        }
        let any_rows = !rows.is_empty();
        let commit = FormattedCommit {
            from: work.cursor,
            through: work.through,
            state: formatted.state,
            columns: self.columns.clone(),
            rows,
            set_aside,
            standing: formatted.standing.clone(),
            checkpoint: Some(Checkpoint {
                context,
                settings: self.settings.clone(),
                plugin_sha256: *self.formatter.sha256(),
            }),
        };
        if let Err(error) = self.ledger.commit_formatted(&self.sink, commit).await {
            self.fail(chain(error));
            return sleep_until(&self.clock, self.clock.monotonic_ms() + READ_AGAIN_MS).await;
        }
        self.publish(Standing::Working);
        if any_rows {
            self.rows.notify_one();
        }
        let said = notices.map(|(sequence, notice)| Said::Notice(sequence, notice));
        for said in said.into_iter().chain([Said::Standing(self.sink.clone(), formatted.standing)]) {
            if self.said.send(said).is_err() {
                debug!(sink = %self.sink, "nobody shows what the formatter says any more");
            }
        }
    }

    fn fail(&self, reason: String) {
        warn!(sink = %self.sink, reason, "formatting failed; the events stay in the ledger");
        self.publish(Standing::Failing { reason });
    }

    fn publish(&self, standing: Standing) {
        self.standing.send_if_modified(|current| {
            let news = *current != standing;
            *current = standing;
            news
        });
    }
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
