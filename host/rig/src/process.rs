//! The running program: keys on a pipe, and the ways in which it ends.

use std::process::{ExitStatus, Stdio};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStderr, ChildStdin, Command};

/// A program that runs. It is killed with this value.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// A pipe that ends would be a keyboard that was taken away.
    keys: ChildStdin,
}

impl Process {
    /// Starts `punchcard … run`; its log goes where `log` says.
    ///
    /// # Errors
    ///
    /// When it can't be started.
    pub fn start(mut command: Command, log: Stdio) -> Result<Self> {
        command.arg("run").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        let mut child = command.spawn().context("cannot start the host")?;
        let keys = child.stdin.take().context("the host has no standard input")?;
        Ok(Self { child, keys })
    }

    /// Its log, where that is a pipe.
    pub fn take_log(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Its number, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("cannot look after the host")
    }

    /// Presses a key.
    ///
    /// # Errors
    ///
    /// When it takes none.
    pub async fn press(&mut self, key: &str) -> Result<()> {
        self.keys.write_all(key.as_bytes()).await.context("the host takes no keys")?;
        self.keys.flush().await.context("the host takes no keys")
    }

    /// Sends it a signal.
    ///
    /// # Errors
    ///
    /// When it has ended before.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = self.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        kill_process(id.context("the host has ended already")?, signal).context("cannot send the host a signal")
    }

    /// Ends it as the system would, and waits for it.
    ///
    /// # Errors
    ///
    /// When it has ended before.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.child.wait().await.context("cannot look after the host")
    }

    /// Ends it as a power cut would, but for what the system had not written yet.
    ///
    /// # Errors
    ///
    /// When it can't be killed.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.context("cannot kill the host")
    }
}
