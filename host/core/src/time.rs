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

impl Instant {
    /// Minutes since the local midnight.
    #[must_use]
    pub fn minute_of_day(self) -> u16 {
        let minutes = self.unix_micros.div_euclid(60_000_000).saturating_add(self.utc_offset_minutes.into());
        u16::try_from(minutes.rem_euclid(24 * 60)).unwrap_or(0)
    }
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

/// How well the time is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeStatus {
    /// The wall clock may show anything.
    Unknown,
    /// A battery-backed clock or plugins.toml vouches for it. The kernel may still know better.
    Believed,
    /// The kernel was synchronised in this boot. What it said then is final.
    Synchronised,
}

/// What every decision may know of the time, read once by the clock adapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Now {
    /// The wall clock. Only meaningful when the time is known.
    pub wall: Instant,
    /// Whether it is, and how well.
    pub standing: TimeStatus,
    /// The monotonic clock.
    pub monotonic: Monotonic,
}

impl Now {
    /// Whether the wall clock can be believed.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.standing != TimeStatus::Unknown
    }

    /// When the monotonic clock stood at 0, by the wall clock, in µs since 1970.
    #[must_use]
    pub fn zero(&self) -> i64 {
        zero(self.wall.unix_micros, &self.monotonic)
    }
}

/// When a monotonic clock stood at 0 that shows this much at a moment in µs since 1970.
#[must_use]
pub fn zero(unix_micros: i64, monotonic: &Monotonic) -> i64 {
    let since = i64::try_from(monotonic.milliseconds).unwrap_or(i64::MAX);
    unix_micros.saturating_sub(since.saturating_mul(1000))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minute_of_the_day_is_the_local_one() {
        let table = [(0, 0, 0), (59_999_999, 0, 0), (60_000_000, 0, 1), (0, 600, 600), (0, -60, 1380), (-1, 0, 1439)];
        for (unix_micros, utc_offset_minutes, minute) in table {
            let moment = Instant { unix_micros, utc_offset_minutes };
            assert_eq!(moment.minute_of_day(), minute, "{moment:?}");
        }
    }
}
