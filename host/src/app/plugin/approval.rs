//! What a version of a plugin needs and is not granted, for a person who decides on it.

use punchcard_core::config::Configuration;
use punchcard_core::name::PluginName;
use punchcard_core::needs::UnmetNeed;
use punchcard_sandbox::Plugin;

use super::examination::find_lacks;

/// What a version of a plugin needs and is not granted, in all places that use it.
///
/// # Errors
/// When it does not take its settings.
pub async fn find_unmet(
    configuration: &Configuration,
    name: &PluginName,
    plugin: &Plugin,
) -> Result<Vec<UnmetNeed>, String> {
    let mut unmet = Vec::new();
    for (part, lacks) in find_lacks(name, plugin, configuration).await {
        unmet.extend(lacks.map_err(|error| format!("it does not take the settings of {part}: {error}"))?);
    }
    Ok(unmet)
}
