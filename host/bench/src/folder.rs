//! Where the bench writes: on the disk that this program lies on.

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

/// `TMPFS_MAGIC` of statfs(2).
const TMPFS: rustix::fs::FsWord = 0x0102_1994;

/// A folder on a disk, removed with the value.
pub(crate) fn make() -> Result<TempDir> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let beside = program.parent().context("this program is in no folder")?;
    let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(beside).context("cannot make a folder")?;
    let system = rustix::fs::statfs(folder.path()).context("cannot tell what the folder is on")?;
    if system.f_type == TMPFS {
        bail!("{} lies in memory, where nothing waits for a disk; set CARGO_TARGET_DIR", folder.path().display());
    }
    Ok(folder)
}
