//! What is known of repositories and of the versions that they offer.

use punchcard_core::update::Waiting;
use serde::{Deserialize, Serialize};

/// What a repository offered when it was looked at last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RepositoryReport {
    /// Its name in plugins.toml.
    pub name: String,
    /// When it was looked at with success, in µs since 1970. None: not since the start, or the time was not known.
    pub checked_at: Option<i64>,
    /// Why the last look came to nothing.
    pub error: Option<String>,
    /// Signatures and versions are right, and nobody can say whether it is old.
    pub freshness_unknown: bool,
    /// Its plugins that this device names.
    pub plugins: Vec<UpdateReport>,
    /// Files that are signed and can't be used.
    pub unusable: Vec<String>,
}

impl RepositoryReport {
    /// Before it was looked at.
    pub(in crate::app) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}

/// What there is for a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UpdateReport {
    /// The plugin.
    pub plugin: String,
    /// The version that ran, where it is known.
    pub running: Option<String>,
    /// What came of it.
    pub state: UpdateState,
    /// What a version waits for.
    pub waits_for: Option<WaitingName>,
    /// Newer versions that are not for this device.
    pub passed_over: Vec<PassedOverReport>,
}

impl UpdateReport {
    pub(in crate::app) fn new(plugin: &str, running: Option<&semver::Version>) -> Self {
        Self {
            plugin: plugin.to_owned(),
            running: running.map(ToString::to_string),
            state: UpdateState::Current,
            waits_for: None,
            passed_over: Vec::new(),
        }
    }

    pub(in crate::app) fn failed(plugin: &str, reason: String) -> Self {
        Self { state: UpdateState::Refused { reason }, ..Self::new(plugin, None) }
    }
}

/// What came of looking for a new version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum UpdateState {
    /// What runs is the newest that fits.
    Current,
    /// A person pinned what runs.
    Pinned,
    /// A newer one is there.
    Available {
        /// It.
        version: String,
        /// What it waits for.
        reason: String,
    },
    /// It was installed.
    Installed {
        /// It.
        version: String,
    },
    /// It was not installed. The old one runs on.
    Failed {
        /// It.
        version: String,
        /// Why.
        reason: String,
    },
    /// What a person wants can't be done.
    Refused {
        /// Why.
        reason: String,
    },
}

/// What a version waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitingName {
    /// A person's word.
    Person,
    /// A person's word, because what runs is a file of an unknown version.
    UnknownVersion,
    /// The time.
    Freshness,
    /// The hours of `window`.
    Window,
}

impl From<Waiting> for WaitingName {
    fn from(waiting: Waiting) -> Self {
        match waiting {
            Waiting::Person => Self::Person,
            Waiting::UnknownVersion => Self::UnknownVersion,
            Waiting::Freshness => Self::Freshness,
            Waiting::Window => Self::Window,
        }
    }
}

/// A newer version that is not for this device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PassedOverReport {
    /// The version.
    pub version: String,
    /// Why.
    pub reason: String,
}
