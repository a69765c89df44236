//! SQLite's log as a plain file: what is done to it without SQLite.
//!
//! A file that grows costs the file system an entry in its own journal with each commit, and a flash card twice the
//! writes. So the log gets its usual size when the ledger is opened, in zeros, which end it like any frame whose checksum is
//! wrong (SQLite file format §4.1).
//!
//! After a sync that was refused, Linux takes what it was asked for as written: it is read, until its memory is needed
//! elsewhere, and no later sync tries it again. Only what is written once more is. Hence three operations:
//! - [`LogFile::cut_off`], for the host whose sync was refused: what it wrote is there no more, for nobody.
//! - [`LogFile::renew`], for the host that starts: what one before it has left is on the disk before anything is added to it,
//!   for a commit behind frames that are not on the disk is not found after a power cut.
//! - [`LogFile::take_as_not_moved`], for the host that starts, too: all that the log holds is moved into the main file once
//!   more, for what was moved before may have been given up.
//!
//! SQLite locks the main file and the log's index, and not the log: it may be opened and closed beside SQLite.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::wal::USUAL_BYTES;

/// What stands before the frames (SQLite file format §4.1).
pub(super) const HEADER_BYTES: usize = 32;

/// Read and written at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// Where the log's index says how many frames are moved (`nBackfill` in SQLite's walformat.html §2.1), and its bytes up to
/// the end of what stands before its pages.
const MOVED_AT: u64 = 96;
const INDEX_HEADER_BYTES: u64 = 136;

/// The log of a ledger's file.
#[derive(Debug, Clone)]
pub(super) struct LogFile {
    path: PathBuf,
    index: PathBuf,
}

impl LogFile {
    /// Of the ledger at this path.
    pub(super) fn of(ledger: &Path) -> Self {
        let beside = |suffix: &str| {
            let mut name = ledger.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        Self { path: beside("-wal"), index: beside("-shm") }
    }

    /// Has the next checkpoint move all of the log, whatever was moved before. SQLite's index of the log says how much was,
    /// and outlives a host while somebody reads: a part that was moved before a move that failed may not be on the disk, and
    /// would be taken for it. To move a frame twice does no harm. Nobody in this process may have the ledger open: to close
    /// the index takes away the process's locks on it.
    pub(super) fn take_as_not_moved(&self) -> io::Result<()> {
        let index = match OpenOptions::new().write(true).open(&self.index) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            index => index?,
        };
        if index.metadata()?.len() < INDEX_HEADER_BYTES {
            return Ok(());
        }
        index.write_all_at(&[0; 4], MOVED_AT)
    }

    /// Writes the log once more as it is, and makes it durable. A power cut in the midst leaves the very bytes that are there,
    /// as SQLite expects of a disk that writes sectors over. Nobody else writes to it.
    pub(super) fn renew(&self) -> io::Result<()> {
        let file = match OpenOptions::new().read(true).write(true).open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file?,
        };
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut at = 0;
        loop {
            let count = file.read_at(&mut chunk, at)?;
            let bytes = &chunk[..count];
            // Without its header it holds nothing.
            if count == 0 || (at == 0 && bytes.iter().take(HEADER_BYTES).all(|byte| *byte == 0)) {
                break;
            }
            self.write(&file, bytes, at)?;
            at += u64::try_from(count).unwrap_or(0);
        }
        if at > 0 { self.sync(&file) } else { Ok(()) }
    }

    /// Makes the file as long as it usually is. What it holds stays. Nobody else writes to it.
    pub(super) fn grow(&self) -> io::Result<()> {
        let usual = USUAL_BYTES.unsigned_abs();
        let is_new = !self.path.try_exists()?;
        #[cfg(test)]
        if is_new {
            self.note(|file| power_cut::Operation::Create { file })?;
        }
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&self.path)?;
        let length = file.metadata()?.len();
        if length >= usual {
            return Ok(());
        }
        let missing = usize::try_from(usual - length).unwrap_or(0);
        // Zeros that are written, and not a hole: a hole would be filled, and noted by the file system, page by page.
        self.write(&file, &vec![0; missing], length)?;
        self.sync(&file)?;
        match self.path.parent() {
            Some(folder) if is_new => {
                #[cfg(test)]
                self.note(|_| power_cut::Operation::SyncFolder)?;
                File::open(folder)?.sync_all()
            }
            _ => Ok(()),
        }
    }

    /// Cuts off what stands behind so many bytes, durably. Nobody reads it: it is no commit of which SQLite's index knows.
    ///
    /// # Errors
    /// When it can't be cut off, or when the disk does not confirm that: then a power cut may bring it back.
    pub(super) fn cut_off(&self, bytes: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(&self.path)?;
        #[cfg(test)]
        self.note(|file| power_cut::Operation::Resize { file, bytes })?;
        file.set_len(bytes)?;
        self.sync(&file)
    }

    /// Makes it hold nothing, in its size: it is not read at the next start, and does no harm beside a file that somebody
    /// brought back from a copy. All of it has been moved, and nobody has the ledger open.
    pub(super) fn empty(&self) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(&self.path)?;
        self.write(&file, &[0; HEADER_BYTES], 0)?;
        self.sync(&file)
    }

    fn write(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        #[cfg(test)]
        self.note(|file| power_cut::Operation::Write { file, offset: at, bytes: bytes.to_vec() })?;
        file.write_all_at(bytes, at)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        #[cfg(test)]
        self.note(|file| power_cut::Operation::Sync { file })?;
        file.sync_all()
    }

    /// Has a test's disk refuse what is about to be done, or note it.
    #[cfg(test)]
    fn note(&self, operation: impl FnOnce(String) -> power_cut::Operation) -> io::Result<()> {
        power_cut::note_without_sqlite(&self.path, operation)
    }

    #[cfg(test)]
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> (tempfile::TempDir, LogFile) {
        let folder = tempfile::tempdir().unwrap();
        let log = LogFile::of(&folder.path().join("ledger.sqlite"));
        (folder, log)
    }

    #[test]
    fn a_log_is_grown_once_and_keeps_what_it_holds() {
        let (_folder, log) = log();
        std::fs::write(log.path(), b"what it holds").unwrap();
        log.grow().unwrap();
        let grown = std::fs::read(log.path()).unwrap();
        assert_eq!(grown.len() as u64, USUAL_BYTES.unsigned_abs());
        assert!(grown.starts_with(b"what it holds\0") && grown[13..].iter().all(|byte| *byte == 0));
        std::fs::write(log.path(), vec![7; grown.len() + 1]).unwrap();
        log.grow().unwrap();
        assert_eq!(std::fs::read(log.path()).unwrap(), vec![7; grown.len() + 1]);
    }

    #[test]
    fn all_of_a_log_is_written_once_more_unless_it_holds_nothing() {
        let (folder, log) = log();
        let recording = power_cut::Recording::start(folder.path()).unwrap();
        log.renew().unwrap();
        std::fs::write(log.path(), vec![0; CHUNK_BYTES]).unwrap();
        log.renew().unwrap();
        assert!(recording.is_empty());
        drop(recording);
        let held: Vec<u8> = (0..CHUNK_BYTES + 5).map(|at| u8::try_from(at % 251).unwrap()).collect();
        std::fs::write(log.path(), &held).unwrap();
        let recording = power_cut::Recording::start(folder.path()).unwrap();
        log.renew().unwrap();
        let file = "ledger.sqlite-wal".to_owned();
        let write = |offset: usize, bytes: &[u8]| power_cut::Operation::Write {
            file: file.clone(),
            offset: offset as u64,
            bytes: bytes.to_vec(),
        };
        let (first, second) = held.split_at(CHUNK_BYTES);
        let sync = power_cut::Operation::Sync { file: file.clone() };
        let expected = [write(0, first), write(CHUNK_BYTES, second), sync];
        assert!(recording.operations() == expected, "{} operations", recording.len());
        assert_eq!(std::fs::read(log.path()).unwrap(), held);
    }
}
