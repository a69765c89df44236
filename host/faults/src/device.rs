//! A device for one fault: the real program on a folder of its own, and the stand-in for Google in this process.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use google_sim::{Config, Decision, Fault, GoogleSim};
use punchcard_rig::{Compiled, Configuration, Folder, Key, Programs, stand_in};
use serde_json::Value;

use crate::Outcome;
use crate::press::{Comparison, KEYS, Presses};

/// For everything that heals: an answer that never ends is waited for, and then the next attempt.
const PATIENCE: Duration = Duration::from_mins(3);

/// What every fault needs.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) programs: Programs,
    pub(crate) compiled: Compiled,
}

/// A device and the world around it. It is off when it is made.
pub(crate) struct Device {
    pub(crate) google: GoogleSim,
    pub(crate) presses: Presses,
    rig: punchcard_rig::Device,
    /// Events that it said it has.
    events: u64,
    /// Requests that went wrong on the way.
    disturbed: u32,
    armed: u32,
    /// What `status` said of anything that was wrong.
    said: BTreeSet<String>,
}

impl Device {
    /// A device that runs, is signed in and has its sheet.
    pub(crate) async fn signed_in(surroundings: &Surroundings, google: Config) -> Result<Self> {
        let google = stand_in(google).await?;
        let folder = Folder::new(&configuration(&surroundings.programs, &google.base_url()))?;
        let rig = punchcard_rig::Device::new(&surroundings.programs.host, folder, PATIENCE);
        let rig = rig.with_compiled(surroundings.compiled.clone());
        let (presses, said) = (Presses::default(), BTreeSet::new());
        let mut device = Self { google, presses, rig, events: 0, disturbed: 0, armed: 0, said };
        device.rig.start_and_wait().await?;
        let code =
            device.wait("a code is shown", |report| report["grants"][0]["user-code"].as_str().map(str::to_owned));
        let code = code.await?;
        device.google.consent(&code, Decision::Allow)?;
        device.wait("the sheet is linked", |report| report["sinks"][0]["link"].as_str().map(drop)).await?;
        device.said.clear();
        Ok(device)
    }

    /// Starts it, and waits for nothing.
    pub(crate) fn start(&mut self) -> Result<()> {
        self.rig.start()
    }

    /// Ends it as a power cut would, but for what the system had not written yet.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        self.rig.kill().await
    }

    /// Presses the next key.
    pub(crate) async fn press(&mut self) -> Result<()> {
        let key = self.presses.next();
        self.rig.press(key).await
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
        self.rig.wait_until_ready().await?;
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
        let said = &mut self.said;
        let found = self.rig.wait(what, |report| {
            said.extend(words(report));
            look(report)
        });
        let found = found.await;
        if found.is_err() {
            self.keep();
        }
        found
    }

    fn keep(&mut self) {
        eprintln!("  everything of this device is kept in {}", self.rig.folder.keep().display());
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
            self.keep();
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
fn configuration(programs: &Programs, origin: &str) -> String {
    let words = KEYS.map(|key| format!("key {key}"));
    let fields: Vec<_> = words.iter().map(|word| [("key", word.as_str())]).collect();
    let keys: Vec<_> = KEYS.iter().zip(&fields).map(|(key, fields)| Key { key, fields }).collect();
    let settings = format!(r#"{{ columns = [{{ field = "key", title = "{TITLE}", kind = "text" }}] }}"#);
    Configuration { device: "faults", keys: &keys, more: "", formatter: "readings", settings: &settings }
        .render(programs, origin)
}
