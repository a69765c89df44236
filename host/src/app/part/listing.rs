//! A choice's list as a part: its plugin, its settings, and how its requests are authorized.

use std::collections::BTreeMap;
use std::sync::Arc;

use punchcard_core::config;
use punchcard_core::config::Part as Place;
use punchcard_core::config::sink::Authorization;
use punchcard_core::name::ChoiceName;
use punchcard_core::needs::unmet_by_listing;
use punchcard_core::plugin::World;
use punchcard_core::secret::Secret;
use punchcard_core::supervisor::{PartConfiguration, PluginVersion, Spec};
use punchcard_sandbox::{Listing, Plugin};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::super::delivery::{Authority, GrantLink};
use super::super::fault::{Fault, refusal};
use super::super::listing::{ListingStatus, Listings, fresh_pace};
use super::super::material::Materials;
use super::handle::{Handle, ListingHandle};
use super::{Part, Site};

/// A list that can be fetched.
pub(in crate::app) struct ListingPart {
    choice: ChoiceName,
    configuration: config::choice::Listing,
    listing: Listing,
    version: PluginVersion,
    /// The listing's own key, where it has one.
    key: Option<Secret>,
}

impl ListingPart {
    /// Puts it together.
    ///
    /// # Errors
    /// All that keeps it from running.
    pub(in crate::app) async fn assemble(materials: &Materials, choice: &ChoiceName) -> Result<Self, Vec<Fault>> {
        let Some(configuration) = materials.configuration.choices.get(choice).and_then(|choice| choice.listing())
        else {
            return Err(Vec::new());
        };
        let plugin = &configuration.plugin;
        let loaded = materials.plugin(plugin, Place::ListingPlugin(choice.clone()), World::Listing).await;
        let loaded = loaded.map_err(|fault| vec![fault])?;
        let Plugin::Listing(listing) = &*loaded.plugin else { return Err(Vec::new()) };
        let settings = configuration.settings.to_json();
        let needs = match listing.check(&settings).await {
            Ok(()) => listing.needs(&settings).await,
            Err(error) => Err(error),
        };
        let needs = needs.map_err(|error| vec![refusal(Place::ListingSettings(choice.clone()), plugin, error)])?;
        let unmet = unmet_by_listing(choice, configuration, &materials.configuration.grants, &needs);
        let mut faults: Vec<Fault> = unmet.into_iter().map(Fault::from).collect();
        let key = match &configuration.authorize {
            Some(Authorization::Header { secret, .. }) => {
                let key = materials.secret(secret, Place::ListingAuthorization(choice.clone()));
                key.map_err(|fault| faults.push(fault)).ok()
            }
            _ => None,
        };
        if !faults.is_empty() {
            return Err(faults);
        }
        let (configuration, listing) = (configuration.clone(), listing.clone());
        Ok(Self { choice: choice.clone(), configuration, listing, version: loaded.version(), key })
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

impl Part for ListingPart {
    fn spec(&self) -> Spec {
        Spec {
            configuration: PartConfiguration::Listing(Box::new(self.configuration.clone())),
            plugins: BTreeMap::from([(self.configuration.plugin.clone(), self.version.clone())]),
            secrets: self.key.iter().map(|key| ("authorize".to_owned(), key.clone())).collect(),
        }
    }

    fn start(&self, site: &Site, tasks: &mut JoinSet<()>) -> Result<Handle, String> {
        let http = site.http.as_ref().map_err(|reason| format!("{reason}; the last list stays"))?;
        let (standing, stands) = watch::channel(ListingStatus::default());
        let (stop, mut stops) = watch::channel(false);
        let listings = Listings {
            choice: self.choice.clone(),
            configuration: self.configuration.clone(),
            listing: self.listing.clone(),
            authority: self.authority(site),
            pace: fresh_pace(),
            ledger: site.ledger.clone(),
            http: Arc::clone(http),
            clock: site.clock.clone(),
            time: site.time.clone(),
            lists: site.lists.clone(),
            standing,
        };
        tasks.spawn(async move {
            tokio::select! {
                () = listings.run() => {}
                // An error means that the handle is gone, and with it this part.
                _ = stops.wait_for(|stop| *stop) => {}
            }
        });
        Ok(Handle::Listing(Arc::new(ListingHandle { standing: stands, stop })))
    }
}
