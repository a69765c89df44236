//! From a configuration to parts that can run: plugins loaded, settings checked by them, secrets read.
//!
//! Nothing is started here. Each part is put together by itself, as soon as its own plugins are loaded. What is wrong is
//! collected, all of it: `check` prints it, a device leaves out the parts that it concerns.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use punchcard_core::config::{Configuration, Part as Place};
use punchcard_core::name::SinkName;
use punchcard_core::supervisor::PartName;
use punchcard_ledger::PluginHistories;
use punchcard_sandbox::Sandbox;
use tokio::task::JoinSet;

use super::alerting;
use super::fault::Fault;
use super::material::Materials;
use super::part::Part;
use super::part::grant::GrantPart;
use super::part::listing::ListingPart;
use super::part::sensor::SensorPart;
use super::part::sink::SinkPart;
use super::plugin::{Plugins, Versions};
use super::replay::Replayer;
use super::update;

/// What was put together, or why it could not be.
pub(super) type Assembled = Result<Arc<dyn Part>, Vec<Fault>>;

/// The parts that the configuration asks for.
pub(super) fn part_names(configuration: &Configuration) -> Vec<PartName> {
    let grants = configuration.grants.keys().cloned().map(PartName::Grant);
    let sinks = configuration.sinks.keys().cloned().map(PartName::Sink);
    let sensors = configuration.sensors.keys().cloned().map(PartName::Sensor);
    let listed = configuration.choices.iter().filter(|(_, choice)| choice.listing().is_some());
    let listings = listed.map(|(name, _)| PartName::Listing(name.clone()));
    grants.chain(sinks).chain(sensors).chain(listings).collect()
}

/// Puts all parts together, side by side. Each comes out as soon as it is done.
pub(super) fn assemble(materials: &Arc<Materials>) -> JoinSet<(PartName, Assembled)> {
    let mut assembling = JoinSet::new();
    for name in part_names(&materials.configuration) {
        let materials = Arc::clone(materials);
        assembling.spawn(async move {
            let assembled = assemble_part(&materials, &name).await;
            (name, assembled)
        });
    }
    assembling
}

async fn assemble_part(materials: &Materials, name: &PartName) -> Assembled {
    match name {
        PartName::Grant(name) => Ok(Arc::new(GrantPart::assemble(materials, name).await?)),
        PartName::Sink(name) => Ok(Arc::new(SinkPart::assemble(materials, name).await?)),
        PartName::Sensor(name) => Ok(Arc::new(SensorPart::assemble(materials, name).await?)),
        PartName::Listing(name) => Ok(Arc::new(ListingPart::assemble(materials, name).await?)),
        PartName::Panel | PartName::Inputs(_) | PartName::Outputs => Err(Vec::new()),
    }
}

/// What makes the rows of a sink, put together as for a device that runs and knows these versions.
///
/// # Errors
/// All that keeps the sink from running.
pub async fn assemble_replayer(
    configuration: &Configuration,
    sink: &SinkName,
    folder: &Path,
    sandbox: &Arc<Sandbox>,
    versions: PluginHistories,
) -> Result<Replayer, Vec<Fault>> {
    let versions = Versions::Known(Arc::new(versions));
    let configuration = Arc::new(configuration.clone());
    let plugins = Plugins::load(&configuration, folder, sandbox, &BTreeMap::new(), &versions);
    let materials = Materials { configuration, folder: folder.to_owned(), plugins, rows_alone: true };
    Ok(SinkPart::assemble(&materials, sink).await?.replayer())
}

/// Everything that is wrong with a configuration beyond its text: components, settings, secrets.
pub async fn find_faults(configuration: &Configuration, folder: &Path, sandbox: &Arc<Sandbox>) -> Vec<Fault> {
    // What stands in the files, whatever runs.
    let versions = Versions::Known(Arc::default());
    let configuration = Arc::new(configuration.clone());
    let plugins = Plugins::load(&configuration, folder, sandbox, &BTreeMap::new(), &versions);
    let materials = Arc::new(Materials { configuration, folder: folder.to_owned(), plugins, rows_alone: false });
    let mut faults: Vec<Fault> = Vec::new();
    for (name, loaded) in materials.plugins.all().await {
        if let Err(message) = loaded {
            faults.push(Fault { part: Place::Plugin(name), message, misconfigured: false });
        }
    }
    faults.extend(materials.configuration.notify.as_ref().and_then(|notify| alerting::find_fault(notify, folder)));
    faults.extend(update::find_faults(&materials.configuration, folder));
    for (_, assembled) in assemble(&materials).join_all().await {
        for fault in assembled.err().into_iter().flatten() {
            // Parts that share a plugin have its fault in common.
            if !faults.contains(&fault) {
                faults.push(fault);
            }
        }
    }
    faults
}
