//! SQLite's log: kept, and moved into the main file outside of every commit that somebody waits for.
//!
//! It has its usual size from the beginning and keeps it ([`log_file`](super::log_file)): when the ledger is closed it is
//! emptied, not removed, and what a backlog made of it is cut to that size when it is begun anew.
//!
//! SQLite begins the log anew when all of it has been moved and then somebody writes. The writing thread moves it with a
//! passive checkpoint, which waits for nobody: when it has nothing else to do, and while it always has, once the log is
//! longer than it should be. A press that comes just then waits for it, one of some six hundred.
//!
//! Once the disk has not confirmed a move, nothing is moved or written any more ([`latch`](super::latch)).

use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::latch::Latch;
use super::log_file::LogFile;
use super::log_frames::{FRAME_HEADER_BYTES, LogFrames};

/// Worth moving: some six hundred presses, each a page of 1 KiB.
const WORTH_BYTES: i64 = 768 << 10;
/// How large the log's file is: what is worth moving, and room for what comes while it is moved.
pub(super) const USUAL_BYTES: i64 = 1 << 20;
/// It is moved although somebody waits.
const LATE_BYTES: i64 = USUAL_BYTES + WORTH_BYTES / 2;

/// How long a ledger that is closed waits for those who read an older state.
const CLOSING_PATIENCE: Duration = Duration::from_millis(200);

/// Leaves the log to this program, which keeps it: without this, SQLite removes it with the last connection.
pub(super) fn keep(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // `LogFile::grow` gave it its size; a backlog gives it more.
    connection.pragma_update(None, "journal_size_limit", USUAL_BYTES)
}

/// Moves the log into the main file.
pub(super) struct Checkpoints {
    frame_bytes: i64,
}

impl Checkpoints {
    pub(super) fn of_pages(page_bytes: i64) -> Self {
        Self { frame_bytes: page_bytes + FRAME_HEADER_BYTES }
    }

    /// Looks how long the log is, after a commit. `is_idle`: nobody waits for the writer.
    pub(super) fn look(&self, connection: &Connection, is_idle: bool, latch: &Latch) {
        let Ok(frames) = LogFrames::look(connection) else {
            // The commit that came before went well; the next one will say what is wrong.
            return;
        };
        let bytes = |frames: i32| i64::from(frames) * self.frame_bytes;
        if is_due(bytes(frames.all), bytes(frames.all.saturating_sub(frames.moved)), is_idle)
            && let Err(error) = LogFrames::checkpoint(connection)
        {
            latch.move_failed(&error);
        }
    }
}

/// Moves all of the log and empties it, before the connection is closed. Where somebody else has the file open the log
/// stays as it is, as SQLite leaves it too, and is moved after the next start. The writing thread has written its last.
pub(super) fn empty(connection: &Connection, log: &LogFile) {
    match move_last(connection) {
        Ok(frames) if frames.all == frames.moved => {}
        // Somebody reads an older state.
        Ok(_) => return,
        Err(error) => {
            tracing::info!(error = %error, "the ledger's log stays, for somebody reads it or the disk refuses; it is moved after the next start");
            return;
        }
    }
    // What was moved is durable, and nobody has SQLite's index of the log.
    if let Err(error) = log.empty() {
        tracing::warn!(error = %error, "the ledger's log is not emptied; nothing is lost");
    }
}

/// Checkpoints the log, with the file to ourselves until the connection is closed.
fn move_last(connection: &Connection) -> Result<LogFrames, rusqlite::Error> {
    connection.busy_timeout(CLOSING_PATIENCE)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    // The lock is taken with the next write.
    connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK")?;
    LogFrames::checkpoint(connection)
}

/// Whether the log is moved now: from its length since it was begun and what of it is not moved yet, both in bytes.
fn is_due(length: i64, behind: i64, is_idle: bool) -> bool {
    behind > 0 && length >= if is_idle { WORTH_BYTES } else { LATE_BYTES }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_moved_when_it_is_worth_it_and_nobody_waits_or_when_it_is_late() {
        let table = [
            // Length, of which not moved, nobody waits; it is moved.
            (0, 0, true, false),
            (WORTH_BYTES - 1, WORTH_BYTES - 1, true, false),
            (WORTH_BYTES, WORTH_BYTES, true, true),
            (WORTH_BYTES, 1, true, true),
            (WORTH_BYTES, 0, true, false),
            (LATE_BYTES - 1, LATE_BYTES - 1, false, false),
            (LATE_BYTES, LATE_BYTES, false, true),
            (LATE_BYTES, 0, false, false),
        ];
        for (length, behind, is_idle, expected) in table {
            assert_eq!(is_due(length, behind, is_idle), expected, "{length} bytes, {behind} behind, {is_idle}");
        }
    }
}
