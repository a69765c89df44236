//! What the supervisor shows of the parts, to those who ask, to one another, and on the panel.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use punchcard_core::config::Configuration;
use punchcard_core::name::PluginName;
use punchcard_core::plugin::Problem;
use punchcard_core::supervisor::{Reason, Step};
use punchcard_ledger::{PluginHistories, PluginHistory};
use punchcard_sandbox::cache::hexadecimal;
use tracing::warn;

use super::super::part::handle::Handle;
use super::super::plugin::{Loaded, LoadedPlugin};
use super::super::status::PluginReport;
use super::Supervisor;
use super::candidate::Desired;

impl Supervisor {
    /// Shows how all parts stand, to those who ask and to one another.
    pub(super) fn publish_parts(&self, steps: &[Step]) {
        self.set_paces();
        for step in steps {
            let advice = match &step.reason {
                Reason::GoesOn(_) => Some(step.reason.to_string()),
                _ => None,
            };
            let problem = advice.map(|advice| Problem { headline: "new version is off".into(), advice });
            self.device.troubles.set(&format!("{}.new", step.part), problem);
        }
        let mut off = Vec::new();
        self.device.parts.send_modify(|parts| {
            let parts = Arc::make_mut(parts);
            for step in steps {
                let standing = match (self.running.get(&step.part), &step.reason) {
                    (Some(running), _) => Ok(running.handle.clone()),
                    // It is not off: nothing is known of it yet.
                    (None, Reason::Assembling) => continue,
                    (None, Reason::Removed) => {
                        parts.remove(&step.part);
                        continue;
                    }
                    (None, _) => {
                        let reason = match self.desired.get(&step.part) {
                            Some(Desired::Unready(reason)) => reason.clone(),
                            _ => step.reason.to_string(),
                        };
                        off.push((step.part.clone(), reason.clone()));
                        Err(reason)
                    }
                };
                parts.set(&step.part, standing);
            }
        });
        for (part, reason) in off {
            warn!(%part, reason, "a part is off");
            self.device.say_off(&part.to_string(), &reason);
        }
        for (part, running) in &self.running {
            if let Handle::Sink(sink) = &running.handle
                && let Some(reason) = &sink.delivery_off
            {
                self.device.say_off(&format!("{part}.deliver"), reason);
            }
        }
    }

    /// Shows which configuration and plugins there are. `plugins`: those that were loaded, once they were.
    pub(super) fn publish(
        &self,
        configuration: &Arc<Configuration>,
        plugins: Option<(&BTreeMap<PluginName, Loaded>, &PluginHistories)>,
    ) {
        self.device.parts.send_modify(|parts| {
            let parts = Arc::make_mut(parts);
            parts.configuration = Arc::clone(configuration);
            parts.starting &= plugins.is_none();
            if let Some((plugins, histories)) = plugins {
                let describe = |(name, loaded)| describe(name, loaded, histories.plugins.get(name));
                parts.plugins = plugins.iter().map(describe).collect();
                let tally = |(name, loaded): (&PluginName, &Loaded)| {
                    Some((name.to_string(), Arc::clone(loaded.as_ref().ok()?.plugin.tally())))
                };
                parts.tallies = plugins.iter().filter_map(tally).collect();
            }
        });
    }

    /// Gives each grant the pace of the slowest service of its sinks.
    fn set_paces(&self) {
        for running in self.running.values() {
            let Handle::Grant(grant) = &running.handle else { continue };
            let of_grant = self.running.values().filter_map(|running| match &running.handle {
                Handle::Sink(sink) if sink.grant.as_ref() == Some(&grant.name) => Some(sink.requests_per_minute),
                _ => None,
            });
            grant.set_pace(of_grant.min().unwrap_or(NonZeroU32::MAX));
        }
    }
}

fn describe(name: &PluginName, loaded: &Loaded, history: Option<&PluginHistory>) -> PluginReport {
    let name = name.to_string();
    let LoadedPlugin { plugin, description, instead, .. } = match loaded {
        Ok(loaded) => loaded,
        Err(reason) => return PluginReport { name, error: Some(reason.clone()), ..PluginReport::default() },
    };
    PluginReport {
        name,
        world: Some(plugin.world().into()),
        sha256: Some(hexadecimal(plugin.sha256())),
        error: None,
        instead: instead.as_ref().map(|instead| instead.says.clone()),
        contract: Some(description.version.to_owned()),
        bytes: Some(description.bytes as u64),
        imports: description.imports.clone(),
        on_trial: history.and_then(PluginHistory::in_force).is_some_and(|version| version.on_trial),
        calls: None,
    }
}
