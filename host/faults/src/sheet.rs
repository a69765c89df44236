//! What people, and other devices, do to the spreadsheet.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use google_sim::{Config, Effect, Fault, FileAction, MissingMetadata, TabTable, TrashedWrites};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::device::Device;
use crate::headline::{CREATION_IN_DOUBT, IN_DOUBT, IN_THE_BIN, SHEET_DELETED, TAB_DELETED};
use crate::request::{UPDATE, error};
use crate::row::{Group, Row};
use crate::trial::{Surroundings, Trial};

/// For what takes a moment.
const PATIENCE: Duration = Duration::from_secs(60);
/// What may have been carried out is waited for so long.
const DOUBT_LASTS: Duration = Duration::from_mins(10);
/// Of a whole spreadsheet.
const MOST_CELLS: u64 = 10_000_000;

/// What happens to a spreadsheet.
pub(crate) fn rows() -> Vec<Row> {
    use Group::Sheet;
    let gone = |name, what, missing| {
        Row::new(Sheet, name, what, async move |surroundings| try_gone_mark(&surroundings, missing).await)
    };
    let taken = |name, what, first| {
        Row::new(Sheet, name, what, async move |surroundings| try_taken_mark(&surroundings, first).await)
    };
    vec![
        Row::new(Sheet, "deleted", "a person deletes the spreadsheet for good", deleted).says(&[SHEET_DELETED]),
        Row::new(Sheet, "in-the-bin", "a person puts it into the bin, where it takes no rows", binned)
            .says(&[IN_THE_BIN]),
        Row::new(
            Sheet,
            "in-the-bin-for-a-while",
            "it is in the bin, where it takes rows, and comes out again",
            visited_the_bin,
        ),
        Row::new(
            Sheet,
            "in-the-bin-unnoticed",
            "it is in the bin, where it takes rows, until the device looks at it",
            noticed_in_the_bin,
        )
        .says(&[IN_THE_BIN]),
        Row::new(Sheet, "creation-lost", "the answer to the creation of the spreadsheet is lost", creation_lost)
            .may_say(&[CREATION_IN_DOUBT])
            .slow(),
        Row::new(Sheet, "tab-renamed", "a person renames the tab", tab_renamed),
        Row::new(Sheet, "tab-deleted", "a person deletes the tab", tab_deleted).says(&[TAB_DELETED]),
        Row::new(Sheet, "header-edited", "a person writes another title", header_edited),
        Row::new(Sheet, "column-inserted", "a person inserts a column at the left", column_inserted),
        Row::new(Sheet, "sorted", "a person sorts the rows", sorted),
        Row::new(Sheet, "row-deleted", "a person deletes a row, and wants it back", row_deleted),
        Row::new(Sheet, "grid-full", "the tab has no empty row left", grid_full),
        Row::new(Sheet, "cell-limit", "the spreadsheet has as many cells as it may have", cell_limit),
        Row::new(Sheet, "another-device", "another device writes to the same tab at the same time", another_device),
        taken("mark-taken", "another device takes the metadata id of a batch that was refused", refusal()),
        taken("mark-taken-in-doubt", "the same, of a batch that may yet be carried out", Effect::DropRequest)
            .says(&[IN_DOUBT])
            .slow(),
        gone("mark-gone", "the mark of an old batch is gone, which Google ignores", MissingMetadata::Ignored),
        gone(
            "mark-gone-refused",
            "the mark of an old batch is gone, for which Google refuses the rows",
            MissingMetadata::Refused,
        ),
    ]
}

impl Trial {
    /// Does in the only spreadsheet what a person would.
    fn edit(&self, requests: &Value) -> Result<()> {
        self.google.edit_as_person(&self.sheet()?.id, requests)?;
        Ok(())
    }

    /// What the device finds when it compares the sheet with what it delivered.
    async fn reconcile(&self, more: &[&str]) -> Result<Value> {
        let arguments = [&["reconcile", "timesheet", "--json"], more].concat();
        let report = self.device.command(&arguments).await?;
        serde_json::from_str(&report).context("its comparison is no JSON")
    }

    /// It finds so many rows there, so many that went elsewhere, and nothing that is wrong.
    async fn check_reconciled(&self, there: u64, elsewhere: u64) -> Result<()> {
        let found = self.reconcile(&[]).await?;
        let wrong = ["missing", "changed", "doubled", "foreign", "without-id", "unknown"];
        let is_right = found["there"] == there && found["elsewhere"] == elsewhere;
        ensure!(is_right && wrong.iter().all(|wrong| found[wrong] == 0), "compared with the sheet:\n{found:#}");
        Ok(())
    }

    /// The tab of the device in the only spreadsheet.
    fn tab(&self) -> Result<TabTable> {
        let titled =
            |tab: &TabTable| tab.rows.first().is_some_and(|titles| titles.iter().any(|title| title == self.title));
        self.sheet()?.tabs.into_iter().find(titled).context("there is no tab of the device")
    }

    /// The request that leaves the device's tab no row but those that are written.
    fn fill_grid(&self) -> Result<Value> {
        let tab = self.tab()?;
        let grid = json!({ "rowCount": tab.rows.len() });
        let properties = json!({ "sheetId": tab.id, "gridProperties": grid });
        Ok(json!({ "updateSheetProperties": { "properties": properties, "fields": "gridProperties.rowCount" } }))
    }

    /// The id of the metadata that the device asks for, after so many calls.
    async fn await_mark(&self, before: usize) -> u32 {
        loop {
            let calls = self.google.log();
            let id = |path: &str| path.split_once("/developerMetadata/")?.1.parse().ok();
            if let Some(id) = calls.iter().skip(before).find_map(|call| id(&call.path)) {
                return id;
            }
            sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn deleted(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    trial
        .run(async |trial| {
            trial.keep_rows()?;
            trial.google.edit_file(&trial.sheet()?.id, &FileAction::Delete)?;
            trial.device.press_and_wait().await?;
            trial.device.wait_for(SHEET_DELETED).await?;
            trial.stays_quiet().await?;
            ensure!(trial.google.tables().is_empty(), "another spreadsheet was made before anybody wished it");
            create_anew(trial).await
        })
        .await?;
    Ok(trial)
}

/// Does what the problem's advice says.
async fn create_anew(trial: &mut Trial) -> Result<()> {
    trial.device.command(&["sinks", "create-anew", "timesheet", "--yes"]).await?;
    trial.heal();
    Ok(())
}

async fn binned(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    trial.google.switch(|switches| switches.trashed_writes = TrashedWrites::Refused);
    trial
        .run(async |trial| {
            let id = trial.sheet()?.id;
            trial.google.edit_file(&id, &FileAction::Trash)?;
            trial.device.press_and_wait().await?;
            taken_out_of_the_bin(trial, &id).await
        })
        .await?;
    Ok(trial)
}

/// The device waits for a person, who takes the file out of the bin and says so.
async fn taken_out_of_the_bin(trial: &mut Trial, id: &str) -> Result<()> {
    trial.device.wait_for(IN_THE_BIN).await?;
    trial.stays_quiet().await?;
    trial.google.edit_file(id, &FileAction::Untrash)?;
    trial.device.command(&["sinks", "retry", "timesheet"]).await?;
    trial.heal();
    Ok(())
}

async fn visited_the_bin(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    trial.google.switch(|switches| switches.trashed_writes = TrashedWrites::Taken);
    trial
        .run(async |trial| {
            let id = trial.sheet()?.id;
            trial.google.edit_file(&id, &FileAction::Trash)?;
            trial.device.press_and_wait().await?;
            trial.device.settle().await?;
            trial.google.edit_file(&id, &FileAction::Untrash)?;
            trial.heal();
            Ok(())
        })
        .await?;
    Ok(trial)
}

async fn noticed_in_the_bin(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    trial.google.switch(|switches| switches.trashed_writes = TrashedWrites::Taken);
    trial
        .run(async |trial| {
            let id = trial.sheet()?.id;
            trial.google.edit_file(&id, &FileAction::Trash)?;
            trial.device.press_and_wait().await?;
            trial.device.settle().await?;
            restart(trial).await?;
            trial.device.press_and_wait().await?;
            taken_out_of_the_bin(trial, &id).await
        })
        .await?;
    Ok(trial)
}

/// The device can't know whether there is one now, and must not make another.
async fn creation_lost(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::new(&surroundings, Config::default()).await?;
    trial.arm(Fault::on("*/files", Effect::DropAnswer).method("POST"));
    trial.device.rig.start_and_wait().await?;
    trial
        .run(async |trial| {
            trial.sign_in(None).await?;
            trial.device.said.clear();
            Ok(())
        })
        .await?;
    Ok(trial)
}

async fn tab_renamed(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    for title in ["Mine", "Yours"] {
        trial
            .run(async |trial| {
                let properties = json!({ "sheetId": trial.tab()?.id, "title": title });
                trial.edit(&json!([{ "updateSheetProperties": { "properties": properties, "fields": "title" } }]))?;
                restart(trial).await
            })
            .await?;
    }
    ensure!(trial.tab()?.title == "Yours", "what a person wrote was written over");
    ensure!(trial.sheet()?.tabs.len() == 1, "another tab was made");
    Ok(trial)
}

/// The device looks at its spreadsheet at once, and not within ten minutes.
async fn restart(trial: &mut Trial) -> Result<()> {
    trial.device.rig.stop().await?;
    trial.device.rig.start()?;
    trial.device.wait_until_ready().await
}

async fn tab_deleted(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    trial
        .run(async |trial| {
            trial.keep_rows()?;
            let tab = trial.tab()?.id;
            trial.edit(&json!([
                { "addSheet": { "properties": { "title": "Another" } } },
                { "deleteSheet": { "sheetId": tab } },
            ]))?;
            trial.device.press_and_wait().await?;
            trial.device.wait_for(TAB_DELETED).await?;
            trial.stays_quiet().await?;
            // In another spreadsheet.
            trial.tabs = vec![0, 1];
            create_anew(trial).await
        })
        .await?;
    // The row that was in the tab is told as delivered elsewhere, and not as missing.
    trial.check_reconciled(3, 1).await?;
    Ok(trial)
}

async fn header_edited(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    trial
        .run(async |trial| {
            let tab = trial.tab()?;
            let column = tab.rows.first().and_then(|titles| titles.iter().position(|title| title == trial.title));
            let start = json!({ "sheetId": tab.id, "rowIndex": 0, "columnIndex": column });
            let rows = json!([{ "values": [{ "userEnteredValue": { "stringValue": "My key" } }] }]);
            trial.edit(&json!([{ "updateCells": { "start": start, "rows": rows, "fields": "userEnteredValue" } }]))?;
            trial.title = "My key";
            trial.device.press_and_wait().await?;
            trial.device.settle().await?;
            restart(trial).await
        })
        .await?;
    trial.check_reconciled(4, 0).await?;
    Ok(trial)
}

async fn column_inserted(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    trial
        .run(async |trial| {
            let range = json!({ "sheetId": trial.tab()?.id, "dimension": "COLUMNS", "startIndex": 0, "endIndex": 1 });
            let before = trial.rows()?.len();
            trial.edit(&json!([{ "insertDimension": { "range": range } }]))?;
            // Until the device looks again, rows come to where the column was.
            trial.device.press_and_wait().await?;
            trial.device.settle().await?;
            trial.misplaced = before..trial.rows()?.len();
            restart(trial).await
        })
        .await?;
    let last = trial.tab()?.rows.pop().unwrap_or_default();
    ensure!(last.first().is_some_and(String::is_empty), "after a look, rows still come to the old column: {last:?}");
    Ok(trial)
}

async fn sorted(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    for _ in 0..3 {
        trial.device.press_and_wait().await?;
    }
    trial.device.settle().await?;
    let mut before = trial.rows()?;
    trial
        .run(async |trial| {
            trial.keep_order()?;
            let range = json!({ "sheetId": trial.tab()?.id, "startRowIndex": 1, "startColumnIndex": 0 });
            let specs = json!([{ "dimensionIndex": 0, "sortOrder": "DESCENDING" }]);
            trial.edit(&json!([{ "sortRange": { "range": range, "sortSpecs": specs } }]))
        })
        .await?;
    before.sort_unstable_by(|left, right| right.cmp(left));
    ensure!(trial.rows()?.starts_with(&before), "what a person sorted is no longer as they did");
    trial.check_reconciled(6, 0).await?;
    Ok(trial)
}

async fn row_deleted(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    for _ in 0..2 {
        trial.device.press_and_wait().await?;
    }
    trial.device.settle().await?;
    trial
        .run(async |trial| {
            trial.keep_rows()?;
            let mut expected = trial.rows()?;
            // The second one, below the titles.
            let range = json!({ "sheetId": trial.tab()?.id, "dimension": "ROWS", "startIndex": 2, "endIndex": 3 });
            trial.edit(&json!([{ "deleteDimension": { "range": range } }]))?;
            let deleted = expected.remove(1);
            let found = trial.reconcile(&[]).await?;
            ensure!(found["there"] == 2 && found["missing"] == 1, "compared with the sheet:\n{found:#}");
            ensure!(trial.rows()? == expected, "rows were delivered again before anybody wished it");
            trial.heal();
            let found = trial.reconcile(&["--deliver-missing"]).await?;
            ensure!(found["delivered-again"] == 1, "compared with the sheet:\n{found:#}");
            trial.device.settle().await?;
            expected.push(deleted);
            ensure!(trial.rows()? == expected, "the sheet has {:?}, not {expected:?}", trial.rows()?);
            trial.skip_rows()
        })
        .await?;
    trial.check_reconciled(5, 0).await?;
    Ok(trial)
}

async fn grid_full(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    for _ in 0..2 {
        trial.run(async |trial| trial.edit(&json!([trial.fill_grid()?]))).await?;
    }
    Ok(trial)
}

async fn cell_limit(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    trial
        .run(async |trial| {
            trial.edit(&json!([trial.fill_grid()?]))?;
            let state = trial.google.state();
            let grids =
                state["files"].as_array().into_iter().flatten().flat_map(|file| file["sheets"].as_array()).flatten();
            let cells = |grid: &Value| Some(grid["rowCount"].as_u64()? * grid["columnCount"].as_u64()?);
            let used: u64 = grids.filter_map(cells).sum();
            let grid = json!({ "rowCount": MOST_CELLS - used, "columnCount": 1 });
            trial.edit(&json!([{ "addSheet": { "properties": { "title": "Much", "gridProperties": grid } } }]))
        })
        .await?;
    // The device goes on in another spreadsheet.
    trial.tabs = vec![1, 1];
    Ok(trial)
}

async fn another_device(surroundings: Surroundings) -> Result<Trial> {
    let mut trial = Trial::signed_in(&surroundings).await?;
    let mut other = Device::new(&surroundings, "other", &trial.google.base_url())?;
    other.rig.start_and_wait().await?;
    Trial::link(&trial.google, &mut other).await?;
    for effect in [None, Some(Effect::DropAnswer), Some(Effect::DropRequest)] {
        trial
            .run(async |trial| {
                if let Some(effect) = effect {
                    // Of either of them.
                    trial.arm(Fault::on(UPDATE, effect).times(2));
                }
                let both = async |device: &mut Device| {
                    for _ in 0..3 {
                        device.press_and_wait().await?;
                    }
                    device.settle().await
                };
                let (one, another) = tokio::join!(both(&mut trial.device), both(&mut other));
                one.and(another)
            })
            .await?;
    }
    ensure!(trial.sheet()?.tabs.len() == 1, "there is more than one tab");
    trial.other = Some(other);
    Ok(trial)
}

/// The first request with rows meets this. The device then reads whether its mark is there, and hears that it is not; and
/// before it sends the rows again, another device takes the id.
async fn try_taken_mark(surroundings: &Surroundings, first: Effect) -> Result<Trial> {
    let mut trial = Trial::signed_in(surroundings).await?;
    trial.device.rig.set_patience(DOUBT_LASTS * 2);
    trial
        .run(async |trial| {
            let before = trial.google.log().len();
            trial.arm(Fault::on(UPDATE, first));
            trial.arm(Fault::on("*/developerMetadata/*", Effect::Slow { millis: 3_000 }).method("GET"));
            trial.device.press_and_wait().await?;
            let id = timeout(PATIENCE, trial.await_mark(before)).await?;
            trial.edit(&json!([{ "createDeveloperMetadata": { "developerMetadata": {
                "metadataId": id, "metadataKey": "punchcard.batch", "metadataValue": "of another device",
                "location": { "spreadsheet": true }, "visibility": "PROJECT",
            } } }]))
        })
        .await?;
    Ok(trial)
}

/// A refusal for nothing.
fn refusal() -> Effect {
    error(400, "INVALID_ARGUMENT", "Invalid requests[0].")
}

async fn try_gone_mark(surroundings: &Surroundings, missing: MissingMetadata) -> Result<Trial> {
    let mut trial = Trial::signed_in(surroundings).await?;
    trial.google.switch(|switches| switches.missing_metadata = missing);
    for _ in 0..3 {
        trial
            .run(async |trial| {
                // Somebody tidies up what the next batch is about to delete.
                let lookup = json!({ "developerMetadataLookup": { "metadataKey": "punchcard.batch" } });
                trial.edit(&json!([{ "deleteDeveloperMetadata": { "dataFilter": lookup } }]))
            })
            .await?;
    }
    Ok(trial)
}
