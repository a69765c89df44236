//! The swap itself, step by step: what [`restore`](super) says of their order holds here.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::super::FILE_NAME;
use super::super::batch::TRIED;
use super::super::schema;
use super::{COMING, GOING, IN_DOUBT, KEPT, PENDING, VAULT, WITHOUT_GRANTS, remove_file, remove_folder, sync_folder};

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
    pub(crate) fn finish(&self) -> io::Result<()> {
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
