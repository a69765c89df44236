use std::future::ready;

use super::*;
use crate::app::fixture::Fixture;
use crate::vault::Vault;

/// A grant, what it was asked, and the folder that has its tokens.
fn grant(fixture: &Fixture) -> (Grant, mpsc::UnboundedReceiver<GrantCommand>, Vault) {
    let (grant, inbox) = Grant::idle("door");
    (grant, inbox, Vault::open(&fixture.folder.path().join("vault")).unwrap())
}

/// The policy has this token.
fn authorize(grant: &Grant, vault: &Vault, token: &str) -> LeaseId {
    let slot = SlotName::parse(ACCESS_TOKEN).unwrap();
    let loaded = vault.store(&grant.name, vec![(slot, Secret::new(token.to_owned()))]).unwrap();
    *grant.slots.lock().unwrap() = Some(loaded.slots);
    let lease = LeaseId { token: grant.token().unwrap().0, refusals: 0 };
    grant.standing.send_replace(GrantStatus::Authorized { lease, until_ms: None, scopes: Vec::new() });
    lease
}

/// The lease that a request would leave with at once, if there is one.
async fn lease_now(grant: &Grant, clock: &Clock) -> Option<LeaseId> {
    tokio::select! {
        biased;
        (lease, _) = grant.lease(clock) => Some(lease),
        () = ready(()) => None,
    }
}

#[tokio::test]
async fn a_token_that_was_refused_leaves_with_no_other_request_even_before_the_keeper_hears_of_it() {
    let fixture = Fixture::new();
    let (grant, mut asks, vault) = grant(&fixture);
    let first = authorize(&grant, &vault, "first");
    assert_eq!(lease_now(&grant, &fixture.clock).await, Some(first));
    grant.refuse(first);
    assert_eq!(asks.try_recv(), Ok(GrantCommand::Refused(first)));
    assert_eq!(lease_now(&grant, &fixture.clock).await, None);
    assert_eq!(grant.standing_at(0), GrantStatus::Renewing, "and `status` says so");

    let second = authorize(&grant, &vault, "second");
    assert_eq!(lease_now(&grant, &fixture.clock).await, Some(second));
    grant.refuse(first);
    assert_eq!(lease_now(&grant, &fixture.clock).await, Some(second), "late news of the first say nothing of it");
    grant.refuse(second);
    assert_eq!(lease_now(&grant, &fixture.clock).await, None, "nor is the renewed one used again");
}
