//! What all parts of a device have in common: each is put together, started, stopped within a bound, and says how it stands.
//!
//! One file for each kind. A part finds what it needs of another by its name, whenever it needs it: the other may be replaced,
//! or be off, meanwhile.

pub(super) mod grant;
pub(super) mod listing;
pub(super) mod sensor;
pub(super) mod sink;

pub(super) mod handle;
pub(super) mod roster;

mod panel;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use punchcard_core::name::{GrantName, SinkName};
use punchcard_core::supervisor::Spec;
use punchcard_ledger::Ledger;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use super::display::Display;
use super::formatting::Said;
use super::known_time::KnownTime;
use super::listing::Lists;
use super::sensor::lender::Buses;
use super::trouble::Troubles;
use crate::clock::Clock;
use crate::http::Http;
use crate::vault::Vault;
use handle::Handle;
use roster::Parts;

/// A part that was put together and can run.
pub(super) trait Part: Send + Sync {
    /// What it is made of. Parts of equal specs are the same.
    fn spec(&self) -> Spec;

    /// Starts its tasks, which end when the handle is told to stop. Called again after they broke off.
    ///
    /// # Errors
    /// Why it can't run on this machine.
    fn start(&self, site: &Site, tasks: &mut JoinSet<()>) -> Result<Handle, String>;
}

/// Where parts run: what they work with, or why some of it is not there.
pub(super) struct Site {
    pub(super) vault: Result<Arc<Vault>, String>,
    pub(super) http: Result<Arc<Http>, String>,
    pub(super) ledger: Ledger,
    pub(super) clock: Clock,
    pub(super) time: KnownTime,
    pub(super) display: Display,
    pub(super) troubles: Troubles,
    /// The owners of the device's buses.
    pub(super) buses: Arc<Buses>,
    /// Held while a sensor is polled.
    pub(super) polling: Arc<Semaphore>,
    /// The lists that are fetched for choices.
    pub(super) lists: watch::Sender<Lists>,
    /// What formatters say for a person.
    pub(super) said: mpsc::UnboundedSender<Said>,
    /// The sinks that delivered.
    pub(super) delivered: mpsc::UnboundedSender<SinkName>,
    /// The parts that run.
    pub(super) parts: watch::Receiver<Arc<Parts>>,
    /// Sinks that a person paused.
    pub(super) paused: BTreeSet<SinkName>,
    /// Held by the sink of a grant that is making its destination ready: two at once would each make a file of the same
    /// title.
    pub(super) creations: Mutex<BTreeMap<GrantName, Arc<tokio::sync::Mutex<()>>>>,
}

impl Site {
    /// Of a grant: the turn to make a destination ready.
    pub(super) fn creation(&self, grant: &GrantName) -> Arc<tokio::sync::Mutex<()>> {
        let mut creations = self.creations.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(creations.entry(grant.clone()).or_default())
    }
}
