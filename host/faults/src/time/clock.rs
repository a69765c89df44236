//! The clock that the program is given: the file that the feature `simulated-clock` of the host reads.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use jiff::{SignedDuration, Span, Timestamp};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

/// What names the file to the program.
pub(super) const VARIABLE: &str = "PUNCHCARD_SIMULATED_CLOCK";

/// The true time of a trial, and what the machine makes of it.
pub(crate) struct SimulatedClock {
    file: PathBuf,
    /// What the true time is ahead of the real one.
    ahead: SignedDuration,
    /// When the machine was started, in true time.
    started_at: Timestamp,
    starts: u32,
    /// What the wall clock is ahead of the true time.
    pub(crate) wrong_by: SignedDuration,
    pub(crate) is_synchronised: bool,
    pub(crate) is_battery_backed: bool,
}

impl SimulatedClock {
    /// A machine that was started an hour before `now`, and has heard from a time server.
    pub(super) fn new(folder: &Path, now: Timestamp) -> Result<Self> {
        let clock = Self {
            file: folder.join("clock.json"),
            ahead: Timestamp::now().duration_until(now),
            started_at: now - SignedDuration::from_hours(1),
            starts: 1,
            wrong_by: SignedDuration::ZERO,
            is_synchronised: true,
            is_battery_backed: false,
        };
        clock.apply()?;
        Ok(clock)
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// The true time.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::now() + self.ahead
    }

    /// How long the machine has run.
    pub(crate) fn ran_for(&self) -> SignedDuration {
        self.started_at.duration_until(self.now())
    }

    /// So much time passes, for the program at once.
    pub(crate) fn pass(&mut self, span: Span) -> Result<()> {
        self.ahead += duration(span);
        self.apply()
    }

    /// The machine was off for so long, and starts. Its clock knows nothing yet; [`SimulatedClock::apply`] gives it out.
    pub(super) fn start_machine(&mut self, after: Span) {
        self.ahead += duration(after);
        self.started_at = self.now() - SignedDuration::from_secs(20);
        self.starts += 1;
        self.is_synchronised = false;
    }

    /// Gives it out, as a whole.
    pub(crate) fn apply(&self) -> Result<()> {
        // Asked one after the other: some µs do not matter.
        let real = clock_gettime(ClockId::Boottime);
        let real = real.tv_sec * 1_000 + real.tv_nsec / 1_000_000;
        let clock = json!({
            "boot": format!("boot-{}", self.starts),
            "wall_ms": milliseconds(self.ahead + self.wrong_by),
            "monotonic_ms": milliseconds(self.ran_for()) - real,
            "synchronised": self.is_synchronised,
            "battery_backed": self.is_battery_backed,
        });
        let fresh = self.file.with_extension("new");
        fs::write(&fresh, clock.to_string()).context("cannot write the clock")?;
        fs::rename(&fresh, &self.file).context("cannot write the clock")
    }
}

fn duration(span: Span) -> SignedDuration {
    SignedDuration::try_from(span).unwrap_or_default()
}

fn milliseconds(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
