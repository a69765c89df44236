//! What becomes of a ledger whose disk took what was written and did not confirm that it has it: it latches.
//!
//! Nothing is written any more, and the host says so and ends; what it left is dealt with by the next start, before anything
//! is added ([`log_file`](super::log_file)). A repair beside a disk that refuses would have to be right for whatever that
//! disk refuses next.
//!
//! One thing can't wait for the next start. SQLite writes a commit into the log in frames, the last of which says that it is
//! one, and then syncs the log (`walFrames`). Where only the sync fails, all frames are there: whoever opens the file anew
//! takes them for a commit, and nothing tells it from one that was confirmed just before a kill. So the host that was refused
//! cuts them off, before it tells anybody. Where that can't be done either, or is not confirmed, it is said
//! ([`StorageError::InDoubt`]).
//!
//! A disk that is full is another matter: of a write that failed no commit is left, and the next one may find room.

use std::io;
use std::sync::Arc;

use rusqlite::ffi::{SQLITE_FULL, SQLITE_IOERR_FSYNC, SQLITE_IOERR_WRITE};
use rusqlite::{Connection, ErrorCode};
use tokio::sync::watch;

use super::error::StorageError;
use super::log_file::LogFile;
use super::log_frames;

/// Whether anything is still written.
#[derive(Debug)]
pub(super) struct Latch {
    is_closed: watch::Sender<bool>,
}

impl Latch {
    /// An open one, and what is told when it closes.
    pub(super) fn open() -> (Self, watch::Receiver<bool>) {
        let (is_closed, told) = watch::channel(false);
        (Self { is_closed }, told)
    }

    pub(super) fn is_closed(&self) -> bool {
        *self.is_closed.borrow()
    }

    /// Before anything is written.
    pub(super) fn check(&self) -> Result<(), StorageError> {
        if self.is_closed() { Err(StorageError::Latched) } else { Ok(()) }
    }

    /// After a commit that failed like this. Closes, unless nothing of it is left.
    pub(super) fn commit_failed(&self, error: rusqlite::Error, connection: &Connection, log: &LogFile) -> StorageError {
        if leaves_nothing(&error) {
            return error.into();
        }
        self.is_closed.send_replace(true);
        let source = Arc::new(error);
        let end = log_frames::end_of_log(connection).map_err(io::Error::other);
        match end.and_then(|end| log.cut_off(end)) {
            Ok(()) => StorageError::Unconfirmed(source),
            Err(error) => {
                tracing::error!(%error, "a write that failed is not known to be undone: the next start may bring it back");
                StorageError::InDoubt(source)
            }
        }
    }

    /// After a move of the log into the main file that failed like this. Closes where the disk may have given up what was
    /// moved: SQLite would begin the log anew after the next move, which does not move that once more.
    pub(super) fn move_failed(&self, error: &rusqlite::Error) {
        if extended_code(error) == Some(SQLITE_IOERR_FSYNC) {
            tracing::error!(%error, "the disk did not confirm what was moved into the ledger's main file");
            self.is_closed.send_replace(true);
        } else {
            tracing::warn!(%error, "the ledger's log could not be moved into its main file; that is tried again");
        }
    }
}

/// Whether no commit is left of one that failed like this. Where a write failed, its last frame is not whole: they are
/// written in order. What the tables forbid is not written at all. Every other error may come after the frames, that of the
/// log's index too.
fn leaves_nothing(error: &rusqlite::Error) -> bool {
    matches!(extended_code(error), Some(SQLITE_FULL | SQLITE_IOERR_WRITE))
        || matches!(error.sqlite_error_code(), Some(ErrorCode::ConstraintViolation | ErrorCode::DatabaseBusy))
}

fn extended_code(error: &rusqlite::Error) -> Option<i32> {
    error.sqlite_error().map(|error| error.extended_code)
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn only_what_leaves_no_commit_is_gone_on_after() {
        let table = [
            (SQLITE_FULL, true),
            (SQLITE_IOERR_WRITE, true),
            (ffi::SQLITE_CONSTRAINT_FOREIGNKEY, true),
            (ffi::SQLITE_BUSY, true),
            (SQLITE_IOERR_FSYNC, false),
            (ffi::SQLITE_IOERR_SHMSIZE, false),
            (ffi::SQLITE_IOERR_SHMMAP, false),
            (ffi::SQLITE_IOERR_NOMEM, false),
            (ffi::SQLITE_NOMEM, false),
        ];
        for (code, expected) in table {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            assert_eq!(leaves_nothing(&error), expected, "{code}");
        }
    }

    #[test]
    fn a_move_that_is_refused_a_sync_is_the_last_and_others_are_tried_again() {
        for (code, expected) in [(SQLITE_FULL, false), (ffi::SQLITE_BUSY, false), (SQLITE_IOERR_FSYNC, true)] {
            let (latch, told) = Latch::open();
            latch.move_failed(&rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
            assert_eq!((latch.is_closed(), *told.borrow()), (expected, expected), "{code}");
        }
    }
}
