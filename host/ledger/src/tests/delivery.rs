//! From rows to batches.

use punchcard_core::plugin::delivery::Rejection;

use super::super::{BatchError, EventStatus, Reader, SetAside, SetAsideBy, Stage, Tried};
use super::*;

async fn with_rows(folder: &Path, count: u64) -> Ledger {
    let ledger = open(folder);
    declare(&ledger, &["sheet"]).await;
    accept(&ledger, 1..=count).await;
    format_all(&ledger, "sheet").await;
    ledger
}

fn texts(open: &OpenBatch) -> Vec<&str> {
    let text = |row: &Row| match &row.cells[0] {
        Cell::Text(text) => text.strip_prefix("row ").unwrap().len(),
        _ => 0,
    };
    assert!(open.batch.rows.iter().all(|row| text(row) > 0));
    open.batch.rows.iter().map(|row| if let Cell::Text(text) = &row.cells[0] { &text[4..] } else { "" }).collect()
}

async fn complete(ledger: &Ledger, open: &OpenBatch, receipt: Receipt) -> Result<(), BatchError> {
    ledger.complete_batch(&sink("sheet"), &open.batch.id, b"done".to_vec(), receipt, Some(at(9))).await
}

#[tokio::test]
async fn a_batch_keeps_its_id_and_rows_until_it_is_complete_whatever_comes() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = with_rows(folder.path(), 5).await;
    let first = open_batch(&ledger, "sheet", 2, 1).await.unwrap();
    assert_eq!((texts(&first), first.tried), (vec!["1", "2"], Tried::Never));
    assert_eq!(first.batch.id, Uuid::from_u128(1).to_string());
    // Other limits, another id, a restart, more rows: the same batch.
    assert_eq!(open_batch(&ledger, "sheet", 9, 2).await.as_ref(), Some(&first));
    accept(&ledger, 6..=6).await;
    format_all(&ledger, "sheet").await;
    ledger.close().await;
    let ledger = open(folder.path());
    assert_eq!(open_batch(&ledger, "sheet", 9, 2).await.as_ref(), Some(&first));

    let peek = async || ledger.peek_batch(&sink("sheet"), limits(9), Uuid::from_u128(2)).await.unwrap();
    assert_eq!(peek().await.as_ref(), Some(&first));
    complete(&ledger, &first, arrived()).await.unwrap();
    let ahead = peek().await;
    assert_eq!(open_batch(&ledger, "sheet", 1, 3).await.map(|open| open.batch.rows.len()), Some(1), "it formed none");
    complete(&ledger, &open_batch(&ledger, "sheet", 1, 3).await.unwrap(), arrived()).await.unwrap();
    let second = open_batch(&ledger, "sheet", 9, 2).await.unwrap();
    assert_eq!(texts(&ahead.unwrap()), ["3", "4", "5", "6"]);
    assert_eq!(texts(&second), ["4", "5", "6"]);
    assert_eq!(second.batch.id, Uuid::from_u128(2).to_string());
}

#[tokio::test]
async fn a_whole_batch_is_one_that_is_full_or_on_its_way() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = with_rows(folder.path(), 5).await;
    let name = sink("sheet");
    let whole = async |rows| ledger.has_whole_batch(&name, limits(rows)).await.unwrap();
    assert!(whole(5).await && !whole(6).await);
    let first = open_batch(&ledger, "sheet", 3, 1).await.unwrap();
    assert!(whole(6).await);
    // A row that was refused waits no more than one that arrived.
    let receipt = Receipt { rejected: vec![Rejection { row: 1, reason: "no".to_owned() }], link: None };
    complete(&ledger, &first, receipt).await.unwrap();
    assert!(whole(2).await && !whole(3).await);
}

#[tokio::test]
async fn a_batch_that_may_have_left_the_device_says_so_through_a_power_cut() {
    let (folder, after) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ledger = with_rows(folder.path(), 2).await;
    let name = sink("sheet");
    assert_eq!(ledger.connector_state(&name).await.unwrap(), b"");
    ledger.store_connector_state(&name, b"prepared".to_vec(), true).await.unwrap();
    let first = open_batch(&ledger, "sheet", 1, 1).await.unwrap();
    assert_eq!(first.tried, Tried::Never);
    ledger.store_connector_state(&name, b"looking".to_vec(), false).await.unwrap();
    assert_eq!(open_batch(&ledger, "sheet", 1, 1).await.unwrap().tried, Tried::Never);
    ledger.store_connector_state(&name, b"intent".to_vec(), true).await.unwrap();
    power_cut(folder.path(), after.path());
    let ledger = open(after.path());
    let again = open_batch(&ledger, "sheet", 1, 2).await.unwrap();
    assert_eq!((again.tried, &again.batch), (Tried::Before, &first.batch));
    assert_eq!(ledger.connector_state(&name).await.unwrap(), b"intent");
    complete(&ledger, &again, arrived()).await.unwrap();
    assert_eq!(ledger.connector_state(&name).await.unwrap(), b"done");
    assert_eq!(open_batch(&ledger, "sheet", 1, 2).await.unwrap().tried, Tried::Never);
}

#[tokio::test]
async fn rows_of_different_columns_do_not_travel_together() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = with_rows(folder.path(), 2).await;
    accept(&ledger, 3..=4).await;
    let read = ledger.read_unformatted(&sink("sheet"), 9).await.unwrap();
    let newer = FormattedCommit { columns: columns(2), ..one_row_each(&read) };
    ledger.commit_formatted(&sink("sheet"), newer).await.unwrap();
    accept(&ledger, 5..=5).await;
    format_all(&ledger, "sheet").await;
    for (rows, version) in [(vec!["1", "2"], 1), (vec!["3", "4"], 2), (vec!["5"], 1)] {
        let open = open_batch(&ledger, "sheet", 9, 1).await.unwrap();
        assert_eq!((texts(&open), &open.batch.columns), (rows, &columns(version)));
        complete(&ledger, &open, arrived()).await.unwrap();
    }
    assert_eq!(open_batch(&ledger, "sheet", 9, 1).await, None);
}

#[tokio::test]
async fn a_row_that_is_larger_than_the_limit_goes_alone() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = with_rows(folder.path(), 3).await;
    let tiny = Limits { bytes_per_batch: 0, ..limits(9) };
    for expected in ["1", "2", "3"] {
        let open = ledger.open_batch(&sink("sheet"), tiny, Uuid::from_u128(1)).await.unwrap().unwrap();
        assert_eq!(texts(&open), [expected]);
        complete(&ledger, &open, arrived()).await.unwrap();
    }
}

#[tokio::test]
async fn only_the_batch_that_is_on_its_way_can_be_completed_and_only_once() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = with_rows(folder.path(), 2).await;
    let open = open_batch(&ledger, "sheet", 1, 1).await.unwrap();
    let mut other = open.clone();
    other.batch.id = Uuid::from_u128(2).to_string();
    let refused = complete(&ledger, &other, arrived()).await;
    assert!(matches!(refused, Err(BatchError::NotOpen { .. })), "{refused:?}");
    complete(&ledger, &open, arrived()).await.unwrap();
    let refused = complete(&ledger, &open, arrived()).await;
    assert!(matches!(&refused, Err(BatchError::NotOpen { id, .. }) if *id == open.batch.id), "{refused:?}");
    assert_eq!(ledger.sink_counts(&sink("sheet")).await.unwrap().rows_delivered, 1);
    let unknown = ledger.open_batch(&sink("unknown"), limits(1), Uuid::from_u128(1)).await;
    assert!(matches!(unknown, Err(BatchError::UnknownSink(_))));
    let unknown = ledger.store_connector_state(&sink("unknown"), Vec::new(), false).await;
    assert!(matches!(unknown, Err(BatchError::UnknownSink(_))));
}

#[tokio::test]
async fn rows_that_the_service_refuses_are_set_aside_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = with_rows(folder.path(), 4).await;
    let open = open_batch(&ledger, "sheet", 3, 1).await.unwrap();
    let refuse = |rows: &[u32]| Receipt {
        rejected: rows.iter().map(|row| Rejection { row: *row, reason: format!("cell {row} too long") }).collect(),
        link: Some("https://sheet".to_owned()),
    };
    let too_far = complete(&ledger, &open, refuse(&[1, 3])).await;
    assert!(matches!(too_far, Err(BatchError::NoSuchRow { row: 3, rows: 3 })), "{too_far:?}");
    let before = ledger.sink_counts(&sink("sheet")).await.unwrap();
    assert_eq!((before.rows_waiting, before.rows_in_flight, before.rows_set_aside), (1, 3, 0));

    complete(&ledger, &open, refuse(&[1, 2, 1])).await.unwrap();
    let counts = ledger.sink_counts(&sink("sheet")).await.unwrap();
    assert_eq!(
        (counts.rows_waiting, counts.rows_in_flight, counts.rows_delivered, counts.rows_set_aside),
        (1, 0, 1, 2)
    );
    assert_eq!((counts.delivered_at, counts.link.as_deref()), (Some(at(9)), Some("https://sheet")));
    let aside = |sequence: u64, row: u32| SetAside {
        sequence: Sequence(sequence),
        position: Some(0),
        by: SetAsideBy::Service,
        reason: format!("cell {row} too long"),
    };
    let mut reader = Reader::open(folder.path(), TimeZone::UTC).unwrap();
    let rejects = reader.rejects(&sink("sheet"), true, None, 9).unwrap().rejects;
    assert!(rejects.into_iter().map(|reject| reject.set_aside).eq([aside(2, 1), aside(3, 2)]));
}

#[tokio::test]
async fn a_time_and_a_link_that_are_not_known_keep_the_last_ones() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = with_rows(folder.path(), 2).await;
    let open = open_batch(&ledger, "sheet", 1, 1).await.unwrap();
    let receipt = Receipt { rejected: Vec::new(), link: Some("https://sheet".to_owned()) };
    complete(&ledger, &open, receipt).await.unwrap();
    deliver_all(&ledger, "sheet").await;
    let counts = ledger.sink_counts(&sink("sheet")).await.unwrap();
    assert_eq!((counts.delivered_at, counts.link.as_deref()), (Some(at(9)), Some("https://sheet")));
}

#[tokio::test]
async fn the_list_of_events_tells_what_became_of_each_at_each_sink() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["other", "sheet"]).await;
    let mut reading = punch(1);
    reading.kind = "reading".to_owned();
    ledger.accept(reading).await.unwrap();
    accept(&ledger, 2..=8).await;
    let read = ledger.read_unformatted(&sink("sheet"), 6).await.unwrap();
    let mut made = one_row_each(&read);
    made.rows[0].1.push(row("row 2 again"));
    made.rows[1].1.clear();
    made.rows[2].1.clear();
    made.set_aside = vec![(Sequence(4), "no project".to_owned())];
    ledger.commit_formatted(&sink("sheet"), made).await.unwrap();
    // Rows: 2/0, 2/1, 5/0, 6/0, 7/0; events 3 and 4 have none, and 8 waits.
    for (rows, rejected) in [(1, None), (2, Some(1))] {
        let open = open_batch(&ledger, "sheet", rows, 1).await.unwrap();
        let rejected = rejected.map(|row| Rejection { row, reason: "too long".to_owned() });
        let receipt = Receipt { rejected: rejected.into_iter().collect(), link: Some(format!("https://{rows}")) };
        complete(&ledger, &open, receipt).await.unwrap();
    }
    open_batch(&ledger, "sheet", 1, 1).await.unwrap();

    let status = |name: &str, stage: Stage, rows: u32, link: Option<&str>| EventStatus {
        again: 0,
        corrected_as: None,
        sink: sink(name),
        stage,
        rows,
        link: link.map(str::to_owned),
    };
    let second = Some("https://2");
    let expected = [
        vec![],
        vec![status("sheet", Stage::Delivered(Some(at(9))), 2, second)],
        vec![status("sheet", Stage::NoRows, 0, None)],
        vec![status("sheet", Stage::SetAside("no project".to_owned()), 0, None)],
        vec![status("sheet", Stage::SetAside("too long".to_owned()), 1, second)],
        vec![status("sheet", Stage::InFlight, 1, None)],
        vec![status("sheet", Stage::Waiting, 1, None)],
        vec![status("sheet", Stage::Unformatted, 0, None)],
    ];
    let listed = ledger.events(None, 100).await.unwrap().events;
    for (listed, mut expected) in listed.iter().zip(expected.clone()) {
        if listed.event.happened.kind == "punch" {
            expected.insert(0, status("other", Stage::Unformatted, 0, None));
        }
        assert_eq!(listed.statuses, expected, "{:?}", listed.event.sequence);
    }
    // Each page tells the same as the whole.
    for first in 1..8 {
        let page = ledger.events(Some(Sequence(first)), 1).await.unwrap().events;
        assert_eq!(page.as_slice(), &listed[first as usize..=first as usize]);
    }

    // Of a sink that is no longer named, only what it touched or passed is told.
    declare(&ledger, &["sheet"]).await;
    assert!(
        ledger
            .events(None, 100)
            .await
            .unwrap()
            .events
            .iter()
            .all(|listed| { listed.statuses.iter().all(|status| status.sink == sink("sheet")) })
    );
}

#[tokio::test]
async fn two_that_form_the_next_batch_at_once_get_the_same_one() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = with_rows(folder.path(), 4).await;
    let (one, two) = tokio::join!(open_batch(&ledger, "sheet", 2, 1), open_batch(&ledger, "sheet", 3, 2));
    assert_eq!(one, two);
}
