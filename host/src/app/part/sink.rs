//! A sink as a part: its formatter and its connector, their settings, and how its requests are authorized.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

use punchcard_core::config;
use punchcard_core::config::Part as Place;
use punchcard_core::config::sink::Authorization;
use punchcard_core::delivery;
use punchcard_core::name::{PluginName, SinkName};
use punchcard_core::needs::{unmet_by_events, unmet_by_sink};
use punchcard_core::pace::Pace;
use punchcard_core::plugin::World;
use punchcard_core::plugin::delivery::Limits;
use punchcard_core::row::{Column, ColumnKind};
use punchcard_core::secret::Secret;
use punchcard_core::supervisor::{PartConfiguration, PluginVersion, Spec};
use punchcard_sandbox::{Connector, Formatter, Plugin};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::super::delivery::command::Flow;
use super::super::delivery::{Authority, Delivery, GrantLink};
use super::super::fault::{Fault, refusal};
use super::super::formatting::{self, Formatting};
use super::super::material::Materials;
use super::super::reconcile::Progress;
use super::super::replay::Replayer;
use super::handle::{Handle, SinkHandle};
use super::panel::{show_delivery, show_formatting};
use super::{Part, Site};

/// Requests of a sink in a minute, at most, whatever its plugin says: each may write to the card.
const MOST_REQUESTS: u32 = 600;

/// A sink that can run.
pub(in crate::app) struct SinkPart {
    name: SinkName,
    configuration: config::sink::Sink,
    versions: BTreeMap<PluginName, PluginVersion>,
    formatter: Formatter,
    /// Of its rows.
    columns: Vec<Column>,
    connector: Connector,
    /// What the service takes.
    limits: Limits,
    /// The sink's own key, where it has one.
    key: Option<Secret>,
}

impl SinkPart {
    /// Puts a sink together.
    ///
    /// # Errors
    /// All that keeps it from running.
    pub(in crate::app) async fn assemble(materials: &Materials, name: &SinkName) -> Result<Self, Vec<Fault>> {
        let sink = &materials.configuration.sinks[name];
        let mut faults = Vec::new();
        let (format, deliver) = tokio::join!(
            materials.plugin(&sink.format.plugin, Place::FormatPlugin(name.clone()), World::Formatter),
            materials.plugin(&sink.deliver.plugin, Place::DeliverPlugin(name.clone()), World::Connector),
        );
        let mut versions = BTreeMap::new();
        let mut formatter = None;
        match format {
            Ok(loaded) => {
                versions.insert(sink.format.plugin.clone(), loaded.version());
                if let Plugin::Formatter(loaded) = &*loaded.plugin {
                    formatter = Some(loaded.clone());
                }
            }
            Err(fault) => faults.push(fault),
        }
        let mut connector = None;
        match deliver {
            Ok(loaded) => {
                versions.insert(sink.deliver.plugin.clone(), loaded.version());
                if let Plugin::Connector(loaded) = &*loaded.plugin {
                    connector = Some(loaded.clone());
                }
            }
            Err(fault) => faults.push(fault),
        }
        let columns = match &formatter {
            Some(formatter) => {
                let settings = sink.format.settings.to_json();
                let accepted = match formatter.columns(&settings).await {
                    Ok(columns) => formatter.fields(&settings).await.map(|fields| (columns, fields)),
                    Err(error) => Err(error),
                };
                match accepted {
                    // Events that are recorded have the fields that they have.
                    Ok((columns, _)) if materials.rows_alone => Some(columns),
                    Ok((columns, fields)) => {
                        let unmet = unmet_by_events(name, &materials.configuration, &fields);
                        faults.extend(unmet.into_iter().map(Fault::from));
                        Some(columns)
                    }
                    Err(error) => {
                        faults.push(refusal(Place::FormatSettings(name.clone()), &sink.format.plugin, error));
                        None
                    }
                }
            }
            None => None,
        };
        // Where the formatter does not say its columns, the connector's settings are checked with any: all errors at once.
        let any = [Column { key: "any".into(), title: "Any".into(), kind: ColumnKind::Text }];
        let limits = match &connector {
            Some(connector) => {
                let checked = columns.as_deref().unwrap_or(&any);
                let settings = sink.deliver.settings.to_json();
                let accepted = match connector.check(&settings, checked).await {
                    Ok(limits) => connector.needs(&settings).await.map(|needs| (limits, needs)),
                    Err(error) => Err(error),
                };
                match accepted {
                    Ok((limits, _)) if materials.rows_alone => Some(limits),
                    Ok((limits, needs)) => {
                        let unmet = unmet_by_sink(name, sink, &materials.configuration.grants, &needs);
                        faults.extend(unmet.into_iter().map(Fault::from));
                        Some(limits)
                    }
                    Err(error) => {
                        faults.push(refusal(Place::DeliverSettings(name.clone()), &sink.deliver.plugin, error));
                        None
                    }
                }
            }
            None => None,
        };
        let key = match &sink.authorize {
            Some(Authorization::Header { secret, .. }) if !materials.rows_alone => {
                let key = materials.secret(secret, Place::Authorization(name.clone()));
                key.map_err(|fault| faults.push(fault)).ok()
            }
            _ => None,
        };
        match (formatter, columns, connector, limits) {
            (Some(formatter), Some(columns), Some(connector), Some(limits)) if faults.is_empty() => Ok(Self {
                name: name.clone(),
                configuration: sink.clone(),
                versions,
                formatter: formatter.within(&limits),
                columns,
                connector,
                limits,
                key,
            }),
            _ => Err(faults),
        }
    }

    /// What makes its rows.
    pub(in crate::app) fn replayer(&self) -> Replayer {
        Replayer::new(&self.configuration, self.formatter.clone(), self.columns.clone())
    }

    fn authority(&self, site: &Site) -> Authority {
        match (&self.configuration.authorize, &self.key) {
            (Some(Authorization::Grant(grant)), _) => {
                Authority::Grant(GrantLink::new(grant.clone(), site.parts.clone(), site.creation(grant)))
            }
            (Some(Authorization::Header { name, .. }), Some(value)) => {
                Authority::Header { name: name.to_string(), value: value.clone() }
            }
            (Some(Authorization::Header { .. }), None) | (None, _) => Authority::None,
        }
    }
}

impl Part for SinkPart {
    fn spec(&self) -> Spec {
        Spec {
            configuration: PartConfiguration::Sink(Box::new(self.configuration.clone())),
            plugins: self.versions.clone(),
            secrets: self.key.iter().map(|key| ("authorize".to_owned(), key.clone())).collect(),
        }
    }

    fn start(&self, site: &Site, tasks: &mut JoinSet<()>) -> Result<Handle, String> {
        let Self { name, configuration, limits, .. } = self;
        let Site { ledger, clock, time, .. } = site;
        let rows = Arc::new(Notify::new());
        let (formatting_standing, formatting) = watch::channel(formatting::FormattingStatus::default());
        let (delivery_standing, delivery) = watch::channel(delivery::DeliveryStatus::default());
        let (asks, inbox) = mpsc::unbounded_channel();
        let (corrections, formatting_asks) = mpsc::unbounded_channel();
        let progress = Progress::after(fresh_number());
        let (flow, flows) = watch::channel(Flow::of(site.paused.contains(name)));
        let requests_per_minute = plan_pace(limits.requests_per_minute);
        let (noticing, notice) = watch::channel(None);
        let formats = Formatting {
            sink: name.clone(),
            by: self.replayer(),
            ledger: ledger.clone(),
            clock: clock.clone(),
            time: time.clone(),
            accepted: ledger.accepted(),
            learnt: time.learnt(),
            rows: Arc::clone(&rows),
            standing: formatting_standing,
            said: site.said.clone(),
            asks: formatting_asks,
        };
        let mut stops = flows.clone();
        tasks.spawn(async move {
            // It may end between any two moments: what it made is in the ledger as a whole, or not at all.
            tokio::select! {
                () = formats.run() => {}
                () = stopped(&mut stops) => {}
            }
        });
        tasks.spawn(show_formatting(format!("sinks.{name}.format"), formatting.clone(), site.display.clone()));
        tasks.spawn(show_delivery(name.clone(), delivery.clone(), site.display.clone()));
        let delivery_off = match &site.http {
            Ok(http) => {
                let delivers = Delivery {
                    sink: name.clone(),
                    connector: self.connector.clone(),
                    settings: configuration.deliver.settings.to_json(),
                    columns: self.columns.clone(),
                    limits: *limits,
                    reach_key: format!("sinks.{name}.reach"),
                    reach: configuration.reach.clone(),
                    authority: self.authority(site),
                    pace: Mutex::new(Pace::new(requests_per_minute)),
                    ledger: ledger.clone(),
                    http: Arc::clone(http),
                    clock: clock.clone(),
                    time: time.clone(),
                    asks: inbox,
                    flow: flows,
                    progress: progress.clone(),
                    rows: Arc::clone(&rows),
                    formatting: formatting.clone(),
                    standing: delivery_standing,
                    notice: noticing,
                    delivered: site.delivered.clone(),
                };
                tasks.spawn(delivers.run());
                None
            }
            Err(reason) => Some(format!("{reason}; its rows are kept")),
        };
        Ok(Handle::Sink(Arc::new(SinkHandle {
            formatting,
            delivery,
            notice,
            delivery_off,
            asks,
            corrections,
            rows,
            reads_back: limits.reads_back,
            progress,
            flow,
            grant: configuration.grant().cloned(),
            requests_per_minute,
        })))
    }
}

/// Requests that leave in a minute, of those that a plugin asks for.
fn plan_pace(asked: u32) -> NonZeroU32 {
    NonZeroU32::new(asked.min(MOST_REQUESTS)).unwrap_or(NonZeroU32::MIN)
}

/// Waits until a sink is told to stop, or nobody could tell it any more.
async fn stopped(flow: &mut watch::Receiver<Flow>) {
    // An error means that the handle is gone.
    if flow.wait_for(|flow| *flow == Flow::Stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// A number that hardly any other start has, of few enough digits for any reader of JSON.
fn fresh_number() -> u64 {
    Uuid::new_v4().as_u64_pair().1 & 0xffff_ffff
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_plugin_has_more_requests_leave_than_a_card_bears() {
        for (asked, leave) in [(0, 1), (50, 50), (600, 600), (6_000, 600), (u32::MAX, 600)] {
            assert_eq!(plan_pace(asked).get(), leave, "{asked}");
        }
    }

    #[test]
    fn each_start_numbers_its_comparisons_from_elsewhere_by_numbers_that_any_json_can_hold() {
        let numbers: BTreeSet<_> = (0..3).map(|_| fresh_number()).collect();
        assert!(numbers.len() > 1 && numbers.iter().all(|number| *number < 1 << 53), "{numbers:?}");
    }
}
