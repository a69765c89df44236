//! Tabs and columns that change.

use punchcard_sdk::connector::Signal;
use punchcard_sdk::{Column, ColumnKind};
use serde_json::json;

use super::{delivered, first_cells, held};
use crate::rig::{Fault, Google, Host, Location, Metadata};

fn settled() -> (Google, Host) {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    host.settle(&mut google);
    (google, host)
}

fn column(key: &str, kind: ColumnKind) -> Column {
    Column { key: key.into(), title: key.to_uppercase(), kind }
}

#[test]
fn new_columns_are_added_at_the_right_and_old_ones_stay() {
    let (mut google, mut host) = settled();
    host.columns =
        vec![column("note", ColumnKind::Text), column("row", ColumnKind::Text), column("end", ColumnKind::DateTime)];
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    assert_eq!(google.log, ["tabs", "columns", "extend", "append"]);
    let tab = google.tab("Punches");
    assert_eq!(tab.column_count, 4);
    assert_eq!(tab.rows[0], ["ROW", "AT", "NOTE", "END"]);
    assert_eq!(tab.rows[3], ["row-3/0", "", "note-3/0", "1970-01-01 00:00:00"]);
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    assert_eq!(google.log, ["tabs", "columns", "extend", "append", "append"]);
}

#[test]
fn columns_are_added_once_however_often_that_is_tried() {
    for fault in [
        Fault::LostAfter,
        Fault::LostBefore,
        Fault::HtmlAfter(502),
        Fault::Garbled,
        Fault::TooLarge,
        Fault::Late(1_020),
        Fault::Late(1_120),
        Fault::Late(60_000),
        Fault::CrashAfter { reboot: true },
        Fault::CrashBefore { reboot: false },
        Fault::Status(429),
        Fault::Status(503),
    ] {
        let (mut google, mut host) = settled();
        host.columns.push(column("note", ColumnKind::Text));
        google.faults = [Fault::None, Fault::None, fault].into();
        let batch = host.batch(1);
        assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"), "{fault:?}");
        google.advance(200_000);
        let tab = google.tab("Punches");
        assert_eq!(tab.rows[0], ["ROW", "AT", "NOTE"], "{fault:?}");
        assert_eq!(tab.column_count, 3, "{fault:?}");
        host.columns.push(column("more", ColumnKind::Text));
        google.log.clear();
        let batch = host.batch(1);
        assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
        assert_eq!(google.log, ["trashed", "tabs", "columns", "extend", "append"], "{fault:?}");
    }
}

#[test]
fn the_tab_is_added_once_however_often_that_is_tried() {
    for fault in [
        Fault::LostAfter,
        Fault::LostBefore,
        Fault::HtmlAfter(502),
        Fault::Garbled,
        Fault::TooLarge,
        Fault::Late(1_020),
        Fault::Late(1_120),
        Fault::Late(60_000),
        Fault::CrashAfter { reboot: true },
        Fault::CrashBefore { reboot: false },
        Fault::Status(429),
        Fault::Status(503),
    ] {
        let (mut google, mut host) = (Google::default(), Host::new(1));
        google.faults = [Fault::None, Fault::None, Fault::None, Fault::None, fault].into();
        let batch = host.batch(1);
        assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"), "{fault:?}");
        google.advance(200_000);
        let batch = host.batch(1);
        assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"), "{fault:?}");
        let file = google.file();
        assert_eq!(file.tabs.len(), 1, "{fault:?}");
        assert_eq!(file.tab("Punches").rows.len(), 3, "{fault:?}");
    }
}

#[test]
fn a_layout_that_google_refuses_is_held_after_looking_once_more() {
    let body = r#"{"error":{"code":400,"message":"Invalid requests[0].addSheet: no","status":"INVALID_ARGUMENT"}}"#;
    let (mut google, mut host) = (Google::default(), Host::new(1));
    google.scripted = vec![("setup", 400, body.to_owned()); 2].into();
    let empty = host.batch(0);
    assert_eq!(host.run(&mut google, &empty, Signal::Prepare), held("refused by Google"));
    assert_eq!(google.log, ["files", "create", "files", "tabs", "setup", "tabs", "setup"]);
    let ids: Vec<_> = google.requests.iter().filter(|(kind, ..)| *kind == "setup").collect();
    assert_ne!(ids[0], ids[1], "another id for the tab");
    assert_eq!(host.run(&mut google, &empty, Signal::Retry), delivered("file1"));

    let (mut google, mut host) = settled();
    host.columns.push(column("note", ColumnKind::Text));
    google.scripted = vec![("extend", 400, body.to_owned()); 2].into();
    let empty = host.batch(0);
    assert_eq!(host.run(&mut google, &empty, Signal::Prepare), held("refused by Google"));
    let look = ["tabs", "columns"];
    let tries = [look.as_slice(), &["extend"], &look, &["extend"]].concat();
    assert_eq!(google.log, [&["trashed"], look.as_slice(), &tries].concat());
    let ids: Vec<_> = google.requests.iter().filter(|(kind, ..)| *kind == "extend").collect();
    assert_eq!(ids[0], ids[1], "it may be under way yet");
    assert_eq!(host.run(&mut google, &empty, Signal::Retry), delivered("file1"));
    let ids: Vec<_> = google.requests.iter().filter(|(kind, ..)| *kind == "extend").collect();
    assert_ne!(ids[1], ids[2], "another id for the column");
}

#[test]
fn a_spreadsheet_that_goes_while_its_layout_changes_is_gone() {
    let (mut google, mut host) = settled();
    host.columns.push(column("note", ColumnKind::Text));
    google.delete_files();
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), held("sheet was deleted"));
    assert_eq!(google.log, ["tabs"]);

    let (mut google, mut host) = settled();
    host.columns.push(column("note", ColumnKind::Text));
    let body = r#"{"error":{"code":404,"message":"Requested entity was not found.","status":"NOT_FOUND"}}"#;
    google.scripted.push_back(("extend", 404, body.to_owned()));
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"), "it was there again");
    assert_eq!(google.log, ["tabs", "columns", "extend", "trashed", "tabs", "columns", "extend", "append"]);
}

#[test]
fn a_renamed_tab_and_moved_columns_are_followed() {
    let (mut google, mut host) = settled();
    google.rename_tab("Punches", "Times");
    google.move_to_front("Times", 1);
    google.advance(3_600_000);
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    assert_eq!(google.log, ["trashed", "tabs", "columns", "append"]);
    let tab = google.tab("Times");
    assert_eq!(tab.rows[0], ["AT", "ROW"]);
    assert_eq!(tab.rows[3], ["1970-01-01 00:00:00", "row-3/0"]);
}

#[test]
fn a_column_that_a_person_deleted_is_added_again_at_the_right() {
    let (mut google, mut host) = settled();
    google.detach(&json!({ "metadataValue": "row" }));
    google.advance(3_600_000);
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    let tab = google.tab("Punches");
    assert_eq!(tab.rows[0], ["ROW", "AT", "ROW"]);
    assert_eq!(tab.rows[3], ["", "1970-01-01 00:00:00", "row-3/0"]);
}

#[test]
fn of_two_tabs_with_one_origin_the_one_with_the_title_is_taken() {
    let (mut google, mut host) = settled();
    // A person duplicated the tab; the metadata came along, and the duplicate stands first.
    let original = google.tab("Punches").id;
    google.edit(&json!([{ "addSheet": { "properties": { "title": "Copy of Punches", "sheetId": 5, "index": 0 } } }]));
    google.attach_tab(5, "Punches", &["row", "at"]);
    let mut replaced = Host::new(3);
    let batch = replaced.batch(1);
    assert_eq!(replaced.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    assert_eq!(i64::from(replaced.state().spreadsheet.unwrap().tab.unwrap().id), original);
    google.advance(3_600_000);
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    assert_eq!(google.tab("Punches").rows.len(), 5);
}

#[test]
fn a_title_that_the_formatter_changed_is_written_and_one_that_a_person_changed_stays() {
    let (mut google, mut host) = settled();
    google.write("Punches", 0, 1, "Mine");
    host.columns[0].title = "Project".into();
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    assert_eq!(google.log, ["tabs", "columns", "extend", "append"]);
    assert_eq!(google.tab("Punches").rows[0], ["Project", "Mine"]);
    let mut replaced = Host::new(2);
    let batch = replaced.batch(1);
    google.log.clear();
    assert_eq!(replaced.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    assert_eq!(google.log, ["files", "tabs", "columns", "append"], "what it did not write it does not write over");
    replaced.columns[0].title = "Newer".into();
    let batch = replaced.batch(1);
    assert_eq!(replaced.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    assert_eq!(google.tab("Punches").rows[0], ["Newer", "Mine"]);
}

#[test]
fn a_batch_without_columns_makes_the_spreadsheet_ready_as_far_as_possible() {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    host.columns.clear();
    let empty = host.batch(0);
    assert_eq!(host.run(&mut google, &empty, Signal::Prepare), delivered("file1"));
    assert_eq!(google.log, ["files", "create", "files", "tabs"]);
}

#[test]
fn metadata_of_ours_that_stands_elsewhere_is_neither_tab_nor_column() {
    let (mut google, mut host) = settled();
    let tab = google.tab("Punches").id;
    // As a program would leave them that copies metadata from here to there.
    let column_of_a_tab =
        Metadata { key: "punchcard.column".into(), value: "row".into(), location: Location::Tab(tab) };
    let tab_of_a_column =
        Metadata { key: "punchcard.tab".into(), value: "Punches".into(), location: Location::Column(tab, 1) };
    let key_of_others =
        Metadata { key: "punchcard.tab".into(), value: "at".into(), location: Location::Column(tab, 0) };
    for metadata in [column_of_a_tab, tab_of_a_column, key_of_others] {
        google.attach(None, &metadata);
    }
    google.advance(3_600_000);
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    assert_eq!(google.log, ["trashed", "tabs", "columns", "append"]);
    assert_eq!(first_cells(&google.rows("Punches")).last(), Some(&"row-3/0"));
}

#[test]
fn columns_are_added_behind_those_that_were_just_added() {
    let (mut google, mut host) = settled();
    for key in ["c", "d"] {
        host.columns.push(column(key, ColumnKind::Text));
        let batch = host.batch(1);
        assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    }
    assert_eq!(google.log, ["tabs", "columns", "extend", "append", "tabs", "columns", "extend", "append"]);
    // By which cells are counted until the next look.
    assert_eq!(host.state().spreadsheet.unwrap().tab.unwrap().width, 4);
    let rows = &google.tab("Punches").rows;
    assert_eq!(rows[0], ["ROW", "AT", "C", "D"]);
    assert_eq!((rows[4][2].as_str(), rows[4][3].as_str()), ("c-4/0", "d-4/0"));
}
