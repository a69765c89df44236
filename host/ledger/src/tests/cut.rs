//! Random histories, cut at any moment: whatever the disk has lost, each step is there whole or was not done, and what was
//! acknowledged is there.

use std::collections::BTreeMap;
use std::path::Path;

use power_cut::{Disk, Loss, Operation, Recording};
use proptest::prelude::{Strategy, any, prop, prop_oneof, proptest};
use tempfile::TempDir;

use super::super::{NewVersion, StorageError, Whence, schema};
use super::device::{Device, Story, Tables, Tape, step};
use super::model::Seen;
use super::*;

/// When, of 65,536 moments, and what of the rest is lost.
#[derive(Debug, Clone)]
struct Cut {
    moment: u16,
    loss: Loss,
}

fn cut() -> impl Strategy<Value = Cut> {
    let loss = prop_oneof![
        1 => prop::strategy::Just(Loss::Nothing),
        2 => prop::strategy::Just(Loss::Everything),
        6 => (any::<u64>(), any::<u8>()).prop_map(|(seed, share)| Loss::ByChance { seed, share }),
    ];
    (any::<u16>(), loss).prop_map(|(moment, loss)| Cut { moment, loss })
}

impl Cut {
    /// After how many operations, of those from `first`.
    fn place(&self, recording: &Recording, first: usize) -> usize {
        first + (recording.len() - first + 1) * usize::from(self.moment) / (usize::from(u16::MAX) + 1)
    }
}

fn folder(files: &BTreeMap<String, Vec<u8>>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

/// Nothing was written past the recording.
fn assert_complete(recording: &Recording, folder: &Path) {
    let ledger = |mut files: BTreeMap<String, Vec<u8>>| {
        files.retain(|name, _| name.starts_with(super::super::FILE_NAME));
        files
    };
    let recorded = ledger(recording.disk_after(usize::MAX).cut(Loss::Nothing));
    assert_eq!(recorded, ledger(Disk::of_folder(folder).unwrap().cut(Loss::Nothing)));
}

/// A host that starts with the ledger in this folder.
async fn start(folder: TempDir, recording: Option<Recording>, story: &Story) -> (Device, super::super::Opened) {
    let (mut device, opened) = Device::start(folder, recording, story.clone());
    device.declare().await;
    (device, opened)
}

/// Cuts the power, once in the midst of the history and once in the midst of the start after it, and returns the device
/// that went through both.
async fn survive(tape: &Tape, first: &Cut, second: &Cut) -> Device {
    let count = first.place(&tape.recording, tape.acknowledged[0].length);
    let possible = tape.possible(count, first.loss);
    let disk = tape.recording.disk_after(count);
    let files = disk.cut(first.loss);
    let tables = Tables::of(&folder(&files));
    let change = possible.iter().position(|change| change.tables == tables);
    let Some(change) = change else {
        // Says where they differ.
        assert_eq!(tables, possible[0].tables, "after {count} operations");
        panic!("it is not what it was");
    };

    let left = folder(&files);
    // Where only the program ended, what is on its way is still on its way.
    let before = if first.loss == Loss::Nothing { disk } else { Disk::of_folder(left.path()).unwrap() };
    let again = Recording::start_on(left.path(), before).unwrap();
    let (device, _) = start(left, Some(again.clone()), &possible[change].story).await;
    let files = again.disk_after(second.place(&again, 0)).cut(second.loss);
    device.ledger.close().await;

    let (mut device, opened) = start(folder(&files), None, &possible[change].story).await;
    let seen = Seen::of(&device.ledger).await;
    // What only the program's end had left may go with the power, until the start has made it durable.
    let unsure = tape.possible(count, Loss::Everything);
    let may_be = if first.loss == Loss::Nothing { unsure.as_slice() } else { &possible[change..=change] };
    let stories = may_be.iter().map(|change| {
        let mut story = change.story.clone();
        story.model.reopen();
        story
    });
    let stories: Vec<_> = stories.collect();
    let story = stories.iter().find(|story| story.seen() == seen && story.model.is_said_in(&opened));
    let Some(story) = story else {
        assert_eq!(seen, stories[0].seen(), "after a second cut, while it started");
        panic!("what was said at the start: {opened:?}");
    };
    device.story = story.clone();
    device
}

proptest! {
    #![proptest_config(cases(32))]
    #[test]
    fn a_power_cut_at_any_moment_loses_and_doubles_nothing(
        steps in prop::collection::vec(step(), 1..40),
        cuts in prop::collection::vec((cut(), cut()), 1..6),
        afterwards in prop::collection::vec(step(), 0..10),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut device = Device::recorded().await;
            for step in &steps {
                device.perform(step).await;
            }
            device.ledger.clone().close().await;
            let tape = device.tape.as_ref().unwrap();
            assert_complete(&tape.recording, device.folder.path());
            for (first, second) in &cuts {
                let mut device = survive(tape, first, second).await;
                for step in &afterwards {
                    device.perform(step).await;
                    device.compare().await;
                }
                device.deliver_all().await;
                device.compare().await;
            }
        });
    }
}

/// Losses of which each finds other weaknesses, and three by chance.
fn losses(seed: usize) -> [Loss; 5] {
    let some = |share| Loss::ByChance { seed: seed as u64, share };
    [Loss::Nothing, Loss::Everything, some(40), some(128), some(220)]
}

/// The log is moved beside the presses, and then begun anew over what it held: safe only while what was moved is durable.
#[tokio::test]
async fn a_power_cut_while_the_log_is_moved_and_begun_anew_loses_nothing() {
    let before = tempfile::tempdir().unwrap();
    open(before.path()).close().await;
    let recording = Recording::start(before.path()).unwrap();
    let ledger = open(before.path());
    let mut acknowledged = vec![recording.len()];
    let is_moved = |operation: &Operation| matches!(operation, Operation::Sync { file } if file == "ledger.sqlite");
    let is_anew = |operation: &Operation| matches!(operation, Operation::Write { file, offset: 0, .. } if file == "ledger.sqlite-wal");
    let (mut number, mut looked, mut moved) = (0, 0, None);
    // Nobody pauses: what is written while the log is moved is moved too, before long.
    loop {
        for _ in 0..20 {
            number += 1;
            accept(&ledger, [number]).await;
            acknowledged.push(recording.len());
        }
        let operations = recording.operations();
        moved = moved.or_else(|| operations[looked..].iter().position(is_moved).map(|at| looked + at));
        looked = operations.len();
        if moved.is_some_and(|moved| operations[moved..].iter().any(is_anew)) {
            break;
        }
        assert!(number < 2_000, "the log is never begun anew");
    }
    let moved = moved.unwrap();
    let operations = recording.operations();
    let anew = moved + operations[moved..].iter().position(is_anew).expect("the log was begun anew");
    let first_move = operations.iter().position(|operation| {
        matches!(operation, Operation::Write { .. }) && operation.file() == Some("ledger.sqlite")
    });
    let first_move = first_move.expect("the log was moved");
    // Most of all what comes after the log was begun anew.
    let places = (first_move..anew - 4).step_by(31).chain((anew - 4..=operations.len()).step_by(3));
    for (turn, at) in places.enumerate() {
        let certain = acknowledged.partition_point(|length| *length <= at) as u64 - 1;
        let disk = recording.disk_after(at);
        for loss in [Loss::Everything, losses(turn)[2 + turn % 3]] {
            let left = folder(&disk.cut(loss));
            let (ledger, opened) = Ledger::open(left.path(), setup("first")).unwrap();
            assert!([certain, certain + 1].contains(&opened.newest.0), "{opened:?}, but {certain} were acknowledged");
            assert_lists(&ledger, opened.newest, at).await;
        }
    }
    ledger.close().await;
    assert_complete(&recording, before.path());
}

/// The ledger that was left after so many operations has each press up to the newest one, and nothing else.
async fn assert_lists(ledger: &Ledger, newest: Sequence, at: usize) {
    let listed = ledger.events(None, 10_000).await.unwrap().events;
    let expected = (1..=newest.0).map(punch);
    assert!(listed.into_iter().map(|listed| listed.event.happened).eq(expected), "after {at} operations");
}

/// Presses that wait for the writer at the same time share a commit, and each is answered when all are durable.
#[tokio::test]
async fn a_power_cut_while_presses_share_a_commit_loses_none_that_was_acknowledged() {
    const PRESSES: u64 = 40;
    let before = tempfile::tempdir().unwrap();
    open(before.path()).close().await;
    let recording = std::sync::Arc::new(Recording::start(before.path()).unwrap());
    let ledger = open(before.path());
    accept(&ledger, 1..=3).await;
    let alone = recording.len();
    // The writer is kept busy until all of them wait.
    let (release, released) = std::sync::mpsc::channel();
    let busy = ledger.clone();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        busy.write(move |_| released.recv().map_err(|_| StorageError::Stopped)).await.unwrap();
        (0, 0)
    });
    for number in 4..=3 + PRESSES {
        let (ledger, recording) = (ledger.clone(), std::sync::Arc::clone(&recording));
        tasks.spawn(async move {
            let event = ledger.accept(punch(number)).await.unwrap();
            (event.sequence.0, recording.len())
        });
    }
    // Tasks of this runtime take turns, in order: those before have asked when this one's turn comes.
    tasks.spawn(async move {
        release.send(()).unwrap();
        (0, 0)
    });
    let mut acknowledged: Vec<(u64, usize)> = tasks.join_all().await;
    acknowledged.retain(|(sequence, _)| *sequence > 0);
    acknowledged.sort_unstable();
    let syncs = |from: usize| {
        let is_sync = |operation: &&Operation| matches!(operation, Operation::Sync { .. });
        recording.operations()[from..].iter().filter(is_sync).count()
    };
    assert!(syncs(alone) < 5, "they shared");
    for at in alone..=recording.len() {
        let certain = acknowledged.iter().filter(|(_, length)| *length <= at).map(|(sequence, _)| *sequence).max();
        let disk = recording.disk_after(at);
        for loss in losses(at) {
            let left = folder(&disk.cut(loss));
            let (ledger, opened) = Ledger::open(left.path(), setup("first")).unwrap();
            assert!(opened.newest.0 >= certain.unwrap_or(3), "after {at} operations, {loss:?}: {opened:?}");
            assert_lists(&ledger, opened.newest, at).await;
        }
    }
    ledger.close().await;
    assert_complete(&recording, before.path());
}

/// An example of a step to the next version, which rebuilds a table and changes another: cut anywhere, the ledger is whole,
/// of one version or the other, and the step can be done.
#[tokio::test]
async fn a_power_cut_while_a_ledger_is_brought_up_to_date_leaves_one_that_can_be_with_all_that_it_holds() {
    let old = tempfile::tempdir().unwrap();
    let ledger = open(old.path());
    declare(&ledger, &["other", "sheet"]).await;
    accept(&ledger, 1..=4).await;
    format_all(&ledger, "sheet").await;
    let batch = open_batch(&ledger, "sheet", 2, 1).await.unwrap();
    ledger.complete_batch(&sink("sheet"), &batch.batch.id, b"done".to_vec(), arrived(), None).await.unwrap();
    ledger.set_aside_event(&sink("other"), Sequence(0), FIRST, "it trapped").await.unwrap();
    ledger.requeue(&sink("other"), &[]).await.unwrap();
    let version = NewVersion { plugin: plugin("clock"), sha256: [1; 32], whence: Whence::Rollback, on_trial: false };
    ledger.take_plugin_versions(vec![version], None).await.unwrap();
    for sha256 in [[3; 32], [4; 32]] {
        let version = NewVersion { plugin: plugin("formatter"), sha256, whence: Whence::Rollback, on_trial: true };
        ledger.take_plugin_versions(vec![version], None).await.unwrap();
    }
    ledger.set_plugin_pinned(&plugin("clock"), true).await.unwrap();
    ledger.note_bad_component([2; 32], "it trapped", None).await.unwrap();
    ledger.close().await;
    let path = |folder: &TempDir| folder.path().join("ledger.sqlite");
    let recording = Recording::start(old.path()).unwrap();
    let opened = schema::open_with(&path(&old), &next_version()).unwrap();
    assert_eq!(opened.migrated_from, u32::try_from(schema::STEPS.len()).ok());
    drop(opened);
    let tables = Tables::of(&old);
    let empty =
        ["grant_state", "sensor_state", "failure", "checkpoint", "memory", "repository_trust", "plugin_release"];
    assert!(tables.empty().all(|table| empty.contains(&table)));
    for at in 0..=recording.len() {
        for loss in losses(at) {
            let left = folder(&recording.disk_after(at).cut(loss));
            drop(schema::open_with(&path(&left), &next_version()).unwrap());
            assert_eq!(Tables::of(&left), tables, "after {at} operations, {loss:?}");
        }
    }
}

#[tokio::test]
async fn a_power_cut_while_a_ledger_is_made_leaves_none_or_an_empty_one() {
    let new = tempfile::tempdir().unwrap();
    let recording = Recording::start(new.path()).unwrap();
    open(new.path()).close().await;
    let operations = recording.operations();
    let (draft, name) = ("ledger.sqlite.new".to_owned(), "ledger.sqlite".to_owned());
    // What is done without SQLite, where it is done: before the first look at the file under its own name.
    let is_of_the_draft = |operation: &&Operation| operation.file().is_none_or(|file| file.contains(".new"));
    let of_the_draft = operations.iter().take_while(is_of_the_draft).count();
    let mut whole = operations[..of_the_draft].to_vec();
    assert!(whole.contains(&Operation::Create { file: draft.clone() }), "{whole:?}");
    whole.extend([Operation::Sync { file: draft.clone() }, Operation::Rename { from: draft, to: name }]);
    whole.push(Operation::SyncFolder);
    whole.extend_from_slice(&operations[of_the_draft..]);
    let mut disk = Disk::default();
    for at in 0..=whole.len() {
        for loss in losses(at) {
            let left = folder(&disk.cut(loss));
            let (ledger, opened) = Ledger::open(left.path(), setup("first")).unwrap();
            assert_eq!(opened.newest, Sequence(0), "after {at} operations, {loss:?}");
            accept(&ledger, [1]).await;
        }
        if let Some(operation) = whole.get(at) {
            disk.perform(operation);
        }
    }
}
