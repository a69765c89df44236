//! Whether the device knows the time, and the events that were made before it did.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use punchcard_core::time::Now;
use tracing::{info, warn};

use super::display::Display;
use super::grant::chain;
use super::timer::sleep_until;
use crate::clock::Clock;
use crate::ledger::Ledger;

/// Milliseconds after which is looked whether the time is known by now.
const LOOK_AGAIN_MS: u64 = 1_000;
/// Milliseconds after which the ledger is told how late it is, where no event tells: once an hour spares the card.
const SEE_AGAIN_MS: u64 = 3_600_000;
/// Milliseconds after which the panel's clock is set again.
const SET_AGAIN_MS: u64 = 30_000;

/// The latest time that was believed. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct KnownTime {
    last_seen: Arc<AtomicI64>,
}

impl KnownTime {
    /// `last_seen`: what the ledger remembers, in Unix microseconds.
    pub(super) fn new(last_seen: Option<i64>) -> Self {
        Self { last_seen: Arc::new(AtomicI64::new(last_seen.unwrap_or(i64::MIN))) }
    }

    /// What the clocks say.
    pub(super) fn now(&self, clock: &Clock) -> Now {
        clock.now(self.last_seen.load(Ordering::Relaxed))
    }

    /// It was that late, in Unix microseconds.
    pub(super) fn see(&self, unix_micros: i64) {
        self.last_seen.fetch_max(unix_micros, Ordering::Relaxed);
    }

    /// Tells the ledger and the panel when the time becomes known, and now and then how late it is.
    pub(super) async fn keep(self, clock: Clock, ledger: Ledger, display: Display) {
        let mut told = false;
        let mut seen_ms = clock.monotonic_ms();
        loop {
            let now = self.now(&clock);
            let now_ms = now.monotonic.milliseconds;
            display.note(|panel, now_ms| panel.set_wall(now.known.then_some(now.wall), now_ms));
            if now.known {
                self.see(now.wall.unix_micros);
                if !told {
                    match ledger.learn_time(&now).await {
                        Ok(()) => {
                            told = true;
                            info!("the time is known");
                        }
                        Err(error) => warn!(error = chain(error), "the ledger can't be told the time"),
                    }
                }
                if now_ms.saturating_sub(seen_ms) >= SEE_AGAIN_MS {
                    seen_ms = now_ms;
                    if let Err(error) = ledger.see_time(now.wall).await {
                        warn!(error = chain(error), "the ledger can't be told the time");
                    }
                }
            }
            let pause_ms = if told { SET_AGAIN_MS } else { LOOK_AGAIN_MS };
            sleep_until(&clock, now_ms + pause_ms).await;
        }
    }
}
