//! Moments, as values. Nobody here asks a clock.

use serde::{Deserialize, Serialize};

/// A moment in UTC, together with the device's time zone then (`types.instant` of the contract).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Instant {
    /// Microseconds since 1970-01-01T00:00:00Z.
    pub unix_micros: i64,
    /// Minutes east of UTC at that moment in the device's time zone.
    pub utc_offset_minutes: i16,
}

/// Whether a moment is known (`records.certainty` of the contract).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// The device knew the time, or has learnt it since.
    Known,
    /// It never did: a guess, between the moments that are known before and after.
    Estimated,
}

/// A reading of the clock that never decreases and counts on while the machine sleeps (`CLOCK_BOOTTIME`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monotonic {
    /// Milliseconds since the machine started.
    pub milliseconds: u64,
    /// Which start of the machine: the kernel's boot id. Readings of two boots can't be compared.
    pub boot: String,
}

/// What every decision may know of the time, read once by the clock adapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Now {
    /// The wall clock. Only meaningful when `known`.
    pub wall: Instant,
    /// Whether the wall clock can be believed: the kernel says that it is synchronised, a battery-backed clock is
    /// there, or plugins.toml vouches for it.
    pub known: bool,
    /// The monotonic clock.
    pub monotonic: Monotonic,
}

/// What a call of a plugin may know of the outside world (`types.context` of the contract).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// The moment of the call.
    pub now: Instant,
    /// The monotonic clock at that moment.
    pub monotonic: Monotonic,
    /// Fresh unpredictable bytes.
    pub entropy: [u8; 32],
    /// The device's name in plugins.toml.
    pub device: String,
}
