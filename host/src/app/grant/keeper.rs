//! What drives one grant's policy, and does what it wants.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use punchcard_core::config;
use punchcard_core::grant::{GrantStatus, Keeper, Plan};
use punchcard_core::http::AuthRequest;
use punchcard_core::name::{GrantName, SlotName};
use punchcard_core::pace::Pace;
use punchcard_core::plugin::auth::{Outcome, Signal, Slot};
use punchcard_core::reach::Prefix;
use punchcard_core::secret::Secret;
use punchcard_core::visit::Answer;
use tokio::sync::{mpsc, watch};
use tracing::{error, warn};

use super::super::error_chain::chain;
use super::super::known_time::KnownTime;
use super::super::timer::{sleep_until, wait_until};
use super::reception::{OpenDesk, Reception};
use super::{ACCESS_TOKEN, Grant, GrantCommand};
use crate::clock::Clock;
use crate::http::Http;
use crate::vault::{Loaded, Slots, Vault};
use punchcard_ledger::{Ledger, RememberedGrant};
use punchcard_sandbox::AuthPolicy;

mod account;
mod request;

/// The slot of what gets the next one.
const REFRESH_TOKEN: &str = "refresh-token";
/// The slots that a person's browser fills.
const AUTHORIZATION_CODE: &str = "authorization-code";
const CODE_VERIFIER: &str = "code-verifier";
/// Requests of a policy in a minute, at most. A sign-in polls every 5 s.
const POLICY_REQUESTS: NonZeroU32 = NonZeroU32::new(60).unwrap();
/// Milliseconds after which what the policy remembers is read again.
const RECALL_AGAIN_MS: u64 = 10_000;
/// Milliseconds after which storing is tried again.
const STORE_AGAIN_MS: u64 = 10_000;

/// What drives one grant's policy.
pub(in crate::app) struct GrantKeeper {
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
pub(in crate::app) struct Surroundings {
    pub(in crate::app) vault: Arc<Vault>,
    pub(in crate::app) ledger: Ledger,
    pub(in crate::app) http: Arc<Http>,
    pub(in crate::app) clock: Clock,
    pub(in crate::app) time: KnownTime,
}

impl GrantKeeper {
    /// Prepares a grant's keeper. Nothing happens before [`GrantKeeper::run`].
    pub(in crate::app) fn new(
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
    pub(in crate::app) async fn run(mut self) {
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
