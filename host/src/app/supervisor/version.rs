//! Which versions of plugins come into force, and what is said of plugins that are not what their files are.

use std::collections::{BTreeMap, BTreeSet};

use punchcard_core::name::PluginName;
use punchcard_core::plugin::Problem;
use punchcard_core::plugin_version::Reason;
use punchcard_ledger::{NewVersion, PluginHistories, StorageError, Whence};
use tracing::warn;

use super::super::error_chain::chain;
use super::super::material::Materials;
use super::super::plugin::Loaded;
use super::super::timer::sleep_until;
use super::Supervisor;
use super::candidate::Desired;

/// Milliseconds after which a ledger that refused is asked again.
const ASK_AGAIN_MS: u64 = 10_000;

impl Supervisor {
    /// Tells the ledger which versions are about to run. Nothing of them runs before that is on the disk; where the ledger
    /// refuses, it is asked again.
    pub(super) async fn take_versions(&self, materials: &Materials) {
        let versions = self.find_new_versions(materials).await;
        if versions.is_empty() {
            return;
        }
        while let Err(error) =
            self.device.ledger.take_plugin_versions(versions.clone(), self.device.known_micros()).await
        {
            self.say_refused(&error).await;
        }
        self.device.troubles.set("ledger", None);
    }

    /// The versions with which parts are about to run, or no part would.
    async fn find_new_versions(&self, materials: &Materials) -> Vec<NewVersion> {
        let mut used = BTreeSet::new();
        for desired in self.desired.values() {
            if let Desired::Ready(_, spec) = desired {
                used.extend(spec.plugins.keys().cloned());
            }
        }
        let is_starting = self.desired.values().any(|desired| matches!(desired, Desired::Assembling));
        let mut versions = Vec::new();
        for (name, configured) in &materials.configuration.plugins {
            // Of one that a part uses which can't run with it, the one before goes on.
            let is_idle = !is_starting && materials.configuration.uses_of(name).is_empty();
            if !used.contains(name) && !is_idle {
                continue;
            }
            let Some(Ok(loaded)) = materials.plugins.get(name).await else { continue };
            if loaded.instead.is_some() {
                continue;
            }
            let whence = Whence::File(materials.folder.join(&configured.path).display().to_string());
            let sha256 = *loaded.plugin.sha256();
            versions.push(NewVersion { plugin: name.clone(), sha256, whence, on_trial: true });
        }
        versions
    }

    /// What is known of all versions. A ledger that can't be read is asked again.
    pub(super) async fn read_versions(&self) -> PluginHistories {
        loop {
            match self.device.ledger.plugin_histories().await {
                Ok(histories) => return histories,
                Err(error) => self.say_refused(&error).await,
            }
        }
    }

    async fn say_refused(&self, error: &StorageError) {
        let advice = format!("{}; plugins wait for it", chain(error));
        self.device.troubles.set("ledger", Some(Problem { headline: "ledger refuses".into(), advice }));
        sleep_until(&self.device.clock, self.device.clock.monotonic_ms() + ASK_AGAIN_MS).await;
    }

    /// Says on panel and status which plugins are not what their files are, unless a person wanted it so.
    pub(super) fn say_versions(&mut self, plugins: &BTreeMap<PluginName, Loaded>) {
        let mut said_of = BTreeSet::new();
        for (name, loaded) in plugins {
            let Some(instead) = loaded.as_ref().ok().and_then(|loaded| loaded.instead.as_ref()) else { continue };
            warn!(plugin = %name, instead.says, "the plugin is not the version that its file is");
            let headline = match instead.reason {
                Reason::Pinned | Reason::RolledBack => continue,
                Reason::Bad(_) => "bad plugin version",
                Reason::Unusable => "plugin file is bad",
                Reason::Unfit => "new version waits",
            };
            let problem = Problem { headline: headline.to_owned(), advice: instead.says.clone() };
            self.device.troubles.set(&part(name), Some(problem));
            said_of.insert(name.clone());
        }
        for name in self.said_of.difference(&said_of) {
            self.device.troubles.set(&part(name), None);
        }
        self.said_of = said_of;
    }
}

/// What is said of plugins that are not what their files are.
pub(super) fn notes(plugins: &BTreeMap<PluginName, Loaded>) -> Vec<String> {
    let note = |(name, loaded): (&PluginName, &Loaded)| {
        let instead = loaded.as_ref().ok()?.instead.as_ref()?;
        Some(format!("plugin `{name}`: {}", instead.says))
    };
    plugins.iter().filter_map(note).collect()
}

fn part(name: &PluginName) -> String {
    format!("plugins.{name}")
}
