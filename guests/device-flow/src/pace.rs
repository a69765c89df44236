//! Spans of time, in milliseconds.

/// A second.
pub(crate) const SECOND: u64 = 1_000;
/// A minute.
pub(crate) const MINUTE: u64 = 60 * SECOND;
/// An hour.
pub(crate) const HOUR: u64 = 60 * MINUTE;
/// A day.
pub(crate) const DAY: u64 = 24 * HOUR;

/// No wait is longer: the instants in a state may be another boot's.
pub(crate) const WAIT_MAX: u64 = 7 * DAY;
