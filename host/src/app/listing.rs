//! Fetches the list of one choice, again and again, and hands it to who shows it.
//!
//! What always holds here: the last list stays until another one is there, over restarts too; a fetch only reads, so it may be
//! broken off anywhere and begun anew, and nothing of it is kept but its list; a request leaves only within the listing's reach,
//! the grant's audience and pace, and under a lease. That a list is old bothers nobody at the panel: `status` says how old it
//! is, and why.

mod sending;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use punchcard_core::backoff::{plan_quarantine, plan_wait};
use punchcard_core::config::choice::Listing as Configured;
use punchcard_core::listing::{Cleaned, Fetch, KeptList, LONGEST_WAIT_MS, clean_items};
use punchcard_core::name::ChoiceName;
use punchcard_core::pace::Pace;
use punchcard_core::plugin::item_list::{Directive, Signal};
use punchcard_ledger::{Ledger, StorageError};
use punchcard_sandbox::Listing;
use tokio::sync::watch;
use tracing::{info, warn};

use super::delivery::Authority;
use super::error_chain::chain;
use super::known_time::KnownTime;
use super::timer::sleep_until;
use crate::clock::{Clock, entropy};
use crate::http::Http;

/// The lists that were fetched since the start, by the choices that they are for.
pub(super) type Lists = BTreeMap<ChoiceName, Arc<KeptList>>;

/// Requests of a listing in a minute, at most.
const REQUESTS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(60).unwrap();

/// How a listing stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ListingStatus {
    /// The list that there is to choose from: that of the last fetch, or of an earlier start.
    pub(super) list: Option<Arc<KeptList>>,
    /// It was kept, and outlives a restart.
    pub(super) is_kept: bool,
    /// The last fetch since the start brought it.
    pub(super) is_fetched: bool,
    /// Why there is no newer one, where the last fetch brought none or waits.
    pub(super) failure: Option<String>,
}

/// A listing at work.
pub(super) struct Listings {
    pub(super) choice: ChoiceName,
    pub(super) configuration: Configured,
    pub(super) listing: Listing,
    pub(super) authority: Authority,
    pub(super) pace: Mutex<Pace>,
    pub(super) ledger: Ledger,
    pub(super) http: Arc<Http>,
    pub(super) clock: Clock,
    pub(super) time: KnownTime,
    pub(super) lists: watch::Sender<Lists>,
    pub(super) standing: watch::Sender<ListingStatus>,
}

/// Why a fetch brought no list.
enum NoList {
    /// What the plugin says, or stands against what it asks for.
    Unavailable(String),
    /// The plugin's call failed.
    Broken(String),
}

/// The pace of a listing without a grant, and within that of its grant.
pub(super) fn fresh_pace() -> Mutex<Pace> {
    Mutex::new(Pace::new(REQUESTS_PER_MINUTE))
}

/// The list that was kept of an earlier fetch, where it was for this very plugin and these settings.
pub(super) async fn recall(
    ledger: &Ledger,
    choice: &ChoiceName,
    configured: &Configured,
) -> Result<Option<KeptList>, StorageError> {
    let kept = ledger.recall(&memory_key(choice)).await?;
    Ok(kept.and_then(|kept| KeptList::parse(&kept, configured.plugin.as_str(), &configured.settings.to_json())))
}

fn memory_key(choice: &ChoiceName) -> String {
    format!("listing/{choice}")
}

impl Listings {
    /// Fetches until the task is dropped.
    pub(super) async fn run(self) {
        match recall(&self.ledger, &self.choice, &self.configuration).await {
            Ok(kept) => self.standing.send_modify(|standing| {
                standing.is_kept = kept.is_some();
                standing.list = kept.map(Arc::new);
            }),
            Err(error) => warn!(choice = %self.choice, error = chain(error), "the last list can't be read"),
        }
        let mut failures = 0_u32;
        loop {
            let every_ms = u64::try_from(self.configuration.every.as_millis()).unwrap_or(u64::MAX);
            let wait_ms = match self.fetch().await {
                Ok(list) => {
                    failures = 0;
                    self.listing.tally().note_work();
                    self.take(list).await;
                    every_ms
                }
                Err(error) => {
                    let [first, ..] = entropy();
                    let (reason, wait_ms) = match error {
                        NoList::Unavailable(reason) => (reason, plan_wait(failures, u64::from(first) * 4)),
                        NoList::Broken(reason) => (reason, plan_quarantine(failures)),
                    };
                    info!(choice = %self.choice, reason, "no list was fetched; the last one stays");
                    self.say(Some(reason));
                    failures = failures.saturating_add(1);
                    // What may heal is tried sooner, and never more often than a person wants it.
                    wait_ms.clamp(every_ms.min(5_000), every_ms.max(5_000))
                }
            };
            sleep_until(&self.clock, self.clock.monotonic_ms().saturating_add(wait_ms)).await;
        }
    }

    /// One fetch.
    async fn fetch(&self) -> Result<Cleaned, NoList> {
        let unavailable = |error: punchcard_core::listing::FetchError| NoList::Unavailable(error.to_string());
        let settings = self.configuration.settings.to_json();
        let mut fetch = Fetch::default();
        let (mut state, mut signal) = (Vec::new(), Signal::Started);
        loop {
            fetch.step().map_err(unavailable)?;
            let context = self.clock.context();
            let outcome = self.listing.step(&settings, &state, signal, &context).await;
            let outcome = outcome.map_err(|error| NoList::Broken(error.to_string()))?;
            state = outcome.state;
            signal = match outcome.next {
                Directive::Send(request) => {
                    fetch.admit(&request).map_err(unavailable)?;
                    match self.authorize_and_send(&request).await {
                        Ok(response) => {
                            fetch.answered(&request.url, response.status);
                            Signal::Responded(response)
                        }
                        Err(failure) => Signal::Failed(failure),
                    }
                }
                Directive::Wait(milliseconds) => {
                    let wait = Duration::from_millis(milliseconds.min(LONGEST_WAIT_MS));
                    let until_ms = self.clock.monotonic_ms() + u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                    sleep_until(&self.clock, until_ms).await;
                    Signal::Elapsed
                }
                Directive::Unavailable(problem) => {
                    return Err(NoList::Unavailable(format!("{}: {}", problem.headline, problem.advice)));
                }
                Directive::Done(items) => {
                    let cleaned = clean_items(items);
                    return match cleaned.items.is_empty() {
                        true => Err(NoList::Unavailable("the list that came has no items".to_owned())),
                        false => Ok(cleaned),
                    };
                }
            };
        }
    }

    /// Keeps a list, and hands it over.
    async fn take(&self, Cleaned { items, left_out }: Cleaned) {
        let now = self.time.now(&self.clock);
        let at = now.is_known().then_some(now.wall.unix_micros);
        let (plugin, settings) = (self.configuration.plugin.to_string(), self.configuration.settings.to_json());
        let list = Arc::new(KeptList { plugin, settings, at, left_out, items });
        let ListingStatus { list: before, mut is_kept, .. } = self.standing.borrow().clone();
        let is_news = before.is_none_or(|before| before.items != list.items);
        if is_news {
            info!(choice = %self.choice, items = list.items.len(), "the list is another");
        }
        // A list that did not change is not written again: how old it is after a restart is that of its last change.
        if is_news || !is_kept {
            is_kept = self.keep(&list).await;
        }
        let list_now = Some(Arc::clone(&list));
        self.standing.send_replace(ListingStatus { list: list_now, is_kept, is_fetched: true, failure: None });
        self.lists.send_if_modified(|lists| {
            let known = lists.get(&self.choice).is_some_and(|known| {
                known.items == list.items && known.settings == list.settings && known.plugin == list.plugin
            });
            lists.insert(self.choice.clone(), list);
            !known
        });
    }

    /// Whether the list outlives a restart now.
    async fn keep(&self, list: &KeptList) -> bool {
        let kept = match serde_json::to_string(list) {
            Ok(kept) => self.ledger.remember(&memory_key(&self.choice), &kept).await.map_err(chain),
            Err(error) => Err(error.to_string()),
        };
        kept.inspect_err(
            |error| warn!(choice = %self.choice, error, "the list can't be kept; the next fetch tries again"),
        )
        .is_ok()
    }

    /// Says why there is no newer list, or that nothing stands against one.
    fn say(&self, failure: Option<String>) {
        self.standing.send_if_modified(|standing| {
            let news = standing.failure != failure;
            standing.failure = failure;
            news
        });
    }
}
