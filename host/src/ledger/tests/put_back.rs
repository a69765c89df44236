//! Events that were set aside, and formatted after all.

use std::sync::atomic::{AtomicU64, Ordering};

use super::super::{SinkError, Stage};
use super::*;

async fn fail(ledger: &Ledger, name: &str, sequence: u64) {
    let read = ledger.read_unformatted(&sink(name), 9).await.unwrap();
    ledger.set_aside_event(&sink(name), read.cursor, Sequence(sequence), "it trapped").await.unwrap();
}

async fn put_back(ledger: &Ledger, name: &str) -> u64 {
    static USED: AtomicU64 = AtomicU64::new(1_000);
    let fresh = || Ulid(u128::from(USED.fetch_add(1_000, Ordering::Relaxed)) << 64);
    ledger.put_back(&sink(name), fresh).await.unwrap()
}

#[tokio::test]
async fn what_was_set_aside_is_formatted_once_more_by_that_sink_alone() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["other", "sheet"]).await;
    accept(&ledger, 1..=3).await;
    fail(&ledger, "sheet", 1).await;
    fail(&ledger, "sheet", 2).await;
    format_all(&ledger, "sheet").await;
    deliver_all(&ledger, "sheet").await;

    let mut accepted = ledger.accepted();
    accepted.mark_unchanged();
    assert_eq!(put_back(&ledger, "sheet").await, 2);
    assert_eq!(*accepted.borrow_and_update(), Sequence(5), "formatters hear of it");
    assert_eq!(put_back(&ledger, "sheet").await, 0, "once");

    let read = ledger.read_unformatted(&sink("sheet"), 9).await.unwrap();
    let originals = [punch(1), punch(2)];
    let copies = read.events.iter().map(|event| (&event.event.happened.fields, event.at));
    assert!(copies.eq(originals.iter().map(|event| (&event.fields, event.at.unwrap()))));
    assert!(read.events.iter().all(|event| originals.iter().all(|first| first.id != event.event.happened.id)));
    let counts = ledger.sink_counts(&sink("sheet")).await.unwrap();
    assert_eq!((counts.events_waiting, counts.events_set_aside), (2, 0));

    // The other sink took the first ones, and passes the copies over.
    assert_eq!(ledger.sink_counts(&sink("other")).await.unwrap().events_waiting, 3);
    let other = ledger.read_unformatted(&sink("other"), 9).await.unwrap();
    assert_eq!(sequences(&other), [1, 2, 3]);
    format_all(&ledger, "other").await;
    let cursor = ledger.read_unformatted(&sink("other"), 9).await.unwrap().cursor;
    assert_eq!(cursor, Sequence(5), "the copies keep nothing from being pruned");
    accept(&ledger, 6..=6).await;
    assert_eq!(sequences(&ledger.read_unformatted(&sink("other"), 9).await.unwrap()), [6]);

    format_all(&ledger, "sheet").await;
    let open = open_batch(&ledger, "sheet", 9, 8).await.unwrap();
    assert_eq!(open.batch.rows.len(), 3, "behind the batch that was delivered");
    let events = ledger.events(None, 9).await.unwrap();
    let stage = |sequence: usize, name: &str| {
        let fates = &events[sequence - 1].fates;
        fates.iter().find(|fate| fate.sink == sink(name)).map(|fate| fate.stage.clone())
    };
    assert_eq!(stage(1, "sheet"), Some(Stage::SetAside("it was put back as event 4".to_owned())));
    assert_eq!((stage(4, "sheet"), stage(4, "other")), (Some(Stage::InFlight), None));
    assert_eq!(ledger.last_time_seen().await.unwrap(), Some(at(1_006_000_000)));
}

#[tokio::test]
async fn the_next_event_of_a_sink_is_not_one_that_was_put_back_for_another() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["other", "sheet"]).await;
    accept(&ledger, 1..=1).await;
    fail(&ledger, "sheet", 1).await;
    format_all(&ledger, "other").await;
    assert_eq!(put_back(&ledger, "sheet").await, 1);
    assert_eq!(ledger.last_time_seen().await.unwrap(), Some(at(1_001_000_000)));
    accept(&ledger, 3..=3).await;
    fail(&ledger, "other", 3).await;
    fail(&ledger, "sheet", 2).await;
    assert_eq!(put_back(&ledger, "sheet").await, 1, "one that fails again can be put back again");
}

#[tokio::test]
async fn what_is_not_there_is_not_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let unknown = ledger.put_back(&sink("sheet"), || Ulid(1)).await;
    assert!(matches!(unknown, Err(SinkError::UnknownSink(_))));
    declare(&ledger, &["sheet"]).await;
    assert_eq!(put_back(&ledger, "sheet").await, 0);
}
