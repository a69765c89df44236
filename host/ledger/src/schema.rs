//! The file's form: how it is made, recognised, and brought up to date.
//!
//! The ledger appears in the folder whole or not at all (made under another name, then renamed), so that an empty or
//! headless file is always damage and never a beginning. All steps to the newest version are one transaction, with the
//! version's number (`user_version`) in it. Steps that were released never change; `version-1.sql` is the first.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use rusqlite_migration::{M, Migrations};

use super::error::OpenError;
use super::log_file::LogFile;
use super::wal;

/// Marks the file as ours in its header (`PUNC`): `file` and other programs can tell.
pub(super) const APPLICATION_ID: i32 = 0x5055_4e43;

/// The same for a backup (`PUNB`): no host goes on with one.
pub(super) const BACKUP_APPLICATION_ID: i32 = 0x5055_4e42;

/// The smallest page of any SQLite file.
const LEAST_BYTES: u64 = 512;

/// Of a new ledger; one that is there keeps its own. A commit writes whole pages into the log, and a press changes one:
/// with pages of 1 KiB that is one block of the file system, or two, where 4 KiB would be two or three. Smaller pages
/// hold too few rows.
const PAGE_BYTES: i64 = 1024;

/// Step `n`, from 0, makes version `n + 1` of version `n`.
pub(super) const STEPS: &[M<'static>] = &[
    M::up(include_str!("schema/version-1.sql")),
    M::up(include_str!("schema/version-2.sql")),
    M::up(include_str!("schema/version-3.sql")),
    M::up(include_str!("schema/version-4.sql")),
    M::up(include_str!("schema/version-5.sql")),
    M::up(include_str!("schema/version-6.sql")),
];

/// A ledger that is ready.
pub(super) struct OpenFile {
    pub(super) connection: Connection,
    pub(super) created: bool,
    pub(super) migrated_from: Option<u32>,
}

/// Opens the file for writing, makes it where there is none, and brings it up to date. The caller holds the lock.
pub(super) fn open(path: &Path) -> Result<OpenFile, OpenError> {
    open_with(path, STEPS)
}

/// The same with these steps.
pub(super) fn open_with(path: &Path, steps: &[M<'_>]) -> Result<OpenFile, OpenError> {
    let created = !path.exists();
    if created {
        create(path)?;
    }
    let log = LogFile::of(path);
    let refused = |source| OpenError::log(path, source);
    // Before SQLite opens it.
    log.take_as_not_moved().map_err(refused)?;
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let found = recognise(&connection, path)?;
    let known = version_known(steps);
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    // Before anything is written. Where the disk refuses, what is recorded might hang on what it has not got.
    log.renew().map_err(refused)?;
    if let Err(error) = log.grow() {
        // A full disk, for one: what is there can still be read and delivered.
        tracing::warn!(%error, "the ledger's log does not get its usual size; it grows with what is written");
    }
    let set = |connection: &Connection| {
        // Tables may be rebuilt by a step, which foreign keys would notice half-way.
        connection.pragma_update(None, "foreign_keys", false)
    };
    set(&connection).map_err(|source| OpenError::reading(path, source))?;
    perform_migrations(&mut connection, steps, path)?;
    tune(&connection).map_err(|source| OpenError::reading(path, source))?;
    Ok(OpenFile { connection, created, migrated_from: (0 < found && found < known).then_some(found) })
}

/// Opens the file for reading only, beside a host or without one.
pub(super) fn open_read_only(path: &Path) -> Result<Connection, OpenError> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let found = recognise(&connection, path)?;
    let known = version_known(STEPS);
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    if found < known {
        return Err(OpenError::Older { path: path.to_owned(), found });
    }
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// The newest version that is known here.
pub(super) fn newest_version() -> u32 {
    version_known(STEPS)
}

/// Brings a file of a known version up to date that no host has open.
pub(super) fn bring_up_to_date(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    connection.pragma_update(None, "foreign_keys", false).map_err(|source| OpenError::reading(path, source))?;
    perform_migrations(connection, STEPS, path)
}

fn version_known(steps: &[M<'_>]) -> u32 {
    u32::try_from(steps.len()).unwrap_or(u32::MAX)
}

/// Makes an empty ledger under another name, makes it durable, and gives it its name.
fn create(path: &Path) -> Result<(), OpenError> {
    for suffix in ["-wal", "-journal"] {
        let rest = with_suffix(path, suffix);
        if fs::metadata(&rest).is_ok_and(|metadata| metadata.len() > 0) {
            return Err(OpenError::Damaged {
                path: path.to_owned(),
                what: format!("it is gone, but {} is still there, which belongs to it", rest.display()),
            });
        }
    }
    let draft = with_suffix(path, ".new");
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| OpenError::Create { path: path.to_owned(), source };
    let make = || -> Result<(), rusqlite::Error> {
        let connection = Connection::open(&draft)?;
        connection.pragma_update(None, "page_size", PAGE_BYTES)?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        log_ahead(&connection)
    };
    let place = || -> io::Result<()> {
        File::open(&draft)?.sync_all()?;
        fs::rename(&draft, path)?;
        match path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    for suffix in [".new", ".new-wal", ".new-shm", ".new-journal"] {
        match fs::remove_file(with_suffix(path, suffix)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(failed(source.into())),
            _ => {}
        }
    }
    make().map_err(|source| failed(source.into()))?;
    place().map_err(|source| failed(source.into()))
}

fn connect(path: &Path, access: OpenFlags) -> Result<Connection, OpenError> {
    match fs::metadata(path) {
        Err(source) if source.kind() == io::ErrorKind::NotFound => {
            return Err(OpenError::Missing { path: path.to_owned() });
        }
        // SQLite takes an empty file, or half of a header, for a new database; here it is one that lost its content.
        Ok(metadata) if metadata.len() < LEAST_BYTES => {
            let what = format!("the file has only {} bytes", metadata.len());
            return Err(OpenError::Damaged { path: path.to_owned(), what });
        }
        _ => {}
    }
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|source| OpenError::reading(path, source))?;
    // A file that is refused stays as it is, and so does its log: SQLite would move and remove that with the last connection.
    let config = rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
    connection.set_db_config(config, true).map_err(|source| OpenError::reading(path, source))?;
    // Nobody else writes, but a reader that finds the host's log in need of recovery takes the write lock for a moment.
    connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(|source| OpenError::reading(path, source))?;
    Ok(connection)
}

/// The version of a file that is ours.
fn recognise(connection: &Connection, path: &Path) -> Result<u32, OpenError> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let application = pragma("application_id").map_err(|source| OpenError::reading(path, source))?;
    if application == BACKUP_APPLICATION_ID {
        return Err(OpenError::Backup { path: path.to_owned() });
    }
    if application != APPLICATION_ID {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    let version = pragma("user_version").map_err(|source| OpenError::reading(path, source))?;
    u32::try_from(version)
        .map_err(|_| OpenError::Damaged { path: path.to_owned(), what: format!("its version is {version}") })
}

/// Performs the steps that the file has not seen yet, in one transaction.
fn perform_migrations(connection: &mut Connection, steps: &[M<'_>], path: &Path) -> Result<(), OpenError> {
    let from = recognise(connection, path)?;
    let migrated = Migrations::from_slice(steps).to_latest(connection);
    migrated.map_err(|source| OpenError::migrating(path, from, source))
}

fn log_ahead(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))
}

fn tune(connection: &Connection) -> Result<(), rusqlite::Error> {
    log_ahead(connection)?;
    // Every commit is on the disk when it returns.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // `wal` moves the log into the main file, outside of the commits that somebody waits for.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    wal::keep(connection)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> (tempfile::TempDir, PathBuf, Connection) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        create(&path).unwrap();
        let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        (folder, path, connection)
    }

    fn numbers(connection: &Connection) -> Vec<i64> {
        let mut select = connection.prepare("SELECT number FROM step").unwrap();
        select.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    const FIRST: M<'_> = M::up("CREATE TABLE step (number INTEGER); INSERT INTO step VALUES (1)");
    const SECOND: M<'_> = M::up("INSERT INTO step VALUES (2)");
    const THIRD: M<'_> = M::up("INSERT INTO step VALUES (3)");

    #[test]
    fn the_steps_to_the_newest_version_are_sound() {
        assert_eq!(Migrations::from_slice(STEPS).validate(), Ok(()));
    }

    #[test]
    fn every_step_is_performed_once_and_in_order() {
        let (_folder, path, mut connection) = file();
        perform_migrations(&mut connection, &[FIRST], &path).unwrap();
        assert_eq!((recognise(&connection, &path).unwrap(), numbers(&connection)), (1, vec![1]));
        for _ in 0..2 {
            perform_migrations(&mut connection, &[FIRST, SECOND, THIRD], &path).unwrap();
            assert_eq!((recognise(&connection, &path).unwrap(), numbers(&connection)), (3, vec![1, 2, 3]));
        }
    }

    #[test]
    fn a_step_that_fails_leaves_the_version_that_the_file_had() {
        let (_folder, path, mut connection) = file();
        perform_migrations(&mut connection, &[FIRST], &path).unwrap();
        let failing = M::up("INSERT INTO step VALUES (3); INSERT INTO nowhere VALUES (1)");
        let failed = perform_migrations(&mut connection, &[FIRST, SECOND, failing], &path);
        assert!(matches!(failed, Err(OpenError::Migration { from: 1, .. })));
        assert_eq!((recognise(&connection, &path).unwrap(), numbers(&connection)), (1, vec![1]));
    }

    #[test]
    fn a_commit_waits_for_the_disk_and_never_for_the_log_to_be_moved() {
        let folder = tempfile::tempdir().unwrap();
        let file = open(&folder.path().join("ledger.sqlite")).unwrap();
        let pragma = |name: &str| -> String {
            let value = file.connection.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0));
            format!("{:?}", value.unwrap())
        };
        let expected = [
            ("journal_mode", "Text(\"wal\")"),
            ("synchronous", "Integer(2)"),
            ("foreign_keys", "Integer(1)"),
            ("wal_autocheckpoint", "Integer(0)"),
            ("page_size", "Integer(1024)"),
            ("application_id", "Integer(1347767875)"),
        ];
        for (name, value) in expected {
            assert_eq!(pragma(name), value, "{name}");
        }
    }
}
