//! A copy of the ledger that a person puts back when rows have been delivered that wait in it. Nothing in it says so: it
//! takes a person who does not let them come once more.

use std::fs;

use anyhow::{Context as _, Result, ensure};

use crate::card::put_ledger;
use crate::gate::Passage;
use crate::headline::{NO_ANSWER, OFF};
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
        .says(&[OFF])
        .may_say(&[NO_ANSWER]),
    ]
}

/// How the sink is called in plugins.toml.
const SINK: &str = "timesheet";
const RENAMED: &str = "timesheet-2";
/// Rows that wait in the copy.
const WAITING: u64 = 2;

async fn put_back(surroundings: Surroundings) -> Result<Trial> {
    let (mut trial, gate) = new_behind_a_gate(&surroundings).await?;
    trial.begin().await?;
    let ledger = trial.device.rig.folder.state.join("ledger.sqlite");
    gate.set(Passage::Closed).await?;
    for _ in 0..WAITING {
        trial.device.press_and_wait().await?;
    }
    trial.device.wait_for_formatted(WAITING).await?;
    trial.device.rig.stop().await?;
    let copy = fs::read(&ledger).context("there is no ledger")?;
    gate.set(Passage::Open).await?;
    trial.device.rig.start_and_wait().await?;
    trial.device.settle().await?;
    // Two more batches: by now the service knows nothing of those that wait in the copy.
    for _ in 0..2 {
        trial.device.press_and_wait().await?;
        trial.device.settle().await?;
    }
    let before = trial.rows()?.len();
    trial.device.rig.stop().await?;
    put_ledger(&ledger, &copy)?;
    trial.device.begin_anew();
    // Under another name, the sink takes what happens from now on.
    rename_sink(&trial)?;
    trial.heal();
    trial.device.rig.start_and_wait().await?;
    trial.device.wait_for(OFF).await?;
    trial.run(async |_| Ok(())).await?;
    // The rows of the old name stay in the ledger, and that is said.
    trial.still_says.push(OFF);
    let waits = |report: &serde_json::Value| {
        let sink = report["sinks"].as_array()?.iter().find(|sink| sink["name"] == SINK)?;
        Some(sink["rows-waiting"].as_u64()? + sink["rows-in-flight"].as_u64()?)
    };
    let waits = trial.device.wait("the sink's old name is listed", waits).await?;
    ensure!(waits == WAITING, "{waits} rows wait under the old name, not {WAITING}");
    let found = trial.device.command(&["reconcile", RENAMED, "--json"]).await?;
    let found: serde_json::Value = serde_json::from_str(&found).context("no JSON")?;
    ensure!(found["foreign"] == before && found["missing"] == 0, "compared with the sheet:\n{found:#}");
    Ok(trial)
}

/// What a person changes in plugins.toml.
fn rename_sink(trial: &Trial) -> Result<()> {
    let folder = &trial.device.rig.folder;
    let configuration = folder.configuration()?;
    let [known, renamed] = [SINK, RENAMED].map(|name| format!("[sinks.{name}"));
    ensure!(configuration.contains(&known), "the configuration names no sink {SINK}");
    folder.configure(&configuration.replace(&known, &renamed))
}
