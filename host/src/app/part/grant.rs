//! A grant as a part: its policy, its settings and its secrets.

use std::collections::BTreeMap;
use std::sync::Arc;

use punchcard_core::config;
use punchcard_core::config::Part as Place;
use punchcard_core::name::{GrantName, SlotName};
use punchcard_core::needs::unmet_by_grant;
use punchcard_core::plugin::World;
use punchcard_core::secret::Secret;
use punchcard_core::supervisor::{PartConfiguration, PluginVersion, Spec};
use punchcard_sandbox::cache::hexadecimal;
use punchcard_sandbox::{AuthPolicy, Plugin, fingerprint};
use tokio::task::JoinSet;

use super::super::fault::{Fault, refusal};
use super::super::grant::{Grant, GrantKeeper, Surroundings};
use super::super::material::{Materials, open_http};
use super::handle::Handle;
use super::panel::show_grant;
use super::{Part, Site};
use crate::http::Http;

/// A grant that can run.
pub(in crate::app) struct GrantPart {
    name: GrantName,
    configuration: config::grant::Grant,
    policy: AuthPolicy,
    version: PluginVersion,
    secrets: BTreeMap<SlotName, Secret>,
    /// Connections under the authorities of its own `ca`, and the SHA-256 of that file.
    ca: Option<(Arc<Http>, String)>,
}

impl GrantPart {
    /// Puts a grant together.
    ///
    /// # Errors
    /// All that keeps it from running.
    pub(in crate::app) async fn assemble(materials: &Materials, name: &GrantName) -> Result<Self, Vec<Fault>> {
        let grant = &materials.configuration.grants[name];
        let mut faults = Vec::new();
        let mut secrets = BTreeMap::new();
        for (slot, source) in &grant.secrets {
            match materials.secret(source, Place::GrantSecret(name.clone(), slot.clone())) {
                Ok(secret) => {
                    secrets.insert(slot.clone(), secret);
                }
                Err(fault) => faults.push(fault),
            }
        }
        let mut ca = None;
        if let Some(path) = &grant.ca {
            let path = materials.folder.join(path);
            // Before it is opened: a file that changes in between is another one at the next look.
            let read = std::fs::read(&path).map(|pem| hexadecimal(&fingerprint(&pem)));
            match open_http(&path) {
                Ok(http) => ca = Some((http, read.unwrap_or_default())),
                Err(message) => {
                    faults.push(Fault { part: Place::GrantCa(name.clone()), message, misconfigured: false });
                }
            }
        }
        let loaded = materials.plugin(&grant.plugin, Place::GrantPlugin(name.clone()), World::AuthPolicy).await;
        let loaded = loaded.map_err(|fault| faults.push(fault)).ok();
        let policy = loaded.and_then(|loaded| match &*loaded.plugin {
            Plugin::AuthPolicy(policy) => Some((policy.clone(), loaded.version())),
            _ => None,
        });
        if let Some((policy, _)) = &policy {
            let settings = grant.settings.to_json();
            let needs = match policy.check(&settings).await {
                Ok(()) => policy.needs(&settings).await,
                Err(error) => Err(error),
            };
            match needs {
                Ok(needs) => faults.extend(unmet_by_grant(name, grant, &needs).into_iter().map(Fault::from)),
                Err(error) => faults.push(refusal(Place::GrantSettings(name.clone()), &grant.plugin, error)),
            }
        }
        match policy {
            Some((policy, version)) if faults.is_empty() => {
                Ok(Self { name: name.clone(), configuration: grant.clone(), policy, version, secrets, ca })
            }
            _ => Err(faults),
        }
    }

    /// Connections under the authorities of its own `ca`, where it has one.
    pub(in crate::app) fn http(&self) -> Option<Arc<Http>> {
        self.ca.as_ref().map(|(http, _)| Arc::clone(http))
    }

    /// Its keeper, which does nothing before it runs.
    pub(in crate::app) fn keeper(&self, surroundings: Surroundings) -> (Arc<Grant>, GrantKeeper) {
        let (policy, secrets) = (self.policy.clone(), self.secrets.clone());
        GrantKeeper::new(&self.name, &self.configuration, secrets, policy, surroundings)
    }
}

impl Part for GrantPart {
    fn spec(&self) -> Spec {
        let secrets = self.secrets.iter().map(|(slot, secret)| (slot.to_string(), secret.clone()));
        // No slot has such a name.
        let ca = self.ca.iter().map(|(_, sha256)| ("(ca)".to_owned(), Secret::new(sha256.clone())));
        Spec {
            configuration: PartConfiguration::Grant(self.configuration.clone()),
            plugins: BTreeMap::from([(self.configuration.plugin.clone(), self.version.clone())]),
            secrets: secrets.chain(ca).collect(),
        }
    }

    fn start(&self, site: &Site, tasks: &mut JoinSet<()>) -> Result<Handle, String> {
        let surroundings = Surroundings {
            vault: site.vault.clone()?,
            http: match self.http() {
                Some(http) => http,
                None => site.http.clone()?,
            },
            ledger: site.ledger.clone(),
            clock: site.clock.clone(),
            time: site.time.clone(),
        };
        let (grant, keeper) = self.keeper(surroundings);
        tasks.spawn(keeper.run());
        tasks.spawn(show_grant(Arc::clone(&grant), site.display.clone()));
        Ok(Handle::Grant(grant))
    }
}
