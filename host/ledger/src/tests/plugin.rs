//! Which version of a plugin is in force, and how it came to that, over restarts.

use punchcard_core::plugin_version::{Digest, Left};

use super::super::{NewVersion, PluginHistory, RollbackError, Whence};
use super::*;

const A: Digest = [1; 32];
const B: Digest = [2; 32];
const C: Digest = [3; 32];

fn clock() -> PluginName {
    plugin("clock")
}

fn from_file(sha256: Digest) -> Vec<NewVersion> {
    vec![NewVersion { plugin: clock(), sha256, whence: Whence::File("clock.wasm".to_owned()), on_trial: true }]
}

async fn history(ledger: &Ledger) -> PluginHistory {
    ledger.plugin_histories().await.unwrap().plugins.remove(&clock()).unwrap_or_default()
}

async fn terms(ledger: &Ledger) -> Vec<(Digest, Option<Left>)> {
    history(ledger).await.versions.into_iter().map(|version| (version.sha256, version.left)).collect()
}

#[tokio::test]
async fn a_version_is_in_force_until_another_one_is_and_both_are_remembered_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    assert_eq!(history(&ledger).await, PluginHistory::default());
    ledger.take_plugin_versions(from_file(A), Some(5)).await.unwrap();
    ledger.take_plugin_versions(from_file(A), Some(6)).await.unwrap();
    ledger.take_plugin_versions(from_file(B), None).await.unwrap();
    ledger.close().await;
    let ledger = open(folder.path());
    assert_eq!(terms(&ledger).await, [(A, Some(Left::Replaced)), (B, None)]);
    let versions = history(&ledger).await.versions;
    assert_eq!((versions[0].since, versions[1].since), (Some(5), None));
    assert_eq!(versions[1].whence, Whence::File("clock.wasm".to_owned()));
    assert!(!versions[0].on_trial && versions[1].on_trial, "a first version has nothing to be compared with");
    ledger.end_plugin_trial(&clock(), A).await.unwrap();
    assert!(history(&ledger).await.versions[1].on_trial, "it is of another version");
    ledger.end_plugin_trial(&clock(), B).await.unwrap();
    assert!(!history(&ledger).await.versions[1].on_trial);
    ledger.note_plugin_source(&clock(), B, Whence::Add("/stick/clock.wasm".to_owned())).await.unwrap();
    ledger.note_plugin_source(&clock(), A, Whence::Rollback).await.unwrap();
    let whence: Vec<Whence> = history(&ledger).await.versions.into_iter().map(|version| version.whence).collect();
    assert_eq!(whence, [Whence::File("clock.wasm".to_owned()), Whence::Add("/stick/clock.wasm".to_owned())]);
}

#[tokio::test]
async fn going_back_says_from_what_until_a_person_allows_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    ledger.take_plugin_versions(from_file(A), None).await.unwrap();
    let nothing = ledger.roll_back_plugin(&clock(), None).await;
    assert!(matches!(nothing, Err(RollbackError::Nothing(_))), "{nothing:?}");
    ledger.take_plugin_versions(from_file(B), None).await.unwrap();
    assert_eq!(ledger.roll_back_plugin(&clock(), None).await.unwrap(), A);
    assert_eq!(terms(&ledger).await, [(A, Some(Left::Replaced)), (B, Some(Left::RolledBack)), (A, None)]);
    let known = ledger.plugin_histories().await.unwrap().known(&clock());
    assert_eq!((known.in_force, known.rolled_back_from, known.pinned), (Some(A), Some(B), false));
    assert!(ledger.allow_component(B).await.unwrap());
    assert!(!ledger.allow_component(B).await.unwrap());
    assert_eq!(ledger.plugin_histories().await.unwrap().known(&clock()).rolled_back_from, None);
}

#[tokio::test]
async fn a_version_that_proved_bad_is_left_for_the_one_before_and_remembered_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    ledger.take_plugin_versions(from_file(A), None).await.unwrap();
    assert_eq!(ledger.return_plugin(&clock(), A, "it traps", None).await.unwrap(), None, "there is nothing before it");
    assert!(ledger.plugin_histories().await.unwrap().bad.is_empty());
    ledger.take_plugin_versions(from_file(B), None).await.unwrap();
    assert_eq!(ledger.return_plugin(&clock(), C, "it traps", None).await.unwrap(), None, "another one is in force");
    ledger.set_plugin_pinned(&clock(), true).await.unwrap();
    assert_eq!(ledger.return_plugin(&clock(), B, "it traps", None).await.unwrap(), None, "a person wants it to stay");
    ledger.set_plugin_pinned(&clock(), false).await.unwrap();
    assert_eq!(ledger.return_plugin(&clock(), B, "it traps", Some(7)).await.unwrap(), Some(A));
    ledger.close().await;
    let ledger = open(folder.path());
    let bad = Some(Left::Bad("it traps".to_owned()));
    assert_eq!(terms(&ledger).await, [(A, Some(Left::Replaced)), (B, bad), (A, None)]);
    let histories = ledger.plugin_histories().await.unwrap();
    assert_eq!((histories.bad[&B].since, histories.bad[&B].reason.as_str()), (Some(7), "it traps"));
    assert_eq!(histories.known(&clock()).bad[&B], "it traps");
    assert_eq!(histories.kept(), [A, B]);
    ledger.note_bad_component(C, "it is slow", None).await.unwrap();
    assert!(ledger.allow_component(B).await.unwrap());
    let bad: Vec<Digest> = ledger.plugin_histories().await.unwrap().bad.into_keys().collect();
    assert_eq!(bad, [C]);
}

#[tokio::test]
async fn a_version_that_another_replaced_on_trial_is_gone_back_past() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    for sha256 in [A, B, C] {
        ledger.take_plugin_versions(from_file(sha256), None).await.unwrap();
    }
    assert_eq!(ledger.plugin_histories().await.unwrap().kept(), [C, A, B]);
    assert_eq!(ledger.return_plugin(&clock(), C, "it traps", None).await.unwrap(), Some(A));
    assert!(!history(&ledger).await.in_force().unwrap().on_trial);
}

#[tokio::test]
async fn a_pin_is_kept_and_a_history_has_a_bound() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    assert!(ledger.set_plugin_pinned(&clock(), true).await.unwrap());
    assert!(!ledger.set_plugin_pinned(&clock(), true).await.unwrap());
    ledger.close().await;
    let ledger = open(folder.path());
    assert!(history(&ledger).await.pinned);
    assert!(ledger.set_plugin_pinned(&clock(), false).await.unwrap());
    assert!(!history(&ledger).await.pinned);
    for number in 0..40 {
        ledger.take_plugin_versions(from_file([number; 32]), None).await.unwrap();
    }
    let terms = terms(&ledger).await;
    assert_eq!((terms.len(), terms.last()), (32, Some(&([39; 32], None))));
}
