//! The components that a configuration names: each loaded once, all side by side, for whatever part waits for it.
//!
//! Which version of a plugin is loaded is decided in `core::plugin_version`: that of its file, or the one in force, from what
//! was kept of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use punchcard_core::config::Configuration;
use punchcard_core::config::limit::Limits;
use punchcard_core::name::PluginName;
use punchcard_core::plugin_version::{Choice, Digest, File, Known, Reason, choose};
use punchcard_core::supervisor::PluginVersion;
use punchcard_ledger::PluginHistories;
use punchcard_sandbox::cache::hexadecimal;
use punchcard_sandbox::file::ReadError;
use punchcard_sandbox::{Description, LoadError, Plugin, Sandbox, fingerprint, read_component};
use tokio::sync::watch;
use tracing::warn;

use super::error_chain::chain;

pub mod approval;
pub(super) mod examination;
mod first_step;

use examination::{Examiner, Objection};

/// A plugin, with the limits that it was loaded under.
#[derive(Clone)]
pub(super) struct LoadedPlugin {
    pub(super) plugin: Arc<Plugin>,
    pub(super) limits: Limits,
    pub(super) description: Arc<Description>,
    /// Where the file is another version.
    pub(super) instead: Option<Instead>,
    /// The version whose place it is to take, with this load.
    replaces: Option<Digest>,
}

/// Why a plugin is not the version that its file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instead {
    pub(super) reason: Reason,
    /// For a person, with what to do.
    pub(super) says: String,
}

impl Instead {
    /// Whether a person wanted it so.
    pub(super) fn is_wanted(&self) -> bool {
        matches!(self.reason, Reason::Pinned | Reason::RolledBack)
    }
}

impl LoadedPlugin {
    /// What tells it from another version.
    pub(super) fn version(&self) -> PluginVersion {
        PluginVersion { sha256: *self.plugin.sha256(), limits: self.limits }
    }
}

/// A plugin, or why it can't be loaded.
pub(super) type Loaded = Result<LoadedPlugin, String>;

/// Where is known which versions there were.
#[derive(Clone)]
pub(super) enum Versions {
    /// In the ledger of the device, whenever plugins are loaded. There a new version is looked at.
    Device(Examiner),
    /// Here.
    Known(Arc<PluginHistories>),
}

impl Versions {
    async fn known(&self, plugin: &PluginName) -> Result<Known, String> {
        match self {
            Self::Device(Examiner { ledger, .. }) => {
                let histories = ledger.plugin_histories().await;
                let refused = |error| format!("which version of it is in force can't be read: {}", chain(error));
                Ok(histories.map_err(refused)?.known(plugin))
            }
            Self::Known(histories) => Ok(histories.known(plugin)),
        }
    }
}

/// The plugins of a configuration, being loaded.
pub(super) struct Plugins {
    loading: BTreeMap<PluginName, watch::Receiver<Option<Loaded>>>,
}

impl Plugins {
    /// Begins to load all plugins of a configuration. What is `loaded` is not loaded again while it is the same version.
    /// `folder`: that of plugins.toml, to which its paths are relative.
    pub(super) fn load(
        configuration: &Arc<Configuration>,
        folder: &Path,
        sandbox: &Arc<Sandbox>,
        loaded: &BTreeMap<PluginName, LoadedPlugin>,
        versions: &Versions,
    ) -> Self {
        let load = |(name, plugin): (&PluginName, &punchcard_core::config::plugin::Plugin)| {
            let (done, loading) = watch::channel(None);
            let loader = Loader {
                sandbox: Arc::clone(sandbox),
                name: name.clone(),
                limits: plugin.limits,
                loaded: loaded.get(name).cloned(),
            };
            let (path, versions) = (folder.join(&plugin.path), versions.clone());
            let (loader, configuration) = (Arc::new(loader), Arc::clone(configuration));
            // Where it panics, whoever waits hears that nothing comes.
            tokio::spawn(async move { done.send_replace(Some(load(loader, path, versions, &configuration).await)) });
            (name.clone(), loading)
        };
        Self { loading: configuration.plugins.iter().map(load).collect() }
    }

    /// Waits until a plugin is loaded. `None`: the configuration names none.
    pub(super) async fn get(&self, name: &PluginName) -> Option<Loaded> {
        let mut loading = self.loading.get(name)?.clone();
        match loading.wait_for(Option::is_some).await {
            Ok(loaded) => loaded.clone(),
            // An error of the host's, which must not take the other plugins along.
            Err(_) => Some(Err(format!("plugin `{name}` could not be loaded, by a defect of this program"))),
        }
    }

    /// Waits for all of them.
    pub(super) async fn all(&self) -> BTreeMap<PluginName, Loaded> {
        let mut all = BTreeMap::new();
        for name in self.loading.keys() {
            if let Some(loaded) = self.get(name).await {
                all.insert(name.clone(), loaded);
            }
        }
        all
    }
}

/// Loads a plugin. One that is about to take another one's place is looked at before.
async fn load(loader: Arc<Loader>, path: PathBuf, versions: Versions, configuration: &Configuration) -> Loaded {
    let known = versions.known(&loader.name).await?;
    let blocking = Arc::clone(&loader);
    let new = off_thread(move || blocking.load(&path, &known)).await?;
    let (Versions::Device(examiner), Some(old)) = (&versions, new.replaces) else { return Ok(new) };
    let blocking = Arc::clone(&loader);
    let before = match off_thread(move || blocking.read_kept(&old)).await {
        Ok(before) => before,
        Err(error) => {
            warn!(plugin = %loader.name, error, "the version before can't be used; the new one is taken without a look");
            return Ok(new);
        }
    };
    let objection = match examiner.examine(&loader.name, &new.plugin, &before.plugin, configuration).await {
        Ok(()) => return Ok(new),
        Err(objection) => objection,
    };
    let file = *new.plugin.sha256();
    let reason = match objection {
        Objection::Unfit(says) => {
            let name = &loader.name;
            let says = format!(
                "the version of its file is not taken: {says}. What ran before goes on; where that is a grant that you want to give, \
                 `punchcard plugin approve {name}` writes it"
            );
            return Ok(LoadedPlugin { instead: Some(Instead { reason: Reason::Unfit, says }), ..before });
        }
        Objection::Bad(reason) => reason,
    };
    if let Err(error) = examiner.ledger.note_bad_component(file, &reason, None).await {
        warn!(plugin = %loader.name, error = chain(error), "that the new version is bad can't be kept; it is tried again");
    }
    Ok(loader.instead(before, Reason::Bad(reason), Some(file), None))
}

async fn off_thread(job: impl FnOnce() -> Loaded + Send + 'static) -> Loaded {
    let lost = |_| Err("it could not be loaded, by a defect of this program".to_owned());
    tokio::task::spawn_blocking(job).await.unwrap_or_else(lost)
}

/// What loads one plugin.
struct Loader {
    sandbox: Arc<Sandbox>,
    name: PluginName,
    limits: Limits,
    /// What runs by now.
    loaded: Option<LoadedPlugin>,
}

impl Loader {
    /// Loads the version that runs.
    fn load(&self, path: &Path, known: &Known) -> Loaded {
        let read = read_component(path).map_err(unread);
        let digest = read.as_deref().ok().map(fingerprint);
        let file = digest.map_or(File::Unusable, File::Read);
        let refused = match (choose(file, known), read) {
            (Choice::File { is_new }, Ok(bytes)) => match self.admit(&bytes) {
                Ok(loaded) => {
                    let replaces = known.in_force.filter(|_| is_new);
                    return Ok(LoadedPlugin { replaces, ..loaded });
                }
                // Nothing that was let in stands there, so it is as if nothing did.
                Err(refused) => refused,
            },
            (Choice::Kept(kept, reason), read) => {
                let refused = read.err();
                return self.load_kept(&kept, reason, digest, refused);
            }
            (Choice::Nothing(Reason::Bad(reason)), _) => {
                let digest = digest.map(|digest| hexadecimal(&digest)).unwrap_or_default();
                return Err(format!(
                    "its version {digest} proved bad: {reason}; `punchcard plugin allow {digest}` has it tried again"
                ));
            }
            (_, Err(refused)) => refused,
            (Choice::Nothing(_), Ok(_)) => "there is no version of it that may run".to_owned(),
        };
        match choose(File::Unusable, known) {
            Choice::Kept(kept, reason) => self.load_kept(&kept, reason, digest, Some(refused)),
            Choice::File { .. } | Choice::Nothing(_) => Err(refused),
        }
    }

    /// Loads the version in force from what was kept of it. `file`: the digest of the file, where it was read; `refused`: why
    /// it is not used, where it can't be.
    fn load_kept(&self, kept: &Digest, reason: Reason, file: Option<Digest>, refused: Option<String>) -> Loaded {
        match self.read_kept(kept) {
            Ok(loaded) => Ok(self.instead(loaded, reason, file, refused.as_deref())),
            // There is nothing else to be said of a file that is no component than that.
            Err(error) if reason == Reason::Unusable => Err(refused.unwrap_or(error)),
            Err(error) => {
                let says = self.explain(&reason, file, refused.as_deref());
                Err(format!("{says}. The version in force can't be used: {error}"))
            }
        }
    }

    /// Makes a plugin of what was kept.
    fn read_kept(&self, kept: &Digest) -> Loaded {
        if let Some(loaded) = self.loaded_already(kept) {
            return Ok(loaded);
        }
        self.admit(&self.sandbox.read_admitted(kept).map_err(chain)?)
    }

    fn instead(
        &self,
        loaded: LoadedPlugin,
        reason: Reason,
        file: Option<Digest>,
        refused: Option<&str>,
    ) -> LoadedPlugin {
        let says = self.explain(&reason, file, refused);
        LoadedPlugin { instead: Some(Instead { reason, says }), ..loaded }
    }

    /// Why it is not the version of its file, for a person.
    fn explain(&self, reason: &Reason, file: Option<Digest>, refused: Option<&str>) -> String {
        let name = &self.name;
        let file = file.map(|digest| hexadecimal(&digest)).unwrap_or_default();
        match reason {
            Reason::Pinned => {
                format!(
                    "its file is another version than the one that is pinned; `punchcard plugin unpin {name}` has it run"
                )
            }
            Reason::RolledBack => {
                format!(
                    "a person went back from the version of its file; `punchcard plugin allow {file}` has that run again"
                )
            }
            Reason::Bad(reason) => format!(
                "the version of its file proved bad: {reason}; what ran before goes on, until another file is there or \
                 `punchcard plugin allow {file}`"
            ),
            Reason::Unusable | Reason::Unfit => {
                format!("{}; what ran before goes on", refused.unwrap_or("its file can't be used"))
            }
        }
    }

    fn loaded_already(&self, sha256: &Digest) -> Option<LoadedPlugin> {
        let loaded = self.loaded.as_ref()?;
        let is_same = loaded.limits == self.limits && loaded.plugin.sha256() == sha256;
        is_same.then(|| LoadedPlugin { instead: None, replaces: None, ..loaded.clone() })
    }

    /// Makes a plugin of a component, where it is let in.
    fn admit(&self, bytes: &[u8]) -> Loaded {
        if let Some(loaded) = self.loaded_already(&fingerprint(bytes)) {
            return Ok(loaded);
        }
        let name = &self.name;
        let admitted = tracing::info_span!("plugin", %name).in_scope(|| self.sandbox.admit(bytes));
        let admitted = admitted.map_err(|source| LoadError::NotAdmitted { plugin: name.clone(), source });
        let loaded = admitted.and_then(|admitted| {
            let plugin = self.sandbox.load_admitted(name, &admitted, self.limits)?;
            let description = Arc::new(admitted.description().clone());
            Ok(LoadedPlugin {
                plugin: Arc::new(plugin),
                limits: self.limits,
                description,
                instead: None,
                replaces: None,
            })
        });
        loaded.map_err(chain)
    }
}

/// Why a component was not read, and where one comes from.
fn unread(error: ReadError) -> String {
    match error {
        ReadError::File { path, source } if source.kind() == std::io::ErrorKind::NotFound => format!(
            "there is no component at {}; in the source tree `cargo xtask guests` builds those that come with it, and any \
             other is copied there",
            path.display()
        ),
        error => chain(error),
    }
}
