//! How far a comparison with a sink's service is, and what it found.

use punchcard_core::plugin::Problem;
use serde::{Deserialize, Serialize};

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
