//! Grants and sinks as they run, each on or off.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

use punchcard_core::config::sink::{Authorization, Sink};
use punchcard_core::config::{Configuration, Part};
use punchcard_core::delivery;
use punchcard_core::name::{GrantName, PluginName, SinkName};
use punchcard_core::pace::Pace;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

use super::assembly::{Assembly, SinkParts};
use super::delivery::{Ask, Authority, Delivery};
use super::formatting::{self, Formatting, Said};
use super::grant::{Grant, GrantKeeper, Surroundings, chain};
use super::status::PluginReport;
use crate::ledger::Declaration;
use crate::wasm::Plugin;
use crate::wasm::cache::hexadecimal;

/// A grant.
pub(super) enum GrantPart {
    /// It runs.
    On(Arc<Grant>),
    /// It does not, and why.
    Off(String),
}

/// A sink.
pub(super) enum SinkPart {
    /// It runs.
    On(SinkHandle),
    /// It does not, and why.
    Off(String),
}

/// A sink that runs.
pub(super) struct SinkHandle {
    pub(super) formatting: watch::Receiver<formatting::Standing>,
    pub(super) delivery: watch::Receiver<delivery::Standing>,
    pub(super) asks: mpsc::UnboundedSender<Ask>,
    pub(super) grant: Option<GrantName>,
}

/// Everything behind the sandbox.
pub(super) struct Parts {
    pub(super) plugins: Vec<PluginReport>,
    pub(super) grants: BTreeMap<GrantName, GrantPart>,
    pub(super) sinks: BTreeMap<SinkName, SinkPart>,
}

impl Parts {
    /// All of them off for the same reason.
    pub(super) fn none(configuration: &Configuration, reason: &str) -> Self {
        Self {
            plugins: configuration
                .plugins
                .keys()
                .map(|name| PluginReport {
                    name: name.to_string(),
                    world: None,
                    sha256: None,
                    error: Some(reason.to_owned()),
                })
                .collect(),
            grants: configuration.grants.keys().map(|name| (name.clone(), GrantPart::Off(reason.to_owned()))).collect(),
            sinks: configuration.sinks.keys().map(|name| (name.clone(), SinkPart::Off(reason.to_owned()))).collect(),
        }
    }

    /// Starts what can run.
    pub(super) async fn start(
        configuration: &Configuration,
        mut assembly: Assembly,
        surroundings: &Surroundings,
        said: &mpsc::UnboundedSender<Said>,
        delivered: &mpsc::UnboundedSender<SinkName>,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let plugins = configuration.plugins.keys().map(|name| describe(name, &assembly)).collect();
        let mut grants = BTreeMap::new();
        for (name, configured) in &configuration.grants {
            let part = match assembly.grants.remove(name) {
                Some(parts) => {
                    let pace = Pace::new(slowest(configuration, &assembly, name));
                    let (grant, keeper) =
                        GrantKeeper::new(name, configured, parts.secrets, parts.policy, pace, surroundings.clone());
                    tasks.spawn(keeper.run());
                    GrantPart::On(grant)
                }
                None => GrantPart::Off(why_off(&assembly, &grant_parts(configuration, name))),
            };
            grants.insert(name.clone(), part);
        }
        let declaration = |sink: &Sink| Declaration {
            kinds: sink.events.iter().map(ToString::to_string).collect(),
            formatter: sink.format.plugin.clone(),
            connector: sink.deliver.plugin.clone(),
        };
        let declared = configuration.sinks.iter().map(|(name, sink)| (name.clone(), declaration(sink))).collect();
        let declared = surroundings.ledger.declare_sinks(declared).await;
        let mut sinks = BTreeMap::new();
        for name in configuration.sinks.keys() {
            if let Err(error) = &declared {
                sinks.insert(name.clone(), SinkPart::Off(chain(error)));
                continue;
            }
            let part = match assembly.sinks.remove(name) {
                Some(parts) => start_sink(configuration, name, parts, &grants, surroundings, said, delivered, tasks),
                None => SinkPart::Off(why_off(&assembly, &sink_parts(configuration, name))),
            };
            sinks.insert(name.clone(), part);
        }
        Self { plugins, grants, sinks }
    }

    /// The parts that are off, by the paths of their keys, and why.
    pub(super) fn off(&self) -> Vec<(String, String)> {
        let grants = self.grants.iter().filter_map(|(name, part)| match part {
            GrantPart::Off(reason) => Some((format!("grants.{name}"), reason.clone())),
            GrantPart::On(_) => None,
        });
        let sinks = self.sinks.iter().filter_map(|(name, part)| match part {
            SinkPart::Off(reason) => Some((format!("sinks.{name}"), reason.clone())),
            SinkPart::On(_) => None,
        });
        grants.chain(sinks).collect()
    }
}

fn describe(name: &PluginName, assembly: &Assembly) -> PluginReport {
    let plugin = assembly.plugins.get(name).map(Arc::as_ref);
    let sha256 = plugin.map(|plugin| match plugin {
        Plugin::AuthPolicy(policy) => hexadecimal(policy.sha256()),
        Plugin::Formatter(formatter) => hexadecimal(formatter.sha256()),
        Plugin::Connector(connector) => hexadecimal(connector.sha256()),
    });
    let error = assembly.reason(|part| *part == Part::Plugin(name.clone()));
    PluginReport { name: name.to_string(), world: plugin.map(|plugin| plugin.world().into()), sha256, error }
}

/// The fewest requests a minute that a service of this grant's sinks takes.
fn slowest(configuration: &Configuration, assembly: &Assembly, grant: &GrantName) -> NonZeroU32 {
    let of_grant = |name: &SinkName| configuration.sinks.get(name).is_some_and(|sink| sink.grant() == Some(grant));
    assembly
        .sinks
        .iter()
        .filter(|(name, _)| of_grant(name))
        .filter_map(|(_, parts)| NonZeroU32::new(parts.limits.requests_per_minute))
        .min()
        .unwrap_or(NonZeroU32::MAX)
}

fn grant_parts(configuration: &Configuration, name: &GrantName) -> Vec<Part> {
    let mut parts = vec![Part::GrantPlugin(name.clone()), Part::GrantSettings(name.clone())];
    if let Some(grant) = configuration.grants.get(name) {
        parts.push(Part::Plugin(grant.plugin.clone()));
        parts.extend(grant.secrets.keys().map(|slot| Part::GrantSecret(name.clone(), slot.clone())));
    }
    parts
}

fn sink_parts(configuration: &Configuration, name: &SinkName) -> Vec<Part> {
    let mut parts = vec![
        Part::FormatPlugin(name.clone()),
        Part::FormatSettings(name.clone()),
        Part::DeliverPlugin(name.clone()),
        Part::DeliverSettings(name.clone()),
        Part::Authorization(name.clone()),
    ];
    if let Some(sink) = configuration.sinks.get(name) {
        parts.extend([Part::Plugin(sink.format.plugin.clone()), Part::Plugin(sink.deliver.plugin.clone())]);
    }
    parts
}

fn why_off(assembly: &Assembly, parts: &[Part]) -> String {
    assembly.reason(|part| parts.contains(part)).unwrap_or_else(|| "a part that it needs is off".into())
}

#[expect(clippy::too_many_arguments, reason = "the wires of a sink come from all sides, and are named once")]
fn start_sink(
    configuration: &Configuration,
    name: &SinkName,
    parts: SinkParts,
    grants: &BTreeMap<GrantName, GrantPart>,
    surroundings: &Surroundings,
    said: &mpsc::UnboundedSender<Said>,
    delivered: &mpsc::UnboundedSender<SinkName>,
    tasks: &mut JoinSet<()>,
) -> SinkPart {
    let sink = &configuration.sinks[name];
    let Surroundings { ledger, http, clock, time, .. } = surroundings.clone();
    let authority = match (&sink.authorize, parts.key) {
        (Some(Authorization::Grant(grant)), _) => match grants.get(grant) {
            Some(GrantPart::On(grant)) => Some(Authority::Grant(Arc::clone(grant))),
            _ => None,
        },
        (Some(Authorization::Header { name, .. }), Some(value)) => {
            Some(Authority::Header { name: name.to_string(), value })
        }
        (Some(Authorization::Header { .. }), None) => None,
        (None, _) => Some(Authority::None),
    };
    let rows = Arc::new(Notify::new());
    let (formatting_standing, formatting) = watch::channel(formatting::Standing::default());
    let (delivery_standing, delivery) = watch::channel(delivery::Standing::default());
    let (asks, inbox) = mpsc::unbounded_channel();
    tasks.spawn(
        Formatting {
            sink: name.clone(),
            formatter: parts.formatter,
            settings: sink.format.settings.to_json(),
            columns: parts.columns.clone(),
            ledger: ledger.clone(),
            clock: clock.clone(),
            accepted: ledger.accepted(),
            rows: Arc::clone(&rows),
            standing: formatting_standing,
            said: said.clone(),
        }
        .run(),
    );
    let Some(authority) = authority else {
        // Its rows are made and kept until the grant can run again.
        let reason = "the grant that authorizes it is off; its rows are kept".to_owned();
        delivery_standing.send_replace(delivery::Standing::Failing { reason });
        return SinkPart::On(SinkHandle { formatting, delivery, asks, grant: sink.grant().cloned() });
    };
    tasks.spawn(
        Delivery {
            sink: name.clone(),
            connector: parts.connector,
            settings: sink.deliver.settings.to_json(),
            columns: parts.columns,
            limits: parts.limits,
            reach_key: format!("sinks.{name}.reach"),
            reach: sink.reach.clone(),
            authority,
            pace: Mutex::new(Pace::new(NonZeroU32::new(parts.limits.requests_per_minute).unwrap_or(NonZeroU32::MIN))),
            ledger,
            http,
            clock,
            time,
            asks: inbox,
            rows,
            formatting: formatting.clone(),
            standing: delivery_standing,
            delivered: delivered.clone(),
        }
        .run(),
    );
    SinkPart::On(SinkHandle { formatting, delivery, asks, grant: sink.grant().cloned() })
}
