//! What is tried on the machine, in the order of a device's life: installed, signed in, used, unplugged, looked after, cut off
//! from its power, upgraded, removed.

mod installation;

mod input;

mod bus;

mod badge;

mod service;

mod checkup;

mod backup;

mod confinement;

mod figure;

mod power;

mod upgrade;

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use super::check::Checks;
use super::device::Pi;
use super::image::INSIDE;
use super::machine::{Machine, Setup};
use crate::stand_in::StandIn;
use crate::stopwatch::Stopwatch;

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
    /// A sensor on the bus.
    Sensor,
    /// A reader that types badges.
    Badge,
    /// What systemd sees of the service, and gives it.
    Service,
    /// `doctor` and `support-bundle`.
    Doctor,
    /// A backup, and going on with it.
    Backup,
    /// How exposed the service is, and what it does within its bounds.
    Harden,
    /// The service without executable memory.
    Pulley,
    /// How much memory the service takes, and how fast the knob may be turned.
    Figures,
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
            Self::Sensor => "reading a sensor",
            Self::Badge => "reading badges",
            Self::Service => "looking at it as systemd does",
            Self::Doctor => "asking what is wrong",
            Self::Backup => "backing it up and restoring it",
            Self::Harden => "hardening",
            Self::Pulley => "interpreting its plugins",
            Self::Figures => "measuring",
            Self::Power => "cutting the power",
            Self::Upgrade => "upgrading and removing it",
        }
    }

    fn try_out(self, pi: &mut Pi<'_>, checks: &mut Checks) -> Result<()> {
        if self != Self::Press {
            // The first part tries what comes before that.
            pi.connect()?;
        }
        match self {
            Self::Press => input::press(pi, checks),
            Self::Unplug => bus::unplug(pi, checks),
            Self::Sensor => bus::read_sensor(pi, checks),
            Self::Badge => badge::read(pi, checks),
            Self::Service => service::look(pi, checks),
            Self::Doctor => checkup::ask(pi, checks),
            Self::Backup => backup::restore(pi, checks),
            Self::Harden => confinement::harden(pi, checks),
            Self::Pulley => confinement::interpret(pi, checks),
            Self::Figures => figure::measure(pi, checks),
            Self::Power => power::cut(pi, checks),
            Self::Upgrade => upgrade::upgrade(pi, checks),
        }
    }
}

fn begin(pi: &mut Pi<'_>, checks: &mut Checks) -> Result<()> {
    println!("installing it");
    installation::install(pi, checks)?;
    println!("signing in");
    installation::sign_in(pi, checks)
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
                let watch = Stopwatch::start();
                let tried = part.try_out(&mut pi, &mut checks);
                let tried = tried.inspect_err(|_| pi.keep_journal());
                checks.note_failure(part.name(), tried);
                println!("          {:.0} s", watch.elapsed().as_secs_f64());
            }
        }
        println!("turning it off");
        let watch = Stopwatch::start();
        let machine = pi.machine.take().context("it is not on")?;
        let off = Machine::turn_off(machine).map(|()| format!("after {:.1} s", watch.elapsed().as_secs_f64()));
        checks.note("the machine turns itself off", off);
        Ok(())
    };
    let ran = run();
    checks.note_failure("the machine", ran);
    checks
}

/// Where an administrator puts what changes the unit.
const DROP_INS: &str = "/etc/systemd/system/punchcard.service.d";

/// There is no way to a mirror: all that the package depends on is there. A person has changed the configuration, and keeps it.
fn install_script(name: &str) -> String {
    format!("DEBIAN_FRONTEND=noninteractive apt-get -o Dpkg::Options::=--force-confold -y install {INSIDE}/{name} 2>&1")
}

fn file_name(path: &Path) -> Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).with_context(|| format!("{} has no name", path.display()))
}

/// What a command found, as it must be; anything else fails.
fn must_be(found: Result<String>, expected: &str) -> Result<String> {
    match found? {
        found if found == expected => Ok(found),
        found => bail!("`{found}`, where `{expected}` was expected"),
    }
}
