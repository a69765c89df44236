//! What a running host says of itself: the report behind `punchcard status`, and its form as JSON.
//!
//! No secret and nothing that a plugin could use for one stands in it; a code that a person must enter does.

mod plugin;
mod reconcile;
mod reload;
mod repository;

use punchcard_core::event::Field;
use punchcard_core::plugin::Problem;
use serde::{Deserialize, Serialize};

pub use plugin::{CallsReport, PluginReport, WorldName};
pub use reconcile::{ReconcileDetail, ReconcileReport, ReconcileStage, StageReport};
pub use reload::{ActionName, ConfigurationReport, Fallback, ReloadReport, StepReport};
pub use repository::{PassedOverReport, RepositoryReport, UpdateReport, UpdateState, WaitingName};

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
    /// Where the list of every choice stands whose items are fetched.
    #[serde(default)]
    pub listings: Vec<ListingReport>,
    /// Nothing of its hardware is there: buses and chips are simulated.
    #[serde(default)]
    pub simulated_hardware: bool,
    /// What repositories offered when they were looked at last.
    #[serde(default)]
    pub repositories: Vec<RepositoryReport>,
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

/// A choice whose items are fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ListingReport {
    /// The choice's name.
    pub name: String,
    /// Where its list stands.
    #[serde(flatten)]
    pub standing: ListingStanding,
    /// How many items there are to choose from.
    pub items: usize,
    /// How many more there were than are turned through.
    pub left_out: usize,
    /// When they were fetched, in Unix microseconds, where the time was known. Of a list that did not change since the host was
    /// started before: when it changed.
    pub fetched_at: Option<i64>,
}

/// Where the list of a choice stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum ListingStanding {
    /// It was not fetched since the host was started.
    Starting,
    /// The last fetch brought it.
    Current,
    /// The last fetch brought none, or waits. It is tried again; until then the last list stays.
    Stale {
        /// Why, and what to do.
        reason: String,
    },
    /// It is not fetched.
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
    /// Nobody is asked to sign in before a person wants it.
    #[serde(default)]
    pub on_request: bool,
    /// Whose account it is, where the server said.
    #[serde(default)]
    pub account: Option<String>,
    /// Whose it was before, while nobody has accepted that it is another one now.
    #[serde(default)]
    pub account_before: Option<String>,
    /// When a person let the device in, in Unix microseconds, where that is known.
    #[serde(default)]
    pub granted_at: Option<i64>,
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
