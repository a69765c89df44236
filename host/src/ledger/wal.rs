//! Moves SQLite's log into the main file, outside of every commit that somebody waits for.
//!
//! A thread with a connection of its own does it: a passive checkpoint never blocks the writer. While a backlog is
//! written faster than that, the log would grow without end; then everything but presses waits for the thread.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};

use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, OpenFlags};

use super::writer::Queue;

/// Frames of one page and its header (SQLite file format §4.1).
const FRAME_BYTES: i64 = 4096 + 24;
/// Worth moving: 4 MiB. A press adds two frames, so this is every five hundred presses.
const WORTH_FRAMES: i32 = 1000;
/// Everything but presses waits: 16 MiB.
const MOST_FRAMES: i32 = 4000;
/// How large the log's file may stay once it is moved.
pub(super) const USUAL_BYTES: i64 = (WORTH_FRAMES as i64) * FRAME_BYTES;

/// The thread that moves the log.
pub(super) struct Mover {
    wake: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Mover {
    pub(super) fn start(path: &Path, queue: Arc<Queue>) -> std::io::Result<Self> {
        let path = path.to_owned();
        let (wake, woken) = sync_channel(1);
        let thread = Builder::new().name("ledger-log".to_owned()).spawn(move || move_log(&path, &queue, &woken))?;
        Ok(Self { wake, thread })
    }

    /// Looks how long the log is, after a commit.
    pub(super) fn look(&self, connection: &Connection, queue: &Queue) {
        let Ok((length, moved)) = connection.wal_checkpoint_v2(None::<&str>, CheckpointMode::NOOP) else {
            // The commit that came before went well; the next one will say what is wrong.
            return;
        };
        let behind = length.saturating_sub(moved);
        // SQLite begins the log anew only when nothing of it is left to move. Beside a writer that never pauses, that
        // moment would not come.
        let hold = length >= MOST_FRAMES && behind > 0;
        if hold {
            queue.hold();
        } else if behind < WORTH_FRAMES {
            return;
        }
        if let Err(TrySendError::Disconnected(())) = self.wake.try_send(()) {
            queue.release();
        }
    }

    pub(super) fn stop(self) {
        drop(self.wake);
        if self.thread.join().is_err() {
            tracing::error!("the thread that moves the ledger's log panicked");
        }
    }
}

fn move_log(path: &Path, queue: &Queue, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        if let Err(error) = move_once(path) {
            tracing::warn!(error = %error, "the ledger's log could not be moved into its main file; it goes on growing");
        }
        queue.release();
    }
}

fn move_once(path: &Path) -> Result<(), rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // A connection that has read nothing yet does not know of the log, and would move nothing without a word.
    connection.query_row("SELECT one FROM history", [], |_| Ok(()))?;
    connection.wal_checkpoint_v2(None::<&str>, CheckpointMode::PASSIVE)?;
    Ok(())
}
