//! Accepting events, and everything that is kept under a name.

use std::time::Duration;

use power_cut::{Effort, Operation, Recording};
use punchcard_core::event::Value;
use punchcard_core::name::GrantName;

use super::super::{AcceptError, Opened, Reader, RememberedGrant, StorageError};
use super::*;

#[tokio::test]
async fn events_come_back_as_they_were_given_and_numbered_from_one() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let mut bare = punch(2);
    bare.at = None;
    bare.fields = vec![
        Field { name: "value".to_owned(), value: Value::Number(21.5) },
        Field { name: "count".to_owned(), value: Value::Integer(-1) },
        Field { name: "ok".to_owned(), value: Value::Flag(true) },
        Field { name: "since".to_owned(), value: Value::Moment(Instant { unix_micros: 5, utc_offset_minutes: 570 }) },
    ];
    let first = ledger.accept(punch(1)).await.unwrap();
    let second = ledger.accept(bare.clone()).await.unwrap();
    assert_eq!((first.sequence, &first.happened), (FIRST, &punch(1)));
    assert_eq!((second.sequence, &second.happened), (Sequence(2), &bare));
    let listed = ledger.events(None, 10).await.unwrap().events;
    assert_eq!(listed.iter().map(|listed| &listed.event).collect::<Vec<_>>(), [&first, &second]);
    let page = ledger.events(Some(FIRST), 10).await.unwrap().events;
    assert_eq!(page.iter().map(|listed| listed.event.sequence.0).collect::<Vec<_>>(), [2]);
    let (first, both) = (ledger.events(None, 1).await.unwrap(), ledger.events(None, 2).await.unwrap());
    assert_eq!([(first.events.len(), first.more), (both.events.len(), both.more)], [(1, true), (2, false)]);
}

#[tokio::test]
async fn of_events_that_share_a_commit_only_the_one_that_is_refused_is_not_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let refuse = |ledger: &Ledger, refuse: bool| {
        let ledger = ledger.clone();
        let trigger = if refuse {
            "CREATE TRIGGER refuse BEFORE INSERT ON event WHEN NEW.kind = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END"
        } else {
            "DROP TRIGGER refuse"
        };
        async move { ledger.write(move |store| Ok::<_, StorageError>(store.connection.execute_batch(trigger)?)).await }
    };
    refuse(&ledger, true).await.unwrap();
    let mut bad = punch(1);
    bad.kind = "bad".to_owned();
    // Given at once, they may share a commit, which then fails whole at first.
    let (one, two) = tokio::join!(ledger.accept(punch(2)), ledger.accept(bad.clone()));
    assert!(one.is_ok() && two.is_err(), "{one:?}, {two:?}");
    refuse(&ledger, false).await.unwrap();
    assert_eq!(ledger.accept(bad).await.unwrap().sequence, Sequence(2));
    assert_eq!(ledger.events(None, 10).await.unwrap().events.len(), 2);
}

/// How often something was made durable in the log.
fn flushes(recording: &Recording) -> usize {
    let is_flush = |operation: &Operation| matches!(operation, Operation::Sync { file } if file.ends_with("-wal"));
    recording.operations().iter().filter(|operation| is_flush(operation)).count()
}

/// A ledger with an event, and what is written from then on: the log's header is made durable by itself.
async fn recorded_after_first() -> (tempfile::TempDir, Recording, Ledger) {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).close().await;
    let recording = Recording::start(folder.path()).unwrap();
    let ledger = open(folder.path());
    accept(&ledger, 1..=1).await;
    (folder, recording, ledger)
}

/// A page of its log is all that a press writes: most lie in one block of 4 KiB, some in two.
#[tokio::test]
async fn a_press_costs_one_flush_and_a_block_or_two() {
    let (_folder, recording, ledger) = recorded_after_first().await;
    let mut blocks = 0;
    for number in 2..=201 {
        let before = recording.len();
        accept(&ledger, [number]).await;
        let effort = Effort::of(&recording.operations()[before..]);
        assert_eq!(effort.flushes, 1, "press {number}");
        assert!(effort.block_bytes <= 2 * 4096, "press {number}: {} bytes", effort.block_bytes);
        blocks += effort.block_bytes / 4096;
    }
    assert!(blocks < 200 * 4 / 3, "{blocks} blocks for 200 presses");
    ledger.close().await;
}

const AN_HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_press_takes_along_what_waits_for_company() {
    let (_folder, recording, ledger) = recorded_after_first().await;
    let before = flushes(&recording);
    let (one, two, press) = tokio::join!(
        ledger.accept_within(punch(2), AN_HOUR),
        ledger.accept_within(punch(3), AN_HOUR),
        ledger.accept(punch(4)),
    );
    // In the order in which they came.
    let sequences = [one, two, press].map(|event| event.unwrap().sequence.0);
    assert_eq!((sequences, flushes(&recording) - before), ([2, 3, 4], 1));
    ledger.close().await;
}

#[tokio::test]
async fn as_many_as_a_commit_takes_wait_for_nobody() {
    let (_folder, recording, ledger) = recorded_after_first().await;
    let before = flushes(&recording);
    let readings = (2..=257).map(|number| {
        let ledger = ledger.clone();
        tokio::spawn(async move { ledger.accept_within(punch(number), AN_HOUR).await.unwrap() })
    });
    for reading in readings.collect::<Vec<_>>() {
        reading.await.unwrap();
    }
    assert_eq!(flushes(&recording) - before, 1);
    ledger.close().await;
}

#[tokio::test]
async fn the_first_that_has_waited_for_long_enough_takes_the_others_along() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let others = tokio::spawn({
        let ledger = ledger.clone();
        async move { ledger.accept_within(punch(1), AN_HOUR).await.unwrap().sequence }
    });
    tokio::task::yield_now().await;
    let second = ledger.accept_within(punch(2), Duration::ZERO).await.unwrap();
    assert_eq!((others.await.unwrap(), second.sequence), (FIRST, Sequence(2)));
    // Whoever comes later waits by itself.
    let third = ledger.accept_within(punch(3), Duration::ZERO).await.unwrap();
    assert_eq!(third.sequence, Sequence(3));
}

#[tokio::test]
async fn what_waits_for_company_is_written_when_it_is_given_up_and_when_the_ledger_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let mut accepted = ledger.accepted();
    let given_up = tokio::spawn({
        let ledger = ledger.clone();
        async move { ledger.accept_within(punch(1), AN_HOUR).await }
    });
    tokio::task::yield_now().await;
    given_up.abort();
    accepted.changed().await.unwrap();
    assert_eq!(*accepted.borrow_and_update(), FIRST);
    let last = tokio::spawn({
        let ledger = ledger.clone();
        async move { ledger.accept_within(punch(2), AN_HOUR).await.unwrap().sequence }
    });
    tokio::task::yield_now().await;
    ledger.close().await;
    assert_eq!(last.await.unwrap(), Sequence(2));
}

#[tokio::test]
async fn a_log_that_holds_nothing_does_no_harm_beside_a_file_that_was_brought_back() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    accept(&ledger, 1..=2).await;
    ledger.close().await;
    let copy = std::fs::read(folder.path().join("ledger.sqlite")).unwrap();
    let ledger = open(folder.path());
    accept(&ledger, 3..=9).await;
    ledger.close().await;
    std::fs::write(folder.path().join("ledger.sqlite"), copy).unwrap();
    let (ledger, opened) = Ledger::open(folder.path(), setup("first")).unwrap();
    assert_eq!(opened.newest, Sequence(2));
    assert_eq!(ledger.events(None, 10).await.unwrap().events.len(), 2);
}

/// SQLite's index of the log outlives the host then, and the next host goes on where the log ends.
#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_reads_through_a_restart_sees_what_was_and_nothing_is_lost() {
    let (folder, after) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ledger = open(folder.path());
    accept(&ledger, 1..=2).await;
    let log = || std::fs::read(folder.path().join("ledger.sqlite-wal")).unwrap();
    let mut reader = Reader::open(folder.path(), TimeZone::UTC).unwrap();
    let read = reader.snapshot(|snapshot, _| {
        let count = || snapshot.query_row("SELECT count(*) FROM event", [], |row| row.get::<_, i64>(0));
        assert_eq!(count()?, 2);
        let restart = async {
            accept(&ledger, 3..=3).await;
            ledger.clone().close().await;
            assert!(!log().starts_with(&[0; 32]));
            let ledger = open(folder.path());
            accept(&ledger, 4..=4).await;
            power_cut(folder.path(), after.path());
            ledger.close().await;
        };
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(restart));
        assert_eq!(count()?, 2);
        Ok::<_, StorageError>(())
    });
    read.unwrap();
    assert_eq!(Ledger::open(after.path(), setup("first")).unwrap().1.newest, Sequence(4));
    drop(reader);
    let (ledger, opened) = Ledger::open(folder.path(), setup("first")).unwrap();
    assert_eq!(opened.newest, Sequence(4));
    ledger.close().await;
    assert!(log().starts_with(&[0; 32]));
}

#[tokio::test]
async fn under_presses_that_never_pause_the_log_keeps_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let log = folder.path().join("ledger.sqlite-wal");
    let usual = std::fs::metadata(&log).unwrap().len();
    // Some four times what the log holds.
    let hammers = (0..4).map(|hammer| {
        let ledger = ledger.clone();
        tokio::spawn(async move { accept(&ledger, (0..1_000).map(|number| number * 4 + hammer)).await.len() })
    });
    for hammer in hammers.collect::<Vec<_>>() {
        assert_eq!(hammer.await.unwrap(), 1_000);
    }
    // A little is written while it is moved: on a busy machine, a little more than there is room for.
    let most = std::fs::metadata(&log).unwrap().len();
    assert!(most < 2 * usual, "{most}");
    // What comes next begins it anew, in its usual size.
    ledger.close().await;
    let (ledger, _) = Ledger::open(folder.path(), setup("first")).unwrap();
    accept(&ledger, [9_999]).await;
    assert_eq!(std::fs::metadata(&log).unwrap().len(), usual);
    ledger.close().await;
}

#[tokio::test]
async fn what_was_accepted_survives_a_power_cut_and_a_restart() {
    let (folder, after) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ledger = open(folder.path());
    accept(&ledger, 1..=3).await;
    power_cut(folder.path(), after.path());
    let (cut, opened) = Ledger::open(after.path(), setup("second")).unwrap();
    let expected = Opened {
        created: false,
        migrated_from: None,
        newest: Sequence(3),
        last_time_seen: Some(at(1_003_000_000)),
        known_time: None,
        restored: false,
    };
    assert_eq!(opened, expected);
    assert_eq!(cut.events(None, 10).await.unwrap().events.len(), 3);
    ledger.close().await;
    let (_ledger, opened) = Ledger::open(folder.path(), setup("second")).unwrap();
    assert_eq!(opened, expected);
}

#[tokio::test]
async fn a_new_ledger_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, opened) = Ledger::open(&folder.path().join("deep/state"), setup("first")).unwrap();
    assert_eq!(
        opened,
        Opened {
            created: true,
            migrated_from: None,
            newest: Sequence(0),
            last_time_seen: None,
            known_time: None,
            restored: false
        }
    );
    assert_eq!(ledger.path(), folder.path().join("deep/state/ledger.sqlite"));
}

#[tokio::test]
async fn an_event_that_can_not_be_kept_as_it_is_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let with = |value: Value| {
        let mut event = punch(1);
        event.fields = vec![Field { name: "a".to_owned(), value }];
        event
    };
    assert!(matches!(ledger.accept(with(Value::Number(f64::NAN))).await, Err(AcceptError::NotFinite(_))));
    // {"a":"…"} and `punch` are 13 bytes around the text.
    let fits = Value::Text("x".repeat(65_536 - 13));
    let too_large = Value::Text("x".repeat(65_536 - 12));
    assert!(matches!(ledger.accept(with(too_large)).await, Err(AcceptError::TooLarge { bytes: 65_537 })));
    assert_eq!(ledger.accept(with(fits)).await.unwrap().sequence, FIRST);
}

#[tokio::test]
async fn whoever_watches_hears_of_the_newest_event() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let mut accepted = ledger.accepted();
    assert_eq!(*accepted.borrow_and_update(), Sequence(0));
    accept(&ledger, 1..=2).await;
    assert!(accepted.has_changed().unwrap());
    assert_eq!(*accepted.borrow_and_update(), Sequence(2));
    assert!(!accepted.has_changed().unwrap());
    ledger.close().await;
    assert_eq!(*open(folder.path()).accepted().borrow(), Sequence(2));
}

#[tokio::test]
async fn a_press_overtakes_what_waits_for_the_writer() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (started, starting) = tokio::sync::oneshot::channel();
    let mut started = Some(started);
    let mut seen_by = |ledger: &Ledger, before: Option<std::sync::mpsc::Receiver<()>>| {
        let (ledger, started) = (ledger.clone(), started.take());
        tokio::spawn(async move {
            ledger
                .write(move |store| {
                    if let (Some(before), Some(started)) = (before, started) {
                        started.send(()).unwrap();
                        before.recv().unwrap();
                    }
                    Ok::<_, StorageError>(super::super::event::newest(&store.connection)?)
                })
                .await
                .unwrap()
        })
    };
    let first = seen_by(&ledger, Some(wait));
    starting.await.unwrap();
    let second = seen_by(&ledger, None);
    let press = tokio::spawn({
        let ledger = ledger.clone();
        async move { ledger.accept(punch(1)).await.unwrap().sequence }
    });
    tokio::task::yield_now().await;
    go.send(()).unwrap();
    assert_eq!(first.await.unwrap(), Sequence(0));
    assert_eq!(press.await.unwrap(), FIRST);
    assert_eq!(second.await.unwrap(), FIRST);
}

#[tokio::test]
async fn a_closed_ledger_finishes_what_was_asked_for_and_answers_nobody_after_that() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let other = ledger.clone();
    accept(&ledger, 1..=1).await;
    ledger.close().await;
    assert!(matches!(other.accept(punch(2)).await, Err(AcceptError::Storage(StorageError::Stopped))));
    assert!(matches!(other.events(None, 1).await, Err(StorageError::Stopped)));
    assert!(matches!(other.remember("a", "b").await, Err(StorageError::Stopped)));
    // The log is kept, and holds nothing.
    let log = folder.path().join("ledger.sqlite-wal");
    assert!(std::fs::read(&log).unwrap().starts_with(&[0; 32]));
    assert_eq!(Reader::open(folder.path(), TimeZone::UTC).unwrap().newest().unwrap(), FIRST);
    std::fs::remove_file(log).unwrap();
    assert_eq!(Reader::open(folder.path(), TimeZone::UTC).unwrap().newest().unwrap(), FIRST);
}

#[tokio::test]
async fn a_writer_that_panics_leaves_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let job = ledger.write(|_| -> Result<(), StorageError> { panic!("a defect") });
    let press = ledger.accept(punch(1));
    let (job, press) = tokio::join!(job, press);
    assert!(matches!(job, Err(StorageError::Stopped)));
    drop(press);
    let mut accepted = ledger.accepted();
    while accepted.changed().await.is_ok() {}
    assert!(matches!(ledger.accept(punch(2)).await, Err(AcceptError::Storage(StorageError::Stopped))));
}

#[tokio::test]
async fn small_facts_and_the_states_of_grants_are_kept_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let (google, other) = (GrantName::parse("google").unwrap(), GrantName::parse("other").unwrap());
    assert_eq!(ledger.recall("choice.project").await.unwrap(), None);
    assert_eq!(ledger.grant(&google).await.unwrap(), RememberedGrant::default());
    for turn in ["Workshop", "Garden", "Garden"] {
        ledger.remember("choice.project", turn).await.unwrap();
        ledger.store_grant(&google, remembered(turn.as_bytes())).await.unwrap();
    }
    ledger.close().await;
    let ledger = open(folder.path());
    assert_eq!(ledger.recall("choice.project").await.unwrap().as_deref(), Some("Garden"));
    assert_eq!(ledger.recall("choice").await.unwrap(), None);
    assert_eq!(ledger.grant(&google).await.unwrap(), remembered(b"Garden"));
    assert_eq!(ledger.grant(&other).await.unwrap(), RememberedGrant::default());
}

#[tokio::test]
async fn the_command_line_reads_beside_a_running_host_and_without_one() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    accept(&ledger, 1..=2).await;
    let mut reader = Reader::open(folder.path(), TimeZone::UTC).unwrap();
    assert_eq!(reader.newest().unwrap(), Sequence(2));
    accept(&ledger, 3..=3).await;
    assert_eq!(reader.events(None, 10).unwrap().events.len(), 3);
    drop(reader);
    ledger.close().await;
    assert_eq!(Reader::open(folder.path(), TimeZone::UTC).unwrap().events(None, 10).unwrap().events.len(), 3);
}

#[tokio::test]
async fn a_long_log_is_moved_into_the_main_file_and_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    for turn in 0_u8..30 {
        // Each is some 250 pages, and together more than the log may hold.
        ledger.store_grant(&GrantName::parse("google").unwrap(), remembered(&vec![turn; 1 << 20])).await.unwrap();
    }
    let log = std::fs::metadata(folder.path().join("ledger.sqlite-wal")).unwrap().len();
    assert!(log < 24 << 20, "{log} bytes");
    assert_eq!(ledger.grant(&GrantName::parse("google").unwrap()).await.unwrap().state, vec![29; 1 << 20]);
}

/// What a policy leaves that wants a slot erased.
fn remembered(state: &[u8]) -> RememberedGrant {
    RememberedGrant { state: state.to_vec(), forget: vec!["device-code".to_owned()] }
}
