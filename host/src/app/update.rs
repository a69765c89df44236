//! New versions of plugins, from the repositories that plugins.toml names: when it is looked, what is believed after that, and
//! what is installed.
//!
//! What is decided is decided in [`punchcard_core::update`], what is believed in [`punchcard_repository`]. Always here: what is
//! believed of a repository is in the ledger, all of it, before anything that it offers is used, also where the attempt
//! failed; nothing is kept of a download that was not installed; whatever goes wrong, what runs runs on.

pub(super) mod install;
mod mirror;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use punchcard_core::config::repository::{Repository, RepositorySource, Updates};
use punchcard_core::config::{Configuration, Part as Place};
use punchcard_core::name::{PluginName, RepositoryName};
use punchcard_core::needs::unmet_by_release;
use punchcard_core::plugin::Problem;
use punchcard_core::update::{
    ContractVersion, Host, Installed, Offered, Plan, Policy, Waiting, Wish, plan_next_check, plan_update,
};
use punchcard_ledger::RepositoryTrust;
use punchcard_repository::{
    Attempt, Catalogue, Clock, FolderMirror, Freshness, Limits, Mirror, RefreshError, TrustState, refresh,
};
use punchcard_sandbox::cache::hexadecimal;
use punchcard_sandbox::{contract_versions, fingerprint};
use semver::Version;
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use super::device::Device;
use super::error_chain::chain;
use super::fault::Fault;
use super::status::{PassedOverReport, RepositoryReport, UpdateReport, UpdateState};
use super::timer::wait_until;
use crate::clock::entropy;
use crate::http::Http;
use install::{Installer, Release};
use mirror::HttpMirror;

/// The folder in the state folder in which metadata lies while it is read. It is empty otherwise.
const WORK_FOLDER: &str = "updates";
/// The first look after a start, in milliseconds; by chance up to a minute later.
const FIRST_LOOK_MS: u64 = 10_000;
/// How soon is looked again where nobody could say whether something is the newest, in milliseconds.
const CLOCK_AGAIN_MS: u64 = 600_000;
/// The largest root that is read from a file, in bytes.
const ROOT_BYTES: u64 = 256 * 1024;

/// What a person asks for.
pub(super) struct UpdateAsk {
    /// One plugin; all of them.
    pub(super) plugin: Option<String>,
    /// This version, be it older.
    pub(super) version: Option<String>,
    /// From this folder.
    pub(super) from: Option<PathBuf>,
    /// Only look.
    pub(super) check: bool,
    pub(super) reply: oneshot::Sender<Result<Vec<RepositoryReport>, String>>,
}

/// Looks for new versions.
pub(super) struct Updater {
    device: Arc<Device>,
    http: Result<Arc<Http>, String>,
    /// That of plugins.toml.
    folder: PathBuf,
    work: PathBuf,
    installer: Installer,
    asks: mpsc::UnboundedReceiver<UpdateAsk>,
    schedule: BTreeMap<RepositoryName, Schedule>,
}

/// When a repository is looked at.
struct Schedule {
    repository: Repository,
    next_ms: u64,
    failures: u32,
    /// The failure that was said last.
    said: Option<String>,
}

impl Updater {
    pub(super) fn new(
        device: Arc<Device>,
        http: Result<Arc<Http>, String>,
        folder: PathBuf,
        state: &Path,
        installer: Installer,
        asks: mpsc::UnboundedReceiver<UpdateAsk>,
    ) -> Self {
        let work = state.join(WORK_FOLDER);
        Self { device, http, folder, work, installer, asks, schedule: BTreeMap::new() }
    }

    /// Looks and installs until the task is dropped.
    pub(super) async fn run(mut self) {
        self.clear_work().await;
        self.installer.clear().await;
        let mut parts = self.device.parts.subscribe();
        loop {
            let configuration = Arc::clone(&parts.borrow_and_update().configuration);
            self.follow(&configuration);
            let next_ms = self.schedule.values().filter(|due| due.repository.updates != Updates::Off);
            let next_ms = next_ms.map(|due| due.next_ms).min();
            tokio::select! {
                asked = self.asks.recv() => match asked {
                    Some(ask) => self.answer(ask, &configuration).await,
                    None => return,
                },
                changed = parts.changed() => if changed.is_err() { return },
                () = wait_until(&self.device.clock, next_ms) => self.look(&configuration).await,
            }
        }
    }

    /// What a host that was killed left of metadata.
    async fn clear_work(&self) {
        let emptied = async {
            match tokio::fs::remove_dir_all(&self.work).await {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                _ => tokio::fs::create_dir(&self.work).await,
            }
        };
        if let Err(error) = emptied.await {
            warn!(%error, folder = %self.work.display(), "the folder for updates can't be emptied");
        }
    }

    /// Takes over which repositories there are. One that changed is looked at soon.
    fn follow(&mut self, configuration: &Configuration) {
        let now_ms = self.device.clock.monotonic_ms();
        let gone: Vec<RepositoryName> =
            self.schedule.keys().filter(|name| !configuration.repositories.contains_key(name)).cloned().collect();
        for name in gone {
            self.schedule.remove(&name);
            self.device.troubles.set(&part(&name), None);
            self.device.repositories.send_modify(|reports| reports.retain(|report| report.name != name.as_str()));
        }
        for (name, repository) in &configuration.repositories {
            if self.schedule.get(name).is_some_and(|due| due.repository == *repository) {
                continue;
            }
            let next_ms = now_ms + FIRST_LOOK_MS + random() % 60_000;
            let due = Schedule { repository: repository.clone(), next_ms, failures: 0, said: None };
            self.schedule.insert(name.clone(), due);
            self.note(RepositoryReport::new(name.as_str()));
        }
    }

    /// Looks at those of which it is time.
    async fn look(&mut self, configuration: &Configuration) {
        let now_ms = self.device.clock.monotonic_ms();
        let due =
            self.schedule.iter().filter(|(_, due)| due.next_ms <= now_ms && due.repository.updates != Updates::Off);
        let due: Vec<RepositoryName> = due.map(|(name, _)| name.clone()).collect();
        for name in due {
            let Some(repository) = configuration.repositories.get(&name) else { continue };
            let round =
                Round { name: &name, repository, configuration, wish: Wish::Schedule, check: false, plugin: None };
            let mirror = self.mirror(&name, repository, None);
            let report = self.update(&round, mirror).await;
            self.reschedule(&name, &report);
            self.note(report);
        }
    }

    fn reschedule(&mut self, name: &RepositoryName, report: &RepositoryReport) {
        let now = self.device.time.now(&self.device.clock);
        let minute = now.is_known().then(|| now.wall.minute_of_day());
        let Some(due) = self.schedule.get_mut(name) else { return };
        due.failures = if report.error.is_some() { due.failures.saturating_add(1) } else { 0 };
        let wait = plan_next_check(due.repository.check_every, due.failures, random());
        let mut wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let waits_for = |waiting: Waiting| {
            let waits = |update: &UpdateReport| update.waits_for == Some(waiting.into());
            report.plugins.iter().any(waits)
        };
        if waits_for(Waiting::Freshness) {
            wait_ms = wait_ms.min(CLOCK_AGAIN_MS);
        }
        if let (true, Some(window), Some(minute)) = (waits_for(Waiting::Window), due.repository.window, minute) {
            let begins_ms = u64::try_from(window.begins_in(minute).as_millis()).unwrap_or(u64::MAX);
            wait_ms = wait_ms.min(begins_ms);
        }
        due.next_ms = self.device.clock.monotonic_ms().saturating_add(wait_ms);
        // Said once, and that it is over.
        match (&report.error, &due.said) {
            (Some(error), said) if said.as_ref() != Some(error) => {
                warn!(repository = %name, error, "no new versions can be looked for; what runs runs on");
            }
            (None, Some(_)) => info!(repository = %name, "new versions can be looked for again"),
            _ => {}
        }
        due.said.clone_from(&report.error);
    }

    /// Does what a person asks for.
    async fn answer(&mut self, ask: UpdateAsk, configuration: &Configuration) {
        let answer = self.perform(&ask, configuration).await;
        // Whoever asked may have gone.
        drop(ask.reply.send(answer));
    }

    async fn perform(
        &mut self,
        ask: &UpdateAsk,
        configuration: &Configuration,
    ) -> Result<Vec<RepositoryReport>, String> {
        let plugin = ask.plugin.as_deref().map(PluginName::parse).transpose().map_err(|error| error.to_string())?;
        let wish = match ask.version.as_deref().map(Version::parse).transpose() {
            Ok(Some(version)) => Wish::Version(version),
            Ok(None) => Wish::Newest,
            Err(error) => return Err(format!("that is no version such as 1.2.0: {error}")),
        };
        if matches!(wish, Wish::Version(_)) && plugin.is_none() {
            return Err("a version is one of a plugin; name the plugin, too".to_owned());
        }
        let is_asked = |repository: &Repository| plugin.as_ref().is_none_or(|name| repository.plugins.contains(name));
        let asked: Vec<_> = configuration.repositories.iter().filter(|(_, asked)| is_asked(asked)).collect();
        if asked.is_empty() {
            return Err(match &plugin {
                Some(plugin) => format!("no repository of plugins.toml has `{plugin}` in its `plugins`"),
                None => "plugins.toml names no repository; add a table `[repositories.NAME]`".to_owned(),
            });
        }
        let mut reports = Vec::new();
        for (name, repository) in asked {
            let wish = if ask.check && wish == Wish::Newest { Wish::Schedule } else { wish.clone() };
            let round = Round { name, repository, configuration, wish, check: ask.check, plugin: plugin.as_ref() };
            let mirror = self.mirror(name, repository, ask.from.as_deref());
            let report = self.update(&round, mirror).await;
            if ask.from.is_none() {
                self.reschedule(name, &report);
            }
            self.note(report.clone());
            reports.push(report);
        }
        Ok(reports)
    }

    fn mirror(
        &self,
        name: &RepositoryName,
        repository: &Repository,
        from: Option<&Path>,
    ) -> Result<Arc<dyn Mirror>, String> {
        let folder =
            |path: &Path| -> Result<Arc<dyn Mirror>, String> { Ok(Arc::new(FolderMirror::open(path).map_err(chain)?)) };
        match (from, &repository.source) {
            (Some(from), _) => folder(from),
            (None, RepositorySource::Folder(path)) => folder(&self.folder.join(path)),
            (None, RepositorySource::Url(url)) => {
                let http = self.http.clone()?;
                Ok(Arc::new(HttpMirror::new(http, url.clone(), format!("repositories.{name}.url"))))
            }
        }
    }

    /// One look at a repository, with what comes of it.
    async fn update(&self, round: &Round<'_>, mirror: Result<Arc<dyn Mirror>, String>) -> RepositoryReport {
        let mut report = RepositoryReport::new(round.name.as_str());
        let outcome = match mirror {
            Ok(mirror) => self.believe(round, mirror).await,
            Err(reason) => Err(Failed::quiet(reason)),
        };
        match outcome {
            Err(failed) => {
                self.device.troubles.set(&part(round.name), failed.problem);
                report.error = Some(failed.reason);
            }
            Ok(catalogue) => {
                self.device.troubles.set(&part(round.name), None);
                let now = self.device.time.now(&self.device.clock);
                report.checked_at = now.is_known().then_some(now.wall.unix_micros);
                report.freshness_unknown = catalogue.freshness == Freshness::Unknown;
                report.unusable =
                    catalogue.unusable.iter().map(|file| format!("`{}`: {}", file.name, file.reason)).collect();
                for plugin in &round.repository.plugins {
                    if round.plugin.is_none_or(|asked| asked == plugin) {
                        report.plugins.push(self.decide(round, &catalogue, plugin).await);
                    }
                }
            }
        }
        report
    }

    /// Brings what is believed up to date. It is in the ledger before this returns, whatever the outcome.
    async fn believe(&self, round: &Round<'_>, mirror: Arc<dyn Mirror>) -> Result<Catalogue, Failed> {
        let root = read_root(&self.folder.join(&round.repository.root)).map_err(Failed::said)?;
        let began_with = hexadecimal(&fingerprint(&root));
        let unread = |error| Failed::said(format!("what is believed of it can't be read: {}", chain(error)));
        let stored = self.device.ledger.repository_trust(round.name).await.map_err(unread)?;
        let trust = match stored {
            Some(stored) if stored.began_with == began_with => {
                let RepositoryTrust { root, timestamp, snapshot, targets, .. } = stored;
                TrustState { root, timestamp, snapshot, targets }
            }
            before => {
                if before.is_some() {
                    info!(repository = %round.name, "the root in plugins.toml is another one; trust begins anew with it");
                }
                TrustState::shipped(root)
            }
        };
        let Attempt { trust, outcome } = refresh(trust, mirror, self.clock(), &Limits::default(), &self.work).await;
        let TrustState { root, timestamp, snapshot, targets } = trust;
        let trust = RepositoryTrust { began_with, root, timestamp, snapshot, targets };
        let stored = self.device.ledger.store_repository_trust(round.name, trust).await;
        stored.map_err(|error| Failed::said(format!("what is believed of it can't be kept: {}", chain(error))))?;
        outcome.map_err(Failed::from)
    }

    fn clock(&self) -> Clock {
        let now = self.device.time.now(&self.device.clock);
        let moment = |micros| Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH);
        if now.is_known() {
            Clock::Known(moment(now.wall.unix_micros))
        } else {
            Clock::NotBefore(moment(self.device.time.last_seen()))
        }
    }

    /// Decides on one plugin, and installs what is decided on.
    async fn decide(&self, round: &Round<'_>, catalogue: &Catalogue, plugin: &PluginName) -> UpdateReport {
        let known = match self.installer.known(plugin).await {
            Ok(known) => known,
            Err(reason) => return UpdateReport::failed(plugin.as_str(), reason),
        };
        // Before the parts are put together nothing runs, and what runs then is no older.
        let running = self.running(plugin).or_else(|| known.in_force.clone());
        let known_version = known.versions.iter().find(|(sha256, _)| Some(sha256) == running.as_ref());
        let known_version = known_version.and_then(|(_, version)| Version::parse(version).ok());
        let releases: Vec<_> = catalogue
            .offers
            .iter()
            .filter_map(|offer| Some((offer, offer.release.as_ref()?)))
            .filter(|(_, release)| release.plugin == *plugin)
            .collect();
        let offered: Vec<Offered<'_>> = releases
            .iter()
            .map(|(offer, release)| Offered { file: &offer.name, sha256: &offer.sha256, release })
            .collect();
        let now = self.device.time.now(&self.device.clock);
        let (host_version, contracts) = (host_version(), contracts());
        let device = round.configuration.device.name.as_str();
        let host = Host { device, version: &host_version, contracts: &contracts };
        let policy = Policy {
            channel: &round.repository.channel,
            updates: round.repository.updates,
            window: round.repository.window,
            minute: now.is_known().then(|| now.wall.minute_of_day()),
            is_fresh: catalogue.freshness != Freshness::Unknown,
        };
        let installed = Installed { sha256: running.clone(), version: known_version.clone(), pinned: known.pinned };
        let (plan, passed) = plan_update(
            &offered,
            &installed,
            &host,
            &policy,
            &round.wish,
            |needs| unmet_by_release(plugin, needs, round.configuration),
            |sha256| known.bad.iter().any(|bad| bad == sha256),
        );
        let offered_version =
            offered.iter().find(|offered| running.as_deref() == Some(offered.sha256)).map(|one| &one.release.version);
        let mut report = UpdateReport::new(plugin.as_str(), offered_version.or(known_version.as_ref()));
        report.passed_over = passed
            .into_iter()
            .map(|passed| PassedOverReport {
                version: passed.version.to_string(),
                reason: passed.objection.to_string(),
            })
            .collect();
        let version = |place: usize| offered[place].release.version.to_string();
        report.state = match plan {
            Plan::Keep => UpdateState::Current,
            Plan::Pinned => UpdateState::Pinned,
            Plan::NotOffered => UpdateState::Refused { reason: "the repository offers no such version".to_owned() },
            Plan::Refuse(objection) => UpdateState::Refused { reason: objection.to_string() },
            Plan::Wait(place, waiting) => {
                report.waits_for = Some(waiting.into());
                UpdateState::Available { version: version(place), reason: waiting.to_string() }
            }
            Plan::Install(place) if round.check => {
                UpdateState::Available { version: version(place), reason: "it can be installed now".to_owned() }
            }
            Plan::Install(place) => {
                let state = self.install(round, catalogue, &offered[place]).await;
                if let UpdateState::Failed { version, reason } = &state {
                    warn!(%plugin, version, reason, "a new version was not installed; the old one runs on");
                }
                state
            }
        };
        report
    }

    async fn install(&self, round: &Round<'_>, catalogue: &Catalogue, offered: &Offered<'_>) -> UpdateState {
        let release = Release {
            plugin: offered.release.plugin.clone(),
            version: offered.release.version.to_string(),
            sha256: offered.sha256.to_owned(),
            repository: round.name.clone(),
        };
        let installed = match catalogue.download(offered.file).await {
            Ok(bytes) => self.installer.install(&release, bytes).await,
            Err(error) => Err(chain(error)),
        };
        let Release { plugin, version, repository, .. } = release;
        match installed {
            Ok(()) => {
                info!(%plugin, version, %repository, "a new version is installed");
                UpdateState::Installed { version }
            }
            Err(reason) => UpdateState::Failed { version, reason },
        }
    }

    /// The SHA-256 of the component that runs, in hexadecimal.
    fn running(&self, plugin: &PluginName) -> Option<String> {
        let parts = Arc::clone(&self.device.parts.borrow());
        parts.plugins.iter().find(|report| report.name == plugin.as_str())?.sha256.clone()
    }

    /// For `status`.
    fn note(&self, report: RepositoryReport) {
        self.device.repositories.send_modify(|reports| {
            match reports.iter_mut().find(|known| known.name == report.name) {
                Some(known) => *known = report,
                None => reports.push(report),
            }
        });
    }
}

/// One look at a repository.
struct Round<'a> {
    name: &'a RepositoryName,
    repository: &'a Repository,
    configuration: &'a Configuration,
    wish: Wish,
    /// Nothing is installed.
    check: bool,
    /// The one that a person asks for.
    plugin: Option<&'a PluginName>,
}

/// Why a look came to nothing.
struct Failed {
    reason: String,
    /// What a person has to mend. A server that is away comes back by itself.
    problem: Option<Problem>,
}

impl Failed {
    fn quiet(reason: String) -> Self {
        Self { reason, problem: None }
    }

    fn said(reason: String) -> Self {
        let problem = Problem { headline: "no updates".into(), advice: format!("{reason}; what runs runs on") };
        Self { reason, problem: Some(problem) }
    }
}

impl From<RefreshError> for Failed {
    fn from(error: RefreshError) -> Self {
        let is_away = matches!(error, RefreshError::Mirror(_));
        let reason = chain(error);
        if is_away { Self::quiet(reason) } else { Self::said(reason) }
    }
}

/// The part of the device that has a problem with a repository.
fn part(name: &RepositoryName) -> String {
    format!("repositories.{name}")
}

/// What keeps repositories from being used, beyond the text of plugins.toml.
pub(super) fn find_faults(configuration: &Configuration, folder: &Path) -> Vec<Fault> {
    let fault = |(name, repository): (&RepositoryName, &Repository)| {
        let message = read_root(&folder.join(&repository.root)).err()?;
        Some(Fault { part: Place::RepositoryRoot(name.clone()), message, misconfigured: false })
    };
    configuration.repositories.iter().filter_map(fault).collect()
}

fn read_root(path: &Path) -> Result<Vec<u8>, String> {
    use std::io::Read as _;
    let read = || {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(ROOT_BYTES).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    let bytes = read().map_err(|error| {
        format!("the root {} can't be read: {error}; the publisher has it as 1.root.json", path.display())
    })?;
    let trust = TrustState::shipped(bytes);
    match trust.versions().root {
        Some(_) => Ok(trust.root),
        None => Err(format!("{} is no root of a repository; the publisher has it as 1.root.json", path.display())),
    }
}

fn host_version() -> Version {
    Version::parse(env!("CARGO_PKG_VERSION")).unwrap_or(Version::new(0, 0, 0))
}

/// The versions of the contract that are spoken.
fn contracts() -> Vec<ContractVersion> {
    let short = |number: &'static str| number.rsplit_once('.').map_or(number, |(short, _)| short);
    contract_versions().into_iter().filter_map(|number| ContractVersion::parse(short(number)).ok()).collect()
}

fn random() -> u64 {
    u64::from_le_bytes(std::array::from_fn(|index| entropy()[index]))
}
