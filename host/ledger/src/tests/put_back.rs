//! Events that were set aside, and formatted after all.

use std::sync::atomic::{AtomicU64, Ordering};

use punchcard_core::plugin::delivery::Rejection;

use super::super::{PutBack, PutBackError, Reader, SetAsideBy, Stage};
use super::*;

async fn fail(ledger: &Ledger, name: &str, sequence: u64) {
    let read = ledger.read_unformatted(&sink(name), 9).await.unwrap();
    ledger.set_aside_event(&sink(name), read.cursor, Sequence(sequence), "it trapped").await.unwrap();
}

async fn put_back(ledger: &Ledger, name: &str) -> u64 {
    put_back_of(ledger, name, &[]).await.unwrap().events
}

async fn put_back_of(ledger: &Ledger, name: &str, events: &[u64]) -> Result<PutBack, PutBackError> {
    static USED: AtomicU64 = AtomicU64::new(1_000);
    let fresh = || Ulid(u128::from(USED.fetch_add(1_000, Ordering::Relaxed)) << 64);
    let events: Vec<_> = events.iter().copied().map(Sequence).collect();
    ledger.put_back(&sink(name), &events, fresh).await
}

/// The counts of a sink: set aside, dropped, waiting, delivered.
async fn counts(ledger: &Ledger, name: &str) -> [u64; 4] {
    let counts = ledger.sink_counts(&sink(name)).await.unwrap();
    let aside = counts.rows_set_aside + counts.events_set_aside - counts.dropped;
    [aside, counts.dropped, counts.rows_waiting, counts.rows_delivered]
}

/// Three events of one row each, of which the service refused the second.
async fn refused_one(folder: &Path) -> Ledger {
    let ledger = open(folder);
    declare(&ledger, &["sheet"]).await;
    accept(&ledger, 1..=3).await;
    format_all(&ledger, "sheet").await;
    let open = open_batch(&ledger, "sheet", 9, 7).await.unwrap();
    let receipt = Receipt { rejected: vec![Rejection { row: 1, reason: "too long".to_owned() }], link: None };
    ledger.complete_batch(&sink("sheet"), &open.batch.id, Vec::new(), receipt, None).await.unwrap();
    ledger
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
    assert_eq!(stage(1, "sheet"), Some(Stage::PutBack("it was put back as event 4".to_owned())));
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
    assert!(matches!(put_back_of(&ledger, "sheet", &[]).await, Err(PutBackError::UnknownSink(_))));
    let dropped = ledger.drop_set_aside(&sink("sheet"), &[FIRST], "why").await;
    assert!(matches!(dropped, Err(PutBackError::UnknownSink(_))));
    declare(&ledger, &["sheet"]).await;
    assert_eq!(put_back(&ledger, "sheet").await, 0);
    let unknown = put_back_of(&ledger, "sheet", &[1]).await;
    assert!(matches!(unknown, Err(PutBackError::NotSetAside { event: FIRST, .. })));
}

#[tokio::test]
async fn a_row_that_the_service_refused_is_repeated_under_its_key_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = refused_one(folder.path()).await;
    assert_eq!(counts(&ledger, "sheet").await, [1, 0, 0, 2]);
    let put = put_back_of(&ledger, "sheet", &[]).await.unwrap();
    assert_eq!(put, PutBack { events: 0, rows: 1, rows_left: 0 });
    assert_eq!(counts(&ledger, "sheet").await, [0, 0, 1, 2]);
    assert_eq!(put_back_of(&ledger, "sheet", &[]).await.unwrap(), PutBack::default(), "once");

    // It is not formatted once more, and what happens after it comes after it.
    accept(&ledger, 5..=5).await;
    assert_eq!(sequences(&ledger.read_unformatted(&sink("sheet"), 9).await.unwrap()), [5]);
    format_all(&ledger, "sheet").await;
    let open = open_batch(&ledger, "sheet", 9, 8).await.unwrap();
    assert_eq!(keys(&open), [format!("{}/0", punch(2).id), format!("{}/0", punch(5).id)]);
    ledger.complete_batch(&sink("sheet"), &open.batch.id, Vec::new(), arrived(), None).await.unwrap();
    assert_eq!(counts(&ledger, "sheet").await, [0, 0, 0, 4]);
    let events = ledger.events(None, 9).await.unwrap();
    assert_eq!(events[1].fates[0].stage, Stage::PutBack("it was put back as event 4".to_owned()));
    assert_eq!(
        (events[3].event.happened.kind.as_str(), &events[3].fates[0].stage),
        ("again:punch", &Stage::Delivered(None))
    );
}

#[tokio::test]
async fn a_row_does_not_overtake_what_waits_for_the_formatter() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = refused_one(folder.path()).await;
    accept(&ledger, 4..=4).await;
    for events in [&[][..], &[2]] {
        let put = put_back_of(&ledger, "sheet", events).await.unwrap();
        assert_eq!(put, PutBack { events: 0, rows: 0, rows_left: 1 });
    }
    assert_eq!(counts(&ledger, "sheet").await, [1, 0, 0, 2]);
    fail(&ledger, "sheet", 4).await;
    let put = put_back_of(&ledger, "sheet", &[]).await.unwrap();
    assert_eq!(put, PutBack { events: 1, rows: 1, rows_left: 0 }, "rows first, then the event that waits");
    assert_eq!(sequences(&ledger.read_unformatted(&sink("sheet"), 9).await.unwrap()), [6]);
}

#[tokio::test]
async fn what_is_dropped_is_kept_with_its_reason_and_can_be_put_back_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = refused_one(folder.path()).await;
    accept(&ledger, 4..=4).await;
    fail(&ledger, "sheet", 4).await;
    let both = [Sequence(2), Sequence(4)];
    let wrong = ledger.drop_set_aside(&sink("sheet"), &[Sequence(2), Sequence(3)], "a test").await;
    assert!(matches!(wrong, Err(PutBackError::NotSetAside { event: Sequence(3), .. })));
    assert_eq!(counts(&ledger, "sheet").await, [2, 0, 0, 2], "all or nothing");
    assert_eq!(ledger.drop_set_aside(&sink("sheet"), &both, "a test").await.unwrap(), 2);
    assert_eq!(counts(&ledger, "sheet").await, [0, 2, 0, 2]);
    assert!(ledger.drop_set_aside(&sink("sheet"), &both, "a test").await.is_err(), "once");

    let mut reader = Reader::open(folder.path(), TimeZone::UTC).unwrap();
    let rejects = reader.rejects(&sink("sheet"), None, 9).unwrap();
    let told = rejects.iter().map(|reject| {
        let aside = &reject.set_aside;
        (aside.sequence.0, aside.position, aside.by, aside.reason.as_str(), reject.event.happened.id)
    });
    let told: Vec<_> = told.collect();
    assert_eq!(
        told,
        [
            (2, Some(0), SetAsideBy::Dropped, "a test; before: too long", punch(2).id),
            (4, None, SetAsideBy::Dropped, "a test; before: it trapped", punch(4).id),
        ]
    );
    assert_eq!(reader.rejects(&sink("sheet"), Some(rejects[0].place), 9).unwrap(), rejects[1..]);
    assert_eq!(reader.rejects(&sink("sheet"), None, 1).unwrap(), rejects[..1]);
    let stage = |sequence: usize, events: &[super::super::Listed]| events[sequence - 1].fates[0].stage.clone();
    let events = ledger.events(None, 9).await.unwrap();
    assert_eq!(stage(2, &events), Stage::Dropped("a test; before: too long".to_owned()));

    assert_eq!(put_back_of(&ledger, "sheet", &[]).await.unwrap(), PutBack::default(), "not without being named");
    let put = put_back_of(&ledger, "sheet", &[2, 4]).await.unwrap();
    assert_eq!(put, PutBack { events: 1, rows: 1, rows_left: 0 });
    assert_eq!(counts(&ledger, "sheet").await, [0, 0, 1, 2]);
}

#[tokio::test]
async fn what_is_put_back_does_not_bring_the_time_of_a_wrong_clock_back() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["sheet"]).await;
    let of_2090 = at(3_786_912_000_000_000);
    let wrong = NewEvent { at: Some(of_2090), ..punch(1) };
    ledger.accept(wrong.clone()).await.unwrap();
    ledger.accept(NewEvent { id: punch(2).id, ..wrong }).await.unwrap();
    let [first, second] = [1, 2].map(Sequence);
    ledger.set_aside_event(&sink("sheet"), Sequence(0), first, "it trapped").await.unwrap();
    ledger.set_aside_event(&sink("sheet"), first, second, "it trapped").await.unwrap();
    ledger.learn_time(&synchronised("first", 30_000_000_000, 4_000_000)).await.unwrap();
    assert_eq!(ledger.last_time_seen().await.unwrap(), Some(at(30_000_000_000)));
    assert_eq!(put_back_of(&ledger, "sheet", &[1]).await.unwrap().events, 1);
    assert_eq!(ledger.last_time_seen().await.unwrap(), Some(at(30_000_000_000)));
    ledger.accept(NewEvent { at: None, ..punch(9) }).await.unwrap();
    assert_eq!(ledger.last_time_seen().await.unwrap(), Some(at(30_000_000_000)), "nor does what comes behind it");
}

#[tokio::test]
async fn what_is_named_twice_is_put_back_once() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = refused_one(folder.path()).await;
    let put = put_back_of(&ledger, "sheet", &[2, 2]).await.unwrap();
    assert_eq!((put.events, put.rows), (0, 1));
    let read = ledger.read_unformatted(&sink("sheet"), 9).await.unwrap();
    assert!(read.events.is_empty());
    assert_eq!(keys(&open_batch(&ledger, "sheet", 9, 8).await.unwrap()).len(), 1);
}

#[tokio::test]
async fn what_is_named_twice_is_dropped_once() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = refused_one(folder.path()).await;
    assert_eq!(ledger.drop_set_aside(&sink("sheet"), &[Sequence(2); 2], "a test").await.unwrap(), 1);
    assert_eq!(counts(&ledger, "sheet").await, [0, 1, 0, 2]);
}

#[tokio::test]
async fn where_a_row_stood_before_it_was_repeated_is_found_by_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let plan = ledger
        .read(|reader| {
            reader.snapshot(|snapshot, _| {
                let explain = format!("EXPLAIN QUERY PLAN {}", super::super::correction::EARLIER);
                Ok::<_, super::super::StorageError>(
                    snapshot.query_row(&explain, (1, 0, "again"), |row| row.get::<_, String>("detail"))?,
                )
            })
        })
        .await
        .unwrap();
    assert!(plan.contains("INDEX set_aside_copy (sink=? AND position=? AND reason=?)"), "{plan}");
    assert_eq!(SetAsideBy::PutBack.column(), 3, "as the index names it");
}
