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

/// The longest pause after so many tries in a row that told nothing, unless a server asks for more: about a minute for
/// the first quarter of an hour, in which most outages pass, and five minutes then.
pub(crate) fn longest_pause(failures: u32) -> u64 {
    if failures <= 20 { 64 * SECOND } else { 5 * MINUTE }
}
