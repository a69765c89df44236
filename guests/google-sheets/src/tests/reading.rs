//! Reading rows back.

use punchcard_sdk::connector::{Batch, Directive, FoundRow, Page, Signal};
use punchcard_sdk::{Column, ColumnKind, Connector};
use serde_json::json;

use super::delivered;
use crate::GoogleSheets;
use crate::rig::{Fault, Google, Host, Reply};

/// A sheet of two rows with event ids, and the batch that brought them.
fn settled() -> (Google, Host, Batch) {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    host.settings.event_ids = true;
    let batch = host.batch(2);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    google.log.clear();
    (google, host, batch)
}

/// The next page, or what is in its way.
fn page(google: &mut Google, host: &mut Host, next: Option<&str>) -> Result<Page, Directive> {
    let empty = host.batch(0);
    let mut signal = Signal::ReadBack(next.map(ToOwned::to_owned));
    loop {
        signal = match host.step(google, &empty, signal) {
            Directive::Found(page) => return Ok(page),
            Directive::Send(request) => match google.perform(&request) {
                Reply::Response(response) => Signal::Responded(response),
                Reply::Failure(failure) => Signal::Failed(failure),
                Reply::Crash { .. } => panic!("not here"),
            },
            Directive::Wait(pause) if pause.problem.is_none() => {
                google.advance(pause.milliseconds);
                Signal::Elapsed
            }
            other => return Err(other),
        };
    }
}

/// All rows, page by page.
fn all(google: &mut Google, host: &mut Host) -> Result<Vec<FoundRow>, Directive> {
    let (mut rows, mut next) = (vec![], None);
    loop {
        let page = page(google, host, next.as_deref())?;
        rows.extend(page.rows);
        match page.next {
            Some(more) => next = Some(more),
            None => return Ok(rows),
        }
    }
}

fn keys(rows: &[FoundRow]) -> Vec<Option<&str>> {
    rows.iter().map(|row| row.key.as_deref()).collect()
}

fn fingerprints(host: &Host, batch: &Batch) -> Vec<String> {
    GoogleSheets::fingerprint(&host.settings, &batch.columns, &batch.rows).unwrap()
}

#[test]
fn rows_are_found_as_they_were_delivered_whatever_a_person_did_around_them() {
    let (mut google, mut host, batch) = settled();
    let found = page(&mut google, &mut host, None).unwrap();
    assert_eq!(google.log, ["trashed", "tabs", "columns", "rows"]);
    assert_eq!(keys(&found.rows), [Some("1/0"), Some("1/1")]);
    let places: Vec<_> = found.rows.iter().map(|row| row.place.as_str()).collect();
    assert_eq!(places, ["row 2 of Punches", "row 3 of Punches"]);
    assert_eq!(found.link.as_deref(), Some("https://docs.google.com/spreadsheets/d/file1/edit"));
    google.log.clear();
    let last = page(&mut google, &mut host, found.next.as_deref()).unwrap();
    assert_eq!((last.rows, last.next), (vec![], None));
    assert_eq!(google.log, ["tabs", "columns"], "the columns are where they were");
    let expected = fingerprints(&host, &batch);
    assert!(found.rows.iter().map(|row| &row.fingerprint).eq(&expected));

    // Renamed, moved and sorted; another column, a row of a person's and a gap.
    google.rename_tab("Punches", "Bob's times");
    google.move_row("Bob's times", 1, 3);
    google.resize("Bob's times", 9, 3);
    google.write("Bob's times", 4, 0, "mine");
    google.move_to_front("Bob's times", 1);
    host.columns.push(Column { key: "note".into(), title: "NOTE".into(), kind: ColumnKind::Text });
    let found = page(&mut google, &mut host, None).unwrap();
    assert_eq!(keys(&found.rows), [Some("1/1"), Some("1/0"), None]);
    assert_eq!(found.rows[2].place, "row 5 of Bob's times");
    let found: Vec<_> = found.rows[..2].iter().rev().map(|row| &row.fingerprint).collect();
    assert!(found.into_iter().eq(&expected));
}

#[test]
fn a_row_that_stands_where_the_header_was_is_found() {
    let (mut google, mut host, batch) = settled();
    // Sorted together with the rows.
    google.move_row("Punches", 0, 2);
    let found = page(&mut google, &mut host, None).unwrap();
    assert_eq!(keys(&found.rows), [Some("1/0"), Some("Event"), Some("1/1")]);
    assert_eq!(found.rows[0].place, "row 1 of Punches");
    assert_eq!(found.rows[0].fingerprint, fingerprints(&host, &batch)[0]);

    // Deleted, and then all rows but one.
    google.delete_rows("Punches", &(1..2));
    assert_eq!(keys(&page(&mut google, &mut host, None).unwrap().rows), [Some("1/0"), Some("1/1")]);
    google.delete_rows("Punches", &(0..1));
    assert_eq!(keys(&all(&mut google, &mut host).unwrap()), [Some("1/1")]);
}

#[test]
fn a_header_is_no_row_whatever_a_person_calls_its_columns() {
    for title in ["Event", "", "Id / No.", "17"] {
        let (mut google, mut host, _) = settled();
        google.write("Punches", 0, 2, title);
        assert_eq!(keys(&page(&mut google, &mut host, None).unwrap().rows), [Some("1/0"), Some("1/1")], "{title}");
    }
    // It is all that is left.
    let (mut google, mut host, _) = settled();
    google.delete_rows("Punches", &(1..3));
    assert_eq!(page(&mut google, &mut host, None).unwrap().rows, []);
}

#[test]
fn a_tab_that_became_shorter_between_two_pages_ends_where_it_does_now() {
    let (mut google, mut host, _) = settled();
    let batch = host.batch(2_999);
    host.run(&mut google, &batch, Signal::Begin);
    let first = page(&mut google, &mut host, None).unwrap();
    google.delete_rows("Punches", &(1_500..3_002));
    // It is looked at again.
    google.scripted.push_back(("rows", 404, r#"{"error":{"code":404}}"#.into()));
    google.log.clear();
    let second = page(&mut google, &mut host, first.next.as_deref()).unwrap();
    assert_eq!((second.rows, second.next), (vec![], None));
    assert_eq!(google.log, ["rows", "trashed", "tabs", "columns"]);
}

/// A sheet of two rows with ids as devices have them, and the batch that brought them; then a person inserts a column.
fn shifted(at: usize) -> (Google, Host, Batch) {
    let (mut google, mut host, _) = settled();
    google.insert_column("Punches", at);
    let mut batch = host.batch(2);
    for (row, event) in batch.rows.iter_mut().zip(["01JD3ZQ8J5M2V9X7K4T6W8Y0A1/0", "01JD3ZQ8J5M2V9X7K4T6W8Y0A2/0"]) {
        row.key = event.into();
    }
    // Within ten minutes nobody has looked.
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"));
    (google, host, batch)
}

#[test]
fn rows_that_were_written_beside_a_column_that_a_person_inserted_are_there() {
    for at in 0..4 {
        let (mut google, mut host, batch) = shifted(at);
        let found = all(&mut google, &mut host).unwrap();
        let expected: Vec<_> = batch.rows.iter().map(|row| Some(row.key.as_str())).collect();
        assert_eq!(keys(&found)[2..], expected, "{at}");
        let are_as_delivered = found[2..].iter().map(|row| &row.fingerprint).eq(&fingerprints(&host, &batch));
        assert_eq!(are_as_delivered, at >= 2, "{at}: behind the last of its cells nothing is shifted");
    }
}

#[test]
fn nothing_is_said_to_be_missing_where_columns_change_while_rows_are_read() {
    let changes: [fn(&mut Google); 3] = [
        |google| google.insert_column("Punches", 0),
        |google| google.move_to_front("Punches", 2),
        |google| google.delete_column("Punches", 0),
    ];
    for change in changes {
        let (mut google, mut host, _) = settled();
        let first = page(&mut google, &mut host, None).unwrap();
        change(&mut google);
        let Err(Directive::Hold(pause)) = page(&mut google, &mut host, first.next.as_deref()) else { panic!() };
        assert_eq!(pause.problem.unwrap().headline, "sheet was changed");
        assert!(all(&mut google, &mut host).is_ok(), "from the beginning it is what it is");
    }
    // The column of the ids is another matter: it is missed by name.
    let (mut google, mut host, _) = settled();
    let first = page(&mut google, &mut host, None).unwrap();
    google.delete_column("Punches", 2);
    let Err(Directive::Hold(pause)) = page(&mut google, &mut host, first.next.as_deref()) else { panic!() };
    assert_eq!(pause.problem.unwrap().headline, "event ids are missing");
}

#[test]
fn what_a_person_changed_shows() {
    let (mut google, mut host, batch) = settled();
    google.write("Punches", 2, 0, "typed");
    let found = page(&mut google, &mut host, None).unwrap();
    let expected = fingerprints(&host, &batch);
    assert_eq!(found.rows[0].fingerprint, expected[0]);
    assert_ne!(found.rows[1].fingerprint, expected[1]);
}

#[test]
fn many_rows_come_in_pages_of_a_size_that_can_be_answered() {
    let (mut google, mut host, _) = settled();
    let batch = host.batch(2_999);
    host.run(&mut google, &batch, Signal::Begin);
    google.log.clear();
    let first = page(&mut google, &mut host, None).unwrap();
    assert_eq!((first.rows.len(), first.next.as_deref()), (1_999, Some("2001")), "the header is none");
    google.faults = [Fault::TooLarge].into();
    let second = page(&mut google, &mut host, first.next.as_deref()).unwrap();
    assert_eq!((second.rows.len(), second.next.as_deref()), (1_000, Some("3001")));
    let third = page(&mut google, &mut host, second.next.as_deref()).unwrap();
    assert_eq!((third.rows.len(), third.next.as_deref()), (2, Some("4001")));
    let last = page(&mut google, &mut host, third.next.as_deref()).unwrap();
    assert_eq!((last.rows.len(), last.next), (0, None));
    assert_eq!(google.log, ["trashed", "tabs", "columns", "rows", "rows", "rows", "rows", "tabs", "columns"]);
    let context = host.context(google.now_ms());
    let lost =
        GoogleSheets::step(&host.settings, &mut host.state(), &batch, Signal::ReadBack(Some("2001".into())), &context);
    assert!(lost.is_err(), "not from the midst of what was not begun");
}

#[test]
fn without_the_column_of_the_ids_no_row_is_found_without_its_id() {
    let (mut google, mut host, _) = settled();
    google.detach(&json!({ "metadataValue": crate::event_id::KEY }));
    let Err(Directive::Hold(pause)) = page(&mut google, &mut host, None) else { panic!() };
    assert_eq!(pause.problem.unwrap().headline, "event ids are missing");
    let batch = host.batch(1);
    assert_eq!(host.run(&mut google, &batch, Signal::Begin), delivered("file1"), "deliveries go on");
    let found = page(&mut google, &mut host, None).unwrap();
    assert_eq!(keys(&found.rows).iter().filter(|key| key.is_some()).count(), 1);
}

#[test]
fn nothing_is_made_for_reading_and_where_there_is_nothing_nothing_is_found() {
    let (mut google, mut host) = (Google::default(), Host::new(1));
    host.settings.event_ids = true;
    let nothing = Page { rows: vec![], next: None, link: None };
    assert_eq!(page(&mut google, &mut host, None), Ok(nothing));
    assert!(google.log.is_empty());

    // Another year has begun: what is there is still in the old one.
    let (mut google, mut host, _) = settled();
    host.epoch_ms += 400 * 86_400_000;
    assert_eq!(page(&mut google, &mut host, None).unwrap().rows.len(), 2);
    assert_eq!(google.files().len(), 1);
}

#[test]
fn a_sheet_that_is_gone_is_said() {
    let (mut google, mut host, _) = settled();
    google.act("file1", &google_sim::FileAction::Trash);
    for _ in 0..2 {
        let Err(Directive::Hold(pause)) = page(&mut google, &mut host, None) else { panic!() };
        assert_eq!(pause.problem.unwrap().headline, "sheet is in the bin");
    }
    let (mut google, mut host, _) = settled();
    google.faults = vec![Fault::Status(503); 9].into();
    let Err(Directive::Wait(pause)) = page(&mut google, &mut host, None) else { panic!() };
    assert_eq!(pause.problem.unwrap().headline, "Google is not ready");
}

#[test]
fn a_batch_in_doubt_is_still_so_after_reading() {
    let (mut google, mut host, _) = settled();
    let batch = host.batch(1);
    google.faults = [Fault::CrashAfter { reboot: false }].into();
    let Directive::Send(append) = host.step(&google, &batch, Signal::Begin) else { panic!() };
    google.perform(&append);
    let found = page(&mut google, &mut host, None).unwrap();
    assert_eq!(keys(&found.rows).len(), 3);
    assert!(host.state().mark.is_some_and(|mark| mark.ask));
    google.log.clear();
    assert_eq!(host.run(&mut google, &batch, Signal::Resumed), delivered("file1"));
    assert_eq!(google.log, ["mark"]);
    assert_eq!(google.rows("Punches").len(), 3);
}

#[test]
fn rows_are_looked_for_where_they_went_and_where_they_go_now_though_a_batch_was_in_doubt() {
    let (mut google, mut host, _) = settled();
    let batch = host.batch(1);
    google.faults = [Fault::LostAfter].into();
    let Directive::Send(append) = host.step(&google, &batch, Signal::Begin) else { panic!() };
    google.perform(&append);
    // A host that went on with this state has delivered the batch, and the next one in the next year.
    let backup = host.state.clone();
    assert_eq!(host.run(&mut google, &batch, Signal::Resumed), delivered("file1"));
    host.epoch_ms += 50 * 86_400_000;
    let next = host.batch(1);
    assert_eq!(host.run(&mut google, &next, Signal::Begin), delivered("file2"));

    host.state = backup;
    let found = all(&mut google, &mut host).unwrap();
    assert_eq!(keys(&found), [Some("1/0"), Some("1/1"), Some("2/0")]);
    let empty = host.batch(0);
    assert_eq!(host.run(&mut google, &empty, Signal::Prepare), delivered("file2"));
    assert_eq!(keys(&all(&mut google, &mut host).unwrap()), [Some("3/0")]);
}
