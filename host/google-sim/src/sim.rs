//! The stand-in as a value: started in a tokio runtime, controlled in-process, stopped when it is dropped.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::control::{Action, ControlError, FileAction};
use crate::fault::Fault;
use crate::journal::Entry;
use crate::oauth::{ACCOUNT, AccountChange, Decision, KeyError, Oauth, OauthClient, OauthSettings, UnknownCode};
use crate::quota::Quota;
use crate::server::{self, Shared};
use crate::sheets::SheetTable;
use crate::switch::Switches;
use crate::tasks::TaskAction;
use crate::world::World;

/// What the stand-in is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address of this machine to listen on.
    pub address: Ipv4Addr,
    /// The port; zero is any that is free.
    pub port: u16,
    /// Whether the Sheets API's quotas hold.
    pub quota: bool,
    /// How long a device waits between polls.
    pub interval: Duration,
    /// How long device and user codes are valid.
    pub codes_live_for: Duration,
    /// How long access tokens are valid.
    pub access_tokens_live_for: Duration,
    /// Who may ask.
    pub clients: Vec<OauthClient>,
    /// Dealt first, in this order, before random ones.
    pub user_codes: Vec<String>,
    /// What the device is told to show; the stand-in's own page if `None`.
    pub verification_url: Option<String>,
    /// A clock that stands at this moment until it is advanced; one that runs from the real time on if `None`.
    pub frozen_at: Option<Timestamp>,
    /// Where Google's behaviour is not confirmed.
    pub switches: Switches,
}

impl Default for Config {
    /// Google's own numbers, quotas on, the clients of [`OauthClient::defaults`], any free port of 127.0.0.1, a running clock.
    fn default() -> Self {
        Self {
            address: Ipv4Addr::LOCALHOST,
            port: 0,
            quota: true,
            interval: Duration::from_secs(5),
            codes_live_for: Duration::from_secs(1800),
            access_tokens_live_for: Duration::from_secs(3599),
            clients: OauthClient::defaults(),
            user_codes: Vec::new(),
            verification_url: None,
            frozen_at: None,
            switches: Switches::default(),
        }
    }
}

/// The stand-in could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the stand-in cannot listen on {address}")]
pub struct StartError {
    address: SocketAddr,
    #[source]
    source: io::Error,
}

/// A running stand-in. Dropping it stops it.
pub struct GoogleSim {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl GoogleSim {
    /// Starts it in the current tokio runtime; it takes connections when this returns.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let address = SocketAddr::from((config.address, config.port));
        let start_error = |source| StartError { address, source };
        let listener = server::bind(address).await.map_err(start_error)?;
        let address = listener.local_addr().map_err(start_error)?;
        let settings = OauthSettings {
            interval: config.interval,
            codes_live_for: config.codes_live_for,
            access_tokens_live_for: config.access_tokens_live_for,
            user_codes: config.user_codes,
            verification_url: config.verification_url,
        };
        let oauth = Oauth::new(format!("http://{address}"), settings, config.clients);
        let shared = Arc::new(Shared {
            world: Mutex::new(World::new(oauth, Quota::new(config.quota), config.switches)),
            clock: config.frozen_at.map_or_else(Clock::running, Clock::frozen),
            closings: watch::Sender::new(0),
            closed: AtomicU64::new(0),
        });
        let (stop, stopped) = watch::channel(false);
        let server = tokio::spawn(server::serve(listener, Arc::clone(&shared), stopped));
        Ok(Self { address, shared, stop, server })
    }

    /// `http://ADDRESS:PORT`, without a slash at its end: OAuth, Drive and Sheets have this one origin.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The simulated time.
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// Moves the simulated time forward; what becomes due by that is carried out before anything else is.
    pub fn advance(&self, by: Duration) {
        self.shared.clock.advance(by);
    }

    /// Lets something go wrong; see [`Fault`].
    pub fn arm(&self, fault: Fault) {
        self.shared.with_world(|world, _| world.faults.arm(fault));
    }

    /// Forgets the faults that still wait.
    pub fn disarm(&self) {
        self.shared.with_world(|world, _| world.faults.clear());
    }

    /// Lets something happen at once.
    pub fn act(&self, action: Action) {
        self.shared.with_world(|world, _| world.act(action));
    }

    /// Changes switches.
    pub fn switch(&self, change: impl FnOnce(&mut Switches)) {
        self.shared.with_world(|world, _| change(&mut world.switches));
    }

    /// Decides on the consent page for a person with the account [`ACCOUNT`].
    pub fn consent(&self, user_code: &str, decision: Decision) -> Result<(), UnknownCode> {
        self.shared.with_world(|world, now| world.oauth.decide(user_code, decision, ACCOUNT, now))
    }

    /// The same for a person with another account.
    ///
    /// # Errors
    /// As [`Self::consent`].
    pub fn consent_as(&self, account: &str, user_code: &str, decision: Decision) -> Result<(), UnknownCode> {
        self.shared.with_world(|world, now| world.oauth.decide(user_code, decision, account, now))
    }

    /// Makes a key for a service account, which is new where there is none of this address. Returns the file that Google's
    /// console would download.
    ///
    /// # Errors
    /// [`KeyError`] where no key can be made.
    pub fn make_key(&self, email: &str) -> Result<String, KeyError> {
        self.shared.with_world(|world, _| world.oauth.make_key(email))
    }

    /// Does to a service account what somebody would in the console.
    pub fn change_account(&self, email: &str, change: &AccountChange) {
        self.shared.with_world(|world, _| world.oauth.change_account(email, change));
    }

    /// Makes a spreadsheet as a person with the account [`ACCOUNT`] would, with one blank tab. Returns its id.
    pub fn create_as_person(&self, name: &str) -> String {
        self.shared.with_world(|world, now| world.create_as_person(name, now))
    }

    /// Does to a file what a person would. Returns its id, or its copy's.
    pub fn edit_file(&self, id: &str, action: &FileAction) -> Result<String, ControlError> {
        self.shared.with_world(|world, now| world.edit_file(id, action, now))
    }

    /// Edits a spreadsheet as a person would: the requests of a `batchUpdate`, without token and quota. Returns the
    /// replies.
    pub fn edit_as_person(&self, id: &str, requests: &Value) -> Result<Vec<Value>, ControlError> {
        self.shared.with_world(|world, now| world.edit_as_person(id, requests, now))
    }

    /// Does to a list of tasks of the account [`ACCOUNT`] what a person does on a phone.
    pub fn edit_tasks(&self, list: &str, action: TaskAction) {
        self.shared.with_world(|world, now| world.tasks.act(ACCOUNT, list, action, now));
    }

    /// An access token of the account [`ACCOUNT`] and the first client with these scopes, as a person gets one by a way that
    /// is not simulated. It lives as long as any other.
    pub fn issue_token(&self, scopes: &[&str]) -> String {
        self.shared.with_world(|world, now| world.oauth.issue_token(scopes, now))
    }

    /// One spreadsheet as formatted texts.
    pub fn table(&self, id: &str) -> Result<SheetTable, ControlError> {
        self.shared.with_world(|world, _| world.table(id))
    }

    /// All spreadsheets as formatted texts, in the order of their creation.
    pub fn tables(&self) -> Vec<SheetTable> {
        self.shared.with_world(|world, _| world.tables(usize::MAX))
    }

    /// What `GET /sim/state` answers.
    pub fn state(&self) -> Value {
        self.shared.with_world(|world, now| world.state(now))
    }

    /// How often an operation was called, as in `sheets.spreadsheets.batchUpdate` or `oauth.token`.
    pub fn count(&self, operation: &str) -> u64 {
        self.shared.with_world(|world, _| world.journal.counts().get(operation).copied().unwrap_or(0))
    }

    /// How many connections [`Action::CloseIdleConnections`] and its like have closed that had been used before and were
    /// kept for the next call.
    pub fn count_closed(&self) -> u64 {
        self.shared.closed.load(Ordering::Relaxed)
    }

    /// The latest calls, oldest first.
    pub fn log(&self) -> Vec<Entry> {
        self.shared.with_world(|world, _| world.journal.entries().cloned().collect())
    }

    /// Waits until the server has ended, which it does by itself only if it fails.
    pub async fn run_to_end(mut self) {
        if let Err(error) = (&mut self.server).await {
            tracing::error!(%error, "the server failed");
        }
    }

    /// Closes the port and every connection, and waits until that is done.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        self.run_to_end().await;
    }
}

impl Drop for GoogleSim {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}
