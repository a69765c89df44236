//! What the version in a plugin's file needs and is not granted, for a person who decides on it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use punchcard_core::config::Configuration;
use punchcard_core::name::PluginName;
use punchcard_core::needs::UnmetNeed;
use punchcard_sandbox::Sandbox;

use super::examination::find_lacks;
use super::{Plugins, Versions};

/// What the version in a plugin's file needs and is not granted, in all places that use it.
///
/// # Errors
/// When it can't be loaded, or does not take its settings.
pub async fn find_unmet(
    configuration: &Configuration,
    folder: &Path,
    sandbox: &Arc<Sandbox>,
    name: &PluginName,
) -> Result<Vec<UnmetNeed>, String> {
    let mut alone = configuration.clone();
    alone.plugins.retain(|other, _| other == name);
    let versions = Versions::Known(Arc::default());
    let plugins = Plugins::load(&Arc::new(alone), folder, sandbox, &BTreeMap::new(), &versions);
    let loaded = plugins.get(name).await.ok_or_else(|| format!("plugins.toml names no plugin `{name}`"))??;
    let mut unmet = Vec::new();
    for (part, lacks) in find_lacks(name, &loaded.plugin, configuration).await {
        unmet.extend(lacks.map_err(|error| format!("it does not take the settings of {part}: {error}"))?);
    }
    Ok(unmet)
}
