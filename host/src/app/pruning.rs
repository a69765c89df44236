//! Keeping the history within the bounds of `[history]`: when enough has gathered, and then a little at a time, so that a
//! press never waits for it.

use std::sync::Arc;

use punchcard_core::time::Instant;
use tokio::sync::watch;
use tracing::{info, warn};

use super::error_chain::chain;
use super::known_time::KnownTime;
use super::part::roster::Parts;
use super::timer::sleep_until;
use crate::clock::Clock;
use punchcard_ledger::{Keep, Ledger, StorageError};

/// Milliseconds between two looks. The bounds are days and megabytes: an hour more or less does not matter, and flash does.
const LOOK_AGAIN_MS: u64 = 3_600_000;

/// Prunes until the task is dropped. Nothing is pruned while the time is not known, and nothing that a sink still needs.
pub(super) async fn prune(parts: watch::Receiver<Arc<Parts>>, ledger: Ledger, clock: Clock, time: KnownTime) {
    let mut at_work = false;
    loop {
        let history = parts.borrow().configuration.history;
        let keep = Keep { keep_for: history.keep_for, bytes: history.keep_bytes };
        let now = time.now(&clock);
        if now.is_known() {
            match look(&ledger, keep, now.wall, at_work).await {
                Ok(more) => at_work = more,
                Err(error) => {
                    at_work = false;
                    warn!(error = chain(error), "old events can't be pruned");
                }
            }
        }
        if !at_work {
            sleep_until(&clock, clock.monotonic_ms() + LOOK_AGAIN_MS).await;
        }
    }
}

/// Prunes some, where enough has gathered or pruning has begun. Whether there is more.
async fn look(ledger: &Ledger, keep: Keep, now: Instant, at_work: bool) -> Result<bool, StorageError> {
    if !at_work && !ledger.is_beyond(keep.with_slack(), now).await? {
        return Ok(false);
    }
    let pruned = ledger.prune(keep, now).await?;
    if pruned.events > 0 {
        info!(events = pruned.events, "old events were pruned");
    }
    if pruned.undecided > 0 {
        let count = pruned.undecided;
        warn!(count, "what was set aside, and nobody decided on, was pruned and counts as dropped");
    }
    if let Some(sink) = pruned.held_by
        && !pruned.more
    {
        warn!(%sink, "old events can't be pruned: the sink is not done with them, or waits for a person (`punchcard rejects`)");
    }
    Ok(pruned.more)
}
