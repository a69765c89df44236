//! The clocks and the kernel's random numbers: the one place that asks for them.
//!
//! What they say is read here, and judged in `core::clock_trust`: a Raspberry Pi without a network boots with a wall clock that is
//! wrong by days, and nothing here then claims to know the time.

#[cfg_attr(feature = "simulated-clock", path = "clock/simulated.rs")]
mod kernel;

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream::{self, BoxStream, StreamExt};
use jiff::tz::TimeZone;
use punchcard_core::clock_trust::{ClockTrust, Reading};
use punchcard_core::time::{Context, Instant, Monotonic, Now};
use rustix::rand::{GetRandomFlags, getrandom};
use thiserror::Error;

use kernel::Kernel;

/// Why there is no clock.
#[derive(Debug, Error)]
pub enum ClockError {
    /// The kernel does not say which boot this is.
    #[error("can't read the kernel's boot id")]
    Boot(#[source] std::io::Error),
}

/// The device's clocks.
#[derive(Debug, Clone)]
pub struct Clock {
    device: String,
    zone: TimeZone,
    kernel: Kernel,
    boot: String,
    trust: Arc<Mutex<ClockTrust>>,
}

impl Clock {
    /// Opens the clocks. `vouched_for`: plugins.toml says that the wall clock is right.
    ///
    /// # Errors
    /// When the kernel has no boot id: without it, moments of two boots could be confused.
    pub fn open(device: &str, zone: TimeZone, vouched_for: bool) -> Result<Self, ClockError> {
        let kernel = Kernel::open();
        let boot = kernel.boot().map_err(ClockError::Boot)?;
        let trust = ClockTrust::new(vouched_for, kernel.is_battery_backed());
        Ok(Self { device: device.to_owned(), zone, kernel, boot, trust: Arc::new(Mutex::new(trust)) })
    }

    /// The wall clock was believed earlier in this boot, before this program was started anew. `zero`: where the kernel was
    /// synchronised then, when the monotonic clock stood at 0, in µs since 1970.
    pub fn resume(&self, zero: Option<i64>) {
        self.trust.lock().unwrap_or_else(PoisonError::into_inner).resume(zero);
    }

    /// What the clocks say. `last_seen`: the latest wall clock that was ever believed, in Unix microseconds.
    #[must_use]
    pub fn now(&self, last_seen: i64) -> Now {
        let reading = self.kernel.read();
        let (standing, wall) = {
            let mut trust = self.trust.lock().unwrap_or_else(PoisonError::into_inner);
            (trust.judge(&reading, last_seen), trust.wall(&reading))
        };
        Now { wall: self.instant(wall), standing, monotonic: self.reading_of(&reading) }
    }

    /// The wall clock, believed or not.
    #[must_use]
    pub fn wall(&self) -> Instant {
        let reading = self.kernel.read();
        self.instant(self.trust.lock().unwrap_or_else(PoisonError::into_inner).wall(&reading))
    }

    /// Says each time that the wall clock is set. It does not say when the kernel takes its clock for synchronised, and
    /// where it can't tell the one either, nothing.
    #[must_use]
    pub fn sets(&self) -> BoxStream<'static, ()> {
        match self.kernel.sets() {
            Ok(sets) => sets.chain(stream::pending()).boxed(),
            Err(error) => {
                tracing::warn!(%error, "the kernel can't say when its clock is set; it is looked at now and then");
                stream::pending().boxed()
            }
        }
    }

    /// A moment with the device's offset from UTC then.
    #[must_use]
    pub fn instant(&self, unix_micros: i64) -> Instant {
        let seconds =
            jiff::Timestamp::from_microsecond(unix_micros).map_or(0, |moment| self.zone.to_offset(moment).seconds());
        Instant { unix_micros, utc_offset_minutes: i16::try_from(seconds / 60).unwrap_or(0) }
    }

    /// The clock that never decreases and counts on while the machine sleeps.
    #[must_use]
    pub fn monotonic(&self) -> Monotonic {
        Monotonic { milliseconds: self.monotonic_ms(), boot: self.boot.clone() }
    }

    /// The same, in milliseconds of this boot.
    #[must_use]
    pub fn monotonic_ms(&self) -> u64 {
        milliseconds(self.kernel.monotonic())
    }

    /// What a call of a plugin may know of this moment.
    #[must_use]
    pub fn context(&self) -> Context {
        Context { now: self.wall(), monotonic: self.monotonic(), entropy: entropy(), device: self.device.clone() }
    }

    fn reading_of(&self, reading: &Reading) -> Monotonic {
        Monotonic { milliseconds: milliseconds(reading.monotonic), boot: self.boot.clone() }
    }
}

fn milliseconds(micros: i64) -> u64 {
    u64::try_from(micros / 1_000).unwrap_or(0)
}

/// Fresh unpredictable bytes. The kernel's pool is ready once it has booted; the call then can't fail, and is repeated
/// where a signal interrupted it.
#[must_use]
pub fn entropy() -> [u8; 32] {
    let mut bytes = [0; 32];
    let mut filled = 0;
    while filled < bytes.len() {
        if let Ok(more) = getrandom(&mut bytes[filled..], GetRandomFlags::empty()) {
            filled += more;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use punchcard_core::time::TimeStatus;

    use super::*;

    const PARIS_SUMMER_ENDS: i64 = 1_792_890_000_000_000;
    const PARIS_SUMMER_BEGINS: i64 = 1_806_195_600_000_000;

    fn clock(zone: &str) -> Clock {
        Clock::open("front-door", TimeZone::get(zone).unwrap(), true).unwrap()
    }

    #[test]
    fn a_moment_carries_the_zones_offset() {
        assert_eq!(clock("Australia/Brisbane").instant(0).utc_offset_minutes, 600);
        let paris = clock("Europe/Paris");
        assert_eq!(paris.instant(1_700_000_000_000_000).utc_offset_minutes, 60);
        assert_eq!(paris.instant(1_690_000_000_000_000).utc_offset_minutes, 120);
    }

    #[test]
    fn the_hour_that_comes_twice_and_the_one_that_never_comes_have_the_offset_of_their_moment() {
        let paris = clock("Europe/Paris");
        let half_an_hour = 1_800_000_000;
        // 02:30 on 2026-10-25, twice; and 01:30 and 03:30 on 2027-03-28.
        for (change, before, after) in [(PARIS_SUMMER_ENDS, 120, 60), (PARIS_SUMMER_BEGINS, 60, 120)] {
            assert_eq!(paris.instant(change - half_an_hour).utc_offset_minutes, before);
            assert_eq!(paris.instant(change + half_an_hour).utc_offset_minutes, after);
        }
    }

    #[test]
    fn a_vouched_for_clock_is_believed_and_clones_share_what_is_believed() {
        assert!(clock("UTC").now(i64::MAX).is_known());
        let resumed = Clock::open("front-door", TimeZone::UTC, false).unwrap();
        let clone = resumed.clone();
        resumed.resume(Some(7_000_000));
        let now = clone.now(i64::MAX);
        assert!(now.is_known());
        assert_eq!(now.standing, TimeStatus::Synchronised);
    }

    #[test]
    fn the_monotonic_clock_does_not_decrease() {
        let clock = clock("UTC");
        let first = clock.monotonic_ms();
        assert!(clock.monotonic_ms() >= first && first > 0);
        assert!(clock.now(0).monotonic.milliseconds >= first);
    }

    #[test]
    fn entropy_differs() {
        assert_ne!(entropy(), entropy());
    }
}
