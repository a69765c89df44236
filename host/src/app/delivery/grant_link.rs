//! A sink's way to its grant: by name, for the grant may be replaced, off, or back again while the sink runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use punchcard_core::grant::{GrantStatus, LeaseId};
use punchcard_core::name::GrantName;
use punchcard_core::secret::Secret;
use tokio::sync::{OwnedMutexGuard, watch};

use super::super::grant::Grant;
use super::super::part::roster::Parts;
use crate::clock::Clock;

/// What a sink holds of its grant.
#[derive(Clone)]
pub(in crate::app) struct GrantLink {
    name: GrantName,
    parts: watch::Receiver<Arc<Parts>>,
    creation: Arc<tokio::sync::Mutex<()>>,
    /// That nobody is signed in on request, the last request has heard: the next one waits, as the contract says.
    told: Arc<AtomicBool>,
}

impl GrantLink {
    /// `parts`: those that run. `creation`: that of all sinks of the grant.
    pub(in crate::app) fn new(
        name: GrantName,
        parts: watch::Receiver<Arc<Parts>>,
        creation: Arc<tokio::sync::Mutex<()>>,
    ) -> Self {
        Self { name, parts, creation, told: Arc::default() }
    }

    /// The grant's name.
    pub(in crate::app) fn name(&self) -> &GrantName {
        &self.name
    }

    /// The grant, where it runs at this moment.
    pub(in crate::app) fn now(&self) -> Option<Arc<Grant>> {
        self.parts.borrow().grants.get(&self.name)?.as_ref().ok().cloned()
    }

    /// Waits until the grant runs.
    pub(in crate::app) async fn grant(&self) -> Arc<Grant> {
        self.other_than(None).await
    }

    /// Waits until there is a lease, and gives the grant and the token with it.
    pub(in crate::app) async fn lease(&self, clock: &Clock) -> (Arc<Grant>, LeaseId, Secret) {
        loop {
            let grant = self.grant().await;
            tokio::select! {
                (lease, token) = grant.lease(clock) => {
                    self.told.store(false, Ordering::Relaxed);
                    return (Arc::clone(&grant), lease, token);
                }
                _ = self.other_than(Some(&grant)) => {}
            }
        }
    }

    /// Waits until the grant is signed out that was not so before. Where nobody is signed in from the beginning, whoever waits
    /// for a lease waits for a person; but of a grant on request, that is said once, and at once.
    pub(super) async fn signed_out(&self) {
        let grant = self.grant().await;
        let mut standing = grant.standing();
        if grant.is_on_request() && !self.told.load(Ordering::Relaxed) {
            let is_without = |now: &GrantStatus| {
                matches!(now, GrantStatus::SignedOut | GrantStatus::AwaitingPerson { .. } | GrantStatus::Blocked(_))
            };
            if standing.wait_for(is_without).await.is_err() {
                std::future::pending::<()>().await;
            }
            self.told.store(true, Ordering::Relaxed);
            return;
        }
        let is_out = |standing: &GrantStatus| *standing == GrantStatus::SignedOut;
        let was_in = standing.wait_for(|now| !is_out(now) && *now != GrantStatus::Starting).await.is_ok();
        if !was_in || standing.wait_for(is_out).await.is_err() {
            // Its keeper has ended; another one takes its place.
            std::future::pending::<()>().await;
        }
    }

    /// Waits until no other sink of the grant is making its destination ready. The turn lasts until it is dropped.
    pub(super) async fn turn_to_create(&self) -> OwnedMutexGuard<()> {
        self.grant().await;
        Arc::clone(&self.creation).lock_owned().await
    }

    /// The sign-ins so far.
    pub(super) fn sign_ins(&self) -> SignIns {
        let of = self.now();
        let count = of.as_ref().map_or(0, |grant| *grant.sign_ins().borrow());
        SignIns { of, count }
    }

    /// Waits until a person has signed in once more than `seen` says, or the grant is another. `seen` is then up to date.
    pub(super) async fn next_sign_in(&self, seen: &mut SignIns) {
        let grant = self.grant().await;
        let mut sign_ins = grant.sign_ins();
        let known = seen.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, &grant));
        if !known {
            // What a person did for another grant under this name is no reason to try again.
            *seen = SignIns { of: Some(Arc::clone(&grant)), count: *sign_ins.borrow() };
        }
        let count = seen.count;
        let signed_in = async {
            match sign_ins.wait_for(|now| *now != count).await.map(|now| *now) {
                Ok(now) => now,
                // Its keeper has ended.
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            now = signed_in => seen.count = now,
            _ = self.other_than(Some(&grant)) => {}
        }
    }

    async fn other_than(&self, known: Option<&Arc<Grant>>) -> Arc<Grant> {
        let mut parts = self.parts.clone();
        loop {
            let grant = parts.borrow_and_update().grants.get(&self.name).and_then(|grant| grant.clone().ok());
            if let Some(grant) = grant.filter(|grant| known.is_none_or(|known| !Arc::ptr_eq(known, grant))) {
                return grant;
            }
            if parts.changed().await.is_err() {
                // The device ends, and with it this task.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// The sign-ins that a sink has heard of.
#[derive(Default)]
pub(super) struct SignIns {
    of: Option<Arc<Grant>>,
    count: u64,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::future::ready;

    use punchcard_core::config::Configuration;
    use tokio::sync::{Semaphore, mpsc};

    use super::super::super::fixture::Fixture;
    use super::super::super::listing::Lists;
    use super::super::super::part::Site;
    use super::super::super::sensor::lender::Buses;
    use super::*;
    use crate::hardware::Hardware;

    /// The turn, where it comes at once.
    async fn turn_now(link: &GrantLink) -> Option<OwnedMutexGuard<()>> {
        tokio::select! {
            biased;
            turn = link.turn_to_create() => Some(turn),
            () = ready(()) => None,
        }
    }

    #[tokio::test]
    async fn only_who_was_signed_in_is_signed_out() {
        let name = GrantName::parse("door").unwrap();
        let grant = Arc::new(Grant::idle("door").0);
        let mut parts = Parts::none_yet(Arc::new(Configuration::default()));
        parts.grants.insert(name.clone(), Ok(Arc::clone(&grant)));
        let (_running, parts) = watch::channel(Arc::new(parts));
        let link = GrantLink::new(name, parts, Arc::default());
        let mut signed_out = std::pin::pin!(link.signed_out());
        let mut is_heard = async || {
            tokio::select! {
                biased;
                () = &mut signed_out => true,
                () = ready(()) => false,
            }
        };
        assert!(!is_heard().await, "it has not begun");
        grant.show(GrantStatus::SignedOut);
        assert!(!is_heard().await, "a person is waited for");
        grant.show(GrantStatus::Renewing);
        assert!(!is_heard().await);
        grant.show(GrantStatus::SignedOut);
        assert!(is_heard().await);
    }

    #[tokio::test]
    async fn of_a_grant_on_request_it_is_said_at_once_that_nobody_is_signed_in_and_once() {
        let name = GrantName::parse("door").unwrap();
        let grant = Arc::new(Grant::idle_on_request("door"));
        let mut parts = Parts::none_yet(Arc::new(Configuration::default()));
        parts.grants.insert(name.clone(), Ok(Arc::clone(&grant)));
        let (_running, parts) = watch::channel(Arc::new(parts));
        let link = GrantLink::new(name, parts, Arc::default());
        let is_heard = async || {
            tokio::select! {
                biased;
                () = link.signed_out() => true,
                () = ready(()) => false,
            }
        };
        grant.show(GrantStatus::Starting);
        assert!(!is_heard().await, "nothing is known yet");
        grant.show(GrantStatus::SignedOut);
        assert!(is_heard().await);
        assert!(!is_heard().await, "the request that is repeated waits");
    }

    #[tokio::test]
    async fn one_sink_of_a_grant_at_a_time_makes_its_destination_ready() {
        let fixture = Fixture::new();
        let mut parts = Parts::none_yet(Arc::new(Configuration::default()));
        for name in ["door", "shed"] {
            parts.grants.insert(GrantName::parse(name).unwrap(), Ok(Arc::new(Grant::idle(name).0)));
        }
        let (_running, parts) = watch::channel(Arc::new(parts));
        let site = Site {
            vault: Err(String::new()),
            http: Err(String::new()),
            ledger: fixture.ledger.clone(),
            clock: fixture.clock.clone(),
            time: fixture.time.clone(),
            display: fixture.display.clone(),
            troubles: fixture.troubles.clone(),
            buses: Arc::new(Buses::new(Hardware::of_kernel())),
            polling: Arc::new(Semaphore::new(1)),
            lists: watch::channel(Lists::new()).0,
            said: mpsc::unbounded_channel().0,
            delivered: mpsc::unbounded_channel().0,
            parts: parts.clone(),
            paused: BTreeSet::new(),
            creations: std::sync::Mutex::default(),
        };
        let link = |name: &str| {
            let name = GrantName::parse(name).unwrap();
            let creation = site.creation(&name);
            GrantLink::new(name, parts.clone(), creation)
        };
        let (one, another, of_other_grant) = (link("door"), link("door"), link("shed"));
        let turn = turn_now(&one).await;
        assert!(turn.is_some());
        assert!(turn_now(&another).await.is_none(), "it would make a second file of the same title");
        assert!(turn_now(&of_other_grant).await.is_some(), "which has an account of its own");
        drop(turn);
        assert!(turn_now(&another).await.is_some());
    }
}
