//! Putting another ledger in the place of the one that is there.
//!
//! A person's `restore` only puts it aside, in the folder `restore` of the state folder, whole or not at all: it is made under
//! another name, made durable, and renamed. One command does so at a time; what a killed one has left goes with the next start.
//! Whoever opens the ledger next, under the state folder's lock, performs the swap
//! before anything else, and has all sinks of the ledger that came in compare before they deliver
//! ([`compare_first`](super::compare_first)). What was there before is kept in `before-restore`, and is put back in the same way.
//!
//! Every step can be the last before a power cut. The order makes that harmless: while `restoring` is there no ledger is
//! opened, and what stands in it says how far the swap has come.
//! 1. `restore` is renamed `restoring`: from here on it is not taken back.
//! 2. While a ledger is in `restoring`: what is there goes to `replaced`, the log first, so that no log is ever beside a ledger
//!    that is not its own; then the ledger comes in.
//! 3. What stands beside it in `restoring` comes in: its log, where it has one, and the token storage.
//! 4. It is opened, and its sinks are marked in one transaction. To mark them twice does no harm.
//! 5. `replaced` becomes `before-restore`, and `restoring` becomes `restored` and is removed.

mod staged;
mod swap;
mod undo;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use thiserror::Error;

use super::FILE_NAME;
use super::error::OpenError;
use super::schema;
pub use staged::StagedRestore;
pub(super) use swap::{CameIn, Swap};
pub use undo::{Undo, perform_undo, plan_undo};

/// What is put aside, while it is made.
const DRAFT: &str = "restore.new";
/// What is put aside for the next start.
const PENDING: &str = "restore";
/// The same, once a start has begun with it.
const COMING: &str = "restoring";
/// The same, once the swap is done with it, while it is removed.
const DONE: &str = "restored";
/// What was there before, while the swap is under way.
const GOING: &str = "replaced";
/// What was there before.
const KEPT: &str = "before-restore";
/// The token storage in a state folder: it goes with its ledger.
pub const VAULT: &str = "vault";
/// In what is put aside: the tokens stay, and what the auth policies of the ledger remember does not belong to them.
const WITHOUT_GRANTS: &str = "without-grants";
/// In what comes in: what it replaces had given a batch out, which may still be on its way.
const IN_DOUBT: &str = "in-doubt";
/// In what is put aside: it was [`KEPT`].
const WAS_KEPT: &str = "was-kept";

/// Why nothing was put aside for the next start.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// Another one waits.
    #[error(
        "another ledger waits for the next start already; start the device, or take it back with `punchcard restore \
         --undo`"
    )]
    Pending,
    /// It is no backup.
    #[error("it is neither a backup nor a ledger of punchcard")]
    Foreign,
    /// It is damaged.
    #[error("it is damaged: {what}")]
    Damaged {
        /// What was found.
        what: String,
    },
    /// A later version of this program made it.
    #[error(
        "it has version {found} of the ledger, and this punchcard knows versions up to {known}; install a newer punchcard"
    )]
    Newer {
        /// Its version.
        found: u32,
        /// The newest that is known here.
        known: u32,
    },
    /// It could not be read.
    #[error("it can't be read")]
    Source(#[source] io::Error),
    /// The copy of it could not be opened or brought up to date.
    #[error("the copy of it in the state folder can't be used")]
    Copy(#[source] Box<OpenError>),
    /// The copy of it could not be read or changed.
    #[error("the copy of it in the state folder can't be read or changed")]
    Sqlite(#[from] rusqlite::Error),
    /// The state folder refused.
    #[error("{} can't be written", path.display())]
    Folder {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody else restores or undoes something.
    #[error("another `punchcard restore` is at work in this state folder; wait until it has ended, then try again")]
    AtWork,
    /// A device is about to open the ledger.
    #[error("the device is just about to open the ledger; try again")]
    Busy(#[source] Box<OpenError>),
    /// Nothing was restored.
    #[error("nothing waits for the next start, and nothing was restored before")]
    NothingToUndo,
}

/// Nobody else puts a ledger aside in this state folder, or takes one back, for as long as this lives. It is a lock on the
/// folder itself (`flock`), which the kernel gives back however the process ends. A host has another one.
struct RestoreLock {
    _folder: File,
}

impl RestoreLock {
    fn take(state_dir: &Path) -> Result<Self, RestoreError> {
        let refused = |source| RestoreError::Folder { path: state_dir.to_owned(), source };
        let folder = File::open(state_dir).map_err(refused)?;
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _folder: folder }),
            Err(Errno::WOULDBLOCK) => Err(RestoreError::AtWork),
            Err(errno) => Err(refused(errno.into())),
        }
    }
}

/// What a ledger holds, for a person who decides about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerSummary {
    /// Events in its history.
    pub events: u64,
    /// When the newest of those happened of which that is known, in µs since 1970.
    pub newest_at: Option<i64>,
    /// Rows that wait, of each sink where some do.
    pub waiting: Vec<(String, u64)>,
}

/// What is known of the ledger of a state folder, for a person who is about to replace it. `None`: there is none that can be
/// read.
#[must_use]
pub fn summarise_ledger(state_dir: &Path) -> Option<LedgerSummary> {
    let connection = schema::open_read_only(&state_dir.join(FILE_NAME)).ok()?;
    summarise(&connection).ok()
}

fn summarise(connection: &Connection) -> Result<LedgerSummary, rusqlite::Error> {
    let events = connection.query_row("SELECT count(*) FROM event", [], |row| row.get(0))?;
    let newest = "SELECT at FROM event WHERE at IS NOT NULL ORDER BY sequence DESC LIMIT 1";
    let newest_at = connection.query_row(newest, [], |row| row.get(0)).optional()?;
    let waiting =
        "SELECT name, last_ordinal - settled_through FROM sink WHERE last_ordinal > settled_through ORDER BY name";
    let mut waiting = connection.prepare(waiting)?;
    let waiting = waiting.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    Ok(LedgerSummary { events, newest_at, waiting })
}

fn remove_folder(path: &Path) -> io::Result<()> {
    none_is_fine(fs::remove_dir_all(path))
}

fn remove_file(path: &Path) -> io::Result<()> {
    none_is_fine(fs::remove_file(path))
}

fn none_is_fine(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Makes a folder durable with all that is in it.
fn sync_all(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_all(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync_folder(folder)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
