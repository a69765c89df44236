//! Whether the device knows the time, and the events that were made before it did.
//!
//! The ledger is told when the time becomes known, when the kernel is synchronised after that, and whenever it sets its clock
//! then: what was recorded before gets its true time, and no clock that was wrong once counts as the last time seen.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use punchcard_core::time::{Now, Standing};
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
/// A clock that moves by more than this against the monotonic one was set, in µs.
const WAS_SET: u64 = 1_000_000;

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

    /// Waits until the time is known.
    pub(super) async fn known(&self, clock: &Clock) {
        while !self.now(clock).is_known() {
            sleep_until(clock, clock.monotonic_ms() + LOOK_AGAIN_MS).await;
        }
    }

    /// Tells the ledger and the panel when the time becomes known, and now and then how late it is.
    pub(super) async fn keep(self, clock: Clock, ledger: Ledger, display: Display) {
        let mut told: Option<Told> = None;
        let mut seen_ms = clock.monotonic_ms();
        loop {
            let now = self.now(&clock);
            let now_ms = now.monotonic.milliseconds;
            display.note(|panel, now_ms| panel.set_wall(now.is_known().then_some(now.wall), now_ms));
            if now.is_known() {
                let is_news = told.is_none_or(|told| told.is_outdated(&now));
                if is_news && now.standing == Standing::Synchronised {
                    // What another clock said is not the last time seen.
                    self.last_seen.store(now.wall.unix_micros, Ordering::Relaxed);
                }
                self.see(now.wall.unix_micros);
                if is_news {
                    match ledger.learn_time(&now).await {
                        Ok(()) => {
                            told = Some(Told { standing: now.standing, zero: now.zero() });
                            info!(synchronised = now.standing == Standing::Synchronised, "the time is known");
                        }
                        Err(error) => warn!(error = chain(error), "the ledger can't be told the time"),
                    }
                }
                if now_ms.saturating_sub(seen_ms) >= SEE_AGAIN_MS {
                    let ran_for_ms = now_ms - seen_ms;
                    seen_ms = now_ms;
                    if let Err(error) = ledger.see_time(now.wall, ran_for_ms).await {
                        warn!(error = chain(error), "the ledger can't be told the time");
                    }
                }
            }
            let pause_ms = if told.is_some() { SET_AGAIN_MS } else { LOOK_AGAIN_MS };
            sleep_until(&clock, now_ms + pause_ms).await;
        }
    }
}

/// What the ledger was told.
#[derive(Debug, Clone, Copy)]
struct Told {
    standing: Standing,
    zero: i64,
}

impl Told {
    /// Whether the ledger should hear of the time again. A clock that the kernel does not stand for may be set as often as a
    /// person likes.
    fn is_outdated(self, now: &Now) -> bool {
        now.standing == Standing::Synchronised
            && (self.standing != Standing::Synchronised || now.zero().abs_diff(self.zero) > WAS_SET)
    }
}
