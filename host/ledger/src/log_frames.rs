//! How far SQLite has come with its log.

use rusqlite::{Connection, ffi};

/// How many frames the log has, and how many of them are in the main file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogFrames {
    /// -1: there is no log.
    pub(super) all: i32,
    pub(super) moved: i32,
}

impl LogFrames {
    /// Moves what nobody reads any more, without waiting for anybody.
    pub(super) fn checkpoint(connection: &Connection) -> Result<Self, rusqlite::Error> {
        Self::ask(connection, "PRAGMA wal_checkpoint(PASSIVE)")
    }

    /// Only looks.
    pub(super) fn look(connection: &Connection) -> Result<Self, rusqlite::Error> {
        Self::ask(connection, "PRAGMA wal_checkpoint(NOOP)")
    }

    fn ask(connection: &Connection, pragma: &str) -> Result<Self, rusqlite::Error> {
        let mut ask = connection.prepare_cached(pragma)?;
        let (busy, all, moved) = ask.query_row([], |row| Ok((row.get::<_, bool>(0)?, row.get(1)?, row.get(2)?)))?;
        if busy {
            // Somebody else moves it just now; the pragma says so in its answer.
            return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None));
        }
        Ok(Self { all, moved })
    }
}
