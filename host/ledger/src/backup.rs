//! A backup: one SQLite file with the whole ledger as it stood at one moment, and what it is a backup of.
//!
//! It is made beside the host that writes (`VACUUM INTO`, which reads one snapshot). Besides the ledger's tables it has
//! `backup`, which says of which device it is, and `backup_secret`, which is empty unless a person wanted the tokens in it. It
//! is marked as a backup in its header, and not as a ledger: nobody has a device go on with it but by
//! [`restore`](super::restore), which has its sinks compare before they deliver.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use thiserror::Error;

use super::Reader;
use super::schema::{self, BACKUP_APPLICATION_ID};

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupLabel {
    /// The device's name in plugins.toml.
    pub device: String,
    /// The version of the program that made it.
    pub version: String,
    /// When it was made, in µs since 1970 by the wall clock, believed or not.
    pub made_at: i64,
    /// The text of plugins.toml, where it could be read.
    pub configuration: Option<String>,
}

/// Something secret that goes along: a file of the token storage, of which the ledger knows nothing else.
pub struct BackedUpSecret {
    /// The file's name.
    pub name: String,
    /// What stands in it.
    pub content: Vec<u8>,
}

/// Why there is no backup.
#[derive(Debug, Error)]
pub enum BackupError {
    /// SQLite takes a path as text.
    #[error("the path {} is no UTF-8 text; choose another one", path.display())]
    Path {
        /// The path.
        path: PathBuf,
    },
    /// The ledger could not be copied.
    #[error("the ledger could not be copied to {}", path.display())]
    Copy {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// What the backup is of could not be written into it.
    #[error("{} could not be finished", path.display())]
    Finish {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The disk did not confirm that it has it.
    #[error("the disk did not confirm that it has {}", path.display())]
    Sync {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Reader {
    /// Writes a backup into an empty file, which keeps its owner and mode, and makes it durable. Its name is not: that is left
    /// to whoever made the file. After an error the file is worth nothing. A host that writes meanwhile is not held up; its log
    /// grows by what it writes.
    ///
    /// # Errors
    /// When the ledger can't be read, or the disk refuses.
    pub fn back_up(&self, into: &Path, label: &BackupLabel, secrets: &[BackedUpSecret]) -> Result<(), BackupError> {
        let path = || into.to_owned();
        let text = into.to_str().ok_or_else(|| BackupError::Path { path: path() })?;
        let copied = self.connection().execute("VACUUM INTO ?1", [text]);
        copied.map_err(|source| BackupError::Copy { path: path(), source })?;
        finish(into, label, secrets).map_err(|source| BackupError::Finish { path: path(), source })?;
        File::open(into).and_then(|file| file.sync_all()).map_err(|source| BackupError::Sync { path: path(), source })
    }

    /// How large a backup becomes, in bytes: about.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn backup_bytes(&self) -> Result<u64, rusqlite::Error> {
        let pragma = |name: &str| self.connection().pragma_query_value(None, name, |row| row.get::<_, u64>(0));
        Ok((pragma("page_count")?.saturating_sub(pragma("freelist_count")?)).saturating_mul(pragma("page_size")?))
    }
}

fn finish(path: &Path, label: &BackupLabel, secrets: &[BackedUpSecret]) -> Result<(), rusqlite::Error> {
    let mut connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // Half a backup is removed, not rolled back: nothing else is to appear beside it.
    connection.query_row("PRAGMA journal_mode = MEMORY", [], |_| Ok(()))?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(
        "CREATE TABLE backup (
             device        TEXT NOT NULL,
             version       TEXT NOT NULL,
             made_at       INTEGER NOT NULL,
             configuration TEXT
         ) STRICT;
         CREATE TABLE backup_secret (
             name    TEXT PRIMARY KEY,
             content BLOB NOT NULL
         ) STRICT;",
    )?;
    let keep = "INSERT INTO backup (device, version, made_at, configuration) VALUES (?1, ?2, ?3, ?4)";
    transaction.execute(keep, (&label.device, &label.version, label.made_at, &label.configuration))?;
    for secret in secrets {
        let keep = "INSERT INTO backup_secret (name, content) VALUES (?1, ?2)";
        transaction.execute(keep, (&secret.name, &secret.content))?;
    }
    transaction.commit()?;
    connection.pragma_update(None, "application_id", BACKUP_APPLICATION_ID)?;
    connection.close().map_err(|(_, source)| source)
}

/// What a backup says of itself, and the secrets in it.
pub(super) struct BackupParts {
    pub(super) label: BackupLabel,
    pub(super) secrets: Vec<BackedUpSecret>,
}

/// Makes a ledger of a backup, and gives what else stood in it. No secret is left in the file.
pub(super) fn make_ledger(connection: &mut Connection) -> Result<BackupParts, rusqlite::Error> {
    connection.pragma_update(None, "secure_delete", true)?;
    // Nor in a journal beside it: where this is cut off, the whole copy is removed.
    connection.query_row("PRAGMA journal_mode = MEMORY", [], |_| Ok(()))?;
    let transaction = connection.transaction()?;
    let label = "SELECT device, version, made_at, configuration FROM backup";
    let label = transaction.query_row(label, [], |row| {
        Ok(BackupLabel { device: row.get(0)?, version: row.get(1)?, made_at: row.get(2)?, configuration: row.get(3)? })
    })?;
    let secrets: Vec<BackedUpSecret> = transaction
        .prepare("SELECT name, content FROM backup_secret ORDER BY name")?
        .query_map([], |row| Ok(BackedUpSecret { name: row.get(0)?, content: row.get(1)? }))?
        .collect::<Result<_, _>>()?;
    transaction.execute_batch("DROP TABLE backup; DROP TABLE backup_secret;")?;
    transaction.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
    transaction.commit()?;
    Ok(BackupParts { label, secrets })
}
