//! Presses that a device refuses, and a device that does not open its ledger.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::Device;
use crate::headline::NO_LEDGER;

/// Presses after which a person gives up.
const MOST: u32 = 100;

/// How a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Nothing is wrong.
    Well,
    /// Something is, and `status` or a refused press says so.
    Told,
}

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
    pub(super) async fn press_and_hear(&mut self) -> Result<bool> {
        self.hear_of_presses()?;
        let refused = self.told.refused;
        self.press().await?;
        let what = "the press is recorded or refused";
        self.wait_until_told(what, |told, heard| told.recorded > heard || told.refused > refused).await?;
        let is_recorded = self.told.recorded > self.heard;
        if is_recorded {
            self.hear_of_presses()?;
            self.check_count().await?;
        } else {
            self.presses.forget_last();
        }
        Ok(is_recorded)
    }

    /// Presses two keys, and waits until they are rows, or something is wrong.
    pub(crate) async fn press_twice_and_settle(&mut self) -> Result<Condition> {
        let are_recorded = self.press_and_hear().await? && self.press_and_hear().await?;
        let condition = self.wait("they are rows, or something is wrong", |report| {
            if !super::headlines(report).is_empty() {
                return Some(Condition::Told);
            }
            super::is_settled(report).then_some(Condition::Well)
        });
        let condition = condition.await?;
        Ok(if are_recorded { condition } else { Condition::Told })
    }

    /// Presses the next key, and waits until it is refused; for a device that answers no questions.
    pub(crate) async fn press_unasked(&mut self) -> Result<()> {
        let refused = self.told()?.refused;
        self.press().await?;
        self.presses.forget_last();
        self.wait_until_told("the press is refused", |told, _| told.refused > refused).await
    }

    /// Waits until its log holds this.
    pub(crate) async fn wait_for_log(&mut self, text: &str) -> Result<()> {
        let holds = async |rig: &punchcard_rig::Device| Ok(rig.log().contains(text).then_some(()));
        self.rig.wait_with(&format!("its log has `{text}`"), holds).await
    }

    /// Waits until all its parts have been put together, or until it says that it has no ledger. Whether it has one.
    pub(crate) async fn ready_or_refused(&mut self) -> Result<bool> {
        self.answered_or_refused(|report| report["sinks"].as_array().is_some_and(|sinks| !sinks.is_empty())).await
    }

    /// Waits until it says how it stands, and that `is_so`, or that it has no ledger. Whether it has one.
    pub(crate) async fn answered_or_refused(&mut self, is_so: impl Fn(&Value) -> bool) -> Result<bool> {
        let mut said = BTreeSet::new();
        let answered = self.rig.wait_with("it starts or refuses to", async |rig| {
            let output = rig.command(&["status", "--json"]).await?;
            if output.status.success() {
                let report: Value = serde_json::from_slice(&output.stdout).context("its status is no JSON")?;
                said.extend(super::headlines(&report));
                return Ok(is_so(&report).then_some(true));
            }
            Ok(String::from_utf8_lossy(&output.stderr).contains(NO_LEDGER).then_some(false))
        });
        let answered = answered.await?;
        self.said.extend(said);
        if !answered {
            self.said.insert(NO_LEDGER.to_owned());
        }
        Ok(answered)
    }
}
