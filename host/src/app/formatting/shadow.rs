//! The state with which a version of a formatter goes on that is put back: the one that it would have if the version on trial
//! had never been.
//!
//! It is reckoned when it is needed, by a replay of the events that were formatted since, and not kept up beside the trial.
//! A formatter has nothing but its state, its events and the context of each call, and a context is kept once in some events: so
//! both come to the same where a formatter does not go by the time of the call. This one costs nothing while a trial goes well,
//! and begins anew after a power cut. Rows stay as they were made. An event that the version on trial refused is set aside, and
//! no part of the state until it is requeued.

use std::time::Duration;

use punchcard_core::event::Sequence;
use thiserror::Error;
use tracing::{info, warn};

use super::super::error_chain::chain;
use super::super::replay::{Refusal, Replay, ReplayError, Replayed};
use super::super::timer::sleep_until;
use super::{Formatting, READ_AGAIN_MS, Said};
use punchcard_ledger::{CommitError, OwedState, ReckonedState, ReplayGround, SinkError};

/// Milliseconds that the replay may take: what was pressed meanwhile waits for it.
const MOST_MS: u64 = 60_000;

/// Why there is no such state.
#[derive(Debug, Error)]
enum ShadowError {
    /// It is asked for once more.
    #[error("the ledger can't be read")]
    Read(#[from] SinkError),
    #[error("the events since can't be formatted again")]
    Replay(#[from] ReplayError),
    #[error("the version that is put back fails on event {}: {reason}", event.0)]
    Fails { event: Sequence, reason: String },
    #[error("formatting the events since takes more than {} s; event {} was reached", MOST_MS / 1_000, at.0)]
    TooLong { at: Sequence },
}

impl Formatting {
    /// Reckons the state that this version would have, where it is put back after another one was on trial. Where that can't be
    /// done it goes on with the state that the other one left.
    pub(super) async fn settle_owed_state(&self) {
        loop {
            match self.try_to_settle().await {
                Ok(()) => return,
                // The sink moved, or times were learnt: what was reckoned is reckoned again.
                Err(None) => {}
                Err(Some(reason)) => {
                    self.fail(reason);
                    sleep_until(&self.clock, self.clock.monotonic_ms() + READ_AGAIN_MS).await;
                }
            }
        }
    }

    /// The reason is there where the ledger refuses.
    async fn try_to_settle(&self) -> Result<(), Option<String>> {
        let owed = self.ledger.owed_state(&self.sink, *self.by.formatter.sha256()).await;
        let Some(owed) = owed.map_err(|error| Some(chain(error)))? else { return Ok(()) };
        let ground = self.ledger.replay_ground(&self.sink).await.map_err(|error| Some(chain(error)))?;
        let (after, through) = (owed.after, ground.cursor);
        let reckoned = match self.reckon(owed, ground).await {
            Ok(reckoned) => Some(reckoned),
            Err(error @ ShadowError::Read(_)) => return Err(Some(chain(error))),
            Err(error) => {
                warn!(sink = %self.sink, after = after.0, error = chain(error),
                    "the state that the formatter would have can't be reckoned; it goes on with the one that the version on trial left");
                None
            }
        };
        let is_reckoned = reckoned.is_some();
        let standing = reckoned.as_ref().and_then(|reckoned| reckoned.standing.clone());
        match self.ledger.settle_owed_state(&self.sink, through, reckoned).await {
            Ok(()) => {
                if is_reckoned {
                    info!(sink = %self.sink, after = after.0, through = through.0,
                        "the formatter goes on with the state that it would have without the version that was on trial");
                }
                if let Some(standing) = standing {
                    self.say(Said::Standing(self.sink.clone(), standing));
                }
                Ok(())
            }
            Err(CommitError::CursorMoved { .. } | CommitError::TimesLearnt) => Err(None),
            Err(error) => Err(Some(chain(error))),
        }
    }

    async fn reckon(&self, owed: OwedState, ground: ReplayGround) -> Result<ReckonedState, ShadowError> {
        let (after, through) = (owed.after, ground.cursor);
        if through <= after {
            // Nothing was formatted since.
            return Ok(self.reckoned(Replayed::new(through, owed.state), false));
        }
        let mut replay = Replay::since(self.by.clone(), ground, after, owed.state)?;
        let formatted = tokio::time::timeout(Duration::from_millis(MOST_MS), self.format_since(&mut replay)).await;
        match formatted {
            Ok(formatted) => formatted.map(|has_said| self.reckoned(replay.end(), has_said)),
            Err(_) => Err(ShadowError::TooLong { at: replay.at() }),
        }
    }

    /// Formats up to the replay's end. Returns whether there was any event for it: otherwise it has said nothing.
    async fn format_since(&self, replay: &mut Replay) -> Result<bool, ShadowError> {
        let mut has_said = false;
        while let Some(stretch) = replay.next() {
            let page = self.ledger.replay_page(&self.sink, stretch).await?;
            has_said |= page.events.iter().any(|event| !event.set_aside);
            replay.format(page).await?;
            // What the rest would come to is in vain.
            if let Some(Refusal { event, reason }) = replay.first_failure() {
                return Err(ShadowError::Fails { event: *event, reason: reason.clone() });
            }
        }
        Ok(has_said)
    }

    fn reckoned(&self, replayed: Replayed, has_said: bool) -> ReckonedState {
        ReckonedState {
            boots: replayed.boots,
            state: replayed.state,
            states: replayed.states,
            plugin_sha256: *self.by.formatter.sha256(),
            settings: self.by.settings.clone(),
            standing: has_said.then_some(replayed.standing),
        }
    }
}
