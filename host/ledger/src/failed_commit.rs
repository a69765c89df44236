//! What a commit that failed leaves in the log.
//!
//! SQLite writes a commit into the log in frames, the last of which says that it is one, and then syncs the log
//! (`walFrames`). Where only the sync fails, all frames are there. For this process the commit was none: its next one is
//! written over them. But whoever opens the file after this process was killed reads the log anew, and takes them for a
//! commit: what a person was told is not recorded would be there.
//!
//! So something else is written over their beginning at once. A frame's checksum covers those before it (SQLite file format
//! §4.1): what is left behind is not read any more. A commit alone would not do: one that fails at a sync has written its
//! frames, or none of them yet, where it was the header of a log that is begun anew.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::ffi::{SQLITE_FULL, SQLITE_IOERR_WRITE};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::error::StorageError;
use super::wal;

/// What no commit ever holds, and after two times what was there. One page: the table has one row.
const TURN_OVER: &str = "UPDATE history SET pruned_through = -1 - pruned_through";
/// Somebody who begins to read may keep the lock for a moment.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is left in the log of the last commit that failed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailedCommit {
    /// Nothing that anybody would read.
    #[default]
    Nothing,
    /// Its beginning is written over, which the disk has not confirmed. A commit of the same bytes would make it whole again,
    /// even where one of its own later writes fails.
    Covered,
    /// All of it, perhaps.
    Left,
}

impl FailedCommit {
    /// Before anything else is written: writes over what is left. Where that can't be written, it stays, and is written over
    /// by what comes.
    pub(super) fn settle(&mut self, connection: &mut Connection, path: &Path) {
        if *self == Self::Left {
            *self = cover(connection, path);
        }
    }

    /// After steps that were undone. Where they wrote the bytes of the commit before into the log, as far as they went, that
    /// one is whole again.
    pub(super) fn undone(&mut self, connection: &mut Connection, path: &Path) {
        if *self != Self::Nothing {
            *self = cover(connection, path);
        }
    }

    /// After a commit that went well, which may have written nothing.
    pub(super) fn committed(&mut self, connection: &mut Connection) {
        if *self == Self::Covered {
            *self = confirm(connection);
        }
    }

    /// After a commit that failed like this: writes over what it left. The answer says whether that went well.
    pub(super) fn failed(&mut self, error: rusqlite::Error, connection: &mut Connection, path: &Path) -> StorageError {
        if *self == Self::Nothing && !may_be_left(&error) {
            return error.into();
        }
        *self = cover(connection, path);
        if *self == Self::Left { StorageError::InDoubt(Arc::new(error)) } else { error.into() }
    }
}

/// Whether all of a commit that failed like this may be in the log, where nothing was left there before. Where a write failed,
/// its last frame is not whole: they are written in order. Every other error may come after them, that of the log's index
/// too.
fn may_be_left(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    !matches!(code, Some(SQLITE_FULL | SQLITE_IOERR_WRITE))
}

/// Writes over what is left, in the log of the file at `path`.
fn cover(connection: &mut Connection, path: &Path) -> FailedCommit {
    match write_over(path) {
        Ok(()) => confirm(connection),
        Err(error) => {
            tracing::error!(%error, "a write that failed can't be undone: a restart may bring it back");
            FailedCommit::Left
        }
    }
}

/// Writes a frame that belongs to no commit. Without a sync: it is certain that it was written when this returns.
fn write_over(path: &Path) -> Result<(), rusqlite::Error> {
    // Another connection: those of the writer always sync.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    wal::keep(&connection)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if transaction.execute(TURN_OVER, [])? != 1 {
        return Err(rusqlite::Error::QueryReturnedNoRows);
    }
    transaction.cache_flush()?;
    transaction.rollback()
}

/// Makes durable what the log holds, by a commit that changes nothing. Until then a power cut may bring what was written
/// over.
fn confirm(connection: &mut Connection) -> FailedCommit {
    let commit = |connection: &mut Connection| -> Result<(), rusqlite::Error> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Where a cell is given what it has, SQLite writes no page.
        for _ in 0..2 {
            transaction.execute(TURN_OVER, [])?;
        }
        transaction.commit()
    };
    match commit(connection) {
        Ok(()) => FailedCommit::Nothing,
        Err(error) => {
            tracing::warn!(%error, "a write that failed is undone, and the disk does not confirm that: a power cut may bring it back");
            FailedCommit::Covered
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn only_a_write_that_failed_leaves_no_commit() {
        let table = [
            (SQLITE_FULL, false),
            (SQLITE_IOERR_WRITE, false),
            (ffi::SQLITE_IOERR_FSYNC, true),
            (ffi::SQLITE_IOERR_SHMSIZE, true),
            (ffi::SQLITE_IOERR_SHMMAP, true),
            (ffi::SQLITE_IOERR_NOMEM, true),
            (ffi::SQLITE_NOMEM, true),
        ];
        for (code, expected) in table {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            assert_eq!(may_be_left(&error), expected, "{code}");
        }
    }
}
