//! A new version of a plugin, looked at before it takes the place of the one that runs: whether it takes the same settings, needs
//! no more than is granted, and whether it can begin: a formatter formats what the old one has formatted, a connector and an auth
//! policy take their first steps (`first_step`).
//!
//! Nothing here changes anything: what these calls return is dropped.

use std::sync::Arc;

use punchcard_core::config::Configuration;
use punchcard_core::config::sink::Sink;
use punchcard_core::event::Sequence;
use punchcard_core::name::{PluginName, SinkName};
use punchcard_core::needs::{
    UnmetNeed, unmet_by_events, unmet_by_grant, unmet_by_listing, unmet_by_sensor, unmet_by_sink,
};
use punchcard_core::plugin::PluginError;
use punchcard_core::row::{Column, ColumnKind};
use punchcard_ledger::{Ledger, SinkError};
use punchcard_sandbox::{CallError, Formatter, Plugin};
use tracing::{info, warn};

use super::super::error_chain::chain;
use super::super::replay::{Replay, ReplayError, Replayed, Replayer};
use crate::clock::Clock;
use crate::vault::Vault;

/// Events of a sink's history on which a new formatter is tried.
const TRIED: u64 = 500;

/// Why a new version is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::app) enum Objection {
    /// It needs what is not granted, or does not take the settings. With another plugins.toml it may be taken.
    Unfit(String),
    /// It fails where the old one works.
    Bad(String),
}

/// What a plugin lacks in a place of the configuration, or that it can't say.
type Lacks = Result<Vec<UnmetNeed>, CallError>;

/// Looks at new versions, with what the device remembers.
#[derive(Clone)]
pub(in crate::app) struct Examiner {
    pub(in crate::app) ledger: Ledger,
    /// None: it can't be opened.
    pub(in crate::app) vault: Option<Arc<Vault>>,
    pub(in crate::app) clock: Clock,
}

impl Examiner {
    /// Looks at a new version, beside the old one.
    ///
    /// # Errors
    /// Why it is not to be taken.
    pub(super) async fn examine(
        &self,
        name: &PluginName,
        new: &Plugin,
        old: &Plugin,
        configuration: &Configuration,
    ) -> Result<(), Objection> {
        if let Some(used) = configuration.uses_of(name).into_iter().find(|used| used.world != new.world()) {
            return Err(Objection::Unfit(format!("it is another kind of plugin than {} uses it as", used.part)));
        }
        let (of_new, of_old) = (find_lacks(name, new, configuration).await, find_lacks(name, old, configuration).await);
        for ((part, new), (_, old)) in of_new.into_iter().zip(of_old) {
            judge(&part, new, &old)?;
        }
        match (new, old) {
            (Plugin::Formatter(new), Plugin::Formatter(old)) => {
                for (sink, configured) in configuration.sinks.iter().filter(|(_, sink)| sink.format.plugin == *name) {
                    try_on_history(sink, configured, new, old, &self.ledger).await?;
                }
                Ok(())
            }
            (Plugin::Connector(new), Plugin::Connector(old)) => self.try_connector(name, new, old, configuration).await,
            (Plugin::AuthPolicy(new), Plugin::AuthPolicy(old)) => self.try_policy(name, new, old, configuration).await,
            _ => Ok(()),
        }
    }
}

/// What a plugin lacks, in each place that uses it.
pub(in crate::app) async fn find_lacks(
    name: &PluginName,
    plugin: &Plugin,
    configuration: &Configuration,
) -> Vec<(String, Lacks)> {
    let mut lacks = Vec::new();
    match plugin {
        Plugin::AuthPolicy(policy) => {
            for (grant, configured) in configuration.grants.iter().filter(|(_, grant)| grant.plugin == *name) {
                let settings = configured.settings.to_json();
                let found = match policy.check(&settings).await {
                    Ok(()) => policy.needs(&settings).await.map(|needs| unmet_by_grant(grant, configured, &needs)),
                    Err(error) => Err(error),
                };
                lacks.push((format!("grants.{grant}"), found));
            }
        }
        Plugin::Formatter(formatter) => {
            for (sink, configured) in configuration.sinks.iter().filter(|(_, sink)| sink.format.plugin == *name) {
                let settings = configured.format.settings.to_json();
                let found = match formatter.columns(&settings).await {
                    Ok(_) => {
                        let fields = formatter.fields(&settings).await;
                        fields.map(|fields| unmet_by_events(sink, configuration, &fields))
                    }
                    Err(error) => Err(error),
                };
                lacks.push((format!("sinks.{sink}.format"), found));
            }
        }
        Plugin::Connector(connector) => {
            let any = any_columns();
            for (sink, configured) in configuration.sinks.iter().filter(|(_, sink)| sink.deliver.plugin == *name) {
                let settings = configured.deliver.settings.to_json();
                let found = match connector.check(&settings, &any).await {
                    Ok(_) => {
                        let needs = connector.needs(&settings).await;
                        needs.map(|needs| unmet_by_sink(sink, configured, &configuration.grants, &needs))
                    }
                    Err(error) => Err(error),
                };
                lacks.push((format!("sinks.{sink}.deliver"), found));
            }
        }
        Plugin::Sensor(read_by) => {
            for (sensor, configured) in configuration.sensors.iter().filter(|(_, sensor)| sensor.plugin == *name) {
                let settings = configured.settings.to_json();
                let found = match read_by.check(&settings).await {
                    Ok(()) => read_by.loans(&settings).await.map(|loans| unmet_by_sensor(sensor, configured, &loans)),
                    Err(error) => Err(error),
                };
                lacks.push((format!("sensors.{sensor}"), found));
            }
        }
        Plugin::Listing(listing) => {
            let listed = configuration.choices.iter().filter_map(|(choice, of)| Some((choice, of.listing()?)));
            for (choice, configured) in listed.filter(|(_, configured)| configured.plugin == *name) {
                let settings = configured.settings.to_json();
                let found = match listing.check(&settings).await {
                    Ok(()) => {
                        let needs = listing.needs(&settings).await;
                        needs.map(|needs| unmet_by_listing(choice, configured, &configuration.grants, &needs))
                    }
                    Err(error) => Err(error),
                };
                lacks.push((format!("choices.{choice}.items"), found));
            }
        }
    }
    lacks
}

/// Columns for a connector that is looked at by itself: what the rows are is the formatter's to say.
pub(super) fn any_columns() -> [Column; 1] {
    [Column { key: "any".into(), title: "Any".into(), kind: ColumnKind::Text }]
}

/// What the new version lacks counts where the old one lacks nothing: else plugins.toml is to be mended, for both.
fn judge(part: &str, new: Lacks, old: &Lacks) -> Result<(), Objection> {
    if !matches!(old, Ok(lacks) if lacks.is_empty()) {
        return Ok(());
    }
    match new {
        Ok(lacks) if lacks.is_empty() => Ok(()),
        Ok(lacks) => {
            let lacks: Vec<String> = lacks.into_iter().map(|lack| lack.message).collect();
            Err(Objection::Unfit(lacks.join("; ")))
        }
        Err(CallError::Returned(PluginError::InvalidSettings(text))) => {
            Err(Objection::Unfit(format!("it does not take the settings of {part}: {text}")))
        }
        Err(error) => Err(Objection::Bad(format!("it can't check the settings of {part}: {error}"))),
    }
}

/// Has both versions format the last events that were formatted, from a state that was kept before them.
async fn try_on_history(
    sink: &SinkName,
    configured: &Sink,
    new: &Formatter,
    old: &Formatter,
    ledger: &Ledger,
) -> Result<(), Objection> {
    let replayed = match replay(sink, configured, new, ledger).await {
        Ok(Some(replayed)) => replayed,
        Ok(None) => return Ok(()),
        Err(Hindrance::Replay(error)) => return Err(Objection::Bad(format!("sink `{sink}`: {}", chain(error)))),
        Err(Hindrance::Ledger(error)) => {
            warn!(%sink, error = chain(error), "a new version can't be tried on what was formatted before");
            return Ok(());
        }
    };
    info!(%sink, events = replayed.events, differ = replayed.differences.len() as u64 + replayed.not_kept,
        "a new version was tried on what was formatted before");
    let refused = replayed.failed.iter().chain(&replayed.rejected).next();
    let Some(refused) = refused else { return Ok(()) };
    // What the old one does not take either is not the new one's fault.
    let before = match replay(sink, configured, old, ledger).await {
        Ok(Some(before)) => before,
        Ok(None) | Err(_) => return Ok(()),
    };
    let was_refused =
        |event: Sequence| before.failed.iter().chain(&before.rejected).any(|refused| refused.event == event);
    match replayed.failed.iter().chain(&replayed.rejected).find(|refused| !was_refused(refused.event)) {
        Some(refused) => Err(Objection::Bad(format!(
            "tried on the history of sink `{sink}`, it refuses event {}, which the version before takes: {}",
            refused.event.0, refused.reason
        ))),
        None => {
            info!(%sink, event = refused.event.0, "the version before does not take that event either");
            Ok(())
        }
    }
}

/// Why nothing was formatted.
enum Hindrance {
    Replay(ReplayError),
    Ledger(SinkError),
}

/// Formats the last events that were formatted, as far as states reach back. None: there is nothing to begin from.
async fn replay(
    sink: &SinkName,
    configured: &Sink,
    formatter: &Formatter,
    ledger: &Ledger,
) -> Result<Option<Replayed>, Hindrance> {
    let settings = configured.format.settings.to_json();
    let Ok(columns) = formatter.columns(&settings).await else { return Ok(None) };
    let by = Replayer::new(configured, formatter.clone(), columns);
    let ground = match ledger.replay_ground(sink).await {
        Ok(ground) => ground,
        // It was never declared, and has no history.
        Err(SinkError::UnknownSink(_)) => return Ok(None),
        Err(error) => return Err(Hindrance::Ledger(error)),
    };
    let first = ground.pruned_through.0.saturating_add(1);
    let from = Sequence(ground.cursor.0.saturating_sub(TRIED).saturating_add(1).max(first));
    let begun = match Replay::begin(by.clone(), ground.clone(), from) {
        Err(ReplayError::NoStart { earliest: Some(earliest), .. }) => Replay::begin(by, ground, earliest),
        begun => begun,
    };
    // Otherwise nothing was formatted yet, or nothing of that is left.
    let Ok(mut replay) = begun else { return Ok(None) };
    while let Some(stretch) = replay.next() {
        let page = ledger.replay_page(sink, stretch).await.map_err(Hindrance::Ledger)?;
        match replay.format(page).await {
            Ok(()) => {}
            Err(ReplayError::PrunedMeanwhile { .. }) => return Ok(None),
            Err(error) => return Err(Hindrance::Replay(error)),
        }
    }
    Ok(Some(replay.end()))
}
