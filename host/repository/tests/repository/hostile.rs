//! Publishers and mirrors that do what they should not.

use punchcard_repository::{Clock, DownloadError, Limits, RefreshError};

use super::maker::{Edition, Maker, PLUGIN, attempt, attempt_within, now, refusal};

fn target(maker: &Maker) -> std::path::PathBuf {
    let mut files = std::fs::read_dir(maker.path().join("targets")).unwrap();
    files.next().unwrap().unwrap().path()
}

#[tokio::test]
async fn a_repository_that_delegates_is_refused_with_that_reason() {
    let maker = Maker::new().await;
    maker.publish(Edition { delegates: true, ..Edition::of(2) }).await;
    let refused = attempt(maker.shipped(), maker.mirror(), Clock::Known(now())).await;
    assert_eq!(
        refusal(&refused),
        "it delegates to `team`, and delegations are not supported; sign its plugins with the key for targets"
    );
}

#[tokio::test]
async fn versions_that_do_not_belong_together_are_refused() {
    let maker = Maker::new().await;
    maker.publish(Edition::of(2)).await;
    for (name, older) in [("2.snapshot.json", "1.snapshot.json"), ("2.targets.json", "1.targets.json")] {
        let right = std::fs::read(maker.file(name)).unwrap();
        std::fs::copy(maker.file(older), maker.file(name)).unwrap();
        let refused = attempt(maker.shipped(), maker.mirror(), Clock::Known(now())).await;
        assert!(refused.outcome.is_err(), "{name} was taken");
        std::fs::write(maker.file(name), right).unwrap();
    }
    assert!(attempt(maker.shipped(), maker.mirror(), Clock::Known(now())).await.outcome.is_ok());
}

#[tokio::test]
async fn a_plugin_that_was_changed_is_refused() {
    let maker = Maker::new().await;
    let catalogue = attempt(maker.shipped(), maker.mirror(), Clock::Known(now())).await.outcome.unwrap();
    // Exchanged after it was looked at, of another size, cut off.
    for bytes in [&b"version 2"[..], b"version 1 and more", b"version"] {
        std::fs::write(target(&maker), bytes).unwrap();
        let refused = catalogue.download(PLUGIN).await;
        assert!(matches!(refused, Err(DownloadError::NotAsSigned { .. })), "{bytes:?}: {refused:?}");
    }
    std::fs::remove_file(target(&maker)).unwrap();
    let refused = catalogue.download(PLUGIN).await;
    assert!(matches!(refused, Err(DownloadError::Mirror(_))), "{refused:?}");
}

#[tokio::test]
async fn a_plugin_that_is_signed_and_too_large_is_not_fetched() {
    let maker = Maker::new().await;
    let limits = Limits { target: 8, ..Limits::default() };
    let found = attempt_within(maker.shipped(), maker.mirror(), Clock::Known(now()), &limits).await;
    let refused = found.outcome.unwrap().download(PLUGIN).await.unwrap_err().to_string();
    assert_eq!(refused, format!("`{PLUGIN}` has 9 bytes, and a plugin may have 8"));
}

#[tokio::test]
async fn names_with_folders_and_words_without_sense_are_not_offered() {
    let maker = Maker::new().await;
    maker.publish(Edition { plugins: vec![("path/to/it.wasm".into(), b"1".to_vec())], ..Edition::of(2) }).await;
    let catalogue = attempt(maker.shipped(), maker.mirror(), Clock::Known(now())).await.outcome.unwrap();
    assert_eq!(catalogue.offers, []);
    assert_eq!(catalogue.unusable.first().map(|unusable| unusable.name.as_str()), Some("path/to/it.wasm"));

    let custom = Some(serde_json::json!({ "plugin": "timeclock", "rollout": 200 }));
    maker.publish(Edition { custom, ..Edition::of(3) }).await;
    let catalogue = attempt(maker.shipped(), maker.mirror(), Clock::Known(now())).await.outcome.unwrap();
    assert_eq!(catalogue.offers, []);
    let reason = catalogue.unusable.first().map(|unusable| unusable.reason.clone()).unwrap();
    assert!(reason.starts_with("what is said of it makes no sense here: "), "{reason}");
}

#[tokio::test]
async fn roots_without_end_are_followed_a_few_at_a_time() {
    let mut maker = Maker::new().await;
    for _ in 0..10 {
        maker.rotate(&[]).await;
    }
    let limits = Limits { roots: 4, ..Limits::default() };
    let first = attempt_within(maker.shipped(), maker.mirror(), Clock::Known(now()), &limits).await;
    assert!(matches!(first.outcome, Err(RefreshError::Refused(_))), "{:?}", first.outcome);
    assert_eq!(first.trust.versions().root, Some(5));
    let second = attempt_within(first.trust, maker.mirror(), Clock::Known(now()), &limits).await;
    let third = attempt_within(second.trust, maker.mirror(), Clock::Known(now()), &limits).await;
    assert_eq!(third.trust.versions().root, Some(11));
    assert!(third.outcome.is_ok(), "{:?}", third.outcome);
}
