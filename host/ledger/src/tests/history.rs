//! Pruning.

use std::time::Duration;

use punchcard_core::plugin::delivery::Rejection;

use super::super::{Keep, Pruned, Reader};
use super::*;

const EVERYTHING: Keep = Keep { keep_for: Duration::MAX, bytes: u64::MAX };
const NOTHING: Keep = Keep { keep_for: Duration::MAX, bytes: 0 };

fn pruned(events: u64, held_by: Option<&str>) -> Pruned {
    Pruned { events, undecided: 0, more: false, held_by: held_by.map(sink) }
}

async fn prune(ledger: &Ledger, keep: Keep) -> Pruned {
    ledger.prune(keep, at(1_010_000_000)).await.unwrap()
}

async fn kept(ledger: &Ledger) -> Vec<u64> {
    ledger.events(None, 10_000).await.unwrap().events.iter().map(|listed| listed.event.sequence.0).collect()
}

async fn count(ledger: &Ledger, table: &str) -> i64 {
    let count = format!("SELECT count(*) FROM {table}");
    ledger
        .read(move |reader| {
            reader.snapshot(|snapshot, _| {
                Ok::<_, super::super::StorageError>(snapshot.query_row(&count, [], |row| row.get(0))?)
            })
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn what_a_sink_waits_for_is_never_pruned() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["sheet"]).await;
    accept(&ledger, 1..=6).await;
    assert_eq!(prune(&ledger, NOTHING).await, pruned(0, Some("sheet")), "not formatted");
    format_all(&ledger, "sheet").await;
    assert_eq!(prune(&ledger, NOTHING).await, pruned(0, Some("sheet")), "not delivered");
    let open = open_batch(&ledger, "sheet", 2, 1).await.unwrap();
    assert_eq!(prune(&ledger, NOTHING).await, pruned(0, Some("sheet")), "on its way");
    ledger.complete_batch(&sink("sheet"), &open.batch.id, Vec::new(), arrived(), None).await.unwrap();
    assert_eq!(prune(&ledger, EVERYTHING).await, pruned(0, None));
    assert_eq!(kept(&ledger).await, [1, 2, 3, 4, 5, 6]);
    assert_eq!(prune(&ledger, NOTHING).await, pruned(2, Some("sheet")));
    assert_eq!(kept(&ledger).await, [3, 4, 5, 6]);
    deliver_all(&ledger, "sheet").await;
    assert_eq!(prune(&ledger, NOTHING).await, pruned(4, None));
    for table in ["event", "outbox", "batch", "set_aside"] {
        assert_eq!(count(&ledger, table).await, 0, "{table}");
    }
    let counts = ledger.sink_counts(&sink("sheet")).await.unwrap();
    assert_eq!((counts.rows_delivered, counts.rows_waiting), (6, 0));
}

#[tokio::test]
async fn sequences_and_the_last_time_seen_go_on_after_everything_was_pruned() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    accept(&ledger, 1..=3).await;
    assert_eq!(prune(&ledger, NOTHING).await, pruned(3, None));
    ledger.close().await;
    let (ledger, opened) = Ledger::open(folder.path(), setup("second")).unwrap();
    assert_eq!((opened.newest, opened.last_time_seen), (Sequence(3), Some(at(1_003_000_000))));
    assert_eq!(accept(&ledger, 4..=4).await[0].sequence, Sequence(4));
    // The first sink starts with what is kept, and missed nothing that it was there for.
    assert_eq!(declare(&ledger, &["sheet"]).await[0].missed, 0);
    format_all(&ledger, "sheet").await;
    assert_eq!(keys(&open_batch(&ledger, "sheet", 9, 1).await.unwrap()), [format!("{}/0", punch(4).id)]);
}

#[tokio::test]
async fn events_go_by_age() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    accept(&ledger, 1..=6).await;
    let mut timeless = punch(7);
    timeless.at = None;
    timeless.monotonic = Monotonic { milliseconds: 0, boot: "never".to_owned() };
    ledger.accept(timeless).await.unwrap();
    // It is 1,010 s; the third event was at 1,003 s.
    let keep = Keep { keep_for: Duration::from_secs(7), bytes: u64::MAX };
    assert_eq!(prune(&ledger, keep).await, pruned(2, None));
    assert_eq!(kept(&ledger).await, [3, 4, 5, 6, 7]);
    // The seventh stands at the last time known before it.
    let keep = Keep { keep_for: Duration::from_micros(3_999_999), bytes: u64::MAX };
    assert_eq!(prune(&ledger, keep).await, pruned(5, None));
}

#[tokio::test]
async fn a_time_that_is_still_to_come_keeps_nothing_from_going() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let of_2090 = |number| NewEvent { at: Some(at(3_786_912_000_000_000)), ..punch(number) };
    for event in [of_2090(1), punch(2), of_2090(3), of_2090(4), punch(5), of_2090(6)] {
        ledger.accept(event).await.unwrap();
    }
    let keep = |seconds| Keep { keep_for: Duration::from_secs(seconds), bytes: u64::MAX };
    assert!(!ledger.is_beyond(keep(9), at(1_010_000_000)).await.unwrap());
    assert_eq!(prune(&ledger, keep(9)).await, pruned(0, None));
    // It is 1,010 s: the first is as old as the second, and the third and fourth as the fifth.
    assert!(ledger.is_beyond(keep(7), at(1_010_000_000)).await.unwrap());
    assert_eq!(prune(&ledger, keep(7)).await, pruned(2, None));
    assert_eq!(kept(&ledger).await, [3, 4, 5, 6]);
    assert_eq!(prune(&ledger, keep(4)).await, pruned(3, None));
    assert_eq!(kept(&ledger).await, [6], "nothing says yet how old it is");
    assert_eq!(prune(&ledger, NOTHING).await, pruned(1, None));
}

#[tokio::test]
async fn what_nobody_has_decided_on_stays_until_room_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["sheet"]).await;
    accept(&ledger, 1..=4).await;
    let read = ledger.read_unformatted(&sink("sheet"), 9).await.unwrap();
    let mut made = one_row_each(&read);
    made.rows.remove(1);
    made.set_aside = vec![(Sequence(2), "no project".to_owned())];
    ledger.commit_formatted(&sink("sheet"), made).await.unwrap();
    let open = open_batch(&ledger, "sheet", 9, 1).await.unwrap();
    let receipt = Receipt { rejected: vec![Rejection { row: 1, reason: "too long".to_owned() }], link: None };
    ledger.complete_batch(&sink("sheet"), &open.batch.id, Vec::new(), receipt, None).await.unwrap();

    let by_age = Keep { keep_for: Duration::ZERO, bytes: u64::MAX };
    assert_eq!(prune(&ledger, by_age).await, pruned(1, Some("sheet")));
    assert_eq!(kept(&ledger).await, [2, 3, 4]);
    ledger.drop_set_aside(&sink("sheet"), &[Sequence(2)], "a trial").await.unwrap();
    assert_eq!(prune(&ledger, by_age).await, pruned(1, Some("sheet")), "decided on");
    assert_eq!(kept(&ledger).await, [3, 4]);
    assert_eq!(prune(&ledger, NOTHING).await, Pruned { undecided: 1, ..pruned(2, None) });
    let counts = ledger.sink_counts(&sink("sheet")).await.unwrap();
    assert_eq!(
        (counts.events_set_aside + counts.rows_set_aside, counts.dropped),
        (2, 2),
        "nothing is left to decide on"
    );
}

#[tokio::test]
async fn events_without_any_time_stay_until_room_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let mut timeless = punch(1);
    timeless.at = None;
    ledger.accept(timeless).await.unwrap();
    assert_eq!(prune(&ledger, Keep { keep_for: Duration::ZERO, bytes: u64::MAX }).await, pruned(0, None));
    assert_eq!(prune(&ledger, NOTHING).await, pruned(1, None));
}

#[tokio::test]
async fn a_call_prunes_a_bounded_number_and_says_that_there_is_more() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let accepted = (1..=1001).map(|number| {
        let ledger = ledger.clone();
        tokio::spawn(async move { ledger.accept(punch(number)).await.unwrap() })
    });
    for accepted in accepted.collect::<Vec<_>>() {
        accepted.await.unwrap();
    }
    assert_eq!(prune(&ledger, NOTHING).await, Pruned { more: true, ..pruned(1000, None) });
    assert_eq!(prune(&ledger, NOTHING).await, pruned(1, None));
    assert_eq!(prune(&ledger, NOTHING).await, pruned(0, None));
}

#[tokio::test]
async fn a_call_prunes_a_bounded_number_of_rows() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["sheet", "other"]).await;
    accept(&ledger, 1..=6).await;
    format_all(&ledger, "other").await;
    deliver_all(&ledger, "other").await;
    let read = ledger.read_unformatted(&sink("sheet"), 1000).await.unwrap();
    let mut made = one_row_each(&read);
    for (_, rows) in &mut made.rows {
        *rows = vec![rows[0].clone(); 1000];
    }
    ledger.commit_formatted(&sink("sheet"), made).await.unwrap();
    deliver_all(&ledger, "sheet").await;
    assert_eq!(prune(&ledger, NOTHING).await, Pruned { more: true, ..pruned(4, None) });
    accept(&ledger, 7..=7).await;
    assert_eq!(prune(&ledger, NOTHING).await.events, 2);
    assert_eq!(prune(&ledger, NOTHING).await, pruned(0, Some("other")));
    assert_eq!(count(&ledger, "outbox").await, 0);
}

#[tokio::test]
async fn pruning_is_worth_it_when_enough_has_gathered() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    assert!(!ledger.is_beyond(NOTHING, at(i64::MAX)).await.unwrap());
    accept(&ledger, 1..=3).await;
    // The oldest was at 1,001 s, and a history of 100 s may have 105.
    let keep = Keep { keep_for: Duration::from_secs(100), bytes: u64::MAX };
    for (seconds, beyond, beyond_slack) in
        [(1_101, false, false), (1_102, true, false), (1_106, true, false), (1_107, true, true)]
    {
        let now = at(seconds * 1_000_000);
        assert_eq!(ledger.is_beyond(keep, now).await.unwrap(), beyond, "{seconds} s");
        assert_eq!(ledger.is_beyond(keep.with_slack(), now).await.unwrap(), beyond_slack, "{seconds} s");
    }
}

#[test]
fn a_twentieth_more_than_is_kept_may_gather_and_at_most_a_day() {
    let day = Duration::from_hours(24);
    let table = [
        (Keep { keep_for: day, bytes: 100 }, Keep { keep_for: day * 21 / 20, bytes: 105 }),
        (Keep { keep_for: day * 400, bytes: 0 }, Keep { keep_for: day * 401, bytes: 0 }),
        (EVERYTHING, EVERYTHING),
    ];
    for (keep, expected) in table {
        assert_eq!(keep.with_slack(), expected);
    }
}

#[tokio::test]
async fn size_counts_the_pages_in_use_and_not_those_that_are_free() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    for number in 1..=20 {
        let mut large = punch(number);
        large.fields[0].value = Value::Text("x".repeat(60_000));
        ledger.accept(large).await.unwrap();
    }
    assert_eq!(prune(&ledger, Keep { bytes: 2 << 20, ..EVERYTHING }).await, pruned(0, None));
    assert_eq!(prune(&ledger, Keep { bytes: 1 << 20, ..EVERYTHING }).await.events, 20);
    accept(&ledger, 21..=21).await;
    assert_eq!(prune(&ledger, Keep { bytes: 1 << 20, ..EVERYTHING }).await, pruned(0, None));
}

#[tokio::test]
async fn rows_that_stay_do_not_count_as_rows_that_go() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["old", "sheet"]).await;
    accept(&ledger, 1..=6).await;
    let read = ledger.read_unformatted(&sink("old"), 1000).await.unwrap();
    let mut made = one_row_each(&read);
    for (_, rows) in &mut made.rows {
        *rows = vec![rows[0].clone(); 1000];
    }
    ledger.commit_formatted(&sink("old"), made).await.unwrap();
    declare(&ledger, &["sheet"]).await;
    format_all(&ledger, "sheet").await;
    deliver_all(&ledger, "sheet").await;
    assert_eq!(prune(&ledger, NOTHING).await, pruned(6, None));
    assert_eq!(count(&ledger, "outbox").await, 6_000);
}

#[tokio::test]
async fn a_sink_holds_only_what_it_takes() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let sinks =
        || BTreeMap::from([(sink("sheet"), declaration(&["punch"])), (sink("rare"), declaration(&["reading"]))]);
    ledger.declare_sinks(sinks()).await.unwrap();
    accept(&ledger, 1..=6).await;
    ledger.accept(NewEvent { kind: "reading".to_owned(), ..punch(7) }).await.unwrap();
    accept(&ledger, 8..=9).await;
    format_all(&ledger, "sheet").await;
    deliver_all(&ledger, "sheet").await;
    // Too few of other kinds to be worth a write.
    let read = ledger.read_unformatted(&sink("rare"), 1).await.unwrap();
    assert_eq!((read.cursor, sequences(&read)), (Sequence(0), vec![7]));
    assert_eq!(prune(&ledger, NOTHING).await, pruned(6, Some("rare")));
    format_all(&ledger, "rare").await;
    deliver_all(&ledger, "rare").await;
    assert_eq!(prune(&ledger, NOTHING).await, pruned(3, None));
    accept(&ledger, 10..=12).await;
    format_all(&ledger, "sheet").await;
    deliver_all(&ledger, "sheet").await;
    assert_eq!(prune(&ledger, NOTHING).await, pruned(3, None));
    let declared = ledger.declare_sinks(sinks()).await.unwrap();
    assert!(declared.iter().all(|declared| declared.missed == 0), "{declared:?}");
}

#[tokio::test]
async fn a_removed_sink_holds_nothing_up_and_keeps_the_rows_that_did_not_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["old", "sheet"]).await;
    accept(&ledger, 1..=4).await;
    format_all(&ledger, "old").await;
    let open = open_batch(&ledger, "old", 2, 1).await.unwrap();
    ledger.complete_batch(&sink("old"), &open.batch.id, Vec::new(), arrived(), None).await.unwrap();
    format_all(&ledger, "sheet").await;
    deliver_all(&ledger, "sheet").await;
    assert_eq!(prune(&ledger, NOTHING).await, pruned(2, Some("old")));
    declare(&ledger, &["sheet"]).await;
    accept(&ledger, 5..=6).await;
    format_all(&ledger, "sheet").await;
    deliver_all(&ledger, "sheet").await;
    assert_eq!(prune(&ledger, NOTHING).await, pruned(4, None));

    let declared = declare(&ledger, &["old"]).await;
    assert_eq!((declared[0].new_after, declared[0].missed), (None, 2));
    let mut reader = Reader::open(folder.path(), TimeZone::UTC).unwrap();
    let declared: Vec<_> = reader.sinks().unwrap().into_iter().map(|counts| (counts.sink, counts.declared)).collect();
    assert_eq!(declared, [(sink("old"), true), (sink("sheet"), false)]);
    let open = open_batch(&ledger, "old", 9, 2).await.unwrap();
    assert_eq!(keys(&open), [format!("{}/0", punch(3).id), format!("{}/0", punch(4).id)]);
    ledger.complete_batch(&sink("old"), &open.batch.id, Vec::new(), arrived(), None).await.unwrap();
    assert_eq!(open_batch(&ledger, "old", 9, 3).await, None);
    assert_eq!(ledger.sink_counts(&sink("old")).await.unwrap().rows_delivered, 4);
}
