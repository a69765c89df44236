//! Events that were set aside, and formatted after all.

use punchcard_core::plugin::delivery::{CorrectionKind, Rejection};

use super::super::{
    BootTimes, CorrectedRow, CorrectionCommit, EventStatus, Keep, Reader, RequeueError, Requeued, SetAsideBy, Stage,
};
use super::*;

async fn fail(ledger: &Ledger, name: &str, sequence: u64) {
    let read = ledger.read_unformatted(&sink(name), 9).await.unwrap();
    ledger.set_aside_event(&sink(name), read.cursor, Sequence(sequence), "it trapped").await.unwrap();
}

async fn requeue(ledger: &Ledger, name: &str) -> u64 {
    requeue_of(ledger, name, &[]).await.unwrap().events
}

async fn requeue_of(ledger: &Ledger, name: &str, events: &[u64]) -> Result<Requeued, RequeueError> {
    let events: Vec<_> = events.iter().copied().map(Sequence).collect();
    ledger.requeue(&sink(name), &events).await
}

/// What became of an event at a sink.
async fn status(ledger: &Ledger, event: u64, name: &str) -> Option<EventStatus> {
    let events = ledger.events(None, 99).await.unwrap().events;
    let listed = events.into_iter().find(|listed| listed.event.sequence.0 == event).unwrap();
    listed.statuses.into_iter().find(|status| status.sink == sink(name))
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
async fn what_was_set_aside_is_formatted_once_more_by_that_sink_alone_and_told_at_its_event() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["other", "sheet"]).await;
    accept(&ledger, 1..=3).await;
    fail(&ledger, "sheet", 1).await;
    fail(&ledger, "sheet", 2).await;
    format_all(&ledger, "sheet").await;
    deliver_all(&ledger, "sheet").await;
    let stage = async |event, name| status(&ledger, event, name).await.map(|status| status.stage);
    assert_eq!(stage(1, "sheet").await, Some(Stage::SetAside("it trapped".to_owned())));

    let mut accepted = ledger.accepted();
    accepted.mark_unchanged();
    assert_eq!(requeue(&ledger, "sheet").await, 2);
    assert_eq!(*accepted.borrow_and_update(), Sequence(5), "formatters hear of it");
    assert_eq!(requeue(&ledger, "sheet").await, 0, "once");
    assert_eq!(stage(1, "sheet").await, Some(Stage::Unformatted));

    let read = ledger.read_unformatted(&sink("sheet"), 9).await.unwrap();
    assert_eq!(sequences(&read), [4, 5]);
    assert!(read.events.iter().map(|event| event.event.happened.clone()).eq([punch(1), punch(2)]));
    let counts = ledger.sink_counts(&sink("sheet")).await.unwrap();
    assert_eq!((counts.events_waiting, counts.events_set_aside), (2, 0));

    // The other sink took them where they happened, and nothing here.
    assert_eq!(ledger.sink_counts(&sink("other")).await.unwrap().events_waiting, 3);
    let other = ledger.read_unformatted(&sink("other"), 9).await.unwrap();
    assert_eq!(sequences(&other), [1, 2, 3]);
    format_all(&ledger, "other").await;
    accept(&ledger, 6..=6).await;
    assert_eq!(sequences(&ledger.read_unformatted(&sink("other"), 9).await.unwrap()), [6]);

    format_all(&ledger, "sheet").await;
    let open = open_batch(&ledger, "sheet", 9, 8).await.unwrap();
    let rows = [1, 2, 6].map(|number| format!("{}/0", punch(number).id));
    assert_eq!(keys(&open), rows, "behind the batch that was delivered, and under the names of their events");
    let expected =
        EventStatus { sink: sink("sheet"), stage: Stage::InFlight, rows: 1, again: 1, corrected_as: None, link: None };
    assert_eq!(status(&ledger, 1, "sheet").await, Some(expected));
    assert_eq!(stage(1, "other").await, Some(Stage::Waiting));
    let listed = ledger.events(None, 9).await.unwrap().events;
    assert!(listed.iter().map(|listed| listed.event.sequence.0).eq([1, 2, 3, 6]), "nothing happened twice");
    assert_eq!(ledger.last_time_seen().await.unwrap(), Some(at(1_006_000_000)));
}

#[tokio::test]
async fn the_next_event_of_a_sink_is_not_one_that_was_requeued_for_another() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["other", "sheet"]).await;
    accept(&ledger, 1..=1).await;
    fail(&ledger, "sheet", 1).await;
    format_all(&ledger, "other").await;
    assert_eq!(requeue(&ledger, "sheet").await, 1);
    assert_eq!(ledger.last_time_seen().await.unwrap(), Some(at(1_001_000_000)));
    accept(&ledger, 3..=3).await;
    fail(&ledger, "other", 3).await;
    fail(&ledger, "sheet", 2).await;
    assert_eq!(requeue(&ledger, "sheet").await, 1, "one that fails again can be requeued again");
}

#[tokio::test]
async fn what_is_not_there_is_not_requeued() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    assert!(matches!(requeue_of(&ledger, "sheet", &[]).await, Err(RequeueError::UnknownSink(_))));
    let dropped = ledger.drop_set_aside(&sink("sheet"), &[FIRST], "why").await;
    assert!(matches!(dropped, Err(RequeueError::UnknownSink(_))));
    declare(&ledger, &["sheet"]).await;
    assert_eq!(requeue(&ledger, "sheet").await, 0);
    let unknown = requeue_of(&ledger, "sheet", &[1]).await;
    assert!(matches!(unknown, Err(RequeueError::NotSetAside { event: FIRST, .. })));
}

#[tokio::test]
async fn a_row_that_the_service_refused_goes_again_under_its_key_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = refused_one(folder.path()).await;
    assert_eq!(counts(&ledger, "sheet").await, [1, 0, 0, 2]);
    let requeued = requeue_of(&ledger, "sheet", &[]).await.unwrap();
    assert_eq!(requeued, Requeued { events: 0, rows: 1 });
    assert_eq!(counts(&ledger, "sheet").await, [0, 0, 1, 2]);
    assert_eq!(requeue_of(&ledger, "sheet", &[]).await.unwrap(), Requeued::default(), "once");

    // It is not formatted once more, and what happens after it comes after it.
    accept(&ledger, 4..=4).await;
    assert_eq!(sequences(&ledger.read_unformatted(&sink("sheet"), 9).await.unwrap()), [4]);
    format_all(&ledger, "sheet").await;
    assert_eq!(status(&ledger, 2, "sheet").await.unwrap().stage, Stage::Waiting);
    let open = open_batch(&ledger, "sheet", 9, 8).await.unwrap();
    assert_eq!(keys(&open), [format!("{}/0", punch(2).id), format!("{}/0", punch(4).id)]);
    ledger.complete_batch(&sink("sheet"), &open.batch.id, Vec::new(), arrived(), None).await.unwrap();
    assert_eq!(counts(&ledger, "sheet").await, [0, 0, 0, 4]);
    let second = status(&ledger, 2, "sheet").await.unwrap();
    assert_eq!((second.stage, second.rows, second.again), (Stage::Delivered(None), 1, 1));
    assert_eq!(ledger.events(None, 9).await.unwrap().events.len(), 4, "nothing happened twice");
}

#[tokio::test]
async fn a_row_goes_again_at_once_and_not_behind_what_waits_for_the_formatter() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = refused_one(folder.path()).await;
    accept(&ledger, 4..=5).await;
    fail(&ledger, "sheet", 4).await;
    let requeued = requeue_of(&ledger, "sheet", &[]).await.unwrap();
    assert_eq!(requeued, Requeued { events: 1, rows: 1 });
    assert_eq!(sequences(&ledger.read_unformatted(&sink("sheet"), 9).await.unwrap()), [5, 6]);
    format_all(&ledger, "sheet").await;
    let open = open_batch(&ledger, "sheet", 9, 8).await.unwrap();
    assert_eq!(keys(&open), [2, 5, 4].map(|number| format!("{}/0", punch(number).id)));
}

#[tokio::test]
async fn what_is_dropped_is_kept_with_its_reason_and_can_be_requeued_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = refused_one(folder.path()).await;
    accept(&ledger, 4..=4).await;
    fail(&ledger, "sheet", 4).await;
    let both = [Sequence(2), Sequence(4)];
    let wrong = ledger.drop_set_aside(&sink("sheet"), &[Sequence(2), Sequence(3)], "a test").await;
    assert!(matches!(wrong, Err(RequeueError::NotSetAside { event: Sequence(3), .. })));
    assert_eq!(counts(&ledger, "sheet").await, [2, 0, 0, 2], "all or nothing");
    assert_eq!(ledger.drop_set_aside(&sink("sheet"), &both, "a test").await.unwrap(), 2);
    assert_eq!(counts(&ledger, "sheet").await, [0, 2, 0, 2]);
    assert!(ledger.drop_set_aside(&sink("sheet"), &both, "a test").await.is_err(), "once");

    let mut reader = Reader::open(folder.path(), TimeZone::UTC).unwrap();
    let all = |reader: &mut Reader, after, most| reader.rejects(&sink("sheet"), true, after, most).unwrap();
    let rejects = all(&mut reader, None, 9).rejects;
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
    let page = all(&mut reader, Some(rejects[0].place), 9);
    assert_eq!((page.rejects.as_slice(), page.more), (&rejects[1..], false));
    let page = all(&mut reader, None, 1);
    assert_eq!((page.rejects.as_slice(), page.more), (&rejects[..1], true));
    let page = all(&mut reader, None, 2);
    assert_eq!((page.rejects.as_slice(), page.more), (&rejects[..], false));
    let undecided = reader.rejects(&sink("sheet"), false, None, 9).unwrap();
    assert_eq!((undecided.rejects, undecided.more), (vec![], false));
    let stage = |sequence: usize, events: &[super::super::ListedEvent]| events[sequence - 1].statuses[0].stage.clone();
    let events = ledger.events(None, 9).await.unwrap().events;
    assert_eq!(stage(2, &events), Stage::Dropped("a test; before: too long".to_owned()));

    assert_eq!(requeue_of(&ledger, "sheet", &[]).await.unwrap(), Requeued::default(), "not without being named");
    let requeued = requeue_of(&ledger, "sheet", &[2, 4]).await.unwrap();
    assert_eq!(requeued, Requeued { events: 1, rows: 1 });
    assert_eq!(counts(&ledger, "sheet").await, [0, 0, 1, 2]);
    let by = all(&mut reader, None, 9).rejects.into_iter().map(|reject| reject.set_aside.by);
    assert!(by.eq([SetAsideBy::Requeued; 2]), "that it was set aside once is still told");
}

#[tokio::test]
async fn what_is_requeued_does_not_bring_the_time_of_a_wrong_clock_back() {
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
    assert_eq!(requeue_of(&ledger, "sheet", &[1]).await.unwrap().events, 1);
    assert_eq!(ledger.last_time_seen().await.unwrap(), Some(at(30_000_000_000)));
    ledger.accept(NewEvent { at: None, ..punch(9) }).await.unwrap();
    assert_eq!(ledger.last_time_seen().await.unwrap(), Some(at(30_000_000_000)), "nor does what comes behind it");
}

#[tokio::test]
async fn what_is_named_twice_is_requeued_once() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = refused_one(folder.path()).await;
    let put = requeue_of(&ledger, "sheet", &[2, 2]).await.unwrap();
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

/// A replay found that an event whose row was delivered can't become one: the row is withdrawn, and the event set aside.
async fn withdraw(ledger: &Ledger, event: u64, at: u64) {
    let made = CorrectionCommit {
        at: Sequence(at),
        boots: BootTimes::default(),
        state: b"mended".to_vec(),
        states: Vec::new(),
        plugin_sha256: [2; 32],
        settings: "{}".to_owned(),
        standing: None,
        columns: columns(1),
        rows: vec![CorrectedRow {
            event: Sequence(event),
            position: 0,
            revision: 0,
            kind: CorrectionKind::Withdrawn,
            cells: vec![Cell::Empty],
        }],
        set_aside: vec![(Sequence(event), "it is not wanted".to_owned())],
    };
    ledger.correct(&sink("sheet"), made).await.unwrap();
}

#[tokio::test]
async fn an_event_whose_row_was_withdrawn_gets_another_key_when_it_is_formatted_once_more() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["sheet"]).await;
    accept(&ledger, 1..=2).await;
    format_all(&ledger, "sheet").await;
    deliver_all(&ledger, "sheet").await;
    withdraw(&ledger, 1, 2).await;
    deliver_all(&ledger, "sheet").await;
    assert_eq!(requeue_of(&ledger, "sheet", &[1]).await.unwrap().events, 1);
    format_all(&ledger, "sheet").await;
    let open = open_batch(&ledger, "sheet", 9, 8).await.unwrap();
    // Under the first key a row was delivered already: a service would take it for that.
    assert_eq!(keys(&open), [format!("{}/0/2", punch(1).id)]);
    let corrections: Vec<_> = open.batch.corrections.iter().map(|correction| correction.kind).collect();
    assert_eq!(corrections, [CorrectionKind::Added]);
    let status = status(&ledger, 1, "sheet").await.unwrap();
    assert_eq!((status.stage, status.corrected_as), (Stage::InFlight, Some(format!("{}/0/2", punch(1).id))));
}

#[tokio::test]
async fn an_event_stays_until_it_went_through_the_formatter_once_more_and_its_place_is_given_to_no_press() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["sheet"]).await;
    accept(&ledger, 1..=2).await;
    fail(&ledger, "sheet", 1).await;
    format_all(&ledger, "sheet").await;
    deliver_all(&ledger, "sheet").await;
    assert_eq!(requeue(&ledger, "sheet").await, 1);
    let prune = async || {
        let everything = Keep { keep_for: std::time::Duration::MAX, bytes: 0 };
        let pruned = ledger.prune(everything, at(2_000_000_000)).await.unwrap();
        (pruned.events, pruned.held_by)
    };
    assert_eq!(prune().await, (0, Some(sink("sheet"))), "it is to be formatted");
    format_all(&ledger, "sheet").await;
    assert_eq!(prune().await, (0, Some(sink("sheet"))), "its row is to be delivered");
    deliver_all(&ledger, "sheet").await;
    assert_eq!(prune().await, (2, None));
    // Otherwise its sink, which is past that place, would never see what happens next.
    assert_eq!(accept(&ledger, 4..=4).await[0].sequence, Sequence(4));
    assert_eq!(sequences(&ledger.read_unformatted(&sink("sheet"), 9).await.unwrap()), [4]);
}

#[tokio::test]
async fn an_event_that_is_formatted_once_more_is_found_by_its_place_without_sorting_what_waits() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let plan = ledger.read(|reader| {
        reader.snapshot(|snapshot, _| {
            let explain = format!("EXPLAIN QUERY PLAN {}", super::super::event::read_places());
            let mut explain = snapshot.prepare(&explain)?;
            let steps = explain.query_map((0, 1, i64::MAX), |row| row.get::<_, String>("detail"))?;
            Ok::<_, super::super::StorageError>(steps.collect::<Result<Vec<_>, _>>()?.join("\n"))
        })
    });
    let plan = plan.await.unwrap();
    assert!(plan.contains("MERGE (UNION ALL)") && !plan.contains("TEMP B-TREE"), "{plan}");
}
