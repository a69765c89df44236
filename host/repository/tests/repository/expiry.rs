//! What is expired is decided by what the device knows of the time, and by nothing else.

use jiff::Timestamp;
use punchcard_repository::{Clock, Freshness, RefreshError, Role, TrustState};

use super::maker::{Edition, Maker, attempt, in_days, now, refusal};

fn changed(before: &TrustState, after: &TrustState) -> Vec<Role> {
    let roles = [Role::Root, Role::Timestamp, Role::Snapshot, Role::Targets];
    roles.into_iter().filter(|role| before.file(*role) != after.file(*role)).collect()
}

#[tokio::test]
async fn what_expired_is_not_trusted_and_what_came_before_it_is() {
    let (past, far) = (in_days(-1), in_days(300));
    // Of targets, snapshot and timestamp.
    let table = [
        ([far, far, past], Role::Timestamp, vec![]),
        ([far, past, far], Role::Snapshot, vec![Role::Timestamp]),
        ([past, far, far], Role::Targets, vec![Role::Timestamp, Role::Snapshot]),
    ];
    for (expires, role, accepted) in table {
        let maker = Maker::new().await;
        let seen = attempt(maker.shipped(), maker.mirror(), Clock::Known(now())).await;
        maker.publish(Edition { expires, ..Edition::of(2) }).await;
        let after = attempt(seen.trust.clone(), maker.mirror(), Clock::Known(now())).await;
        assert!(matches!(after.outcome, Err(RefreshError::Expired { role: found, .. }) if found == role), "{role}");
        assert_eq!(changed(&seen.trust, &after.trust), accepted, "{role}");
    }
}

#[tokio::test]
async fn an_expired_root_counts_and_nothing_under_it() {
    let mut maker = Maker::new().await;
    let seen = attempt(maker.shipped(), maker.mirror(), Clock::Known(now())).await;
    maker.renew_root(in_days(-1)).await;
    maker.publish(Edition::of(2)).await;
    let after = attempt(seen.trust.clone(), maker.mirror(), Clock::Known(now())).await;
    assert_eq!(changed(&seen.trust, &after.trust), [Role::Root]);
    assert_eq!(
        refusal(&after),
        "root.json expired on 2026-05-31 12:00:00 UTC; the publisher has to renew it, or something on the way keeps the \
         newer one back"
    );
}

#[tokio::test]
async fn an_unchanged_timestamp_that_expired_is_said() {
    let maker = Maker::new().await;
    let seen = attempt(maker.shipped(), maker.mirror(), Clock::Known(now())).await;
    let later = attempt(seen.trust.clone(), maker.mirror(), Clock::Known(in_days(15))).await;
    assert!(matches!(later.outcome, Err(RefreshError::Expired { role: Role::Timestamp, .. })), "{:?}", later.outcome);
    assert_eq!(later.trust, seen.trust);
    // No time is remembered: a clock that was wrong does no harm.
    assert!(attempt(later.trust, maker.mirror(), Clock::Known(now())).await.outcome.is_ok());
}

#[tokio::test]
async fn without_a_clock_signatures_and_versions_count_and_freshness_is_unknown() {
    let maker = Maker::new().await;
    let table = [
        (Clock::Known(now()), Some(Freshness::Until(in_days(14)))),
        (Clock::Known(in_days(15)), None),
        (Clock::NotBefore(Timestamp::UNIX_EPOCH), Some(Freshness::Unknown)),
        (Clock::NotBefore(in_days(13)), Some(Freshness::Unknown)),
        // However unknown the time is, it is past that.
        (Clock::NotBefore(in_days(15)), None),
    ];
    for (clock, freshness) in table {
        let found = attempt(maker.shipped(), maker.mirror(), clock).await;
        assert_eq!(found.outcome.ok().map(|catalogue| catalogue.freshness), freshness, "{clock:?}");
    }
    let seen = attempt(maker.shipped(), maker.mirror(), Clock::NotBefore(Timestamp::UNIX_EPOCH)).await;
    maker.publish(Edition::of(2)).await;
    let newer = attempt(seen.trust.clone(), maker.mirror(), Clock::NotBefore(Timestamp::UNIX_EPOCH)).await;
    maker.publish(Edition::of(1)).await;
    let older = attempt(newer.trust, maker.mirror(), Clock::NotBefore(Timestamp::UNIX_EPOCH)).await;
    assert!(matches!(older.outcome, Err(RefreshError::Refused(_))), "{:?}", older.outcome);
}
