//! What is tried on the machine, in the order of a device's life: installed, signed in, used, unplugged, cut off from its
//! power, upgraded, removed.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use clap::ValueEnum;

use super::check::Checks;
use super::configuration;
use super::device::{LIMIT_FOR, Pi};
use super::image::INSIDE;
use super::machine::{ADDRESS, Machine, STAND_IN_ADDRESS, Setup};
use crate::report::Report;
use crate::stand_in::StandIn;
use crate::stopwatch::Stopwatch;

/// For it to compile all of its plugins.
const COMPILE_LIMIT_FOR: Duration = Duration::from_mins(8);

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
        let mut pi = Pi::new(machine, trial);
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
    fn the_exposure_is_the_number_before_its_name() {
        assert_eq!(parse_exposure("→ Overall exposure level for punchcard.service: 1.8 OK 🙂"), Some(1.8));
        assert_eq!(parse_exposure("Unit punchcard.service not found."), None);
    }
}
