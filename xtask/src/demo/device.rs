//! The device as a program: the host, with its keys on a pipe or on the terminal.
//!
//! What it says of itself is read with its own command line, as a person would.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use wait_timeout::ChildExt as _;

use crate::patience;
use crate::process;
use crate::report::Report;

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

/// A device that runs, or can be started. A running one is killed with this value.
pub(super) struct Device {
    program: PathBuf,
    configuration: PathBuf,
    state: PathBuf,
    log: PathBuf,
    running: Option<Running>,
}

struct Running {
    child: Child,
    keys: ChildStdin,
}

impl Device {
    /// One that is not running yet.
    pub(super) fn new(program: PathBuf, configuration: PathBuf, state: PathBuf, log: PathBuf) -> Self {
        Self { program, configuration, state, log, running: None }
    }

    /// Where it writes what it does.
    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        process::remove_variables(&mut command, process::is_left_by_cargo);
        command.arg("--config").arg(&self.configuration).arg("--state").arg(&self.state);
        command
    }

    /// Runs it to its end, with the terminal's keys and its panel on the terminal.
    pub(super) fn run_in_terminal(&self) -> Result<ExitStatus> {
        let log = process::log_file(&self.log)?;
        self.command().arg("run").stderr(log).status().context("cannot start the device")
    }

    /// Starts it with its keys on a pipe.
    pub(super) fn start(&mut self) -> Result<()> {
        let log = process::log_file(&self.log)?;
        let also_log = log.try_clone().context("cannot share the device's log")?;
        let mut child = self
            .command()
            .arg("run")
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
        match child.wait_timeout(STOP_LIMIT_FOR).context("cannot wait for the device")? {
            Some(status) if status.success() => Ok(()),
            Some(status) => bail!("the device ended with {status}; {} says why", self.log.display()),
            None => {
                kill(&mut child);
                bail!("the device did not end within {} s of Ctrl-C", STOP_LIMIT_FOR.as_secs())
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
        let (status, text) = process::answer_within(&mut command, ANSWER_LIMIT_FOR)?;
        if !status.success() {
            return Ok(None);
        }
        let report =
            serde_json::from_str(&text).with_context(|| format!("the device reports something else: {text}"))?;
        Ok(Some(report))
    }

    /// What its panel shows, as lines of half blocks.
    pub(super) fn frame(&self) -> Result<String> {
        let (status, text) = process::answer_within(self.command().arg("panel"), ANSWER_LIMIT_FOR)?;
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
