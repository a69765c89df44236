//! Putting a new version in the place of the old one.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use punchcard_core::name::PluginName;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use super::super::device::{Device, Reload};

/// Why a version was not installed. The old one runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::app) enum InstallError {
    /// It was tried and does not work: it is not tried again.
    Bad(String),
    /// It could not be tried.
    NotNow(String),
}

/// Installs these bytes as the new version of a plugin.
#[async_trait]
pub(in crate::app) trait Install: Send + Sync {
    /// Installs, and returns when the new version works, or the old one is back. `bytes` are used as they are: nothing on a
    /// disk can be exchanged after they were verified.
    async fn install(&self, plugin: &PluginName, bytes: Vec<u8>) -> Result<(), InstallError>;
}

/// Replaces the component that plugins.toml names, has it loaded, and puts the old one back where the parts that use it do
/// not work with it.
pub(in crate::app) struct FileInstaller {
    device: Arc<Device>,
    /// That of plugins.toml.
    folder: PathBuf,
}

impl FileInstaller {
    pub(in crate::app) fn new(device: Arc<Device>, folder: PathBuf) -> Self {
        Self { device, folder }
    }

    /// Has the component looked at. What is wrong with it, where something is.
    async fn reload(&self, plugin: &PluginName) -> Result<(), String> {
        let (reply, answer) = oneshot::channel();
        let ends = |_| "the device ends".to_owned();
        self.device
            .supervisor
            .send(Reload { reply: Some(reply) })
            .map_err(|_| "plugins can't be run here".to_owned())?;
        let report = answer.await.map_err(ends)?;
        if let Some(errors) = report.errors {
            return Err(errors);
        }
        let parts = Arc::clone(&self.device.parts.borrow());
        let found = parts.plugins.iter().find(|report| report.name == plugin.as_str());
        // Where another version runs in its place, it was not taken.
        match found.and_then(|report| report.error.clone().or_else(|| report.instead.clone())) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Install for FileInstaller {
    async fn install(&self, plugin: &PluginName, bytes: Vec<u8>) -> Result<(), InstallError> {
        let configuration = Arc::clone(&self.device.parts.borrow().configuration);
        let Some(configured) = configuration.plugins.get(plugin) else {
            return Err(InstallError::NotNow(format!("plugins.toml names no plugin `{plugin}` any more")));
        };
        let path = self.folder.join(&configured.path);
        let old = exchange(&path, bytes).await.map_err(|error| unwritten(&path, &error))?;
        let Err(reason) = self.reload(plugin).await else { return Ok(()) };
        let reason = match old {
            Some(old) => match exchange(&path, old).await {
                Ok(_) => reason,
                Err(error) => format!("{reason}; and the old version can't be put back: {error}"),
            },
            None => reason,
        };
        // Why the old one does not work, where it does not, is said by the supervisor.
        let _old = self.reload(plugin).await;
        Err(InstallError::Bad(reason))
    }
}

fn unwritten(path: &Path, error: &io::Error) -> InstallError {
    InstallError::NotNow(format!("{} can't be written: {error}; the old version runs on", path.display()))
}

/// Puts bytes in the place of a file, durably, and returns what was there. A full card leaves the old file and nothing else.
async fn exchange(path: &Path, bytes: Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let path = path.to_owned();
    let exchanged = spawn_blocking(move || {
        let old = match fs::read(&path) {
            Ok(old) => Some(old),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let new = path.with_file_name(name);
        let written = File::create(&new).and_then(|mut file| {
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&new, &path)
        });
        if let Err(error) = written {
            // It may not even be there.
            let _missing = fs::remove_file(&new);
            return Err(error);
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
        Ok(old)
    });
    match exchanged.await {
        Ok(outcome) => outcome,
        Err(stopped) => Err(io::Error::other(stopped)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_exchanged_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("timeclock.wasm");
        assert_eq!(exchange(&path, b"one".to_vec()).await.unwrap(), None);
        assert_eq!(exchange(&path, b"two".to_vec()).await.unwrap(), Some(b"one".to_vec()));
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        // What can't be put in its place leaves nothing behind.
        let taken = folder.path().join("folder.wasm");
        fs::create_dir(&taken).unwrap();
        assert!(exchange(&taken, b"three".to_vec()).await.is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
