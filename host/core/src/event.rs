//! What happened at the device (`records.event` of the contract).

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::name::InputName;
use crate::time::{Instant, Monotonic};

/// A value of a field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// Any text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number; finite.
    Number(f64),
    /// Yes or no.
    Flag(bool),
    /// A moment.
    Moment(Instant),
}

/// A named value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// As plugins.toml or the sensor names it.
    pub name: String,
    /// Its value.
    pub value: Value,
}

/// What an input made, before it has a place in the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// Unique over all devices. Order is the ledger's sequence, never that of the ids.
    pub id: Ulid,
    /// The wall clock, where the device knew the time.
    pub at: Option<Instant>,
    /// The monotonic clock, always: it gives the time later where the wall clock could not.
    pub monotonic: Monotonic,
    /// The input or sensor.
    pub source: InputName,
    /// What happened: `punch`, `reading`.
    pub kind: String,
    /// With what.
    pub fields: Vec<Field>,
}

/// The ledger's order. Starts at 1 and grows by one for each event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sequence(pub u64);

/// An event in the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its place.
    pub sequence: Sequence,
    /// What happened.
    pub happened: NewEvent,
}
