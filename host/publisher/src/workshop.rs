//! The publisher's folder: keys, what waits to be signed, and the repository that is served.
//!
//! ```text
//! keys/root.pem, targets.pem, snapshot.pem, timestamp.pem   secret; root.pem may lie elsewhere
//! staged/NAME, staged/NAME.json                             what `sign` publishes next
//! repository/metadata, repository/targets                   what is served
//! ```

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use tempfile::NamedTempFile;
use tough::schema::{Root, Signed};

/// A publisher's folder.
pub(crate) struct Workshop {
    path: PathBuf,
}

impl Workshop {
    /// The folder at `path`, whatever is in it.
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// The folder at `path`, in which there is a repository.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let workshop = Self::at(path);
        if !workshop.metadata().join("1.root.json").is_file() {
            let path = path.display();
            bail!("{path} is no publisher's folder; make one with `punchcard-publisher init {path}`");
        }
        Ok(workshop)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.path.join("keys")
    }

    pub(crate) fn staged(&self) -> PathBuf {
        self.path.join("staged")
    }

    pub(crate) fn repository(&self) -> PathBuf {
        self.path.join("repository")
    }

    pub(crate) fn metadata(&self) -> PathBuf {
        self.repository().join("metadata")
    }

    pub(crate) fn targets(&self) -> PathBuf {
        self.repository().join("targets")
    }

    /// The file of the newest root, and the root.
    pub(crate) fn newest_root(&self) -> Result<(PathBuf, Signed<Root>)> {
        let mut newest = None;
        for version in 1_u64.. {
            let path = self.metadata().join(format!("{version}.root.json"));
            if !path.is_file() {
                break;
            }
            newest = Some(path);
        }
        let path = newest.context("there is no 1.root.json")?;
        let root = read_json(&path)?;
        Ok((path, root))
    }
}

/// Reads a file that is JSON.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))
}

/// Puts a file in its place whole: whoever fetches it gets the old one or the new one, also if the power fails.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = || format!("can't write {}", path.display());
    let folder = path.parent().with_context(failed)?;
    let mut file = NamedTempFile::new_in(folder).with_context(failed)?;
    file.write_all(bytes).with_context(failed)?;
    // Temporary files are closed to others, and a web server is another.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(open).with_context(failed)?;
    file.as_file().sync_all().with_context(failed)?;
    file.persist(path).with_context(failed)?;
    fs::File::open(folder).and_then(|folder| folder.sync_all()).with_context(failed)
}
