//! `punchcard backup`: writes the ledger into one file, beside a running host or without one.
//!
//! It goes on as whoever calls, also as root, to whom the place of the file may belong. In the state folder it only reads; what
//! SQLite makes beside the ledger for that, it gives to the ledger's owner.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use clap::Args;
use punchcard_core::config::parse_what_is_valid;
use rustix::fs::{CWD, FlockOperation, OFlags, RenameFlags, flock, renameat_with};
use rustix::io::Errno;
use serde_json::json;
use thiserror::Error;

use super::DeviceArguments;
use super::events::zone;
use super::exit::{Exit, Failure};
use super::interruption::Unfinished;
use super::output::{print_line, say_line};
use super::time::render_rfc_3339;
use crate::app::configuration::Source;
use crate::clock::Clock;
use crate::vault::read_copies;
use punchcard_ledger::{BackedUpSecret, BackupLabel, Reader, VAULT};

/// Between two words on how far it is.
const SAID_EVERY: Duration = Duration::from_secs(1);

/// What the name of a file ends with while it is being written.
const DRAFT: &str = ".punchcard-new";

#[derive(Debug, Args)]
pub(super) struct BackupArguments {
    /// The file to write. Nobody but its owner may read it.
    file: PathBuf,
    /// Put the tokens into it, too: keep the file as private as they are.
    #[arg(long)]
    with_secrets: bool,
    /// Replace the file where it is there already.
    #[arg(long)]
    force: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Why there is no file.
#[derive(Debug, Error)]
enum FileError {
    /// It is there.
    #[error("{} is there already; choose another name, or say --force to replace it", path.display())]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// It could not be made.
    #[error("{} can't be made", path.display())]
    Make {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It would lie among the device's own files.
    #[error("{} would lie in the state folder, among the files of the device itself; choose another place", path.display())]
    InState {
        /// Which.
        path: PathBuf,
    },
    /// Another one is being made under this name.
    #[error("another `punchcard backup` writes {} at this moment; wait until it has ended", path.display())]
    AtWork {
        /// Which.
        path: PathBuf,
    },
    /// It could not get its name.
    #[error("{} is written and could not get its name", path.display())]
    Place {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

pub(super) fn backup(device: &DeviceArguments, arguments: &BackupArguments) -> Result<Exit, Failure> {
    let reader = Reader::open(&device.state, zone(device)).map_err(Failure::general)?;
    let text = Source::read(&device.config).ok().map(|source| source.text);
    let configured = parse_what_is_valid(text.as_deref().unwrap_or_default()).0.device;
    let clock = Clock::open(configured.name.as_str(), configured.time_zone.clone(), true).map_err(Failure::general)?;
    let made_at = clock.wall();
    let label = BackupLabel {
        device: configured.name.to_string(),
        version: env!("CARGO_PKG_VERSION").into(),
        made_at: made_at.unix_micros,
        configuration: text,
    };
    let draft = Draft::make(&arguments.file, &device.state, arguments.force).map_err(Failure::general)?;
    let unfinished = Unfinished::watch(draft.path.clone()).map_err(Failure::general)?;
    let secrets = if arguments.with_secrets {
        let copies = read_copies(&device.state.join(VAULT)).map_err(Failure::general)?;
        copies.into_iter().map(|(name, content)| BackedUpSecret { name, content: content.to_vec() }).collect()
    } else {
        Vec::new()
    };
    let all = reader.backup_bytes().map_err(Failure::general)?;
    saying_how_far(&draft.path, all, || reader.back_up(&draft.path, &label, &secrets)).map_err(Failure::general)?;
    let bytes = draft.path.metadata().map_or(0, |metadata| metadata.len());
    unfinished.finish(|| draft.place(arguments.force)).map_err(Failure::general)?;
    if arguments.json {
        let line = json!({
            "file": arguments.file,
            "bytes": bytes,
            "device": label.device,
            "version": label.version,
            "made-at": render_rfc_3339(made_at),
            "tokens": arguments.with_secrets.then_some(secrets.len()),
        });
        print_line(line)?;
    } else {
        let file = arguments.file.display();
        let tokens = match secrets.len() {
            _ if !arguments.with_secrets => "without tokens".to_owned(),
            0 => "nobody is signed in, so no tokens are in it".to_owned(),
            grants => format!("with the tokens of {grants} grants: keep it as private as they are"),
        };
        print_line(format_args!("{file} is written: {}, {tokens}.", render_bytes(bytes)))?;
        print_line(format_args!("`punchcard restore {file}` has a device go on with it."))?;
    }
    Ok(Exit::Success)
}

/// Does something that fills a file, and says how far it is each second.
fn saying_how_far<T>(file: &Path, all: u64, work: impl FnOnce() -> T) -> T {
    let (done, is_done) = channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while is_done.recv_timeout(SAID_EVERY) == Err(RecvTimeoutError::Timeout) {
                let bytes = file.metadata().map_or(0, |metadata| metadata.len());
                say_line(format_args!("{} of about {} are written", render_bytes(bytes), render_bytes(all)));
            }
        });
        let result = work();
        drop(done);
        result
    })
}

pub(super) fn render_bytes(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} bytes"),
        1_024..1_048_576 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

/// The file under another name, until it is whole. Dropped before that, it is removed.
struct Draft {
    path: PathBuf,
    file: PathBuf,
    /// Locked: no other command takes it for one that a power cut left.
    draft: File,
    placed: bool,
}

impl Draft {
    fn make(file: &Path, state: &Path, force: bool) -> Result<Self, FileError> {
        if let (Ok(folder), Ok(state)) = (folder_of(file).canonicalize(), state.canonicalize())
            && folder.starts_with(state)
        {
            return Err(FileError::InState { path: file.to_owned() });
        }
        if !force && file.symlink_metadata().is_ok() {
            return Err(FileError::Exists { path: file.to_owned() });
        }
        let mut name = OsString::from(file);
        name.push(DRAFT);
        let path = PathBuf::from(name);
        let failed = |source| FileError::Make { path: file.to_owned(), source };
        let at_work = || FileError::AtWork { path: file.to_owned() };
        match OpenOptions::new().read(true).custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(&path) {
            // What a power cut left, unless somebody is at it.
            Ok(left) if !lock(&left).map_err(failed)? => return Err(at_work()),
            Ok(_) => fs::remove_file(&path).map_err(failed)?,
            Err(source) if source.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(failed(source)),
        }
        let draft = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
        if !lock(&draft).map_err(failed)? {
            return Err(at_work());
        }
        let draft = Self { path, file: file.to_owned(), draft, placed: false };
        // Before it was locked, another one may have taken it for what a power cut left.
        if draft.is_there() { Ok(draft) } else { Err(at_work()) }
    }

    /// Whether what has this name is what was made here.
    fn is_there(&self) -> bool {
        let id = |file: io::Result<Metadata>| file.map(|file| (file.dev(), file.ino()));
        match (id(self.path.symlink_metadata()), id(self.draft.metadata())) {
            (Ok(named), Ok(made)) => named == made,
            _ => false,
        }
    }

    /// Gives it its name, durably.
    fn place(mut self, force: bool) -> Result<(), FileError> {
        let failed = |source| FileError::Place { path: self.file.clone(), source };
        let flags = if force { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
        match renameat_with(CWD, &self.path, CWD, &self.file, flags) {
            Ok(()) => {}
            // Somebody made one meanwhile.
            Err(Errno::EXIST) => return Err(FileError::Exists { path: self.file.clone() }),
            // Such as a stick of a file system that can't promise that.
            Err(Errno::INVAL | Errno::NOSYS) if self.file.symlink_metadata().is_err() => {
                fs::rename(&self.path, &self.file).map_err(failed)?;
            }
            Err(errno) => return Err(failed(errno.into())),
        }
        self.placed = true;
        let failed = |source| FileError::Place { path: self.file.clone(), source };
        File::open(folder_of(&self.file)).and_then(|folder| folder.sync_all()).map_err(failed)
    }
}

/// The folder in which a file is.
fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Locks a file. Returns whether nobody else had it. A file system that has no locks lets everybody in.
fn lock(file: &File) -> io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) | Err(Errno::NOTSUP | Errno::NOLCK | Errno::NOSYS) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.placed
            && self.is_there()
            && let Err(error) = fs::remove_file(&self.path)
        {
            say_line(format_args!("{} is of no use and can't be removed: {error}", self.path.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_over_the_devices_own_files() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        fs::create_dir_all(state.join("vault")).unwrap();
        std::os::unix::fs::symlink(&state, folder.path().join("link")).unwrap();
        for file in ["state/ledger.sqlite", "state/backup", "state/vault/x", "link/ledger.sqlite", "state/../state/x"] {
            let made = Draft::make(&folder.path().join(file), &state, true);
            assert!(matches!(made, Err(FileError::InState { .. })), "{file}");
        }
        assert!(Draft::make(&folder.path().join("state-backup"), &state, true).is_ok());
    }

    #[test]
    fn one_is_written_at_a_time_and_what_a_power_cut_left_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (file, state) = (folder.path().join("backup"), folder.path().join("state"));
        let draft = folder.path().join("backup.punchcard-new");
        fs::write(&draft, "half").unwrap();
        let first = Draft::make(&file, &state, false).unwrap();
        assert_eq!(fs::read(&draft).unwrap(), b"");
        assert!(matches!(Draft::make(&file, &state, true), Err(FileError::AtWork { .. })));
        fs::write(&draft, "whole").unwrap();
        first.place(false).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"whole");
        drop(Draft::make(&file, &state, true).unwrap());
        assert!(!draft.exists());
    }
}
