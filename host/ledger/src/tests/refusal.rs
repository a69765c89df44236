//! Disks that take what is written, and then do not confirm that they have it.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use power_cut::{Call, Loss, Operation, Recording};
use tempfile::TempDir;

use super::super::log_frames::LogFrames;
use super::super::{AcceptError, OpenError, RequeueError, StorageError, schema};
use super::*;

const LOG: &str = "ledger.sqlite-wal";
/// Each alone: the sync that makes a commit durable, and that of the log's header before it; the writes of a header, of a
/// frame's header and of its page, of some frames.
const CALLS: [(usize, Call); 9] = [
    (0, Call::Sync),
    (1, Call::Sync),
    (0, Call::Write),
    (1, Call::Write),
    (2, Call::Write),
    (3, Call::Write),
    (4, Call::Write),
    (5, Call::Write),
    (6, Call::Write),
];

const SYNC: (usize, Call) = (0, Call::Sync);
const WRITE: (usize, Call) = (0, Call::Write);

/// A recorded ledger.
fn recorded() -> (TempDir, Recording, Ledger) {
    let folder = tempfile::tempdir().unwrap();
    drop(schema::open(&folder.path().join("ledger.sqlite")).unwrap());
    let recording = Recording::start(folder.path()).unwrap();
    let ledger = open(folder.path());
    (folder, recording, ledger)
}

/// The numbers of the presses that whoever opens what is left finds.
fn found(recording: &Recording, loss: Loss) -> Vec<u64> {
    let left = tempfile::tempdir().unwrap();
    for (name, content) in recording.disk_after(usize::MAX).cut(loss) {
        std::fs::write(left.path().join(name), content).unwrap();
    }
    let connection = rusqlite::Connection::open(left.path().join("ledger.sqlite")).unwrap();
    let mut select = connection.prepare("SELECT id FROM event ORDER BY sequence").unwrap();
    let number = |row: &rusqlite::Row<'_>| Ok(Ulid(u128::from_be_bytes(row.get(0)?)).timestamp_ms());
    select.query_map([], number).unwrap().collect::<Result<_, _>>().unwrap()
}

/// What the host's end leaves.
fn killed(recording: &Recording) -> Vec<u64> {
    found(recording, Loss::Nothing)
}

/// A press of some pages.
fn large(number: u64) -> NewEvent {
    let mut event = punch(number);
    event.fields[0].value = Value::Text("x".repeat(2_500));
    event
}

fn is_in_doubt(error: &AcceptError) -> bool {
    matches!(error, AcceptError::Storage(StorageError::InDoubt(_)))
}

fn is_unconfirmed(error: &AcceptError) -> bool {
    matches!(error, AcceptError::Storage(StorageError::Unconfirmed(_)))
}

/// The host ends, and starts anew on the same disk.
async fn start_anew(folder: &TempDir, ledger: &mut Ledger) {
    ledger.clone().close().await;
    *ledger = open(folder.path());
}

/// So that the next commit begins the log anew.
async fn move_log(ledger: &Ledger) {
    ledger
        .write(|store| {
            let frames = LogFrames::checkpoint(&store.connection)?;
            assert_eq!(frames.all, frames.moved);
            Ok::<_, StorageError>(())
        })
        .await
        .unwrap();
}

/// Whether the last thing that the disk did with the log was to make it durable.
fn is_confirmed(recording: &Recording) -> bool {
    let operations = recording.operations();
    let last = operations.iter().rfind(|operation| operation.file() == Some(LOG));
    matches!(last, Some(Operation::Sync { .. }))
}

#[tokio::test]
async fn a_press_that_is_refused_is_not_there_after_a_kill_whichever_calls_fail_or_it_is_said() {
    let (mut number, mut refused, mut gone_on, mut in_doubt, mut came_back) = (0, 0, 0, 0, 0);
    let mut next = || {
        number += 1;
        number
    };
    for first in CALLS {
        let (folder, recording, mut ledger) = recorded();
        let mut acknowledged = Vec::new();
        for second in [None].into_iter().chain(CALLS.map(Some)) {
            for is_begun_anew in [false, true] {
                if is_begun_anew {
                    move_log(&ledger).await;
                }
                let calls: Vec<_> = [Some(first), second].into_iter().flatten().collect();
                let at = format!("{calls:?}, begun anew: {is_begun_anew}");
                recording.refuse(LOG, &calls);
                let tried = next();
                let event = if tried % 2 == 0 { large(tried) } else { punch(tried) };
                let answer = ledger.accept(event).await;
                recording.refuse(LOG, &[]);
                let is_latched = match answer {
                    Ok(_) => {
                        acknowledged.push(tried);
                        false
                    }
                    Err(error) if is_in_doubt(&error) => {
                        let mut with_it = acknowledged.clone();
                        with_it.push(tried);
                        let found = killed(&recording);
                        assert!(found == acknowledged || found == with_it, "{at}: {found:?}");
                        in_doubt += 1;
                        came_back += usize::from(found == with_it);
                        // The next start brings it, as was said.
                        acknowledged = found;
                        true
                    }
                    Err(error) => {
                        assert_eq!(killed(&recording), acknowledged, "{at}");
                        if is_confirmed(&recording) {
                            for loss in [Loss::Everything, Loss::ByChance { seed: tried, share: 128 }] {
                                assert_eq!(found(&recording, loss), acknowledged, "{at}, {loss:?}");
                            }
                        }
                        let is_latched = is_unconfirmed(&error);
                        (refused, gone_on) = (refused + 1, gone_on + usize::from(!is_latched));
                        is_latched
                    }
                };
                // The disk is well again.
                if is_latched {
                    start_anew(&folder, &mut ledger).await;
                }
                let again = next();
                ledger.accept(punch(again)).await.unwrap();
                acknowledged.push(again);
                for loss in [Loss::Nothing, Loss::Everything, Loss::ByChance { seed: again, share: 128 }] {
                    assert_eq!(found(&recording, loss), acknowledged, "{at}, after another one, {loss:?}");
                }
            }
        }
        assert_eq!(ledger.events(None, 10_000).await.unwrap().events.len(), acknowledged.len());
    }
    assert!(refused > gone_on && gone_on > in_doubt, "{refused}, {gone_on}, {in_doubt}");
    assert!(in_doubt > came_back && came_back > 0, "{in_doubt}, {came_back}");
}

#[tokio::test]
async fn once_a_sync_is_refused_nothing_is_written_until_the_next_start() {
    for calls in [&[(0, Call::Sync)][..], &[(0, Call::Sync), (0, Call::Write)]] {
        let (folder, recording, mut ledger) = recorded();
        accept(&ledger, [1]).await;
        let latched = tokio::spawn(ledger.latched());
        recording.refuse(LOG, calls);
        let refused = ledger.accept(punch(2)).await.unwrap_err();
        assert!(if calls.len() > 1 { is_in_doubt(&refused) } else { is_unconfirmed(&refused) }, "{refused}");
        let before = recording.len();
        let refused = ledger.accept(punch(3)).await.unwrap_err();
        assert!(matches!(refused, AcceptError::Storage(StorageError::Latched)), "{refused}");
        let refused = ledger.remember("choice/project", "Garden").await.unwrap_err();
        assert!(matches!(refused, StorageError::Latched), "{refused}");
        latched.await.unwrap();
        ledger.latched().await;
        assert_eq!(ledger.events(None, 10).await.unwrap().events.len(), 1, "it reads on");
        ledger.clone().close().await;
        assert_eq!(recording.len(), before, "nor is anything moved at the end");
        start_anew(&folder, &mut ledger).await;
        accept(&ledger, [4]).await;
        let expected: &[u64] = if calls.len() > 1 { &[1, 2, 4] } else { &[1, 4] };
        assert_found(&recording, expected, "started anew");
    }
}

#[tokio::test]
async fn a_press_that_a_power_cut_may_bring_back_is_in_doubt() {
    let (_folder, recording, ledger) = recorded();
    accept(&ledger, [1]).await;
    // Neither the press nor that it is cut off is confirmed.
    recording.refuse(LOG, &[SYNC, SYNC]);
    let refused = ledger.accept(punch(2)).await.unwrap_err();
    assert!(is_in_doubt(&refused) && recording.refusals() == 0, "{refused}");
    assert_eq!(killed(&recording), [1]);
    let by_chance = (0..64).map(|seed| found(&recording, Loss::ByChance { seed, share: 128 }));
    assert!(by_chance.collect::<Vec<_>>().contains(&vec![1, 2]), "it never comes back");
}

#[tokio::test]
async fn a_write_that_is_refused_is_gone_on_after() {
    let (_folder, recording, ledger) = recorded();
    accept(&ledger, [1]).await;
    recording.refuse(LOG, &[(0, Call::Write)]);
    let refused = ledger.accept(punch(2)).await.unwrap_err();
    assert!(matches!(refused, AcceptError::Storage(StorageError::Refused(_))), "{refused}");
    let mut latched = pin!(ledger.latched());
    assert!(poll_fn(|task| Poll::Ready(latched.as_mut().poll(task).is_pending())).await);
    accept(&ledger, [3]).await;
    assert_found(&recording, &[1, 3], "gone on");
}

#[tokio::test]
async fn a_commit_that_was_refused_is_not_made_whole_by_one_of_the_same_bytes_that_is_refused_too() {
    for write in 0..8 {
        let (folder, recording, mut ledger) = recorded();
        accept(&ledger, [1]).await;
        // Neither the press nor that it is cut off is confirmed.
        recording.refuse(LOG, &[(0, Call::Sync), (0, Call::Sync)]);
        let before = recording.len();
        let refused = ledger.accept(large(2)).await.unwrap_err();
        assert!(is_in_doubt(&refused) && recording.refusals() == 0);
        let written = recording.operations()[before..before + write].to_vec();
        start_anew(&folder, &mut ledger).await;
        let again = recording.len();
        recording.refuse(LOG, &[(write, Call::Write)]);
        let refused = ledger.accept(large(2)).await.unwrap_err();
        assert!(!is_in_doubt(&refused) && recording.refusals() == 0, "{write}: {refused}");
        assert_eq!(recording.operations()[again..again + write], written, "the same bytes");
        assert_found(&recording, &[1], "before the next one");
        accept(&ledger, [3]).await;
        assert_eq!(found(&recording, Loss::Everything), [1, 3], "{write}");
    }
}

#[tokio::test]
async fn a_commit_that_was_refused_is_not_made_whole_by_steps_of_the_same_bytes_that_are_undone() {
    // More than is kept in memory: SQLite writes some of it before the commit.
    const FILL: &str = "INSERT INTO memory (key, value) VALUES ('fill', hex(zeroblob(3000000)))";
    let (folder, recording, mut ledger) = recorded();
    accept(&ledger, [1]).await;
    let before = killed_tables(&recording);
    let fill = |ledger: &Ledger| {
        let ledger = ledger.clone();
        async move {
            let fill = |transaction: &rusqlite::Transaction<'_>| Ok::<_, StorageError>(transaction.execute(FILL, [])?);
            ledger.write(move |store| store.transact(fill)).await
        }
    };
    recording.refuse(LOG, &[(0, Call::Sync), (0, Call::Sync)]);
    fill(&ledger).await.unwrap_err();
    assert_eq!(killed_tables(&recording), before);
    start_anew(&folder, &mut ledger).await;
    let from = recording.len();
    recording.refuse(LOG, &[(100, Call::Write)]);
    fill(&ledger).await.unwrap_err();
    assert_eq!((recording.refusals(), killed_tables(&recording) == before), (0, true));
    let operations = recording.operations();
    let written = operations[from..].iter().filter(|operation| matches!(operation, Operation::Write { .. })).count();
    assert!(written >= 100, "as far as it went");
}

/// A host is killed that could not cut off a press whose sync was refused: what it leaves is read, and not on the disk.
async fn leave_unsynced(before: impl AsyncFnOnce(&Ledger)) -> (TempDir, Recording) {
    let (_folder, recording, ledger) = recorded();
    accept(&ledger, [1]).await;
    before(&ledger).await;
    recording.refuse(LOG, &[(0, Call::Sync), (0, Call::Write)]);
    assert!(is_in_doubt(&ledger.accept(large(2)).await.unwrap_err()));
    let disk = recording.disk_after(usize::MAX);
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in disk.cut(Loss::Nothing) {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let recording = Recording::start_on(folder.path(), disk).unwrap();
    (folder, recording)
}

/// Whatever of that which is not durable is lost, these presses are found.
fn assert_found(recording: &Recording, expected: &[u64], at: &str) {
    let by_chance = (0..8).map(|seed| Loss::ByChance { seed, share: 128 });
    for loss in [Loss::Everything, Loss::Nothing].into_iter().chain(by_chance) {
        assert_eq!(found(recording, loss), expected, "{at}, {loss:?}");
    }
}

#[tokio::test]
async fn what_a_host_acknowledges_does_not_hang_on_what_the_one_before_could_not_sync() {
    for (is_read, refused) in [(false, 0), (true, 0), (false, 1), (true, 1), (false, 2)] {
        let (folder, recording) = leave_unsynced(async |_| {}).await;
        let at = format!("read: {is_read}, {refused} refused");
        // Somebody looks what is there, and goes on looking.
        let reader = is_read.then(|| {
            let reader = rusqlite::Connection::open(folder.path().join("ledger.sqlite")).unwrap();
            reader.execute_batch("BEGIN; SELECT * FROM history").unwrap();
            reader
        });
        recording.refuse(LOG, &vec![(0, Call::Sync); refused]);
        for _ in 0..refused {
            let error = Ledger::open(folder.path(), setup("first")).err().unwrap();
            assert!(matches!(error, OpenError::Log { .. }), "{at}: {error}");
        }
        let ledger = open(folder.path());
        assert_eq!(ledger.events(None, 10).await.unwrap().events.len(), 2, "it came back, as was said");
        accept(&ledger, [3]).await;
        assert_eq!(recording.refusals(), 0, "{at}");
        assert_found(&recording, &[1, 2, 3], &at);
        drop(reader);
    }
}

#[tokio::test]
async fn a_ledger_of_an_older_version_is_brought_up_to_date_behind_what_is_on_the_disk() {
    let (folder, recording) = leave_unsynced(async |_| {}).await;
    recording.refuse(LOG, &[(0, Call::Sync)]);
    let path = folder.path().join("ledger.sqlite");
    let refused = schema::open_with(&path, &next_version()).err().unwrap();
    assert!(matches!(refused, OpenError::Log { .. }), "{refused}");
    assert_eq!(
        schema::open_with(&path, &next_version()).unwrap().migrated_from,
        u32::try_from(schema::STEPS.len()).ok()
    );
    assert_found(&recording, &[1, 2], "brought up to date");
    let left = tempfile::tempdir().unwrap();
    for (name, content) in recording.disk_after(usize::MAX).cut(Loss::Everything) {
        std::fs::write(left.path().join(name), content).unwrap();
    }
    assert_eq!(schema::open_with(&left.path().join("ledger.sqlite"), &next_version()).unwrap().migrated_from, None);
}

#[tokio::test]
async fn what_was_moved_before_a_move_that_failed_is_moved_once_more() {
    // Somebody has the ledger open through the restart, or nobody.
    for is_open in [true, false] {
        let (folder, recording, mut ledger) = recorded();
        let move_log_in_part_or_fail = || {
            ledger.write(|store| {
                let moved = LogFrames::checkpoint(&store.connection);
                Ok::<_, StorageError>(moved.inspect_err(|error| store.latch.move_failed(error))?)
            })
        };
        accept(&ledger, 1..=20).await;
        // What comes after a reader began is not moved, so what was moved is not made durable yet.
        let reader = rusqlite::Connection::open(folder.path().join("ledger.sqlite")).unwrap();
        reader.execute_batch("BEGIN; SELECT * FROM history").unwrap();
        accept(&ledger, [21]).await;
        let frames = move_log_in_part_or_fail().await.unwrap();
        assert!(0 < frames.moved && frames.moved < frames.all);
        reader.execute_batch("ROLLBACK").unwrap();
        let reader = is_open.then_some(reader);
        recording.refuse("ledger.sqlite", &[(0, Call::Sync)]);
        move_log_in_part_or_fail().await.unwrap_err();
        assert_eq!(recording.refusals(), 0);
        let refused = ledger.accept(punch(22)).await.unwrap_err();
        assert!(matches!(refused, AcceptError::Storage(StorageError::Latched)), "{refused}");
        start_anew(&folder, &mut ledger).await;
        move_log(&ledger).await;
        // The log is begun anew.
        accept(&ledger, [22]).await;
        assert_found(&recording, &(1..=22).collect::<Vec<_>>(), &format!("open: {is_open}"));
        drop(reader);
    }
}

/// Presses that wait for the writer at the same time.
async fn together(ledger: &Ledger, numbers: [u64; 3]) -> [Result<Event, AcceptError>; 3] {
    let (begin, begun) = std::sync::mpsc::channel();
    let (release, released) = std::sync::mpsc::channel();
    let mut busy = pin!(ledger.write(move |_| {
        begin.send(()).map_err(|_| StorageError::Stopped)?;
        released.recv().map_err(|_| StorageError::Stopped)
    }));
    assert!(poll_fn(|task| Poll::Ready(busy.as_mut().poll(task).is_pending())).await);
    // Before that, it would take the first press alone.
    begun.recv().unwrap();
    let [first, second, third] = numbers.map(|number| ledger.accept(punch(number)));
    // Branches take turns, in order: the presses have asked when this one's turn comes.
    let (busy, first, second, third, ()) =
        tokio::join!(biased; busy, first, second, third, async { release.send(()).unwrap() });
    busy.unwrap();
    [first, second, third]
}

#[tokio::test]
async fn presses_that_shared_a_commit_are_recorded_or_not_as_each_was_told() {
    /// What the disk refuses; which are recorded; whether the others are in doubt, and whether a kill leaves them.
    type Case = (&'static [(usize, Call)], [bool; 3], bool, bool);
    let table: [Case; 6] = [
        (&[SYNC], [false, false, false], false, false),
        (&[SYNC, SYNC], [false, false, false], true, false),
        (&[SYNC, WRITE], [false, false, false], true, true),
        // Where nothing is left of it, each is tried alone.
        (&[WRITE], [true, true, true], false, false),
        (&[WRITE, WRITE], [false, true, true], false, false),
        (&[WRITE, (1, Call::Sync)], [true, false, false], false, false),
    ];
    for (calls, expected, in_doubt, are_left) in table {
        let (folder, recording, mut ledger) = recorded();
        accept(&ledger, [1]).await;
        recording.refuse(LOG, calls);
        let answers = together(&ledger, [2, 3, 4]).await;
        assert_eq!(recording.refusals(), 0, "{calls:?}");
        assert_eq!(answers.each_ref().map(Result::is_ok), expected, "{calls:?}");
        assert!(answers.iter().flat_map(|answer| answer.as_ref().err()).all(|error| is_in_doubt(error) == in_doubt));
        let recorded = (2..).zip(expected).filter(|(_, is_ok)| *is_ok || are_left).map(|(number, _)| number);
        let mut recorded: Vec<u64> = [1].into_iter().chain(recorded).collect();
        assert_eq!(killed(&recording), recorded, "{calls:?}");
        // The disk is well again.
        start_anew(&folder, &mut ledger).await;
        accept(&ledger, [5]).await;
        recorded.push(5);
        assert_found(&recording, &recorded, &format!("{calls:?}"));
    }
}

#[tokio::test]
async fn what_a_person_was_told_to_have_failed_is_not_done_after_a_kill() {
    let (folder, recording, mut ledger) = recorded();
    declare(&ledger, &["sheet"]).await;
    accept(&ledger, [1]).await;
    ledger.set_aside_event(&sink("sheet"), Sequence(0), FIRST, "trap").await.unwrap();
    let before = killed_tables(&recording);
    let sync = [(0, Call::Sync)];
    recording.refuse(LOG, &sync);
    let requeued = ledger.requeue(&sink("sheet"), &[FIRST]).await;
    assert!(matches!(requeued, Err(RequeueError::Storage(StorageError::Unconfirmed(_)))), "{requeued:?}");
    assert_eq!(killed_tables(&recording), before);
    start_anew(&folder, &mut ledger).await;
    recording.refuse(LOG, &sync);
    ledger.drop_set_aside(&sink("sheet"), &[FIRST], "why").await.unwrap_err();
    assert_eq!(killed_tables(&recording), before);
    start_anew(&folder, &mut ledger).await;
    recording.refuse(LOG, &sync);
    ledger.remember("choice/project", "Garden").await.unwrap_err();
    assert_eq!(killed_tables(&recording), before);
    start_anew(&folder, &mut ledger).await;
    recording.refuse(LOG, &[(0, Call::Sync), (0, Call::Write)]);
    let in_doubt = ledger.remember("choice/project", "Garden").await.unwrap_err();
    assert!(matches!(in_doubt, StorageError::InDoubt(_)), "{in_doubt}");
    assert_ne!(killed_tables(&recording), before);
    // The disk is well again.
    start_anew(&folder, &mut ledger).await;
    ledger.remember("choice/project", "House").await.unwrap();
}

fn killed_tables(recording: &Recording) -> device::Tables {
    let left = tempfile::tempdir().unwrap();
    for (name, content) in recording.disk_after(usize::MAX).cut(Loss::Nothing) {
        std::fs::write(left.path().join(name), content).unwrap();
    }
    device::Tables::of(&left)
}
