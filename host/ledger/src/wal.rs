//! SQLite's log: grown once, kept, and moved into the main file outside of every commit that somebody waits for.
//!
//! A file that grows costs the file system an entry in its own journal with each commit, and a flash card twice the
//! writes. So the log gets its usual size before it is opened, in zeros, which end it like any frame whose checksum is
//! wrong (SQLite file format §4.1). It keeps that size: when the ledger is closed it is emptied, not removed, and what a
//! backlog made of it is cut to that size when it is begun anew.
//!
//! SQLite begins the log anew when all of it has been moved and then somebody writes. The writing thread moves it with a
//! passive checkpoint, which waits for nobody: when it has nothing else to do, and while it always has, once the log is
//! longer than it should be. A press that comes just then waits for it, one of some six hundred.
//!
//! Once a move has failed, what was moved before is written anew with the next one
//! ([`fsync_recovery`](super::fsync_recovery)): a part that was moved while somebody read is not durable yet, and SQLite would
//! take it for that.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode};

use super::fsync_recovery::{self, FRAME_HEADER_BYTES};
use super::log_frames::LogFrames;

/// What stands before the frames (SQLite file format §4.1).
const HEADER_BYTES: usize = 32;

/// Worth moving: some six hundred presses, each a page of 1 KiB.
const WORTH_BYTES: i64 = 768 << 10;
/// How large the log's file is: what is worth moving, and room for what comes while it is moved.
pub(super) const USUAL_BYTES: i64 = 1 << 20;
/// It is moved although somebody waits.
const LATE_BYTES: i64 = USUAL_BYTES + WORTH_BYTES / 2;

/// How long a ledger that is closed waits for those who read an older state.
const CLOSING_PATIENCE: Duration = Duration::from_millis(200);

/// The log of a ledger's file.
pub(super) fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// Makes the log's file as long as it usually is. What it holds stays. Nobody else writes to it.
pub(super) fn grow(log: &Path) -> io::Result<()> {
    let usual = USUAL_BYTES.unsigned_abs();
    let is_new = !log.try_exists()?;
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(log)?;
    let length = file.metadata()?.len();
    if length >= usual {
        return Ok(());
    }
    let missing = usize::try_from(usual - length).unwrap_or(0);
    // Zeros that are written, and not a hole: a hole would be filled, and noted by the file system, page by page.
    file.write_all_at(&vec![0; missing], length)?;
    file.sync_all()?;
    match log.parent() {
        Some(folder) if is_new => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

/// Leaves the log to this program, which keeps it: without this, SQLite removes it with the last connection.
pub(super) fn keep(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // `grow` gave it its size; a backlog gives it more.
    connection.pragma_update(None, "journal_size_limit", USUAL_BYTES)
}

/// Moves the log into the main file.
pub(super) struct Checkpoints {
    frame_bytes: i64,
    /// A move has failed since what was moved is certain to be durable.
    failed: bool,
}

impl Checkpoints {
    pub(super) fn of_pages(page_bytes: i64) -> Self {
        Self { frame_bytes: page_bytes + FRAME_HEADER_BYTES, failed: false }
    }

    /// Looks how long the log is, after a commit. `is_idle`: nobody waits for the writer.
    pub(super) fn look(&mut self, connection: &Connection, is_idle: bool) {
        let Ok(frames) = LogFrames::look(connection) else {
            // The commit that came before went well; the next one will say what is wrong.
            return;
        };
        let bytes = |frames: i32| i64::from(frames) * self.frame_bytes;
        if is_due(bytes(frames.all), bytes(frames.all.saturating_sub(frames.moved)), is_idle)
            && let Err(error) = self.perform(connection)
        {
            tracing::warn!(%error, "the ledger's log could not be moved into its main file; that is tried again");
        }
    }

    /// Checkpoints the log; true if nothing of it remains. Something does while somebody reads an older state.
    pub(super) fn perform(&mut self, connection: &Connection) -> Result<bool, rusqlite::Error> {
        if self.failed {
            fsync_recovery::renew_moved(connection)?;
            self.failed = false;
        }
        match LogFrames::checkpoint(connection) {
            Ok(frames) => Ok(frames.all == frames.moved),
            Err(error) => {
                // Where another program moves it, nothing has failed.
                self.failed |= error.sqlite_error_code() != Some(ErrorCode::DatabaseBusy);
                Err(error)
            }
        }
    }

    #[cfg(test)]
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Moves all of the log and empties it, before the connection is closed. Where somebody else has the file open the log
    /// stays as it is, as SQLite leaves it too, and is moved after the next start. The writing thread has written its last.
    pub(super) fn empty(mut self, connection: &Connection, log: &Path) {
        match self.perform_last(connection) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::info!(error = %error, "the ledger's log stays, for somebody reads it or the disk refuses; it is moved after the next start");
                return;
            }
        }
        // What was moved is durable, and nobody has SQLite's index of the log. Without its header the log holds nothing: it
        // is not read at the next start, and does no harm beside a file that somebody brought back from a copy.
        let clear = || {
            let file = OpenOptions::new().write(true).open(log)?;
            file.write_all_at(&[0; HEADER_BYTES], 0)?;
            file.sync_data()
        };
        if let Err(error) = clear() {
            tracing::warn!(error = %error, "the ledger's log is not emptied; nothing is lost");
        }
    }

    /// Checkpoints the log, with the file to ourselves until the connection is closed; true if nothing of it remains.
    fn perform_last(&mut self, connection: &Connection) -> Result<bool, rusqlite::Error> {
        connection.busy_timeout(CLOSING_PATIENCE)?;
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        // The lock is taken with the next write.
        connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK")?;
        self.perform(connection)
    }
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

    #[test]
    fn a_log_is_grown_once_and_keeps_what_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let log = log_of(&folder.path().join("ledger.sqlite"));
        std::fs::write(&log, b"what it holds").unwrap();
        grow(&log).unwrap();
        let grown = std::fs::read(&log).unwrap();
        assert_eq!(grown.len() as i64, USUAL_BYTES);
        assert!(grown.starts_with(b"what it holds\0") && grown[13..].iter().all(|byte| *byte == 0));
        std::fs::write(&log, vec![7; grown.len() + 1]).unwrap();
        grow(&log).unwrap();
        assert_eq!(std::fs::read(&log).unwrap(), vec![7; grown.len() + 1]);
    }
}
