//! What can go wrong with the file itself, apart from what any one operation refuses.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::ErrorCode;
use thiserror::Error;

/// Why the file could not be written or read, once it is open.
#[derive(Debug, Error)]
pub enum StorageError {
    /// There is no room left. Nothing of the operation was kept.
    #[error("the disk is full: nothing was recorded; make room on it")]
    Full,
    /// The file is no longer what was written.
    #[error("the ledger is damaged; stop the host, keep a copy, and recover it with `sqlite3 ledger.sqlite .recover`")]
    Damaged(#[source] rusqlite::Error),
    /// A value in it is none that the ledger writes.
    #[error("the ledger holds {what} that can't be read; keep a copy of it")]
    Unreadable {
        /// Which kind of value.
        what: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Anything else that the disk or SQLite refused.
    #[error("the ledger could not be written or read")]
    Refused(#[source] rusqlite::Error),
    /// The disk took it and did not say that it has it. It was taken back, and the ledger has latched.
    #[error("the card did not confirm what was written: nothing of it was recorded; the host has to be started anew")]
    Unconfirmed(#[source] Arc<rusqlite::Error>),
    /// The disk took it, did not say that it has it, and did not take it back either: the next start may bring it. The ledger
    /// has latched.
    #[error(
        "the card neither confirmed nor took back what was written: the next start may bring it; look with `punchcard \
         events` then, before it is done again"
    )]
    InDoubt(#[source] Arc<rusqlite::Error>),
    /// The disk did not confirm something before, and nothing was written since. Nothing of the operation was kept.
    #[error("nothing is recorded since the card did not confirm what was written; the host has to be started anew")]
    Latched,
    /// One more connection to read with could not be opened.
    #[error("the ledger could not be opened once more for reading")]
    Reopen(#[source] Box<OpenError>),
    /// The ledger was closed.
    #[error("the ledger is closed")]
    Stopped,
}

impl From<rusqlite::Error> for StorageError {
    fn from(source: rusqlite::Error) -> Self {
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(source),
            _ => Self::Refused(source),
        }
    }
}

/// Why the ledger could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The state folder can't be made or used.
    #[error("the state folder {path} can't be used; make it a folder that this user may write to")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another host has it.
    #[error("another host, process {pid}, is running on the state folder {path}; stop it first, or use another folder")]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The other process, as it wrote itself down.
        pid: String,
    },
    /// There is no ledger, where one is only read.
    #[error("there is no ledger at {path}; `punchcard run` makes one")]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file is not, or no longer, a ledger.
    #[error(
        "the ledger {path} is damaged: {what}; nothing was changed. Keep a copy, recover what is in it with `sqlite3 \
         {path} .recover`, or move it and its `-wal` away to start with an empty one"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// The file belongs to another program.
    #[error("{path} is an SQLite file of another program; move it away, or use another state folder")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file is a backup, which somebody has put in the ledger's place by hand.
    #[error(
        "{path} is a backup, and rows that wait in it may have been delivered since; move it to another folder, and put it \
         in place with `punchcard restore`"
    )]
    Backup {
        /// The file.
        path: PathBuf,
    },
    /// What a person had restored could not be put in its place. The next try goes on where this one ended.
    #[error("what is to be restored could not be put in the place of the ledger {path}")]
    Restore {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file was written by a later version of this program.
    #[error(
        "the ledger {path} has version {found}, and this punchcard knows versions up to {known}; install the newer \
         punchcard again, or use another state folder"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest that is known here.
        known: u32,
    },
    /// The file has an older form, where it is only read.
    #[error("the ledger {path} has the older version {found}; start `punchcard run` once, which brings it up to date")]
    Older {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// A step to a newer form failed. The file still has its old form.
    #[error("the ledger {path} could not be brought up to date from version {from}; it is unchanged")]
    Migration {
        /// The file.
        path: PathBuf,
        /// The version that it has.
        from: u32,
        /// Why.
        source: rusqlite_migration::Error,
    },
    /// The file could not be created in full. There is none now.
    #[error("the ledger {path} could not be created")]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no room left, which opening takes some of. The ledger is as it was.
    #[error("the ledger {path} could not be opened, because the disk is full; make room on it")]
    Full {
        /// The file.
        path: PathBuf,
        /// What SQLite was about.
        source: rusqlite::Error,
    },
    /// The file could not be opened or read.
    #[error("the ledger {path} could not be opened; see that this user may read and write it and its folder")]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// What an earlier host has left in the log could not be made durable. It is as it was.
    #[error(
        "what the log of the ledger {path} holds could not be written to the card once more; where that stays so, take \
         another card"
    )]
    Log {
        /// The ledger's file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No thread for the writer.
    #[error("the ledger's writer could not be started")]
    Thread {
        /// Why.
        source: io::Error,
    },
}

impl OpenError {
    /// Tells damage from everything else that keeps a file from being read.
    pub(super) fn reading(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { path, what: source.to_string() }
            }
            _ if is_full(&source) => Self::Full { path, source },
            _ => Self::Refused { path, source },
        }
    }

    /// The same for the log, without SQLite.
    pub(super) fn log(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        if source.kind() == io::ErrorKind::StorageFull {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
            return Self::Full { path, source: rusqlite::Error::SqliteFailure(code, Some(source.to_string())) };
        }
        Self::Log { path, source }
    }

    /// The same for a step to a newer form.
    pub(super) fn migrating(path: &Path, from: u32, source: rusqlite_migration::Error) -> Self {
        let path = path.to_owned();
        match source {
            rusqlite_migration::Error::RusqliteError { err: source, .. } if is_full(&source) => {
                Self::Full { path, source }
            }
            source => Self::Migration { path, from, source },
        }
    }
}

/// Whether there was no room. Beside the file itself SQLite makes room for its shared memory (`-shm`) at opening, and says of
/// that only which call failed.
fn is_full(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_IOERR_SHMMAP, SQLITE_IOERR_SHMOPEN, SQLITE_IOERR_SHMSIZE};
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
        || error.sqlite_error().is_some_and(|error| {
            [SQLITE_IOERR_SHMMAP, SQLITE_IOERR_SHMOPEN, SQLITE_IOERR_SHMSIZE].contains(&error.extended_code)
        })
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_file_that_may_not_be_read() {
        let table = [
            (ffi::SQLITE_FULL, "make room"),
            (ffi::SQLITE_IOERR_SHMSIZE, "make room"),
            (ffi::SQLITE_IOERR_SHMMAP, "make room"),
            (ffi::SQLITE_CANTOPEN, "may read and write it"),
            (ffi::SQLITE_IOERR_READ, "may read and write it"),
            (ffi::SQLITE_CORRUPT, "is damaged"),
        ];
        for (code, expected) in table {
            let error = || rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let said = OpenError::reading(Path::new("l"), error()).to_string();
            assert!(said.contains(expected), "{code}: {said}");
            let migrating = OpenError::migrating(Path::new("l"), 1, error().into()).to_string();
            assert_eq!(migrating.contains("make room"), expected == "make room", "{code}: {migrating}");
        }
        for (kind, expected) in [(io::ErrorKind::StorageFull, "make room"), (io::ErrorKind::Other, "another card")] {
            let said = OpenError::log(Path::new("l"), kind.into()).to_string();
            assert!(said.contains(expected), "{kind}: {said}");
        }
    }
}
