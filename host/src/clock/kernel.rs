//! The kernel's own clocks.
//!
//! A clock chip whose battery is flat says something too, so it must agree with the wall clock (which systemd moves on from
//! nonsense) and be later than this program.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::{fs, io};

use futures_util::stream::{self, Stream};
use punchcard_core::clock_trust::Reading;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// No host of this version ran before this, in Unix seconds (2026-01-01): a clock chip without its battery counts from its
/// own beginning, which is 1970 or 2000.
const NEVER_BEFORE: i64 = 1_767_225_600;
/// Clock chips count whole seconds, and asking one takes a moment.
const AGREES_WITHIN_SECONDS: u64 = 5;
/// Two clocks that were asked within so many µs were asked at once.
const AT_ONCE: i64 = 2_000;
/// How often they are asked until they are.
const TRIES: usize = 100;

/// The kernel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kernel;

impl Kernel {
    pub(super) fn open() -> Self {
        Self
    }

    /// Which start of the machine this is.
    #[expect(clippy::unused_self, reason = "a simulated kernel has a file")]
    pub(super) fn boot(self) -> io::Result<String> {
        Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
    }

    /// Whether its wall clock was set from a clock chip that can be believed.
    #[expect(clippy::unused_self, reason = "a simulated kernel has a file")]
    pub(super) fn is_battery_backed(self) -> bool {
        is_battery_backed(Path::new("/sys/class/rtc"), clock_gettime(ClockId::Realtime).tv_sec)
    }

    /// The monotonic clock, in µs.
    #[expect(clippy::unused_self, reason = "a simulated kernel has a file")]
    pub(super) fn monotonic(self) -> i64 {
        micros(clock_gettime(ClockId::Boottime))
    }

    /// All clocks, at the same moment.
    pub(super) fn read(self) -> Reading {
        read(|| self.monotonic(), is_synchronised, || micros(clock_gettime(ClockId::Realtime)))
    }

    /// Each time that its wall clock is set: a timer for the end of time, which is cancelled then (`timerfd_settime(2)`,
    /// `TFD_TIMER_CANCEL_ON_SET`).
    #[expect(clippy::unused_self, reason = "a simulated kernel has a file")]
    pub(super) fn sets(self) -> io::Result<impl Stream<Item = ()> + Send + 'static> {
        let timer = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?;
        let never = Timespec { tv_sec: i64::MAX, tv_nsec: 0 };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: never };
        timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET, &once)?;
        #[expect(unsafe_code, reason = "tokio can't know that what it is given keeps its file open")]
        // SAFETY: an `OwnedFd` has the same file, and keeps it open, until it is dropped.
        let timer = unsafe { AsyncFd::register_with_interest(timer, Interest::READABLE)? };
        Ok(stream::unfold(timer, |timer| async move { was_cancelled(&timer).await.then_some(((), timer)) }))
    }
}

/// Waits until a timer is cancelled. It counts on after that. `false`: it can't be read.
async fn was_cancelled(timer: &AsyncFd<OwnedFd>) -> bool {
    loop {
        let Ok(mut ready) = timer.readable().await else { return false };
        // Otherwise it ended, or there was nothing to read after all.
        if let Ok(Err(error)) = ready.try_io(|timer| Ok(rustix::io::read(timer, &mut [0; 8])?)) {
            return error.raw_os_error() == Some(libc::ECANCELED);
        }
    }
}

/// All clocks, at the same moment: what lies between two of them makes the time of every event that is reckoned from them
/// wrong by as much, and a machine may be put to sleep between any two instructions.
fn read(monotonic: impl Fn() -> i64, is_synchronised: impl Fn() -> bool, wall: impl Fn() -> i64) -> Reading {
    let mut before = monotonic();
    for _ in 0..TRIES {
        // First whether it is synchronised: a clock that is set right after that is read right, or not believed yet.
        let synchronised = is_synchronised();
        let wall = wall();
        let after = monotonic();
        if after.saturating_sub(before) <= AT_ONCE {
            return Reading { wall, monotonic: before, synchronised };
        }
        before = after;
    }
    // A machine that is as slow as that has no better.
    Reading { synchronised: is_synchronised(), wall: wall(), monotonic: before }
}

fn micros(time: Timespec) -> i64 {
    time.tv_sec.saturating_mul(1_000_000).saturating_add(time.tv_nsec / 1_000)
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
    use std::cell::Cell;

    use super::*;

    /// When the machine started, in µs since 1970.
    const STARTED: i64 = 1_795_168_800_000_000;

    /// Reads the clocks of a machine that started in 1970, as it thought, on which each question takes `each_takes` µs. What
    /// happens right before one of the questions, by its number: it is put to sleep, and its clock is set and synchronised.
    fn reading(each_takes: i64, sleeps: u32, is_set: u32) -> Reading {
        let (asked, at) = (Cell::new(0_u32), Cell::new(0_i64));
        let ask = || {
            let slept = if asked.get() == sleeps { 3_600_000_000 } else { 0 };
            at.set(at.get() + slept + each_takes);
            asked.set(asked.get() + 1);
            // Whether it was set by now.
            asked.get() > is_set
        };
        let monotonic = || {
            ask();
            at.get()
        };
        let wall = || if ask() { STARTED + at.get() } else { at.get() };
        read(monotonic, ask, wall)
    }

    #[test]
    fn a_clock_that_is_set_while_it_is_read_is_read_right_or_not_believed_yet() {
        // At once, and on a machine that never is that fast.
        for each_takes in [1, 3_000] {
            for is_set in 0..400 {
                let found = reading(each_takes, u32::MAX, is_set);
                assert!(!found.synchronised || found.wall >= STARTED, "{each_takes} {is_set}: {found:?}");
            }
        }
        assert!(reading(1, u32::MAX, 0).synchronised && !reading(1, u32::MAX, 2).synchronised);
    }

    #[test]
    fn a_machine_that_is_put_to_sleep_while_its_clocks_are_read_has_them_of_one_moment() {
        for sleeps in 0..10 {
            let found = reading(1, sleeps, 0);
            let apart = found.wall - found.monotonic - STARTED;
            assert!((0..=AT_ONCE).contains(&apart), "{sleeps}: {apart}");
        }
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
