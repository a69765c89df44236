//! Grants at work: one keeper for each drives its policy, and hands the lease to those who wait for it.
//!
//! What always holds here: the policy's state is durable before anything of its answer is done; what an answer brings is in
//! the token storage before the policy sees the answer, which then holds no secret; what it forgets is erased before its
//! next directive, and again after a crash between the two; never two requests of one grant's policy at once.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use punchcard_core::account::{Change, judge_account, read_account};
use punchcard_core::config;
use punchcard_core::config::grant::SignIn;
use punchcard_core::grant::{GrantStatus, Keeper, LeaseId, Plan};
use punchcard_core::http::{AuthRequest, Failure};
use punchcard_core::name::{GrantName, SlotName};
use punchcard_core::pace::{Departure, Pace};
use punchcard_core::plugin::Problem;
use punchcard_core::plugin::auth::{Outcome, Prompt, Signal, Slot};
use punchcard_core::reach::Prefix;
use punchcard_core::redact::Blanker;
use punchcard_core::request::{Prepared, Reach, Signing, plan_authentication};
use punchcard_core::secret::Secret;
use punchcard_core::visit::Answer;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tracing::{debug, error, warn};

use super::error_chain::chain;
use super::known_time::KnownTime;
use super::timer::{sleep_until, wait_until};
use crate::browser::Desk;
use crate::clock::Clock;
use crate::http::Http;
use crate::signature::sign;
use crate::vault::{Accounts, Loaded, Slots, Vault};
use punchcard_ledger::{Ledger, RememberedGrant};
use punchcard_sandbox::AuthPolicy;

mod reception;
use reception::{OpenDesk, Reception};
mod fetching;
pub use fetching::FetchError;

/// The slot that a lease is for.
const ACCESS_TOKEN: &str = "access-token";
/// The slot of what gets the next one.
const REFRESH_TOKEN: &str = "refresh-token";
/// The slot of what says whose account it is.
const ID_TOKEN: &str = "id-token";
/// The slots that a person's browser fills.
const AUTHORIZATION_CODE: &str = "authorization-code";
const CODE_VERIFIER: &str = "code-verifier";
/// Requests of a policy in a minute, at most. A sign-in polls every 5 s.
const POLICY_REQUESTS: NonZeroU32 = NonZeroU32::new(60).unwrap();
/// Milliseconds after which what the policy remembers is read again.
const RECALL_AGAIN_MS: u64 = 10_000;
/// Milliseconds after which storing is tried again.
const STORE_AGAIN_MS: u64 = 10_000;

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

/// What drives one grant's policy.
pub(super) struct GrantKeeper {
    grant: Arc<Grant>,
    asks: mpsc::UnboundedReceiver<GrantCommand>,
    stopping: bool,
    keeper: Keeper,
    policy: AuthPolicy,
    settings: String,
    reach_key: String,
    reach: Vec<Prefix>,
    /// From plugins.toml: the client's secret and the like.
    configured: BTreeMap<SlotName, Secret>,
    /// What the policy wanted forgotten and could not be erased yet. Nothing else is done before it is.
    unerased: Vec<String>,
    /// Of the policy's own requests.
    requests: Mutex<Pace>,
    reception: Reception,
    /// A person was asked to sign in, and has not been let in yet.
    is_awaited: bool,
    /// A person has let the device in by accepting an account, which was not kept yet.
    is_let_in: bool,
    time: KnownTime,
    vault: Arc<Vault>,
    ledger: Ledger,
    http: Arc<Http>,
    clock: Clock,
}

/// What a keeper works with, besides its policy.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) vault: Arc<Vault>,
    pub(super) ledger: Ledger,
    pub(super) http: Arc<Http>,
    pub(super) clock: Clock,
    pub(super) time: KnownTime,
}

impl GrantKeeper {
    /// Prepares a grant's keeper. Nothing happens before [`GrantKeeper::run`].
    pub(super) fn new(
        name: &GrantName,
        configured: &config::grant::Grant,
        secrets: BTreeMap<SlotName, Secret>,
        policy: AuthPolicy,
        surroundings: Surroundings,
    ) -> (Arc<Grant>, Self) {
        let (asks, inbox) = mpsc::unbounded_channel();
        let Surroundings { vault, ledger, http, clock, time } = surroundings;
        let grant = Arc::new(Grant {
            name: name.clone(),
            audience_key: format!("grants.{name}.audience"),
            audience: configured.audience.clone(),
            standing: watch::channel(GrantStatus::Starting).0,
            sign_ins: watch::channel(0).0,
            asks,
            refused: Mutex::new(None),
            slots: Mutex::new(None),
            damage: Mutex::new(None),
            granted_at: Mutex::new(None),
            goes_on_at_ms: Mutex::new(Some(0)),
            has_sent_refresh_token: AtomicBool::new(false),
            pace: Mutex::new(Pace::new(NonZeroU32::MAX)),
            storing: watch::channel(false).0,
            sign_in: configured.sign_in,
            browser: configured.browser.as_ref().map(|it| it.address.as_str().trim_end_matches('/').to_owned()),
            desk: OpenDesk::default(),
        });
        let keeper = Self {
            grant: Arc::clone(&grant),
            asks: inbox,
            stopping: false,
            keeper: Keeper::new(configured.sign_in),
            policy,
            settings: configured.settings.to_json(),
            reach_key: format!("grants.{name}.reach"),
            reach: configured.reach.clone(),
            configured: secrets,
            unerased: Vec::new(),
            requests: Mutex::new(Pace::new(POLICY_REQUESTS)),
            reception: Reception::new(name.clone(), configured.browser.clone(), Arc::clone(&grant.desk), clock.clone()),
            is_awaited: false,
            is_let_in: false,
            time,
            vault,
            ledger,
            http,
            clock,
        };
        (grant, keeper)
    }

    /// Keeps the grant until it is told to stop.
    pub(super) async fn run(mut self) {
        let Some(mut state) = self.recall().await else { return };
        if !self.has_token() {
            self.keeper.note_no_token();
            self.publish();
        }
        loop {
            while let Ok(ask) = self.asks.try_recv() {
                self.take(ask);
            }
            if std::mem::take(&mut self.is_let_in) {
                self.note_granted().await;
            }
            if self.stopping {
                // Another version may take its place, and would know no more than that something was asked.
                if let Some(signal) = self.keeper.unheard_answer() {
                    // What this one would ask next is for the next one to ask.
                    drop(self.step(&mut state, signal).await);
                }
                return;
            }
            match self.keeper.plan(self.clock.monotonic_ms()) {
                Plan::Step(signal) => {
                    if let Some(request) = self.step(&mut state, signal).await {
                        let signal = self.perform(&request).await;
                        self.keeper.answered(signal);
                    }
                }
                Plan::WaitUntil(until_ms) => self.wait(Some(until_ms)).await,
                Plan::Rest => self.wait(None).await,
            }
        }
    }

    /// Waits until something is asked, and for no longer than until then.
    async fn wait(&mut self, until_ms: Option<u64>) {
        tokio::select! {
            () = wait_until(&self.clock, until_ms) => {}
            ask = self.asks.recv() => match ask {
                Some(ask) => self.take(ask),
                None => self.stopping = true,
            },
            answer = self.reception.answer() => self.take_answer(answer).await,
        }
    }

    fn take(&mut self, ask: GrantCommand) {
        match ask {
            GrantCommand::SignIn => self.keeper.ask(Signal::SignIn),
            GrantCommand::SignInByLoopback => {
                self.reception.listen_on_loopback();
                self.keeper.ask(Signal::SignIn);
            }
            GrantCommand::SignOut { revoke } => self.keeper.ask(Signal::SignOut { revoke }),
            GrantCommand::Refused(lease) => {
                if self.keeper.refuse(lease) {
                    self.publish();
                }
            }
            GrantCommand::AcceptAccount => self.accept_account(),
            GrantCommand::Stop => self.stopping = true,
        }
    }

    /// A person accepts the account that was signed in with. Where that can't be stored, nothing has changed.
    fn accept_account(&mut self) {
        let Accounts { other: Some(account), .. } = self.grant.accounts() else { return };
        let accounts = Accounts { accepted: Some(account), other: None };
        match self.vault.store_as(&self.grant.name, Vec::new(), Some(accounts)) {
            Ok(loaded) => self.hold(loaded),
            Err(error) => error!(grant = %self.grant.name, reason = chain(error), "the account can't be stored"),
        }
        self.is_let_in |= self.publish();
    }

    /// Whose account the answer says it is, where it does. The policy has no use for the token that says so, and may forget it.
    fn judge_account(&self, brought: &[(SlotName, Secret)]) -> Option<Accounts> {
        let (_, token) = brought.iter().find(|(slot, _)| slot.as_str() == ID_TOKEN)?;
        let Accounts { accepted, .. } = self.grant.accounts();
        Some(match judge_account(accepted.as_ref(), read_account(token).as_ref()) {
            Change::Same => Accounts { accepted, other: None },
            Change::Accept(account) => Accounts { accepted: Some(account), other: None },
            Change::Another(account) => Accounts { accepted, other: Some(account) },
            Change::Unknown => return None,
        })
    }

    /// What a person's browser brought. It is durable before the policy hears of it.
    async fn take_answer(&mut self, answer: Answer) {
        let signal = match answer {
            Answer::Code { code, verifier, redirect_uri } => {
                let slots = [(AUTHORIZATION_CODE, code), (CODE_VERIFIER, verifier)];
                let brought =
                    slots.into_iter().filter_map(|(slot, secret)| Some((SlotName::parse(slot).ok()?, secret)));
                self.store(&brought.collect::<Vec<_>>()).await;
                Signal::Returned { redirect_uri }
            }
            Answer::TurnedAway(refusal) => Signal::TurnedAway(refusal),
        };
        self.keeper.ask(signal);
    }

    /// What the policy remembers, once what it wanted forgotten before a crash is. `None`: it was told to stop.
    async fn recall(&mut self) -> Option<Vec<u8>> {
        loop {
            match self.try_recall().await {
                Ok(state) => return Some(state),
                Err(reason) => {
                    let now_ms = self.clock.monotonic_ms();
                    self.fail(reason, now_ms);
                    while !self.stopping && self.clock.monotonic_ms() < now_ms + RECALL_AGAIN_MS {
                        self.wait(Some(now_ms + RECALL_AGAIN_MS)).await;
                    }
                    if self.stopping {
                        return None;
                    }
                }
            }
        }
    }

    async fn try_recall(&mut self) -> Result<Vec<u8>, String> {
        let remembered = self.ledger.grant(&self.grant.name).await.map_err(chain)?;
        let granted_at = self.ledger.granted_at(&self.grant.name).await.map_err(chain)?;
        *self.grant.granted_at.lock().unwrap_or_else(PoisonError::into_inner) = granted_at;
        self.unerased = remembered.forget;
        self.erase()?;
        self.hold(self.vault.load(&self.grant.name).map_err(chain)?);
        Ok(remembered.state)
    }

    /// One step of the policy. What it wants to be sent is returned when everything before it is done.
    async fn step(&mut self, state: &mut Vec<u8>, signal: Signal) -> Option<AuthRequest> {
        match self.try_step(state, signal).await {
            Ok(outcome) => {
                let token = self.grant.token().map(|(version, _)| version);
                let status = match self.keeper.is_unwanted(&outcome.status) {
                    true => outcome.status,
                    false => self.reception.receive(outcome.status, &self.reach).await,
                };
                let request = self.keeper.stepped(status, outcome.next, token, self.clock.monotonic_ms());
                let goes_on_at_ms = if request.is_some() { Some(0) } else { self.keeper.goes_on_at_ms() };
                *self.grant.goes_on_at_ms.lock().unwrap_or_else(PoisonError::into_inner) = goes_on_at_ms;
                if self.publish() {
                    self.note_granted().await;
                }
                request
            }
            Err(reason) => {
                self.fail(reason, self.clock.monotonic_ms());
                None
            }
        }
    }

    /// Keeps when a person let the device in. Nothing hangs on it: where the disk refuses, it is not known later.
    async fn note_granted(&self) {
        let now = self.time.now(&self.clock);
        let at = now.is_known().then_some(now.wall.unix_micros);
        *self.grant.granted_at.lock().unwrap_or_else(PoisonError::into_inner) = at;
        if let Err(error) = self.ledger.note_granted(&self.grant.name, at).await {
            warn!(grant = %self.grant.name, reason = chain(error), "when a person signed in is not kept");
        }
    }

    async fn try_step(&mut self, state: &mut Vec<u8>, signal: Signal) -> Result<Outcome, String> {
        self.erase()?;
        let filled = self.filled_slots();
        let context = self.clock.context();
        let outcome = self
            .policy
            .step(&self.settings, state.clone(), signal, filled, &context)
            .await
            .map_err(|error| error.to_string())?;
        let remembered = RememberedGrant { state: outcome.state.clone(), forget: outcome.forget.clone() };
        self.ledger.store_grant(&self.grant.name, remembered).await.map_err(chain)?;
        state.clone_from(&outcome.state);
        self.unerased.clone_from(&outcome.forget);
        self.erase()?;
        Ok(outcome)
    }

    async fn perform(&mut self, request: &AuthRequest) -> Signal {
        match self.try_perform(request).await {
            Ok(signal) => signal,
            Err(failure) => {
                debug!(grant = %self.grant.name, %failure, "a request of the policy failed");
                Signal::Failed(failure)
            }
        }
    }

    /// Sends a request of the policy. The secrets of the answer are durable when this returns.
    async fn try_perform(&mut self, request: &AuthRequest) -> Result<Signal, Failure> {
        let prepared = self.prepare(request).await?;
        depart(&self.requests, &self.clock).await;
        if request.bears(REFRESH_TOKEN) {
            self.grant.has_sent_refresh_token.store(true, Ordering::Relaxed);
        }
        let mut known: Vec<Secret> = self.secrets();
        known.extend(prepared.minted().iter().cloned());
        let (answer, brought) = match self.http.perform(&prepared).await {
            Ok(answer) => answer.take_secrets(),
            Err(failure) => return Err(Blanker::new(&known.iter().collect::<Vec<_>>()).blank_failure(failure)),
        };
        if !brought.is_empty() {
            known.extend(brought.iter().map(|(_, secret)| secret.clone()));
            self.store(&brought).await;
        }
        Ok(Signal::Responded(answer.blank(&Blanker::new(&known.iter().collect::<Vec<_>>()))))
    }

    /// Builds a request. A signature takes a small board tens of milliseconds: it is made on a thread where nothing else waits,
    /// with copies of the secrets, so that nobody waits for the slots meanwhile.
    async fn prepare(&self, request: &AuthRequest) -> Result<Prepared<'static>, Failure> {
        let now = self.time.now(&self.clock);
        let now = now.is_known().then(|| now.wall.unix_micros.div_euclid(1_000_000));
        let (request, configured) = (request.clone(), self.configured.clone());
        let (key, prefixes) = (self.reach_key.clone(), self.reach.clone());
        let slots = self.grant.slots.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let prepared = spawn_blocking(move || {
            let reach = Reach { key: &key, prefixes: &prefixes };
            let filled = |name: &SlotName| configured.get(name).or_else(|| slots.as_ref()?.get(name));
            plan_authentication(&request, reach, filled, Signing { now, sign: &sign })
        });
        let lost = |_| Failure::Unsent("the request could not be built, by a defect of this program".to_owned());
        prepared.await.map_err(lost)?
    }

    /// Stores what an answer brought, however long that takes: the server may have given up the old refresh token for it.
    async fn store(&mut self, brought: &[(SlotName, Secret)]) {
        self.grant.storing.send_replace(true);
        self.try_to_store(brought).await;
        self.grant.storing.send_replace(false);
    }

    async fn try_to_store(&mut self, brought: &[(SlotName, Secret)]) {
        // Together with the tokens: after a power cut nobody would know that they are of another account.
        let accounts = self.judge_account(brought);
        loop {
            match self.vault.store_as(&self.grant.name, brought.to_vec(), accounts.clone()) {
                Ok(loaded) => {
                    self.hold(loaded);
                    // A code is no sign-in yet.
                    if brought.iter().any(|(slot, _)| slot.as_str() == ACCESS_TOKEN) {
                        *self.grant.damage.lock().unwrap_or_else(PoisonError::into_inner) = None;
                    }
                    return;
                }
                Err(error) => {
                    let reason = format!("the tokens can't be stored: {}", chain(error));
                    error!(grant = %self.grant.name, reason, "it is tried again");
                    self.keeper.note_trouble(reason);
                    self.publish();
                    sleep_until(&self.clock, self.clock.monotonic_ms() + STORE_AGAIN_MS).await;
                }
            }
        }
    }

    /// Erases what the policy wanted forgotten.
    fn erase(&mut self) -> Result<(), String> {
        let names: Vec<SlotName> = self.unerased.iter().filter_map(|slot| SlotName::parse(slot).ok()).collect();
        if !names.is_empty() {
            let loaded = self.vault.forget(&self.grant.name, &names).map_err(chain)?;
            self.hold(loaded);
        }
        self.unerased.clear();
        Ok(())
    }

    /// Whether the storage holds a token of the grant.
    fn has_token(&self) -> bool {
        let slots = self.grant.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let is_token = |slot: Slot| slot.name == ACCESS_TOKEN || slot.name == REFRESH_TOKEN;
        slots.iter().flat_map(Slots::filled).any(is_token)
    }

    /// All secrets that a server of this grant could echo.
    fn secrets(&self) -> Vec<Secret> {
        self.configured.values().cloned().chain(self.grant.secrets()).collect()
    }

    fn filled_slots(&self) -> Vec<Slot> {
        let slots = self.grant.slots.lock().unwrap_or_else(PoisonError::into_inner);
        // What plugins.toml gives does not change while the host runs: its version is always the first.
        let configured = self.configured.keys().map(|name| Slot { name: name.to_string(), version: 1 });
        configured.chain(slots.iter().flat_map(Slots::filled)).collect()
    }

    fn hold(&self, loaded: Loaded) {
        if let Some(damage) = loaded.damage {
            error!(grant = %self.grant.name, "{damage}");
            *self.grant.damage.lock().unwrap_or_else(PoisonError::into_inner) = Some(damage.to_string());
        }
        *self.grant.slots.lock().unwrap_or_else(PoisonError::into_inner) = Some(loaded.slots);
    }

    fn fail(&mut self, reason: String, now_ms: u64) {
        warn!(grant = %self.grant.name, reason, "the sign-in policy failed; it is started again");
        self.keeper.failed(reason, now_ms);
        self.publish();
    }

    fn say_other_account(&self, before: &str) -> Problem {
        let name = &self.grant.name;
        let now = self.grant.account().unwrap_or_default();
        let advice = format!(
            "the device is signed in as {now}; before, it was {before}, whose files it can't use now. If that is meant: `punchcard \
             grants accept {name}`. Otherwise sign in as {before}: `punchcard sign-in {name}`"
        );
        Problem { headline: "other account".into(), advice }
    }

    /// Says where the grant stands. Returns whether a person has just let the device in.
    fn publish(&mut self) -> bool {
        let mut standing = self.keeper.standing().clone();
        let is_blocked = matches!(standing, GrantStatus::Blocked(_));
        // The policy is none the wiser, and goes on renewing; but nothing is done in the name of the other account.
        if let (GrantStatus::Authorized { .. }, Some(before)) = (&standing, self.grant.account_before()) {
            standing = GrantStatus::Blocked(self.say_other_account(&before));
        }
        let is_authorized = matches!(standing, GrantStatus::Authorized { .. });
        // Between a person's answer and the lease there may be a request.
        let was_awaited = self.is_awaited;
        self.is_awaited = match &standing {
            GrantStatus::AwaitingPerson { .. } => true,
            GrantStatus::Authorized { .. } | GrantStatus::SignedOut => false,
            _ => was_awaited,
        };
        let is_news = self.grant.standing.send_if_modified(|current| {
            let news = *current != standing;
            *current = standing;
            news
        });
        if is_news && is_authorized {
            self.policy.tally().note_work();
        }
        if is_news && is_blocked {
            self.policy.tally().note_hold();
        }
        let is_granted = was_awaited && is_authorized;
        if is_granted {
            self.grant.sign_ins.send_modify(|count| *count += 1);
        }
        is_granted
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
