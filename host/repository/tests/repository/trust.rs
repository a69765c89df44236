//! What was seen once is not forgotten: no older repository is believed, whatever happens in between.

use punchcard_repository::{Clock, RefreshError, TrustState, Versions};
use tough::schema::RoleType;

use super::maker::{Edition, Maker, PLUGIN, attempt, in_days, now, refusal};

fn versions(trust: &TrustState) -> [u64; 4] {
    let Versions { root, timestamp, snapshot, targets } = trust.versions();
    [root, timestamp, snapshot, targets].map(Option::unwrap_or_default)
}

#[tokio::test]
async fn a_repository_is_read_and_what_it_offers_is_fetched() {
    let maker = Maker::new().await;
    let attempt = attempt(maker.shipped(), maker.mirror(), Clock::Known(now())).await;
    assert_eq!(versions(&attempt.trust), [1, 1, 1, 1]);
    let catalogue = attempt.outcome.unwrap();
    assert_eq!(catalogue.offers.iter().map(|offer| offer.name.as_str()).collect::<Vec<_>>(), [PLUGIN]);
    assert_eq!(catalogue.download(PLUGIN).await.unwrap(), b"version 1");
    let missing = catalogue.download("other.wasm").await.unwrap_err().to_string();
    assert_eq!(missing, "the repository offers no `other.wasm`");
}

#[tokio::test]
async fn an_older_repository_is_refused_however_well_it_is_signed() {
    // What is older: targets, snapshot or timestamp.
    let table = [([1, 1, 1], "timestamp"), ([1, 1, 3], "snapshot"), ([1, 3, 3], "targets"), ([2, 2, 1], "timestamp")];
    for (older, what) in table {
        let maker = Maker::new().await;
        maker.publish(Edition::of(2)).await;
        let seen = attempt(maker.shipped(), maker.mirror(), Clock::Known(now())).await;
        assert!(seen.outcome.is_ok());
        maker.publish(Edition { versions: older, ..Edition::of(1) }).await;
        let after = attempt(seen.trust.clone(), maker.mirror(), Clock::Known(now())).await;
        assert!(matches!(after.outcome, Err(RefreshError::Refused(_))), "{older:?}: {:?}", after.outcome);
        assert!(refusal(&after).to_lowercase().contains(what), "{older:?}: {}", refusal(&after));
        let trusted = versions(&after.trust);
        assert!(
            trusted.iter().zip(versions(&seen.trust)).all(|(now, before)| *now >= before),
            "{older:?}: {trusted:?}"
        );
    }
}

#[tokio::test]
async fn the_same_timestamp_with_other_content_is_not_believed() {
    let maker = Maker::new().await;
    let seen = attempt(maker.shipped(), maker.mirror(), Clock::Known(now())).await;
    maker.publish(Edition { versions: [2, 2, 1], ..Edition::of(2) }).await;
    let again = attempt(seen.trust.clone(), maker.mirror(), Clock::Known(now())).await;
    assert_eq!(again.trust, seen.trust);
    assert_eq!(again.outcome.unwrap().download(PLUGIN).await.unwrap(), b"version 1");
}

#[tokio::test]
async fn what_is_stored_are_the_bytes_that_came() {
    let maker = Maker::new().await;
    let odd = format!("{} \n\n", std::fs::read_to_string(maker.file("timestamp.json")).unwrap());
    std::fs::write(maker.file("timestamp.json"), &odd).unwrap();
    let attempt = attempt(maker.shipped(), maker.mirror(), Clock::Known(now())).await;
    assert_eq!(attempt.trust.timestamp.unwrap(), odd.as_bytes());
    let stored = std::fs::read(maker.file("1.targets.json")).unwrap();
    assert_eq!(attempt.trust.targets.unwrap(), stored);
}

/// The stored root counts, and the shipped one only the first time: whoever has the old key is not believed again.
#[tokio::test]
async fn an_old_key_is_not_believed_once_it_was_replaced() {
    let mut maker = Maker::new().await;
    let old = maker.shipped();
    let kept: Vec<_> = ["timestamp.json", "1.snapshot.json", "1.targets.json"]
        .map(|name| (name, std::fs::read(maker.file(name)).unwrap()))
        .into();
    maker.rotate(&[RoleType::Root, RoleType::Timestamp, RoleType::Snapshot, RoleType::Targets]).await;
    maker.publish(Edition::of(2)).await;
    let seen = attempt(old.clone(), maker.mirror(), Clock::Known(now())).await;
    assert_eq!(versions(&seen.trust), [2, 2, 2, 2]);

    // A mirror that hides the new root, and serves what the old keys signed.
    std::fs::remove_file(maker.file("2.root.json")).unwrap();
    for (name, bytes) in kept {
        std::fs::write(maker.file(name), bytes).unwrap();
    }
    let hidden = attempt(seen.trust.clone(), maker.mirror(), Clock::Known(now())).await;
    assert!(matches!(hidden.outcome, Err(RefreshError::Refused(_))), "{:?}", hidden.outcome);
    assert_eq!(hidden.trust, seen.trust);
    assert!(attempt(old, maker.mirror(), Clock::Known(now())).await.outcome.is_ok(), "the test proves nothing");
}

#[tokio::test]
async fn a_root_is_kept_from_an_attempt_that_failed_later() {
    let mut maker = Maker::new().await;
    let seen = attempt(maker.shipped(), maker.mirror(), Clock::Known(now())).await;
    maker.rotate(&[RoleType::Targets]).await;
    maker.publish(Edition::of(2)).await;
    std::fs::remove_file(maker.file("2.snapshot.json")).unwrap();
    let failed = attempt(seen.trust, maker.mirror(), Clock::Known(now())).await;
    assert_eq!(refusal(&failed), "the repository can't be read: there is no metadata/2.snapshot.json");
    assert_eq!(versions(&failed.trust), [2, 2, 1, 1]);
}

#[tokio::test]
async fn a_device_that_was_away_follows_every_root() {
    let mut maker = Maker::new().await;
    let seen = attempt(maker.shipped(), maker.mirror(), Clock::Known(now())).await;
    for _ in 0..5 {
        maker.rotate(&[RoleType::Root, RoleType::Targets, RoleType::Timestamp]).await;
    }
    maker.publish(Edition::of(9)).await;
    let back = attempt(seen.trust, maker.mirror(), Clock::Known(now())).await;
    assert_eq!(versions(&back.trust), [6, 9, 9, 9]);
    assert_eq!(back.outcome.unwrap().download(PLUGIN).await.unwrap(), b"version 9");
}

#[tokio::test]
async fn versions_that_a_thief_pushed_far_ahead_are_forgotten_with_the_key() {
    // Whose key is new, and the versions of targets, snapshot and timestamp after that.
    let table = [
        (&[RoleType::Timestamp, RoleType::Snapshot][..], [2, 2, 2]),
        (&[RoleType::Snapshot], [2, 1001, 1001]),
        (&[RoleType::Timestamp], [1001, 1001, 2]),
    ];
    for (roles, after) in table {
        let mut maker = Maker::new().await;
        maker.publish(Edition::of(1000)).await;
        let seen = attempt(maker.shipped(), maker.mirror(), Clock::Known(now())).await;
        assert_eq!(versions(&seen.trust), [1, 1000, 1000, 1000]);
        let edition = Edition { versions: after, ..Edition::of(2) };
        maker.publish(edition.clone()).await;
        let refused = attempt(seen.trust.clone(), maker.mirror(), Clock::Known(now())).await;
        assert!(refused.outcome.is_err(), "{roles:?} was not needed");
        maker.rotate(roles).await;
        maker.publish(edition).await;
        let back = attempt(seen.trust, maker.mirror(), Clock::Known(now())).await;
        let [targets, snapshot, timestamp] = after;
        assert_eq!(versions(&back.trust), [2, timestamp, snapshot, targets], "{roles:?}");
        assert!(back.outcome.is_ok(), "{roles:?}: {:?}", back.outcome);
    }
}

#[tokio::test]
async fn trust_that_is_damaged_lets_nothing_through() {
    let maker = Maker::new().await;
    let mut trust = maker.shipped();
    trust.root.truncate(trust.root.len() / 2);
    let attempt = attempt(trust.clone(), maker.mirror(), Clock::Known(now())).await;
    assert!(matches!(attempt.outcome, Err(RefreshError::Refused(_))), "{:?}", attempt.outcome);
    assert_eq!(attempt.trust.root, trust.root);
}

/// Also where the attempt that brought the new root failed or came upon something expired: the next one would not see that
/// the keys are others.
#[tokio::test]
async fn what_a_new_root_gave_up_stays_given_up() {
    for is_expired in [false, true] {
        let mut maker = Maker::new().await;
        maker.publish(Edition::of(1000)).await;
        let seen = attempt(maker.shipped(), maker.mirror(), Clock::Known(now())).await;
        maker.rotate(&[RoleType::Timestamp]).await;
        maker.publish(Edition { expires: [in_days(300), in_days(300), in_days(-1)], ..Edition::of(2) }).await;
        if !is_expired {
            std::fs::remove_file(maker.file("timestamp.json")).unwrap();
        }
        let failed = attempt(seen.trust, maker.mirror(), Clock::Known(now())).await;
        assert_eq!(matches!(failed.outcome, Err(RefreshError::Expired { .. })), is_expired, "{:?}", failed.outcome);
        assert_eq!(versions(&failed.trust), [2, 0, 0, 1000], "{is_expired}");
    }
}
