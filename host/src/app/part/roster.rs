//! The parts of a device as they stand, for those who ask and for one another.

use std::collections::BTreeMap;
use std::sync::Arc;

use punchcard_core::config::Configuration;
use punchcard_core::name::{ChoiceName, GrantName, InputName, SinkName};
use punchcard_core::supervisor::PartName;

use super::super::grant::Grant;
use super::super::status::PluginReport;
use super::handle::{Handle, ListingHandle, SensorHandle, SinkHandle};
use punchcard_sandbox::Tally;

/// A part as it stands: it runs, or why it does not.
pub(in crate::app) type OnOrOff<T> = Result<T, String>;

/// The parts of a device as they stand, and the configuration that asks for them.
#[derive(Clone)]
pub(in crate::app) struct Parts {
    pub(in crate::app) configuration: Arc<Configuration>,
    /// Whether the first of them are still being put together.
    pub(in crate::app) starting: bool,
    pub(in crate::app) plugins: Vec<PluginReport>,
    /// What became of the calls of those that are loaded.
    pub(in crate::app) tallies: BTreeMap<String, Arc<Tally>>,
    pub(in crate::app) grants: BTreeMap<GrantName, OnOrOff<Arc<Grant>>>,
    pub(in crate::app) sinks: BTreeMap<SinkName, OnOrOff<Arc<SinkHandle>>>,
    pub(in crate::app) sensors: BTreeMap<InputName, OnOrOff<Arc<SensorHandle>>>,
    /// The choices whose items are fetched.
    pub(in crate::app) listings: BTreeMap<ChoiceName, OnOrOff<Arc<ListingHandle>>>,
}

impl Parts {
    /// Before any of them is there.
    pub(in crate::app) fn none_yet(configuration: Arc<Configuration>) -> Self {
        let plugin = |name: &_| PluginReport { name: ToString::to_string(name), ..PluginReport::default() };
        let plugins = configuration.plugins.keys().map(plugin).collect();
        Self {
            configuration,
            starting: true,
            plugins,
            tallies: BTreeMap::new(),
            grants: BTreeMap::new(),
            sinks: BTreeMap::new(),
            sensors: BTreeMap::new(),
            listings: BTreeMap::new(),
        }
    }

    /// All of them are off, for this reason.
    pub(in crate::app) fn turn_off(&mut self, reason: &str) {
        self.starting = false;
        for plugin in &mut self.plugins {
            plugin.error = Some(reason.to_owned());
        }
        self.grants = self.configuration.grants.keys().map(|name| (name.clone(), Err(reason.to_owned()))).collect();
        self.sinks = self.configuration.sinks.keys().map(|name| (name.clone(), Err(reason.to_owned()))).collect();
        self.sensors = self.configuration.sensors.keys().map(|name| (name.clone(), Err(reason.to_owned()))).collect();
        let listed = self.configuration.choices.iter().filter(|(_, choice)| choice.listing().is_some());
        self.listings = listed.map(|(name, _)| (name.clone(), Err(reason.to_owned()))).collect();
    }

    /// Notes how a part stands.
    pub(in crate::app) fn set(&mut self, name: &PartName, standing: OnOrOff<Handle>) {
        match (name, standing) {
            (PartName::Grant(name), Ok(Handle::Grant(grant))) => {
                self.grants.insert(name.clone(), Ok(grant));
            }
            (PartName::Sink(name), Ok(Handle::Sink(sink))) => {
                self.sinks.insert(name.clone(), Ok(sink));
            }
            (PartName::Sensor(name), Ok(Handle::Sensor(sensor))) => {
                self.sensors.insert(name.clone(), Ok(sensor));
            }
            (PartName::Listing(name), Ok(Handle::Listing(listing))) => {
                self.listings.insert(name.clone(), Ok(listing));
            }
            (PartName::Grant(name), Err(reason)) => {
                self.grants.insert(name.clone(), Err(reason));
            }
            (PartName::Sink(name), Err(reason)) => {
                self.sinks.insert(name.clone(), Err(reason));
            }
            (PartName::Sensor(name), Err(reason)) => {
                self.sensors.insert(name.clone(), Err(reason));
            }
            (PartName::Listing(name), Err(reason)) => {
                self.listings.insert(name.clone(), Err(reason));
            }
            _ => {}
        }
    }

    /// Why the grant that authorizes a sink does not run, where that is so.
    pub(in crate::app) fn why_grant_off(&self, sink: &SinkHandle) -> Option<String> {
        let name = sink.grant.as_ref()?;
        match self.grants.get(name)? {
            Ok(_) => None,
            Err(reason) => Some(format!("grant `{name}`, which authorizes it, is off: {reason}")),
        }
    }

    /// A part is no longer asked for.
    pub(in crate::app) fn remove(&mut self, name: &PartName) {
        match name {
            PartName::Grant(name) => {
                self.grants.remove(name);
            }
            PartName::Sink(name) => {
                self.sinks.remove(name);
            }
            PartName::Sensor(name) => {
                self.sensors.remove(name);
            }
            PartName::Listing(name) => {
                self.listings.remove(name);
            }
            PartName::Panel | PartName::Inputs(_) | PartName::Outputs => {}
        }
    }
}
