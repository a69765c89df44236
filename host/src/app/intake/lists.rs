//! Lists that arrive for choices while people turn through them.
//!
//! What always holds here: nothing moves under a hand. A list that arrives while somebody turns waits until the choice has stood
//! for as long as the panel shows it; then the chosen item stays chosen.

use std::collections::BTreeMap;
use std::sync::Arc;

use punchcard_core::choice::{Choice, Item, Replaced};
use punchcard_core::config::choice::{Choice as Configured, Items};
use punchcard_core::config::{self, Configuration};
use punchcard_core::listing::KeptList;
use punchcard_core::name::ChoiceName;
use punchcard_core::scene::CHOOSING_FOR_MS;
use tokio::sync::watch;
use tracing::{info, warn};

use super::super::error_chain::chain;
use super::super::listing::{Lists, recall};
use super::Intake;

/// What is known of lists that arrive.
pub(super) struct Arriving {
    lists: watch::Receiver<Lists>,
    /// The choices in force.
    configured: BTreeMap<ChoiceName, Configured>,
    /// A list has arrived and is not taken yet.
    waits: bool,
    /// When somebody turned last, in milliseconds of the monotonic clock.
    turned_at_ms: Option<u64>,
}

impl Arriving {
    pub(super) fn new(lists: watch::Receiver<Lists>) -> Self {
        Self { lists, configured: BTreeMap::new(), waits: false, turned_at_ms: None }
    }

    /// Waits until another list arrives.
    pub(super) async fn changed(&mut self) {
        if self.lists.changed().await.is_err() {
            // Nobody fetches any more.
            std::future::pending::<()>().await;
        }
        self.waits = true;
    }

    /// When a list that waits may be taken, in milliseconds of the monotonic clock.
    pub(super) fn rests_at_ms(&self) -> Option<u64> {
        self.waits.then(|| self.turned_at_ms.map_or(0, |at_ms| at_ms.saturating_add(CHOOSING_FOR_MS)))
    }

    /// Somebody turns a choice.
    pub(super) fn turned(&mut self, now_ms: u64) {
        self.turned_at_ms = Some(now_ms);
    }

    /// These choices are in force.
    pub(super) fn adopt(&mut self, configuration: &Configuration) {
        self.configured.clone_from(&configuration.choices);
    }

    /// What the panel calls a choice whose list has never arrived.
    pub(super) fn awaited(&self, name: &ChoiceName) -> Option<&str> {
        let configured = self.configured.get(name)?;
        configured.listing().map(|_| configured.label.as_str())
    }

    /// Whether a choice is configured as it was.
    pub(super) fn is_unchanged(&self, name: &ChoiceName, configured: &Configured) -> bool {
        self.configured.get(name) == Some(configured)
    }

    /// The list that was fetched since the start for this choice, under these settings.
    fn fetched(&self, name: &ChoiceName, listing: &config::choice::Listing) -> Option<Arc<KeptList>> {
        let list = self.lists.borrow().get(name).cloned()?;
        let is_its = list.plugin == listing.plugin.as_str() && list.settings == listing.settings.to_json();
        is_its.then_some(list)
    }
}

impl Intake {
    /// What there is to choose from at this moment: of a list that is fetched the last one, of an earlier start too.
    pub(super) async fn items_of(&self, name: &ChoiceName, items: &Items) -> Vec<Item> {
        let listing = match items {
            Items::Fixed(items) => return items.iter().cloned().map(Item::from).collect(),
            Items::Listed(listing) => listing,
        };
        if let Some(list) = self.arriving.fetched(name, listing) {
            return list.items.clone();
        }
        match recall(&self.ledger, name, listing).await {
            Ok(kept) => kept.map(|kept| kept.items).unwrap_or_default(),
            Err(error) => {
                warn!(choice = %name, error = chain(error), "the last list can't be read");
                Vec::new()
            }
        }
    }

    /// Takes the lists that arrived. Nobody turns at this moment.
    pub(super) async fn take_lists(&mut self) {
        self.arriving.waits = false;
        let listed = self.arriving.configured.iter().filter_map(|(name, choice)| {
            let list = self.arriving.fetched(name, choice.listing()?)?;
            Some((name.clone(), choice.label.clone(), list))
        });
        let listed: Vec<_> = listed.collect();
        for (name, label, list) in listed {
            let Some(choice) = self.choices.get_mut(&name) else {
                let Some(mut choice) = Choice::new(label, list.items.clone()) else { continue };
                if let Some(item) = self.restore(&name, &mut choice).await {
                    choice.keep(item);
                }
                self.choices.insert(name, choice);
                continue;
            };
            let before = choice.item().to_owned();
            match choice.replace(list.items.clone()) {
                Replaced::Stays => {}
                Replaced::Renamed => {
                    let item = choice.item().to_owned();
                    info!(choice = %name, before, item, "the chosen item has another text");
                    self.chosen.send_modify(|chosen| drop(chosen.insert(name, item)));
                }
                Replaced::Gone => {
                    info!(choice = %name, item = before, "the chosen item is no longer in the list; it stays until it is turned past");
                }
            }
        }
        self.show_chosen();
    }

    /// Chooses again what was chosen last, where it is there. Otherwise the text that is not.
    pub(super) async fn restore(&self, name: &ChoiceName, choice: &mut Choice) -> Option<String> {
        match self.ledger.recall(&super::memory_key(name)).await {
            Ok(Some(item)) if !choice.restore(&item) => Some(item),
            Ok(_) => None,
            Err(error) => {
                warn!(choice = %name, error = chain(error), "what was chosen last can't be read");
                None
            }
        }
    }
}
