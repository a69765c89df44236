//! What a replay reads.

use super::super::{Keep, KeptRow, Reader, ReplayPage, SinkError, Stretch};
use super::*;

fn reader(folder: &Path) -> Reader {
    Reader::open(folder, TimeZone::UTC).unwrap()
}

fn stretch(after: u64, through: u64, rows_from: u64) -> Stretch {
    let (after, through, rows_from) = (Sequence(after), Sequence(through), Sequence(rows_from));
    Stretch { kinds: vec!["punch".to_owned()], after, through, most: 9, rows_from }
}

/// The numbers of the events of a page, and how many rows were kept of each.
fn found(page: &ReplayPage) -> Vec<(u64, usize)> {
    page.events.iter().map(|event| (event.timed.event.sequence.0, event.rows.len())).collect()
}

#[tokio::test]
async fn events_are_read_again_with_the_rows_that_were_made_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["other", "sheet"]).await;
    accept(&ledger, 1..=2).await;
    let mut reading = punch(3);
    reading.kind = "reading".to_owned();
    ledger.accept(reading).await.unwrap();
    accept(&ledger, 4..=5).await;
    let read = ledger.read_unformatted(&sink("sheet"), 9).await.unwrap();
    let mut made = one_row_each(&read);
    made.rows[1].1 = vec![row("a"), row("b")];
    made.rows.truncate(3);
    made.set_aside = vec![(Sequence(5), "no".to_owned())];
    made.checkpoint = Some(call(1));
    ledger.commit_formatted(&sink("sheet"), made).await.unwrap();

    let mut reader = reader(folder.path());
    let ground = reader.replay_ground(&sink("sheet")).unwrap();
    assert_eq!((ground.cursor, ground.pruned_through), (Sequence(5), Sequence(0)));
    assert_eq!((ground.state.as_slice(), ground.calls.len()), (b"through 5".as_slice(), 1));
    assert_eq!((ground.calls[0].state.as_slice(), &ground.calls[0].formatter), (&b""[..], &Some(plugin("formatter"))));
    let page = reader.replay_page(&sink("sheet"), &stretch(0, 5, 1)).unwrap();
    assert_eq!((found(&page), page.through), (vec![(1, 1), (2, 2), (4, 1), (5, 0)], Sequence(5)));
    assert_eq!(page.events.iter().map(|event| event.set_aside).collect::<Vec<_>>(), [false, false, false, true]);
    assert_eq!(page.events[1].timed.at, punch(2).at.unwrap());
    let expected = KeptRow {
        revision: 0,
        withdrawn: false,
        arrives: true,
        columns: columns(1).into(),
        cells: vec![Cell::Text("b".to_owned())],
    };
    assert_eq!(page.events[1].rows.get(&1), Some(&expected));

    // Only what is asked for, and rows only from where they are wanted.
    let page = reader.replay_page(&sink("sheet"), &stretch(1, 4, 4)).unwrap();
    assert_eq!((found(&page), page.through), (vec![(2, 0), (4, 1)], Sequence(4)));
    let few = Stretch { most: 2, ..stretch(0, 5, 1) };
    let page = reader.replay_page(&sink("sheet"), &few).unwrap();
    assert_eq!((found(&page), page.through), (vec![(1, 1), (2, 2)], Sequence(2)));
    // A sink that made nothing of them has no rows, and the same events.
    let page = reader.replay_page(&sink("other"), &stretch(0, 5, 1)).unwrap();
    assert_eq!(found(&page), [(1, 0), (2, 0), (4, 0), (5, 0)]);

    assert_eq!(reader.find_event(punch(4).id).unwrap(), Some(Sequence(4)));
    assert_eq!(reader.find_event(punch(6).id).unwrap(), None);
    assert!(matches!(reader.replay_ground(&sink("no")), Err(SinkError::UnknownSink(_))));
    assert!(matches!(reader.replay_page(&sink("no"), &stretch(0, 5, 1)), Err(SinkError::UnknownSink(_))));
}

#[tokio::test]
async fn a_page_ends_before_rows_that_would_be_too_much() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["sheet"]).await;
    accept(&ledger, 1..=3).await;
    let read = ledger.read_unformatted(&sink("sheet"), 9).await.unwrap();
    let mut made = one_row_each(&read);
    made.rows[0].1 = vec![row(&"x".repeat(700_000)), row(&"y".repeat(700_000))];
    ledger.commit_formatted(&sink("sheet"), made).await.unwrap();
    let mut reader = reader(folder.path());
    let page = reader.replay_page(&sink("sheet"), &stretch(0, 3, 1)).unwrap();
    assert_eq!((found(&page), page.through), (vec![(1, 2)], Sequence(1)));
    let page = reader.replay_page(&sink("sheet"), &stretch(1, 3, 1)).unwrap();
    assert_eq!((found(&page), page.through), (vec![(2, 1), (3, 1)], Sequence(3)));
}

#[tokio::test]
async fn an_event_that_was_requeued_is_the_sinks_alone_and_what_is_pruned_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["other", "sheet"]).await;
    accept(&ledger, 1..=1).await;
    ledger.set_aside_event(&sink("sheet"), Sequence(0), FIRST, "it trapped").await.unwrap();
    assert_eq!(ledger.requeue(&sink("sheet"), &[]).await.unwrap().events, 1);
    for name in ["sheet", "other"] {
        format_all(&ledger, name).await;
        deliver_all(&ledger, name).await;
    }
    let mut reader = reader(folder.path());
    let page = reader.replay_page(&sink("sheet"), &stretch(0, 2, 1)).unwrap();
    assert_eq!(found(&page), [(1, 0), (2, 1)]);
    assert!(page.events[0].set_aside && !page.events[1].set_aside);
    let page = reader.replay_page(&sink("other"), &stretch(0, 2, 1)).unwrap();
    assert_eq!((found(&page), page.pruned_through), (vec![(1, 1)], Sequence(0)));

    let everything = Keep { keep_for: std::time::Duration::MAX, bytes: 0 };
    assert_eq!(ledger.prune(everything, at(2_000_000_000)).await.unwrap().events, 1);
    let page = reader.replay_page(&sink("sheet"), &stretch(0, 2, 1)).unwrap();
    assert_eq!((found(&page), page.pruned_through), (vec![], FIRST));
}

#[tokio::test]
async fn a_call_is_kept_when_another_plugin_takes_over_even_with_the_same_component() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["sheet"]).await;
    for (number, plugin_name) in [(1, "formatter"), (2, "formatter"), (3, "other"), (4, "other")] {
        let declared = Declaration { formatter: Some(plugin(plugin_name)), ..declaration(&["punch"]) };
        ledger.declare_sinks(BTreeMap::from([(sink("sheet"), declared)])).await.unwrap();
        accept(&ledger, [number]).await;
        let read = ledger.read_unformatted(&sink("sheet"), 9).await.unwrap();
        let made = FormattedCommit { checkpoint: Some(call(1)), ..one_row_each(&read) };
        ledger.commit_formatted(&sink("sheet"), made).await.unwrap();
    }
    let calls = reader(folder.path()).replay_ground(&sink("sheet")).unwrap().calls;
    let kept = calls.iter().map(|kept| (kept.after.0, kept.formatter.clone().unwrap(), kept.state.is_empty()));
    assert!(kept.eq([(0, plugin("formatter"), true), (2, plugin("other"), true)]), "{calls:?}");
}
