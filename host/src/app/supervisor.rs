//! The supervisor: it keeps what runs the same as what should run.
//!
//! The start of a device, a reload, a plugin that changed and a part that broke off all come to the same: parts are put
//! together ([`assemble`](super::assembly::assemble)), compared with those that run ([`plan_steps`]), and the steps between
//! the two are performed. What always holds here: a configuration with an error changes nothing that runs; a part is stopped before its successor is
//! started, and the ledger has written all that it asked for by then; no part's end touches another.
//!
//! Deliberately unknown here: what a part does. Ledger, intake and clock are no parts: without them there is no device.

mod candidate;
mod running;

pub(super) mod declaration;
mod probation;
mod publication;
mod version;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use punchcard_core::name::PluginName;
use punchcard_core::scene::PanelState;
use punchcard_core::supervisor::{Action, Actual, PartName, Reason, Restarts, Spec, Step, Wanted, plan_steps};
use punchcard_sandbox::Sandbox;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use super::assembly::{Assembled, part_names};
use super::configuration::{self, InForce, Source};
use super::device::{Device, Options, Reload};
use super::fault::Fault;
use super::io::Io;
use super::material::Materials;
use super::part::Site;
use super::plugin::examination::Examiner;
use super::plugin::{Instead, Loaded, LoadedPlugin, Plugins, Versions};
use super::status::{Fallback, ReloadReport, StepReport};
use super::timer::sleep_until;
use candidate::{Candidate, Desired};
use probation::Trial;
use running::{BrokeOff, Running};

/// Keeps the parts of a device.
pub(super) struct Supervisor {
    device: Arc<Device>,
    options: Options,
    sandbox: Arc<Sandbox>,
    site: Site,
    /// What a person touches and sees.
    io: Arc<tokio::sync::Mutex<Io>>,
    requests: mpsc::UnboundedReceiver<Reload>,
    /// What should run.
    desired: BTreeMap<PartName, Desired>,
    running: BTreeMap<PartName, Running>,
    broke_off: BTreeMap<PartName, BrokenPart>,
    restarts: BTreeMap<PartName, Restarts>,
    /// The plugins that were loaded last.
    plugins: BTreeMap<PluginName, LoadedPlugin>,
    /// New versions that are not seen to work for long enough yet.
    trials: BTreeMap<PluginName, Trial>,
    /// Plugins of which is said on the panel that they are not what their files are.
    said_of: BTreeSet<PluginName>,
    /// A configuration whose parts are being put together.
    candidate: Option<Candidate>,
    ends: (mpsc::UnboundedSender<BrokeOff>, mpsc::UnboundedReceiver<BrokeOff>),
    /// Counts the parts that were started.
    started: u64,
}

/// A part that broke off and is started again after a pause.
struct BrokenPart {
    spec: Box<Spec>,
    again_at_ms: u64,
}

impl Supervisor {
    pub(super) fn new(
        device: Arc<Device>,
        options: Options,
        sandbox: Arc<Sandbox>,
        site: Site,
        io: Arc<tokio::sync::Mutex<Io>>,
        requests: mpsc::UnboundedReceiver<Reload>,
    ) -> Self {
        Self {
            device,
            options,
            sandbox,
            site,
            io,
            requests,
            desired: BTreeMap::new(),
            running: BTreeMap::new(),
            broke_off: BTreeMap::new(),
            restarts: BTreeMap::new(),
            plugins: BTreeMap::new(),
            trials: BTreeMap::new(),
            said_of: BTreeSet::new(),
            candidate: None,
            ends: mpsc::unbounded_channel(),
            started: 0,
        }
    }

    /// Brings a configuration into force, and keeps its parts running, until the task is dropped.
    pub(super) async fn run(mut self, in_force: InForce) {
        self.begin(in_force, false, Vec::new());
        loop {
            if self.candidate.as_ref().is_some_and(Candidate::is_complete) {
                self.conclude().await;
                continue;
            }
            let (again_at_ms, look_at_ms) = (self.next_restart_ms(), self.next_look_ms());
            tokio::select! {
                Some(Reload { reply }) = self.requests.recv() => self.reload(reply.into_iter().collect()),
                assembled = candidate::next(&mut self.candidate) => {
                    if let Some((name, assembled)) = assembled {
                        self.take(name, assembled).await;
                    }
                }
                Some(broke_off) = self.ends.1.recv() => self.note_broke_off(broke_off).await,
                () = wait_until(&self.device, again_at_ms) => {
                    self.execute().await;
                }
                () = wait_until(&self.device, look_at_ms) => self.look_at_trials().await,
            }
        }
    }

    /// When the next part that broke off is started again. One that can't be put together now is not waited for.
    fn next_restart_ms(&self) -> Option<u64> {
        let is_ready = |name: &PartName| matches!(self.desired.get(name), Some(Desired::Ready(..)));
        self.broke_off.iter().filter(|(name, _)| is_ready(name)).map(|(_, broken)| broken.again_at_ms).min()
    }

    /// Reads plugins.toml, and begins to put together what it asks for.
    fn reload(&mut self, mut replies: Vec<oneshot::Sender<ReloadReport>>) {
        // Whoever waits for an older look gets the newer one's outcome.
        let mut parts_wait = false;
        if let Some(candidate) = self.candidate.take_if(|candidate| candidate.is_reload) {
            parts_wait = candidate.parts_wait;
            replies.extend(candidate.replies);
        } else if let Some(candidate) = &mut self.candidate {
            candidate.again = true;
            candidate.replies.extend(replies);
            return;
        }
        let source = Source::read(&self.options.configuration);
        match configuration::read(&source, &self.options.configuration) {
            Ok(in_force) => {
                self.begin(in_force, true, replies);
                if let Some(candidate) = &mut self.candidate {
                    candidate.parts_wait = parts_wait;
                }
            }
            Err(errors) => self.refuse(errors, parts_wait, replies),
        }
    }

    /// Begins to put a configuration's parts together.
    fn begin(&mut self, in_force: InForce, is_reload: bool, replies: Vec<oneshot::Sender<ReloadReport>>) {
        let folder = self.options.configuration.parent().unwrap_or(Path::new("."));
        let configuration = Arc::new(in_force.configuration.clone());
        let Site { ledger, clock, vault, .. } = &self.site;
        let vault = vault.as_ref().ok().map(Arc::clone);
        let versions = Versions::Device(Examiner { ledger: ledger.clone(), vault, clock: clock.clone() });
        let plugins = Plugins::load(&configuration, folder, &self.sandbox, &self.plugins, &versions);
        let materials = Arc::new(Materials { configuration, folder: folder.to_owned(), plugins, rows_alone: false });
        // What was proven as a whole before is started part by part; what was not is proven as a whole first.
        let is_proven = in_force.text.as_ref().is_none_or(|text| {
            configuration::last_valid(&self.options.state).is_none_or(|last_valid| last_valid == *text)
        });
        if !is_reload && is_proven {
            let names = part_names(&materials.configuration);
            self.desired = names.into_iter().map(|name| (name, Desired::Assembling)).collect();
            self.publish(&materials.configuration, None);
        }
        self.candidate = Some(Candidate::new(in_force, materials, is_proven, is_reload, replies));
    }

    /// Takes a part that was put together, or why it could not be.
    async fn take(&mut self, name: PartName, assembled: Assembled) {
        let Some(candidate) = &mut self.candidate else { return };
        let early = candidate.starts_part_by_part();
        let desired = candidate.take(name.clone(), assembled);
        if early && let Some(desired) = desired {
            let materials = Arc::clone(&candidate.materials);
            self.desired.insert(name, desired);
            self.take_versions(&materials).await;
            self.execute().await;
        }
    }

    /// All parts of the candidate were put together, or could not be.
    async fn conclude(&mut self) {
        let Some(mut candidate) = self.candidate.take() else { return };
        let plugins = candidate.materials.plugins.all().await;
        let misconfigured = candidate.misconfigured();
        if !misconfigured.is_empty() && candidate.in_force.text.is_some() {
            return self.refuse_settings(candidate, &misconfigured);
        }
        let configuration = Arc::clone(&candidate.materials.configuration);
        let is_as_named = |loaded: &Loaded| match loaded {
            Ok(loaded) => loaded.instead.as_ref().is_none_or(Instead::is_wanted),
            Err(_) => false,
        };
        let is_whole = candidate.faults.is_empty() && plugins.values().all(is_as_named);
        // Only what works becomes what is fallen back on: a missing file or secret may be a misspelt name.
        let keep = candidate.in_force.text.take_if(|_| is_whole);
        self.device.set_configuration(candidate.in_force.report.clone());
        let after_restart = configuration::find_restart_needs(&self.device.configuration, &configuration);
        let names: BTreeSet<PartName> = part_names(&configuration).into_iter().collect();
        self.desired.retain(|name, _| names.contains(name));
        self.desired.extend(candidate.take_all());
        for name in names {
            let lost = || Desired::Unready("it could not be put together, by a defect of this program".to_owned());
            self.desired.entry(name).or_insert_with(lost);
        }
        let loaded = plugins.iter().filter_map(|(name, loaded)| Some((name.clone(), loaded.clone().ok()?))).collect();
        let earlier = std::mem::replace(&mut self.plugins, loaded);
        self.take_versions(&candidate.materials).await;
        let histories = self.read_versions().await;
        self.say_versions(&plugins);
        self.begin_trials(&histories, &earlier);
        self.publish(&configuration, Some((&plugins, &histories)));
        let mut steps = self.io.lock().await.apply(&configuration).await;
        steps.extend(self.execute().await);
        let running = self.plugins.values().map(|loaded| *loaded.plugin.sha256());
        // What a version on trial would go back to is needed at once then.
        let used: Vec<_> = running.chain(self.trials.keys().filter_map(|name| histories.earlier(name))).collect();
        self.sandbox.keep_only(&used, &histories.kept());
        if candidate.is_reload {
            let notes = version::notes(&plugins);
            let steps = steps.iter().map(StepReport::from).collect();
            let report = ReloadReport { errors: None, steps, after_restart, notes };
            reply_all(candidate.replies, &report);
        } else {
            self.device.display.note(PanelState::note_ready);
            info!(device = %configuration.device.name, "ready");
            if candidate.again {
                self.reload(candidate.replies);
            }
        }
        // Only now: a press that comes meanwhile waits for the same disk.
        if let Some(text) = keep {
            let state = self.options.state.clone();
            let kept = tokio::task::spawn_blocking(move || configuration::keep_as_last_valid(&state, &text));
            if let Err(error) = kept.await.map_err(io::Error::other).flatten() {
                warn!(%error, "the configuration can't be kept as the last valid one");
            }
        }
    }

    /// Plugins refuse settings: what runs goes on; where nothing runs yet, the last valid configuration stands in.
    fn refuse_settings(&mut self, candidate: Candidate, misconfigured: &[Fault]) {
        let configuration = &candidate.materials.configuration;
        let diagnostics: Vec<_> = misconfigured.iter().map(|fault| fault.diagnostic(configuration)).collect();
        let source = candidate.in_force.text.map(|text| Source { path: self.options.configuration.clone(), text });
        if candidate.is_reload {
            let errors = source.map(|source| source.render(&diagnostics)).unwrap_or_default();
            return self.refuse(errors, candidate.parts_wait, candidate.replies);
        }
        let Some(source) = source else { return };
        let Options { state, configuration: path, .. } = &self.options;
        let stand_in = configuration::choose(&Ok(source), &diagnostics, state, path);
        self.device.set_configuration(stand_in.report.clone());
        self.begin(stand_in, false, candidate.replies);
        if let Some(next) = &mut self.candidate {
            next.again = candidate.again;
        }
    }

    /// Leaves everything as it is, and says why. `parts_wait`: some were stopped for a version that is put back, and are put
    /// together by the configuration in force.
    fn refuse(&mut self, errors: String, parts_wait: bool, replies: Vec<oneshot::Sender<ReloadReport>>) {
        let path = self.options.configuration.display().to_string();
        let mut report = self.device.configuration_report();
        report.path = path;
        report.fallback = Some(report.fallback.unwrap_or(Fallback::Running));
        report.errors = Some(errors.clone());
        self.device.set_configuration(report);
        reply_all(replies, &ReloadReport { errors: Some(errors), ..ReloadReport::default() });
        if parts_wait {
            self.look_again();
        }
    }

    /// Performs the steps from what runs to what should run.
    async fn execute(&mut self) -> Vec<Step> {
        let mut steps = plan_steps(&self.wanted(), &self.actual(), self.device.clock.monotonic_ms());
        let ends = steps.iter().filter(|step| matches!(step.action, Action::Stop | Action::Replace));
        let mut ending = Vec::new();
        for step in ends {
            info!(part = %step.part, reason = %step.reason, "a part is stopped");
            self.broke_off.remove(&step.part);
            if let Some(running) = self.running.remove(&step.part) {
                // Nobody is told that it will do something while it ends.
                let reason = "it is being stopped or replaced; try again in a moment".to_owned();
                self.device.parts.send_modify(|parts| Arc::make_mut(parts).set(&step.part, Err(reason)));
                ending.push(running.stop());
            }
        }
        let ended_any = !ending.is_empty();
        ending.into_iter().collect::<JoinSet<()>>().join_all().await;
        for step in steps.iter().filter(|step| step.action == Action::Stop) {
            self.restarts.remove(&step.part);
            self.device.forget_part(&step.part);
        }
        let starts = |step: &Step| matches!(step.action, Action::Start | Action::Replace);
        if ended_any || steps.iter().any(starts) {
            // The ledger takes this after all that the ended parts have asked of it.
            let declared = self.declare().await;
            self.device.say_declared(&declared);
        }
        let device = Arc::clone(&self.device);
        // Nobody pauses a sink between what the ledger says of it and its start.
        let _alone = device.pausing.lock().await;
        self.read_paused().await;
        for step in steps.iter_mut().filter(|step| starts(step)) {
            if let Err(reason) = self.start(step) {
                *step = Step { part: step.part.clone(), action: Action::Leave, reason: Reason::Unready(reason) };
            }
        }
        self.publish_parts(&steps);
        steps
    }

    fn start(&mut self, step: &Step) -> Result<(), String> {
        let Some(Desired::Ready(part, spec)) = self.desired.get(&step.part) else { return Ok(()) };
        self.started += 1;
        let started_at_ms = self.device.clock.monotonic_ms();
        self.device.forget_part(&step.part);
        let started = Running::start(&**part, spec, &self.site, &step.part, self.started, started_at_ms, &self.ends.0);
        match started {
            Ok(running) => {
                info!(part = %step.part, reason = %step.reason, "a part is started");
                self.broke_off.remove(&step.part);
                self.running.insert(step.part.clone(), running);
                Ok(())
            }
            Err(reason) => {
                self.broke_off.remove(&step.part);
                self.desired.insert(step.part.clone(), Desired::Unready(reason.clone()));
                Err(reason)
            }
        }
    }

    /// A part broke off. The others go on; it is started again after a pause.
    async fn note_broke_off(&mut self, broke_off: BrokeOff) {
        let BrokeOff { part, number, reason } = broke_off;
        if self.running.get(&part).is_none_or(|running| running.number != number) {
            return;
        }
        let Some(running) = self.running.remove(&part) else { return };
        let now_ms = self.device.clock.monotonic_ms();
        let restarts = self.restarts.entry(part.clone()).or_default();
        let again_at_ms = restarts.broke_off(now_ms.saturating_sub(running.started_at_ms), now_ms);
        let seconds = (again_at_ms - now_ms).div_ceil(1_000);
        error!(%part, reason, seconds, "a part broke off, by a defect of this program; it is started again");
        self.broke_off.insert(part, BrokenPart { spec: running.spec, again_at_ms });
        self.execute().await;
    }

    fn wanted(&self) -> BTreeMap<PartName, Wanted> {
        let wanted = |desired: &Desired| match desired {
            Desired::Assembling => Wanted::Assembling,
            Desired::Ready(_, spec) => Wanted::Ready(spec.clone()),
            Desired::Unready(reason) => Wanted::Unready(reason.clone()),
        };
        self.desired.iter().map(|(name, desired)| (name.clone(), wanted(desired))).collect()
    }

    fn actual(&self) -> BTreeMap<PartName, Actual> {
        let running = self.running.iter().map(|(name, part)| (name.clone(), Actual::Running(part.spec.clone())));
        let broke_off = self.broke_off.iter().map(|(name, part)| {
            let actual = Actual::BrokeOff { spec: part.spec.clone(), again_at_ms: part.again_at_ms };
            (name.clone(), actual)
        });
        running.chain(broke_off).collect()
    }
}

fn reply_all(replies: Vec<oneshot::Sender<ReloadReport>>, report: &ReloadReport) {
    for reply in replies {
        // Whoever asked may have gone.
        drop(reply.send(report.clone()));
    }
}

async fn wait_until(device: &Device, at_ms: Option<u64>) {
    match at_ms {
        Some(at_ms) => sleep_until(&device.clock, at_ms).await,
        None => std::future::pending().await,
    }
}
