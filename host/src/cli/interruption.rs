//! What is removed when a command is interrupted (Ctrl-C) or told to end while it makes something. Its last step is not
//! interrupted: what it makes is there whole, or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::exit;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::output::say_line;

/// A file or folder that is being made. It is removed when the command is interrupted.
pub(super) struct Unfinished {
    path: Arc<Mutex<Option<PathBuf>>>,
}

impl Unfinished {
    /// Watches from now on, until the process ends.
    ///
    /// # Errors
    /// When the system refuses a thread or a signal's handler.
    pub(super) fn watch(path: PathBuf) -> io::Result<Self> {
        let path = Arc::new(Mutex::new(Some(path)));
        let unfinished = Self { path: Arc::clone(&path) };
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (mut interrupt, mut terminate) = {
            let _entered = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        Builder::new().name("interruption".to_owned()).spawn(move || {
            let kind = runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => SignalKind::interrupt(),
                    _ = terminate.recv() => SignalKind::terminate(),
                }
            });
            // Held until the process has ended: nothing is finished behind this.
            let mut unfinished = lock(&path);
            if let Some(path) = unfinished.take()
                && let Err(error) = remove(&path)
            {
                say_line(format_args!("{} is of no use and can't be removed: {error}", path.display()));
            }
            // As shells have it of a process that a signal ended.
            exit(128 + kind.as_raw_value());
        })?;
        Ok(unfinished)
    }

    /// Does the last step, after which it stays.
    pub(super) fn finish<T>(&self, last_step: impl FnOnce() -> T) -> T {
        let mut unfinished = lock(&self.path);
        let done = last_step();
        *unfinished = None;
        done
    }
}

fn lock(path: &Mutex<Option<PathBuf>>) -> MutexGuard<'_, Option<PathBuf>> {
    path.lock().unwrap_or_else(PoisonError::into_inner)
}

fn remove(path: &Path) -> io::Result<()> {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}
