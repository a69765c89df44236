//! A replay: a sink's formatter, as it is now, over events that were formatted before.
//!
//! It begins with the newest call that the ledger has kept from before the event that is asked for, with the state that the
//! formatter had then, and goes on to the sink's cursor. What it knows of the outside world is what the kept calls knew: the
//! context of each counts until the next one, for those between were not kept. So the same replay has the same outcome,
//! whoever runs it.
//!
//! Where its outcome is kept (`replay --correct`), each row that would be different becomes a correction at the end of the
//! sink's order: one that would not be there, an empty one. An event that is rejected now is set aside, as any other would
//! be. The sink goes on from the state at the end of the replay. A row that waits for its batch is corrected like one that
//! was delivered: a batch may be being formed of it. Nothing is corrected while the formatter fails on an event.
//!
//! Events that the sink set aside are passed over, as they were; `rejects retry` is for them. An event that the
//! formatter fails on is passed over too, and told: nothing is to be concluded of it. What would be different is kept up to
//! a bound (see `outcome`).
//!
//! A version that is put back after another one was on trial goes on from the state that it would have had: that is the state
//! at the end of a replay too ([`Replay::since`]).
//!
//! Deliberately absent: where pages are read from, and what is done with the outcome. Whoever runs a replay reads the
//! [`Stretch`] that [`Replay::next`] names and hands it to [`Replay::format`], until there is no next.

use punchcard_core::config::sink::Sink;
use punchcard_core::event::Sequence;
use punchcard_core::formatting::{ATTEMPTS, TOGETHER};
use punchcard_core::name::PluginName;
use punchcard_core::plugin::PluginError;
use punchcard_core::plugin::format::{Formatted, Verdict};
use punchcard_core::replay::{Kept, Made, NoStart, compare, plan_call, plan_start};
use punchcard_core::row::{Cell, Column};
use thiserror::Error;

use punchcard_ledger::{ReplayGround, ReplayPage, ReplayedEvent, StoredCheckpoint, Stretch};
use punchcard_sandbox::{CallError, Formatter};

mod outcome;

pub use outcome::{NotCorrected, Refusal, Replayed, RowDifference};

/// A formatter that fails on so many events does not work for this sink.
const MOST_FAILED: usize = 20;

/// A sink's formatter as it is now.
#[derive(Clone)]
pub struct Replayer {
    /// It.
    pub formatter: Formatter,
    /// Its name in plugins.toml.
    pub plugin: PluginName,
    /// Its settings, as JSON.
    pub settings: String,
    /// The sink's columns under them.
    pub columns: Vec<Column>,
    /// The kinds of events that the sink takes.
    pub kinds: Vec<String>,
}

/// Why there is no replay.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The event is gone.
    #[error("event {} is no longer in the history, which begins with event {}", from.0, first.0)]
    Pruned {
        /// The event that was asked for.
        from: Sequence,
        /// The oldest one that is there.
        first: Sequence,
    },
    /// The event was not formatted yet.
    #[error("event {} is still to be formatted; the last that was is event {}", from.0, cursor.0)]
    NotFormatted {
        /// The event that was asked for.
        from: Sequence,
        /// The last one that was formatted.
        cursor: Sequence,
    },
    /// No state reaches back to it.
    #[error("no state of plugin `{plugin}` is kept from before event {}; {}", from.0, describe(*earliest))]
    NoStart {
        /// The plugin.
        plugin: PluginName,
        /// The event that was asked for.
        from: Sequence,
        /// A replay is possible from here on.
        earliest: Option<Sequence>,
    },
    /// The formatter can't work with the settings or with the state.
    #[error("plugin `{plugin}` can't go on from the state that was kept before event {}", at.0.saturating_add(1))]
    Plugin {
        /// The plugin.
        plugin: PluginName,
        /// Behind this event.
        at: Sequence,
        /// What it says.
        source: PluginError,
    },
    /// The formatter fails on too many events.
    #[error(
        "plugin `{plugin}` fails on {MOST_FAILED} events, the last of them event {}; mend it first", at.0
    )]
    Fails {
        /// The plugin.
        plugin: PluginName,
        /// The last event.
        at: Sequence,
        /// How it failed there.
        source: CallError,
    },
    /// Pruning was faster.
    #[error("the history was pruned meanwhile, up to event {}; ask again", through.0)]
    PrunedMeanwhile {
        /// Up to here.
        through: Sequence,
    },
}

fn describe(earliest: Option<Sequence>) -> String {
    match earliest {
        Some(earliest) => format!("a replay is possible from event {} on", earliest.0),
        None => "none is kept at all".to_owned(),
    }
}

/// A replay under way.
pub struct Replay {
    by: Replayer,
    from: Sequence,
    first: Kept,
    later: Vec<Kept>,
    at: Sequence,
    /// The state that the sink has.
    present: Vec<u8>,
    outcome: Replayed,
}

impl Replay {
    /// Begins one, from `from` on.
    ///
    /// # Errors
    /// When the history or the kept states do not reach back so far.
    pub fn begin(by: Replayer, ground: ReplayGround, from: Sequence) -> Result<Self, ReplayError> {
        let ReplayGround { cursor, pruned_through, state: present, mut calls } = ground;
        if from <= pruned_through {
            return Err(ReplayError::Pruned { from, first: Sequence(pruned_through.0.saturating_add(1)) });
        }
        if from > cursor {
            return Err(ReplayError::NotFormatted { from, cursor });
        }
        calls.retain(|call| call.after >= pruned_through);
        let kept: Vec<Kept> = calls.iter().map(|call| by.kept(call)).collect();
        let start = plan_start(&kept, from).map_err(|NoStart { earliest }| ReplayError::NoStart {
            plugin: by.plugin.clone(),
            from,
            earliest: earliest.filter(|earliest| *earliest <= cursor),
        })?;
        let mut kept = kept.into_iter().skip(start);
        let (Some(first), state) = (kept.next(), calls.swap_remove(start).state) else {
            return Err(ReplayError::NoStart { plugin: by.plugin, from, earliest: None });
        };
        let outcome = Replayed::new(cursor, state);
        Ok(Self { by, from, at: first.after, first, later: kept.collect(), present, outcome })
    }

    /// Begins one over all that was formatted since a state was kept, for the state at its end alone: no row is compared.
    ///
    /// # Errors
    /// When the history does not reach back so far, or no call is kept whose context could be given again.
    pub fn since(by: Replayer, ground: ReplayGround, after: Sequence, state: Vec<u8>) -> Result<Self, ReplayError> {
        let ReplayGround { cursor, pruned_through, state: present, calls } = ground;
        let from = Sequence(after.0.saturating_add(1));
        if after < pruned_through {
            return Err(ReplayError::Pruned { from, first: Sequence(pruned_through.0.saturating_add(1)) });
        }
        // A call is kept with each change of component, so there is one from about then.
        let of_then = calls.iter().rfind(|call| call.after <= after).or(calls.first());
        let Some(of_then) = of_then else {
            return Err(ReplayError::NoStart { plugin: by.plugin, from, earliest: None });
        };
        let first = Kept { after, understood: true, context: of_then.call.context.clone() };
        let later = calls.iter().filter(|call| call.after > after).map(|call| by.kept(call)).collect();
        let from = Sequence(cursor.0.saturating_add(1));
        Ok(Self { by, from, at: after, first, later, present, outcome: Replayed::new(cursor, state) })
    }

    /// The event behind which it began.
    #[must_use]
    pub fn begun_after(&self) -> Sequence {
        self.first.after
    }

    /// The event up to which it has come.
    #[must_use]
    pub fn at(&self) -> Sequence {
        self.at
    }

    /// The first event that the formatter failed on so far.
    #[must_use]
    pub fn first_failure(&self) -> Option<&Refusal> {
        self.outcome.failed.first()
    }

    /// What is to be read next; `None` when it is at its end.
    #[must_use]
    pub fn next(&self) -> Option<Stretch> {
        let (_, through) = plan_call(&self.first, &self.later, self.at, self.outcome.through);
        (self.at < self.outcome.through).then(|| Stretch {
            kinds: self.by.kinds.clone(),
            after: self.at,
            through,
            most: TOGETHER,
            rows_from: self.from,
        })
    }

    /// Formats what was read.
    ///
    /// # Errors
    /// When the formatter can't work from the kept state or fails all the time, or when the history was pruned meanwhile.
    pub async fn format(&mut self, page: ReplayPage) -> Result<(), ReplayError> {
        if page.pruned_through > self.first.after {
            return Err(ReplayError::PrunedMeanwhile { through: page.pruned_through });
        }
        self.outcome.boots.extend(page.boots);
        let (passed_over, events): (Vec<_>, Vec<_>) = page.events.into_iter().partition(|event| event.set_aside);
        let counted = passed_over.iter().filter(|event| event.timed.event.sequence >= self.from);
        self.outcome.passed_over += counted.count() as u64;
        let mut rest = events.as_slice();
        let (mut most, mut attempts) = (TOGETHER, 0);
        while !rest.is_empty() {
            let (now, later) = rest.split_at(most.min(rest.len()));
            match self.call(now).await {
                Ok(formatted) => {
                    self.keep(now, formatted);
                    (rest, most, attempts) = (later, most.saturating_mul(2).min(TOGETHER), 0);
                }
                Err(CallError::Returned(source @ (PluginError::UnknownState | PluginError::InvalidSettings(_)))) => {
                    let before = now.first().map_or(self.at.0, |event| event.timed.event.sequence.0.saturating_sub(1));
                    return Err(ReplayError::Plugin { plugin: self.by.plugin.clone(), at: Sequence(before), source });
                }
                Err(_) if now.len() > 1 => most = now.len() / 2,
                // A board with much to do may need a second try.
                Err(_) if attempts + 1 < ATTEMPTS => attempts += 1,
                Err(error) => {
                    for event in now {
                        self.note_failure(event.timed.event.sequence, &error)?;
                    }
                    (rest, attempts) = (later, 0);
                }
            }
        }
        self.at = page.through;
        if self.later.iter().any(|call| call.after == self.at) {
            self.outcome.states.push((self.at, self.outcome.state.clone()));
        }
        Ok(())
    }

    /// What it came to.
    #[must_use]
    pub fn end(mut self) -> Replayed {
        self.outcome.state_differs = self.outcome.state != self.present;
        self.outcome
    }

    async fn call(&self, events: &[ReplayedEvent]) -> Result<Formatted, CallError> {
        let (context, _) = plan_call(&self.first, &self.later, self.at, self.outcome.through);
        let (state, columns) = (self.outcome.state.clone(), self.by.columns.len());
        let events = events.iter().map(|event| event.timed.clone()).collect();
        self.by.formatter.format(&self.by.settings, columns, state, events, context).await
    }

    fn note_failure(&mut self, event: Sequence, error: &CallError) -> Result<(), ReplayError> {
        self.outcome.failed.push(Refusal { event, reason: error.to_string() });
        if self.outcome.failed.len() < MOST_FAILED {
            return Ok(());
        }
        Err(ReplayError::Fails { plugin: self.by.plugin.clone(), at: event, source: error.clone() })
    }

    fn keep(&mut self, events: &[ReplayedEvent], formatted: Formatted) {
        self.outcome.state = formatted.state;
        self.outcome.standing = formatted.standing;
        for (event, verdict) in events.iter().zip(formatted.verdicts) {
            if event.timed.event.sequence < self.from {
                continue;
            }
            self.outcome.events += 1;
            let made = match verdict {
                Verdict::Accepted { rows, .. } => rows.into_iter().map(|row| row.cells).collect(),
                Verdict::Reject(reason) => {
                    self.outcome.keep_rejected(Refusal { event: event.timed.event.sequence, reason });
                    Vec::new()
                }
            };
            self.compare(event, made);
        }
    }

    fn compare(&mut self, event: &ReplayedEvent, made: Vec<Vec<Cell>>) {
        let last = event.rows.keys().next_back().map_or(0, |last| last.saturating_add(1));
        let count = last.max(u32::try_from(made.len()).unwrap_or(u32::MAX));
        let mut made = made.into_iter();
        for position in 0..count {
            let (row, made) = (event.rows.get(&position), made.next());
            let kept = row.filter(|row| !row.withdrawn);
            let before = kept.map(|row| Made { columns: &row.columns, cells: &row.cells });
            let after = made.as_ref().map(|cells| Made { columns: &self.by.columns, cells });
            match compare(before, after) {
                None => self.outcome.same += u64::from(kept.is_some()),
                Some(difference) => self.outcome.keep_difference(RowDifference {
                    event: event.timed.event.sequence,
                    id: event.timed.event.happened.id,
                    at: event.timed.at,
                    position,
                    difference,
                    kept: kept.cloned(),
                    revision: row.map_or(0, |row| row.revision),
                    made,
                }),
            }
        }
    }
}

impl Replayer {
    /// The formatter of a sink, with its columns.
    #[must_use]
    pub fn new(sink: &Sink, formatter: Formatter, columns: Vec<Column>) -> Self {
        Self {
            formatter,
            plugin: sink.format.plugin.clone(),
            settings: sink.format.settings.to_json(),
            columns,
            kinds: sink.events.iter().map(ToString::to_string).collect(),
        }
    }

    fn kept(&self, call: &StoredCheckpoint) -> Kept {
        let understood = call.state.is_empty() || call.formatter.as_ref() == Some(&self.plugin);
        Kept { after: call.after, understood, context: call.call.context.clone() }
    }
}
