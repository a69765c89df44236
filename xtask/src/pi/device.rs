//! The machine in use: what a person does with it, what it says of itself, and what is seen of it from outside.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use base64::Engine as _;

use super::configuration;
use super::image::INSIDE;
use super::line::{BUTTONS, plan_turn};
use super::machine::{ADDRESS, Machine};
use super::press::{Found, Press, compare};
use super::scenario::Trial;
use crate::report::Report;
use crate::stopwatch::Stopwatch;
use crate::{patience, process};

/// For the device to do what takes a Pi a moment, under emulation.
pub(super) const LIMIT_FOR: Duration = Duration::from_mins(3);
/// For rows to arrive. The stand-in's quota may make a batch wait for a minute.
const DELIVERY_LIMIT_FOR: Duration = Duration::from_mins(4);
/// A panel that was plugged in again shows its picture within so long: the longest pause between two tries is 8 s.
const PANEL_LIMIT_FOR: Duration = Duration::from_secs(60);

/// The machine in use.
pub(super) struct Pi<'t> {
    /// None: its power was cut, and it did not start again.
    pub(super) machine: Option<Machine>,
    pub(super) trial: &'t Trial<'t>,
    /// What may be recorded.
    presses: Vec<Press>,
    /// How often a button was pressed.
    pressed: usize,
    /// Where the knob stands.
    item: usize,
}

impl<'t> Pi<'t> {
    pub(super) fn new(machine: Machine, trial: &'t Trial<'t>) -> Self {
        Self { machine: Some(machine), trial, presses: Vec::new(), pressed: 0, item: 0 }
    }

    pub(super) fn machine(&mut self) -> Result<&mut Machine> {
        self.machine.as_mut().context("the machine is not on")
    }

    pub(super) fn perform(&mut self, script: &str) -> Result<String> {
        self.machine()?.agent.perform(script)
    }

    /// Connects it with the network, and has a time server there set its clock.
    pub(super) fn connect(&mut self) -> Result<()> {
        self.perform(&format!("ip address add {ADDRESS} dev eth0; ip link set eth0 up"))?;
        let now = process::answer(std::process::Command::new("date").arg("+%s"))?;
        self.perform(&format!("date --set @{now} && {INSIDE}/virtual-pi synchronise")).map(drop)
    }

    /// What the device says of itself; none where it does not answer.
    pub(super) fn report(&mut self) -> Result<Option<Report>> {
        let answer = self.machine()?.agent.run("punchcard status --json")?;
        if answer.status != Some(0) {
            return Ok(None);
        }
        let report = serde_json::from_str(&answer.stdout);
        report.with_context(|| format!("the device reports something else: {}", answer.stdout)).map(Some)
    }

    pub(super) fn await_report<T>(
        &mut self,
        what: &str,
        limit_for: Duration,
        look: impl Fn(&Report) -> Option<T>,
    ) -> Result<T> {
        let mut last = None;
        let found = patience::until("the device", what, limit_for, || {
            last = self.report()?;
            Ok(last.as_ref().and_then(&look))
        });
        found.with_context(|| format!("the last that `status` told was {last:?}"))
    }

    /// Waits until nothing is wrong with the device, its inputs and its plugins.
    pub(super) fn await_health(&mut self) -> Result<()> {
        let healthy = self.await_report("get well", LIMIT_FOR, |report| report.faults().is_empty().then_some(()));
        match healthy {
            Ok(()) => Ok(()),
            Err(error) => {
                let faults = self.report()?.map(|report| report.faults()).unwrap_or_default();
                Err(error).context(faults.join("; "))
            }
        }
    }

    /// Waits until the machine has read all edges so far. Its first processor takes the interrupts of lines, and does nothing
    /// else before it has read them. Without this, what is seen would depend on how often an emulator comes to run.
    fn settle(&mut self) -> Result<()> {
        self.perform("taskset --cpu-list 0 true").map(drop)
    }

    pub(super) fn turn(&mut self, detents: i32) -> Result<()> {
        for (line, level) in plan_turn(detents) {
            self.machine()?.lines.set(line, level)?;
            self.settle()?;
        }
        let count = configuration::ITEMS.len();
        let moved = usize::try_from(detents.rem_euclid(i32::try_from(count)?))?;
        self.item = (self.item + moved) % count;
        Ok(())
    }

    /// The button to press next, with its line.
    fn next_press(&mut self) -> (Press, u8) {
        let (button, line) = BUTTONS[self.pressed % BUTTONS.len()];
        self.pressed += 1;
        let what = (button.to_owned(), configuration::ITEMS[self.item].to_owned());
        (Press { what, is_acknowledged: false }, line)
    }

    /// Presses the next button, and waits until the device says that it is recorded.
    pub(super) fn press_and_wait(&mut self) -> Result<()> {
        let before = self.report()?.context("the device does not answer")?.events;
        let (press, line) = self.next_press();
        self.presses.push(press);
        self.machine()?.lines.move_contact(line, true)?;
        self.settle()?;
        self.await_report("record a press", LIMIT_FOR, |report| (report.events > before).then_some(()))?;
        if let Some(last) = self.presses.last_mut() {
            last.is_acknowledged = true;
        }
        self.machine()?.lines.move_contact(line, false)?;
        self.settle()
    }

    /// What the device recorded, by its own list.
    pub(super) fn events(&mut self) -> Result<Vec<Found>> {
        parse_events(&self.perform("punchcard events --json")?)
    }

    /// What is in the sheet.
    pub(super) fn rows(&self) -> Result<Vec<Found>> {
        let rows = self.trial.stand_in.rows(configuration::SPREADSHEET, configuration::TAB)?;
        // The titles come first.
        rows.into_iter().skip(1).map(parse_row).collect()
    }

    /// Waits until everything is delivered, and compares what was pressed with the device's list, and that with the sheet.
    pub(super) fn compare(&mut self) -> Result<String> {
        self.await_report("deliver everything", DELIVERY_LIMIT_FOR, |report| report.is_idle().then_some(()))?;
        let (events, rows) = (self.events()?, self.rows()?);
        let comparison = compare(&self.presses, &events);
        ensure!(
            comparison.lost + comparison.doubled == 0,
            "{} lost and {} doubled in the ledger: pressed {:?}, recorded {events:?}",
            comparison.lost,
            comparison.doubled,
            self.presses
        );
        ensure!(rows == events, "the sheet has {rows:?}, and the ledger {events:?}");
        let found = format!("{} presses, {} recorded, {} rows", self.presses.len(), events.len(), rows.len());
        // What was neither acknowledged nor recorded never becomes anything.
        self.presses = events.into_iter().map(|what| Press { what, is_acknowledged: true }).collect();
        Ok(found)
    }

    /// Takes a picture of what the chip shows, once that is what the program says that it shows.
    pub(super) fn picture(&mut self, name: &str) -> Result<String> {
        let script = format!(
            "rm -f /tmp/said.png /tmp/shown.png; punchcard panel --png /tmp/said.png --scale 6 && \
             {INSIDE}/virtual-pi panel --png /tmp/shown.png && cmp /tmp/said.png /tmp/shown.png"
        );
        let mut last = String::new();
        let shown = patience::until("the chip", "show what the program says", PANEL_LIMIT_FOR, || {
            let answer = self.machine()?.agent.run(&script)?;
            last = format!("{}{}", answer.stdout, answer.stderr);
            Ok((answer.status == Some(0)).then_some(answer.stdout))
        });
        let shown = shown.with_context(|| last)?;
        let seen: Seen = serde_json::from_str(&shown).context("what the panel shows is not told")?;
        ensure!(seen.is_on, "the panel is off");
        ensure!(seen.complaints.is_empty(), "the chip was told nonsense: {}", seen.complaints.join("; "));
        ensure!(seen.rows.iter().any(|row| row.contains('#')), "the panel is dark");
        self.keep_picture(name).map(|file| file.display().to_string())
    }

    /// Keeps the picture that was last taken of the chip.
    fn keep_picture(&mut self, name: &str) -> Result<PathBuf> {
        let text = self.perform("base64 --wrap=0 /tmp/shown.png")?;
        let bytes = base64::prelude::BASE64_STANDARD.decode(text).context("the picture is not told as base64")?;
        let file = self.trial.pictures.join(format!("{name}.png"));
        std::fs::write(&file, bytes).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }

    /// What the service logged, for who wants to know why something failed.
    pub(super) fn keep_journal(&mut self) {
        let file = self.trial.setup.folder.join("journal.log");
        let kept = self.perform("journalctl --no-pager -b").and_then(|text| Ok(std::fs::write(&file, text)?));
        match kept {
            Ok(()) => println!("          what the machine logged is in {}", file.display()),
            Err(error) => println!("          what the machine logged can't be kept: {error:#}"),
        }
    }

    /// Presses without waiting, and takes the power away in the middle of that. Meanwhile it is asked what is recorded: that
    /// was, at least.
    pub(super) fn press_until_cut(&mut self, cut_after: Duration) -> Result<Vec<Found>> {
        let mut known = self.events()?;
        let mut machine = self.machine.take().context("the machine is not on")?;
        // More than there will be time for.
        let planned: Vec<(Press, u8)> = (0..100).map(|_| self.next_press()).collect();
        let is_cut = AtomicBool::new(false);
        let watch = Stopwatch::start();
        let (agent, lines, qemu) = (&mut machine.agent, &mut machine.lines, &mut machine.qemu);
        let pressed = std::thread::scope(|scope| {
            let presser = scope.spawn(|| {
                let mut pressed = Vec::new();
                for (press, line) in planned {
                    if is_cut.load(Ordering::SeqCst) {
                        break;
                    }
                    pressed.push(press);
                    match lines.press(line) {
                        Err(error) if !is_cut.load(Ordering::SeqCst) => return Err(error),
                        _ => {}
                    }
                }
                Ok(pressed)
            });
            let asked = (|| {
                while watch.elapsed() < cut_after {
                    known = parse_events(&agent.perform("punchcard events --json")?)?;
                }
                Ok(())
            })();
            is_cut.store(true, Ordering::SeqCst);
            qemu.cut_power();
            let pressed = presser.join().map_err(|_panic| anyhow!("pressing broke off"))?;
            asked.and(pressed)
        });
        self.presses.extend(pressed?);
        Ok(known)
    }
}

/// What is seen of the panel.
#[derive(serde::Deserialize)]
struct Seen {
    rows: Vec<String>,
    is_on: bool,
    complaints: Vec<String>,
}

fn parse_events(listed: &str) -> Result<Vec<Found>> {
    listed.lines().map(parse_event).collect()
}

fn parse_event(line: &str) -> Result<Found> {
    let event: serde_json::Value = serde_json::from_str(line).context("an event is no JSON")?;
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let found = text(&event["source"]).zip(text(&event["fields"]["project"]));
    found.with_context(|| format!("an event of another form: {line}"))
}

/// Of the layout `punches`: time, project, input; and the row's key, which the connector adds.
fn parse_row(row: Vec<String>) -> Result<Found> {
    match <[String; 4]>::try_from(row) {
        Ok([_, project, input, _]) => Ok((input, project)),
        Err(row) => bail!("a row of another form: {row:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_and_rows_are_read_alike() {
        let line =
            r#"{"sequence":1,"id":"01J","source":"one","kind":"punch","fields":{"project":"Garden"},"status":[]}"#;
        let found = ("one".to_owned(), "Garden".to_owned());
        assert_eq!(parse_event(line).expect("an event"), found);
        let row = ["2026-11-29 13:00:00", "Garden", "one", "01J/0"].map(str::to_owned).to_vec();
        assert_eq!(parse_row(row).expect("a row"), found);
        assert!(parse_event("{}").is_err() && parse_row(vec![String::new()]).is_err());
    }
}
