//! What clocks do: the program built with a clock that the trial sets, and the times that stand in the sheet.
//!
//! A trial has a time of its own, the true one, in which hours pass at once. The device's wall clock may be wrong by any
//! amount against it. Each press is noted with the true time; in the end each row has to show that of its press, as it is
//! on the wall where the device stands, or a guess that is marked as one.

mod clock;
mod outage;
mod step;
mod update;

use anyhow::{Context as _, Result, ensure};
use google_sim::Config;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan as _};

use crate::gate::Gate;
use crate::headline::{NO_ANSWER, OFF, TIMES_WRONG};
use crate::machine::NotProduced;
use crate::network::new_behind_a_gate;
use crate::row::{Group, Row};
use crate::trial::{Surroundings, Trial};
use clock::SimulatedClock;

/// What clocks do.
pub(crate) fn rows() -> Vec<Row> {
    use Group::Time;
    let summer = |name, what, begins: &'static str| {
        Row::new(Time, name, what, async move |surroundings| step::try_summer_time(&surroundings, begins).await)
    };
    let set = |name, what, hours| {
        Row::new(Time, name, what, async move |surroundings| step::try_set(&surroundings, hours).await)
    };
    let stepped = |name, what, hours| {
        Row::new(Time, name, what, async move |surroundings| step::try_synchronised(&surroundings, hours).await)
    };
    vec![
        Row::new(
            Time,
            "boot-at-1970",
            "it starts in 1970 without a network, and the clock is set later",
            outage::at_1970,
        )
        .may_say(&[NO_ANSWER]),
        Row::new(
            Time,
            "time-never-known",
            "a start that never learns the time, between two that do",
            outage::never_known,
        ),
        Row::new(
            Time,
            "battery-ahead",
            "a clock with a battery is three hours ahead until the kernel is synchronised",
            outage::battery_ahead,
        )
        .says(&[TIMES_WRONG]),
        set("clock-set-ahead", "the clock is set five hours ahead by mistake", 5),
        set("clock-set-back", "the clock is set five hours back by mistake", -5),
        stepped("clock-steps-ahead", "the kernel's clock steps three hours ahead, and back a day later", 3),
        stepped("clock-steps-back", "the kernel's clock steps three hours back, and ahead a day later", -3),
        summer("summer-time-ends", "presses in the hour that comes twice", "2026-10-25T00:29:40Z"),
        summer("summer-time-begins", "presses around the hour that never comes", "2027-03-28T00:29:40Z"),
        Row::new(
            Time,
            "update-by-the-clock",
            "nobody asks for a new version of a plugin, and `check-every` passes",
            update::by_the_clock,
        )
        // Between the two versions.
        .may_say(&[OFF])
        .slow(),
        Row::new(Time, "suspended", "the machine sleeps for eight hours, twice", step::suspended).slow(),
    ]
}

/// A trial whose clock is set by it.
pub(super) struct Timed {
    pub(super) trial: Trial,
    pub(super) clock: SimulatedClock,
    zone: TimeZone,
    /// What the rows have to show, in their order.
    expected: Vec<Shown>,
}

/// What a row has to show.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    /// The key was not pressed before,
    from: Timestamp,
    /// and was recorded by then.
    to: Timestamp,
    is_guess: bool,
}

impl Timed {
    /// A device that runs with a synchronised clock, is signed in, and has its sheet and a row in it. It is so late there.
    pub(super) async fn begin(surroundings: &Surroundings, zone: &str, now: Timestamp) -> Result<Self> {
        Self::begin_with(Trial::new(&with_clock(surroundings)?, Config::default()).await?, zone, now).await
    }

    /// The same with a device that was never on.
    async fn begin_with(mut trial: Trial, zone: &str, now: Timestamp) -> Result<Self> {
        let folder = &trial.device.rig.folder;
        let configuration = folder.configuration()?;
        let trusting = "trust-clock = true\n";
        ensure!(configuration.contains(trusting) && configuration.contains(BRISBANE), "the configuration is another");
        folder.configure(&configuration.replace(trusting, "").replace(BRISBANE, zone))?;
        let clock = SimulatedClock::new(folder.path(), now)?;
        trial.device.rig.set_variable(clock::VARIABLE, clock.file());
        let zone = TimeZone::get(zone).context("there is no such time zone")?;
        let mut timed = Self { trial, clock, zone, expected: Vec::new() };
        let trial = &mut timed.trial;
        trial.device.rig.start_and_wait().await?;
        Trial::link(&trial.google, &mut trial.device).await?;
        timed.press().await?;
        timed.trial.device.settle().await?;
        timed.trial.device.said.clear();
        Ok(timed)
    }

    /// The same, in Brisbane and now, whose connections go through a gate.
    pub(super) async fn begin_behind_a_gate(surroundings: &Surroundings) -> Result<(Self, Gate)> {
        let (trial, gate) = new_behind_a_gate(&with_clock(surroundings)?).await?;
        Ok((Self::begin_with(trial, BRISBANE, Timestamp::now()).await?, gate))
    }

    /// The same, in Brisbane and now.
    pub(super) async fn begin_now(surroundings: &Surroundings) -> Result<Self> {
        Self::begin(surroundings, BRISBANE, Timestamp::now()).await
    }

    /// Presses a key; its row has to show what time it is.
    pub(super) async fn press(&mut self) -> Result<()> {
        self.press_shown(|at| at, false).await
    }

    /// Presses a key; its row has to show, as a guess, a moment as long after the last known one as the machine has run.
    pub(super) async fn press_for_a_guess(&mut self, last_known: Timestamp) -> Result<()> {
        let ran_from = self.clock.now() - self.clock.ran_for();
        self.press_shown(|at| last_known + ran_from.duration_until(at), true).await
    }

    /// Presses a key; its row has to show what the device's clock says, so much beside the true time. Returns what a
    /// correction of it has to show.
    pub(super) async fn press_while_wrong(&mut self, by: Span) -> Result<Shown> {
        self.press_shown(|at| at + by, false).await?;
        let wrong = self.expected.last().context("nothing was pressed")?;
        Ok(Shown { from: wrong.from - by, to: wrong.to - by, ..*wrong })
    }

    /// The next row is a correction, and has to show this.
    pub(super) fn expect_correction(&mut self, shown: Shown) {
        self.expected.push(shown);
    }

    /// Presses a key; its row has to show what this makes of the true time at which it was pressed.
    async fn press_shown(&mut self, shown: impl Fn(Timestamp) -> Timestamp, is_guess: bool) -> Result<()> {
        let from = shown(self.clock.now());
        self.trial.device.press_and_wait().await?;
        self.expected.push(Shown { from, to: shown(self.clock.now()), is_guess });
        Ok(())
    }

    /// The machine is started anew, after it was off for a minute, with its clock in this condition.
    pub(super) async fn reboot(&mut self, condition: impl FnOnce(&mut SimulatedClock)) -> Result<()> {
        self.trial.device.rig.stop().await?;
        self.clock.start_machine(1.minute());
        condition(&mut self.clock);
        self.clock.apply()?;
        self.trial.device.rig.start_and_wait().await
    }

    /// Waits until the device says whether it knows the time.
    pub(super) async fn wait_for_time(&mut self, is_known: bool) -> Result<()> {
        let what = if is_known { "the time is known" } else { "the time is not known" };
        self.trial.device.wait(what, |report| (report["clock-known"] == is_known).then_some(())).await
    }

    /// Waits until so many rows are in the sheet.
    pub(super) async fn wait_for_rows(&mut self, count: u64) -> Result<()> {
        let delivered = |report: &serde_json::Value| (report["sinks"][0]["rows-delivered"] == count).then_some(());
        self.trial.device.wait(&format!("{count} rows are delivered"), delivered).await
    }

    /// Everything is in the sheet, and shows what it has to.
    pub(super) async fn finish(mut self) -> Result<Trial> {
        self.trial.recover().await?;
        let shown = self.shown()?;
        ensure!(shown.len() == self.expected.len(), "there are {} rows, not {}", shown.len(), self.expected.len());
        for (number, (found, expected)) in (1..).zip(shown.iter().zip(&self.expected)) {
            if !expected.is_shown_by(found, &self.zone) {
                let (mark, from, to) = (expected.mark(), expected.from, expected.to);
                let [from, to] = [from, to].map(|at| at.to_zoned(self.zone.clone()).strftime(PATTERN).to_string());
                self.trial.note(format!("row {number} shows `{found}`, not `{mark}{from}`, or up to `{to}`"));
            }
        }
        Ok(self.trial)
    }

    /// The times in the sheet, in the order of the rows.
    fn shown(&self) -> Result<Vec<String>> {
        let tables = self.trial.google.tables();
        let rows = tables.iter().flat_map(|table| &table.tabs).flat_map(|tab| tab.rows.split_first());
        let times = rows.map(|(titles, rows)| {
            let column = titles.iter().position(|title| title == "Time").context("no tab has a column Time")?;
            Ok(rows.iter().map(move |row| row.get(column).cloned().unwrap_or_default()))
        });
        Ok(times.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }
}

/// With the program whose clock a trial sets.
fn with_clock(surroundings: &Surroundings) -> Result<Surroundings> {
    let Some(program) = std::env::var_os("PUNCHCARD_PROGRAM_WITH_CLOCK") else {
        return Err(NotProduced("there is no program with a clock that a trial can set".into()).into());
    };
    let mut surroundings = surroundings.clone();
    surroundings.programs.host = program.into();
    Ok(surroundings)
}

const BRISBANE: &str = "Australia/Brisbane";
const PATTERN: &str = "%Y-%m-%d %H:%M:%S";

impl Shown {
    fn mark(&self) -> &'static str {
        if self.is_guess { "~" } else { "" }
    }

    /// Whether this text is the local time of a second in between.
    fn is_shown_by(&self, text: &str, zone: &TimeZone) -> bool {
        let local = |at: Timestamp| at.to_zoned(zone.clone()).strftime(PATTERN).to_string();
        let seconds = 0..=self.from.duration_until(self.to).as_secs() + 1;
        let between = seconds.map(|seconds| (self.from + seconds.seconds()).min(self.to));
        between.map(local).any(|local| text == format!("{}{local}", self.mark()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_shows_the_local_time_of_its_press_or_a_marked_guess() {
        let zone = TimeZone::get("Europe/Paris").unwrap();
        let shown = |from: &str, is_guess| {
            let from: Timestamp = from.parse().unwrap();
            Shown { from, to: from + 2500.milliseconds(), is_guess }
        };
        let table = [
            ("2026-10-25T00:30:00Z", false, "2026-10-25 02:30:00", true),
            ("2026-10-25T01:29:59Z", false, "2026-10-25 02:30:00", true),
            ("2026-10-25T00:29:59.700Z", false, "2026-10-25 02:30:02", true),
            ("2026-10-25T00:30:00Z", false, "2026-10-25 02:30:03", false),
            ("2026-10-25T00:30:00Z", false, "2026-10-25 02:29:59", false),
            ("2026-10-25T00:30:00Z", true, "2026-10-25 02:30:00", false),
            ("2026-10-25T00:30:00Z", true, "~2026-10-25 02:30:00", true),
        ];
        for (at, is_guess, text, is_so) in table {
            assert_eq!(shown(at, is_guess).is_shown_by(text, &zone), is_so, "{at} {text}");
        }
    }
}
