//! A grant at work without a device: for a command that finds no host running.
//!
//! What always holds: the ledger's lock is held for as long as this lives, so that no host starts meanwhile; and of the
//! configuration nothing runs but this grant's policy.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use punchcard_core::config::grant::SignIn;
use punchcard_core::config::{Configuration, parse_configuration};
use punchcard_core::grant::GrantStatus;
use punchcard_core::http::{Request, Response};
use punchcard_core::name::{GrantName, PluginName, SlotName};
use punchcard_core::secret::Secret;
use punchcard_ledger::{CheckpointInterval, Ledger, OpenError, RememberedGrant, Setup};
use punchcard_sandbox::{Compiler, Sandbox};
use thiserror::Error;
use tokio::task::JoinHandle;

use super::configuration::{ReadError, Source};
use super::display::Display;
use super::error_chain::chain;
pub use super::grant::FetchError;
use super::grant::{Grant, GrantCommand, Surroundings};
use super::io::frame_size;
use super::known_time::KnownTime;
use super::material::{Materials, open_vault};
use super::part::grant::GrantPart;
use super::plugin::{Plugins, Versions};
use super::state_folder::{self, StateFolderError};
use super::timer::sleep_until;
use super::trouble::Troubles;
use crate::clock::{Clock, ClockError};
use crate::http::{self, Http, Trust};
use crate::vault::{Accounts, Vault, VaultError};

/// The token storage's folder in the state folder.
/// Where an import is proved, in the state folder: a ledger and a token storage of its own, gone afterwards.
const PROOF: &str = "import";
/// Milliseconds that a renewal may take that proves an import.
const PROVED_WITHIN_MS: u64 = 90_000;
/// The slot of what is imported.
const REFRESH_TOKEN: &str = "refresh-token";

/// Why a grant can't be put to work without a device.
#[derive(Debug, Error)]
pub enum LoneGrantError {
    /// plugins.toml can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It has errors; as a person reads them.
    #[error("{0}")]
    Configuration(String),
    /// It names no such grant.
    #[error("plugins.toml has no grant `{found}`; it has {known}")]
    NoSuchGrant {
        /// What was named.
        found: String,
        /// What is there.
        known: String,
    },
    /// The state folder can't be used.
    #[error("the state folder can't be used")]
    State(#[from] StateFolderError),
    /// A host runs.
    #[error("a host runs on this state folder; stop it first, such as with `sudo systemctl stop punchcard`")]
    InUse,
    /// The ledger can't be opened.
    #[error("the ledger can't be opened")]
    Ledger(#[source] OpenError),
    /// The clocks can't be read.
    #[error("the clocks can't be read")]
    Clock(#[from] ClockError),
    /// The token storage can't be used. What was in it is still there.
    #[error("the token storage can't be used")]
    Vault(#[from] VaultError),
    /// The grant can't be put together.
    #[error("grant `{grant}` is off: {reason}")]
    Off {
        /// Which.
        grant: GrantName,
        /// Why.
        reason: String,
    },
    /// Anything else that this machine refuses.
    #[error("{0}")]
    Machine(String),
    /// The imported token is of no use. Nothing was changed.
    #[error("the token of the file does not work, and nothing was changed: {0}")]
    NotProved(String),
    /// The grant's policy signs in with something else.
    #[error("grant `{grant}` is of the plugin `{plugin}`, which signs in with no refresh token; nothing was changed")]
    NotUsed {
        /// Which.
        grant: GrantName,
        /// Its policy's.
        plugin: PluginName,
    },
}

/// What the renewal of an imported token has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// What the token allows.
    pub scopes: Vec<String>,
    /// Whose it is, where the server said.
    pub account: Option<String>,
}

/// What a renewal proved, and what is to be stored of it.
type Proved = (Proof, Vec<(SlotName, Secret)>, Accounts);

/// What a grant is put to work with.
struct Bench {
    name: GrantName,
    /// The folder of plugins.toml.
    home: PathBuf,
    configuration: Arc<Configuration>,
    part: GrantPart,
    clock: Clock,
    time: KnownTime,
    ledger: Ledger,
    http: Arc<Http>,
}

/// A grant at work.
pub struct LoneGrant {
    bench: Bench,
    work: Work,
}

/// A keeper that runs.
struct Work {
    grant: Arc<Grant>,
    keeper: JoinHandle<()>,
}

impl LoneGrant {
    /// Puts a grant to work, under the ledger's lock.
    ///
    /// # Errors
    /// When a host runs, and all that keeps the grant from running.
    pub async fn start(path: &Path, state: &Path, name: &str) -> Result<Self, LoneGrantError> {
        let bench = Bench::open(path, state, name, None).await?;
        let vault = Arc::new(bench.open_vault(state)?);
        let declared = bench.ledger.declare_grant(&bench.name, &bench.configuration.grants[&bench.name].plugin).await;
        declared.map_err(|error| LoneGrantError::Machine(chain(error)))?;
        let work = bench.work(bench.ledger.clone(), vault);
        Ok(Self { bench, work })
    }

    /// Sends a request under the grant.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn fetch(&self, request: &Request) -> Result<Response, FetchError> {
        self.work.grant.fetch(request, &self.bench.http, &self.bench.clock).await
    }

    /// Ends it in order: what the policy has learnt is kept.
    pub async fn end(self) {
        self.work.end().await;
        self.bench.ledger.close().await;
    }
}

/// Takes a refresh token of another program into a grant's slots, once a renewal has proved it. The proof has a ledger and a
/// token storage of its own: until it is done, nothing of the grant is touched.
///
/// # Errors
/// When a host runs, and when the proof fails; then nothing was changed.
pub async fn import(path: &Path, state: &Path, name: &str, token: Secret) -> Result<Proof, LoneGrantError> {
    // Where the token is of no use nobody is asked to sign in: nobody would see the code.
    let bench = Bench::open(path, state, name, Some(SignIn::OnRequest)).await?;
    let machine = |error: std::io::Error| LoneGrantError::Machine(format!("the import can't be proved: {error}"));
    let folder = state.join(PROOF);
    // One that was killed may have left its own.
    remove(&folder).map_err(machine)?;
    // Before the server may give another token in the place of this one: what could keep it from being stored.
    let vault = bench.open_vault(state)?;
    vault.load(&bench.name)?;
    let (proof, slots, accounts) = match bench.prove(&folder, token).await {
        Ok(proved) => proved,
        Err(error) => {
            remove(&folder).map_err(machine)?;
            return Err(error);
        }
    };
    // The policy begins anew with the token that it finds. With the old one it would do so too: between the two steps nothing
    // is lost.
    let plugin = &bench.configuration.grants[&bench.name].plugin;
    let failed = |error| LoneGrantError::Machine(chain(error));
    bench.ledger.declare_grant(&bench.name, plugin).await.map_err(failed)?;
    bench.ledger.store_grant(&bench.name, RememberedGrant::default()).await.map_err(failed)?;
    // That the other program was let in is known, and not when.
    bench.ledger.note_granted(&bench.name, None).await.map_err(failed)?;
    vault.replace(&bench.name, slots, accounts)?;
    bench.ledger.close().await;
    // Only now: where the server gave another token, this was the only place that had it.
    remove(&folder).map_err(machine)?;
    Ok(proof)
}

fn remove(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Bench {
    /// `sign_in`: in place of what plugins.toml says.
    async fn open(path: &Path, state: &Path, name: &str, sign_in: Option<SignIn>) -> Result<Self, LoneGrantError> {
        let source = Source::read(path)?;
        let mut configuration = parse_configuration(&source.text)
            .map_err(|diagnostics| LoneGrantError::Configuration(source.render(&diagnostics)))?;
        let name = find_grant(&configuration, name)?;
        let plugin = configuration.grants[&name].plugin.clone();
        configuration.plugins.retain(|known, _| *known == plugin);
        if let (Some(sign_in), Some(grant)) = (sign_in, configuration.grants.get_mut(&name)) {
            grant.sign_in = sign_in;
        }
        let configuration = Arc::new(configuration);
        let device = &configuration.device;
        let clock = Clock::open(device.name.as_str(), device.time_zone.clone(), device.trust_clock)?;
        state_folder::make_private(state)?;
        let (ledger, opened) = Ledger::open(state, setup(&clock, &configuration)).map_err(|error| match error {
            OpenError::InUse { .. } => LoneGrantError::InUse,
            error => LoneGrantError::Ledger(error),
        })?;
        if let Some(known) = opened.known_time {
            clock.resume(known.synchronised);
        }
        let display = Display::new(device.name.as_str(), frame_size(configuration.panel.size), clock.clone());
        let time = KnownTime::new(opened.last_time_seen.map(|seen| seen.unix_micros), Troubles::new(display));
        let machine = |reason: String| LoneGrantError::Machine(reason);
        let histories = ledger.plugin_histories().await.map_err(|error| machine(chain(error)))?;
        let compiler = Compiler::of_this_program().with_backend(configuration.backend);
        let sandbox = Sandbox::start(state, compiler).map_err(|error| machine(chain(error)))?;
        // With the version that the device runs, which may be another than its file.
        let versions = Versions::Known(Arc::new(histories));
        let plugins = Plugins::load(&configuration, source.folder(), &sandbox, &BTreeMap::new(), &versions);
        let home = source.folder().to_owned();
        let folder = home.clone();
        let materials = Materials { configuration: Arc::clone(&configuration), folder, plugins, rows_alone: false };
        let part = GrantPart::assemble(&materials, &name).await.map_err(|faults| {
            let reasons: Vec<String> = faults.into_iter().map(|fault| fault.message).collect();
            LoneGrantError::Off { grant: name.clone(), reason: reasons.join("; ") }
        })?;
        let http = Http::open(&http::Limits::default(), &Trust::system(Vec::new()))
            .map_err(|error| machine(format!("requests can't be made on this machine: {}", chain(error))))?;
        Ok(Self { name, home, configuration, part, clock, time, ledger, http: Arc::new(http) })
    }

    /// The token storage below a folder, sealed where plugins.toml says so.
    fn open_vault(&self, folder: &Path) -> Result<Vault, LoneGrantError> {
        open_vault(&self.configuration, &self.home, folder).map_err(LoneGrantError::Machine)
    }

    /// Lets the keeper run, with these.
    fn work(&self, ledger: Ledger, vault: Arc<Vault>) -> Work {
        let surroundings = Surroundings {
            vault,
            ledger,
            http: self.part.http().unwrap_or_else(|| Arc::clone(&self.http)),
            clock: self.clock.clone(),
            time: self.time.clone(),
        };
        let (grant, keeper) = self.part.keeper(surroundings);
        Work { grant, keeper: tokio::spawn(keeper.run()) }
    }

    /// Has the policy renew the token where nothing else is. What is in the slots then is of use.
    async fn prove(&self, folder: &Path, token: Secret) -> Result<Proved, LoneGrantError> {
        state_folder::make_private(folder)?;
        let (ledger, _) =
            Ledger::open(folder, setup(&self.clock, &self.configuration)).map_err(LoneGrantError::Ledger)?;
        let vault = Arc::new(self.open_vault(folder)?);
        let slot = SlotName::parse(REFRESH_TOKEN).map_err(|error| LoneGrantError::Machine(error.to_string()))?;
        vault.store(&self.name, vec![(slot, token)])?;
        let work = self.work(ledger.clone(), Arc::clone(&vault));
        let mut standing = work.grant.standing();
        let until_ms = self.clock.monotonic_ms() + PROVED_WITHIN_MS;
        let authorized = standing.wait_for(|now| matches!(now, GrantStatus::Authorized { .. }));
        let proved = tokio::select! {
            biased;
            authorized = authorized => match authorized.as_deref() {
                Ok(GrantStatus::Authorized { scopes, .. }) => Ok(scopes.clone()),
                _ => Err("its policy has ended".to_owned()),
            },
            reason = work.grant.needs_person(until_ms) => Err(reason),
            () = sleep_until(&self.clock, until_ms) => Err(format!("no answer within {} s", PROVED_WITHIN_MS / 1000)),
        };
        let account = work.grant.account();
        let is_used = work.grant.has_sent_refresh_token();
        let proved = proved.map_err(|reason| match work.grant.standing_at(self.clock.monotonic_ms()) {
            // What helps a grant that is signed out does not help a file.
            GrantStatus::SignedOut if is_used => {
                "the server does not take it; it was taken back, or has ended".to_owned()
            }
            _ => reason,
        });
        work.end().await;
        let slots = vault.load(&self.name)?.slots;
        ledger.close().await;
        if !is_used {
            let plugin = self.configuration.grants[&self.name].plugin.clone();
            return Err(LoneGrantError::NotUsed { grant: self.name.clone(), plugin });
        }
        let scopes = proved.map_err(LoneGrantError::NotProved)?;
        let kept = slots.filled().into_iter().filter_map(|slot| {
            let name = SlotName::parse(&slot.name).ok()?;
            let secret = slots.get(&name)?.clone();
            Some((name, secret))
        });
        Ok((Proof { scopes, account }, kept.collect(), slots.accounts().clone()))
    }
}

impl Work {
    async fn end(self) {
        self.grant.ask(GrantCommand::Stop);
        // Where it broke off there is nothing left to end.
        let _ended = self.keeper.await;
    }
}

fn setup(clock: &Clock, configuration: &Configuration) -> Setup {
    Setup {
        boot: clock.monotonic().boot,
        zone: configuration.device.time_zone.clone(),
        checkpoints: CheckpointInterval::default(),
    }
}

fn find_grant(configuration: &Configuration, name: &str) -> Result<GrantName, LoneGrantError> {
    let found = configuration.grants.keys().find(|grant| grant.as_str() == name);
    found.cloned().ok_or_else(|| {
        let known: Vec<String> = configuration.grants.keys().map(|grant| format!("`{grant}`")).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        LoneGrantError::NoSuchGrant { found: name.to_owned(), known }
    })
}
