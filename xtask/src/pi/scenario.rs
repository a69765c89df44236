//! What is tried on the machine, in the order of a device's life: installed, signed in, used, unplugged, cut off from its
//! power, upgraded, removed.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use base64::Engine as _;
use clap::ValueEnum;

use super::check::Checks;
use super::configuration;
use super::image::INSIDE;
use super::line::{BUTTONS, plan_turn};
use super::machine::{ADDRESS, Machine, STAND_IN_ADDRESS, Setup};
use super::press::{Found, Press, compare};
use crate::report::Report;
use crate::stand_in::StandIn;
use crate::stopwatch::Stopwatch;
use crate::{patience, process};

/// For the device to do what takes a Pi a moment, under emulation.
const LIMIT_FOR: Duration = Duration::from_mins(3);
/// For it to compile all of its plugins.
const COMPILE_LIMIT_FOR: Duration = Duration::from_mins(8);
/// For rows to arrive. The stand-in's quota may make a batch wait for a minute.
const DELIVERY_LIMIT_FOR: Duration = Duration::from_mins(4);
/// A panel that was plugged in again shows its picture within so long: the longest pause between two tries is 8 s.
const PANEL_LIMIT_FOR: Duration = Duration::from_secs(60);

/// How exposed the service may be, as `systemd-analyze security` of systemd 257 measures it.
const EXPOSURE_LIMIT: f64 = 1.8;

/// After how many ms of pressing without a pause the power is cut, once for each.
const CUTS_AFTER_MS: [u64; 3] = [900, 2_300, 3_700];

/// What is tried, and with what.
pub(super) struct Trial<'a> {
    pub(super) setup: Setup<'a>,
    pub(super) stand_in: &'a StandIn,
    /// The package, and a later one.
    pub(super) package: &'a Path,
    pub(super) next_package: &'a Path,
    /// Only these; all where none is named.
    pub(super) parts: &'a [Part],
    /// For pictures of the panel.
    pub(super) pictures: &'a Path,
}

/// What can be tried alone, once it is installed and signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Buttons and the knob, before the time is known and after.
    Press,
    /// The I2C bus goes and comes.
    Unplug,
    /// How exposed the service is, and what it does within its bounds.
    Harden,
    /// Power cuts.
    Power,
    /// A later version, removing, installing again, purging.
    Upgrade,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Press => "pressing and turning",
            Self::Unplug => "unplugging the bus",
            Self::Harden => "hardening",
            Self::Power => "cutting the power",
            Self::Upgrade => "upgrading and removing it",
        }
    }

    fn try_out(self, pi: &mut Pi<'_>, checks: &mut Checks) -> Result<()> {
        if self == Self::Press {
            return press(pi, checks);
        }
        pi.connect()?;
        match self {
            Self::Press => Ok(()),
            Self::Unplug => unplug(pi, checks),
            Self::Harden => harden(pi, checks),
            Self::Power => cut_power(pi, checks),
            Self::Upgrade => upgrade(pi, checks),
        }
    }
}

fn begin(pi: &mut Pi<'_>, checks: &mut Checks) -> Result<()> {
    println!("installing it");
    install(pi, checks)?;
    println!("signing in");
    sign_in(pi, checks)
}

/// Tries everything. What could not be tried has failed.
pub(super) fn run(trial: &Trial<'_>) -> Checks {
    let mut checks = Checks::default();
    let mut run = || -> Result<()> {
        let machine = trial.setup.start()?;
        checks.note("the machine starts", Ok(format!("services after {:.1} s", machine.booted_for.as_secs_f64())));
        let mut pi = Pi { machine: Some(machine), trial, presses: Vec::new(), pressed: 0, item: 0 };
        // Without these there is nothing to try.
        let begun = begin(&mut pi, &mut checks);
        let begun = begun.inspect_err(|_| pi.keep_journal());
        if checks.note_failure("the beginning", begun) {
            let wanted = |part: &&Part| trial.parts.is_empty() || trial.parts.contains(part);
            for part in Part::value_variants().iter().filter(wanted) {
                println!("{}", part.name());
                let tried = part.try_out(&mut pi, &mut checks);
                let tried = tried.inspect_err(|_| pi.keep_journal());
                checks.note_failure(part.name(), tried);
            }
        }
        println!("turning it off");
        let watch = Stopwatch::start();
        let machine = pi.machine.take().context("it is not on");
        let off = machine.and_then(Machine::turn_off).map(|()| format!("after {:.1} s", watch.elapsed().as_secs_f64()));
        checks.note("the machine turns itself off", off);
        Ok(())
    };
    let ran = run();
    checks.note_failure("the machine", ran);
    checks
}

/// The machine in use.
struct Pi<'t> {
    /// None: its power was cut, and it did not start again.
    machine: Option<Machine>,
    trial: &'t Trial<'t>,
    /// What may be recorded.
    presses: Vec<Press>,
    /// How often a button was pressed.
    pressed: usize,
    /// Where the knob stands.
    item: usize,
}

impl Pi<'_> {
    fn machine(&mut self) -> Result<&mut Machine> {
        self.machine.as_mut().context("the machine is not on")
    }

    fn perform(&mut self, script: &str) -> Result<String> {
        self.machine()?.agent.perform(script)
    }

    /// Connects it with the network, and has a time server there set its clock.
    fn connect(&mut self) -> Result<()> {
        self.perform(&format!("ip address add {ADDRESS} dev eth0; ip link set eth0 up"))?;
        let now = process::answer(std::process::Command::new("date").arg("+%s"))?;
        self.perform(&format!("date --set @{now} && {INSIDE}/virtual-pi synchronise")).map(drop)
    }

    /// What the device says of itself; none where it does not answer.
    fn report(&mut self) -> Result<Option<Report>> {
        let answer = self.machine()?.agent.run("punchcard status --json")?;
        if answer.status != Some(0) {
            return Ok(None);
        }
        let report = serde_json::from_str(&answer.stdout);
        report.with_context(|| format!("the device reports something else: {}", answer.stdout)).map(Some)
    }

    fn await_report<T>(&mut self, what: &str, limit_for: Duration, look: impl Fn(&Report) -> Option<T>) -> Result<T> {
        let mut last = None;
        let found = patience::until("the device", what, limit_for, || {
            last = self.report()?;
            Ok(last.as_ref().and_then(&look))
        });
        found.with_context(|| format!("the last that `status` told was {last:?}"))
    }

    /// Waits until nothing is wrong with the device, its inputs and its plugins.
    fn await_health(&mut self) -> Result<()> {
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

    fn turn(&mut self, detents: i32) -> Result<()> {
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
    fn press_and_wait(&mut self) -> Result<()> {
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
    fn events(&mut self) -> Result<Vec<Found>> {
        parse_events(&self.perform("punchcard events --json")?)
    }

    /// What is in the sheet.
    fn rows(&self) -> Result<Vec<Found>> {
        let rows = self.trial.stand_in.rows(configuration::SPREADSHEET, configuration::TAB)?;
        // The titles come first.
        rows.into_iter().skip(1).map(parse_row).collect()
    }

    /// Waits until everything is delivered, and compares what was pressed with the device's list, and that with the sheet.
    fn compare(&mut self) -> Result<String> {
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
    fn picture(&mut self, name: &str) -> Result<String> {
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
    fn keep_journal(&mut self) {
        let file = self.trial.setup.folder.join("journal.log");
        let kept = self.perform("journalctl --no-pager -b").and_then(|text| Ok(std::fs::write(&file, text)?));
        match kept {
            Ok(()) => println!("          what the machine logged is in {}", file.display()),
            Err(error) => println!("          what the machine logged can't be kept: {error:#}"),
        }
    }

    /// Presses without waiting, and takes the power away in the middle of that. Meanwhile it is asked what is recorded: that
    /// was, at least.
    fn press_until_cut(&mut self, cut_after: Duration) -> Result<Vec<Found>> {
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

fn install(pi: &mut Pi<'_>, checks: &mut Checks) -> Result<()> {
    let bytes = std::fs::metadata(pi.trial.package).context("there is no package")?.len();
    let size = format!("{:.1} MB", bytes as f64 / 1e6);
    let is_small = bytes <= crate::dist::SIZE_LIMIT;
    checks.note("the package is small", if is_small { Ok(size) } else { bail_with(size) });

    let watch = Stopwatch::start();
    let name = file_name(pi.trial.package)?;
    pi.perform(&install_script(&name))?;
    checks.note("apt installs it", Ok(format!("in {:.1} s", watch.elapsed().as_secs_f64())));
    let active = pi.perform("systemctl is-active punchcard").and_then(|_| pi.perform("punchcard status"));
    checks.note("the service runs and answers", active.map(|_| ""));
    let modes = pi.perform("stat --format '%n %U:%G %a' /dev/gpiochip0 /dev/i2c-0").and_then(|found| {
        let expected = "/dev/gpiochip0 root:gpio 660\n/dev/i2c-0 root:i2c 660";
        ensure!(found == expected, "{found}");
        Ok(found.replace('\n', ", "))
    });
    checks.note("lines and buses belong to their groups", modes);
    let quiet = pi.perform("punchcard check").map(|_| "");
    checks.note("what it comes with is a valid configuration", quiet);

    let name = configuration::STAND_IN;
    pi.perform(&format!("echo '{STAND_IN_ADDRESS} {name}' >> /etc/hosts"))?;
    // What a person does: the secret first, then the file that names it.
    let agent = &mut pi.machine()?.agent;
    agent.write("/etc/punchcard/client-secret", "0640 -g punchcard", configuration::CLIENT_SECRET)?;
    agent.write("/etc/punchcard/plugins.toml", "0640 -g punchcard", &configuration::render())?;
    let checked = pi.perform("punchcard check").map(|_| "");
    checks.note("a configuration for this machine is valid", checked);
    let devices = pi.await_report("take up another configuration", LIMIT_FOR, |report| {
        (report.is_in_use() && report.faults().is_empty()).then_some("")
    });
    checks.note("panel, buttons and knob are taken up without a restart", devices);
    Ok(())
}

fn bail_with(found: String) -> Result<String> {
    bail!(found)
}

/// There is no way to a mirror: all that the package depends on is there. A person has changed the configuration, and keeps it.
fn install_script(name: &str) -> String {
    format!("DEBIAN_FRONTEND=noninteractive apt-get -o Dpkg::Options::=--force-confold -y install {INSIDE}/{name} 2>&1")
}

fn file_name(path: &Path) -> Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).with_context(|| format!("{} has no name", path.display()))
}

fn sign_in(pi: &mut Pi<'_>, checks: &mut Checks) -> Result<()> {
    pi.perform(&format!("ip address add {ADDRESS} dev eth0; ip link set eth0 up"))?;
    let prompt = pi.await_report("show a code", LIMIT_FOR, Report::prompt)?;
    let picture = pi.picture("sign-in");
    checks.note("the panel shows a code to a person", picture);
    pi.trial.stand_in.allow(&prompt.user_code)?;
    let signed_in =
        pi.await_report("find that it is signed in", LIMIT_FOR, |report| report.is_authorized().then_some(""));
    checks.note("it is signed in", signed_in);
    Ok(())
}

fn press(pi: &mut Pi<'_>, checks: &mut Checks) -> Result<()> {
    let unknown = pi.report()?.is_some_and(|report| !report.clock_known);
    pi.press_and_wait()?;
    let before = pi.rows()?.len();
    let outcome = if unknown && before == 0 { Ok("") } else { Err(anyhow!("it believes a clock that nobody set")) };
    checks.note("a press is recorded before the time is known, and its row waits", outcome);
    pi.connect()?;
    let known = pi.await_report("learn the time", LIMIT_FOR, |report| report.clock_known.then_some(""));
    checks.note("it asks the kernel and learns that the time is right", known);

    for detents in [1, 1, -1, 3, 2] {
        pi.turn(detents)?;
        pi.press_and_wait()?;
    }
    let compared = pi.compare();
    checks.note("each press is one row, with what the knob stood at, however the contacts bounce", compared);
    let picture = pi.picture("recorded");
    checks.note("the panel shows what the program says", picture);
    Ok(())
}

fn unplug(pi: &mut Pi<'_>, checks: &mut Checks) -> Result<()> {
    pi.perform("systemctl stop virtual-pi-bus")?;
    let said = pi.await_report("miss its panel", LIMIT_FOR, |report| {
        report.faults().into_iter().find(|fault| fault.starts_with("panel"))
    });
    checks.note("a bus that is unplugged is said", said);
    pi.press_and_wait()?;
    checks.note("presses are recorded meanwhile", Ok(""));
    pi.perform("systemctl start virtual-pi-bus")?;
    let watch = Stopwatch::start();
    let back = pi.picture("plugged-in-again");
    let back = back.map(|_| format!("after {:.1} s", watch.elapsed().as_secs_f64()));
    checks.note("plugged in again, the panel shows its picture without a restart", back);
    let well = pi.await_health().map(|()| "");
    checks.note("nothing is wrong any more", well);
    Ok(())
}

fn harden(pi: &mut Pi<'_>, checks: &mut Checks) -> Result<()> {
    let exposure = pi.perform("systemd-analyze security --no-pager punchcard.service | tail -n 1").and_then(|line| {
        let found = parse_exposure(&line).with_context(|| format!("systemd says `{line}`"))?;
        ensure!(found <= EXPOSURE_LIMIT, "{found}, and at most {EXPOSURE_LIMIT} was to be");
        Ok(found)
    });
    checks.note("how exposed the service is", exposure);
    // Everything so far was inside the unit already, but for the plugins: they were compiled when it was installed.
    pi.perform("systemctl stop punchcard && rm -rf /var/lib/punchcard/cache && systemctl start punchcard")?;
    let watch = Stopwatch::start();
    let well = pi.await_report("compile its plugins", COMPILE_LIMIT_FOR, |report| {
        (report.is_authorized() && report.faults().is_empty()).then_some(())
    });
    let compiled = well.and_then(|()| pi.perform("find /var/lib/punchcard/cache -type f | grep -c ."));
    let compiled = compiled.map(|files| format!("{files} files after {:.1} s", watch.elapsed().as_secs_f64()));
    checks.note("plugins are compiled and run inside the unit", compiled);
    pi.press_and_wait()?;
    let compared = pi.compare();
    checks.note("a press after that is one row", compared);
    let refused = pi
        .perform("! journalctl --no-pager -u punchcard | grep -i -E 'not permitted|permission denied|panicked|SIGSYS'");
    checks.note("the unit refuses the program nothing that it wants", refused.map(|_| ""));
    Ok(())
}

/// The number in `→ Overall exposure level for punchcard.service: 1.8 OK 🙂`.
fn parse_exposure(line: &str) -> Option<f64> {
    line.rsplit_once(": ")?.1.split_whitespace().next()?.parse().ok()
}

fn cut_power(pi: &mut Pi<'_>, checks: &mut Checks) -> Result<()> {
    for (number, after_ms) in (1..).zip(CUTS_AFTER_MS) {
        let known = pi.press_until_cut(Duration::from_millis(after_ms))?;
        let machine = pi.trial.setup.start()?;
        let booted_for = machine.booted_for;
        pi.machine = Some(machine);
        let well = pi.await_report("start again", LIMIT_FOR, |report| report.faults().is_empty().then_some(()));
        let kept = well.and_then(|()| {
            let events = pi.events()?;
            ensure!(events.starts_with(&known), "{known:?} was recorded before, and now {events:?} is");
            let (before, after) = (known.len(), events.len());
            Ok(format!(
                "{before} events were seen before, {after} are there; services after {:.1} s",
                booted_for.as_secs_f64()
            ))
        });
        checks.note(&format!("after power cut {number} the device starts with all that it had"), kept);
        pi.connect()?;
        let signed_in = pi.await_report("be signed in", LIMIT_FOR, |report| report.is_authorized().then_some(""));
        checks.note("it is still signed in", signed_in);
        pi.press_and_wait()?;
        let compared = pi.compare();
        checks.note("nothing is lost and nothing doubled", compared);
    }
    let picture = pi.picture("after-power-cuts");
    checks.note("the panel shows what the program says", picture);
    Ok(())
}

fn upgrade(pi: &mut Pi<'_>, checks: &mut Checks) -> Result<()> {
    let before = pi.events()?;
    pi.perform(&install_script(&file_name(pi.trial.next_package)?))?;
    let version = pi.perform("dpkg-query --show --showformat '${Version}' punchcard");
    checks.note("apt upgrades it", version);
    let kept = pi.await_report("run on", LIMIT_FOR, |report| {
        (report.is_authorized() && report.faults().is_empty()).then_some(())
    });
    let kept = kept.and_then(|()| {
        let events = pi.events()?;
        ensure!(events == before, "before {before:?}, and now {events:?}");
        Ok(format!("{} events, signed in", events.len()))
    });
    checks.note("configuration, ledger and tokens are kept", kept);
    pi.press_and_wait()?;
    let compared = pi.compare();
    checks.note("it goes on with the same sheet", compared);

    pi.perform("DEBIAN_FRONTEND=noninteractive apt-get -y remove punchcard 2>&1")?;
    let kept = pi.perform("test -s /var/lib/punchcard/ledger.sqlite && test -s /etc/punchcard/plugins.toml");
    checks.note("removed, it leaves configuration and ledger", kept.map(|_| ""));
    pi.perform(&install_script(&file_name(pi.trial.next_package)?))?;
    let again = pi.await_report("run again", LIMIT_FOR, |report| {
        (report.is_authorized() && report.faults().is_empty()).then_some("")
    });
    checks.note("installed again, it goes on", again);
    pi.press_and_wait()?;
    let compared = pi.compare();
    checks.note("it goes on with the same sheet", compared);

    pi.perform("DEBIAN_FRONTEND=noninteractive apt-get -y purge punchcard 2>&1")?;
    let left = pi.perform(
        "find / -xdev \\( -path /proc -o -path /sys -o -path /opt -o -path /var/log -o -path /tmp \\) -prune -o \
         -name '*punchcard*' -print",
    );
    let left = left.and_then(|left| {
        ensure!(left.is_empty(), "{left}");
        Ok("")
    });
    checks.note("purged, it leaves no file", left);
    let failed = pi.perform("systemctl list-units --failed --no-legend --plain").and_then(|failed| {
        ensure!(failed.is_empty(), "{failed}");
        Ok("")
    });
    checks.note("no unit of the machine has failed", failed);
    Ok(())
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

    #[test]
    fn the_exposure_is_the_number_before_its_name() {
        assert_eq!(parse_exposure("→ Overall exposure level for punchcard.service: 1.8 OK 🙂"), Some(1.8));
        assert_eq!(parse_exposure("Unit punchcard.service not found."), None);
    }
}
