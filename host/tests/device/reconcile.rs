//! What is in the sheet, compared with what was delivered.

use std::time::Duration;

use google_sim::{Effect, Fault};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::bench::Bench;

async fn reconcile(bench: &Bench, arguments: &[&str]) -> Value {
    let printed = bench.printed(&[&["reconcile", "timesheet", "--json"], arguments].concat()).await;
    serde_json::from_str(&printed).unwrap()
}

/// The counts of a report that are not 0.
fn counts(report: &Value) -> Vec<(&str, u64)> {
    let names = ["there", "missing", "changed", "doubled", "unknown", "elsewhere", "pending", "foreign", "without-id"];
    names.iter().map(|name| (*name, report[name].as_u64().unwrap())).filter(|(_, count)| *count > 0).collect()
}

/// What is told of rows: what was found, and of which event.
fn details(report: &Value) -> Vec<(String, Option<u64>)> {
    let details = report["details"].as_array().unwrap();
    let mut told: Vec<_> =
        details.iter().map(|one| (one["finding"].as_str().unwrap().to_owned(), one["event"].as_u64())).collect();
    told.sort();
    told
}

/// What people and another device do to the sheet.
fn disorder(bench: &Bench) {
    let table = &bench.spreadsheets()[0];
    let tab = table.tabs.iter().find(|tab| tab.title == "Punches").unwrap();
    let text = |text: &str| json!({ "userEnteredValue": { "stringValue": text } });
    let row = |cells: [&str; 2]| json!({ "values": cells.map(text) });
    let range = |start: u32, end: u32| json!({ "sheetId": tab.id, "startRowIndex": start, "endRowIndex": end });
    let another = "01ARZ3NDEKTSV4RRFFQ69G5FAV/0";
    let requests = json!([
        { "deleteDimension": {
            "range": { "sheetId": tab.id, "dimension": "ROWS", "startIndex": 2, "endIndex": 3 },
        }},
        { "updateCells": {
            "start": { "sheetId": tab.id, "rowIndex": 2, "columnIndex": 0 },
            "rows": [{ "values": [text("corrected by hand")] }],
            "fields": "userEnteredValue",
        }},
        { "appendCells": {
            "sheetId": tab.id,
            "rows": [row(["Deed one", &tab.rows[4][1]]), row(["Deed far away", another]), row(["a remark", ""])],
            "fields": "userEnteredValue",
        }},
        { "sortRange": { "range": range(1, 8), "sortSpecs": [{ "dimensionIndex": 0, "sortOrder": "DESCENDING" }] } },
    ]);
    bench.sim.edit_as_person(&table.id, &requests).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_found_and_delivered_again_once() {
    let mut bench = Bench::signed_in().await;
    for deed in ["one", "two", "three", "one", "two"] {
        bench.press(deed).await;
    }
    bench.settle().await;
    let report = reconcile(&bench, &[]).await;
    assert_eq!(counts(&report), [("there", 5)]);
    assert!(report["link"].as_str().unwrap().contains("/spreadsheets/d/"), "{report}");

    disorder(&bench);
    let report = reconcile(&bench, &[]).await;
    let found = [("there", 2), ("missing", 1), ("changed", 1), ("doubled", 1), ("foreign", 1), ("without-id", 1)];
    assert_eq!(counts(&report), found);
    let told =
        [("changed", Some(3)), ("doubled", Some(4)), ("foreign", None), ("missing", Some(2)), ("without-id", None)];
    assert_eq!(details(&report), told.map(|(finding, event)| (finding.to_owned(), event)));
    let place =
        report["details"].as_array().unwrap().iter().find(|one| one["finding"] == "changed").unwrap()["place"].clone();
    assert!(place.as_str().unwrap().ends_with("of Punches"), "{place}");
    // Nobody can be asked here, so nothing is done.
    let said = bench.printed(&["reconcile", "timesheet"]).await;
    assert!(said.contains("1  missing: delivered, and not there") && said.contains("row"), "{said}");
    assert_eq!(counts(&reconcile(&bench, &[]).await), found);

    // The answer that says that it is there again gets lost.
    bench.sim.arm(Fault::on("*:batchUpdate", Effect::DropAnswer));
    let report = reconcile(&bench, &["--deliver-missing"]).await;
    assert_eq!(report["delivered-again"], 1);
    bench.kill().await;
    bench.start().await;
    bench.settle().await;
    let whole = [("there", 3), ("changed", 1), ("doubled", 1), ("foreign", 1), ("without-id", 1)];
    let report = reconcile(&bench, &["--deliver-missing"]).await;
    assert_eq!((counts(&report), &report["delivered-again"]), (whole.to_vec(), &Value::Null));
    assert_eq!(bench.delivered().iter().filter(|deed| *deed == "two").count(), 2, "{:?}", bench.delivered());
    let events = bench.printed(&["events", "--json"]).await;
    assert_eq!(events.lines().count(), 5, "nothing happened twice: {events}");
    let again = |line: &str| serde_json::from_str::<Value>(line).unwrap()["statuses"][0]["again"].clone();
    assert_eq!(events.lines().map(again).filter(|again| *again == 1).count(), 1, "{events}");

    bench.press_only("three").await;
    bench.until("it is recorded, beside the row that went again", |report| report["events"] == 6).await;
    bench.settle().await;
    assert_eq!(bench.delivered().last().unwrap(), "three");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_came_without_their_ids_are_not_called_missing() {
    let mut bench = Bench::new().await;
    bench.reconfigure("tab = \"Punches\"", "tab = \"Punches\"\nevent-ids = false");
    bench.start().await;
    bench.sign_in().await;
    bench.press("one").await;
    bench.settle().await;
    let refused = bench.command(&["reconcile", "timesheet"]).await;
    assert_eq!(refused.status.code(), Some(6));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("event-ids"));
    bench.stop().await;
    bench.reconfigure("event-ids = false", "");
    bench.start().await;
    bench.press("two").await;
    bench.settle().await;
    let report = reconcile(&bench, &["--deliver-missing"]).await;
    assert_eq!(counts(&report), [("there", 1), ("unknown", 1), ("without-id", 1)]);

    // Another tab has none of them, and they are not looked for there.
    bench.stop().await;
    bench.reconfigure("tab = \"Punches\"", "tab = \"More\"");
    bench.start().await;
    bench.until("the tab is ready", |report| report["sinks"][0]["delivery"]["status"] == "idle").await;
    let report = reconcile(&bench, &["--deliver-missing"]).await;
    assert_eq!((counts(&report), &report["delivered-again"]), (vec![("unknown", 2)], &Value::Null));
    bench.press("three").await;
    bench.settle().await;
    let report = reconcile(&bench, &["--deliver-missing"]).await;
    assert_eq!(counts(&report), [("there", 1), ("unknown", 2)]);

    bench.printed(&["sinks", "pause", "timesheet"]).await;
    assert_eq!(bench.command(&["reconcile", "timesheet"]).await.status.code(), Some(6), "it is paused");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_lost_their_ids_are_not_called_missing() {
    let mut bench = Bench::signed_in().await;
    for deed in ["one", "two", "three"] {
        bench.press(deed).await;
    }
    bench.settle().await;
    let edit = |requests: Value| {
        let table = &bench.spreadsheets()[0];
        let tab = table.tabs.iter().find(|tab| tab.title == "Punches").unwrap();
        let requests = requests.to_string().replace("\"TAB\"", &tab.id.to_string());
        bench.sim.edit_as_person(&table.id, &serde_json::from_str(&requests).unwrap()).unwrap();
    };
    edit(json!([{ "updateCells": {
        "start": { "sheetId": "TAB", "rowIndex": 1, "columnIndex": 1 },
        "rows": [{ "values": [{}] }, { "values": [{}] }],
        "fields": "userEnteredValue",
    } }]));
    let report = reconcile(&bench, &["--deliver-missing"]).await;
    assert_eq!(counts(&report), [("there", 1), ("unknown", 2), ("without-id", 2)]);
    edit(json!([{ "deleteDimension": {
        "range": { "sheetId": "TAB", "dimension": "COLUMNS", "startIndex": 1, "endIndex": 2 } } }]));
    let refused = bench.command(&["reconcile", "timesheet", "--deliver-missing"]).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(6) && said.contains("event ids are missing"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_an_earlier_start_has_sent_is_settled_before_anything_is_compared() {
    let mut bench = Bench::signed_in().await;
    bench.press("one").await;
    bench.settle().await;
    bench.sim.arm(Fault::on("*:batchUpdate", Effect::Silence { applied: true }));
    bench.press("two").await;
    let applied = async {
        while bench.delivered().len() < 2 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(60), applied).await.expect("its row arrives");
    bench.kill().await;
    // What the device asks first takes so long that a person is faster. On a machine that is slower still, this tries nothing.
    bench.sim.arm(Fault::on("*", Effect::Slow { millis: 3_000 }));
    bench.start().await;
    assert_eq!(counts(&reconcile(&bench, &[]).await), [("there", 2)]);
    let asked = bench.sim.log();
    let first = |operation: &str| asked.iter().position(|entry| entry.operation == operation);
    let mark = first("sheets.spreadsheets.developerMetadata.get").expect("it looks for the batch's mark");
    let rows = first("sheets.spreadsheets.values.get").expect("it reads rows");
    assert!(mark < rows, "{asked:?}");
}
