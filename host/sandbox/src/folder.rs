//! A folder that only this user can write to, whose files are replaced whole or not at all.
//!
//! Nothing in it is followed elsewhere, waited for, or believed to be a regular file before it was opened.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::OFlags;
use thiserror::Error;

use super::file::open_regular;

/// The end of the name of a file that is being written.
const TEMPORARY: &str = ".tmp";

/// Why a folder or a file in it can't be used.
#[derive(Debug, Error)]
pub enum FolderError {
    /// The folder can't be made.
    #[error("can't make the folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Someone else could have written there.
    #[error("{} belongs to another user or can be written by one; remove it", path.display())]
    NotOurs {
        /// The folder or file.
        path: PathBuf,
    },
    /// A link, a pipe or a device in the place of a file.
    #[error("{} is no regular file; remove it", path.display())]
    NoFile {
        /// What stands there.
        path: PathBuf,
    },
    /// A file can't be read or written.
    #[error("can't use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The folder.
pub(super) struct Folder {
    path: PathBuf,
}

/// A file that has no name of its own yet. It is removed again where it gets none.
pub(super) struct Temporary {
    path: PathBuf,
    pub(super) file: File,
}

impl Folder {
    /// Opens the folder, made with mode 0700 where it is not there.
    ///
    /// # Errors
    /// When it can't be made, or is not this user's alone.
    pub(super) fn make(path: &Path) -> Result<Self, FolderError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|source| FolderError::Folder { path: path.to_owned(), source })?;
        Self::open(path)
    }

    /// Opens a folder that is there.
    ///
    /// # Errors
    /// When it is not there, or is not this user's alone.
    pub(super) fn open(path: &Path) -> Result<Self, FolderError> {
        let metadata = fs::symlink_metadata(path).map_err(|source| in_file(path, source))?;
        if metadata.file_type().is_dir() && is_ours(&metadata) {
            Ok(Self { path: path.to_owned() })
        } else {
            Err(FolderError::NotOurs { path: path.to_owned() })
        }
    }

    /// Where a file of this name is.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Opens a file for reading; none where there is none.
    ///
    /// # Errors
    /// When it can't be opened, is no regular file, or is not this user's alone.
    pub(super) fn open_file(&self, name: &str) -> Result<Option<File>, FolderError> {
        let path = self.path(name);
        let file = match open_regular(&path, OFlags::NOFOLLOW) {
            Ok(Some(file)) => file,
            Ok(None) => return Err(FolderError::NoFile { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                return Err(FolderError::NoFile { path });
            }
            Err(source) => return Err(FolderError::File { path, source }),
        };
        let metadata = file.metadata().map_err(|source| in_file(&path, source))?;
        if is_ours(&metadata) { Ok(Some(file)) } else { Err(FolderError::NotOurs { path }) }
    }

    /// Reads a file of at most so many bytes; what is beyond them is left. None where there is no file.
    ///
    /// # Errors
    /// As [`Folder::open_file`], and when it can't be read.
    pub(super) fn read(&self, name: &str, most: usize) -> Result<Option<Vec<u8>>, FolderError> {
        let Some(file) = self.open_file(name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(most as u64).read_to_end(&mut bytes).map_err(|source| in_file(&self.path(name), source))?;
        Ok(Some(bytes))
    }

    /// A new file, mode 0600, under a name of its own for each process and each writing: two hosts at the same state would
    /// write into one another's files.
    ///
    /// # Errors
    /// When it can't be made.
    pub(super) fn make_temporary(&self) -> Result<Temporary, FolderError> {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = self.path(&format!("{}-{number}{TEMPORARY}", std::process::id()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
        file.map(|file| Temporary { path: path.clone(), file }).map_err(|source| in_file(&path, source))
    }

    /// Gives a written file its name, in the place of what had it before.
    ///
    /// # Errors
    /// When it is not safely on the disk; what had the name before may still have it.
    pub(super) fn place(&self, temporary: &Temporary, name: &str) -> Result<(), FolderError> {
        let path = self.path(name);
        temporary.file.sync_all().map_err(|source| in_file(&path, source))?;
        self.place_unsynced(temporary, name)?;
        File::open(&self.path).and_then(|folder| folder.sync_all()).map_err(|source| in_file(&path, source))
    }

    /// The same for what may be lost with the power, or come back as something else: it is on the disk some time later.
    ///
    /// # Errors
    /// When it can't have the name.
    pub(super) fn place_unsynced(&self, temporary: &Temporary, name: &str) -> Result<(), FolderError> {
        let path = self.path(name);
        fs::rename(&temporary.path, &path).map_err(|source| in_file(&path, source))
    }

    /// Writes a file anew.
    ///
    /// # Errors
    /// As [`Folder::place`].
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
        self.place(&self.write_temporary(bytes)?, name)
    }

    /// The same for what may be lost with the power.
    ///
    /// # Errors
    /// As [`Folder::place_unsynced`], and when it can't be written.
    pub(super) fn write_unsynced(&self, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
        self.place_unsynced(&self.write_temporary(bytes)?, name)
    }

    fn write_temporary(&self, bytes: &[u8]) -> Result<Temporary, FolderError> {
        let mut temporary = self.make_temporary()?;
        temporary.file.write_all(bytes).map_err(|source| in_file(&temporary.path, source))?;
        Ok(temporary)
    }

    /// The names of its files with when each was last changed, in seconds. What a crash left half-written is among them.
    ///
    /// # Errors
    /// When it can't be read.
    pub(super) fn names(&self) -> Result<Vec<(String, i64)>, FolderError> {
        let entries = fs::read_dir(&self.path).map_err(|source| in_file(&self.path, source))?;
        let named = |entry: fs::DirEntry| {
            let changed = entry.metadata().ok()?.mtime();
            entry.file_name().into_string().ok().map(|name| (name, changed))
        };
        Ok(entries.filter_map(Result::ok).filter_map(named).collect())
    }

    /// Removes a file.
    ///
    /// # Errors
    /// When it is still there.
    pub(super) fn remove(&self, name: &str) -> Result<(), FolderError> {
        match fs::remove_file(self.path(name)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(in_file(&self.path(name), source)),
            _ => Ok(()),
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Where it has its name by now, there is nothing to remove; and what stays is tidied at the next start.
        fs::remove_file(&self.path).ok();
    }
}

/// Whether a process that is gone left this file half-written.
pub(super) fn is_left_over(name: &str) -> bool {
    let writer = name.strip_suffix(TEMPORARY).and_then(|name| name.split('-').next());
    writer.is_some_and(|process| !Path::new("/proc").join(process).exists())
}

fn in_file(path: &Path, source: io::Error) -> FolderError {
    FolderError::File { path: path.to_owned(), source }
}

fn is_ours(metadata: &fs::Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o022 == 0
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_folder_that_another_could_write_to_is_not_used() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("folder");
        Folder::make(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o770)).unwrap();
        assert!(matches!(Folder::make(&path), Err(FolderError::NotOurs { .. })));
        let link = outer.path().join("link");
        symlink(outer.path(), &link).unwrap();
        assert!(matches!(Folder::open(&link), Err(FolderError::NotOurs { .. })));
    }

    #[test]
    fn nothing_in_it_is_followed_or_waited_for() {
        let outer = tempfile::tempdir().unwrap();
        let folder = Folder::make(&outer.path().join("folder")).unwrap();
        folder.write("file", b"1").unwrap();
        assert_eq!(folder.read("file", 9).unwrap().unwrap(), b"1");
        assert!(folder.read("none", 9).unwrap().is_none());
        symlink(folder.path("file"), folder.path("link")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, folder.path("pipe"), rustix::fs::Mode::RUSR).unwrap();
        for name in ["link", "pipe"] {
            assert!(matches!(folder.open_file(name), Err(FolderError::NoFile { .. })), "{name}");
        }
        fs::set_permissions(folder.path("file"), fs::Permissions::from_mode(0o662)).unwrap();
        assert!(matches!(folder.open_file("file"), Err(FolderError::NotOurs { .. })));
    }

    #[test]
    fn a_file_that_gets_no_name_is_gone() {
        let outer = tempfile::tempdir().unwrap();
        let folder = Folder::make(outer.path()).unwrap();
        drop(folder.make_temporary().unwrap());
        assert_eq!(folder.names().unwrap().len(), 0);
        folder.write("file", b"1").unwrap();
        folder.write("file", b"2").unwrap();
        assert_eq!(folder.read("file", 9).unwrap().unwrap(), b"2");
        assert_eq!(folder.names().unwrap().len(), 1);
    }
}
