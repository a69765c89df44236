//! What has to be mended by a person, and what a person did to the sheet.

use google_sim::FileAction;
use punchcard_sdk::connector::{Directive, Rejection, Signal};
use punchcard_sdk::http::Failure;
use punchcard_sdk::{Cell, Column, ColumnKind};
use serde_json::json;

use super::{delivered, first_cells, held};
use crate::rig::{End, Google, Host, Reply};

fn settled() -> (Google, Host) {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    host.settle(&mut google);
    (google, host)
}

fn refusal(status: u16, message: &str, reason: &str) -> String {
    format!(r#"{{"error":{{"code":{status},"message":"{message}","errors":[{{"reason":"{reason}"}}]}}}}"#)
}

#[test]
fn what_a_person_has_to_mend_is_held_and_nothing_is_in_doubt() {
    for (status, reason, headline) in [
        (403, "forbidden", "access was refused"),
        (403, "insufficientPermissions", "permission is missing"),
        (403, "accessNotConfigured", "Sheets API is off"),
    ] {
        let (mut google, mut host) = settled();
        google.scripted.push_back(("append", status, refusal(status, "m", reason)));
        let batch = host.batch(1);
        assert_eq!(host.run(&mut google, &batch, Signal::Begin), held(headline));
        assert_eq!(host.state().mark, None);
        assert_eq!(host.run(&mut google, &batch, Signal::Retry), delivered("file1"));
        assert_eq!(google.rows("Punches").len(), 3);
    }
}

#[test]
fn a_sign_in_that_is_refused_several_times_is_waited_for_and_nothing_is_in_doubt() {
    let (mut google, mut host) = settled();
    for _ in 0..5 {
        google.scripted.push_back(("append", 401, refusal(401, "m", "authError")));
    }
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    assert_eq!(host.problems[0].headline, "sign-in not accepted");
    assert_eq!((google.rows("Punches").len(), host.state().mark.clone()), (3, None));
}

#[test]
fn an_address_that_is_not_granted_is_said() {
    let (google, mut host) = settled();
    let batch = host.batch(1);
    let Directive::Send(_) = host.step(&google, &batch, Signal::Begin) else { panic!() };
    let denied = Signal::Failed(Failure::Denied("x".into()));
    let Directive::Hold(pause) = host.step(&google, &batch, denied) else { panic!() };
    assert_eq!(pause.problem.unwrap().headline, "address not granted");
    assert_eq!(pause.milliseconds, 600_000);
}

#[test]
fn a_refusal_for_no_known_reason_is_held_with_googles_words_and_tried_again_later() {
    let (mut google, mut host) = settled();
    let words = "Invalid requests[2].appendCells: You are trying to edit a protected cell";
    for _ in 0..3 {
        google.scripted.push_back(("append", 400, refusal(400, words, "badRequest")));
    }
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), held("refused by Google"));
    assert!(host.problems[0].advice.contains("protected cell"));
    let once = ["append", "mark", "tabs", "columns"];
    assert_eq!(google.log, [once, once, once].concat());
    assert_eq!(host.run(&mut google, &batch, Signal::Retry), delivered("file1"));
    assert_eq!(google.rows("Punches").len(), 3);
}

#[test]
fn words_without_end_are_cut_before_they_come_into_the_state() {
    let (mut google, mut host) = settled();
    let words = format!("Invalid requests[2].appendCells: {}", "no ".repeat(700_000));
    google.scripted.push_back(("append", 400, refusal(400, &words, "badRequest")));
    let batch = host.batch(1);
    let Directive::Send(request) = host.step(&google, &batch, Signal::Begin) else { panic!() };
    let Reply::Response(response) = google.perform(&request) else { panic!() };
    host.step(&google, &batch, Signal::Responded(response));
    assert!(host.state.len() < 10_000, "{}", host.state.len());
    assert_eq!(host.run(&mut google, &batch, Signal::Resumed), delivered("file1"));
}

#[test]
fn an_id_that_cannot_be_created_is_exchanged() {
    let (mut google, mut host) = settled();
    let words = "Invalid requests[1].createDeveloperMetadata: no";
    google.scripted.push_back(("append", 400, refusal(400, words, "badRequest")));
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    let ids: Vec<_> = google
        .requests
        .iter()
        .filter(|(kind, ..)| *kind == "append")
        .map(|(.., body)| body["requests"][1]["createDeveloperMetadata"]["developerMetadata"]["metadataId"].clone())
        .collect();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn refusals_of_reading_are_held() {
    for (kind, headline) in
        [("tabs", "refused by Google"), ("columns", "refused by Google"), ("trashed", "refused by Google")]
    {
        let (mut google, mut host) = settled();
        google.scripted.push_back((kind, 400, refusal(400, "m", "badRequest")));
        let empty = host.batch(0);
        assert_eq!(host.run(&mut google, &empty, Signal::Prepare), held(headline), "{kind}");
        assert_eq!(host.run(&mut google, &empty, Signal::Retry), delivered("file1"));
    }
    for kind in ["files", "create"] {
        for status in [400, 404] {
            let (mut google, mut host) = (Google::default(), Host::new(1));
            google.scripted.push_back((kind, status, refusal(status, "m", "badRequest")));
            let empty = host.batch(0);
            assert_eq!(host.run(&mut google, &empty, Signal::Prepare), held("refused by Google"), "{kind}");
            assert_eq!(host.run(&mut google, &empty, Signal::Retry), delivered("file1"));
        }
    }
}

#[test]
fn a_full_drive_and_a_disabled_drive_are_said_at_creation() {
    for (reason, headline) in
        [("storageQuotaExceeded", "Google Drive is full"), ("accessNotConfigured", "Drive API is off")]
    {
        let (mut google, mut host) = (Google::default(), Host::new(1));
        google.scripted.push_back(("create", 403, refusal(403, "Google Drive API", reason)));
        let empty = host.batch(0);
        assert_eq!(host.run(&mut google, &empty, Signal::Prepare), held(headline));
        assert_eq!(host.run(&mut google, &empty, Signal::Retry), delivered("file1"));
        assert_eq!(google.files().len(), 1);
    }
}

#[test]
fn a_sheet_in_the_bin_is_not_written_to_a_minute_after_the_last_look() {
    let (mut google, mut host) = settled();
    google.act("file1", &FileAction::Trash);
    google.advance(50_000);
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"), "it takes writes");
    google.advance(10_000);
    google.log.clear();
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), held("sheet is in the bin"));
    assert_eq!(google.log, ["trashed"]);
    assert_eq!(host.run(&mut google, &batch, Signal::Retry), held("sheet is in the bin"));
    google.act("file1", &FileAction::Untrash);
    assert_eq!(host.run(&mut google, &batch, Signal::Retry), delivered("file1"));
    // Where it is not in the bin, that is one request more.
    google.advance(60_000);
    google.log.clear();
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    assert_eq!(google.log, ["trashed", "append"]);
}

#[test]
fn a_tab_that_a_person_deleted_is_not_made_again() {
    let (mut google, mut host) = settled();
    let tab = google.tab("Punches").id;
    google.edit(&json!([{ "addSheet": { "properties": { "title": "Mine" } } }, { "deleteSheet": { "sheetId": tab } }]));
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), held("tab was deleted"));
    assert_eq!(google.log, ["append", "mark", "tabs", "columns"]);
    assert_eq!(host.run(&mut google, &batch, Signal::Retry), held("tab was deleted"));
    // And undone.
    google.edit(&json!([{ "addSheet": { "properties": { "title": "Punches", "sheetId": tab } } }]));
    google.attach_tab(tab, "Punches", &["row", "at"]);
    assert_eq!(host.run(&mut google, &batch, Signal::Retry), delivered("file1"));
}

#[test]
fn a_tab_of_that_name_that_no_device_made_is_left_alone() {
    let (mut google, mut host) = settled();
    google.edit(&json!([{ "addSheet": { "properties": { "title": "READINGS" } } }]));
    host.settings.tab = "Readings".into();
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), held("tab name is taken"));
    google.rename_tab("READINGS", "Mine");
    assert_eq!(host.run(&mut google, &batch, Signal::Retry), delivered("file1"));
}

#[test]
fn rows_that_no_cell_holds_are_rejected_and_the_others_delivered() {
    let (mut google, mut host) = settled();
    let mut batch = host.batch(3);
    batch.rows[1].cells[0] = Cell::Text("x".repeat(50_001));
    let End::Delivered(receipt) = host.run(&mut google, &batch, Signal::Begin) else { panic!() };
    let reason = "its `row` is longer than the 50,000 characters that a cell of Google Sheets holds".to_owned();
    assert_eq!(receipt.rejected, [Rejection { row: 1, reason }]);
    assert_eq!(first_cells(&google.rows("Punches"))[2..], ["row-3/0", "row-3/2"]);
}

#[test]
fn a_batch_of_rejected_rows_only_is_done_without_a_request() {
    let (mut google, mut host) = settled();
    let mut batch = host.batch(1);
    batch.rows[0].cells[0] = Cell::Number(f64::INFINITY);
    let End::Delivered(receipt) = host.run(&mut google, &batch, Signal::Begin) else { panic!() };
    assert_eq!(receipt.rejected.len(), 1);
    assert!(google.log.is_empty());
}

#[test]
fn a_sheet_that_became_too_wide_is_said() {
    let (mut google, mut host) = settled();
    google.resize("Punches", 3, 1_000);
    host.columns.push(Column { key: "more".into(), title: "More".into(), kind: ColumnKind::Text });
    // The width is known from looking.
    let empty = host.batch(0);
    assert_eq!(host.run(&mut google, &empty, Signal::Prepare), held("sheet is too wide"));
    google.resize("Punches", 3, 999);
    assert_eq!(host.run(&mut google, &empty, Signal::Retry), delivered("file1"));
}

#[test]
fn a_link_that_no_one_could_use_is_left_out() {
    for (length, taken) in [(2_000, true), (2_001, false)] {
        let (mut google, mut host) = settled();
        let tab = host.state().spreadsheet.unwrap().tab.unwrap().id;
        let url = "x".repeat(length);
        let grid = r#"{"rowCount":4,"columnCount":2}"#;
        let sheet = format!(r#"{{"properties":{{"sheetId":{tab},"title":"Punches","gridProperties":{grid}}}}}"#);
        google.scripted.push_back(("tabs", 200, format!(r#"{{"spreadsheetUrl":"{url}","sheets":[{sheet}]}}"#)));
        let empty = host.batch(0);
        let End::Delivered(receipt) = host.run(&mut google, &empty, Signal::Prepare) else { panic!() };
        assert_eq!(receipt.link, taken.then_some(url));
    }
}

#[test]
fn answers_without_what_was_asked_for_are_asked_for_again() {
    for (kind, body) in [("trashed", r#"{"id":"file1"}"#), ("tabs", "{}"), ("tabs", "[]"), ("columns", "7")] {
        let (mut google, mut host) = settled();
        google.scripted.push_back((kind, 200, body.to_owned()));
        let empty = host.batch(0);
        assert_eq!(host.run(&mut google, &empty, Signal::Prepare), delivered("file1"), "{kind} {body}");
        assert_eq!(google.log.iter().filter(|asked| **asked == kind).count(), 2, "{kind} {body}");
    }
    // What was carried out is seen by looking, or by its mark.
    for (kind, body) in [("mark", "{}"), ("append", r#"{"replies":[]}"#)] {
        let (mut google, mut host) = settled();
        google.faults = [crate::rig::Fault::LostAfter].into();
        google.scripted.push_back((kind, 200, body.to_owned()));
        let batch = host.batch(1);
        assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"), "{kind} {body}");
        assert_eq!(google.rows("Punches").len(), 3, "{kind} {body}");
    }
}
