//! What a running host says of itself: the report behind `punchcard status`, and its form as JSON.
//!
//! No secret and nothing that a plugin could use for one stands in it; a code that a person must enter does.

use punchcard_core::event::Field;
use punchcard_core::plugin::{Problem, World};
use punchcard_core::supervisor::{Action, Reason, Step};
use punchcard_core::update::Waiting;
use serde::{Deserialize, Serialize};

/// The whole report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// The device's name in plugins.toml.
    pub device: String,
    /// The host's version.
    pub version: String,
    /// Which configuration is in force.
    pub configuration: ConfigurationReport,
    /// What is wrong with the device itself.
    pub problems: Vec<ProblemReport>,
    /// Whether the device knows the time.
    pub clock_known: bool,
    /// Events in the ledger.
    pub events: u64,
    /// What every plugin is, or why it is off.
    pub plugins: Vec<PluginReport>,
    /// Where every grant stands.
    pub grants: Vec<GrantReport>,
    /// Where every sink stands.
    pub sinks: Vec<SinkReport>,
    /// Inputs that are off, and why.
    pub inputs: Vec<InputReport>,
    /// Where every sensor stands.
    #[serde(default)]
    pub sensors: Vec<SensorReport>,
    /// Nothing of its hardware is there: buses and chips are simulated.
    #[serde(default)]
    pub simulated_hardware: bool,
    /// What repositories offered when they were looked at last.
    #[serde(default)]
    pub repositories: Vec<RepositoryReport>,
}

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
    pub(super) fn new(name: &str) -> Self {
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
    pub(super) fn new(plugin: &str, running: Option<&semver::Version>) -> Self {
        Self {
            plugin: plugin.to_owned(),
            running: running.map(ToString::to_string),
            state: UpdateState::Current,
            waits_for: None,
            passed_over: Vec::new(),
        }
    }

    pub(super) fn failed(plugin: &str, reason: String) -> Self {
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

/// Which configuration is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ConfigurationReport {
    /// The file that was asked for.
    pub path: String,
    /// What is used instead of it, where it has errors.
    pub fallback: Option<Fallback>,
    /// Its errors, as `punchcard check` prints them.
    pub errors: Option<String>,
}

/// What is used instead of a configuration with errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fallback {
    /// The last one that was valid.
    LastValid,
    /// The parts of it that are valid by themselves.
    ValidParts,
    /// The one that the device was running with before the file changed.
    Running,
}

impl Fallback {
    /// What is used, in words.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::LastValid => "the last valid configuration is in force",
            Self::ValidParts => "only its valid parts are in force",
            Self::Running => "the configuration from before it changed is in force",
        }
    }
}

/// What a reload came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReloadReport {
    /// The file's errors, as `punchcard check` prints them. Nothing was changed then.
    pub errors: Option<String>,
    /// What was done with each part.
    pub steps: Vec<StepReport>,
    /// Tables of plugins.toml that changed and count after a restart.
    pub after_restart: Vec<String>,
    /// Plugins that are not what their files are, and why.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// What a reload did with a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StepReport {
    /// The path of its key.
    pub part: String,
    /// What was done.
    pub action: ActionName,
    /// Why.
    pub reason: String,
}

/// What is done with a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionName {
    /// It was started.
    Started,
    /// It was stopped and started anew.
    Restarted,
    /// It was stopped.
    Stopped,
    /// It was left alone.
    LeftAlone,
    /// It does not run.
    Off,
}

impl From<&Step> for StepReport {
    fn from(step: &Step) -> Self {
        let action = match (step.action, &step.reason) {
            (Action::Stop, _) => ActionName::Stopped,
            (Action::Replace, _) => ActionName::Restarted,
            (Action::Start, _) => ActionName::Started,
            (Action::Leave, Reason::Unready(_) | Reason::Pausing(_) | Reason::Assembling) => ActionName::Off,
            (Action::Leave, _) => ActionName::LeftAlone,
        };
        Self { part: step.part.to_string(), action, reason: step.reason.to_string() }
    }
}

/// Something that is wrong with the device itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ProblemReport {
    /// With which part of it.
    pub part: String,
    /// What, and what to do.
    pub problem: Problem,
}

/// A plugin.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PluginReport {
    /// Its name.
    pub name: String,
    /// What it fills, where it was loaded.
    pub world: Option<WorldName>,
    /// The SHA-256 of its component, where that was read.
    pub sha256: Option<String>,
    /// Why it is off.
    pub error: Option<String>,
    /// Why it is not the version that its file is, where that is so.
    #[serde(default)]
    pub instead: Option<String>,
    /// The version of the contract that it was built for.
    #[serde(default)]
    pub contract: Option<String>,
    /// The size of its component.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// What its component imports.
    #[serde(default)]
    pub imports: Vec<String>,
    /// It was not seen to work for long enough yet to stay for good.
    #[serde(default)]
    pub on_trial: bool,
    /// What became of its calls since it was loaded.
    #[serde(default)]
    pub calls: Option<CallsReport>,
}

/// What became of a plugin's calls since it was loaded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CallsReport {
    /// Calls.
    pub calls: u64,
    /// How long they took together, in milliseconds, with what they waited for.
    pub milliseconds: u64,
    /// The most linear memory that one of them had, in bytes.
    #[serde(default)]
    pub peak_memory_bytes: u64,
    /// Those of which something came.
    pub work: u64,
    /// Those that brought no value.
    pub failures: u64,
    /// Why the last one of these did not.
    pub last_error: Option<String>,
}

/// What a plugin fills, by the contract's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are the contract's")]
pub enum WorldName {
    AuthPolicy,
    Formatter,
    Connector,
    Sensor,
}

impl From<World> for WorldName {
    fn from(world: World) -> Self {
        match world {
            World::AuthPolicy => Self::AuthPolicy,
            World::Formatter => Self::Formatter,
            World::Connector => Self::Connector,
            World::Sensor => Self::Sensor,
        }
    }
}

/// An input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct InputReport {
    /// Its name.
    pub name: String,
    /// Why it is off.
    pub error: Option<String>,
}

/// A sensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SensorReport {
    /// Its name.
    pub name: String,
    /// Where it stands.
    #[serde(flatten)]
    pub standing: SensorStanding,
    /// What it read last since the host was started.
    pub last: Option<ReadingReport>,
}

/// Where a sensor stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum SensorStanding {
    /// It was not read yet.
    Starting,
    /// It is read.
    Reading,
    /// It can't be read, or what was read not recorded. It is tried again.
    Failing {
        /// Why, and what to do.
        reason: String,
    },
    /// It is not read.
    Off {
        /// Why.
        reason: String,
    },
}

/// What a sensor read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReadingReport {
    /// When, in Unix microseconds, where the time was known.
    pub at: Option<i64>,
    /// What.
    pub fields: Vec<Field>,
}

/// A grant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct GrantReport {
    /// Its name.
    pub name: String,
    /// Whom its settings name as `provider`, where they do.
    pub provider: Option<String>,
    /// Where it stands.
    #[serde(flatten)]
    pub standing: GrantStanding,
}

/// Where a grant stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum GrantStanding {
    /// The policy has not answered yet.
    Starting,
    /// Nobody is signed in.
    SignedOut,
    /// A person has to enter the code.
    AwaitingPerson {
        /// The code, exactly.
        user_code: String,
        /// Where.
        url: String,
        /// A link that needs no typing.
        complete_url: Option<String>,
        /// What is asked for.
        purpose: String,
        /// Until the code is worthless.
        seconds_left: u64,
    },
    /// Signed in.
    Authorized {
        /// Until the access token is renewed, where the server said.
        seconds_left: Option<u64>,
        /// What it allows.
        scopes: Vec<String>,
    },
    /// The access token is being renewed.
    Renewing,
    /// A person has to mend something.
    Blocked {
        /// What.
        problem: Problem,
    },
    /// The policy does not work.
    Failing {
        /// Why.
        reason: String,
    },
    /// The policy's plugin is off.
    Off {
        /// Why.
        reason: String,
    },
}

/// A sink.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SinkReport {
    /// Its name.
    pub name: String,
    /// How its formatter does.
    pub formatting: StageReport,
    /// How its connector does.
    pub delivery: StageReport,
    /// What the idle panel says for it.
    pub standing: Option<String>,
    /// Events not yet formatted.
    pub events_waiting: u64,
    /// Rows not yet in a batch.
    pub rows_waiting: u64,
    /// Rows in the batch in flight.
    pub rows_in_flight: u64,
    /// When the oldest of all these happened, in µs since 1970, where that is known.
    #[serde(default)]
    pub oldest_waiting_at: Option<i64>,
    /// Rows delivered.
    pub rows_delivered: u64,
    /// Events and rows set aside, which never become rows of the sheet unless a person puts them back.
    pub set_aside: u64,
    /// Events and rows that a person dropped after that.
    pub dropped: u64,
    /// What the connector says that a person should know, and that stops nothing.
    #[serde(default)]
    pub notice: Option<Problem>,
    /// Where a person finds the rows.
    pub link: Option<String>,
    /// The last delivery, in Unix microseconds.
    pub last_delivered_at: Option<i64>,
}

/// How far comparing a sink's service with the ledger has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum ReconcileStage {
    /// It begins when the sink has nothing else to do.
    Waiting,
    /// Rows are being read.
    Reading {
        /// So many so far.
        rows: u64,
    },
    /// It is done.
    Done {
        /// What it came to.
        report: ReconcileReport,
    },
    /// It could not be done, or not all of it.
    Failed {
        /// Why.
        reason: String,
    },
}

/// What comparing a sink's service with the ledger came to. Rows are counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReconcileReport {
    /// Where was looked.
    pub link: Option<String>,
    /// Rows that were read.
    pub rows: u64,
    /// There as they were delivered.
    pub there: u64,
    /// Delivered, and not there.
    pub missing: u64,
    /// There, and changed by somebody.
    pub changed: u64,
    /// There more than once.
    pub doubled: u64,
    /// Whether they are there can't be told: delivered without their ids or with other settings, or a row without an id
    /// looks the same.
    pub unknown: u64,
    /// Delivered to another place than was looked at.
    pub elsewhere: u64,
    /// Not there, and a correction goes in their place.
    pub replaced: u64,
    /// Still to be delivered.
    pub pending: u64,
    /// Set aside.
    pub set_aside: u64,
    /// There with an id that this ledger does not know for this sink.
    pub foreign: u64,
    /// There with an id from before the history of this ledger.
    pub older: u64,
    /// There without an id.
    pub without_id: u64,
    /// Rows that are delivered again now.
    pub delivered_again: Option<u64>,
    /// Which rows are missing, changed, doubled, foreign or without an id.
    pub details: Vec<ReconcileDetail>,
    /// Rows of these kinds that are not among the details, for there are too many.
    pub untold: u64,
}

/// A row that is not simply there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReconcileDetail {
    /// `missing`, `changed`, `doubled`, `foreign` or `without-id`.
    pub finding: String,
    /// The event.
    pub event: Option<u64>,
    /// The row's id.
    pub key: Option<String>,
    /// Where it is.
    pub place: Option<String>,
}

/// How a stage of a sink does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum StageReport {
    /// Nothing to do.
    Idle,
    /// At work.
    Working,
    /// Waiting for the time to be known.
    AwaitingTime,
    /// Waiting for the grant.
    AwaitingGrant,
    /// A person paused it.
    Paused,
    /// Waiting a moment.
    Waiting {
        /// For what, where something is wrong.
        problem: Option<Problem>,
    },
    /// A person has to mend something.
    Held {
        /// What.
        problem: Option<Problem>,
    },
    /// The plugin does not work. It is tried again.
    Failing {
        /// Why.
        reason: String,
    },
    /// The plugin is off.
    Off {
        /// Why.
        reason: String,
    },
}
