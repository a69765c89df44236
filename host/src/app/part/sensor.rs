//! A sensor as a part: its plugin, its settings, and what is lent to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use punchcard_core::config;
use punchcard_core::config::Part as Place;
use punchcard_core::name::InputName;
use punchcard_core::needs::unmet_by_sensor;
use punchcard_core::plugin::World;
use punchcard_core::supervisor::{PartConfiguration, PluginVersion, Spec};
use punchcard_sandbox::{Plugin, Sensor};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::super::fault::{Fault, refusal};
use super::super::material::Materials;
use super::super::sensor::lender::SensorLender;
use super::super::sensor::{Sensing, SensorStatus};
use super::handle::{Handle, SensorHandle};
use super::{Part, Site};

/// A sensor that can run.
pub(in crate::app) struct SensorPart {
    name: InputName,
    configuration: config::sensor::Sensor,
    sensor: Sensor,
    version: PluginVersion,
}

impl SensorPart {
    /// Puts a sensor together.
    ///
    /// # Errors
    /// All that keeps it from running. Whether its hardware is there is none of it: that may come and go.
    pub(in crate::app) async fn assemble(materials: &Materials, name: &InputName) -> Result<Self, Vec<Fault>> {
        let configuration = &materials.configuration.sensors[name];
        let plugin = &configuration.plugin;
        let loaded = materials.plugin(plugin, Place::SensorPlugin(name.clone()), World::Sensor).await;
        let loaded = loaded.map_err(|fault| vec![fault])?;
        let Plugin::Sensor(sensor) = &*loaded.plugin else { return Err(Vec::new()) };
        let settings = configuration.settings.to_json();
        let loans = match sensor.check(&settings).await {
            Ok(()) => sensor.loans(&settings).await,
            Err(error) => Err(error),
        };
        let loans = loans.map_err(|error| vec![refusal(Place::SensorSettings(name.clone()), plugin, error)])?;
        let unmet = unmet_by_sensor(name, configuration, &loans);
        if !unmet.is_empty() {
            return Err(unmet.into_iter().map(Fault::from).collect());
        }
        let (configuration, sensor) = (configuration.clone(), sensor.clone());
        Ok(Self { name: name.clone(), configuration, sensor, version: loaded.version() })
    }
}

impl Part for SensorPart {
    fn spec(&self) -> Spec {
        Spec {
            configuration: PartConfiguration::Sensor(Box::new(self.configuration.clone())),
            plugins: BTreeMap::from([(self.configuration.plugin.clone(), self.version.clone())]),
            secrets: BTreeMap::new(),
        }
    }

    fn start(&self, site: &Site, tasks: &mut JoinSet<()>) -> Result<Handle, String> {
        let (standing, stands) = watch::channel(SensorStatus::default());
        let (stop, mut stops) = watch::channel(false);
        let sensing = Sensing {
            name: self.name.clone(),
            configuration: self.configuration.clone(),
            sensor: self.sensor.clone(),
            lender: Arc::new(SensorLender::new(Arc::clone(&site.buses), &self.configuration)),
            ledger: site.ledger.clone(),
            clock: site.clock.clone(),
            time: site.time.clone(),
            troubles: site.troubles.clone(),
            polling: Arc::clone(&site.polling),
            standing,
        };
        tasks.spawn(async move {
            tokio::select! {
                () = sensing.run() => {}
                // An error means that the handle is gone, and with it this part.
                _ = stops.wait_for(|stop| *stop) => {}
            }
        });
        Ok(Handle::Sensor(Arc::new(SensorHandle { standing: stands, stop })))
    }
}
