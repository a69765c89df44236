//! The clock of running calls: it moves the engine's epoch while there are any, and sleeps while there are none.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wasmtime::EngineWeak;

/// How long a guest computes before others get its thread. A limit is overrun by at most two epochs.
const EPOCH: Duration = Duration::from_millis(10);
/// Epochs without a call after which the thread sleeps. Waking it costs more than a call of a small plugin.
const IDLE_EPOCHS: u32 = 50;

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    woken: Condvar,
}

#[derive(Default)]
struct State {
    running: usize,
    asleep: bool,
    ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Owns the thread, which ends with it.
pub(super) struct Watchdog {
    shared: Arc<Shared>,
}

/// A call is running.
pub(super) struct Watch {
    shared: Arc<Shared>,
}

impl Watchdog {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub(super) fn start(engine: EngineWeak) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new().name("watchdog".into()).spawn(move || keep_watch(&theirs, &engine))?;
        Ok(Self { shared })
    }

    /// Says that a call runs, until the result is dropped.
    pub(super) fn watch(&self) -> Watch {
        let mut state = self.shared.lock();
        state.running += 1;
        if state.asleep {
            self.shared.woken.notify_one();
        }
        Watch { shared: Arc::clone(&self.shared) }
    }

    /// Calls that are watched.
    #[cfg(test)]
    pub(super) fn running(&self) -> usize {
        self.shared.lock().running
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.woken.notify_one();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.lock().running -= 1;
    }
}

fn keep_watch(shared: &Shared, engine: &EngineWeak) {
    let mut idle_epochs = 0;
    let mut state = shared.lock();
    while !state.ended {
        idle_epochs = if state.running > 0 { 0 } else { idle_epochs + 1 };
        if idle_epochs > IDLE_EPOCHS {
            state.asleep = true;
            state = shared.woken.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.asleep = false;
            idle_epochs = 0;
        } else {
            state = shared.woken.wait_timeout(state, EPOCH).unwrap_or_else(PoisonError::into_inner).0;
            let Some(engine) = engine.upgrade() else { return };
            engine.increment_epoch();
        }
    }
}
