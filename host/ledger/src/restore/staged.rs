//! A copy of a backup in the state folder, which is checked before anything is put aside.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::super::FILE_NAME;
use super::super::backup::{self, BackedUpSecret, BackupLabel, BackupParts};
use super::super::schema;
use super::{
    DRAFT, LedgerSummary, PENDING, RestoreError, RestoreLock, VAULT, WITHOUT_GRANTS, remove_folder, summarise,
    sync_all, sync_folder,
};

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
    _alone: RestoreLock,
}

impl StagedRestore {
    /// Makes the folder in which it will stand, in the place of one that a killed command has left. Nobody else restores into
    /// this state folder from here on.
    ///
    /// # Errors
    /// When another one waits or is being restored, or when the disk refuses.
    pub fn begin(state_dir: &Path) -> Result<Self, RestoreError> {
        let alone = RestoreLock::take(state_dir)?;
        if state_dir.join(PENDING).exists() {
            return Err(RestoreError::Pending);
        }
        let draft = state_dir.join(DRAFT);
        let refused = |source| RestoreError::Folder { path: draft.clone(), source };
        remove_folder(&draft).map_err(refused)?;
        DirBuilder::new().mode(0o700).create(&draft).map_err(refused)?;
        Ok(Self {
            state_dir: state_dir.to_owned(),
            label: None,
            summary: LedgerSummary { events: 0, newest_at: None, waiting: Vec::new() },
            secrets: Vec::new(),
            committed: false,
            _alone: alone,
        })
    }

    /// Copies a backup, or a ledger with its log, into that folder, checks the copy from end to end, and brings it up to date.
    /// Nothing else changes.
    ///
    /// # Errors
    /// When it is none, is damaged or newer, or when the disk refuses.
    pub fn fill(mut self, source: &mut File, log: Option<&mut File>) -> Result<Self, RestoreError> {
        let path = self.folder().join(FILE_NAME);
        copy(source, &path)?;
        if let Some(log) = log {
            copy(log, &self.folder().join(format!("{FILE_NAME}-wal")))?;
        }
        let mut connection = check(&path)?;
        if application(&connection)? == schema::BACKUP_APPLICATION_ID {
            let BackupParts { label, secrets } = backup::make_ledger(&mut connection)?;
            (self.label, self.secrets) = (Some(label), secrets);
        }
        schema::bring_up_to_date(&mut connection, &path).map_err(|source| RestoreError::Copy(Box::new(source)))?;
        self.summary = summarise(&connection)?;
        // As a ledger that was closed: with nothing left in its log.
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        connection.close().map_err(|(_, source)| source)?;
        Ok(self)
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
