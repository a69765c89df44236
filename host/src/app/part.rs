//! Grants and sinks as they run, each on or off.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

use punchcard_core::config::sink::{Authorization, Sink};
use punchcard_core::config::{Configuration, Part};
use punchcard_core::delivery;
use punchcard_core::name::{GrantName, PluginName, SinkName};
use punchcard_core::pace::Pace;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::assembly::{Assembly, SinkParts};
use super::delivery::{Ask, Authority, Delivery};
use super::formatting::{self, Formatting, Said};
use super::grant::{Grant, GrantKeeper, Surroundings};
use super::known_time::KnownTime;
use super::reconcile::Progress;
use super::replay::Replayer;
use super::status::PluginReport;
use crate::clock::Clock;
use crate::http::Http;
use crate::vault::Vault;
use punchcard_ledger::{Declaration, Ledger};
use punchcard_sandbox::cache::hexadecimal;

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
    /// Why nothing is delivered, where that is so. Its rows are made and kept.
    pub(super) delivery_off: Option<String>,
    pub(super) asks: mpsc::UnboundedSender<Ask>,
    /// What is asked of its formatting.
    pub(super) corrections: mpsc::UnboundedSender<formatting::Ask>,
    /// There may be rows.
    pub(super) rows: Arc<Notify>,
    /// Whether its rows can be read back.
    pub(super) reads_back: bool,
    /// How far comparing them has come.
    pub(super) progress: Progress,
    /// Whether a person wants nothing delivered for now. The ledger knows it first.
    pub(super) paused: watch::Sender<bool>,
    pub(super) grant: Option<GrantName>,
}

impl SinkHandle {
    /// Rows were added for it by hand.
    pub(super) fn wake(&self) {
        self.rows.notify_one();
    }
}

/// What parts work with, or why some of it is not there.
pub(super) struct Tools {
    pub(super) vault: Result<Arc<Vault>, String>,
    pub(super) http: Result<Arc<Http>, String>,
    pub(super) ledger: Ledger,
    pub(super) clock: Clock,
    pub(super) time: KnownTime,
    /// Sinks that a person paused.
    pub(super) paused: BTreeSet<SinkName>,
}

impl Tools {
    /// What a grant needs.
    fn surroundings(&self) -> Result<Surroundings, String> {
        Ok(Surroundings {
            vault: self.vault.clone()?,
            http: self.http.clone()?,
            ledger: self.ledger.clone(),
            clock: self.clock.clone(),
        })
    }
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

    /// The sinks, as the ledger is told of them before they are started.
    pub(super) fn declarations(configuration: &Configuration) -> BTreeMap<SinkName, Declaration> {
        let declaration = |sink: &Sink| Declaration {
            kinds: sink.events.iter().map(ToString::to_string).collect(),
            formatter: sink.format.plugin.clone(),
            connector: sink.deliver.plugin.clone(),
        };
        configuration.sinks.iter().map(|(name, sink)| (name.clone(), declaration(sink))).collect()
    }

    /// Starts what can run.
    pub(super) fn start(
        configuration: &Configuration,
        mut assembly: Assembly,
        tools: &Tools,
        said: &mpsc::UnboundedSender<Said>,
        delivered: &mpsc::UnboundedSender<SinkName>,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let plugins = configuration.plugins.keys().map(|name| describe(name, &assembly)).collect();
        let mut grants = BTreeMap::new();
        for (name, configured) in &configuration.grants {
            let part = match (assembly.grants.remove(name), tools.surroundings()) {
                (Some(parts), Ok(surroundings)) => {
                    let pace = Pace::new(slowest(configuration, &assembly, name));
                    let (grant, keeper) =
                        GrantKeeper::new(name, configured, parts.secrets, parts.policy, pace, surroundings);
                    tasks.spawn(keeper.run());
                    GrantPart::On(grant)
                }
                (Some(_), Err(reason)) => GrantPart::Off(reason),
                (None, _) => GrantPart::Off(why_off(&assembly, &grant_parts(configuration, name))),
            };
            grants.insert(name.clone(), part);
        }
        let mut sinks = BTreeMap::new();
        for name in configuration.sinks.keys() {
            let part = match assembly.sinks.remove(name) {
                Some(parts) => start_sink(configuration, name, parts, &grants, tools, said, delivered, tasks),
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
            SinkPart::On(sink) => Some((format!("sinks.{name}.deliver"), sink.delivery_off.clone()?)),
        });
        grants.chain(sinks).collect()
    }
}

fn describe(name: &PluginName, assembly: &Assembly) -> PluginReport {
    let plugin = assembly.plugins.get(name).map(Arc::as_ref);
    let sha256 = plugin.map(|plugin| hexadecimal(plugin.sha256()));
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

/// A number that hardly any other start has, of few enough digits for any reader of JSON.
fn fresh_number() -> u64 {
    Uuid::new_v4().as_u64_pair().1 & 0xffff_ffff
}

#[expect(clippy::too_many_arguments, reason = "the wires of a sink come from all sides, and are named once")]
fn start_sink(
    configuration: &Configuration,
    name: &SinkName,
    parts: SinkParts,
    grants: &BTreeMap<GrantName, GrantPart>,
    tools: &Tools,
    said: &mpsc::UnboundedSender<Said>,
    delivered: &mpsc::UnboundedSender<SinkName>,
    tasks: &mut JoinSet<()>,
) -> SinkPart {
    let sink = &configuration.sinks[name];
    let Tools { ledger, clock, time, .. } = tools;
    let authority = match (&sink.authorize, parts.key) {
        (Some(Authorization::Grant(name)), _) => match grants.get(name) {
            Some(GrantPart::On(grant)) => Ok(Authority::Grant(Arc::clone(grant))),
            Some(GrantPart::Off(reason)) => Err(format!("grant `{name}`, which authorizes it, is off: {reason}")),
            None => Err(format!("there is no grant `{name}`")),
        },
        (Some(Authorization::Header { name, .. }), Some(value)) => {
            Ok(Authority::Header { name: name.to_string(), value })
        }
        (Some(Authorization::Header { .. }), None) => Err("its key can't be read".to_owned()),
        (None, _) => Ok(Authority::None),
    };
    let outward = authority.and_then(|authority| Ok((authority, tools.http.clone()?)));
    let rows = Arc::new(Notify::new());
    let (formatting_standing, formatting) = watch::channel(formatting::Standing::default());
    let (delivery_standing, delivery) = watch::channel(delivery::Standing::default());
    let (asks, inbox) = mpsc::unbounded_channel();
    let (corrections, formatting_asks) = mpsc::unbounded_channel();
    let (reads_back, progress) = (parts.limits.reads_back, Progress::after(fresh_number()));
    let (paused, pauses) = watch::channel(tools.paused.contains(name));
    tasks.spawn(
        Formatting {
            sink: name.clone(),
            by: Replayer::new(sink, parts.formatter, parts.columns.clone()),
            ledger: ledger.clone(),
            clock: clock.clone(),
            time: time.clone(),
            accepted: ledger.accepted(),
            rows: Arc::clone(&rows),
            standing: formatting_standing,
            said: said.clone(),
            asks: formatting_asks,
        }
        .run(),
    );
    let grant = sink.grant().cloned();
    let (authority, http) = match outward {
        Ok(outward) => outward,
        Err(reason) => {
            let delivery_off = Some(format!("{reason}; its rows are kept"));
            return SinkPart::On(SinkHandle {
                formatting,
                delivery,
                delivery_off,
                asks,
                corrections,
                rows,
                reads_back,
                progress,
                paused,
                grant,
            });
        }
    };
    let waking = Arc::clone(&rows);
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
            ledger: ledger.clone(),
            http,
            clock: clock.clone(),
            time: time.clone(),
            asks: inbox,
            paused: pauses,
            progress: progress.clone(),
            rows,
            formatting: formatting.clone(),
            standing: delivery_standing,
            delivered: delivered.clone(),
        }
        .run(),
    );
    SinkPart::On(SinkHandle {
        formatting,
        delivery,
        delivery_off: None,
        asks,
        corrections,
        rows: waking,
        reads_back,
        progress,
        paused,
        grant,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_start_numbers_its_comparisons_from_elsewhere_by_numbers_that_any_json_can_hold() {
        let numbers: BTreeSet<_> = (0..3).map(|_| fresh_number()).collect();
        assert!(numbers.len() > 1 && numbers.iter().all(|number| *number < 1 << 53), "{numbers:?}");
    }
}
