//! A copy of the ledger that a person puts back when rows have been delivered that wait in it. `punchcard restore` has the device
//! look for them before it delivers.

use std::fs;

use anyhow::{Context as _, Result, ensure};

use crate::gate::Passage;
use crate::headline::{COMPARES_FIRST, NO_ANSWER};
use crate::network::new_behind_a_gate;
use crate::row::{Group, Row};
use crate::trial::{Surroundings, Trial};

/// What comes of it.
pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row::new(
            Group::Disk,
            "copy-put-back",
            "a copy of the ledger is put back in which rows wait that have been delivered since",
            put_back,
        )
        .may_say(&[COMPARES_FIRST, NO_ANSWER]),
    ]
}

/// Rows that wait in the copy,
const WAITING: u64 = 2;
/// and presses since: by then the service knows nothing of the batch in which those came.
const SINCE: u64 = 2;

async fn put_back(surroundings: Surroundings) -> Result<Trial> {
    let (mut trial, gate) = new_behind_a_gate(&surroundings).await?;
    trial.begin().await?;
    let folder = trial.device.rig.folder.path().to_owned();
    let ledger = trial.device.rig.folder.state.join("ledger.sqlite");
    gate.set(Passage::Closed).await?;
    for _ in 0..WAITING {
        trial.device.press_and_wait().await?;
    }
    trial.device.wait_for_formatted(WAITING).await?;
    trial.device.rig.stop().await?;
    fs::copy(&ledger, folder.join("copy.sqlite")).context("there is no ledger")?;
    gate.set(Passage::Open).await?;
    trial.device.rig.start_and_wait().await?;
    trial.device.settle().await?;
    for _ in 0..SINCE {
        trial.device.press_and_wait().await?;
        trial.device.settle().await?;
    }
    trial.device.rig.stop().await?;
    trial.device.rig.printed(&["restore", "copy.sqlite", "--yes"]).await?;
    trial.device.begin_anew();
    trial.heal();
    trial.device.rig.start_and_wait().await?;
    trial.run(async |_| Ok(())).await?;
    let found = trial.device.command(&["reconcile", "timesheet", "--json"]).await?;
    let found: serde_json::Value = serde_json::from_str(&found).context("no JSON")?;
    let is_so =
        found["foreign"] == SINCE && found["doubled"] == 0 && found["missing"] == 0 && found["there"] == WAITING + 3;
    ensure!(is_so, "compared with the sheet:\n{found:#}");
    Ok(trial)
}
