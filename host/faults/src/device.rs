//! A device for one fault: the real program on a folder of its own, and the stand-in for Google in this process.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use google_sim::{Config, Decision, Fault, GoogleSim, OauthClient};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, sleep};

use crate::Outcome;
use crate::press::{Comparison, KEYS, Presses};

/// For everything that heals: an answer that never ends is waited for, and then the next attempt.
const PATIENCE: Duration = Duration::from_mins(3);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(15);
/// A terminal repeats a key that is held: what follows at once is the same press. More than [`configuration`]'s.
const KEY_PAUSE: Duration = Duration::from_millis(30);

/// What is tried.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    /// `punchcard`.
    pub(crate) host: PathBuf,
    /// The folder of components.
    pub(crate) guests: PathBuf,
}

/// A device and the world around it. It is off when it is made.
pub(crate) struct Device {
    pub(crate) google: GoogleSim,
    pub(crate) presses: Presses,
    programs: Programs,
    folder: TempDir,
    host: Option<Host>,
    /// Events that it said it has.
    events: u64,
    /// Requests that went wrong on the way.
    disturbed: u32,
    armed: u32,
    /// What `status` said of anything that was wrong.
    said: BTreeSet<String>,
}

struct Host {
    child: Child,
    keys: ChildStdin,
}

impl Device {
    /// A device that runs, is signed in and has its sheet.
    pub(crate) async fn signed_in(programs: &Programs, google: Config) -> Result<Self> {
        let google = GoogleSim::start(Config { interval: Duration::from_secs(1), ..google }).await?;
        let folder = tempfile::tempdir().context("cannot make a folder")?;
        fs::write(folder.path().join("plugins.toml"), configuration(programs, &google.base_url()))?;
        let secret = folder.path().join("client-secret");
        fs::write(&secret, OauthClient::DEMO_SECRET)?;
        // The host takes no secret from a file that others can read.
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
        let presses = Presses::default();
        let (programs, said) = (programs.clone(), BTreeSet::new());
        let mut device =
            Self { google, presses, programs, folder, host: None, events: 0, disturbed: 0, armed: 0, said };
        device.start()?;
        let code =
            device.wait("a code is shown", |report| report["grants"][0]["user-code"].as_str().map(str::to_owned));
        let code = code.await?;
        device.google.consent(&code, Decision::Allow)?;
        device.wait("the sheet is linked", |report| report["sinks"][0]["link"].as_str().map(drop)).await?;
        device.said.clear();
        Ok(device)
    }

    fn program(&self) -> Command {
        let mut command = Command::new(&self.programs.host);
        command.args(["--config", "plugins.toml", "--state", "state"]).current_dir(self.folder.path());
        command.kill_on_drop(true);
        command
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Starts it, and waits for nothing.
    pub(crate) fn start(&mut self) -> Result<()> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log()).context("cannot keep a log")?;
        let mut child = self
            .program()
            .arg("run")
            .env_remove("PUNCHCARD_LOG")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("cannot start the host")?;
        let keys = child.stdin.take().context("the host has no standard input")?;
        self.host = Some(Host { child, keys });
        Ok(())
    }

    /// Ends it as a power cut would, but for what the system had not written yet.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        let mut host = self.host.take().context("the host does not run")?;
        host.child.kill().await.context("cannot kill the host")
    }

    /// Presses the next key.
    pub(crate) async fn press(&mut self) -> Result<()> {
        sleep(KEY_PAUSE).await;
        let key = self.presses.next();
        let keys = &mut self.host.as_mut().context("the host does not run")?.keys;
        keys.write_all(key.as_bytes()).await.context("the host takes no keys")?;
        keys.flush().await.context("the host takes no keys")
    }

    /// Presses the next key, and waits until it is recorded.
    pub(crate) async fn press_and_wait(&mut self) -> Result<()> {
        self.hear_of_presses().await?;
        self.press().await?;
        let before = self.events;
        self.events = self.wait("the press is recorded", |report| events(report).filter(|now| *now > before)).await?;
        self.presses.acknowledge_last();
        Ok(())
    }

    /// A press for which nobody waited is acknowledged, too, once the device says that it has it.
    async fn hear_of_presses(&mut self) -> Result<()> {
        let now = self.wait("it counts its events", events).await?;
        let news = u64::from(now > self.events && self.presses.acknowledge_last());
        if now != self.events + news {
            bail!("it has {now} events, and had {}; {news} presses were not acknowledged", self.events);
        }
        self.events = now;
        Ok(())
    }

    /// Disturbs a request.
    pub(crate) fn arm(&mut self, fault: Fault) {
        self.armed += fault.times;
        self.google.arm(fault);
    }

    /// Disturbs none any more.
    pub(crate) fn disarm(&mut self) {
        self.disturbed += self.armed - self.waiting();
        self.armed = 0;
        self.google.disarm();
    }

    /// Requests that are still to be disturbed.
    pub(crate) fn waiting(&self) -> u32 {
        let state = self.google.state();
        let faults = state["faults"].as_array().into_iter().flatten();
        faults.filter_map(|fault| fault["times"].as_u64()).filter_map(|times| u32::try_from(times).ok()).sum()
    }

    /// Waits until its parts have been put together.
    pub(crate) async fn wait_until_ready(&mut self) -> Result<()> {
        let ready = |report: &Value| report["sinks"].as_array().filter(|sinks| !sinks.is_empty()).map(drop);
        self.wait("it is ready", ready).await?;
        self.hear_of_presses().await
    }

    /// Waits until nothing waits for the sheet any more.
    pub(crate) async fn settle(&mut self) -> Result<()> {
        const COUNTS: [&str; 3] = ["events-waiting", "rows-waiting", "rows-in-flight"];
        let settled = |report: &Value| {
            // Where the ledger can't be read, nothing is known to wait.
            let is_known = report["problems"].as_array().is_none_or(Vec::is_empty);
            (is_known && COUNTS.iter().all(|count| report["sinks"][0][count] == 0)).then_some(())
        };
        self.wait("everything is delivered", settled).await
    }

    /// Waits until its report holds what `look` looks for.
    pub(crate) async fn wait<T>(&mut self, what: &str, look: impl Fn(&Value) -> Option<T>) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        let mut last = Value::Null;
        while Instant::now() < deadline {
            if let Some(host) = &mut self.host
                && let Some(status) = host.child.try_wait()?
            {
                bail!("it ended with {status} before {what}; it said:\n{}", self.last_words());
            }
            let mut status = self.program();
            let output = status.args(["status", "--json"]).stdin(Stdio::null()).output().await?;
            if output.status.success() {
                last = serde_json::from_slice(&output.stdout).context("its status is no JSON")?;
                self.said.extend(words(&last));
                if let Some(found) = look(&last) {
                    return Ok(found);
                }
            }
            sleep(PAUSE).await;
        }
        self.folder.disable_cleanup(true);
        eprintln!("  everything of this device is kept in {}", self.folder.path().display());
        bail!("not within {PATIENCE:?}: {what}; its status is\n{last:#}\nand it said:\n{}", self.last_words())
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_else(|error| format!("(no log: {error})"));
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// What was pressed, against what the sheet holds.
    pub(crate) fn compare(
        &mut self,
        fault: &'static str,
        runs: u32,
        recovered_ms: u128,
        seed: Option<u64>,
    ) -> Result<Outcome> {
        self.disarm();
        let rows = self.rows()?;
        let keys: Vec<_> = rows.iter().map(|row| row.trim_start_matches("key ")).collect();
        let compared = self.presses.compare(&keys);
        let is_good = compared == Comparison::default();
        if !is_good {
            eprintln!("  pressed: {:?}\n  in the sheet: {keys:?}", self.presses.all);
            self.folder.disable_cleanup(true);
            eprintln!("  everything of this device is kept in {}", self.folder.path().display());
        }
        Ok(Outcome {
            fault,
            runs,
            acknowledged: self.presses.acknowledged(),
            rows: rows.len(),
            lost: compared.lost,
            doubled: compared.doubled,
            disturbed: self.disturbed,
            recovered_ms,
            said: self.said.iter().cloned().collect(),
            trouble: None,
            seed,
        })
    }

    /// The keys of the rows below the titles, in the only spreadsheet that there has to be.
    fn rows(&self) -> Result<Vec<String>> {
        let tables = self.google.tables();
        let [table] = tables.as_slice() else { bail!("there are {} spreadsheets", tables.len()) };
        let titled = table.tabs.iter().find_map(|tab| {
            let (titles, rows) = tab.rows.split_first()?;
            Some((titles.iter().position(|title| title == TITLE)?, rows))
        });
        let (column, rows) = titled.with_context(|| format!("no tab has a column {TITLE}"))?;
        Ok(rows.iter().map(|row| row.get(column).cloned().unwrap_or_default()).collect())
    }
}

const TITLE: &str = "Key";

fn events(report: &Value) -> Option<u64> {
    report["events"].as_u64()
}

/// The headlines of what is wrong, as the panel and `status` show them.
fn words(report: &Value) -> Vec<String> {
    let parts = ["/grants/0", "/sinks/0/formatting", "/sinks/0/delivery"].map(|part| report.pointer(part));
    let headline = |part: &Value| part["problem"]["headline"].as_str().map(str::to_owned);
    parts.into_iter().flatten().filter_map(headline).collect()
}

/// A device with a key for each of [`KEYS`], whose sheet has a row for each press.
fn configuration(programs: &Programs, stand_in: &str) -> String {
    // A basic string of TOML, whose escapes for what a path may hold are those of JSON.
    let plugin = |name: &str| Value::from(guest(&programs.guests, name).to_string_lossy()).to_string();
    let inputs = KEYS.map(|key| {
        format!(
            r#"
[inputs.key-{key}]
driver = "keyboard"
key = "{key}"
press = {{ event = "punch", fields = {{ key = "key {key}" }} }}
debounce-ms = 20
"#
        )
    });
    let settings = format!(r#"{{ columns = [{{ field = "key", title = "{TITLE}", kind = "text" }}] }}"#);
    let format = format!(r#"{{ plugin = "readings", settings = {settings} }}"#);
    format!(
        r#"[device]
name = "faults"
time-zone = "Australia/Brisbane"
trust-clock = true

[panel]
driver = "none"
size = "128x32"
{inputs}
[plugins]
device-flow = {device_flow}
google-sheets = {google_sheets}
readings = {readings}

{google}"#,
        inputs = inputs.concat(),
        device_flow = plugin("device-flow"),
        google_sheets = plugin("google-sheets"),
        readings = plugin("readings"),
        google = OauthClient::device_toml(stand_in, &format),
    )
}

fn guest(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.wasm"))
}
