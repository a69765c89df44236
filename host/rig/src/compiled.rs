//! Compiled code that is kept from one device to the next: compiling takes longer than most trials.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// A folder of compiled code.
#[derive(Debug, Clone)]
pub struct Compiled {
    folder: PathBuf,
}

impl Compiled {
    /// What is kept in this folder, which is made.
    ///
    /// # Errors
    ///
    /// When it can't be made.
    pub fn within(folder: &Path) -> Result<Self> {
        create_private(folder)?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Gives a new state folder what is here.
    ///
    /// # Errors
    ///
    /// When it can't be copied.
    pub fn warm(&self, state: &Path) -> Result<()> {
        let cache = state.join("cache");
        if cache.exists() {
            return Ok(());
        }
        create_private(state)?;
        create_private(&cache)?;
        copy_new(&self.folder, &cache)
    }

    /// Keeps what a device has compiled.
    ///
    /// # Errors
    ///
    /// When it can't be copied.
    pub fn keep(&self, state: &Path) -> Result<()> {
        copy_new(&state.join("cache"), &self.folder)
    }
}

const UNFINISHED: &str = "new";

/// Copies what is not there yet.
fn copy_new(from: &Path, to: &Path) -> Result<()> {
    let broken = || format!("cannot copy compiled code to {}", to.display());
    for entry in fs::read_dir(from).with_context(broken)? {
        let from = entry.with_context(broken)?.path();
        let Some(name) = from.file_name() else { continue };
        if from.extension().is_some_and(|extension| extension == UNFINISHED) || to.join(name).exists() {
            continue;
        }
        // Renamed into place, since others read it at the same time.
        let suffix = format!(".{UNFINISHED}");
        let unfinished = tempfile::Builder::new().suffix(&suffix).tempfile_in(to).with_context(broken)?;
        fs::copy(&from, unfinished.path()).with_context(broken)?;
        unfinished.persist(to.join(name)).with_context(broken)?;
    }
    Ok(())
}

fn create_private(folder: &Path) -> Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("cannot make {}", folder.display()))
}
