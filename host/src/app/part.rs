//! What all parts of a device have in common: each is put together, started, stopped within a bound, and says how it stands.
//!
//! One file for each kind. A part finds what it needs of another by its name, whenever it needs it: the other may be replaced,
//! or be off, meanwhile.

pub(super) mod grant;
pub(super) mod sink;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use punchcard_core::config::Configuration;
use punchcard_core::name::{GrantName, SinkName};
use punchcard_core::supervisor::{PartName, Spec};
use punchcard_ledger::Ledger;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::display::Display;
use super::formatting::Said;
use super::grant::Grant;
use super::known_time::KnownTime;
use super::status::PluginReport;
use crate::clock::Clock;
use crate::http::Http;
use crate::vault::Vault;
use sink::SinkHandle;

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

/// What others hold of a part that runs.
#[derive(Clone)]
pub(super) enum Handle {
    /// A grant.
    Grant(Arc<Grant>),
    /// A sink.
    Sink(Arc<SinkHandle>),
}

impl Handle {
    /// Tells the part to end when it can: after the request that is under way.
    pub(super) fn stop(&self) {
        match self {
            Self::Grant(grant) => grant.ask(super::grant::Ask::Stop),
            Self::Sink(sink) => sink.stop(),
        }
    }

    /// Waits while it is at something that may not be cut off.
    pub(super) async fn may_be_cut(&self) {
        if let Self::Grant(grant) = self {
            grant.has_stored().await;
        }
    }

    /// How long it may take to. After that it is ended wherever it is, as by a restart.
    pub(super) fn stops_within(&self) -> Duration {
        match self {
            // A renewal whose answer is lost may cost the grant, where the server gives a new refresh token with it.
            Self::Grant(_) => Duration::from_secs(65),
            Self::Sink(_) => Duration::from_secs(10),
        }
    }
}

/// Where parts run: what they work with, or why some of it is not there.
pub(super) struct Site {
    pub(super) vault: Result<Arc<Vault>, String>,
    pub(super) http: Result<Arc<Http>, String>,
    pub(super) ledger: Ledger,
    pub(super) clock: Clock,
    pub(super) time: KnownTime,
    pub(super) display: Display,
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

/// A part as it stands: it runs, or why it does not.
pub(super) type OnOrOff<T> = Result<T, String>;

/// The parts of a device as they stand, and the configuration that asks for them.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) configuration: Arc<Configuration>,
    /// Whether the first of them are still being put together.
    pub(super) starting: bool,
    pub(super) plugins: Vec<PluginReport>,
    pub(super) grants: BTreeMap<GrantName, OnOrOff<Arc<Grant>>>,
    pub(super) sinks: BTreeMap<SinkName, OnOrOff<Arc<SinkHandle>>>,
}

impl Parts {
    /// Before any of them is there.
    pub(super) fn none_yet(configuration: Arc<Configuration>) -> Self {
        let plugin =
            |name: &_| PluginReport { name: ToString::to_string(name), world: None, sha256: None, error: None };
        let plugins = configuration.plugins.keys().map(plugin).collect();
        Self { configuration, starting: true, plugins, grants: BTreeMap::new(), sinks: BTreeMap::new() }
    }

    /// All of them are off, for this reason.
    pub(super) fn turn_off(&mut self, reason: &str) {
        self.starting = false;
        for plugin in &mut self.plugins {
            plugin.error = Some(reason.to_owned());
        }
        self.grants = self.configuration.grants.keys().map(|name| (name.clone(), Err(reason.to_owned()))).collect();
        self.sinks = self.configuration.sinks.keys().map(|name| (name.clone(), Err(reason.to_owned()))).collect();
    }

    /// Notes how a part stands.
    pub(super) fn set(&mut self, name: &PartName, standing: OnOrOff<Handle>) {
        match (name, standing) {
            (PartName::Grant(name), Ok(Handle::Grant(grant))) => {
                self.grants.insert(name.clone(), Ok(grant));
            }
            (PartName::Sink(name), Ok(Handle::Sink(sink))) => {
                self.sinks.insert(name.clone(), Ok(sink));
            }
            (PartName::Grant(name), Err(reason)) => {
                self.grants.insert(name.clone(), Err(reason));
            }
            (PartName::Sink(name), Err(reason)) => {
                self.sinks.insert(name.clone(), Err(reason));
            }
            _ => {}
        }
    }

    /// Why the grant that authorizes a sink does not run, where that is so.
    pub(super) fn why_grant_off(&self, sink: &SinkHandle) -> Option<String> {
        let name = sink.grant.as_ref()?;
        match self.grants.get(name)? {
            Ok(_) => None,
            Err(reason) => Some(format!("grant `{name}`, which authorizes it, is off: {reason}")),
        }
    }

    /// A part is no longer asked for.
    pub(super) fn remove(&mut self, name: &PartName) {
        match name {
            PartName::Grant(name) => {
                self.grants.remove(name);
            }
            PartName::Sink(name) => {
                self.sinks.remove(name);
            }
            PartName::Panel | PartName::Inputs(_) => {}
        }
    }
}
