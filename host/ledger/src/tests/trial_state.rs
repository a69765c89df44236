//! What a formatter remembered when a new version of it was taken on trial, and what becomes of that.

use punchcard_core::plugin_version::Digest;

use super::super::{BootTimes, CommitError, NewVersion, OwedState, ReckonedState, Whence};
use super::*;

const OLD: Digest = [1; 32];
const NEW: Digest = [2; 32];
const NEXT: Digest = [3; 32];

async fn take(ledger: &Ledger, sha256: Digest) {
    let whence = Whence::File("formatter.wasm".to_owned());
    let version = NewVersion { plugin: plugin("formatter"), sha256, whence, on_trial: true };
    ledger.take_plugin_versions(vec![version], None).await.unwrap();
}

/// A version formats all that waits, and remembers `state`.
async fn format(ledger: &Ledger, component: u8, state: &str) {
    let read = ledger.read_unformatted(&sink("sheet"), 1000).await.unwrap();
    let made = FormattedCommit {
        state: state.into(),
        checkpoint: Some(call(component)),
        standing: Some(format!("says {state}")),
        ..one_row_each(&read)
    };
    ledger.commit_formatted(&sink("sheet"), made).await.unwrap();
}

async fn state(ledger: &Ledger) -> String {
    String::from_utf8(ledger.read_unformatted(&sink("sheet"), 1).await.unwrap().state).unwrap()
}

async fn standing(ledger: &Ledger) -> Option<String> {
    ledger.sink_counts(&sink("sheet")).await.unwrap().standing
}

async fn owed(ledger: &Ledger, component: Digest) -> Option<OwedState> {
    ledger.owed_state(&sink("sheet"), component).await.unwrap()
}

fn reckoned(state: &str, standing: Option<Option<String>>) -> Option<ReckonedState> {
    Some(ReckonedState {
        boots: BootTimes::default(),
        state: state.into(),
        states: vec![(Sequence(5), b"old 5".to_vec())],
        plugin_sha256: OLD,
        settings: "{}".to_owned(),
        standing,
    })
}

/// The old version formatted two events, the new one, on trial, as many as the ledger keeps two calls of.
async fn on_trial(folder: &Path) -> Ledger {
    let ledger = open(folder);
    declare(&ledger, &["sheet"]).await;
    take(&ledger, OLD).await;
    accept(&ledger, 1..=2).await;
    format(&ledger, 1, "old 2").await;
    take(&ledger, NEW).await;
    accept(&ledger, 3..=5).await;
    format(&ledger, 2, "new 5").await;
    accept(&ledger, 6..=6).await;
    format(&ledger, 2, "new 6").await;
    ledger
}

#[tokio::test]
async fn a_version_that_is_put_back_is_owed_the_state_from_before_the_trial_until_its_own_is_reckoned() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = on_trial(folder.path()).await;
    assert_eq!(owed(&ledger, OLD).await, None, "the trial lasts");
    assert_eq!(ledger.return_plugin(&plugin("formatter"), NEW, "it traps", None).await.unwrap(), Some(OLD));
    assert_eq!(owed(&ledger, NEW).await, None, "it still runs, and goes on with what it left");
    // As after a power cut.
    ledger.close().await;
    let ledger = open(folder.path());
    assert_eq!(owed(&ledger, OLD).await, Some(OwedState { after: Sequence(2), state: b"old 2".to_vec() }));
    assert_eq!(state(&ledger).await, "new 6", "until it is settled");

    let moved = ledger.settle_owed_state(&sink("sheet"), Sequence(5), reckoned("old 5", None)).await;
    assert!(matches!(moved, Err(CommitError::CursorMoved { .. })), "{moved:?}");
    assert!(owed(&ledger, OLD).await.is_some());
    let says = Some(Some("says old 6".to_owned()));
    ledger.settle_owed_state(&sink("sheet"), Sequence(6), reckoned("old 6", says)).await.unwrap();
    assert_eq!((state(&ledger).await, standing(&ledger).await), ("old 6".into(), Some("says old 6".into())));
    assert_eq!(owed(&ledger, OLD).await, None);
    let ground = ledger.replay_ground(&sink("sheet")).await.unwrap();
    let kept: Vec<_> = ground.calls.iter().map(|call| (call.after.0, call.state.as_slice())).collect();
    assert_eq!(kept, [(2, &b"old 2"[..]), (5, b"old 5")], "a replay from there has nothing of the new one either");
    // The rows stay as they were made.
    assert_eq!(keys(&open_batch(&ledger, "sheet", 9, 1).await.unwrap()).len(), 6);
}

#[tokio::test]
async fn where_no_state_can_be_reckoned_the_one_that_was_left_stays() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = on_trial(folder.path()).await;
    ledger.roll_back_plugin(&plugin("formatter"), None).await.unwrap();
    assert!(owed(&ledger, OLD).await.is_some(), "a person goes back as the device does");
    ledger.settle_owed_state(&sink("sheet"), Sequence(6), None).await.unwrap();
    assert_eq!((state(&ledger).await, standing(&ledger).await), ("new 6".into(), Some("says new 6".into())));
    assert_eq!(owed(&ledger, OLD).await, None);
}

#[tokio::test]
async fn what_no_event_was_formatted_with_says_what_it_said() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = on_trial(folder.path()).await;
    ledger.roll_back_plugin(&plugin("formatter"), None).await.unwrap();
    ledger.settle_owed_state(&sink("sheet"), Sequence(6), reckoned("old 2", None)).await.unwrap();
    assert_eq!((state(&ledger).await, standing(&ledger).await), ("old 2".into(), Some("says new 6".into())));
}

#[tokio::test]
async fn nothing_is_owed_once_a_version_stayed_or_another_plugin_took_over() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = on_trial(folder.path()).await;
    ledger.end_plugin_trial(&plugin("formatter"), NEW).await.unwrap();
    ledger.roll_back_plugin(&plugin("formatter"), None).await.unwrap();
    assert_eq!(owed(&ledger, OLD).await, None, "it goes on with the state that is there");

    let folder = tempfile::tempdir().unwrap();
    let ledger = on_trial(folder.path()).await;
    ledger.roll_back_plugin(&plugin("formatter"), None).await.unwrap();
    let another = Declaration { formatter: Some(plugin("another")), ..declaration(&["punch"]) };
    ledger.declare_sinks(BTreeMap::from([(sink("sheet"), another)])).await.unwrap();
    assert_eq!((owed(&ledger, OLD).await, state(&ledger).await), (None, String::new()));
}

#[tokio::test]
async fn a_next_version_is_gone_back_from_to_the_last_that_was_seen_to_work_and_its_state() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = on_trial(folder.path()).await;
    // In the place of one that is on trial itself.
    take(&ledger, NEXT).await;
    accept(&ledger, 7..=7).await;
    format(&ledger, 3, "next 7").await;
    assert_eq!(ledger.return_plugin(&plugin("formatter"), NEXT, "it traps", None).await.unwrap(), Some(OLD));
    assert_eq!(owed(&ledger, OLD).await, Some(OwedState { after: Sequence(2), state: b"old 2".to_vec() }));

    // In the place of one that stayed.
    let folder = tempfile::tempdir().unwrap();
    let ledger = on_trial(folder.path()).await;
    ledger.end_plugin_trial(&plugin("formatter"), NEW).await.unwrap();
    take(&ledger, NEXT).await;
    assert_eq!(ledger.return_plugin(&plugin("formatter"), NEXT, "it traps", None).await.unwrap(), Some(NEW));
    assert_eq!(owed(&ledger, NEW).await, Some(OwedState { after: Sequence(6), state: b"new 6".to_vec() }));

    // In the place of one whose state is still owed: that is the one before.
    let folder = tempfile::tempdir().unwrap();
    let ledger = on_trial(folder.path()).await;
    ledger.return_plugin(&plugin("formatter"), NEW, "it traps", None).await.unwrap();
    take(&ledger, NEXT).await;
    let before = Some(OwedState { after: Sequence(2), state: b"old 2".to_vec() });
    assert_eq!(owed(&ledger, NEXT).await, before);
    ledger.settle_owed_state(&sink("sheet"), Sequence(6), reckoned("next 6", None)).await.unwrap();
    assert_eq!((owed(&ledger, NEXT).await, state(&ledger).await), (None, "next 6".into()));
    assert_eq!(ledger.return_plugin(&plugin("formatter"), NEXT, "it traps", None).await.unwrap(), Some(OLD));
    assert_eq!(owed(&ledger, OLD).await, before);
}

#[tokio::test]
async fn the_old_file_put_back_during_a_trial_is_a_way_back_and_no_new_version() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = on_trial(folder.path()).await;
    take(&ledger, OLD).await;
    let before = Some(OwedState { after: Sequence(2), state: b"old 2".to_vec() });
    assert_eq!(owed(&ledger, OLD).await, before);
    let in_force = async || {
        let histories = ledger.plugin_histories().await.unwrap();
        let version = histories.plugins[&plugin("formatter")].in_force().unwrap();
        (version.sha256, version.on_trial)
    };
    assert_eq!(in_force().await, (OLD, false));
    ledger.settle_owed_state(&sink("sheet"), Sequence(6), reckoned("old 6", None)).await.unwrap();
    assert_eq!((owed(&ledger, OLD).await, state(&ledger).await), (None, "old 6".into()));

    // After the trial it is one as any other.
    take(&ledger, NEW).await;
    ledger.end_plugin_trial(&plugin("formatter"), NEW).await.unwrap();
    take(&ledger, OLD).await;
    assert_eq!((in_force().await, owed(&ledger, OLD).await), ((OLD, true), None));
}
