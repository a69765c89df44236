//! Grants at work: one keeper for each drives its policy, and hands the lease to those who wait for it.
//!
//! What always holds here: the policy's state is durable before anything of its answer is done; what an answer brings is in
//! the token storage before the policy sees the answer, which then holds no secret; what it forgets is erased before its
//! next directive, and again after a crash between the two; never two requests of one grant's policy at once.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use punchcard_core::config::grant::SignIn;
use punchcard_core::grant::{GrantStatus, LeaseId};
use punchcard_core::name::{GrantName, SlotName};
use punchcard_core::pace::{Departure, Pace};
use punchcard_core::plugin::auth::Prompt;
use punchcard_core::reach::Prefix;
use punchcard_core::request::Reach;
use punchcard_core::secret::Secret;
use tokio::sync::{mpsc, watch};
use tracing::warn;

use super::timer::sleep_until;
use crate::browser::Desk;
use crate::clock::Clock;
use crate::vault::{Accounts, Slots};

mod fetching;
mod keeper;
mod reception;

pub use fetching::FetchError;
pub(super) use keeper::{GrantKeeper, Surroundings};
use reception::OpenDesk;

/// The slot that a lease is for.
const ACCESS_TOKEN: &str = "access-token";

/// What is asked of a keeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GrantCommand {
    /// A person wants to sign in, or to try again.
    SignIn,
    /// The same, with a browser that comes back to a loopback address of the device.
    SignInByLoopback,
    /// A person wants to sign out.
    SignOut {
        /// And to give the grant up for every device that shares it.
        revoke: bool,
    },
    /// A person accepts the account that was signed in with.
    AcceptAccount,
    /// A server answered 401.
    Refused(LeaseId),
    /// End, once the request that is under way is answered.
    Stop,
}

/// A grant, as those see it who ask for its lease.
pub(super) struct Grant {
    /// Its name.
    pub(super) name: GrantName,
    audience_key: String,
    audience: Vec<Prefix>,
    standing: watch::Sender<GrantStatus>,
    /// How often a person signed in since the start.
    sign_ins: watch::Sender<u64>,
    asks: mpsc::UnboundedSender<GrantCommand>,
    /// The lease that a server refused last. Its keeper may hear of that only after a request of its policy.
    refused: Mutex<Option<LeaseId>>,
    /// None until the storage has been read.
    slots: Mutex<Option<Slots>>,
    damage: Mutex<Option<String>>,
    /// When a person let the device in, in Unix microseconds, where that is known.
    granted_at: Mutex<Option<i64>>,
    /// When its policy goes on by itself, in milliseconds of the monotonic clock; 0 while it is at work, `None` where it rests.
    goes_on_at_ms: Mutex<Option<u64>>,
    /// A request of its policy bore the refresh token.
    has_sent_refresh_token: AtomicBool,
    pace: Mutex<Pace>,
    /// Whether the only copy of what a server gave is being stored.
    storing: watch::Sender<bool>,
    sign_in: SignIn,
    /// What a person's browser calls the device, where plugins.toml says it.
    browser: Option<String>,
    /// Where a person's visit is answered, while one is under way.
    desk: OpenDesk,
}

impl Grant {
    /// Where it stands, whenever that changes.
    #[must_use]
    pub(super) fn standing(&self) -> watch::Receiver<GrantStatus> {
        self.standing.subscribe()
    }

    /// Whether nobody is asked to sign in before a person wants it: whoever uses the grant runs without it until then.
    pub(super) fn is_on_request(&self) -> bool {
        self.sign_in == SignIn::OnRequest
    }

    /// Whether a prompt is of a visit by a link that a command prints: nobody before the panel can go there.
    pub(super) fn is_by_link(&self, prompt: &Prompt) -> bool {
        self.desk().is_some() && self.browser.as_ref() != Some(&prompt.url)
    }

    /// The visit of a person with a browser that is under way.
    pub(super) fn desk(&self) -> Option<Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whenever a person has signed in from now on: that may mend what a sink waits for.
    #[must_use]
    pub(super) fn sign_ins(&self) -> watch::Receiver<u64> {
        self.sign_ins.subscribe()
    }

    /// Asks its keeper for something. It is done when the policy is free.
    pub(super) fn ask(&self, ask: GrantCommand) {
        if self.asks.send(ask).is_err() {
            warn!(grant = %self.name, "its keeper has ended; the request is lost");
        }
    }

    /// Where its token may go.
    #[must_use]
    pub(super) fn audience(&self) -> Reach<'_> {
        Reach { key: &self.audience_key, prefixes: &self.audience }
    }

    /// Where it stands at this moment, for a person: a lease that has ended or was refused is being renewed.
    pub(super) fn standing_at(&self, now_ms: u64) -> GrantStatus {
        let standing = self.standing.borrow().clone().at(now_ms);
        match standing.lease(now_ms) {
            Some(lease) if self.is_refused(lease) => GrantStatus::Renewing,
            _ => standing,
        }
    }

    /// A server answered 401 to this lease's token. No request leaves with it from now on.
    pub(super) fn refuse(&self, lease: LeaseId) {
        // Where there is another lease already, this one is given to nobody any more.
        if self.standing.borrow().lease(0).is_none_or(|current| current == lease) {
            *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(lease);
        }
        self.ask(GrantCommand::Refused(lease));
    }

    fn is_refused(&self, lease: LeaseId) -> bool {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) == Some(lease)
    }

    /// Waits until there is a lease that nobody has refused, and gives the token with it.
    pub(super) async fn lease(&self, clock: &Clock) -> (LeaseId, Secret) {
        let mut standing = self.standing.subscribe();
        loop {
            let lease = standing.borrow_and_update().lease(clock.monotonic_ms());
            // The storage may hold a newer token already, which the policy has not seen yet: it will say so in a moment.
            if let Some(lease) = lease.filter(|lease| !self.is_refused(*lease))
                && let Some((version, token)) = self.token()
                && version == lease.token
            {
                return (lease, token);
            }
            // A lease ends by the clock, too, but never begins by it.
            if standing.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// What the storage keeps for this grant: all that a server could echo.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.iter().flat_map(Slots::secrets).cloned().collect()
    }

    /// Whose account it is, where a server has said.
    pub(super) fn account(&self) -> Option<String> {
        let Accounts { accepted, other } = self.accounts();
        other.or(accepted).map(|account| account.name().to_owned())
    }

    /// The account that the device used before, where a person has not accepted that it is another one now.
    pub(super) fn account_before(&self) -> Option<String> {
        let Accounts { accepted, other } = self.accounts();
        accepted.filter(|_| other.is_some()).map(|account| account.name().to_owned())
    }

    fn accounts(&self) -> Accounts {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.as_ref().map(|slots| slots.accounts().clone()).unwrap_or_default()
    }

    /// When a person let the device in, in Unix microseconds, where that is known.
    pub(super) fn granted_at(&self) -> Option<i64> {
        *self.granted_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether its policy has used the refresh token. One that signs in with a key never does.
    pub(super) fn has_sent_refresh_token(&self) -> bool {
        self.has_sent_refresh_token.load(Ordering::Relaxed)
    }

    /// That the token storage's file was set aside, where it was and nobody has signed in since.
    pub(super) fn damage(&self) -> Option<String> {
        self.damage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// When the next request leaves if those of a minute leave evenly, in milliseconds of the monotonic clock.
    pub(super) fn even_at_ms(&self) -> u64 {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner).even_at_ms()
    }

    /// Waits until nothing is being stored.
    pub(super) async fn has_stored(&self) {
        let mut storing = self.storing.subscribe();
        // An error can't be: the sender is this grant's own.
        let _stored = storing.wait_for(|storing| !storing).await;
    }

    /// The fewest requests a minute that a service of its sinks takes.
    pub(super) fn set_pace(&self, per_minute: NonZeroU32) {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner).set_limit(per_minute);
    }

    /// Waits until a request may leave within the service's pace, and counts it.
    pub(super) async fn depart(&self, clock: &Clock) {
        depart(&self.pace, clock).await;
    }

    fn token(&self) -> Option<(u64, Secret)> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slots = slots.as_ref()?;
        let version = slots.filled().into_iter().find(|slot| slot.name == ACCESS_TOKEN)?.version;
        let token = slots.get(&SlotName::parse(ACCESS_TOKEN).ok()?)?;
        Some((version, token.clone()))
    }
}

/// Waits until a request may leave within a pace, and counts it.
pub(super) async fn depart(pace: &Mutex<Pace>, clock: &Clock) {
    loop {
        let at_ms = {
            let mut pace = pace.lock().unwrap_or_else(PoisonError::into_inner);
            let now_ms = clock.monotonic_ms();
            match pace.plan(now_ms) {
                Departure::Now => {
                    pace.record(now_ms);
                    return;
                }
                Departure::At(at_ms) => at_ms,
            }
        };
        sleep_until(clock, at_ms).await;
    }
}

#[cfg(test)]
impl Grant {
    /// It stands so from now on.
    pub(super) fn show(&self, standing: GrantStatus) {
        self.standing.send_replace(standing);
    }

    /// A grant without a keeper, and what it is asked.
    pub(super) fn idle(name: &str) -> (Self, mpsc::UnboundedReceiver<GrantCommand>) {
        let (asks, inbox) = mpsc::unbounded_channel();
        let grant = Self {
            name: GrantName::parse(name).unwrap(),
            audience_key: String::new(),
            audience: Vec::new(),
            standing: watch::channel(GrantStatus::Starting).0,
            sign_ins: watch::channel(0).0,
            asks,
            refused: Mutex::new(None),
            slots: Mutex::new(None),
            damage: Mutex::new(None),
            granted_at: Mutex::new(None),
            goes_on_at_ms: Mutex::new(Some(0)),
            has_sent_refresh_token: AtomicBool::new(false),
            pace: Mutex::new(Pace::new(NonZeroU32::MIN)),
            storing: watch::channel(false).0,
            sign_in: SignIn::AtStart,
            browser: None,
            desk: OpenDesk::default(),
        };
        (grant, inbox)
    }

    /// The same of a grant on request, whom nobody asks anything.
    pub(super) fn idle_on_request(name: &str) -> Self {
        Self { sign_in: SignIn::OnRequest, ..Self::idle(name).0 }
    }
}

#[cfg(test)]
mod tests;
