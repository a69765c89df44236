//! Putting another ledger in the place of the one that is there.
//!
//! A person's `restore` only puts it aside, in the folder `restore` of the state folder, whole or not at all: it is made under
//! another name, made durable, and renamed. Whoever opens the ledger next, under the state folder's lock, performs the swap
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
//! 5. `replaced` becomes `before-restore`, and `restoring` is removed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use thiserror::Error;

use super::FILE_NAME;
use super::backup::{self, BackedUpSecret, BackupLabel, BackupParts};
use super::batch::TRIED;
use super::error::OpenError;
use super::lock::StateLock;
use super::schema;

/// What is put aside, while it is made.
const DRAFT: &str = "restore.new";
/// What is put aside for the next start.
const PENDING: &str = "restore";
/// The same, once a start has begun with it.
const COMING: &str = "restoring";
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
    /// A device is about to open the ledger.
    #[error("the device is just about to open the ledger; try again")]
    Busy(#[source] Box<OpenError>),
    /// Nothing was restored.
    #[error("nothing waits for the next start, and nothing was restored before")]
    NothingToUndo,
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

/// A copy of a backup in the state folder, checked and ready. Dropped, it is removed again.
pub struct StagedRestore {
    state_dir: PathBuf,
    /// What the backup says of itself; `None` for a plain copy of a ledger.
    pub label: Option<BackupLabel>,
    /// What is in it.
    pub summary: LedgerSummary,
    /// The secrets that it holds.
    pub secrets: Vec<BackedUpSecret>,
    committed: bool,
}

impl StagedRestore {
    /// Copies a backup, or a ledger with its log, into the state folder, checks the copy from end to end, and brings it up to
    /// date. Nothing else changes.
    ///
    /// # Errors
    /// When it is none, is damaged or newer, when another one waits, or when the disk refuses.
    pub fn stage(state_dir: &Path, source: &mut File, log: Option<&mut File>) -> Result<Self, RestoreError> {
        if state_dir.join(PENDING).exists() {
            return Err(RestoreError::Pending);
        }
        let draft = state_dir.join(DRAFT);
        let refused = |source| RestoreError::Folder { path: draft.clone(), source };
        remove_folder(&draft).map_err(refused)?;
        DirBuilder::new().mode(0o700).create(&draft).map_err(refused)?;
        // From here on it is removed, whatever happens.
        let mut staged = Self {
            state_dir: state_dir.to_owned(),
            label: None,
            summary: LedgerSummary { events: 0, newest_at: None, waiting: Vec::new() },
            secrets: Vec::new(),
            committed: false,
        };
        let path = draft.join(FILE_NAME);
        copy(source, &path)?;
        if let Some(log) = log {
            copy(log, &draft.join(format!("{FILE_NAME}-wal")))?;
        }
        let mut connection = check(&path)?;
        if application(&connection)? == schema::BACKUP_APPLICATION_ID {
            let BackupParts { label, secrets } = backup::make_ledger(&mut connection)?;
            (staged.label, staged.secrets) = (Some(label), secrets);
        }
        schema::bring_up_to_date(&mut connection, &path).map_err(|source| RestoreError::Copy(Box::new(source)))?;
        staged.summary = summarise(&connection)?;
        // As a ledger that was closed: with nothing left in its log.
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        connection.close().map_err(|(_, source)| source)?;
        Ok(staged)
    }

    /// The folder in which it stands. What else is put into it comes into the state folder with it.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.state_dir.join(DRAFT)
    }

    /// Puts it aside for the next start, durably. Where no token storage was put beside it, that of the device stays.
    ///
    /// # Errors
    /// When the disk refuses. Then nothing is put aside.
    pub fn commit(mut self) -> Result<(), RestoreError> {
        let draft = self.folder();
        let refused = |source| RestoreError::Folder { path: draft.clone(), source };
        if !draft.join(VAULT).exists() {
            File::create(draft.join(WITHOUT_GRANTS)).map_err(refused)?;
        }
        sync_all(&draft).map_err(refused)?;
        fs::rename(&draft, self.state_dir.join(PENDING)).map_err(refused)?;
        self.committed = true;
        sync_folder(&self.state_dir).map_err(refused)
    }
}

impl Drop for StagedRestore {
    fn drop(&mut self) {
        if !self.committed
            && let Err(error) = remove_folder(&self.folder())
        {
            tracing::warn!(%error, folder = %self.folder().display(), "a copy that is of no use can't be removed");
        }
    }
}

/// What undoing a restore would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undo {
    /// What waits for the next start is taken back; the device goes on with the ledger that it has.
    TakeBack,
    /// What was there before the last restore is put aside for the next start.
    PutBack,
}

/// What undoing would do now. `None`: there is nothing to undo.
#[must_use]
pub fn plan_undo(state_dir: &Path) -> Option<Undo> {
    if state_dir.join(PENDING).exists() {
        Some(Undo::TakeBack)
    } else if state_dir.join(KEPT).join(FILE_NAME).exists() || state_dir.join(GOING).join(FILE_NAME).exists() {
        Some(Undo::PutBack)
    } else {
        None
    }
}

/// Takes back what waits for the next start, or puts aside for it what was there before the last restore.
///
/// # Errors
/// When there is nothing to undo, or the disk refuses.
pub fn perform_undo(state_dir: &Path) -> Result<Undo, RestoreError> {
    let undo = plan_undo(state_dir).ok_or(RestoreError::NothingToUndo)?;
    let going = state_dir.join(GOING);
    // A start may be in the midst of it. A host that runs is not.
    let unfinished = undo == Undo::PutBack && going.join(FILE_NAME).exists();
    let _alone = unfinished
        .then(|| StateLock::take(state_dir))
        .transpose()
        .map_err(|source| RestoreError::Busy(Box::new(source)))?;
    let refused = |source| RestoreError::Folder { path: state_dir.to_owned(), source };
    let pending = state_dir.join(PENDING);
    let kept = state_dir.join(KEPT);
    let undone = || -> io::Result<()> {
        match undo {
            Undo::TakeBack if pending.join(WAS_KEPT).exists() => {
                remove_folder(&kept)?;
                fs::rename(&pending, &kept)?;
                fs::remove_file(kept.join(WAS_KEPT))?;
            }
            Undo::TakeBack => {
                // In one step: half of it must not be found by a start.
                let draft = state_dir.join(DRAFT);
                remove_folder(&draft)?;
                fs::rename(&pending, &draft)?;
                sync_folder(state_dir)?;
                remove_folder(&draft)?;
            }
            Undo::PutBack => {
                // The restored ledger could not be opened: what was there is not called that yet.
                let from = if unfinished { going } else { kept };
                File::create(from.join(WAS_KEPT))?;
                let marker = from.join(WITHOUT_GRANTS);
                match from.join(VAULT).exists() {
                    true if marker.exists() => fs::remove_file(marker)?,
                    true => {}
                    false => drop(File::create(marker)?),
                }
                sync_folder(&from)?;
                fs::rename(from, &pending)?;
            }
        }
        sync_folder(state_dir)
    };
    undone().map_err(refused)?;
    Ok(undo)
}

/// What is known of the ledger of a state folder, for a person who is about to replace it. `None`: there is none that can be
/// read.
#[must_use]
pub fn summarise_ledger(state_dir: &Path) -> Option<LedgerSummary> {
    let connection = schema::open_read_only(&state_dir.join(FILE_NAME)).ok()?;
    summarise(&connection).ok()
}

/// The swap of one state folder, whose lock the caller has.
pub(super) struct Swap<'a> {
    state_dir: &'a Path,
    /// How many steps are left before a test cuts the power.
    #[cfg(test)]
    left: std::cell::Cell<usize>,
}

/// A ledger that came in by a swap, and is to be marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CameIn {
    /// What auth policies remember does not belong to the tokens that are there.
    pub(super) without_grants: bool,
    /// What the ledger before it had sent may still arrive.
    pub(super) in_doubt: bool,
}

impl<'a> Swap<'a> {
    pub(super) fn of(state_dir: &'a Path) -> Self {
        Self {
            state_dir,
            #[cfg(test)]
            left: std::cell::Cell::new(usize::MAX),
        }
    }

    /// One that ends after so many steps, as by a power cut.
    #[cfg(test)]
    pub(super) fn cut_after(state_dir: &'a Path, steps: usize) -> Self {
        Self { state_dir, left: std::cell::Cell::new(steps) }
    }

    /// Steps 1 to 3. `None`: nothing is to be restored.
    pub(super) fn perform(&self) -> io::Result<Option<CameIn>> {
        let coming = self.path(COMING);
        if self.path(PENDING).exists() {
            // One that came in before and could never be opened is replaced by this one. What it had replaced is kept.
            if coming.exists() && !coming.join(FILE_NAME).exists() {
                self.step(|| remove_folder(&coming))?;
            }
            if !coming.exists() {
                self.step(|| fs::rename(self.path(PENDING), &coming))?;
                self.sync(self.state_dir)?;
            }
        }
        if !coming.exists() {
            return Ok(None);
        }
        if coming.join(FILE_NAME).exists() {
            // Once its log is gone, it does not know what it did last.
            let is_whole = self.path(FILE_NAME).exists() && !self.path(GOING).exists();
            if is_whole && has_sent(&self.path(FILE_NAME)) {
                self.step(|| File::create(coming.join(IN_DOUBT)).map(drop))?;
                self.sync(&coming)?;
            }
            self.take_out(&coming)?;
            self.rename(&coming, self.state_dir, FILE_NAME)?;
            self.sync(&coming)?;
            self.sync(self.state_dir)?;
        }
        for name in [LOG, VAULT] {
            if coming.join(name).exists() {
                self.rename(&coming, self.state_dir, name)?;
            }
        }
        self.sync(&coming)?;
        self.sync(self.state_dir)?;
        let says = |marker: &str| coming.join(marker).exists();
        Ok(Some(CameIn { without_grants: says(WITHOUT_GRANTS), in_doubt: says(IN_DOUBT) }))
    }

    /// Step 5, once what came in is marked.
    pub(super) fn finish(&self) -> io::Result<()> {
        let (kept, going, coming) = (self.path(KEPT), self.path(GOING), self.path(COMING));
        if going.exists() {
            self.step(|| remove_folder(&kept))?;
            self.step(|| fs::rename(&going, &kept))?;
            self.sync(self.state_dir)?;
        }
        self.step(|| remove_folder(&coming))?;
        self.sync(self.state_dir)
    }

    /// Takes out what is there, so that the ledger can come in.
    fn take_out(&self, coming: &Path) -> io::Result<()> {
        let going = self.path(GOING);
        // What stands there already is what a person may want back. Then the ledger that is there is one that came in and could
        // not be opened.
        let is_worthless = going.join(FILE_NAME).exists();
        let vault = coming.join(VAULT).exists().then_some(VAULT);
        // Its index says where in a log things are, and is made anew.
        for name in [INDEX, JOURNAL] {
            self.step(|| remove_file(&self.path(name)))?;
        }
        for name in [Some(LOG), Some(FILE_NAME), vault].into_iter().flatten() {
            if !self.path(name).exists() {
                continue;
            }
            if name == VAULT && going.join(VAULT).exists() {
                self.step(|| remove_folder(&self.path(VAULT)))?;
            } else if name == LOG && going.join(LOG).exists() {
                // Somebody has read the ledger since its log went: SQLite made another one for that, with nothing in it.
                self.step(|| remove_file(&self.path(LOG)))?;
            } else if name != VAULT && is_worthless {
                self.step(|| remove_file(&self.path(name)))?;
            } else {
                if !going.exists() {
                    self.step(|| DirBuilder::new().mode(0o700).create(&going))?;
                }
                self.rename(self.state_dir, &going, name)?;
                self.sync(&going)?;
            }
            self.sync(self.state_dir)?;
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path, name: &str) -> io::Result<()> {
        self.step(|| fs::rename(from.join(name), to.join(name)))
    }

    fn sync(&self, folder: &Path) -> io::Result<()> {
        self.step(|| sync_folder(folder))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.state_dir.join(name)
    }

    fn step(&self, step: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        #[cfg(test)]
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
            None => return Err(io::Error::other("the power is cut")),
        }
        step()
    }
}

const LOG: &str = "ledger.sqlite-wal";
const INDEX: &str = "ledger.sqlite-shm";
const JOURNAL: &str = "ledger.sqlite-journal";

/// Whether a batch of this ledger may be on its way to a service. One that can't be read may have sent one.
fn has_sent(ledger: &Path) -> bool {
    let sent = "SELECT EXISTS (SELECT 1 FROM sink WHERE (
                    SELECT stage FROM batch WHERE batch.sink = sink.id ORDER BY first_ordinal DESC LIMIT 1) = ?1)";
    let Ok(connection) = schema::open_read_only(ledger) else { return true };
    connection.query_row(sent, [TRIED], |row| row.get(0)).unwrap_or(true)
}

/// Copies a file into a new one for this user alone.
fn copy(source: &mut File, to: &Path) -> Result<(), RestoreError> {
    let refused = |source| RestoreError::Folder { path: to.to_owned(), source };
    let mut copy = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(refused)?;
    source.rewind().map_err(RestoreError::Source)?;
    io::copy(source, &mut copy).map_err(refused)?;
    Ok(())
}

/// Opens a copy, once it is known to be ours, of a version that is known here, and whole.
fn check(path: &Path) -> Result<Connection, RestoreError> {
    let mut header = Vec::new();
    let read = File::open(path).and_then(|file| file.take(16).read_to_end(&mut header));
    read.map_err(|source| RestoreError::Folder { path: path.to_owned(), source })?;
    if header != b"SQLite format 3\0" {
        return Err(RestoreError::Foreign);
    }
    let damaged = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
            RestoreError::Damaged { what: error.to_string() }
        }
        _ => RestoreError::Sqlite(error),
    };
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(damaged)?;
    let application = application(&connection).map_err(damaged)?;
    if ![schema::APPLICATION_ID, schema::BACKUP_APPLICATION_ID].contains(&application) {
        return Err(RestoreError::Foreign);
    }
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(damaged)?;
    let (found, known) = (u32::try_from(found).unwrap_or(u32::MAX), schema::newest_version());
    if found > known {
        return Err(RestoreError::Newer { found, known });
    }
    let said: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(damaged)?;
    if said != "ok" {
        return Err(RestoreError::Damaged { what: said });
    }
    Ok(connection)
}

fn application(connection: &Connection) -> Result<i32, rusqlite::Error> {
    connection.pragma_query_value(None, "application_id", |row| row.get(0))
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
