//! A spreadsheet that a person made, shared with a service account.

use google_sim::FileAction;
use punchcard_sdk::connector::Signal;
use punchcard_sdk::{Cell, Column, ColumnKind, Instant};
use serde_json::json;

use super::{delivered, first_cells, held};
use crate::rig::{Fault, Google, Host};

const ACCOUNT: &str = "recorder@project.iam.gserviceaccount.com";

/// A person's spreadsheet with a tab of this title, these titles in its first row, and nothing shared.
fn unshared(tab: &str, titles: &[&str]) -> (Google, Host) {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    let id = google.direct.create_as_person("Hours of all");
    google.direct.sign_in_as_service(ACCOUNT);
    google.rename_tab("Sheet1", tab);
    for (at, title) in titles.iter().enumerate().filter(|(_, title)| !title.is_empty()) {
        google.write(tab, 0, at, title);
    }
    host.settings.spreadsheet.clear();
    host.settings.yearly = None;
    host.settings.spreadsheet_id = Some(id);
    host.settings.account = Some(ACCOUNT.to_owned());
    host.settings.check().unwrap();
    (google, host)
}

fn share(google: &mut Google) {
    google.act("file1", &FileAction::ShareWith { account: ACCOUNT.to_owned() });
}

fn shared(tab: &str, titles: &[&str]) -> (Google, Host) {
    let (mut google, host) = unshared(tab, titles);
    share(&mut google);
    (google, host)
}

fn deliver(google: &mut Google, host: &mut Host, rows: usize) {
    let batch = host.batch(rows);
    assert_eq!(host.run(google, &batch, Signal::Begin), delivered("file1"), "{:?}", host.problems);
}

#[test]
fn columns_are_matched_by_title_and_new_ones_come_at_the_right() {
    let (mut google, mut host) = shared("Punches", &["AT", "Mine", "ROW", "Sum"]);
    google.write("Punches", 1, 1, "before");
    host.settings.event_ids = true;
    deliver(&mut google, &mut host, 2);
    assert_eq!(
        google.log,
        ["tabs", "columns", "header", "adopt", "tabs", "columns", "append"],
        "and nothing is asked of Drive"
    );
    let tab = google.tab("Punches");
    assert_eq!(tab.rows[0], ["AT", "Mine", "ROW", "Sum", "Event"]);
    assert_eq!(tab.rows[1][1], "before");
    assert_eq!(tab.rows[2], ["1970-01-01 00:00:00", "", "row-1/0", "", "1/0"]);
    assert_eq!((tab.hidden, tab.column_count), (vec![4], 26));

    google.log.clear();
    deliver(&mut google, &mut host, 1);
    assert_eq!(google.log, ["append"]);
    // Another card in the same device, or another device, finds it taken over.
    host.state.clear();
    google.log.clear();
    deliver(&mut google, &mut host, 1);
    assert_eq!(google.log, ["tabs", "columns", "append"]);
    assert_eq!(google.tab("Punches").rows.len(), 6);
}

#[test]
fn a_tab_without_titles_gets_them_from_the_left_and_one_that_is_not_there_is_made() {
    let (mut google, mut host) = shared("Punches", &[]);
    deliver(&mut google, &mut host, 1);
    assert_eq!(google.tab("Punches").rows, [["ROW", "AT"], ["row-1/0", "1970-01-01 00:00:00"]]);

    let (mut google, mut host) = shared("Mine", &["ROW"]);
    deliver(&mut google, &mut host, 1);
    assert_eq!(google.log, ["tabs", "columns", "setup", "append"]);
    assert_eq!(google.tab("Punches").rows, [["ROW", "AT"], ["row-1/0", "1970-01-01 00:00:00"]]);
    assert_eq!(google.tab("Mine").rows, [["ROW"]], "what is a person's stays");
}

#[test]
fn a_tab_that_is_full_to_its_last_column_grows() {
    let (mut google, mut host) = shared("Punches", &["Mine", "AT"]);
    google.resize("Punches", 3, 2);
    deliver(&mut google, &mut host, 1);
    let tab = google.tab("Punches");
    assert_eq!((tab.column_count, &tab.rows[0][..]), (3, &["Mine".to_owned(), "AT".into(), "ROW".into()][..]));
    assert_eq!(tab.rows[1], ["", "1970-01-01 00:00:00", "row-1/0"]);
}

#[test]
fn the_formats_of_others_between_ours_are_left_alone() {
    let (mut google, mut host) = shared("Punches", &["ROW", "Mine", "AT"]);
    let tab = google.tab("Punches").id;
    let percent = json!({ "numberFormat": { "type": "PERCENT", "pattern": "0%" } });
    let range = json!({ "sheetId": tab, "startRowIndex": 1, "startColumnIndex": 1, "endColumnIndex": 2 });
    let repeat =
        json!({ "range": range, "cell": { "userEnteredFormat": percent }, "fields": "userEnteredFormat.numberFormat" });
    google.edit(&json!([{ "repeatCell": repeat }]));
    deliver(&mut google, &mut host, 1);
    // What a person, or a formula above, puts into that column of the new row is shown as the person wants it.
    let start = json!({ "sheetId": tab, "rowIndex": 1, "columnIndex": 1 });
    let rows = json!([{ "values": [{ "userEnteredValue": { "numberValue": 0.5 } }] }]);
    google.edit(&json!([{ "updateCells": { "start": start, "rows": rows, "fields": "userEnteredValue" } }]));
    assert_eq!(google.tab("Punches").rows[1], ["row-1/0", "50%", "1970-01-01 00:00:00"]);
    // A guess is marked all the same.
    let mut batch = host.batch(1);
    batch.rows[0].cells[1] = Cell::Estimated(Instant { unix_micros: 0, utc_offset_minutes: 0 });
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    assert_eq!(google.tab("Punches").rows[2][2], "~1970-01-01 00:00:00");
}

#[test]
fn it_is_taken_over_and_filled_once_whatever_goes_wrong() {
    for fault in [
        Fault::LostAfter,
        Fault::LostBefore,
        Fault::HtmlAfter(502),
        Fault::Garbled,
        Fault::TooLarge,
        Fault::Late(1_020),
        Fault::Late(60_000),
        Fault::CrashAfter { reboot: true },
        Fault::CrashBefore { reboot: false },
        Fault::CrashLate { reboot: true, after_ms: 60_000 },
        Fault::Status(429),
        Fault::Status(503),
    ] {
        // The fourth request takes the tab over, the seventh appends.
        for before in [3, 6] {
            let (mut google, mut host) = shared("Punches", &["Mine", "AT"]);
            google.faults = vec![Fault::None; before].into();
            google.faults.push_back(fault);
            deliver(&mut google, &mut host, 2);
            google.advance(200_000);
            deliver(&mut google, &mut host, 1);
            let tab = google.tab("Punches");
            assert_eq!(tab.rows[0], ["Mine", "AT", "ROW"], "{fault:?} {before}");
            let rows: Vec<_> = tab.rows[1..].iter().map(|row| row[2].as_str()).collect();
            assert_eq!(rows, ["row-1/0", "row-1/1", "row-2/0"], "{fault:?} {before}");
        }
    }
}

#[test]
fn two_devices_that_take_it_over_at_the_same_moment_agree() {
    let (mut google, mut host) = shared("Punches", &["AT"]);
    let mut other = Host::new(9);
    other.settings = host.settings.clone();
    let (batch, second) = (host.batch(1), other.batch(1));
    let signal = host.run_until(&mut google, &batch, Signal::Begin, "header");
    google.log.clear();
    let late = other.run_until(&mut google, &second, Signal::Begin, "header");
    assert_eq!(host.run(&mut google, &batch, signal), delivered("file1"));
    assert_eq!(other.run(&mut google, &second, late), delivered("file1"));
    let tab = google.tab("Punches");
    assert_eq!((&tab.rows[0][..], tab.rows.len()), (&["AT".to_owned(), "ROW".into()][..], 3));
    assert_eq!(google.file().owned().len(), 2, "each column is taken once");
}

#[test]
fn one_that_was_not_shared_says_with_whom_and_goes_on_once_it_is() {
    let (mut google, mut host) = unshared("Punches", &["ROW"]);
    let empty = host.batch(0);
    assert_eq!(host.run(&mut google, &empty, Signal::Prepare), held("sheet is not shared"));
    let said = &host.problems[0].advice;
    assert!(said.contains(ACCOUNT) && said.contains("The caller does not have permission"), "{said}");
    share(&mut google);
    assert_eq!(host.run(&mut google, &empty, Signal::Retry), delivered("file1"));
    deliver(&mut google, &mut host, 1);
    assert_eq!(first_cells(&google.rows("Punches")), ["row-2/0"]);

    host.settings.account = None;
    host.settings.spreadsheet_id = Some("elsewhere".into());
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), held("sheet is not there"));
    let said = &host.problems.last().unwrap().advice;
    assert!(said.contains("Share it with the account of the grant"), "{said}");
}

#[test]
fn one_that_is_deleted_waits_and_no_other_is_made() {
    let (mut google, mut host) = shared("Punches", &["ROW"]);
    deliver(&mut google, &mut host, 1);
    google.delete_files();
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), held("sheet is not there"));
    assert_eq!(host.run(&mut google, &batch, Signal::Retry), held("sheet is not there"));
    // A person's wish for another one is answered, and ends.
    let mut empty = host.batch(0);
    empty.id = "anew".into();
    assert_eq!(host.run(&mut google, &empty, Signal::CreateAnew), delivered("file1"));
    assert_eq!(host.notices.last().unwrap().as_ref().unwrap().headline, "sheet is a person's");
    assert!(!google.log.iter().any(|asked| ["files", "create", "trashed"].contains(asked)), "{:?}", google.log);
}

#[test]
fn columns_that_a_person_moves_and_a_tab_that_is_renamed_are_found() {
    let (mut google, mut host) = shared("Punches", &["Mine", "ROW", "AT"]);
    deliver(&mut google, &mut host, 1);
    google.move_to_front("Punches", 2);
    google.write("Punches", 0, 2, "Line");
    google.rename_tab("Punches", "Anna's hours");
    google.advance(3_600_000);
    deliver(&mut google, &mut host, 1);
    let tab = google.tab("Anna's hours");
    assert_eq!(tab.rows[0], ["AT", "Mine", "Line"]);
    assert_eq!(tab.rows[2], ["1970-01-01 00:00:00", "", "row-2/0"]);
    // A tab with a quotation mark in its title can be taken over, too.
    let (mut google, mut host) = shared("Anna's hours", &["ROW"]);
    host.settings.tab = "Anna's hours".into();
    deliver(&mut google, &mut host, 1);
    assert_eq!(google.tab("Anna's hours").rows[0], ["ROW", "AT"]);
}

#[test]
fn a_title_that_stands_twice_waits_for_a_person() {
    let (mut google, mut host) = shared("Punches", &["ROW", "AT", "ROW"]);
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), held("title stands twice"));
    assert_eq!(google.tab("Punches").rows.len(), 1, "nothing was written");
    google.write("Punches", 0, 2, "Mine");
    assert_eq!(host.run(&mut google, &batch, Signal::Retry), delivered("file1"));
    assert_eq!(google.tab("Punches").rows[1], ["row-1/0", "1970-01-01 00:00:00", ""]);
}

#[test]
fn a_protected_range_is_said() {
    let words = "Invalid requests[1].appendCells: You are trying to edit a protected cell or object.";
    let body = json!({ "error": { "code": 400, "message": words, "status": "INVALID_ARGUMENT" } }).to_string();
    for kind in ["adopt", "append"] {
        let (mut google, mut host) = shared("Punches", &["ROW", "AT"]);
        google.scripted = vec![(kind, 400, body.clone()); 3].into();
        let batch = host.batch(1);
        assert_eq!(host.run(&mut google, &batch, Signal::Begin), held("refused by Google"), "{kind}");
        assert!(host.problems.last().unwrap().advice.contains("protected"), "Google's own words say it");
        google.scripted.clear();
        assert_eq!(host.run(&mut google, &batch, Signal::Retry), delivered("file1"), "{kind}");
        assert_eq!(google.tab("Punches").rows.len(), 2, "{kind}");
    }
}

#[test]
fn one_that_is_full_waits_and_no_other_is_made() {
    let (mut google, mut host) = shared("Punches", &["ROW", "AT"]);
    deliver(&mut google, &mut host, 1);
    google.resize("Punches", 4_950_000, 2);
    google.advance(3_600_000);
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), held("sheet is full"));
    google.resize("Punches", 1_000, 2);
    assert_eq!(host.run(&mut google, &batch, Signal::Retry), delivered("file1"));
}

#[test]
fn a_sink_that_made_its_own_goes_on_in_the_one_that_is_named() {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    host.settle(&mut google);
    let id = google.direct.create_as_person("Hours of all");
    google.direct.sign_in_as_service(ACCOUNT);
    google.act(&id, &FileAction::ShareWith { account: ACCOUNT.to_owned() });
    host.settings.spreadsheet.clear();
    host.settings.yearly = None;
    host.settings.spreadsheet_url = Some(format!("https://docs.google.com/spreadsheets/d/{id}/edit#gid=0"));
    host.columns.push(Column { key: "note".into(), title: "Note".into(), kind: ColumnKind::Text });
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file2"));
    assert_eq!(google.files()[1].tab("Punches").rows[0], ["ROW", "AT", "Note"]);
    assert_eq!(google.files()[0].tab("Punches").rows.len(), 3, "what is there stays there");
}
