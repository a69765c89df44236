//! Presses that a device refuses, and a device that does not open its ledger.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::time::sleep;

use super::{Device, events};

/// How a device says in its log that a press counts for nothing.
const REFUSED: &str = "a press is NOT recorded";
/// What it says to whoever asks, while it has no ledger.
pub(crate) const NO_LEDGER: &str = "nothing is recorded";
/// Presses after which a person gives up.
const MOST: u32 = 100;
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

impl Device {
    /// Presses a key again and again until it is recorded, and returns how often it was refused.
    pub(crate) async fn press_until_recorded(&mut self) -> Result<u32> {
        for refused in 0..MOST {
            if self.press_and_hear().await? {
                return Ok(refused);
            }
        }
        bail!("none of {MOST} presses was recorded")
    }

    /// Presses keys until one is refused.
    pub(crate) async fn press_until_refused(&mut self) -> Result<()> {
        for _ in 0..MOST {
            if !self.press_and_hear().await? {
                return Ok(());
            }
        }
        bail!("none of {MOST} presses was refused")
    }

    /// Presses the next key, and waits until it is recorded or refused. Whether it is recorded; a refused one was none.
    async fn press_and_hear(&mut self) -> Result<bool> {
        self.hear_of_presses().await?;
        let (before, refused) = (self.events, self.count_refused());
        self.press().await?;
        let log = self.rig.log_file();
        let now = self.wait("the press is recorded or refused", |report| {
            let now = events(report)?;
            let said = std::fs::read_to_string(&log).unwrap_or_default().matches(REFUSED).count();
            (now > before || said > refused).then_some(now)
        });
        self.events = now.await?;
        if self.events > before {
            self.presses.acknowledge_last();
        } else {
            self.presses.forget_last();
        }
        Ok(self.events > before)
    }

    /// Presses that it refused so far.
    pub(crate) fn count_refused(&self) -> usize {
        self.rig.log().matches(REFUSED).count()
    }

    /// Presses the next key, and waits until it is refused; for a device that answers no questions.
    pub(crate) async fn press_unasked(&mut self) -> Result<()> {
        let refused = self.count_refused();
        self.press().await?;
        self.presses.forget_last();
        self.wait_for_log(|device| device.count_refused() > refused).await.context("the press is not refused")
    }

    /// Waits until its log is so.
    pub(crate) async fn wait_for_log(&mut self, is_so: impl Fn(&Self) -> bool) -> Result<()> {
        for _ in 0..1_500 {
            if is_so(self) {
                return Ok(());
            }
            if let Some(status) = self.rig.process()?.ended()? {
                bail!("it ended with {status}; it said:\n{}", self.rig.last_words());
            }
            sleep(PAUSE).await;
        }
        bail!("not within 30 s; it said:\n{}", self.rig.last_words())
    }

    /// Waits until all its parts have been put together, or until it says that it has no ledger. Whether it has one.
    pub(crate) async fn ready_or_refused(&mut self) -> Result<bool> {
        self.answered_or_refused(|report| report["sinks"].as_array().is_some_and(|sinks| !sinks.is_empty())).await
    }

    /// Waits until it says how it stands, and that `is_so`, or that it has no ledger. Whether it has one.
    pub(crate) async fn answered_or_refused(&mut self, is_so: impl Fn(&Value) -> bool) -> Result<bool> {
        for _ in 0..1_500 {
            let output = self.rig.command(&["status", "--json"]).await?;
            if output.status.success() {
                let report: Value = serde_json::from_slice(&output.stdout).context("its status is no JSON")?;
                if is_so(&report) {
                    return Ok(true);
                }
            } else if String::from_utf8_lossy(&output.stderr).contains(NO_LEDGER) {
                self.said.insert(NO_LEDGER.to_owned());
                return Ok(false);
            }
            if let Some(status) = self.rig.process()?.ended()? {
                bail!("it ended with {status}; it said:\n{}", self.rig.last_words());
            }
            sleep(PAUSE).await;
        }
        bail!("it neither starts nor refuses to; it said:\n{}", self.rig.last_words())
    }

    /// Starts it once the one before, which was only hung up on, has ended.
    pub(crate) async fn start_when_free(&mut self) -> Result<()> {
        for _ in 0..500 {
            if self.rig.report().await?.is_none() {
                self.rig.start()?;
                return self.wait_until_ready().await;
            }
            sleep(PAUSE).await;
        }
        bail!("the host goes on without its terminal")
    }

    /// It has another, empty ledger from now on.
    pub(crate) fn begin_anew(&mut self) {
        self.events = 0;
    }
}
