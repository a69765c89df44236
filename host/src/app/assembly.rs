//! From a configuration to parts that can run: plugins loaded, settings checked by them, secrets read.
//!
//! Nothing is started here. Each part is put together by itself, as soon as its own plugins are loaded. What is wrong is
//! collected, all of it: `check` prints it, a device leaves out the parts that it concerns.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use punchcard_core::config::secret::SecretSource;
use punchcard_core::config::{Configuration, Diagnostic, Part as Place};
use punchcard_core::name::{PluginName, SinkName};
use punchcard_core::needs::UnmetNeed;
use punchcard_core::plugin::{PluginError, World};
use punchcard_core::secret::Secret;
use punchcard_core::supervisor::PartName;
use punchcard_sandbox::{CallError, LoadError, Sandbox};
use tokio::task::JoinSet;

use super::error_chain::chain;
use super::part::Part;
use super::part::grant::GrantPart;
use super::part::sink::SinkPart;
use super::plugin::{LoadedPlugin, Plugins};
use super::replay::Replayer;
use crate::http::{self, Http, Trust};
use crate::vault::ConfiguredSecrets;

/// Something that keeps a part from running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The place in plugins.toml.
    pub part: Place,
    /// What, and what to do.
    pub message: String,
    /// Whether the configuration is to be blamed: the last valid one may do better. A damaged or missing file is not its
    /// fault.
    pub misconfigured: bool,
}

impl Fault {
    /// As an error of the configuration's text.
    #[must_use]
    pub fn diagnostic(&self, configuration: &Configuration) -> Diagnostic {
        Diagnostic::at(configuration.place_of(&self.part), self.part.to_string(), self.message.clone())
    }
}

impl From<UnmetNeed> for Fault {
    fn from(UnmetNeed { part, message }: UnmetNeed) -> Self {
        Self { part, message, misconfigured: true }
    }
}

/// What was put together, or why it could not be.
pub(super) type Assembled = Result<Arc<dyn Part>, Vec<Fault>>;

/// The parts of a configuration, being put together.
pub(super) struct Assembly {
    pub(super) configuration: Arc<Configuration>,
    /// The folder of plugins.toml, to which its paths are relative.
    pub(super) folder: PathBuf,
    pub(super) plugins: Plugins,
    /// Only rows are made: how they would be delivered is not asked.
    pub(super) rows_alone: bool,
}

impl Assembly {
    /// The parts that the configuration asks for.
    pub(super) fn part_names(configuration: &Configuration) -> Vec<PartName> {
        let grants = configuration.grants.keys().cloned().map(PartName::Grant);
        grants.chain(configuration.sinks.keys().cloned().map(PartName::Sink)).collect()
    }

    /// Puts all parts together, side by side. Each comes out as soon as it is done.
    pub(super) fn assemble(self: &Arc<Self>) -> JoinSet<(PartName, Assembled)> {
        let mut assembling = JoinSet::new();
        for name in Self::part_names(&self.configuration) {
            let assembly = Arc::clone(self);
            assembling.spawn(async move {
                let assembled = assembly.assemble_part(&name).await;
                (name, assembled)
            });
        }
        assembling
    }

    async fn assemble_part(&self, name: &PartName) -> Assembled {
        match name {
            PartName::Grant(name) => Ok(Arc::new(GrantPart::assemble(self, name).await?)),
            PartName::Sink(name) => Ok(Arc::new(SinkPart::assemble(self, name).await?)),
            PartName::Panel | PartName::Inputs(_) => Err(Vec::new()),
        }
    }

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
        let secrets = ConfiguredSecrets::new(std::env::var_os("CREDENTIALS_DIRECTORY").map(Into::into));
        match source {
            SecretSource::Credential(name) => secrets.read_credential(name.as_str()),
            SecretSource::File(path) => secrets.read_file(&self.folder.join(path)),
        }
        .map_err(|error| Fault { part: place, message: chain(error), misconfigured: false })
    }
}

/// Connections under the system's authorities and those in a file.
pub(super) fn open_http(ca: &Path) -> Result<Arc<Http>, String> {
    let trust = Trust::system_and_file(ca).map_err(chain)?;
    Http::open(&http::Limits::default(), &trust).map(Arc::new).map_err(chain)
}

/// What a plugin thinks of its settings, as a fault.
pub(super) fn refusal(part: Place, plugin: &PluginName, error: CallError) -> Fault {
    match error {
        CallError::Returned(PluginError::InvalidSettings(text)) => Fault { part, message: text, misconfigured: true },
        error => Fault {
            part,
            message: format!("plugin `{plugin}` could not check its settings: {error}"),
            misconfigured: false,
        },
    }
}

/// What makes the rows of a sink, put together as for a device that runs.
///
/// # Errors
/// All that keeps the sink from running.
pub async fn assemble_replayer(
    configuration: &Configuration,
    sink: &SinkName,
    folder: &Path,
    sandbox: &Arc<Sandbox>,
) -> Result<Replayer, Vec<Fault>> {
    let plugins = Plugins::load(configuration, folder, sandbox, &BTreeMap::new());
    let configuration = Arc::new(configuration.clone());
    let assembly = Assembly { configuration, folder: folder.to_owned(), plugins, rows_alone: true };
    Ok(SinkPart::assemble(&assembly, sink).await?.replayer())
}

/// Everything that is wrong with a configuration beyond its text: components, settings, secrets.
pub async fn find_faults(configuration: &Configuration, folder: &Path, sandbox: &Arc<Sandbox>) -> Vec<Fault> {
    let plugins = Plugins::load(configuration, folder, sandbox, &BTreeMap::new());
    let configuration = Arc::new(configuration.clone());
    let assembly = Arc::new(Assembly { configuration, folder: folder.to_owned(), plugins, rows_alone: false });
    let mut faults: Vec<Fault> = Vec::new();
    for (name, loaded) in assembly.plugins.all().await {
        if let Err(message) = loaded {
            faults.push(Fault { part: Place::Plugin(name), message, misconfigured: false });
        }
    }
    for (_, assembled) in assembly.assemble().join_all().await {
        for fault in assembled.err().into_iter().flatten() {
            // Parts that share a plugin have its fault in common.
            if !faults.contains(&fault) {
                faults.push(fault);
            }
        }
    }
    faults
}
