//! The machine in use: what a person does with it, what it says of itself, and what is seen of it from outside.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use base64::Engine as _;
use serde_json::Value;

use super::configuration::{self, Addition, PUNCH, PUNCHES, Sheet};
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

/// Where the machine's device has its configuration, and the secret of its client.
const CONFIGURATION: &str = "/etc/punchcard/plugins.toml";
pub(super) const SECRET: &str = "/etc/punchcard/client-secret";

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
    /// Keys of rows of presses that a ledger which was put back does not know of.
    foreign: BTreeSet<String>,
}

impl<'t> Pi<'t> {
    pub(super) fn new(machine: Machine, trial: &'t Trial<'t>) -> Self {
        Self { machine: Some(machine), trial, presses: Vec::new(), pressed: 0, item: 0, foreign: BTreeSet::new() }
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

    /// Gives the device the secret of its client, and its configuration, as a person writes files.
    pub(super) fn write_configuration(&mut self, additions: &[Addition]) -> Result<()> {
        let agent = &mut self.machine()?.agent;
        // The secret first, which the other one names.
        agent.write(SECRET, "0640 -g punchcard", configuration::CLIENT_SECRET)?;
        agent.write(CONFIGURATION, "0640 -g punchcard", &configuration::render(additions))
    }

    /// Gives the device another configuration, and waits until that is in use.
    pub(super) fn configure(&mut self, additions: &[Addition]) -> Result<()> {
        self.write_configuration(additions)?;
        self.perform("punchcard reload")?;
        self.await_use(LIMIT_FOR).map(drop)
    }

    /// Waits until the device is signed in and nothing is wrong with it. For how long that was.
    pub(super) fn await_use(&mut self, limit_for: Duration) -> Result<Duration> {
        let watch = Stopwatch::start();
        self.await_report("be in use", limit_for, |report| {
            (report.is_authorized() && report.faults().is_empty()).then_some(())
        })?;
        Ok(watch.elapsed())
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
    pub(super) fn settle(&mut self) -> Result<()> {
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
        let (press, line) = self.next_press();
        self.presses.push(press);
        self.press_line(line)?;
        if let Some(last) = self.presses.last_mut() {
            last.is_acknowledged = true;
        }
        Ok(())
    }

    /// Presses the button of a line until the device has recorded something, and lets it go.
    pub(super) fn press_line(&mut self, line: u8) -> Result<()> {
        let before = self.report()?.context("the device does not answer")?.events;
        self.machine()?.lines.move_contact(line, true)?;
        self.settle()?;
        let recorded = self.await_report("record a press", LIMIT_FOR, |report| (report.events > before).then_some(()));
        recorded.inspect_err(|_| self.keep_journal())?;
        self.machine()?.lines.move_contact(line, false)?;
        self.settle()
    }

    /// All that the device recorded, by its own list.
    pub(super) fn list(&mut self) -> Result<Vec<Value>> {
        parse_list(&self.perform("punchcard events --json")?)
    }

    /// The presses of it.
    pub(super) fn events(&mut self) -> Result<Vec<Found>> {
        find_presses(&self.list()?)
    }

    /// The rows of a sheet, without its titles.
    pub(super) fn sheet(&self, sheet: Sheet) -> Result<Vec<Vec<String>>> {
        let rows = self.trial.stand_in.rows(sheet.spreadsheet, sheet.tab)?;
        Ok(rows.into_iter().skip(1).collect())
    }

    /// Waits until a sheet has so many rows.
    pub(super) fn await_rows(&self, sheet: Sheet, count: usize) -> Result<Vec<Vec<String>>> {
        let what = format!("have {count} rows in {}", sheet.spreadsheet);
        patience::until("the sheet", &what, DELIVERY_LIMIT_FOR, || {
            let rows = self.sheet(sheet)?;
            Ok((rows.len() >= count).then_some(rows))
        })
    }

    /// The rows of presses of which the ledger may know, each with its key.
    pub(super) fn keyed_rows(&self) -> Result<Vec<(String, Found)>> {
        let rows = self.sheet(PUNCHES)?.into_iter().map(parse_row).collect::<Result<Vec<_>>>()?;
        Ok(rows.into_iter().filter(|(key, _)| !self.foreign.contains(key)).collect())
    }

    /// What is in the sheet.
    pub(super) fn rows(&self) -> Result<Vec<Found>> {
        Ok(self.keyed_rows()?.into_iter().map(|(_, found)| found).collect())
    }

    /// Forgets the last press, whose ledger is put back, and its row, which stays.
    pub(super) fn disown_last_press(&mut self) -> Result<()> {
        self.presses.pop();
        let last = self.keyed_rows()?.pop();
        self.foreign.extend(last.map(|(key, _)| key));
        Ok(())
    }

    /// Waits until nothing waits on its way to a sheet.
    pub(super) fn await_delivery(&mut self) -> Result<()> {
        self.await_report("deliver everything", DELIVERY_LIMIT_FOR, |report| report.is_idle().then_some(()))
    }

    /// Waits until everything is delivered, and compares what was pressed with the device's list, and that with the sheet.
    pub(super) fn compare(&mut self) -> Result<String> {
        self.await_delivery()?;
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
    pub(super) fn keep_picture(&mut self, name: &str) -> Result<PathBuf> {
        let text = self.perform("base64 --wrap=0 /tmp/shown.png")?;
        let bytes = base64::prelude::BASE64_STANDARD.decode(text).context("the picture is not told as base64")?;
        let file = self.trial.pictures.join(format!("{name}.png"));
        std::fs::write(&file, bytes).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }

    /// What the machine logged, and how its lines stand, for who wants to know why something failed.
    pub(super) fn keep_journal(&mut self) {
        let file = self.trial.setup.folder.join("journal.log");
        let script = "journalctl --no-pager -b; cat /proc/interrupts; punchcard status; \
                      for task in /proc/$(pidof punchcard | cut -d' ' -f1)/task/*; do cat $task/comm $task/stack; done; \
                      for fd in /proc/$(pidof punchcard | cut -d' ' -f1)/fd/*; do echo $fd $(readlink $fd); done; \
                      grep -H tfd /proc/$(pidof punchcard | cut -d' ' -f1)/fdinfo/*; \
                      for task in /proc/[0-9]*; do case $(cat $task/comm) in irq*) cat $task/comm $task/stack;; esac; done; \
                      mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug; \
                      cat /sys/kernel/debug/gpio";
        let kept = self.perform(script).and_then(|text| Ok(std::fs::write(&file, text)?));
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
                    known = find_presses(&parse_list(&agent.perform("punchcard events --json")?)?)?;
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

fn parse_list(listed: &str) -> Result<Vec<Value>> {
    listed.lines().map(|line| serde_json::from_str(line).context("an event is no JSON")).collect()
}

/// Events of other kinds are passed over.
fn find_presses(listed: &[Value]) -> Result<Vec<Found>> {
    listed.iter().filter(|event| event["kind"] == PUNCH).map(parse_press).collect()
}

fn parse_press(event: &Value) -> Result<Found> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let found = text(&event["source"]).zip(text(&event["fields"]["project"]));
    found.with_context(|| format!("an event of another form: {event}"))
}

/// Of the layout `punches`: time, project, input; and the row's key, which the connector adds.
fn parse_row(row: Vec<String>) -> Result<(String, Found)> {
    match <[String; 4]>::try_from(row) {
        Ok([_, project, input, key]) => Ok((key, (input, project))),
        Err(row) => bail!("a row of another form: {row:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_and_rows_are_read_alike() {
        let listed = parse_list(
            r#"{"sequence":1,"id":"01J","source":"one","kind":"punch","fields":{"project":"Garden"},"statuses":[]}
{"sequence":2,"id":"01K","source":"climate","kind":"reading","fields":{"temperature":25.08},"statuses":[]}"#,
        );
        let found = ("one".to_owned(), "Garden".to_owned());
        assert_eq!(find_presses(&listed.expect("a list")).expect("presses"), std::slice::from_ref(&found));
        let row = ["2026-11-29 13:00:00", "Garden", "one", "01J/0"].map(str::to_owned).to_vec();
        assert_eq!(parse_row(row).expect("a row"), ("01J/0".to_owned(), found));
        assert!(parse_press(&Value::Null).is_err() && parse_row(vec![String::new()]).is_err());
        assert!(parse_list("nonsense").is_err());
    }
}
