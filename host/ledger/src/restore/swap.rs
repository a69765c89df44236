//! The swap itself, step by step: what [`restore`](super) says of their order holds here.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::super::FILE_NAME;
use super::super::batch::TRIED;
use super::super::compare_first;
use super::super::schema;
use super::{
    COMING, DONE, DRAFT, GOING, IN_DOUBT, KEPT, PENDING, RestoreLock, VAULT, WITHOUT_GRANTS, none_is_fine, remove_file,
    sync_folder,
};

/// The swap of one state folder, whose lock the caller has.
pub(crate) struct Swap<'a> {
    state_dir: &'a Path,
    /// How many steps are left before a test cuts the power.
    #[cfg(test)]
    left: std::cell::Cell<usize>,
}

/// A ledger that came in by a swap, and is to be marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CameIn {
    /// What auth policies remember does not belong to the tokens that are there.
    pub(crate) without_grants: bool,
    /// What the ledger before it had sent may still arrive.
    pub(crate) in_doubt: bool,
}

impl<'a> Swap<'a> {
    pub(crate) fn of(state_dir: &'a Path) -> Self {
        Self {
            state_dir,
            #[cfg(test)]
            left: std::cell::Cell::new(usize::MAX),
        }
    }

    /// One that ends after so many steps, as by a power cut.
    #[cfg(test)]
    pub(crate) fn cut_after(state_dir: &'a Path, steps: usize) -> Self {
        Self { state_dir, left: std::cell::Cell::new(steps) }
    }

    /// Steps 1 to 3. `None`: nothing is to be restored.
    pub(crate) fn perform(&self) -> io::Result<Option<CameIn>> {
        let (coming, pending) = (self.path(COMING), self.path(PENDING));
        self.remove_folder(&self.path(DONE))?;
        // What a `restore` was making that was killed.
        if let Ok(_nobody_restores) = RestoreLock::take(self.state_dir) {
            self.remove_folder(&self.path(DRAFT))?;
        }
        if pending.exists() {
            // One that came in before and could never be opened is replaced by this one. What it had replaced is kept, and what
            // that had sent may still arrive.
            if coming.exists() && !coming.join(FILE_NAME).exists() {
                if coming.join(IN_DOUBT).exists() {
                    self.mark_in_doubt(&pending)?;
                }
                self.put_away(&coming)?;
            }
            if !coming.exists() {
                self.step(|| fs::rename(&pending, &coming))?;
                self.sync(self.state_dir)?;
            }
        }
        if !coming.exists() {
            return Ok(None);
        }
        if coming.join(FILE_NAME).exists() {
            // Once its log is gone, it does not know what it did last.
            let is_whole = self.path(FILE_NAME).exists() && !self.path(GOING).exists();
            if is_whole && may_have_sent(&self.path(FILE_NAME)) {
                self.mark_in_doubt(&coming)?;
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
    pub(crate) fn finish(&self) -> io::Result<()> {
        let (kept, going, coming) = (self.path(KEPT), self.path(GOING), self.path(COMING));
        if going.exists() {
            self.remove_folder(&kept)?;
            self.step(|| fs::rename(&going, &kept))?;
            self.sync(self.state_dir)?;
        }
        self.put_away(&coming)
    }

    /// Removes what came in, or could not. In one step it is no such folder any more: a start that found a half of it would mark
    /// the ledger by what is left, and forget what was in doubt.
    fn put_away(&self, coming: &Path) -> io::Result<()> {
        let done = self.path(DONE);
        self.remove_folder(&done)?;
        self.step(|| fs::rename(coming, &done))?;
        self.sync(self.state_dir)?;
        self.remove_folder(&done)
    }

    fn mark_in_doubt(&self, folder: &Path) -> io::Result<()> {
        self.step(|| File::create(folder.join(IN_DOUBT)).map(drop))?;
        self.sync(folder)
    }

    /// Removes a folder, where it is there: file by file, for each can be the last one before a power cut.
    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                self.remove_folder(&entry.path())?;
            } else {
                self.step(|| remove_file(&entry.path()))?;
            }
        }
        self.step(|| none_is_fine(fs::remove_dir(folder)))
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
                self.remove_folder(&self.path(VAULT))?;
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

/// Whether rows of this ledger, or of one that it replaced and that was in doubt, may be on their way to a service. One that
/// can't be read may have sent some.
fn may_have_sent(ledger: &Path) -> bool {
    let sent = "SELECT EXISTS (SELECT 1 FROM sink WHERE (
                    SELECT stage FROM batch WHERE batch.sink = sink.id ORDER BY first_ordinal DESC LIMIT 1) = ?1)";
    let asked = || {
        let connection = schema::open_read_only(ledger).ok()?;
        let has_sent: bool = connection.query_row(sent, [TRIED], |row| row.get(0)).ok()?;
        Some(has_sent || compare_first::is_in_doubt(&connection).ok()?)
    };
    asked().unwrap_or(true)
}
