//! A trial: a device, the stand-in for Google, what was done to them, and what came of it.

use std::ops::Range;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use google_sim::{Action, Config, Decision, Fault, GoogleSim, SheetTable};
use punchcard_rig::{Compiled, Programs, stand_in};
use tokio::time::{Instant, sleep, timeout};

use crate::cell;
use crate::correction;
use crate::device::{Device, TITLE};
use crate::outcome::{Outcome, Verdict};
use crate::press::Comparison;

/// What every trial needs.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) programs: Programs,
    pub(crate) compiled: Compiled,
}

/// A trial.
pub(crate) struct Trial {
    pub(crate) google: GoogleSim,
    pub(crate) device: Device,
    /// Another device on the same tab.
    pub(crate) other: Option<Device>,
    /// How the column of [`TITLE`] is called, where a person changed it.
    pub(crate) title: &'static str,
    /// Rows that a person took away or moved: they count as they were, and so many of the sheet's first rows do not.
    before: Vec<String>,
    skipped: usize,
    /// Rows, by their number below the title, that came while a person had moved the columns: they may be in another one.
    pub(crate) misplaced: Range<usize>,
    /// How many tabs of the device each spreadsheet has to have in the end, from the oldest on.
    pub(crate) tabs: Vec<usize>,
    /// What is said in the end, and is to be.
    pub(crate) still_says: Vec<&'static str>,
    runs: u32,
    /// When the fault was over, or else was laid.
    since: Instant,
    slowest: Duration,
    /// Requests that went wrong on the way.
    disturbed: u32,
    armed: u32,
    troubles: Vec<String>,
}

/// While a device waits for a person, it is watched for so long.
const WATCH: Duration = Duration::from_secs(12);
/// What the first device's rows begin with.
const WORD: &str = "key";

impl Trial {
    /// A device that was never on.
    pub(crate) async fn new(surroundings: &Surroundings, google: Config) -> Result<Self> {
        let google = stand_in(google).await?;
        let origin = google.base_url();
        Self::at(surroundings, google, &origin)
    }

    /// The same, whose server is at this origin.
    pub(crate) fn at(surroundings: &Surroundings, google: GoogleSim, origin: &str) -> Result<Self> {
        let device = Device::new(surroundings, WORD, origin)?;
        Ok(Self {
            google,
            device,
            other: None,
            title: TITLE,
            before: Vec::new(),
            skipped: 0,
            misplaced: 0..0,
            tabs: vec![1],
            still_says: Vec::new(),
            runs: 0,
            since: Instant::now(),
            slowest: Duration::ZERO,
            disturbed: 0,
            armed: 0,
            troubles: Vec::new(),
        })
    }

    /// A device that runs, is signed in and has its sheet and a row in it.
    pub(crate) async fn signed_in(surroundings: &Surroundings) -> Result<Self> {
        Self::signed_in_with(surroundings, Config::default()).await
    }

    /// The same with a stand-in that has other settings.
    pub(crate) async fn signed_in_with(surroundings: &Surroundings, google: Config) -> Result<Self> {
        let mut trial = Self::new(surroundings, google).await?;
        trial.begin().await?;
        Ok(trial)
    }

    /// Starts the device, signs it in, and presses a key.
    pub(crate) async fn begin(&mut self) -> Result<()> {
        self.device.rig.start_and_wait().await?;
        Self::link(&self.google, &mut self.device).await?;
        self.device.press_and_wait().await?;
        self.device.settle().await?;
        self.device.said.clear();
        Ok(())
    }

    /// Enters the code that a device shows, and waits until it has its sheet.
    pub(crate) async fn link(google: &GoogleSim, device: &mut Device) -> Result<()> {
        let code = device.user_code(None).await?;
        google.consent(&code, Decision::Allow)?;
        device.wait("the sheet is linked", |report| report["sinks"][0]["link"].as_str().map(drop)).await
    }

    /// Enters the code that the device shows, another than `old`, and waits until it is signed in: from then on it recovers.
    pub(crate) async fn sign_in(&mut self, old: Option<&str>) -> Result<()> {
        let code = self.device.user_code(old).await?;
        self.google.consent(&code, Decision::Allow)?;
        let signed_in = |report: &serde_json::Value| (report["grants"][0]["status"] == "authorized").then_some(());
        self.device.wait("it is signed in", signed_in).await?;
        self.heal();
        Ok(())
    }

    /// The device is started as if nothing had ever been in its way, and recovers.
    pub(crate) async fn start_mended(&mut self) -> Result<()> {
        if self.device.rig.is_on() {
            self.device.rig.kill().await?;
        }
        self.device.rig.set_wrapper::<String>([]);
        self.device.rig.start()?;
        self.heal();
        self.device.wait_until_ready().await
    }

    /// Lets it happen once: `fault` lays it and, where it does not end by itself, ends it ([`Trial::heal`]). Two presses
    /// more have to reach the sheet with what was pressed before.
    pub(crate) async fn run(&mut self, fault: impl AsyncFnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.runs += 1;
        self.heal();
        fault(self).await?;
        self.device.press_and_wait().await?;
        self.device.press_and_wait().await?;
        self.recover().await?;
        if self.waiting() > 0 {
            self.note(format!("in run {}, fewer requests were disturbed than had to be", self.runs));
        }
        self.disarm();
        Ok(())
    }

    /// Counts a run of a script that is not [`Trial::run`].
    pub(crate) fn count_runs(&mut self, runs: u32) {
        self.runs += runs;
    }

    /// From now on it recovers.
    pub(crate) fn heal(&mut self) {
        self.since = Instant::now();
    }

    /// Waits until everything is in the sheet.
    pub(crate) async fn recover(&mut self) -> Result<()> {
        self.device.settle().await?;
        self.slowest = self.slowest.max(self.since.elapsed());
        Ok(())
    }

    /// Something is not as it has to be.
    pub(crate) fn note(&mut self, trouble: String) {
        self.troubles.push(trouble);
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
    fn waiting(&self) -> u32 {
        let state = self.google.state();
        let faults = state["faults"].as_array().into_iter().flatten();
        faults.filter_map(|fault| fault["times"].as_u64()).filter_map(|times| u32::try_from(times).ok()).sum()
    }

    /// How many requests were disturbed so far.
    pub(crate) fn disturbed(&self) -> u32 {
        self.disturbed + self.armed - self.waiting()
    }

    /// The server closes the connections that were kept for the next request, of which there has to be one.
    pub(crate) async fn close_kept_connections(&mut self) -> Result<()> {
        let before = self.google.count_closed();
        self.google.act(Action::CloseIdleConnections);
        let closed = async {
            while self.google.count_closed() == before {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(1), closed).await.context("the device had kept no connection that could be closed")
    }

    /// Requests of every kind so far.
    pub(crate) fn requests(&self) -> u64 {
        let state = self.google.state();
        state["requests"]["counts"].as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum()
    }

    /// While it waits for a person, it asks the server for nothing.
    pub(crate) async fn stays_quiet(&mut self) -> Result<()> {
        self.asks_at_most(0).await
    }

    /// While it waits for somebody to enter a code, it asks each second whether that was done, and for nothing more.
    pub(crate) async fn asks_only_for_the_code(&mut self) -> Result<()> {
        self.asks_at_most(WATCH.as_secs() + 1).await
    }

    /// While the server refuses every token, it asks again after pauses of half a minute and more: the end of one may fall into
    /// the watch.
    pub(crate) async fn asks_seldom(&mut self) -> Result<()> {
        self.asks_at_most(2).await
    }

    async fn asks_at_most(&mut self, most: u64) -> Result<()> {
        let before = self.requests();
        sleep(WATCH).await;
        let asked = self.requests() - before;
        ensure!(asked <= most, "while it waits for a person it asked {asked} times in {WATCH:?}");
        Ok(())
    }

    /// The only spreadsheet that there has to be.
    pub(crate) fn sheet(&self) -> Result<SheetTable> {
        let mut tables = self.google.tables();
        ensure!(tables.len() == 1, "there are {} spreadsheets", tables.len());
        tables.pop().context("there is no spreadsheet")
    }

    /// A person is about to take the rows away that are in the sheet: they count as they are.
    pub(crate) fn keep_rows(&mut self) -> Result<()> {
        self.before.extend(self.rows()?.into_iter().skip(self.skipped));
        self.skipped = 0;
        Ok(())
    }

    /// A person is about to move the rows that are in the sheet: they count in the order in which they are, and the first
    /// ones of the sheet do not.
    pub(crate) fn keep_order(&mut self) -> Result<()> {
        let rows = self.rows()?;
        self.before.extend(rows.iter().skip(self.skipped).cloned());
        self.skipped = rows.len();
        Ok(())
    }

    /// The rows that are in the sheet by now are those that were kept, in the order in which a person left them.
    pub(crate) fn skip_rows(&mut self) -> Result<()> {
        self.skipped = self.rows()?.len();
        Ok(())
    }

    /// What stands below the title, in all spreadsheets from the oldest on; and in any column, where the rows may be
    /// misplaced.
    pub(crate) fn rows(&self) -> Result<Vec<String>> {
        self.rows_of(&self.google.tables())
    }

    fn rows_of(&self, tables: &[SheetTable]) -> Result<Vec<String>> {
        cell::find_cells(tables, self.title, &self.misplaced, |cell| self.is_of_a_device(cell))
    }

    /// There is no spreadsheet too many, and no tab.
    fn check_tabs(&mut self) {
        let tabs = cell::count_tabs(&self.google.tables(), self.title);
        if tabs != self.tabs {
            self.note(format!("the spreadsheets have {tabs:?} tabs of the device, not {:?}", self.tabs));
        }
    }

    fn is_of_a_device(&self, row: &str) -> bool {
        [Some(&self.device), self.other.as_ref()].into_iter().flatten().any(|device| device.key_of(row).is_some())
    }

    /// What was pressed against what the sheet holds, and what was said against what had to be.
    pub(crate) async fn conclude(
        mut self,
        outcome: Outcome,
        says: &[&'static str],
        may_say: &[&'static str],
    ) -> Result<Outcome> {
        self.disarm();
        self.device.wait_for_nothing_but(&self.still_says).await?;
        self.check_tabs();
        let mut rows = std::mem::take(&mut self.before);
        let mut tables = self.google.tables();
        let corrections: usize =
            tables.iter_mut().flat_map(|table| &mut table.tabs).map(correction::put_in_place).sum();
        rows.extend(self.rows_of(&tables)?.into_iter().skip(self.skipped));
        // A row that no device made is one too many.
        let mut doubled = rows.iter().filter(|row| !self.is_of_a_device(row)).count();
        let (mut lost, mut acknowledged) = (0, 0);
        for device in [Some(&mut self.device), self.other.as_mut()].into_iter().flatten() {
            let keys: Vec<_> = rows.iter().filter_map(|row| device.key_of(row)).collect();
            let compared = device.presses.compare(&keys);
            lost += compared.lost;
            doubled += compared.doubled;
            acknowledged += device.presses.acknowledged();
            if compared != Comparison::default() {
                eprintln!("  pressed: {:?}\n  in the sheet: {keys:?}", device.presses.all);
            }
        }
        let said = &self.device.said;
        for missing in says.iter().filter(|headline| !said.contains(**headline)) {
            self.troubles.push(format!("`status` never said `{missing}`"));
        }
        for strange in said.iter().filter(|said| !says.iter().chain(may_say).any(|headline| headline == said)) {
            self.troubles.push(format!("`status` said `{strange}`"));
        }
        let is_good = lost == 0 && doubled == 0 && self.troubles.is_empty();
        if !is_good {
            self.device.keep();
        }
        Ok(Outcome {
            verdict: if is_good { Verdict::Passed } else { Verdict::Failed },
            why: (!self.troubles.is_empty()).then(|| self.troubles.join("; ")),
            runs: self.runs,
            acknowledged,
            rows: rows.len() + corrections,
            lost,
            doubled,
            disturbed: self.disturbed,
            recovered_ms: self.slowest.as_millis(),
            said: self.device.said.iter().cloned().collect(),
            ..outcome
        })
    }
}
