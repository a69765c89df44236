//! A grant as a part: its policy, its settings and its secrets.

use std::collections::BTreeMap;
use std::sync::Arc;

use punchcard_core::config;
use punchcard_core::config::Part as Place;
use punchcard_core::name::{GrantName, SlotName};
use punchcard_core::plugin::World;
use punchcard_core::secret::Secret;
use punchcard_core::supervisor::{PartConfiguration, PluginVersion, Spec};
use punchcard_sandbox::{AuthPolicy, Plugin};
use tokio::task::JoinSet;

use super::super::announcement::show_grant;
use super::super::assembly::{Assembly, Fault, refusal};
use super::super::grant::{GrantKeeper, Surroundings};
use super::{Handle, Part, Site};

/// A grant that can run.
pub(in crate::app) struct GrantPart {
    name: GrantName,
    configuration: config::grant::Grant,
    policy: AuthPolicy,
    version: PluginVersion,
    secrets: BTreeMap<SlotName, Secret>,
}

impl GrantPart {
    /// Puts a grant together.
    ///
    /// # Errors
    /// All that keeps it from running.
    pub(in crate::app) async fn assemble(assembly: &Assembly, name: &GrantName) -> Result<Self, Vec<Fault>> {
        let grant = &assembly.configuration.grants[name];
        let mut faults = Vec::new();
        let mut secrets = BTreeMap::new();
        for (slot, source) in &grant.secrets {
            match assembly.secret(source, Place::GrantSecret(name.clone(), slot.clone())) {
                Ok(secret) => {
                    secrets.insert(slot.clone(), secret);
                }
                Err(fault) => faults.push(fault),
            }
        }
        let loaded = assembly.plugin(&grant.plugin, Place::GrantPlugin(name.clone()), World::AuthPolicy).await;
        let loaded = loaded.map_err(|fault| faults.push(fault)).ok();
        let policy = loaded.and_then(|loaded| match &*loaded.plugin {
            Plugin::AuthPolicy(policy) => Some((policy.clone(), loaded.version())),
            _ => None,
        });
        if let Some((policy, _)) = &policy
            && let Err(error) = policy.check(&grant.settings.to_json()).await
        {
            faults.push(refusal(Place::GrantSettings(name.clone()), &grant.plugin, error));
        }
        match policy {
            Some((policy, version)) if faults.is_empty() => {
                Ok(Self { name: name.clone(), configuration: grant.clone(), policy, version, secrets })
            }
            _ => Err(faults),
        }
    }
}

impl Part for GrantPart {
    fn spec(&self) -> Spec {
        Spec {
            configuration: PartConfiguration::Grant(self.configuration.clone()),
            plugins: BTreeMap::from([(self.configuration.plugin.clone(), self.version.clone())]),
            secrets: self.secrets.iter().map(|(slot, secret)| (slot.to_string(), secret.clone())).collect(),
        }
    }

    fn start(&self, site: &Site, tasks: &mut JoinSet<()>) -> Result<Handle, String> {
        let surroundings = Surroundings {
            vault: site.vault.clone()?,
            http: site.http.clone()?,
            ledger: site.ledger.clone(),
            clock: site.clock.clone(),
        };
        let (policy, secrets) = (self.policy.clone(), self.secrets.clone());
        let (grant, keeper) = GrantKeeper::new(&self.name, &self.configuration, secrets, policy, surroundings);
        tasks.spawn(keeper.run());
        tasks.spawn(show_grant(Arc::clone(&grant), site.display.clone()));
        Ok(Handle::Grant(grant))
    }
}
