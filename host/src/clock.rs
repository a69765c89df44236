//! The clocks and the kernel's random numbers: the one place that asks for them.
//!
//! The wall clock is believed when the kernel says that it is synchronised, when plugins.toml vouches for it, or when the
//! kernel set it from a battery-backed clock and it does not stand before the last time seen. A Raspberry Pi without a
//! network boots with a wall clock that is wrong by days; nothing here then claims to know the time. A clock chip whose
//! battery is flat says something too, so it must agree with the wall clock (which systemd moves on from nonsense) and be
//! later than this program. Once believed, the clock stays so until the next boot: a network that is gone for a day does
//! not make it wrong by more than a second or two.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::tz::TimeZone;
use punchcard_core::time::{Context, Instant, Monotonic, Now};
use rustix::rand::{GetRandomFlags, getrandom};
use rustix::time::{ClockId, clock_gettime};
use thiserror::Error;

/// No host of this version ran before this, in Unix seconds (2026-01-01): a clock chip without its battery counts from its
/// own beginning, which is 1970 or 2000.
const NEVER_BEFORE: i64 = 1_767_225_600;
/// Clock chips count whole seconds, and asking one takes a moment.
const AGREES_WITHIN_SECONDS: u64 = 5;

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
    vouched_for: bool,
    battery_backed: bool,
    boot: String,
    believed: Arc<AtomicBool>,
}

impl Clock {
    /// Opens the clocks. `vouched_for`: plugins.toml says that the wall clock is right.
    ///
    /// # Errors
    /// When the kernel has no boot id: without it, moments of two boots could be confused.
    pub fn open(device: &str, zone: TimeZone, vouched_for: bool) -> Result<Self, ClockError> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").map_err(ClockError::Boot)?;
        let wall = clock_gettime(ClockId::Realtime).tv_sec;
        Ok(Self {
            device: device.to_owned(),
            zone,
            vouched_for,
            battery_backed: is_battery_backed(Path::new("/sys/class/rtc"), wall),
            boot: boot.trim().to_owned(),
            believed: Arc::default(),
        })
    }

    /// The wall clock was believed earlier in this boot, before this program was started anew.
    pub fn believe(&self) {
        self.believed.store(true, Ordering::Relaxed);
    }

    /// What the clocks say. `last_seen`: the latest wall clock that was ever believed, in Unix microseconds.
    #[must_use]
    pub fn now(&self, last_seen: i64) -> Now {
        let wall = self.wall();
        let known = self.believed.load(Ordering::Relaxed)
            || self.vouched_for
            || is_synchronised()
            || (self.battery_backed && wall.unix_micros >= last_seen);
        if known {
            self.believe();
        }
        Now { wall, known, monotonic: self.monotonic() }
    }

    /// The wall clock, believed or not.
    #[must_use]
    pub fn wall(&self) -> Instant {
        let now = clock_gettime(ClockId::Realtime);
        let unix_micros = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1_000);
        self.instant(unix_micros)
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
        let now = clock_gettime(ClockId::Boottime);
        u64::try_from(now.tv_sec.saturating_mul(1_000).saturating_add(now.tv_nsec / 1_000_000)).unwrap_or(0)
    }

    /// What a call of a plugin may know of this moment.
    #[must_use]
    pub fn context(&self) -> Context {
        Context { now: self.wall(), monotonic: self.monotonic(), entropy: entropy(), device: self.device.clone() }
    }
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

/// Whether the kernel set its clock from a battery-backed one at boot (`hctosys`, Documentation/ABI/testing/sysfs-class-rtc)
/// that can be believed. `wall`: the wall clock, in Unix seconds.
fn is_battery_backed(class: &Path, wall: i64) -> bool {
    let Ok(clocks) = fs::read_dir(class) else { return false };
    clocks.flatten().any(|clock| {
        let says = |name: &str| fs::read_to_string(clock.path().join(name)).unwrap_or_default().trim().parse::<i64>();
        let since_epoch = says("since_epoch").unwrap_or(0);
        says("hctosys") == Ok(1) && since_epoch >= NEVER_BEFORE && since_epoch.abs_diff(wall) <= AGREES_WITHIN_SECONDS
    })
}

/// Whether the kernel says that its clock is disciplined: `adjtimex(2)` without changing anything.
fn is_synchronised() -> bool {
    #[expect(unsafe_code, reason = "libc offers adjtimex(2) only as a foreign function")]
    // SAFETY: `timex` is plain data, for which zeros are valid; `modes: 0` makes the call read only.
    let (state, timex) = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&raw mut timex), timex)
    };
    state >= 0 && state != libc::TIME_ERROR && timex.status & libc::STA_UNSYNC == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brisbane(vouched_for: bool) -> Clock {
        Clock::open("front-door", TimeZone::get("Australia/Brisbane").unwrap(), vouched_for).unwrap()
    }

    #[test]
    fn a_moment_carries_the_zones_offset() {
        assert_eq!(brisbane(true).instant(0).utc_offset_minutes, 600);
        let paris = Clock::open("x", TimeZone::get("Europe/Paris").unwrap(), true).unwrap();
        assert_eq!(paris.instant(1_700_000_000_000_000).utc_offset_minutes, 60);
        assert_eq!(paris.instant(1_690_000_000_000_000).utc_offset_minutes, 120);
    }

    #[test]
    fn a_vouched_for_clock_is_believed() {
        assert!(brisbane(true).now(i64::MAX).known);
    }

    #[test]
    fn the_monotonic_clock_does_not_decrease() {
        let clock = brisbane(true);
        let first = clock.monotonic_ms();
        assert!(clock.monotonic_ms() >= first && first > 0);
    }

    #[test]
    fn entropy_differs() {
        assert_ne!(entropy(), entropy());
    }

    #[test]
    fn a_clock_that_was_believed_stays_so() {
        let clock = brisbane(false);
        clock.believe();
        assert!(clock.clone().now(i64::MAX).known);
        let vouched_for = brisbane(true);
        assert!(vouched_for.now(0).known);
        assert!(vouched_for.believed.load(Ordering::Relaxed));
    }

    #[test]
    fn a_battery_backed_clock_is_one_that_the_kernel_was_set_from_and_that_agrees() {
        let class = tempfile::tempdir().unwrap();
        let wall = NEVER_BEFORE + 1_000;
        let (class, chip) = (class.path(), class.path().join("rtc0"));
        assert!(!is_battery_backed(class, wall));
        fs::create_dir(&chip).unwrap();
        let table = [
            ("0\n", wall, false),
            ("1\n", wall, true),
            ("1\n", wall - 5, true),
            ("1\n", wall + 5, true),
            // The kernel was set from it, and something else has set the kernel since.
            ("1\n", wall - 6, false),
            ("1\n", 12, false),
            ("1\n", 946_684_812, false),
        ];
        for (hctosys, since_epoch, believed) in table {
            fs::write(chip.join("hctosys"), hctosys).unwrap();
            fs::write(chip.join("since_epoch"), format!("{since_epoch}\n")).unwrap();
            assert_eq!(is_battery_backed(class, wall), believed, "{hctosys} {since_epoch}");
        }
        // A flat battery that nothing was put right after.
        fs::write(chip.join("since_epoch"), "12\n").unwrap();
        assert!(!is_battery_backed(class, 13));
        fs::write(chip.join("since_epoch"), "nonsense\n").unwrap();
        assert!(!is_battery_backed(class, 0));
        assert!(!is_battery_backed(Path::new("/nowhere"), wall));
    }
}
