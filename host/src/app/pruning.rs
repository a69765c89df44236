//! Keeping the history within the bounds of `[history]`: a little at a time, so that a press never waits for it.

use punchcard_core::config::history::History;
use tracing::{info, warn};

use super::grant::chain;
use super::known_time::KnownTime;
use super::timer::sleep_until;
use crate::clock::Clock;
use crate::ledger::{Keep, Ledger};

/// Milliseconds between two looks. The bounds are days and megabytes: an hour more or less does not matter, and flash does.
const LOOK_AGAIN_MS: u64 = 3_600_000;

/// Prunes until the task is dropped. Nothing is pruned while the time is not known, and nothing that a sink still needs.
pub(super) async fn prune(history: History, ledger: Ledger, clock: Clock, time: KnownTime) {
    loop {
        let now = time.now(&clock);
        let keep = Keep { keep_for: history.keep_for, bytes: history.keep_bytes };
        let pruned = if now.known { ledger.prune(keep, now.wall).await.map(Some) } else { Ok(None) };
        match pruned {
            Ok(Some(pruned)) => {
                if pruned.events > 0 {
                    info!(events = pruned.events, "old events were pruned");
                }
                if let Some(sink) = pruned.held_by {
                    warn!(%sink, "old events can't be pruned: the sink is not done with them");
                } else if pruned.more {
                    continue;
                }
            }
            Ok(None) => {}
            Err(error) => warn!(error = chain(error), "old events can't be pruned"),
        }
        sleep_until(&clock, clock.monotonic_ms() + LOOK_AGAIN_MS).await;
    }
}
