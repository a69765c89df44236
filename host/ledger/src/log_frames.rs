//! How far SQLite has come with its log.

use rusqlite::{Connection, ffi};

use super::log_file::HEADER_BYTES;

/// What stands before each page (SQLite file format §4.1).
pub(super) const FRAME_HEADER_BYTES: i64 = 24;

/// How many frames the log has, and how many of them are in the main file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogFrames {
    /// -1: there is no log.
    pub(super) all: i32,
    pub(super) moved: i32,
}

/// Where the last commit of which SQLite knows ends in the log, in bytes.
pub(super) fn end_of_log(connection: &Connection) -> Result<u64, rusqlite::Error> {
    let frames = LogFrames::look(connection)?.all.max(0);
    let page_bytes: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let frame_bytes = (FRAME_HEADER_BYTES + page_bytes).unsigned_abs();
    Ok(HEADER_BYTES as u64 + u64::from(frames.unsigned_abs()) * frame_bytes)
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
