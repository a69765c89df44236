//! What parts are put together from: a configuration with its plugins, secrets and authorities.
//!
//! Deliberately unknown here: which parts there are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use punchcard_core::config::secret::SecretSource;
use punchcard_core::config::{Configuration, Part as Place};
use punchcard_core::name::PluginName;
use punchcard_core::plugin::World;
use punchcard_core::secret::Secret;
use punchcard_sandbox::LoadError;

use super::error_chain::chain;
use super::fault::Fault;
use super::plugin::{LoadedPlugin, Plugins};
use crate::http::{self, Http, Trust};
use crate::vault::{ConfiguredSecrets, Sealer, Sealing, Vault};

/// A configuration and what it names.
pub(super) struct Materials {
    pub(super) configuration: Arc<Configuration>,
    /// The folder of plugins.toml, to which its paths are relative.
    pub(super) folder: PathBuf,
    pub(super) plugins: Plugins,
    /// Only rows are made: how they would be delivered is not asked.
    pub(super) rows_alone: bool,
}

impl Materials {
    /// A plugin of a part, which has to fill this world.
    pub(super) async fn plugin(&self, name: &PluginName, place: Place, wanted: World) -> Result<LoadedPlugin, Fault> {
        let loaded = self.plugins.get(name).await.unwrap_or_else(|| Err(format!("there is no plugin `{name}`")));
        let loaded =
            loaded.map_err(|message| Fault { part: Place::Plugin(name.clone()), message, misconfigured: false })?;
        let found = loaded.plugin.world();
        if found == wanted {
            return Ok(loaded);
        }
        let error = LoadError::WrongWorld { plugin: name.clone(), found, wanted };
        Err(Fault { part: place, message: error.to_string(), misconfigured: true })
    }

    /// A secret that plugins.toml names.
    pub(super) fn secret(&self, source: &SecretSource, place: Place) -> Result<Secret, Fault> {
        read_secret(source, &self.folder).map_err(|message| Fault { part: place, message, misconfigured: false })
    }
}

/// A secret that plugins.toml, which is in `folder`, names.
pub(super) fn read_secret(source: &SecretSource, folder: &Path) -> Result<Secret, String> {
    read_secret_of(&ConfiguredSecrets::new(credential_folder()), source, folder)
}

/// The same, with these credentials.
pub(super) fn read_secret_of(
    secrets: &ConfiguredSecrets,
    source: &SecretSource,
    folder: &Path,
) -> Result<Secret, String> {
    match source {
        SecretSource::Credential(name) => secrets.read_credential(name.as_str()),
        SecretSource::File(path) => secrets.read_file(&folder.join(path)),
    }
    .map_err(chain)
}

/// Opens the token storage below the folder of the state, sealed where the configuration, which is in `folder`, says so.
///
/// # Errors
/// Why it can't be opened, for a person.
pub(super) fn open_vault(configuration: &Configuration, folder: &Path, state: &Path) -> Result<Vault, String> {
    let refused = |error: String| format!("the token storage can't be opened: {error}");
    let sealing = match &configuration.vault {
        None => Sealing::None,
        Some(vault) => {
            let sealer = Sealer::new(read_secret(&vault.key, folder).map_err(refused)?)
                .map_err(|error| refused(chain(error)))?;
            if vault.is_wanted { Sealing::Sealed(sealer) } else { Sealing::Unsealed(sealer) }
        }
    };
    Vault::open_with(&state.join("vault"), sealing).map_err(|error| refused(chain(error)))
}

/// The folder of this process's credentials, where systemd gave it some.
pub(super) fn credential_folder() -> Option<PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from)
}

/// Connections under the system's authorities and those in a file.
pub(super) fn open_http(ca: &Path) -> Result<Arc<Http>, String> {
    let trust = Trust::system_and_file(ca).map_err(chain)?;
    Http::open(&http::Limits::default(), &trust).map(Arc::new).map_err(chain)
}
