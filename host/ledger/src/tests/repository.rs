//! What is believed of a repository is there in whole after a power cut, the old or the new.

use power_cut::{Loss, Recording};
use proptest::prelude::{any, prop, proptest};
use punchcard_core::name::RepositoryName;

use super::super::{PluginRelease, RepositoryTrust};
use super::*;

fn workshop() -> RepositoryName {
    RepositoryName::parse("workshop").unwrap()
}

/// Files that are much larger than a page.
fn trust(version: u8) -> RepositoryTrust {
    let file = |length: usize| vec![version; length];
    RepositoryTrust {
        began_with: format!("root-{version}"),
        root: file(2_000),
        timestamp: Some(file(500)),
        snapshot: (version > 1).then(|| file(700)),
        targets: Some(file(40_000)),
    }
}

#[tokio::test]
async fn what_is_believed_of_a_repository_outlives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    assert_eq!(ledger.repository_trust(&workshop()).await.unwrap(), None);
    for version in [1, 2, 2, 1] {
        ledger.store_repository_trust(&workshop(), trust(version)).await.unwrap();
        assert_eq!(ledger.repository_trust(&workshop()).await.unwrap(), Some(trust(version)));
    }
    ledger.close().await;
    let ledger = open(folder.path());
    assert_eq!(ledger.repository_trust(&workshop()).await.unwrap(), Some(trust(1)));
    assert_eq!(ledger.repository_trust(&RepositoryName::parse("other").unwrap()).await.unwrap(), None);
    ledger.close().await;
}

#[tokio::test]
async fn components_are_known_by_their_digests() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let release = |digest: &str, version: &str| PluginRelease {
        sha256: digest.to_owned(),
        plugin: plugin("timeclock"),
        version: version.to_owned(),
        repository: workshop(),
    };
    ledger.note_plugin_release(release("aa", "1.0.0")).await.unwrap();
    ledger.note_plugin_release(release("bb", "1.0.0")).await.unwrap();
    ledger.note_plugin_release(release("bb", "1.1.0")).await.unwrap();
    let known = ledger.plugin_releases(&plugin("timeclock")).await.unwrap();
    assert_eq!(known, [release("aa", "1.0.0"), release("bb", "1.1.0")]);
    assert_eq!(ledger.plugin_releases(&plugin("webhook")).await.unwrap(), []);
    ledger.close().await;
}

proptest! {
    #![proptest_config(cases(8))]
    /// Wherever the power is cut, what is believed is all of one attempt, and not older than what was stored last.
    #[test]
    fn a_power_cut_leaves_all_of_one_attempt(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u64>(), any::<u8>()), 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            open(folder.path()).close().await;
            let recording = Recording::start(folder.path()).unwrap();
            let ledger = open(folder.path());
            let mut stored = Vec::new();
            for version in 1..=4 {
                ledger.store_repository_trust(&workshop(), trust(version)).await.unwrap();
                stored.push((recording.len(), version));
            }
            ledger.close().await;
            for (moment, seed, share) in cuts {
                let length = moment.index(recording.len() + 1);
                let left = tempfile::tempdir().unwrap();
                for (name, content) in recording.disk_after(length).cut(Loss::ByChance { seed, share }) {
                    std::fs::write(left.path().join(name), content).unwrap();
                }
                let ledger = open(left.path());
                let found = ledger.repository_trust(&workshop()).await.unwrap();
                let version = found.as_ref().map_or(0, |found| found.root[0]);
                assert_eq!(found, (version > 0).then(|| trust(version)));
                let least = stored.iter().rev().find(|(at, _)| *at <= length).map_or(0, |(_, version)| *version);
                assert!(version >= least, "{version} of {least} that were stored");
                ledger.close().await;
            }
        });
    }
}
