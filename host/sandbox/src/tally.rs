//! What became of a plugin's calls since it was loaded, counted. The way of every call counts; who asks, reads.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use punchcard_core::plugin::PluginError;
use punchcard_core::plugin_version::Calls;

use super::call::CallError;

/// The counts of one plugin that was loaded.
#[derive(Debug, Default)]
pub struct Tally {
    calls: AtomicU64,
    micros: AtomicU64,
    work: AtomicU64,
    peak_memory_bytes: AtomicUsize,
    broken: Mutex<Broken>,
}

/// What went wrong.
#[derive(Debug, Default)]
struct Broken {
    calls: Calls,
    last: Option<String>,
}

/// The counts at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counted {
    /// Calls.
    pub calls: u64,
    /// How long they took together, with what they waited for.
    pub took: Duration,
    /// The most linear memory that one call had, in bytes.
    pub peak_memory_bytes: usize,
    /// Those that brought no value, by kind, and what was done with those that did.
    pub outcomes: Calls,
    /// Why the last one that brought no value did not.
    pub last_error: Option<String>,
}

impl Tally {
    /// What was counted until now.
    #[must_use]
    pub fn read(&self) -> Counted {
        let broken = self.lock();
        Counted {
            calls: self.calls.load(Ordering::Relaxed),
            took: Duration::from_micros(self.micros.load(Ordering::Relaxed)),
            peak_memory_bytes: self.peak_memory_bytes.load(Ordering::Relaxed),
            outcomes: Calls { work: self.work.load(Ordering::Relaxed), ..broken.calls.clone() },
            last_error: broken.last.clone(),
        }
    }

    /// Something came of a call: an event was formatted, a batch delivered, a lease renewed, a chip read.
    pub fn note_work(&self) {
        self.work.fetch_add(1, Ordering::Relaxed);
    }

    /// A person is waited for because of what the plugin said.
    pub fn note_hold(&self) {
        self.lock().calls.holds += 1;
    }

    /// All that a call was given was refused for good.
    pub fn note_refusal(&self, reason: &str) {
        let mut broken = self.lock();
        broken.calls.refusals += 1;
        broken.last = Some(reason.to_owned());
    }

    /// A call ended. `memory_bytes`: the linear memory that it had in the end, which is the most that it ever had.
    pub(super) fn note_call(&self, took: Duration, memory_bytes: usize) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
        self.peak_memory_bytes.fetch_max(memory_bytes, Ordering::Relaxed);
    }

    pub(super) fn note_error(&self, error: &CallError) {
        let mut broken = self.lock();
        let calls = &mut broken.calls;
        let counted = match error {
            CallError::Trapped { .. } | CallError::Refused { .. } => &mut calls.traps,
            CallError::Deadline { .. } => &mut calls.deadlines,
            CallError::Returned(PluginError::UnknownState) => &mut calls.unknown_states,
            CallError::Returned(_) => &mut calls.errors,
        };
        *counted += 1;
        broken.last = Some(error.to_string());
    }

    fn lock(&self) -> MutexGuard<'_, Broken> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
