//! A device: what all who work in it share.
//!
//! Deliberately unknown here: who works, in which order they start, and what becomes of one that breaks off (`lifecycle`).

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use punchcard_core::config::Configuration;
use punchcard_core::plugin_version::Digest;
use punchcard_ledger::Ledger;
use punchcard_sandbox::archive;
use tokio::sync::{mpsc, oneshot, watch};

use super::display::Display;
use super::known_time::KnownTime;
use super::part::roster::Parts;
use super::status::{ConfigurationReport, ReloadReport, RepositoryReport};
use super::trouble::Troubles;
use super::update::UpdateAsk;
use crate::clock::Clock;
use crate::hardware::Hardware;
use crate::http::Http;

/// What a device is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// plugins.toml.
    pub configuration: PathBuf,
    /// The folder of everything that outlives a restart.
    pub state: PathBuf,
    /// What is connected to it.
    pub hardware: Hardware,
}

/// A device that runs.
pub(super) struct Device {
    /// What the device was started with; [`Parts`] has the one in force.
    pub(super) configuration: Configuration,
    pub(super) report: Mutex<ConfigurationReport>,
    pub(super) clock: Clock,
    pub(super) time: KnownTime,
    pub(super) ledger: Ledger,
    pub(super) display: Display,
    pub(super) troubles: Troubles,
    /// Nothing of its hardware is there.
    pub(super) is_simulated: bool,
    /// What is behind the sandbox, as it stands.
    pub(super) parts: watch::Sender<Arc<Parts>>,
    /// Where the supervisor is asked.
    pub(super) supervisor: mpsc::UnboundedSender<Reload>,
    /// Requests of parts, and of people.
    pub(super) http: Result<Arc<Http>, String>,
    /// Where new versions are asked for.
    pub(super) updates: mpsc::UnboundedSender<UpdateAsk>,
    /// What repositories offered when they were looked at last.
    pub(super) repositories: watch::Sender<Vec<RepositoryReport>>,
    /// Held while a sink is paused or resumed.
    pub(super) pausing: tokio::sync::Mutex<()>,
}

/// What the supervisor is asked: to look at plugins.toml, the components and the secrets again.
pub(super) struct Reload {
    /// Where whoever asks waits for what it came to.
    pub(super) reply: Option<oneshot::Sender<ReloadReport>>,
}

impl Device {
    /// Whether the bytes of a component that was admitted once are still there.
    pub(super) fn keeps(&self, sha256: &Digest) -> bool {
        self.ledger.path().with_file_name(archive::FOLDER).join(archive::name(sha256)).is_file()
    }

    /// µs since 1970, where the time is known.
    pub(super) fn known_micros(&self) -> Option<i64> {
        let now = self.time.now(&self.clock);
        now.is_known().then_some(now.wall.unix_micros)
    }
}
