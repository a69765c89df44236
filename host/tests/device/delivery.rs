//! Rows reach the sheet exactly once, whatever becomes of requests, answers, the sheet and the device.

use std::collections::BTreeSet;
use std::time::Duration;

use google_sim::{
    Action, DuplicateMetadata, Effect, Fault, FileAction, FormattedCells, MissingMetadata, TrashedWrites,
};
use serde_json::json;

use crate::bench::{Bench, DEEDS, configuration};

const UPDATE: &str = "*:batchUpdate";

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_with_one_request_neither_loses_nor_doubles_a_row() {
    let mut bench = Bench::signed_in().await;
    bench.press("one").await;
    bench.settle().await;
    let page = |status| Effect::Answer {
        status,
        content_type: "text/html".to_owned(),
        body: "<html>not what was asked for</html>".to_owned(),
    };
    let effects = [
        Effect::DropAnswer,
        Effect::DropRequest,
        Effect::ServerError { status: 503, applied: false },
        Effect::ServerError { status: 500, applied: true },
        Effect::HalfAnswer,
        Effect::CaptivePortal,
        Effect::Redirect { to: "http://login.invalid/".to_owned() },
        Effect::CloseConnections,
        Effect::Oversized { bytes: 9 << 20 },
        page(200),
        page(404),
    ];
    let mut expected = vec!["one".to_owned()];
    for effect in effects {
        let seen = format!("{effect:?}");
        bench.sim.arm(Fault::on(UPDATE, effect));
        bench.press("two").await;
        bench.settle().await;
        expected.push("two".to_owned());
        assert_eq!(bench.delivered(), expected, "{seen}\n{:#?}", bench.sim.log());
    }
    // The stand-in's connection is closed while nobody uses it.
    bench.sim.act(Action::CloseIdleConnections);
    bench.press("three").await;
    bench.settle().await;
    expected.push("three".to_owned());
    assert_eq!(bench.delivered(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_never_came_before_a_power_cut_doubles_nothing() {
    let mut bench = Bench::signed_in().await;
    bench.press("one").await;
    bench.settle().await;
    for effect in [Effect::Slow { millis: 60_000 }, Effect::DropRequest] {
        let before = bench.sim.count("sheets.spreadsheets.batchUpdate");
        bench.sim.arm(Fault::on(UPDATE, effect));
        bench.press("two").await;
        while bench.sim.count("sheets.spreadsheets.batchUpdate") == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bench.kill().await;
        bench.start().await;
        bench.settle().await;
    }
    assert_eq!(bench.delivered(), ["one", "two", "two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_carried_out_minutes_later_doubles_nothing() {
    let mut bench = Bench::signed_in().await;
    bench.press("one").await;
    bench.settle().await;
    bench.sim.arm(Fault::on(UPDATE, Effect::ApplyLate { after_seconds: 180 }));
    bench.press("two").await;
    bench.settle().await;
    bench.press("three").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "two", "three"]);
    bench.sim.advance(Duration::from_secs(181));
    bench.press("one").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "two", "three", "one"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_google_does_that_is_not_confirmed_rows_come_once() {
    let mut bench = Bench::signed_in().await;
    let mut expected = Vec::new();
    for (duplicate, missing, formatted) in [
        (DuplicateMetadata::Named, MissingMetadata::Refused, FormattedCells::Counted),
        (DuplicateMetadata::Bare, MissingMetadata::Ignored, FormattedCells::Skipped),
        (DuplicateMetadata::Html, MissingMetadata::Refused, FormattedCells::Counted),
    ] {
        bench.sim.switch(|switches| {
            switches.duplicate_metadata = duplicate;
            switches.missing_metadata = missing;
            switches.formatted_cells = formatted;
        });
        for (deed, effect) in [("one", Effect::DropAnswer), ("two", Effect::ApplyLate { after_seconds: 180 })] {
            bench.sim.arm(Fault::on(UPDATE, effect));
            bench.press(deed).await;
            bench.settle().await;
            bench.sim.advance(Duration::from_secs(181));
            // Somebody tidies up the metadata that the next batch wants to delete.
            let id = bench.spreadsheets()[0].id.clone();
            let lookup = json!({ "developerMetadataLookup": { "metadataKey": "punchcard.batch" } });
            let tidy = json!([{ "deleteDeveloperMetadata": { "dataFilter": lookup } }]);
            bench.sim.edit_as_person(&id, &tidy).unwrap();
            bench.press("three").await;
            bench.settle().await;
            expected.extend([deed, "three"]);
            assert_eq!(bench.delivered(), expected, "{duplicate:?} {missing:?}\n{:#?}", bench.sim.log());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_for_a_sheet_in_the_bin_are_in_it_when_it_is_back() {
    let mut bench = Bench::signed_in().await;
    bench.press("one").await;
    bench.settle().await;
    let id = bench.spreadsheets()[0].id.clone();
    bench.sim.edit_file(&id, &FileAction::Trash).unwrap();
    // Until it is looked at again, at the latest in ten minutes.
    bench.press("two").await;
    bench.settle().await;
    bench.sim.switch(|switches| switches.trashed_writes = TrashedWrites::Refused);
    bench.press("three").await;
    let report = bench.until("it is held", |report| report["sinks"][0]["delivery"]["status"] == "held").await;
    assert_eq!(report["sinks"][0]["delivery"]["problem"]["headline"], "sheet is in the bin");
    bench.sim.edit_file(&id, &FileAction::Untrash).unwrap();
    bench.printed(&["sinks", "retry", "timesheet"]).await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "two", "three"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn presses_without_a_network_are_delivered_when_it_is_back() {
    let mut bench = Bench::signed_in().await;
    bench.sim.arm(Fault::on("*", Effect::DropRequest).times(3));
    for deed in ["one", "two", "three", "one"] {
        bench.press(deed).await;
    }
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "two", "three", "one"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sheet_is_there_before_the_first_press() {
    let bench = Bench::signed_in().await;
    let tables = bench.spreadsheets();
    assert_eq!(tables.len(), 1);
    assert_eq!(tables[0].title, "Time clock");
    assert!(bench.delivered().is_empty());
    assert_eq!(bench.sim.count("drive.files.create"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_get_lost_while_the_sheet_is_made_leave_one_sheet() {
    for operation in ["/drive/*", UPDATE] {
        let mut bench = Bench::new().await;
        bench.sim.arm(Fault::on(operation, Effect::DropAnswer).method("POST"));
        bench.start().await;
        bench.sign_in().await;
        bench.press("one").await;
        bench.settle().await;
        assert_eq!(bench.delivered(), ["one"], "{operation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sinks_that_name_the_same_spreadsheet_make_one() {
    let mut bench = Bench::new().await;
    let text = configuration(&bench.sim.base_url());
    let (head, sink) = text.split_once("[sinks.timesheet]").unwrap();
    let second = sink.replace("[sinks.timesheet", "[sinks.copy").replace("Punches", "Copy");
    bench.configure(&format!("{head}[sinks.timesheet]{sink}\n[sinks.copy]{second}"));
    bench.start().await;
    // Long enough that both would have looked for it, and found none.
    bench.sim.arm(Fault::on("/drive/*", Effect::Slow { millis: 500 }).method("POST"));
    bench.sign_in().await;
    bench
        .until("both are linked", |report| {
            report["sinks"].as_array().unwrap().iter().all(|sink| sink["link"].is_string())
        })
        .await;
    let tables = bench.spreadsheets();
    assert_eq!(tables.len(), 1, "{tables:?}");
    let tabs: Vec<&str> = tables[0].tabs.iter().map(|tab| tab.title.as_str()).collect();
    assert!(tabs.contains(&"Punches") && tabs.contains(&"Copy"), "{tabs:?}");
    assert_eq!(bench.sim.count("drive.files.create"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_presses_is_delivered_in_a_few_requests() {
    let mut bench = Bench::new().await;
    // All keys make rows here: each is up again long before it is pressed next.
    for deed in &DEEDS[3..] {
        bench.reconfigure(&format!(r#"project = "{deed}""#), r#"project = "one""#);
    }
    bench.start().await;
    bench.sign_in().await;
    bench.until("the sheet is linked", |report| report["sinks"][0]["link"].is_string()).await;
    let before = bench.sim.count("sheets.spreadsheets.batchUpdate");
    for deed in DEEDS.iter().cycle().take(60) {
        bench.press_only(deed).await;
        // Slower than a request: each press could have one of its own.
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    bench.until("all are recorded", |report| report["events"] == 60).await;
    bench.settle().await;
    let requests = bench.sim.count("sheets.spreadsheets.batchUpdate") - before;
    assert_eq!(bench.delivered().len(), 60);
    let table = bench.spreadsheets().remove(0);
    let tab = table.tabs.iter().find(|tab| tab.title == "Punches").unwrap();
    let ids: BTreeSet<_> = tab.rows.iter().skip(1).map(|row| row.last().cloned()).collect();
    assert_eq!(ids.len(), 60, "each of them once");
    // With one request for each press, those of a minute would be used up, and the rest would wait for the next.
    assert!(requests <= 12, "{requests} requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_sheet_is_not_made_again_until_a_person_wants_it() {
    let mut bench = Bench::signed_in().await;
    bench.press("one").await;
    bench.settle().await;
    let id = bench.spreadsheets()[0].id.clone();
    bench.sim.edit_file(&id, &FileAction::Delete).unwrap();
    bench.press("two").await;
    let report = bench.until("it is held", |report| report["sinks"][0]["delivery"]["status"] == "held").await;
    let advice = report["sinks"][0]["delivery"]["problem"]["advice"].as_str().unwrap();
    assert!(advice.contains("create-anew"), "{advice}");
    bench.press("three").await;
    bench.stop().await;
    bench.start().await;
    bench.until("it is held again", |report| report["sinks"][0]["delivery"]["status"] == "held").await;
    assert!(bench.spreadsheets().is_empty(), "nothing is made by itself");

    bench.printed(&["sinks", "create-anew", "timesheet", "--yes"]).await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["two", "three"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_for_another_sheet_holds_over_a_power_cut_while_nobody_is_signed_in() {
    let mut bench = Bench::signed_in().await;
    bench.press("one").await;
    bench.settle().await;
    bench.printed(&["sign-out", "google"]).await;
    bench.until("it is signed out", |report| report["grants"][0]["status"] == "signed-out").await;
    let refused = bench.refused(&["reconcile", "timesheet"]).await;
    assert!(refused.contains("waits for grant `google`: nobody is signed in"), "{refused}");
    bench.printed(&["sinks", "create-anew", "timesheet", "--yes"]).await;
    bench.kill().await;
    bench.start().await;
    bench.printed(&["sign-in", "google", "--no-wait"]).await;
    bench.sign_in().await;
    bench.press("two").await;
    bench.settle().await;
    assert_eq!(bench.spreadsheets().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_whose_card_was_replaced_goes_on_in_its_spreadsheet() {
    let mut bench = Bench::signed_in().await;
    bench.press("one").await;
    bench.settle().await;
    bench.stop().await;
    bench.replace_card();
    bench.start().await;
    bench.sign_in().await;
    bench.press("two").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_columns_come_at_the_right_of_what_is_there() {
    let mut bench = Bench::signed_in().await;
    bench.press("one").await;
    bench.settle().await;
    bench.stop().await;
    bench.reconfigure(r#"columns = ["Deed"]"#, r#"columns = ["Deed", "More"]"#);
    bench.start().await;
    bench.press("two").await;
    bench.settle().await;
    let table = bench.spreadsheets().remove(0);
    let seen = table.tabs.iter().find(|tab| tab.title == "Punches").unwrap().seen();
    assert_eq!(seen, [["Deed", "More"], ["Deed one", ""], ["Deed two", "More two"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_sorts_and_renames_keeps_what_they_did() {
    let mut bench = Bench::signed_in().await;
    bench.press("two").await;
    bench.press("one").await;
    bench.settle().await;
    let table = bench.spreadsheets().remove(0);
    let tab = table.tabs.iter().find(|tab| tab.title == "Punches").unwrap().id;
    let range = json!({ "sheetId": tab, "startRowIndex": 1, "endRowIndex": 3, "startColumnIndex": 0 });
    let edits = json!([
        { "sortRange": { "range": range, "sortSpecs": [{ "dimensionIndex": 0, "sortOrder": "ASCENDING" }] } },
        { "updateSheetProperties": { "properties": { "sheetId": tab, "title": "Mine" }, "fields": "title" } },
    ]);
    bench.sim.edit_as_person(&table.id, &edits).unwrap();
    bench.press("three").await;
    bench.settle().await;
    let table = bench.spreadsheets().remove(0);
    let mine = table.tabs.iter().find(|candidate| candidate.id == tab).unwrap();
    assert_eq!(mine.title, "Mine");
    assert_eq!(mine.seen(), [["Deed"], ["Deed one"], ["Deed two"], ["Deed three"]]);
    assert!(table.tabs.iter().all(|tab| tab.title != "Punches"), "none was made in its place");
}
