//! Corrections of a sink's rows, as a part of its formatting: between two calls, so that nothing is made meanwhile from a
//! state that is replaced.

use punchcard_core::event::Sequence;
use thiserror::Error;
use tokio::sync::oneshot;
use tracing::{debug, info, warn};

use super::super::error_chain::chain;
use super::super::replay::{NotCorrected, Replay, ReplayError};
use super::{Formatting, Said};
use punchcard_ledger::{BootTimes, CommitError, SinkError};
use punchcard_sandbox::cache::hexadecimal;

/// How often a replay is begun for a correction.
const MOST_TRIES: u32 = 3;

/// What is asked of a sink's formatting.
pub(in crate::app) enum FormattingCommand {
    /// To replay, and to keep what is different as corrections.
    Correct {
        /// From this event on.
        from: Sequence,
        /// The SHA-256 of the component with which whoever asks has replayed, in hexadecimal digits,
        component: String,
        /// and the settings.
        settings: String,
        /// Whether there may be something to correct.
        wanted: bool,
        /// For what it came to.
        reply: Reply,
    },
}

/// Where it is said what a correction came to.
type Reply = oneshot::Sender<Result<Corrected, String>>;

/// What was corrected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) struct Corrected {
    /// So many rows.
    pub(in crate::app) rows: u64,
    /// Up to this event.
    pub(in crate::app) through: Sequence,
}

/// Why nothing was corrected.
#[derive(Debug, Error)]
pub(super) enum CorrectionError {
    #[error(
        "the running host has another version of the plugin or other settings than plugins.toml names now; restart it, \
         and ask again"
    )]
    Another,
    #[error("nobody waits any more for what it comes to")]
    Unwanted,
    #[error("rows would be different by now; replay again")]
    NotWanted,
    #[error("the ledger can't be read")]
    Read(#[from] SinkError),
    #[error("there is no replay")]
    Replay(#[from] ReplayError),
    #[error(transparent)]
    NotCorrected(#[from] NotCorrected),
    #[error("the corrections were not kept")]
    Keep(#[from] CommitError),
}

impl Formatting {
    pub(super) async fn answer(&mut self, ask: FormattingCommand) {
        let FormattingCommand::Correct { from, component, settings, wanted, reply } = ask;
        let same = component == hexadecimal(self.by.formatter.sha256()) && settings == self.by.settings;
        let corrected = if same { self.correct(from, wanted, &reply).await } else { Err(CorrectionError::Another) };
        if reply.send(corrected.map_err(chain)).is_err() {
            debug!(sink = %self.sink, "nobody waits any more for what a correction came to");
        }
    }

    /// Replays, and keeps what is different; once more where the sink has moved meanwhile.
    async fn correct(&self, from: Sequence, wanted: bool, reply: &Reply) -> Result<Corrected, CorrectionError> {
        let mut tries = 1;
        loop {
            match self.try_to_correct(from, wanted, reply).await {
                Err(CorrectionError::Keep(CommitError::CursorMoved { .. } | CommitError::TimesLearnt))
                    if tries < MOST_TRIES =>
                {
                    tries += 1;
                }
                corrected => return corrected,
            }
        }
    }

    pub(super) async fn try_to_correct(
        &self,
        from: Sequence,
        wanted: bool,
        reply: &Reply,
    ) -> Result<Corrected, CorrectionError> {
        let ground = self.ledger.replay_ground(&self.sink).await?;
        let mut replay = Replay::begin(self.by.clone(), ground, from)?;
        while let Some(stretch) = replay.next().filter(|_| !reply.is_closed()) {
            let page = self.ledger.replay_page(&self.sink, stretch).await?;
            replay.format(page).await?;
        }
        if reply.is_closed() {
            return Err(CorrectionError::Unwanted);
        }
        let replayed = replay.end();
        let corrected = Corrected { rows: replayed.differences.len() as u64, through: replayed.through };
        if replayed.check().is_ok() && replayed.changes_nothing() {
            self.note_corrected(from, replayed.boots).await;
            return Ok(corrected);
        }
        if !wanted {
            return Err(CorrectionError::NotWanted);
        }
        let boots = replayed.boots.clone();
        let commit = replayed.into_correction(&self.by)?;
        let (set_aside, standing) = (commit.set_aside.len(), commit.standing.clone());
        self.ledger.correct(&self.sink, commit).await?;
        self.note_corrected(from, boots).await;
        let Corrected { rows, through } = corrected;
        info!(sink = %self.sink, from = from.0, through = through.0, rows, set_aside, "rows are corrected");
        self.rows.notify_one();
        self.say(Said::Standing(self.sink.clone(), standing));
        Ok(corrected)
    }

    /// Has it no longer said that times were wrong, where they are right now.
    async fn note_corrected(&self, from: Sequence, boots: BootTimes) {
        if let Err(error) = self.time.note_corrected(&self.ledger, &self.sink, from, boots).await {
            warn!(sink = %self.sink, error = chain(error), "it is still said that times were wrong");
        }
    }
}
