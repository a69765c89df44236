//! A device of its own for each run: the host's program on a folder, and the stand-in for Google in this process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use google_sim::{Config, Decision, GoogleSim};
use punchcard::app::control::{Answer, Question, ask};
use punchcard::app::device::Options;
use punchcard::app::status::{GrantStanding, Report, SinkReport};
use punchcard::hardware::Hardware;
use punchcard_rig::{Configuration, Folder, Key, Process, stand_in};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::folder;
use crate::here::Here;
use crate::sample::Stopwatch;
use crate::surroundings::Surroundings;

/// The host says these when it can do its work.
const READY: &str = "ready device=";
const DESTINATION_READY: &str = "the destination is ready";
/// And this when a press is on the disk.
const RECORDED: &str = "recorded event=";

/// For anything that happens once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// For a whole backlog.
const DELIVERY_PATIENCE: Duration = Duration::from_mins(5);
/// Between two looks at something that has no way to tell.
pub(crate) const PAUSE: Duration = Duration::from_millis(10);

/// Everything of one device.
pub(crate) struct Device {
    pub(crate) google: GoogleSim,
    program: PathBuf,
    folder: Folder,
}

impl Device {
    /// A device that was signed in and has made its spreadsheet, and is off.
    pub(crate) async fn prepare(surroundings: &Surroundings, quota: bool) -> Result<Self> {
        Self::prepare_with(surroundings, quota, &CONFIGURATION).await
    }

    /// The same, with another configuration.
    pub(crate) async fn prepare_with(
        surroundings: &Surroundings,
        quota: bool,
        configuration: &Configuration<'_>,
    ) -> Result<Self> {
        let google = stand_in(Config { quota, ..Config::default() }).await?;
        let text = configuration.render(&surroundings.programs, &google.base_url());
        let folder = Folder::within(folder::make()?, &text)?;
        let device = Self { google, program: surroundings.programs.host.clone(), folder };
        let mut host = device.start().await?;
        let code = host.await_status("a code", |report| user_code(&report)).await?;
        device.google.consent(&code, Decision::Allow)?;
        host.await_line(DESTINATION_READY).await?;
        host.stop().await?;
        Ok(device)
    }

    /// Its plugins.toml.
    pub(crate) fn configuration(&self) -> Result<String> {
        self.folder.configuration()
    }

    /// Writes another one.
    pub(crate) fn configure(&self, text: &str) -> Result<()> {
        self.folder.configure(text)
    }

    /// What outlives a restart.
    pub(crate) fn state(&self) -> &Path {
        &self.folder.state
    }

    /// Starts the host and waits until it says that it is ready.
    pub(crate) async fn start(&self) -> Result<Host> {
        let watch = Stopwatch::start();
        let mut process = Process::start(self.folder.command(&self.program), Stdio::piped())?;
        let said = process.take_log().context("the host has no standard error")?;
        let (sender, lines) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut said = BufReader::new(said).lines();
            while let Ok(Some(line)) = said.next_line().await {
                // Nobody receives any more when the host is about to be dropped; what is read is only read away.
                sender.send(line).ok();
            }
        });
        let mut host = Host { process, lines, heard: Vec::new(), state: self.folder.state.clone(), ready_for: None };
        host.await_line(READY).await?;
        host.ready_for = Some(watch.elapsed());
        Ok(host)
    }

    /// Starts the host in this process.
    pub(crate) async fn start_here(&self) -> Result<Here> {
        let configuration = self.folder.path().join("plugins.toml");
        Here::start(Options { configuration, state: self.folder.state.clone(), hardware: Hardware::of_kernel() }).await
    }

    /// Waits until its destination was looked at after a start: what follows is for rows.
    pub(crate) async fn start_to_destination(&self) -> Result<Host> {
        let mut host = self.start().await?;
        host.await_line(DESTINATION_READY).await?;
        Ok(host)
    }

    /// Requests to Google's APIs so far, by what they asked for; those for tokens aside.
    pub(crate) fn operations(&self) -> BTreeMap<String, u64> {
        let state = self.google.state();
        let counts = state["requests"]["counts"].as_object().into_iter().flatten();
        let counts = counts.filter(|(name, _)| !name.starts_with("oauth."));
        counts.filter_map(|(name, count)| Some((name.clone(), count.as_u64()?))).collect()
    }

    /// How many those are.
    pub(crate) fn requests(&self) -> u64 {
        self.operations().values().sum()
    }

    /// Requests that were refused for coming too fast.
    pub(crate) fn refusals(&self) -> u64 {
        let state = self.google.state();
        let calls = state["requests"]["log"].as_array().into_iter().flatten();
        calls.filter(|call| call["status"] == 429).count() as u64
    }

    /// Rows in the device's tab, the titles among them.
    pub(crate) fn rows(&self) -> u64 {
        let state = self.google.state();
        let sheets = state["files"].as_array().into_iter().flatten().flat_map(|file| file["sheets"].as_array());
        sheets.flatten().filter_map(|sheet| sheet["rowsWithData"].as_u64()).sum()
    }
}

/// A host that runs. It is killed with this value.
pub(crate) struct Host {
    process: Process,
    lines: mpsc::UnboundedReceiver<String>,
    /// For a person, where something went wrong.
    heard: Vec<String>,
    state: PathBuf,
    /// From its start until it was ready.
    pub(crate) ready_for: Option<Duration>,
}

impl Host {
    /// Waits for a line of its log.
    async fn await_line(&mut self, mark: &str) -> Result<()> {
        let heard = &mut self.heard;
        let lines = &mut self.lines;
        let found = timeout(PATIENCE, async {
            while let Some(line) = lines.recv().await {
                let found = line.contains(mark);
                heard.push(line);
                if found {
                    return true;
                }
            }
            false
        });
        match found.await {
            Ok(true) => Ok(()),
            _ => bail!("the host did not say `{mark}`; it said:\n{}", self.heard.join("\n")),
        }
    }

    /// Presses the key. Returns what it took until it was recorded.
    pub(crate) async fn press(&mut self) -> Result<Duration> {
        self.press_key(" ").await
    }

    /// The same, with another key.
    pub(crate) async fn press_key(&mut self, key: &str) -> Result<Duration> {
        // What was said before is of no use any more, and would only be kept.
        self.heard.clear();
        let watch = Stopwatch::start();
        self.process.press(key).await?;
        self.await_line(RECORDED).await?;
        Ok(watch.elapsed())
    }

    /// Waits until its report holds what `look` looks for.
    pub(crate) async fn await_status<T>(&self, what: &str, look: impl Fn(Report) -> Option<T>) -> Result<T> {
        let found = timeout(PATIENCE, async {
            loop {
                if let Ok(Answer::Status(report)) = ask(&self.state, &Question::Status).await
                    && let Some(found) = look(*report)
                {
                    return found;
                }
                sleep(PAUSE).await;
            }
        });
        found.await.with_context(|| format!("the host did not come to {what}; it said:\n{}", self.heard.join("\n")))
    }

    /// Has it look at its repositories of plugins, and take nothing from them.
    pub(crate) async fn look_for_updates(&self) -> Result<()> {
        let question = Question::Update { plugin: None, version: None, from: None, check: true };
        match ask(&self.state, &question).await? {
            Answer::Updated(reports) if !reports.is_empty() && reports.iter().all(|report| report.error.is_none()) => {
                Ok(())
            }
            answer => bail!("the host did not look at its repositories: {answer:?}"),
        }
    }

    /// Waits until it has delivered so many rows to `google` and has nothing more to do.
    pub(crate) async fn await_delivered(&self, device: &Device, rows: u32) -> Result<()> {
        let arrived = timeout(DELIVERY_PATIENCE, async {
            // The sheet is looked at, and not the host, whose answers would cost the time that is measured.
            while device.rows() <= u64::from(rows) {
                sleep(PAUSE).await;
            }
        });
        if arrived.await.is_err() {
            bail!("only {} rows of {rows} and their titles are there", device.rows());
        }
        let waiting = |sink: &SinkReport| sink.events_waiting + sink.rows_waiting + sink.rows_in_flight;
        self.await_status("the end of its backlog", |report| {
            let done = |sink: &SinkReport| sink.rows_delivered == u64::from(rows) && waiting(sink) == 0;
            report.sinks.iter().all(done).then_some(())
        })
        .await
    }

    /// A line of `/proc/PID/status`, in megabytes of 1,000,000 bytes.
    pub(crate) fn memory_mb(&self, name: &str) -> Result<f64> {
        let id = self.process.id().context("the host has ended")?;
        let status =
            std::fs::read_to_string(format!("/proc/{id}/status")).context("cannot look at the host's memory")?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kibibytes: u32 = line
            .and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok())
            .with_context(|| format!("the kernel does not tell {name}"))?;
        Ok(f64::from(kibibytes) * 1024.0 / 1e6)
    }

    /// How long its threads have computed.
    pub(crate) fn computed_for(&self) -> Result<Duration> {
        let id = self.process.id().context("the host has ended")?;
        let mut nanoseconds = 0;
        for thread in std::fs::read_dir(format!("/proc/{id}/task")).context("cannot look at the host's threads")? {
            // Nanoseconds come first (`Documentation/scheduler/sched-stats.rst` of the kernel).
            let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
            let spent: u64 = text.split(' ').next().unwrap_or_default().parse().context("no scheduling statistics")?;
            nanoseconds += spent;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Ends it in order.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let ended = timeout(PATIENCE, self.process.stop()).await.context("the host does not stop")??;
        if !ended.success() {
            while let Ok(line) = self.lines.try_recv() {
                self.heard.push(line);
            }
            bail!("the host ended with {ended}; it said:\n{}", self.heard.join("\n"));
        }
        Ok(())
    }
}

fn user_code(report: &Report) -> Option<String> {
    report.grants.iter().find_map(|grant| match &grant.standing {
        GrantStanding::AwaitingPerson { user_code, .. } => Some(user_code.clone()),
        _ => None,
    })
}

/// The time clock of the README with a row for each press.
const CONFIGURATION: Configuration<'_> = Configuration {
    device: "bench",
    keys: &[Key { key: "space", fields: &[("project", "$project")] }],
    more: r#"
[choices.project]
label = "Project"
items = ["Workshop", "Garden", "Accounts"]
"#,
    formatter: "timeclock",
    settings: r#"{ layout = "punches" }"#,
};
