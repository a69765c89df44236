//! The device as a program: the host, with its keys on a pipe or on the terminal.
//!
//! What it says of itself is read with its own command line, as a person would.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use wait_timeout::ChildExt as _;

use super::oled::Oled;
use crate::emulator::{self, Emulator};
use crate::patience;
use crate::process;
use crate::report::Report;

/// For a command that compiles plugins.
const COMMAND_LIMIT_FOR: Duration = Duration::from_mins(2);

/// For a question to the running host.
const ANSWER_LIMIT_FOR: Duration = Duration::from_secs(20);

/// For it to save what was pressed and to end.
const STOP_LIMIT_FOR: Duration = Duration::from_secs(20);

/// What a terminal sends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Key {
    Space,
    Right,
    /// Ctrl-C, which a terminal without its own handling sends as a character.
    Interrupt,
}

impl Key {
    fn bytes(self) -> &'static [u8] {
        match self {
            Self::Space => b" ",
            Self::Right => b"\x1b[C",
            Self::Interrupt => b"\x03",
        }
    }
}

/// What a device is started with.
pub(super) struct Start {
    /// The host.
    pub(super) program: PathBuf,
    /// What runs it, where this machine's processor does not.
    pub(super) emulator: Option<Emulator>,
    /// Its panel, where that is not drawn in the terminal.
    pub(super) oled: Option<Oled>,
    /// Its plugins.toml.
    pub(super) configuration: PathBuf,
}

/// A device that runs, or can be started. A running one is killed with this value.
pub(super) struct Device {
    start: Start,
    state: PathBuf,
    log: PathBuf,
    running: Option<Running>,
}

struct Running {
    child: Child,
    keys: ChildStdin,
}

impl Device {
    /// One that is not running yet, with what it keeps in `folder`.
    pub(super) fn new(start: Start, folder: &Path) -> Self {
        Self { start, state: folder.join("state"), log: folder.join("device.log"), running: None }
    }

    /// Where it writes what it does.
    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    fn command(&self) -> Command {
        let program = &self.start.program;
        let mut command = match &self.start.emulator {
            Some(emulator) => emulator.command(program),
            None => Command::new(program),
        };
        process::remove_variables(&mut command, process::is_left_by_cargo);
        command.arg("--config").arg(&self.start.configuration).arg("--state").arg(&self.state);
        command
    }

    fn run_command(&self) -> Command {
        let mut command = self.command();
        command.arg("run");
        if let Some(oled) = &self.start.oled {
            command.arg("--hardware").arg(oled.hardware());
        }
        command
    }

    /// So long, or as much longer as an emulated program takes.
    fn patient(&self, limit_for: Duration) -> Duration {
        if self.start.emulator.is_some() { limit_for * emulator::SLOWNESS } else { limit_for }
    }

    /// Runs it to its end, with the terminal's keys and its panel on the terminal.
    pub(super) fn run_in_terminal(&self) -> Result<ExitStatus> {
        let log = process::log_file(&self.log)?;
        let mut command = self.run_command();
        command.stderr(log);
        let mut run = || command.status().context("cannot start the device");
        match &self.start.oled {
            Some(oled) => oled.draw_during(run)?,
            None => run(),
        }
    }

    /// Starts it with its keys on a pipe.
    pub(super) fn start(&mut self) -> Result<()> {
        let log = process::log_file(&self.log)?;
        let also_log = log.try_clone().context("cannot share the device's log")?;
        let mut child = self
            .run_command()
            .stdin(Stdio::piped())
            .stdout(also_log)
            .stderr(log)
            .spawn()
            .context("cannot start the device")?;
        let keys = child.stdin.take().context("the device has no standard input")?;
        self.running = Some(Running { child, keys });
        Ok(())
    }

    /// Ends it as a person at its keyboard would: it saves what was pressed.
    pub(super) fn stop(&mut self) -> Result<()> {
        self.press(Key::Interrupt)?;
        let Some(Running { mut child, keys }) = self.running.take() else { return Ok(()) };
        drop(keys);
        let limit_for = self.patient(STOP_LIMIT_FOR);
        match child.wait_timeout(limit_for).context("cannot wait for the device")? {
            Some(status) if status.success() => Ok(()),
            Some(status) => bail!("the device ended with {status}; {} says why", self.log.display()),
            None => {
                kill(&mut child);
                bail!("the device did not end within {} s of Ctrl-C", limit_for.as_secs())
            }
        }
    }

    /// Presses a key once.
    pub(super) fn press(&mut self, key: Key) -> Result<()> {
        let running = self.running.as_mut().context("the device is not running")?;
        running.keys.write_all(key.bytes()).and_then(|()| running.keys.flush()).context("the device takes no keys")
    }

    /// Waits until its report holds what `look` looks for.
    pub(super) fn await_report<T>(
        &mut self,
        what: &str,
        limit_for: Duration,
        look: impl Fn(&Report) -> Option<T>,
    ) -> Result<T> {
        let limit_for = self.patient(limit_for);
        patience::until("the device", what, limit_for, || {
            let running = self.running.as_mut().context("the device is not running")?;
            if let Some(status) = running.child.try_wait().context("cannot look after the device")? {
                bail!("the device ended with {status}; {} says why", self.log.display());
            }
            // One that has just been started does not answer yet.
            Ok(self.report()?.as_ref().and_then(&look))
        })
    }

    fn report(&self) -> Result<Option<Report>> {
        let mut command = self.command();
        command.args(["status", "--json"]).stderr(Stdio::null());
        let (status, text) = process::answer_within(&mut command, self.patient(ANSWER_LIMIT_FOR))?;
        if !status.success() {
            return Ok(None);
        }
        let report =
            serde_json::from_str(&text).with_context(|| format!("the device reports something else: {text}"))?;
        Ok(Some(report))
    }

    /// What it says to a command, also where it refuses what is asked for.
    pub(super) fn tell(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.command();
        command.args(arguments);
        Ok(process::answer_within(&mut command, self.patient(COMMAND_LIMIT_FOR))?.1)
    }

    /// What its panel shows, as lines of half blocks. Where it is an OLED, the chip has to show that within so long.
    pub(super) fn frame(&self, limit_for: Duration) -> Result<String> {
        let Some(oled) = &self.start.oled else { return self.told_frame() };
        let limit_for = self.patient(limit_for);
        patience::until("the OLED", "show what the device says that it shows", limit_for, || {
            let (told, is_shown) = oled.shows_during(|| self.told_frame())?;
            Ok(is_shown.then_some(told))
        })
    }

    /// What it says that its panel shows.
    fn told_frame(&self) -> Result<String> {
        let mut command = self.command();
        // Half blocks, which stand for pixels without doubt.
        command.arg("panel").env("LC_ALL", "C.UTF-8");
        let (status, text) = process::answer_within(&mut command, self.patient(ANSWER_LIMIT_FOR))?;
        if !status.success() {
            bail!("the device does not show its panel ({status})");
        }
        Ok(text)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if let Some(running) = &mut self.running {
            kill(&mut running.child);
        }
    }
}

fn kill(child: &mut Child) {
    if let Err(error) = child.kill().and_then(|()| child.wait().map(drop)) {
        eprintln!("the device could not be ended: {error}");
    }
}
