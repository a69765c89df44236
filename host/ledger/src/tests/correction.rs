//! Rows in the place of earlier ones.

use std::time::Duration;

use punchcard_core::plugin::delivery::{Correction, CorrectionKind, Rejection};

use super::super::{BootTimes, CommitError, CorrectedRow, CorrectionCommit, Keep, Reader, SetAsideBy, Stage, Stretch};
use super::*;

fn reader(folder: &Path) -> Reader {
    Reader::open(folder, TimeZone::UTC).unwrap()
}

fn corrected(event: u64, revision: u32, kind: CorrectionKind, cell: Cell) -> CorrectedRow {
    CorrectedRow { event: Sequence(event), position: 0, revision, kind, cells: vec![cell] }
}

fn changed(event: u64, revision: u32, text: &str) -> CorrectedRow {
    corrected(event, revision, CorrectionKind::Changed, Cell::Text(text.to_owned()))
}

fn commit(at: u64, rows: Vec<CorrectedRow>) -> CorrectionCommit {
    CorrectionCommit {
        at: Sequence(at),
        boots: BootTimes::default(),
        state: b"mended".to_vec(),
        states: Vec::new(),
        plugin_sha256: [2; 32],
        settings: "{\"mended\":true}".to_owned(),
        standing: Some("mended".to_owned()),
        columns: columns(1),
        rows,
        set_aside: Vec::new(),
    }
}

/// A sink that has formatted this many events, a row each.
async fn with_rows(folder: &Path, count: u64) -> Ledger {
    let ledger = open(folder);
    declare(&ledger, &["sheet"]).await;
    accept(&ledger, 1..=count).await;
    format_all(&ledger, "sheet").await;
    ledger
}

async fn correct(ledger: &Ledger, made: CorrectionCommit) -> Result<(), CommitError> {
    ledger.correct(&sink("sheet"), made).await
}

/// What a replay would find kept of the events, by their numbers: how often it was corrected, and the text unless withdrawn.
fn kept(folder: &Path, through: u64) -> Vec<(u64, u32, Option<String>)> {
    let stretch = Stretch {
        kinds: vec!["punch".to_owned()],
        after: Sequence(0),
        through: Sequence(through),
        most: 99,
        rows_from: FIRST,
    };
    let page = reader(folder).replay_page(&sink("sheet"), &stretch).unwrap();
    let rows = page.events.into_iter().flat_map(|event| {
        let sequence = event.timed.event.sequence.0;
        event.rows.into_values().map(move |row| {
            let [Cell::Text(text)] = row.cells.as_slice() else { return (sequence, row.revision, None) };
            (sequence, row.revision, (!row.withdrawn).then(|| text.clone()))
        })
    });
    rows.collect()
}

#[tokio::test]
async fn corrections_come_behind_all_that_was_made_and_before_what_is_made_later() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = with_rows(folder.path(), 3).await;
    let first = open_batch(&ledger, "sheet", 2, 1).await.unwrap();
    // One of its row is on its way, one waits: both stay what they are.
    let withdrawn = corrected(3, 0, CorrectionKind::Withdrawn, Cell::Empty);
    correct(&ledger, commit(3, vec![changed(1, 0, "one"), withdrawn])).await.unwrap();
    assert_eq!(open_batch(&ledger, "sheet", 9, 2).await.unwrap().batch, first.batch);
    accept(&ledger, 4..=4).await;
    format_all(&ledger, "sheet").await;
    let counts = ledger.sink_counts(&sink("sheet")).await.unwrap();
    assert_eq!((counts.rows_in_flight, counts.rows_waiting), (2, 4));

    ledger.complete_batch(&sink("sheet"), &first.batch.id, Vec::new(), arrived(), None).await.unwrap();
    let ids: Vec<_> = (1..=4).map(|number| punch(number).id).collect();
    let next = open_batch(&ledger, "sheet", 9, 3).await.unwrap();
    let expected =
        [format!("{}/0", ids[2]), format!("{}/0/1", ids[0]), format!("{}/0/1", ids[2]), format!("{}/0", ids[3])];
    assert_eq!(keys(&next), expected);
    let corrections = [
        Correction { row: 1, of: format!("{}/0", ids[0]), kind: CorrectionKind::Changed },
        Correction { row: 2, of: format!("{}/0", ids[2]), kind: CorrectionKind::Withdrawn },
    ];
    assert_eq!(next.batch.corrections, corrections);
    assert_eq!(
        open_batch(&ledger, "sheet", 1, 4).await.unwrap().batch,
        next.batch,
        "it is the same when it is read again"
    );
    let stage = |events: &[super::super::ListedEvent], at: usize| events[at].statuses[0].stage.clone();
    let events = ledger.events(None, 9).await.unwrap().events;
    assert_eq!([0, 1, 2].map(|at| stage(&events, at)), [Stage::InFlight, Stage::Delivered(None), Stage::InFlight]);
    assert_eq!((events[2].statuses[0].rows, events[0].statuses[0].rows), (1, 1), "a correction is no further row");
    let corrected = events.iter().map(|listed| listed.statuses[0].corrected_as.clone());
    let expected = [Some(expected[1].clone()), None, Some(expected[2].clone()), None];
    assert!(corrected.eq(expected), "an event says what its corrected row is");
}

#[tokio::test]
async fn the_latest_correction_is_what_is_compared_with_and_none_is_made_twice() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = with_rows(folder.path(), 2).await;
    correct(&ledger, commit(2, vec![changed(1, 0, "a")])).await.unwrap();
    assert_eq!(kept(folder.path(), 2), [(1, 1, Some("a".to_owned())), (2, 0, Some("row 2".to_owned()))]);
    let again = correct(&ledger, commit(2, vec![changed(2, 0, "b"), changed(1, 0, "a")])).await;
    assert!(matches!(again, Err(CommitError::Corrected(FIRST))), "{again:?}");
    assert_eq!(kept(folder.path(), 2)[1], (2, 0, Some("row 2".to_owned())), "nothing of it was kept");
    let withdrawn = corrected(1, 1, CorrectionKind::Withdrawn, Cell::Empty);
    correct(&ledger, commit(2, vec![withdrawn])).await.unwrap();
    assert_eq!(kept(folder.path(), 2)[0], (1, 2, None));
    // And a correction can be corrected.
    let added = corrected(1, 2, CorrectionKind::Added, Cell::Text("a".to_owned()));
    correct(&ledger, commit(2, vec![added])).await.unwrap();
    assert_eq!(kept(folder.path(), 2)[0], (1, 3, Some("a".to_owned())));
    let open = open_batch(&ledger, "sheet", 9, 1).await.unwrap();
    let id = punch(1).id;
    assert_eq!(keys(&open)[2..], [format!("{id}/0/1"), format!("{id}/0/2"), format!("{id}/0/3")]);
}

#[tokio::test]
async fn the_formatter_goes_on_from_the_state_of_the_replay_and_so_do_later_replays() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["sheet"]).await;
    for number in 1..=5 {
        accept(&ledger, [number]).await;
        let read = ledger.read_unformatted(&sink("sheet"), 9).await.unwrap();
        let made = FormattedCommit { checkpoint: Some(call(1)), ..one_row_each(&read) };
        ledger.commit_formatted(&sink("sheet"), made).await.unwrap();
    }
    let mut made = commit(5, Vec::new());
    made.states = vec![(Sequence(3), b"at 3".to_vec())];
    correct(&ledger, made).await.unwrap();
    let ground = reader(folder.path()).replay_ground(&sink("sheet")).unwrap();
    assert_eq!((ground.cursor, ground.state.as_slice()), (Sequence(5), b"mended".as_slice()));
    let calls = ground.calls.iter().map(|kept| (kept.after.0, kept.state.as_slice(), kept.call.plugin_sha256[0]));
    assert!(calls.eq([(0, b"".as_slice(), 1), (3, b"at 3".as_slice(), 2)]));
    assert_eq!(ground.calls[1].call.settings, "{\"mended\":true}");
    let counts = ledger.sink_counts(&sink("sheet")).await.unwrap();
    assert_eq!((counts.standing.as_deref(), counts.rows_waiting), (Some("mended"), 5));
}

#[tokio::test]
async fn what_does_not_fit_is_refused_whole() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = with_rows(folder.path(), 2).await;
    accept(&ledger, 3..=3).await;
    let moved = correct(&ledger, commit(1, vec![changed(1, 0, "a")])).await;
    assert!(matches!(moved, Err(CommitError::CursorMoved { expected: FIRST, found: Sequence(2) })), "{moved:?}");
    for event in [3, 9] {
        let ahead = correct(&ledger, commit(2, vec![changed(1, 0, "a"), changed(event, 0, "b")])).await;
        assert!(matches!(ahead, Err(CommitError::NotRead(Sequence(found))) if found == event), "{ahead:?}");
        let ahead = CorrectionCommit { set_aside: vec![(Sequence(event), "no".to_owned())], ..commit(2, Vec::new()) };
        assert!(matches!(correct(&ledger, ahead).await, Err(CommitError::NotRead(_))));
    }
    let mut wide = commit(2, vec![changed(1, 0, "a")]);
    wide.rows[0].cells.push(Cell::Empty);
    assert!(matches!(correct(&ledger, wide).await, Err(CommitError::Shape { cells: 2, columns: 1, .. })));
    let number = commit(2, vec![corrected(1, 0, CorrectionKind::Changed, Cell::Number(f64::NAN))]);
    assert!(matches!(correct(&ledger, number).await, Err(CommitError::NotFinite(_))));
    let unknown = ledger.correct(&sink("unknown"), commit(2, Vec::new())).await;
    assert!(matches!(unknown, Err(CommitError::UnknownSink(_))));
    let counts = ledger.sink_counts(&sink("sheet")).await.unwrap();
    assert_eq!((counts.rows_waiting, counts.standing), (2, None));
}

#[tokio::test]
async fn a_correction_that_is_refused_is_told_at_the_event_that_it_corrects() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = with_rows(folder.path(), 2).await;
    deliver_all(&ledger, "sheet").await;
    let made = CorrectionCommit {
        set_aside: vec![(Sequence(2), "rejected".to_owned())],
        ..commit(2, vec![changed(1, 0, "a")])
    };
    correct(&ledger, made).await.unwrap();
    let open = open_batch(&ledger, "sheet", 9, 8).await.unwrap();
    let rejected = vec![Rejection { row: 0, reason: "too bad".to_owned() }];
    let receipt = Receipt { rejected, link: None };
    ledger.complete_batch(&sink("sheet"), &open.batch.id, Vec::new(), receipt, None).await.unwrap();
    let events = ledger.events(None, 9).await.unwrap().events;
    assert_eq!(events[0].statuses[0].stage, Stage::SetAside("too bad".to_owned()));
    assert_eq!(events[1].statuses[0].stage, Stage::SetAside("rejected".to_owned()));
    let rejects = |after| reader(folder.path()).rejects(&sink("sheet"), false, after, 9).unwrap().rejects;
    let aside: Vec<_> = rejects(None).into_iter().map(|reject| reject.set_aside).collect();
    let aside: Vec<_> = aside.into_iter().map(|aside| (aside.sequence.0, aside.position, aside.by)).collect();
    assert_eq!(
        aside,
        [(2, None, SetAsideBy::Formatter), (1, Some(0), SetAsideBy::Service)],
        "in the order in which they were set aside"
    );
    assert_eq!(rejects(Some(rejects(None)[0].place)).len(), 1, "after it there is the other");

    // It goes once more as what it is, by the name of the event that it corrects.
    let requeued = ledger.requeue(&sink("sheet"), &[FIRST]).await.unwrap();
    assert_eq!((requeued.events, requeued.rows), (0, 1));
    let again = open_batch(&ledger, "sheet", 9, 9).await.unwrap();
    assert_eq!((keys(&again), &again.batch.corrections), (keys(&open), &open.batch.corrections));
    let unnamed = ledger.drop_set_aside(&sink("sheet"), &[FIRST], "why").await;
    assert!(unnamed.is_err(), "nothing of it is set aside any more: {unnamed:?}");
    assert_eq!(ledger.drop_set_aside(&sink("sheet"), &[Sequence(2)], "why").await.unwrap(), 1);
    assert_eq!(rejects(None), [], "both are decided about");
}

#[tokio::test]
async fn however_many_corrections_an_event_has_it_can_be_pruned() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = with_rows(folder.path(), 2).await;
    let rows = (0..5_000).map(|position| CorrectedRow { position, ..changed(1, 0, "a") }).collect();
    correct(&ledger, commit(2, rows)).await.unwrap();
    deliver_all(&ledger, "sheet").await;
    let everything = Keep { keep_for: Duration::MAX, bytes: 0 };
    let mut pruned = 0;
    for _ in 0..3 {
        pruned += ledger.prune(everything, at(2_000_000_000)).await.unwrap().events;
    }
    assert_eq!(pruned, 2);
}

#[tokio::test]
async fn corrections_are_pruned_with_the_events_of_which_they_are_and_not_before_they_arrived() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = with_rows(folder.path(), 2).await;
    deliver_all(&ledger, "sheet").await;
    correct(&ledger, commit(2, vec![changed(1, 0, "a")])).await.unwrap();
    let everything = Keep { keep_for: Duration::MAX, bytes: 0 };
    assert_eq!(ledger.prune(everything, at(2_000_000_000)).await.unwrap().events, 0);
    deliver_all(&ledger, "sheet").await;
    assert_eq!(ledger.prune(everything, at(2_000_000_000)).await.unwrap().events, 2);
    let left: i64 = ledger
        .write(|store| {
            let count = "SELECT count(*) FROM outbox";
            Ok::<_, super::super::StorageError>(store.connection.query_row(count, [], |row| row.get(0))?)
        })
        .await
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_correction_that_is_refused_is_dropped_with_its_event_and_holds_nothing_after_that() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["other", "sheet"]).await;
    accept(&ledger, 1..=3).await;
    for name in ["other", "sheet"] {
        format_all(&ledger, name).await;
    }
    deliver_all(&ledger, "sheet").await;
    correct(&ledger, commit(3, vec![changed(1, 0, "a")])).await.unwrap();
    deliver_but(&ledger, 1, &[0]).await;
    // The other sink keeps the later events.
    let first = open_batch(&ledger, "other", 1, 2).await.unwrap();
    ledger.complete_batch(&sink("other"), &first.batch.id, Vec::new(), arrived(), None).await.unwrap();
    assert_eq!(aside_and_dropped(&ledger).await, (1, 0));
    let prune = async |keep_for, bytes| ledger.prune(Keep { keep_for, bytes }, at(2_000_000_000)).await.unwrap();
    let pruned = prune(Duration::MAX, 0).await;
    assert_eq!((pruned.events, pruned.undecided, pruned.held_by), (1, 1, Some(sink("other"))));
    assert_eq!(aside_and_dropped(&ledger).await, (0, 1), "nothing is left to decide on");
    assert!(retried(&ledger, &[FIRST]).await.is_none());

    deliver_all(&ledger, "other").await;
    let pruned = prune(Duration::ZERO, u64::MAX).await;
    assert_eq!((pruned.events, pruned.undecided, pruned.held_by), (2, 0, None));
}

/// Delivers what comes next, and has these of its rows refused.
async fn deliver_but(ledger: &Ledger, id: u128, rows: &[u32]) -> Vec<String> {
    let open = open_batch(ledger, "sheet", 9, id).await.unwrap();
    let rejected = rows.iter().map(|row| Rejection { row: *row, reason: "too bad".to_owned() }).collect();
    let receipt = Receipt { rejected, link: None };
    ledger.complete_batch(&sink("sheet"), &open.batch.id, Vec::new(), receipt, None).await.unwrap();
    keys(&open).into_iter().map(ToOwned::to_owned).collect()
}

async fn retried(ledger: &Ledger, events: &[Sequence]) -> Option<(u64, u64)> {
    let requeued = ledger.requeue(&sink("sheet"), events).await.ok()?;
    Some((requeued.events, requeued.rows))
}

async fn aside_and_dropped(ledger: &Ledger) -> (u64, u64) {
    let counts = ledger.sink_counts(&sink("sheet")).await.unwrap();
    (counts.rows_set_aside + counts.events_set_aside - counts.dropped, counts.dropped)
}

#[tokio::test]
async fn what_was_refused_before_its_correction_does_not_go_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = with_rows(folder.path(), 3).await;
    // The first is refused twice, the second once; then both are corrected, and so is the third.
    deliver_but(&ledger, 1, &[0, 1]).await;
    assert_eq!(retried(&ledger, &[FIRST]).await, Some((0, 1)));
    deliver_but(&ledger, 2, &[0]).await;
    assert_eq!(aside_and_dropped(&ledger).await, (2, 0));
    let page =
        Stretch { kinds: vec!["punch".into()], after: Sequence(0), through: Sequence(3), most: 9, rows_from: FIRST };
    let page = reader(folder.path()).replay_page(&sink("sheet"), &page).unwrap();
    assert_eq!(page.events.iter().map(|event| event.rows[&0].arrives).collect::<Vec<_>>(), [false, false, true]);
    correct(&ledger, commit(3, vec![changed(1, 0, "a"), changed(2, 0, "b"), changed(3, 0, "c")])).await.unwrap();
    assert_eq!(aside_and_dropped(&ledger).await, (0, 2));
    let reasons = reader(folder.path()).rejects(&sink("sheet"), true, None, 9).unwrap().rejects;
    let reasons = reasons.iter().filter(|reject| reject.set_aside.by == SetAsideBy::Dropped);
    assert!(
        reasons
            .map(|reject| &reject.set_aside.reason)
            .all(|reason| *reason == "a correction goes in its place; before: too bad")
    );
    assert_eq!(retried(&ledger, &[]).await, Some((0, 0)));
    for event in [1, 2] {
        assert_eq!(retried(&ledger, &[Sequence(event)]).await, None, "not by its name either: {event}");
    }

    // The correction itself is refused, and corrected in turn while a batch is on its way.
    let key = |event: u64, revision: u32| format!("{}/0/{revision}", punch(event).id);
    assert_eq!(deliver_but(&ledger, 3, &[0]).await, [key(1, 1), key(2, 1), key(3, 1)]);
    assert_eq!(open_batch(&ledger, "sheet", 9, 4).await, None);
    correct(&ledger, commit(3, vec![changed(1, 1, "d")])).await.unwrap();
    assert_eq!(aside_and_dropped(&ledger).await, (0, 3));
    open_batch(&ledger, "sheet", 9, 5).await.unwrap();
    correct(&ledger, commit(3, vec![changed(1, 2, "e")])).await.unwrap();
    assert_eq!(deliver_but(&ledger, 5, &[0]).await, [key(1, 2)]);
    assert_eq!(aside_and_dropped(&ledger).await, (1, 3), "refused after it was corrected");
    assert_eq!(retried(&ledger, &[]).await, Some((0, 0)));
    assert_eq!(aside_and_dropped(&ledger).await, (0, 4));
    assert_eq!(deliver_but(&ledger, 6, &[0]).await, [key(1, 3)]);
    assert_eq!(retried(&ledger, &[]).await, Some((0, 1)), "the latest goes again");
    assert_eq!(deliver_but(&ledger, 7, &[]).await, [key(1, 3)]);
}

#[tokio::test]
async fn a_row_that_was_corrected_and_is_not_there_is_not_missing() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = with_rows(folder.path(), 2).await;
    deliver_all(&ledger, "sheet").await;
    correct(&ledger, commit(2, vec![changed(1, 0, "a")])).await.unwrap();
    correct(&ledger, commit(2, vec![changed(1, 1, "b")])).await.unwrap();
    let rows = ledger.delivered_rows(&sink("sheet"), "", None, 9).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.replaced).collect::<Vec<_>>(), [true, false, true, false]);
}
