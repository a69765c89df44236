//! Files that are written anew, because the disk may never get what everybody reads in them.
//!
//! After a sync that was refused, Linux takes what it was asked for as written: it is read, until its memory is needed
//! elsewhere, and no later sync tries it again. Only what is written once more is. So what the log holds is written anew before
//! anything is added to a log that an earlier host has left, for a commit behind frames that are not on the disk is not found
//! after a power cut ([`renew_log`]). And once a move has failed, what was moved into the main file before is written anew from
//! the log, before the log may be begun anew ([`renew_moved`]): SQLite makes the main file durable when all is moved, and
//! takes it for durable where that is refused and the next time is not.
//!
//! The log gets the very bytes that it has: a power cut in the midst leaves them, as SQLite expects of a disk that writes
//! sectors over. The main file gets of each page what the log's moved frames have last. No reader sees that: one that takes a
//! page from the main file has nothing newer of it in the log, and nobody moves meanwhile, in no process
//! ([`WAL_CKPT_LOCK`]). SQLite's own files are used: to close another one of the main file would take away its locks.

#![expect(unsafe_code, reason = "SQLite lends its open files as tables of C functions only")]

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::marker::PhantomData;
use std::ptr;

use rusqlite::{Connection, ffi};

use super::log_frames::LogFrames;

/// What stands before the frames (SQLite file format §4.1).
const HEADER_BYTES: i64 = 32;
/// What stands before each page.
pub(super) const FRAME_HEADER_BYTES: i64 = 24;

/// Who has it moves the log (SQLite's walformat.html §2.3.1: the second of the locks).
const WAL_CKPT_LOCK: c_int = 1;

/// Written at a time.
const CHUNK_BYTES: i64 = 64 << 10;

/// How much of the log is in use.
struct Log {
    frames: i32,
    /// Of these, so many are moved.
    moved: i32,
    page_bytes: i64,
}

impl Log {
    fn of(connection: &Connection) -> Result<Self, rusqlite::Error> {
        let LogFrames { all: frames, moved } = LogFrames::look(connection)?;
        let page_bytes = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        Ok(Self { frames, moved, page_bytes })
    }

    /// Where a frame begins, in bytes; the first is number 0.
    fn at(&self, frame: i32) -> i64 {
        HEADER_BYTES + i64::from(frame) * (FRAME_HEADER_BYTES + self.page_bytes)
    }
}

/// Writes the log anew and makes it durable. Nobody else writes meanwhile.
///
/// # Errors
/// When the disk refuses: then it is to be done once more.
pub(super) fn renew_log(connection: &Connection) -> Result<(), rusqlite::Error> {
    let log = Log::of(connection)?;
    if log.frames <= 0 {
        return Ok(());
    }
    let file = File::log_of(connection)?;
    let end = log.at(log.frames);
    let mut at = 0;
    while at < end {
        let mut chunk = vec![0; size(CHUNK_BYTES.min(end - at))];
        file.read(at, &mut chunk)?;
        file.write(at, &chunk)?;
        at += CHUNK_BYTES;
    }
    file.sync()
}

/// Writes those pages of the main file anew that were moved from the log, and makes them durable. Nobody writes meanwhile: a
/// log of which all is moved would be begun anew.
///
/// # Errors
/// When the disk refuses, or somebody moves the log just now: then it is to be done once more.
pub(super) fn renew_moved(connection: &Connection) -> Result<(), rusqlite::Error> {
    // There may be no log yet: then there is nothing to lock either.
    if Log::of(connection)?.moved <= 0 {
        return Ok(());
    }
    let (from, to) = (File::log_of(connection)?, File::main_of(connection)?);
    let _moving = to.lock_moving()?;
    let log = Log::of(connection)?;
    let mut newest = BTreeMap::new();
    for frame in 0..log.moved {
        let mut number = [0; 4];
        from.read(log.at(frame), &mut number)?;
        newest.insert(u32::from_be_bytes(number), frame);
    }
    let mut page = vec![0; size(log.page_bytes)];
    for (number, frame) in newest {
        from.read(log.at(frame) + FRAME_HEADER_BYTES, &mut page)?;
        // Pages are numbered from 1.
        to.write((i64::from(number) - 1) * log.page_bytes, &page)?;
    }
    to.sync()
}

/// A file that SQLite has open, for as long as its connection is, and nobody changes how that keeps its log: nothing here does.
struct File<'a> {
    file: *mut ffi::sqlite3_file,
    of: PhantomData<&'a Connection>,
}

impl<'a> File<'a> {
    fn main_of(connection: &'a Connection) -> Result<Self, rusqlite::Error> {
        Self::of(connection, ffi::SQLITE_FCNTL_FILE_POINTER)
    }

    fn log_of(connection: &'a Connection) -> Result<Self, rusqlite::Error> {
        Self::of(connection, ffi::SQLITE_FCNTL_JOURNAL_POINTER)
    }

    fn of(connection: &'a Connection, which: c_int) -> Result<Self, rusqlite::Error> {
        let mut file: *mut ffi::sqlite3_file = ptr::null_mut();
        // SAFETY: the connection is open; these two operations write one pointer to where the last argument points.
        check(unsafe {
            ffi::sqlite3_file_control(connection.handle(), c"main".as_ptr(), which, (&raw mut file).cast())
        })?;
        // SAFETY: what SQLite lends is null or one of its files, which has no methods where it is not open.
        if file.is_null() || unsafe { (*file).pMethods.is_null() } {
            return Err(error(ffi::SQLITE_CANTOPEN));
        }
        Ok(Self { file, of: PhantomData })
    }

    fn methods(&self) -> &ffi::sqlite3_io_methods {
        // SAFETY: the file is open while its connection is borrowed.
        unsafe { &*(*self.file).pMethods }
    }

    /// All of these bytes are in the file.
    fn read(&self, at: i64, into: &mut [u8]) -> Result<(), rusqlite::Error> {
        let count = count(into)?;
        // SAFETY: the file is open, and so many bytes may be written to there.
        check(
            self.methods()
                .xRead
                .map_or(ffi::SQLITE_ERROR, |read| unsafe { read(self.file, into.as_mut_ptr().cast(), count, at) }),
        )
    }

    fn write(&self, at: i64, bytes: &[u8]) -> Result<(), rusqlite::Error> {
        let count = count(bytes)?;
        // SAFETY: the file is open, and so many bytes may be read there.
        check(
            self.methods()
                .xWrite
                .map_or(ffi::SQLITE_ERROR, |write| unsafe { write(self.file, bytes.as_ptr().cast(), count, at) }),
        )
    }

    /// Keeps everybody from moving the log. Of the main file, before the log is looked at.
    fn lock_moving(&self) -> Result<Moving<'_>, rusqlite::Error> {
        self.turn_lock(ffi::SQLITE_SHM_LOCK)?;
        Ok(Moving(self))
    }

    fn turn_lock(&self, way: c_int) -> Result<(), rusqlite::Error> {
        // SAFETY: the file is open, and its shared memory is: its log was read.
        check(self.methods().xShmLock.map_or(ffi::SQLITE_ERROR, |lock| unsafe {
            lock(self.file, WAL_CKPT_LOCK, 1, way | ffi::SQLITE_SHM_EXCLUSIVE)
        }))
    }

    fn sync(&self) -> Result<(), rusqlite::Error> {
        // SAFETY: the file is open.
        check(
            self.methods().xSync.map_or(ffi::SQLITE_ERROR, |sync| unsafe { sync(self.file, ffi::SQLITE_SYNC_NORMAL) }),
        )
    }
}

/// Nobody else moves the log.
struct Moving<'a>(&'a File<'a>);

impl Drop for Moving<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.turn_lock(ffi::SQLITE_SHM_UNLOCK) {
            tracing::error!(%error, "the ledger's log can't be moved any more until the next start");
        }
    }
}

fn check(code: c_int) -> Result<(), rusqlite::Error> {
    if code == ffi::SQLITE_OK { Ok(()) } else { Err(error(code)) }
}

fn error(code: c_int) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
}

fn count(bytes: &[u8]) -> Result<c_int, rusqlite::Error> {
    c_int::try_from(bytes.len()).map_err(|_| error(ffi::SQLITE_TOOBIG))
}

fn size(bytes: i64) -> usize {
    usize::try_from(bytes).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use rusqlite::ErrorCode;

    use super::*;
    use crate::wal::Checkpoints;

    #[test]
    fn while_pages_are_written_anew_nobody_moves_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Connection::open(folder.path().join("db")).unwrap();
        let (one, other, reader) = (open(), open(), open());
        one.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
        one.execute_batch("CREATE TABLE numbers (number INTEGER); INSERT INTO numbers VALUES (7)").unwrap();
        let count = || other.query_row("SELECT count(*) FROM numbers", [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count(), 1);
        let is_busy = |result: Result<(), rusqlite::Error>| {
            result.is_err_and(|error| error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy))
        };
        let move_log = || LogFrames::checkpoint(&other).map(drop);
        // Some of it is moved, and the log is not begun anew while somebody reads from it.
        reader.execute_batch("BEGIN; SELECT * FROM numbers").unwrap();
        move_log().unwrap();
        one.execute_batch("INSERT INTO numbers VALUES (7)").unwrap();
        {
            let main = File::main_of(&one).unwrap();
            let _moving = main.lock_moving().unwrap();
            assert!(is_busy(move_log()) && is_busy(renew_moved(&other)));
            // A move that another goes on with has not failed.
            let mut checkpoints = Checkpoints::of_pages(4096);
            assert!(is_busy(checkpoints.perform(&other).map(drop)) && !checkpoints.has_failed());
            // Whoever writes or reads does not wait for it.
            one.execute_batch("INSERT INTO numbers VALUES (8)").unwrap();
            assert_eq!(count(), 3);
        }
        renew_moved(&other).unwrap();
        move_log().unwrap();
    }

    #[test]
    fn a_page_that_the_disk_lost_is_written_anew_from_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let connection = Connection::open(&path).unwrap();
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
        connection.execute_batch("CREATE TABLE numbers (number INTEGER); INSERT INTO numbers VALUES (7)").unwrap();
        LogFrames::checkpoint(&connection).unwrap();
        let main = File::whole_of(&connection, 2 * 4096);
        // As a disk has it that lost the second page.
        let mut lost = main.clone();
        lost[main.len() / 2..].fill(0);
        File::main_of(&connection).unwrap().write(0, &lost).unwrap();
        renew_moved(&connection).unwrap();
        assert_eq!(File::whole_of(&connection, main.len()), main);
    }

    impl File<'_> {
        fn whole_of(connection: &Connection, bytes: usize) -> Vec<u8> {
            let mut whole = vec![0; bytes];
            File::main_of(connection).unwrap().read(0, &mut whole).unwrap();
            whole
        }
    }
}
