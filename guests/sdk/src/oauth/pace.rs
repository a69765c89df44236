//! Spans of time, in milliseconds.

/// A second.
pub const SECOND: u64 = 1_000;
/// A minute.
pub const MINUTE: u64 = 60 * SECOND;
/// An hour.
pub const HOUR: u64 = 60 * MINUTE;
/// A day.
pub const DAY: u64 = 24 * HOUR;

/// No wait is longer: the instants in a state may be another boot's.
pub const WAIT_MAX: u64 = 7 * DAY;

/// The longest pause after so many tries in a row that told nothing, unless a server asks for more: about a minute for
/// the first quarter of an hour, in which most outages pass, and five minutes then.
pub fn longest_pause(failures: u32) -> u64 {
    if failures <= 20 { 64 * SECOND } else { 5 * MINUTE }
}
