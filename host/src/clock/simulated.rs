//! Clocks that a trial sets, in place of the kernel's. Only in a program that is built with the feature `simulated-clock`,
//! which no released one is.
//!
//! The file that `PUNCHCARD_SIMULATED_CLOCK` names is read each time: a JSON object with `boot` (the boot's id), `wall_ms` and
//! `monotonic_ms` (what the clocks are ahead of the real ones, in milliseconds; of the monotonic one what the machine slept
//! counts too), `synchronised` and `battery_backed`. A trial replaces the file as a whole. Without it the program ends: a trial
//! that is not controlled tells nothing.

use std::future::ready;
use std::path::{Path, PathBuf};
use std::{fs, io};

use futures_util::stream::{Stream, StreamExt as _};
use inotify::{Inotify, WatchMask};
use punchcard_core::clock_trust::Reading;
use rustix::time::{ClockId, Timespec, clock_gettime};
use serde::Deserialize;

/// The kernel that a trial plays.
#[derive(Debug, Clone)]
pub(super) struct Kernel {
    file: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Simulation {
    boot: String,
    wall_ms: i64,
    monotonic_ms: i64,
    synchronised: bool,
    battery_backed: bool,
}

impl Kernel {
    pub(super) fn open() -> Self {
        Self { file: std::env::var_os("PUNCHCARD_SIMULATED_CLOCK").unwrap_or_default().into() }
    }

    pub(super) fn boot(&self) -> io::Result<String> {
        Ok(self.simulation()?.boot)
    }

    pub(super) fn is_battery_backed(&self) -> bool {
        self.control().battery_backed
    }

    pub(super) fn monotonic(&self) -> i64 {
        micros(clock_gettime(ClockId::Boottime)) + self.control().monotonic_ms * 1_000
    }

    pub(super) fn read(&self) -> Reading {
        let control = self.control();
        Reading {
            wall: micros(clock_gettime(ClockId::Realtime)) + control.wall_ms * 1_000,
            monotonic: micros(clock_gettime(ClockId::Boottime)) + control.monotonic_ms * 1_000,
            synchronised: control.synchronised,
        }
    }

    /// Each time that the file is replaced.
    pub(super) fn sets(&self) -> io::Result<impl Stream<Item = ()> + Send + 'static> {
        let inotify = Inotify::init()?;
        inotify.watches().add(self.file.parent().unwrap_or(Path::new(".")), WatchMask::MOVED_TO)?;
        let name = self.file.file_name().map(ToOwned::to_owned);
        let moved = inotify.into_event_stream(vec![0; 4096])?;
        Ok(moved.filter_map(move |event| ready(event.is_ok_and(|event| event.name == name).then_some(()))))
    }

    fn simulation(&self) -> io::Result<Simulation> {
        Ok(serde_json::from_str(&fs::read_to_string(&self.file)?)?)
    }

    fn control(&self) -> Simulation {
        self.simulation().unwrap_or_else(|error| {
            tracing::error!(file = %self.file.display(), %error, "the simulated clock can't be read");
            std::process::exit(1)
        })
    }
}

fn micros(time: Timespec) -> i64 {
    time.tv_sec.saturating_mul(1_000_000).saturating_add(time.tv_nsec / 1_000)
}
