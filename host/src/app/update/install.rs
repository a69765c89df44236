//! Putting a new version in the place of the old one: what updates need for it, and the plainest way to do it.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use punchcard_core::name::{PluginName, RepositoryName};
use punchcard_ledger::{PluginRelease, Whence};
use punchcard_sandbox::cache::{hexadecimal, parse_hexadecimal};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tracing::warn;

use super::super::device::{Device, Reload};
use super::super::error_chain::chain;
use super::super::file::{Links, remove_drafts, replace};

/// What is to be installed, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::app) struct Release {
    /// The plugin, which plugins.toml names.
    pub(in crate::app) plugin: PluginName,
    /// Its version, as the publisher has it.
    pub(in crate::app) version: String,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub(in crate::app) sha256: String,
    /// The repository.
    pub(in crate::app) repository: RepositoryName,
}

/// What is known of a plugin's versions on this device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::app) struct Known {
    /// The SHA-256 of the one in force, in hexadecimal. None: there was none yet.
    pub(in crate::app) in_force: Option<String>,
    /// A person wants what runs to stay.
    pub(in crate::app) pinned: bool,
    /// The SHA-256 of what was found bad, in hexadecimal.
    pub(in crate::app) bad: Vec<String>,
    /// The versions of what was installed from repositories, by SHA-256.
    pub(in crate::app) versions: Vec<(String, String)>,
}

/// Replaces the component that plugins.toml names, has it loaded, and puts the old one back where the parts that use it do
/// not work with it.
pub(in crate::app) struct Installer {
    device: Arc<Device>,
    /// That of plugins.toml.
    folder: PathBuf,
}

impl Installer {
    pub(in crate::app) fn new(device: Arc<Device>, folder: PathBuf) -> Self {
        Self { device, folder }
    }

    /// Removes what a host that was killed has left of components that it was writing. Called before anything is installed.
    pub(in crate::app) async fn clear(&self) {
        let plugins = self.device.configuration.plugins.values();
        let paths: Vec<PathBuf> = plugins.map(|plugin| self.folder.join(&plugin.path)).collect();
        let cleared = spawn_blocking(move || {
            for path in paths {
                if let Err(error) = remove_drafts(&path) {
                    warn!(%error, path = %path.display(), "what was never finished of a component can't be removed");
                }
            }
        });
        // It only panics by a defect, and nothing depends on it.
        let _panicked = cleared.await;
    }

    async fn note(&self, release: &Release) -> Result<(), String> {
        let Release { plugin, version, sha256, repository } = release.clone();
        let release = PluginRelease { sha256, plugin, version, repository };
        let noted = self.device.ledger.note_plugin_release(release).await;
        noted.map_err(|error| format!("it can't be noted: {}", chain(error)))
    }

    /// Has it not be tried again, until a person allows it.
    async fn note_bad(&self, release: &Release, reason: &str) -> Result<(), String> {
        let Some(sha256) = parse_hexadecimal(&release.sha256) else { return Ok(()) };
        let noted = self.device.ledger.note_bad_component(sha256, reason, self.device.known_micros()).await;
        noted.map_err(|error| format!("{reason}; and that can't be noted: {}", chain(error)))
    }

    /// Has it known that the version in force came from this repository.
    async fn note_source(&self, release: &Release) -> Result<(), String> {
        let Some(sha256) = parse_hexadecimal(&release.sha256) else { return Ok(()) };
        let whence = Whence::Repository(release.repository.to_string());
        let noted = self.device.ledger.note_plugin_source(&release.plugin, sha256, whence).await;
        noted.map_err(|error| format!("it is installed; where it came from can't be noted: {}", chain(error)))
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

    /// What is known of a plugin's versions.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub(in crate::app) async fn known(&self, plugin: &PluginName) -> Result<Known, String> {
        let releases = self.device.ledger.plugin_releases(plugin).await.map_err(chain)?;
        let known = self.device.ledger.plugin_histories().await.map_err(chain)?.known(plugin);
        let bad = known.bad.keys().map(|bad| hexadecimal(bad)).collect();
        let in_force = known.in_force.map(|sha256| hexadecimal(&sha256));
        let versions = releases.iter().map(|release| (release.sha256.clone(), release.version.clone()));
        Ok(Known { in_force, pinned: known.pinned, bad, versions: versions.collect() })
    }

    /// Installs these bytes, and returns when they work, or the version before is back. They are used as they are: nothing on a
    /// disk can be exchanged after they were verified.
    ///
    /// # Errors
    /// Why what ran before runs on.
    pub(in crate::app) async fn install(&self, release: &Release, bytes: Vec<u8>) -> Result<(), String> {
        let plugin = &release.plugin;
        let configuration = Arc::clone(&self.device.parts.borrow().configuration);
        let Some(configured) = configuration.plugins.get(plugin) else {
            return Err(format!("plugins.toml names no plugin `{plugin}` any more"));
        };
        let file = plain(&configured.path);
        if let Some((other, _)) =
            configuration.plugins.iter().find(|(name, other)| *name != plugin && plain(&other.path) == file)
        {
            return Err(format!(
                "plugin `{other}` has the same file, and no repository may replace that; give `{plugin}` one of its own"
            ));
        }
        // What is no component is bad whatever plugins.toml says. Whether another one is, its trial finds out.
        if let Err(error) = punchcard_sandbox::describe(&bytes) {
            let reason = chain(error);
            self.note_bad(release, &reason).await?;
            return Err(reason);
        }
        // Before it is in place: a host that ends in between knows which version it finds.
        self.note(release).await?;
        let path = self.folder.join(&configured.path);
        let unwritten = |error| format!("{} can't be written: {error}; the old version runs on", path.display());
        let old = exchange(&path, bytes).await.map_err(unwritten)?;
        let Err(reason) = self.reload(plugin).await else { return self.note_source(release).await };
        let reason = match old {
            Some(old) => match exchange(&path, old).await {
                Ok(_) => reason,
                Err(error) => format!("{reason}; and the old version can't be put back: {error}"),
            },
            None => reason,
        };
        // Why the old one does not work, where it does not, is said by the supervisor.
        let _old = self.reload(plugin).await;
        Err(reason)
    }
}

/// A path without `.`.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
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
        replace(&path, &bytes, Links::Replace)?;
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
    }
}
