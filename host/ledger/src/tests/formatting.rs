//! From events to rows.

use super::super::{CommitError, NotFinite, SetAside, SetAsideBy, SinkError, StoredCheckpoint};
use super::*;

async fn read(ledger: &Ledger, max: usize) -> Unformatted {
    ledger.read_unformatted(&sink("sheet"), max).await.unwrap()
}

async fn commit(ledger: &Ledger, made: FormattedCommit) -> Result<(), CommitError> {
    ledger.commit_formatted(&sink("sheet"), made).await
}

async fn with_events(folder: &Path, count: u64) -> Ledger {
    let ledger = open(folder);
    declare(&ledger, &["sheet"]).await;
    accept(&ledger, 1..=count).await;
    ledger
}

#[tokio::test]
async fn a_sink_reads_its_events_in_order_a_few_at_a_time_and_goes_on_where_it_committed() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = with_events(folder.path(), 5).await;
    let first = read(&ledger, 3).await;
    assert_eq!((sequences(&first), first.more, first.through), (vec![1, 2, 3], true, Sequence(3)));
    assert_eq!((first.cursor, first.state.as_slice(), first.failures), (Sequence(0), b"".as_slice(), 0));
    assert_eq!(sequences(&read(&ledger, 3).await), [1, 2, 3], "reading alone moves nothing");
    commit(&ledger, one_row_each(&first)).await.unwrap();
    let second = read(&ledger, 3).await;
    assert_eq!((sequences(&second), second.more, second.cursor), (vec![4, 5], false, Sequence(3)));
    assert_eq!(second.state, b"through 3");
    commit(&ledger, one_row_each(&second)).await.unwrap();
    let third = read(&ledger, 3).await;
    assert_eq!((sequences(&third), third.through, third.state), (vec![], Sequence(5), b"through 5".to_vec()));
}

#[tokio::test]
async fn a_sink_sees_only_its_kinds_and_the_first_ones_start_with_the_history() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    accept(&ledger, 1..=2).await;
    let mut reading = punch(3);
    reading.kind = "reading".to_owned();
    ledger.accept(reading).await.unwrap();
    accept(&ledger, 4..=4).await;
    let kinds = BTreeMap::from([
        (sink("sheet"), declaration(&["punch"])),
        (sink("log"), declaration(&["reading", "other"])),
        (sink("none"), declaration(&["pun"])),
    ]);
    let declared = ledger.declare_sinks(kinds).await.unwrap();
    assert!(declared.iter().all(|declared| declared.new_after == Some(Sequence(0)) && declared.missed == 0));
    assert_eq!(sequences(&read(&ledger, 9).await), [1, 2, 4]);
    let log = ledger.read_unformatted(&sink("log"), 9).await.unwrap();
    assert_eq!((sequences(&log), log.through), (vec![3], Sequence(4)));
    let none = ledger.read_unformatted(&sink("none"), 9).await.unwrap();
    assert_eq!((sequences(&none), none.through, none.cursor), (vec![], Sequence(4), Sequence(0)));
    let unknown = ledger.read_unformatted(&sink("unknown"), 9).await;
    assert!(matches!(unknown, Err(SinkError::UnknownSink(name)) if name == sink("unknown")));
    let waiting: Vec<_> = ledger.sinks().await.unwrap().iter().map(|counts| counts.events_waiting).collect();
    assert_eq!(waiting, [1, 0, 3]);
}

#[tokio::test]
async fn many_events_of_other_kinds_are_looked_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    ledger.declare_sinks(BTreeMap::from([(sink("sheet"), declaration(&["reading"]))])).await.unwrap();
    let accepted = (1..=1000).map(|number| {
        let ledger = ledger.clone();
        tokio::spawn(async move { ledger.accept(punch(number)).await.unwrap() })
    });
    for accepted in accepted.collect::<Vec<_>>() {
        accepted.await.unwrap();
    }
    let first = read(&ledger, 9).await;
    assert_eq!((first.cursor, first.through), (Sequence(1000), Sequence(1000)));
    assert_eq!(read(&ledger, 9).await.cursor, Sequence(1000));
    // Of too few to be worth a write, the cursor stays.
    accept(&ledger, 2001..=2001).await;
    assert_eq!(read(&ledger, 9).await.cursor, Sequence(1000));
}

#[tokio::test]
async fn a_read_is_bounded_by_size_too() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["sheet"]).await;
    for number in 1..=20 {
        let mut large = punch(number);
        large.fields[0].value = Value::Text("x".repeat(60_000));
        ledger.accept(large).await.unwrap();
    }
    let first = read(&ledger, 1000).await;
    assert_eq!((first.events.len(), first.more, first.through), (18, true, Sequence(18)));
    commit(&ledger, one_row_each(&first)).await.unwrap();
    assert_eq!(sequences(&read(&ledger, 1000).await), [19, 20]);
}

#[tokio::test]
async fn of_two_that_formatted_the_same_events_the_second_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = with_events(folder.path(), 2).await;
    let made = one_row_each(&read(&ledger, 9).await);
    commit(&ledger, made.clone()).await.unwrap();
    let refused = commit(&ledger, made).await;
    assert!(
        matches!(refused, Err(CommitError::CursorMoved { expected: Sequence(0), found: Sequence(2) })),
        "{refused:?}"
    );
    assert_eq!(ledger.sink_counts(&sink("sheet")).await.unwrap().rows_waiting, 2);
}

#[tokio::test]
async fn what_does_not_fit_the_events_that_were_read_is_refused_whole() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = with_events(folder.path(), 3).await;
    let good = one_row_each(&read(&ledger, 2).await);
    let changed = |change: fn(&mut FormattedCommit)| {
        let mut made = good.clone();
        change(&mut made);
        made
    };
    let not_read = [
        changed(|made| made.rows.push((Sequence(3), Vec::new()))),
        changed(|made| made.rows.reverse()),
        changed(|made| made.rows.insert(0, (Sequence(0), Vec::new()))),
        changed(|made| made.set_aside.push((Sequence(3), String::new()))),
        changed(|made| made.set_aside.push((Sequence(0), String::new()))),
        changed(|made| made.set_aside.push((Sequence(1), String::new()))),
        changed(|made| made.through = Sequence(4)),
    ];
    for made in not_read {
        let refused = commit(&ledger, made.clone()).await;
        assert!(matches!(refused, Err(CommitError::NotRead(_))), "{made:?} {refused:?}");
    }
    let shape = commit(&ledger, changed(|made| made.rows[1].1[0].cells.push(Cell::Empty))).await;
    assert!(matches!(shape, Err(CommitError::Shape { sequence: Sequence(2), cells: 2, columns: 1 })), "{shape:?}");
    let number = commit(&ledger, changed(|made| made.rows[0].1[0].cells[0] = Cell::Number(f64::NAN))).await;
    assert!(matches!(number, Err(CommitError::NotFinite(NotFinite))), "{number:?}");
    let unknown = ledger.commit_formatted(&sink("unknown"), good.clone()).await;
    assert!(matches!(unknown, Err(CommitError::UnknownSink(_))), "{unknown:?}");

    let counts = ledger.sink_counts(&sink("sheet")).await.unwrap();
    assert_eq!((counts.rows_waiting, counts.events_waiting, counts.events_set_aside), (0, 3, 0));
    commit(&ledger, good).await.unwrap();
    let mut backwards = one_row_each(&read(&ledger, 2).await);
    (backwards.through, backwards.rows) = (FIRST, Vec::new());
    assert!(matches!(commit(&ledger, backwards).await, Err(CommitError::NotRead(FIRST))));
}

#[tokio::test]
async fn an_event_may_become_several_rows_none_or_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = with_events(folder.path(), 3).await;
    let read = read(&ledger, 9).await;
    let mut made = one_row_each(&read);
    made.rows = vec![(FIRST, vec![row("a"), row("b")]), (Sequence(2), Vec::new())];
    made.set_aside = vec![(Sequence(3), "x".repeat(2000))];
    made.standing = Some("Garden since 09:02".to_owned());
    commit(&ledger, made).await.unwrap();
    let counts = ledger.sink_counts(&sink("sheet")).await.unwrap();
    assert_eq!((counts.rows_waiting, counts.events_waiting, counts.events_set_aside), (2, 0, 1));
    assert_eq!(counts.standing.as_deref(), Some("Garden since 09:02"));
    let open = open_batch(&ledger, "sheet", 9, 1).await.unwrap();
    let id = punch(1).id;
    assert_eq!(keys(&open), [format!("{id}/0"), format!("{id}/1")]);
    assert_eq!(open.batch.columns, columns(1));
    let mut reader = super::super::Reader::open(folder.path(), TimeZone::UTC).unwrap();
    let expected =
        SetAside { sequence: Sequence(3), position: None, by: SetAsideBy::Formatter, reason: "x".repeat(500) };
    assert_eq!(reader.rejects(&sink("sheet"), true, None, 9).unwrap().rejects[0].set_aside, expected);
}

#[tokio::test]
async fn failures_on_an_event_are_counted_through_restarts_until_it_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = with_events(folder.path(), 3).await;
    let name = sink("sheet");
    assert_eq!(ledger.note_failure(&name, FIRST, "trap").await.unwrap(), 1);
    assert_eq!(ledger.note_failure(&name, FIRST, "trap").await.unwrap(), 2);
    ledger.close().await;
    let ledger = open(folder.path());
    assert_eq!(read(&ledger, 9).await.failures, 2);
    assert_eq!(ledger.note_failure(&name, FIRST, "trap").await.unwrap(), 3);

    let not_next = ledger.set_aside_event(&name, Sequence(0), Sequence(2), "trap").await;
    assert!(matches!(not_next, Err(CommitError::NotRead(Sequence(2)))), "{not_next:?}");
    let moved = ledger.set_aside_event(&name, FIRST, Sequence(2), "trap").await;
    assert!(matches!(moved, Err(CommitError::CursorMoved { .. })), "{moved:?}");
    ledger.set_aside_event(&name, Sequence(0), FIRST, "trap").await.unwrap();
    let next = read(&ledger, 9).await;
    assert_eq!((sequences(&next), next.failures, next.cursor), (vec![2, 3], 0, FIRST));
    assert_eq!(ledger.sink_counts(&name).await.unwrap().events_set_aside, 1);

    // A success forgets them.
    ledger.note_failure(&name, Sequence(2), "trap").await.unwrap();
    let mut alone = one_row_each(&read(&ledger, 1).await);
    alone.rows.truncate(1);
    commit(&ledger, alone).await.unwrap();
    let left: u32 = ledger
        .write(|store| {
            let left = store.connection.query_row("SELECT count(*) FROM failure", [], |row| row.get(0));
            Ok::<_, super::super::StorageError>(left?)
        })
        .await
        .unwrap();
    assert_eq!(left, 0);
    let unknown = ledger.note_failure(&sink("unknown"), FIRST, "trap").await;
    assert!(matches!(unknown, Err(SinkError::UnknownSink(_))));
}

#[tokio::test]
async fn calls_are_kept_for_replay_at_intervals_and_when_the_component_changes() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = with_events(folder.path(), 9).await;
    let mut reader = super::super::Reader::open(folder.path(), TimeZone::UTC).unwrap();
    let mut kept_after = |expected: &[u64]| {
        let kept = reader.checkpoints(&sink("sheet")).unwrap();
        assert_eq!(kept.iter().map(|kept| kept.after.0).collect::<Vec<_>>(), expected);
        kept
    };
    // The interval is three events, and two are kept.
    let script: [(u8, &[u64]); 9] = [
        (1, &[0]),
        (1, &[0]),
        (1, &[0]),
        (1, &[0, 3]),
        (2, &[3, 4]),
        (2, &[3, 4]),
        (2, &[3, 4]),
        (2, &[4, 7]),
        (1, &[7, 8]),
    ];
    for (component, expected) in script {
        let read = read(&ledger, 1).await;
        let mut made = one_row_each(&read);
        made.through = read.events[0].event.sequence;
        made.state = format!("after {}", made.through.0).into_bytes();
        made.checkpoint = Some(call(component));
        commit(&ledger, made).await.unwrap();
        kept_after(expected);
    }
    let expected = StoredCheckpoint {
        after: Sequence(8),
        through: Sequence(9),
        state: b"after 8".to_vec(),
        formatter: Some(plugin("formatter")),
        call: call(1),
    };
    assert_eq!(kept_after(&[7, 8])[1], expected);
}
