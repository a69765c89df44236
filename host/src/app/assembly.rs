//! From a configuration to parts that can run: plugins loaded, settings checked by them, secrets read.
//!
//! Nothing is started here. What is wrong is collected, all of it: `check` prints it, `run` leaves out the parts that it
//! concerns.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use punchcard_core::config::secret::SecretSource;
use punchcard_core::config::sink::Authorization;
use punchcard_core::config::{Configuration, Diagnostic, Part};
use punchcard_core::name::{GrantName, PluginName, SinkName, SlotName};
use punchcard_core::plugin::delivery::Limits;
use punchcard_core::plugin::{PluginError, World};
use punchcard_core::row::{Column, ColumnKind};
use punchcard_core::secret::Secret;

use super::grant::chain;
use crate::http::{self, Http, Trust};
use crate::vault::ConfiguredSecrets;
use punchcard_sandbox::{AuthPolicy, CallError, Connector, Formatter, LoadError, Plugin, Sandbox, read_component};

/// Something that keeps a part from running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The part.
    pub part: Part,
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

/// What a grant runs with.
pub struct GrantParts {
    /// Its policy.
    pub policy: AuthPolicy,
    /// From plugins.toml.
    pub secrets: BTreeMap<SlotName, Secret>,
    /// Connections under the authorities of its own `ca`, where it has one.
    pub http: Option<Arc<Http>>,
}

/// What a sink runs with.
pub struct SinkParts {
    /// Makes its rows.
    pub formatter: Formatter,
    /// Their columns.
    pub columns: Vec<Column>,
    /// Carries them.
    pub connector: Connector,
    /// What the service takes.
    pub limits: Limits,
    /// The sink's own key, where it has one.
    pub key: Option<Secret>,
}

/// Everything that a configuration needs, or why it is not there.
pub struct Assembly {
    /// The plugins that were loaded.
    pub plugins: BTreeMap<PluginName, Arc<Plugin>>,
    /// The grants that can run.
    pub grants: BTreeMap<GrantName, GrantParts>,
    /// The sinks that can run.
    pub sinks: BTreeMap<SinkName, SinkParts>,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

impl Assembly {
    /// Loads and checks everything. `folder`: that of plugins.toml, to which its paths are relative.
    pub async fn assemble(configuration: &Configuration, folder: &Path, sandbox: &Arc<Sandbox>) -> Self {
        let mut assembly =
            Self { plugins: BTreeMap::new(), grants: BTreeMap::new(), sinks: BTreeMap::new(), faults: Vec::new() };
        assembly.load_plugins(configuration, folder, sandbox).await;
        for name in configuration.grants.keys() {
            match assembly.assemble_grant(configuration, folder, name).await {
                Ok(parts) => {
                    assembly.grants.insert(name.clone(), parts);
                }
                Err(faults) => assembly.faults.extend(faults),
            }
        }
        for name in configuration.sinks.keys() {
            match assembly.assemble_sink(configuration, folder, name).await {
                Ok(parts) => {
                    assembly.sinks.insert(name.clone(), parts);
                }
                Err(faults) => assembly.faults.extend(faults),
            }
        }
        assembly
    }

    /// Why a part is off, in one text.
    #[must_use]
    pub fn reason(&self, concerns: impl Fn(&Part) -> bool) -> Option<String> {
        let reasons: Vec<&str> =
            self.faults.iter().filter(|fault| concerns(&fault.part)).map(|fault| fault.message.as_str()).collect();
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }

    async fn load_plugins(&mut self, configuration: &Configuration, folder: &Path, sandbox: &Arc<Sandbox>) {
        // Each on a thread of its own: compiling anew takes a small board seconds.
        let loading: Vec<_> = configuration
            .plugins
            .iter()
            .map(|(name, plugin)| {
                let (sandbox, loaded, path, limits) =
                    (Arc::clone(sandbox), name.clone(), folder.join(&plugin.path), plugin.limits);
                let load = move || {
                    let bytes = read_component(&path).map_err(chain)?;
                    sandbox.load(&loaded, &bytes, limits).map_err(chain)
                };
                (name.clone(), tokio::task::spawn_blocking(load))
            })
            .collect();
        for (name, task) in loading {
            let message = match task.await {
                Ok(Ok(plugin)) => {
                    self.plugins.insert(name, Arc::new(plugin));
                    continue;
                }
                Ok(Err(message)) => message,
                // An error of the host's, which must not take the other plugins along.
                Err(error) => format!("plugin `{name}` could not be loaded: {error}"),
            };
            self.faults.push(Fault { part: Part::Plugin(name), message, misconfigured: false });
        }
        // A plugin that could not be loaded now may be tomorrow: its code is compiled anew then.
        let used: Vec<_> = self.plugins.values().map(|plugin| *plugin.sha256()).collect();
        sandbox.keep_only(&used);
    }

    async fn assemble_grant(
        &self,
        configuration: &Configuration,
        folder: &Path,
        name: &GrantName,
    ) -> Result<GrantParts, Vec<Fault>> {
        let grant = &configuration.grants[name];
        let mut faults = Vec::new();
        let mut secrets = BTreeMap::new();
        for (slot, source) in &grant.secrets {
            match read_secret(source, folder) {
                Ok(secret) => {
                    secrets.insert(slot.clone(), secret);
                }
                Err(message) => faults.push(Fault {
                    part: Part::GrantSecret(name.clone(), slot.clone()),
                    message,
                    misconfigured: false,
                }),
            }
        }
        let http = match grant.ca.as_ref().map(|ca| open_http(&folder.join(ca))).transpose() {
            Ok(http) => http,
            Err(message) => {
                faults.push(Fault { part: Part::GrantCa(name.clone()), message, misconfigured: false });
                None
            }
        };
        let policy = match self.plugin(&grant.plugin, Part::GrantPlugin(name.clone()), World::AuthPolicy) {
            Ok(Plugin::AuthPolicy(policy)) => Some(policy.clone()),
            Ok(_) => None,
            Err(fault) => {
                faults.extend(fault);
                None
            }
        };
        if let Some(policy) = &policy
            && let Err(error) = policy.check(&grant.settings.to_json()).await
        {
            faults.push(refusal(Part::GrantSettings(name.clone()), &grant.plugin, error));
        }
        match policy {
            Some(policy) if faults.is_empty() => Ok(GrantParts { policy, secrets, http }),
            _ => Err(faults),
        }
    }

    async fn assemble_sink(
        &self,
        configuration: &Configuration,
        folder: &Path,
        name: &SinkName,
    ) -> Result<SinkParts, Vec<Fault>> {
        let sink = &configuration.sinks[name];
        let mut faults = Vec::new();
        let formatter = match self.plugin(&sink.format.plugin, Part::FormatPlugin(name.clone()), World::Formatter) {
            Ok(Plugin::Formatter(formatter)) => Some(formatter.clone()),
            Ok(_) => None,
            Err(fault) => {
                faults.extend(fault);
                None
            }
        };
        let connector = match self.plugin(&sink.deliver.plugin, Part::DeliverPlugin(name.clone()), World::Connector) {
            Ok(Plugin::Connector(connector)) => Some(connector.clone()),
            Ok(_) => None,
            Err(fault) => {
                faults.extend(fault);
                None
            }
        };
        let columns = match &formatter {
            Some(formatter) => match formatter.columns(&sink.format.settings.to_json()).await {
                Ok(columns) => Some(columns),
                Err(error) => {
                    faults.push(refusal(Part::FormatSettings(name.clone()), &sink.format.plugin, error));
                    None
                }
            },
            None => None,
        };
        // Where the formatter does not say its columns, the connector's settings are checked with any: all errors at once.
        let any = [Column { key: "any".into(), title: "Any".into(), kind: ColumnKind::Text }];
        let limits = match &connector {
            Some(connector) => {
                let checked = columns.as_deref().unwrap_or(&any);
                match connector.check(&sink.deliver.settings.to_json(), checked).await {
                    Ok(limits) => Some(limits),
                    Err(error) => {
                        faults.push(refusal(Part::DeliverSettings(name.clone()), &sink.deliver.plugin, error));
                        None
                    }
                }
            }
            None => None,
        };
        let key = match &sink.authorize {
            Some(Authorization::Header { secret, .. }) => match read_secret(secret, folder) {
                Ok(key) => Some(key),
                Err(message) => {
                    faults.push(Fault { part: Part::Authorization(name.clone()), message, misconfigured: false });
                    None
                }
            },
            Some(Authorization::Grant(_)) | None => None,
        };
        match (formatter, columns, connector, limits) {
            (Some(formatter), Some(columns), Some(connector), Some(limits)) if faults.is_empty() => {
                Ok(SinkParts { formatter: formatter.within(&limits), columns, connector, limits, key })
            }
            _ => Err(faults),
        }
    }

    /// The plugin of a part. A plugin that was not loaded has its own fault; the part then has none but that it is off.
    fn plugin(&self, name: &PluginName, part: Part, wanted: World) -> Result<&Plugin, Option<Fault>> {
        let Some(plugin) = self.plugins.get(name) else { return Err(None) };
        let found = plugin.world();
        if found == wanted {
            return Ok(plugin);
        }
        let error = LoadError::WrongWorld { plugin: name.clone(), found, wanted };
        Err(Some(Fault { part, message: error.to_string(), misconfigured: true }))
    }
}

fn read_secret(source: &SecretSource, folder: &Path) -> Result<Secret, String> {
    let secrets = ConfiguredSecrets::new(std::env::var_os("CREDENTIALS_DIRECTORY").map(Into::into));
    match source {
        SecretSource::Credential(name) => secrets.read_credential(name.as_str()),
        SecretSource::File(path) => secrets.read_file(&folder.join(path)),
    }
    .map_err(chain)
}

/// Connections under the system's authorities and those in a file.
fn open_http(ca: &Path) -> Result<Arc<Http>, String> {
    let trust = Trust::system_and_file(ca).map_err(chain)?;
    Http::open(&http::Limits::default(), &trust).map(Arc::new).map_err(chain)
}

fn refusal(part: Part, plugin: &PluginName, error: CallError) -> Fault {
    match error {
        CallError::Returned(PluginError::InvalidSettings(text)) => Fault { part, message: text, misconfigured: true },
        error => Fault {
            part,
            message: format!("plugin `{plugin}` could not check its settings: {error}"),
            misconfigured: false,
        },
    }
}
