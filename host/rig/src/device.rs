//! A device: its folder and, while it is on, its program. What it says of itself is read with its own command line, as a
//! person would.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::{Compiled, Folder, Process};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(15);
/// A terminal repeats a key that is held: what follows at once is the same press. More than the keys' `debounce-ms`.
const KEY_PAUSE: Duration = Duration::from_millis(30);
/// Lines of the log for a person, where something went wrong.
const LAST_WORDS: usize = 60;

/// A device. It is off when it is made.
#[derive(Debug)]
pub struct Device {
    /// Where it lives.
    pub folder: Folder,
    program: PathBuf,
    patience: Duration,
    compiled: Option<Compiled>,
    environment: Vec<(String, OsString)>,
    wrapper: Vec<OsString>,
    process: Option<Process>,
}

impl Device {
    /// A device that was never on. `patience` is for anything that is waited for.
    #[must_use]
    pub fn new(program: &Path, folder: Folder, patience: Duration) -> Self {
        let (compiled, environment, wrapper) = (None, Vec::new(), Vec::new());
        Self { folder, program: program.to_owned(), patience, compiled, environment, wrapper, process: None }
    }

    /// Takes compiled code from here, and leaves it here.
    #[must_use]
    pub fn with_compiled(mut self, compiled: Compiled) -> Self {
        self.compiled = Some(compiled);
        self
    }

    /// From now on, anything is waited for so long.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Gives the program a variable, from its next start on.
    pub fn set_variable(&mut self, name: &str, value: impl Into<OsString>) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.into()));
    }

    /// What starts the program from now on: a command that ends by becoming the one that follows its own arguments, such as
    /// `nice`. Nothing is the program itself. The command line is not wrapped.
    pub fn set_wrapper<T: Into<OsString>>(&mut self, wrapper: impl IntoIterator<Item = T>) {
        self.wrapper = wrapper.into_iter().map(Into::into).collect();
    }

    fn program(&self) -> Command {
        let mut command = self.folder.command(&self.program);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn wrapped(&self) -> Command {
        let program = self.program();
        let Some((wrapper, arguments)) = self.wrapper.split_first() else { return program };
        let program = program.as_std();
        let mut command = Command::new(wrapper);
        command.args(arguments).arg(program.get_program()).args(program.get_args()).current_dir(self.folder.path());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    /// Starts it, and waits for nothing.
    ///
    /// # Errors
    ///
    /// When it runs, or can't be started.
    pub fn start(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "the host runs already");
        if let Some(compiled) = &self.compiled {
            compiled.warm(&self.folder.state)?;
        }
        let log =
            fs::OpenOptions::new().create(true).append(true).open(self.log_file()).context("cannot keep a log")?;
        self.process = Some(Process::start(self.wrapped(), log.into())?);
        Ok(())
    }

    /// Starts it, and waits until all of its parts have been put together.
    ///
    /// # Errors
    ///
    /// When it runs, or does not start.
    pub async fn start_and_wait(&mut self) -> Result<()> {
        self.start()?;
        self.wait_until_ready().await?;
        match &self.compiled {
            Some(compiled) => compiled.keep(&self.folder.state),
            None => Ok(()),
        }
    }

    /// Waits until all of its parts have been put together.
    ///
    /// # Errors
    ///
    /// When that does not happen.
    pub async fn wait_until_ready(&mut self) -> Result<Value> {
        let is_ready = |report: &Value| report["sinks"].as_array().is_some_and(|sinks| !sinks.is_empty());
        self.wait("it is ready", |report| is_ready(report).then(|| report.clone())).await
    }

    /// Whether it was started, and not ended from here since.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.process.is_some()
    }

    /// The running program.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub fn process(&mut self) -> Result<&mut Process> {
        self.process.as_mut().context("the host does not run")
    }

    /// Ends it as the system would.
    ///
    /// # Errors
    ///
    /// When it does not run, does not end, or fails while it ends.
    pub async fn stop(&mut self) -> Result<()> {
        let patience = self.patience;
        let mut process = self.process.take().context("the host does not run")?;
        let ended = timeout(patience, process.stop()).await.context("the host does not stop")??;
        ensure!(ended.success(), "it ended with {ended}; it said:\n{}", self.last_words());
        Ok(())
    }

    /// Ends it as a power cut would, but for what the system had not written yet.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub async fn kill(&mut self) -> Result<()> {
        self.process.take().context("the host does not run")?.kill().await
    }

    /// Waits until it ends by itself, and how.
    ///
    /// # Errors
    ///
    /// When it does not run, or does not end.
    pub async fn wait_for_end(&mut self) -> Result<ExitStatus> {
        let deadline = Instant::now() + self.patience;
        while Instant::now() < deadline {
            if let Some(status) = self.process()?.ended()? {
                self.process = None;
                return Ok(status);
            }
            sleep(PAUSE).await;
        }
        bail!("it did not end within {:?}; it said:\n{}", self.patience, self.last_words())
    }

    /// Presses a key.
    ///
    /// # Errors
    ///
    /// When it does not run.
    pub async fn press(&mut self, key: &str) -> Result<()> {
        sleep(KEY_PAUSE).await;
        self.process()?.press(key).await
    }

    /// Starts a command of the command line that waits for something. It is killed with the value.
    ///
    /// # Errors
    ///
    /// When it can't be started.
    pub fn spawn(&self, arguments: &[&str]) -> Result<Child> {
        let mut command = self.program();
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().context("cannot run the program")
    }

    /// Runs a command of the command line to its end.
    ///
    /// # Errors
    ///
    /// When it can't be started.
    pub async fn command(&self, arguments: &[&str]) -> Result<Output> {
        self.program().args(arguments).stdin(Stdio::null()).output().await.context("cannot run the program")
    }

    /// The same, with this on its standard input.
    ///
    /// # Errors
    ///
    /// When it can't be started.
    pub async fn command_with_input(&self, arguments: &[&str], input: &str) -> Result<Output> {
        let mut command = self.program();
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot run the program")?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).await.context("it takes no input")?;
        }
        child.wait_with_output().await.context("cannot run the program")
    }

    /// The same, which must succeed; what it printed.
    ///
    /// # Errors
    ///
    /// When it fails.
    pub async fn printed(&self, arguments: &[&str]) -> Result<String> {
        let output = self.command(arguments).await?;
        ensure!(output.status.success(), "{arguments:?} failed: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).context("what it printed is no text")
    }

    /// What `status --json` says, where it answers.
    ///
    /// # Errors
    ///
    /// When what it says is no JSON.
    pub async fn report(&self) -> Result<Option<Value>> {
        let output = self.command(&["status", "--json"]).await?;
        match output.status.success() {
            true => serde_json::from_slice(&output.stdout).context("its status is no JSON").map(Some),
            false => Ok(None),
        }
    }

    /// Waits until its report holds what `look` looks for. `what` says that for a person.
    ///
    /// # Errors
    ///
    /// When that does not happen, or it ends.
    pub async fn wait<T>(&mut self, what: &str, mut look: impl FnMut(&Value) -> Option<T>) -> Result<T> {
        let mut last = Value::Null;
        let found = self.wait_with(what, async |device| {
            let Some(report) = device.report().await? else { return Ok(None) };
            let found = look(&report);
            last = report;
            Ok(found)
        });
        let found = found.await;
        found.with_context(|| format!("the last that `status` told was\n{last:#}"))
    }

    /// Waits until `look` finds what it looks for. `what` says that for a person.
    ///
    /// # Errors
    ///
    /// When that does not happen, or it ends, or `look` fails.
    pub async fn wait_with<T>(
        &mut self,
        what: &str,
        mut look: impl AsyncFnMut(&Self) -> Result<Option<T>>,
    ) -> Result<T> {
        let deadline = Instant::now() + self.patience;
        while Instant::now() < deadline {
            if let Some(found) = look(self).await? {
                return Ok(found);
            }
            if let Some(process) = &mut self.process
                && let Some(status) = process.ended()?
            {
                bail!("it ended with {status} before {what}; it said:\n{}", self.last_words());
            }
            sleep(PAUSE).await;
        }
        bail!("not within {:?}: {what}; it said:\n{}", self.patience, self.last_words())
    }

    /// Where it logs.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Everything that it logged, in all of its starts.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_else(|error| format!("(no log: {error})"))
    }

    /// The end of it.
    #[must_use]
    pub fn last_words(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n")
    }
}
