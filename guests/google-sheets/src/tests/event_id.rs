//! The column of the event ids.

use punchcard_sdk::connector::Signal;
use punchcard_sdk::{Column, ColumnKind};

use super::delivered;
use crate::rig::{Google, Host};

/// A sheet of two rows, made with event ids or without.
fn settled(event_ids: bool) -> (Google, Host) {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    host.settings.event_ids = event_ids;
    host.settle(&mut google);
    host.settings.event_ids = true;
    (google, host)
}

#[test]
fn each_row_says_what_it_is_in_a_last_column_that_is_hidden() {
    let (mut google, mut host) = settled(true);
    let tab = google.tab("Punches");
    assert_eq!(tab.rows[0], ["ROW", "AT", "Event"]);
    assert_eq!((tab.rows[1][2].as_str(), tab.rows[2][2].as_str()), ("2/0", "2/1"));
    assert_eq!((tab.column_count, &tab.hidden), (3, &vec![2]));
    assert_eq!(host.state().spreadsheet.unwrap().cells, 2 * 3 + 2 * 3);
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    assert_eq!(google.log, ["append"]);
}

#[test]
fn a_tab_without_it_gets_it_and_its_rows_stay_as_they_are() {
    let (mut google, mut host) = settled(false);
    let before = google.rows("Punches");
    let empty = host.batch(0);
    assert_eq!(host.run(&mut google, &empty, Signal::Prepare), delivered("file1"));
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    assert_eq!(google.log, ["trashed", "tabs", "columns", "tabs", "columns", "extend", "append"]);
    let tab = google.tab("Punches");
    let own: Vec<_> = tab.rows[1..3].iter().map(|row| row[..2].to_vec()).collect();
    assert_eq!((own, &tab.hidden), (before, &vec![2]));
    let ids: Vec<_> = tab.rows.iter().map(|row| row[2].as_str()).collect();
    assert_eq!(ids, ["Event", "", "", "4/0"]);
}

#[test]
fn what_a_person_does_with_it_is_followed() {
    let (mut google, mut host) = settled(true);
    google.show_column("Punches", 2);
    google.write("Punches", 0, 2, "Id");
    google.move_to_front("Punches", 2);
    google.advance(3_600_000);
    host.columns.push(Column { key: "note".into(), title: "NOTE".into(), kind: ColumnKind::Text });
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    let tab = google.tab("Punches");
    assert_eq!(tab.rows[0], ["Id", "ROW", "AT", "NOTE"]);
    assert_eq!(tab.rows[3], ["3/0", "row-3/0", "1970-01-01 00:00:00", "note-3/0"]);
    assert!(tab.hidden.is_empty(), "shown it stays");
}

#[test]
fn switched_off_it_stays_and_is_no_longer_filled() {
    let (mut google, mut host) = settled(true);
    host.settings.event_ids = false;
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    assert_eq!(google.log, ["append"]);
    let tab = google.tab("Punches");
    let ids: Vec<_> = tab.rows.iter().map(|row| row[2].as_str()).collect();
    assert_eq!(ids, ["Event", "2/0", "2/1", ""]);
}
