//! The machine: QEMU as a process, with a serial console that goes to a file, and sockets to speak with the machine, to
//! move its lines, and to ask of what it is made.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use wait_timeout::ChildExt as _;

use super::agent::Agent;
use super::image::PORT;
use super::line::Lines;
use super::monitor::{self, Monitor};
use super::root::Parts;
use crate::stopwatch::Stopwatch;
use crate::{patience, process};

/// From the start until the machine does what it is asked for.
const BOOT_LIMIT_FOR: Duration = Duration::from_mins(8);
/// For the machine to turn itself off.
const OFF_LIMIT_FOR: Duration = Duration::from_mins(3);

/// The network as the machine sees it: itself, and the stand-in for Google. There is no way to anything else.
pub(super) const ADDRESS: &str = "10.0.2.15/24";
pub(super) const STAND_IN_ADDRESS: &str = "10.0.2.100";
pub(super) const STAND_IN_PORT: u16 = 8085;

/// What a machine is started from.
pub(super) struct Setup<'a> {
    pub(super) parts: &'a Parts,
    pub(super) initial: &'a Path,
    pub(super) disk: &'a Path,
    /// For sockets and the console's log.
    pub(super) folder: &'a Path,
    /// Where the stand-in listens on this machine, as `127.0.0.1:8085`.
    pub(super) stand_in: &'a str,
}

/// A machine that is on. It is killed with this value.
pub(super) struct Machine {
    pub(super) qemu: Qemu,
    pub(super) agent: Agent,
    pub(super) lines: Lines,
    pub(super) monitor: Monitor,
    /// From the start until services run and the machine does what it is asked for.
    pub(super) booted_for: Duration,
}

impl Setup<'_> {
    /// Turns a machine on, and waits until its services run.
    pub(super) fn start(&self) -> Result<Machine> {
        let watch = Stopwatch::start();
        let [agent, lines, monitor] = ["agent", "lines", "monitor"].map(|name| self.folder.join(name));
        for socket in [&agent, &lines, &monitor] {
            if socket.exists() {
                std::fs::remove_file(socket).with_context(|| format!("cannot remove {}", socket.display()))?;
            }
        }
        let mut command = self.command(&agent, &lines, &monitor)?;
        let mut qemu =
            Qemu(command.spawn().with_context(|| format!("cannot start `{}`", process::render_command(&command)))?);
        let mut monitor = Monitor::take(connect(&monitor)?)?;
        let lines = Lines::take(connect(&lines)?, &monitor.find_controller()?)?;
        let mut agent = Agent::new(connect(&agent)?)?;
        patience::until("the machine", "start", BOOT_LIMIT_FOR, || {
            if let Some(status) = qemu.0.try_wait().context("cannot look after QEMU")? {
                bail!("QEMU ended with {status}; {} says more", self.folder.join("qemu.log").display());
            }
            Ok(agent.is_there()?.then_some(()))
        })
        .with_context(|| format!("what it said is in {}", self.folder.join("console.log").display()))?;
        agent.perform("systemctl is-system-running --wait || true")?;
        Ok(Machine { qemu, agent, lines, monitor, booted_for: watch.elapsed() })
    }

    fn command(&self, agent: &Path, lines: &Path, monitor: &Path) -> Result<Command> {
        let relay = std::env::current_exe().context("this program does not know where it is")?;
        let log = process::log_file(&self.folder.join("qemu.log"))?;
        // It ends with this program, however that ends.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "qemu-system-aarch64"]);
        command.args(["-accel", "tcg,thread=multi", "-M", "virt,gic-version=2", "-cpu", "cortex-a72", "-smp", "2"]);
        // `panic=-1`, or a panic waits for the time limit.
        command.args(["-m", "1024", "-display", "none", "-no-reboot", "-kernel"]).arg(&self.parts.kernel);
        command.arg("-initrd").arg(self.initial);
        // A Pi has no clock that goes on while it is off, so this one's is not found. Nobody signs in on the console.
        command.args(["-append", "root=/dev/vda rw console=ttyAMA0 quiet panic=-1 net.ifnames=0 initcall_blacklist=pl031_driver_init systemd.mask=serial-getty@ttyAMA0.service"]);
        // As a card does it: what the machine has flushed is there after a power cut, and nothing is sure of the rest.
        // Where this machine's own disk is full it hears of that, and does not stand still.
        command
            .arg("-drive")
            .arg(format!("file={},format=raw,if=virtio,cache=writethrough,werror=report", self.disk.display()));
        command.arg("-serial").arg(format!("file:{}", self.folder.join("console.log").display()));
        command.arg("-netdev").arg(format!(
            "user,id=net,restrict=on,guestfwd=tcp:{STAND_IN_ADDRESS}:{STAND_IN_PORT}-cmd:'{}' relay {}",
            relay.display(),
            self.stand_in
        ));
        command.args(["-device", "virtio-net-pci,netdev=net,romfile="]);
        // For what is plugged in later.
        command.args(["-device", "qemu-xhci,id=usb"]);
        command.args(["-device", "virtio-serial-pci", "-device"]);
        command.arg(format!("virtserialport,chardev=agent,name={PORT}"));
        command.arg("-chardev").arg(format!("socket,id=agent,path={},server=on,wait=off", agent.display()));
        command.arg("-qtest").arg(format!("unix:{},server=on,wait=off", lines.display()));
        command.args(["-qtest-log", "/dev/null"]);
        command.arg("-monitor").arg(format!("unix:{},server=on,wait=off", monitor.display()));
        command.stdin(Stdio::null()).stdout(log.try_clone().context("cannot share a log")?).stderr(log);
        Ok(command)
    }
}

/// The process. It is killed with this value.
pub(super) struct Qemu(Child);

impl Qemu {
    /// Takes the machine's power away: nothing in it hears of that, and QEMU does nothing any more.
    pub(super) fn cut_power(&mut self) {
        // One that has ended was waited for, and can't be killed.
        if matches!(self.0.try_wait(), Ok(Some(_))) {
            return;
        }
        if let Err(error) = self.0.kill().and_then(|()| self.0.wait().map(drop)) {
            eprintln!("QEMU could not be ended: {error}");
        }
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        self.cut_power();
    }
}

impl Machine {
    /// Turns it off as a person would who has time.
    pub(super) fn turn_off(mut self) -> Result<()> {
        self.agent.perform("systemctl poweroff --no-block")?;
        match self.qemu.0.wait_timeout(OFF_LIMIT_FOR).context("cannot wait for QEMU")? {
            Some(_) => Ok(()),
            None => bail!("the machine does not turn itself off within {} s", OFF_LIMIT_FOR.as_secs()),
        }
    }
}

/// Waits until QEMU has made a socket.
fn connect(socket: &Path) -> Result<UnixStream> {
    patience::until("QEMU", "open its sockets", monitor::LIMIT_FOR, || Ok(UnixStream::connect(socket).ok()))
}
