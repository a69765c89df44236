//! SQLite's log: grown once, kept, and moved into the main file outside of every commit that somebody waits for.
//!
//! A file that grows costs the file system an entry in its own journal with each commit, and a flash card twice the
//! writes. So the log gets its usual size before it is opened, in zeros, which end it like any frame whose checksum is
//! wrong (SQLite file format §4.1). It keeps that size: when the ledger is closed it is emptied, not removed, and what a
//! backlog made of it is cut to that size when it is begun anew.
//!
//! SQLite begins the log anew when all of it has been moved and then somebody writes. A thread with a connection of its
//! own moves it: a passive checkpoint never blocks the writer. What was written meanwhile the writer moves itself, right
//! after a commit was answered: under presses that never pause, all of it would never be moved otherwise. While a backlog
//! is written faster than that, everything but presses waits for the thread.
//!
//! Once a move has failed, what was moved before is written anew with the next one ([`fsync_recovery`](super::fsync_recovery)): a part that
//! was moved while somebody wrote is not durable yet, and SQLite would take it for that.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::fsync_recovery::{self, FRAME_HEADER_BYTES};
use super::writer::Queue;

/// What stands before the frames (SQLite file format §4.1).
const HEADER_BYTES: usize = 32;

/// Worth moving: some six hundred presses, each a page of 1 KiB.
const WORTH_BYTES: i64 = 768 << 10;
/// How large the log's file is: what is worth moving, and room for what comes while it is moved.
pub(super) const USUAL_BYTES: i64 = 1 << 20;
/// Everything but presses waits.
const MOST_BYTES: i64 = 16 << 20;
/// What the writer moves itself: a press that comes just then waits for a few writes more.
const FEW_BYTES: i64 = 64 << 10;

/// How long a ledger that is closed waits for those who read an older state.
const CLOSING_PATIENCE: Duration = Duration::from_millis(200);

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
            return Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None));
        }
        Ok(Self { all, moved })
    }
}

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

/// Moves all of the log, unless somebody reads an older state. Whether that was all of it. `failed`: whether a move has
/// failed since what was moved is certain to be durable.
pub(super) fn move_all(connection: &Connection, failed: &AtomicBool) -> Result<bool, rusqlite::Error> {
    if failed.load(Ordering::Acquire) {
        fsync_recovery::renew_moved(connection, false)?;
        failed.store(false, Ordering::Release);
    }
    match LogFrames::checkpoint(connection) {
        Ok(frames) => Ok(frames.all == frames.moved),
        Err(error) => {
            // Where another program moves it, nothing has failed.
            failed.fetch_or(error.sqlite_error_code() != Some(ErrorCode::DatabaseBusy), Ordering::AcqRel);
            Err(error)
        }
    }
}

/// Moves all of the log and empties it, before the connection is closed. Where somebody else has the file open the log
/// stays as it is, as SQLite leaves it too, and is moved after the next start. The writing thread has written its last.
pub(super) fn empty(connection: &Connection, log: &Path, failed: &AtomicBool) {
    match move_last(connection, failed) {
        Ok(true) => {}
        Ok(false) => return,
        Err(error) => {
            tracing::info!(error = %error, "the ledger's log stays, for somebody reads it or the disk refuses; it is moved after the next start");
            return;
        }
    }
    // What was moved is durable, and nobody has SQLite's index of the log. Without its header the log holds nothing: it is
    // not read at the next start, and does no harm beside a file that somebody brought back from a copy.
    let clear = || {
        let file = OpenOptions::new().write(true).open(log)?;
        file.write_all_at(&[0; HEADER_BYTES], 0)?;
        file.sync_data()
    };
    if let Err(error) = clear() {
        tracing::warn!(error = %error, "the ledger's log is not emptied; nothing is lost");
    }
}

/// Moves the log, with the file to ourselves until the connection is closed. Whether that was all of it.
fn move_last(connection: &Connection, failed: &AtomicBool) -> Result<bool, rusqlite::Error> {
    connection.busy_timeout(CLOSING_PATIENCE)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    // The lock is taken with the next write.
    connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK")?;
    move_all(connection, failed)
}

/// What is done with the log after a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plan {
    Nothing,
    /// The thread moves it.
    Wake,
    /// The thread moves it, and everything but presses waits meanwhile.
    Hold,
    /// The writer moves the rest.
    Finish,
}

/// Decides it, from the log's length since it was begun, what of it is not moved yet, both in bytes, and whether the
/// thread is at work.
fn plan_move(length: i64, behind: i64, moving: bool) -> Plan {
    if behind <= 0 || length < WORTH_BYTES {
        Plan::Nothing
    } else if length >= MOST_BYTES {
        Plan::Hold
    } else if moving {
        Plan::Nothing
    } else if behind <= FEW_BYTES {
        Plan::Finish
    } else {
        Plan::Wake
    }
}

/// The thread that moves the log.
pub(super) struct Mover {
    wake: SyncSender<()>,
    moving: Arc<AtomicBool>,
    /// A move has. Who moves the log says so, and asks: the thread, or the writer while that does not.
    failed: Arc<AtomicBool>,
    frame_bytes: i64,
    thread: JoinHandle<()>,
}

impl Mover {
    pub(super) fn start(path: &Path, page_bytes: i64, queue: Arc<Queue>) -> io::Result<Self> {
        let path = path.to_owned();
        let (wake, woken) = sync_channel(1);
        let moving = Arc::new(AtomicBool::new(false));
        let moves = Arc::clone(&moving);
        let failed = Arc::new(AtomicBool::new(false));
        let fails = Arc::clone(&failed);
        let work = move || move_log(&path, &queue, &woken, &moves, &fails);
        let thread = Builder::new().name("ledger-log".to_owned()).spawn(work)?;
        Ok(Self { wake, moving, failed, frame_bytes: page_bytes + FRAME_HEADER_BYTES, thread })
    }

    /// Looks how long the log is, after a commit.
    pub(super) fn look(&self, connection: &Connection, queue: &Queue) {
        let Ok(LogFrames { all: length, moved }) = LogFrames::look(connection) else {
            // The commit that came before went well; the next one will say what is wrong.
            return;
        };
        let bytes = |frames: i32| i64::from(frames) * self.frame_bytes;
        match plan_move(bytes(length), bytes(length.saturating_sub(moved)), self.moving.load(Ordering::Acquire)) {
            Plan::Nothing => {}
            Plan::Wake => self.wake(queue),
            Plan::Hold => {
                queue.hold();
                self.wake(queue);
            }
            // To write anew what was moved takes longer than a press should wait.
            Plan::Finish if self.failed.load(Ordering::Acquire) => self.wake(queue),
            Plan::Finish => {
                if let Err(error) = move_all(connection, &self.failed) {
                    warn(&error);
                }
            }
        }
    }

    fn wake(&self, queue: &Queue) {
        // Once: what is moved after `moving` has ended would be moved beside the writer.
        if !self.moving.swap(true, Ordering::AcqRel)
            && let Err(TrySendError::Disconnected(())) = self.wake.try_send(())
        {
            queue.release();
        }
    }

    /// Whether a move has failed, for whoever moves the rest.
    pub(super) fn stop(self) -> Arc<AtomicBool> {
        drop(self.wake);
        if self.thread.join().is_err() {
            tracing::error!("the thread that moves the ledger's log panicked");
        }
        self.failed
    }
}

fn move_log(path: &Path, queue: &Queue, woken: &Receiver<()>, moving: &AtomicBool, failed: &AtomicBool) {
    while woken.recv().is_ok() {
        let _moved = Moved { queue, moving };
        if let Err(error) = move_once(path, failed) {
            warn(&error);
        }
    }
}

/// Whatever ends a move, a panic too, nobody waits for it any more.
struct Moved<'a> {
    queue: &'a Queue,
    moving: &'a AtomicBool,
}

impl Drop for Moved<'_> {
    fn drop(&mut self) {
        self.moving.store(false, Ordering::Release);
        self.queue.release();
    }
}

fn move_once(path: &Path, failed: &AtomicBool) -> Result<(), rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    keep(&connection)?;
    // A connection that has read nothing yet does not know of the log, and would move nothing without a word.
    connection.query_row("SELECT one FROM history", [], |_| Ok(()))?;
    move_all(&connection, failed).map(drop)
}

fn warn(error: &rusqlite::Error) {
    tracing::warn!(error = %error, "the ledger's log could not be moved into its main file; that is tried again");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_moved_when_it_is_worth_it_and_finished_by_the_writer() {
        let table = [
            // Length, of which not moved, while it is moved; what is done.
            (0, 0, false, Plan::Nothing),
            (WORTH_BYTES - 1, WORTH_BYTES - 1, false, Plan::Nothing),
            (WORTH_BYTES, WORTH_BYTES, false, Plan::Wake),
            (WORTH_BYTES + 1, WORTH_BYTES, true, Plan::Nothing),
            // Moved but for what came meanwhile.
            (WORTH_BYTES + 1, 0, false, Plan::Nothing),
            (WORTH_BYTES + FEW_BYTES, FEW_BYTES, false, Plan::Finish),
            (WORTH_BYTES + FEW_BYTES, FEW_BYTES, true, Plan::Nothing),
            (WORTH_BYTES + FEW_BYTES, FEW_BYTES + 1, false, Plan::Wake),
            // A backlog.
            (MOST_BYTES - 1, MOST_BYTES - 1, true, Plan::Nothing),
            (MOST_BYTES, 1, true, Plan::Hold),
            (MOST_BYTES, 1, false, Plan::Hold),
            (MOST_BYTES, 0, false, Plan::Nothing),
        ];
        for (length, behind, moving, expected) in table {
            assert_eq!(plan_move(length, behind, moving), expected, "{length} bytes, {behind} behind, {moving}");
        }
    }

    /// With a thread that does nothing, and what tells that it is woken.
    fn mover(frame_bytes: i64) -> (Mover, Receiver<()>) {
        let (wake, woken) = sync_channel(1);
        let thread = Builder::new().spawn(|| {}).unwrap();
        (Mover { wake, moving: Arc::default(), failed: Arc::default(), frame_bytes, thread }, woken)
    }

    #[test]
    fn after_a_move_that_failed_the_rest_is_left_to_the_thread() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Connection::open(folder.path().join("db")).unwrap();
        let (writer, reader) = (open(), open());
        writer.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
        writer.execute_batch("CREATE TABLE numbers (number INTEGER)").unwrap();
        let behind = || {
            let frames = LogFrames::look(&writer).unwrap();
            frames.all - frames.moved
        };
        reader.execute_batch("BEGIN").unwrap();
        let read_anew = || reader.execute_batch("ROLLBACK; BEGIN; SELECT * FROM numbers").unwrap();
        // Each frame counts for so much that all of them are worth moving, and one is few.
        for _ in 0..WORTH_BYTES / FEW_BYTES {
            writer.execute_batch("INSERT INTO numbers VALUES (7)").unwrap();
            // The log is not begun anew while somebody reads from it, nor moved any further.
            read_anew();
            assert!(move_all(&writer, &AtomicBool::new(false)).unwrap());
        }
        writer.execute_batch("INSERT INTO numbers VALUES (7)").unwrap();
        read_anew();
        let (mover, woken) = mover(FEW_BYTES);
        let queue = Queue::default();
        mover.failed.store(true, Ordering::Release);
        mover.look(&writer, &queue);
        assert_eq!((woken.try_recv().is_ok(), behind()), (true, 1));
        mover.moving.store(false, Ordering::Release);
        mover.failed.store(false, Ordering::Release);
        mover.look(&writer, &queue);
        assert_eq!((woken.try_recv().is_ok(), behind()), (false, 0));
    }

    #[test]
    fn the_thread_is_woken_once_for_a_move() {
        let (mover, woken) = mover(1);
        let queue = Queue::default();
        for _ in 0..2 {
            mover.wake(&queue);
            mover.wake(&queue);
            woken.try_recv().unwrap();
            // It moves.
            mover.wake(&queue);
            woken.try_recv().unwrap_err();
            mover.moving.store(false, Ordering::Release);
        }
    }

    #[test]
    fn nobody_waits_for_a_move_that_panicked() {
        let (queue, moving) = (Queue::default(), AtomicBool::new(true));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _moved = Moved { queue: &queue, moving: &moving };
            panic!("in the midst");
        }));
        assert!(panicked.is_err() && !moving.load(Ordering::Acquire));
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
