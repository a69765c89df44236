//! The components that a configuration names: each loaded once, all side by side, for whatever part waits for it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use punchcard_core::config::Configuration;
use punchcard_core::config::limit::Limits;
use punchcard_core::name::PluginName;
use punchcard_core::supervisor::PluginVersion;
use punchcard_sandbox::file::ReadError;
use punchcard_sandbox::{Plugin, Sandbox, fingerprint, read_component};
use tokio::sync::watch;

use super::error_chain::chain;

/// A plugin, with the limits that it was loaded under.
#[derive(Clone)]
pub(super) struct LoadedPlugin {
    pub(super) plugin: Arc<Plugin>,
    pub(super) limits: Limits,
}

impl LoadedPlugin {
    /// What tells it from another version.
    pub(super) fn version(&self) -> PluginVersion {
        PluginVersion { sha256: *self.plugin.sha256(), limits: self.limits }
    }
}

/// A plugin, or why it can't be loaded.
pub(super) type Loaded = Result<LoadedPlugin, String>;

/// The plugins of a configuration, being loaded.
pub(super) struct Plugins {
    loading: BTreeMap<PluginName, watch::Receiver<Option<Loaded>>>,
}

impl Plugins {
    /// Begins to load all plugins of a configuration. What is `known` is not loaded again while its file has the same bytes.
    /// `folder`: that of plugins.toml, to which its paths are relative.
    pub(super) fn load(
        configuration: &Configuration,
        folder: &Path,
        sandbox: &Arc<Sandbox>,
        known: &BTreeMap<PluginName, LoadedPlugin>,
    ) -> Self {
        let load = |(name, plugin): (&PluginName, &punchcard_core::config::plugin::Plugin)| {
            let (loaded, loading) = watch::channel(None);
            let (sandbox, plugin_name, known) = (Arc::clone(sandbox), name.clone(), known.get(name).cloned());
            let (path, limits) = (folder.join(&plugin.path), plugin.limits);
            tokio::task::spawn_blocking(move || {
                loaded.send_replace(Some(load_plugin(&sandbox, &plugin_name, &path, limits, known)));
            });
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

fn load_plugin(
    sandbox: &Arc<Sandbox>,
    name: &PluginName,
    path: &Path,
    limits: Limits,
    known: Option<LoadedPlugin>,
) -> Loaded {
    let bytes = read_component(path).map_err(unread)?;
    if let Some(known) = known
        && known.limits == limits
        && *known.plugin.sha256() == fingerprint(&bytes)
    {
        return Ok(known);
    }
    let plugin = sandbox.load(name, &bytes, limits).map_err(chain)?;
    Ok(LoadedPlugin { plugin: Arc::new(plugin), limits })
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
