//! The supervisor: it keeps what runs the same as what should run.
//!
//! The start of a device, a reload, a plugin that changed and a part that broke off all come to the same: parts are put
//! together ([`Assembly`]), compared with those that run ([`plan_steps`]), and the steps between the two are performed. What
//! always holds here: a configuration with an error changes nothing that runs; a part is stopped before its successor is
//! started, and the ledger has written all that it asked for by then; no part's end touches another.
//!
//! Deliberately unknown here: what a part does. Ledger, intake and clock are no parts: without them there is no device.

mod candidate;
mod running;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use punchcard_core::config::Configuration;
use punchcard_core::config::sink::Sink;
use punchcard_core::name::PluginName;
use punchcard_core::plugin::Problem;
use punchcard_core::scene::PanelState;
use punchcard_core::supervisor::{
    Action, Actual, PartConfiguration, PartName, Reason, Restarts, Spec, Step, Wanted, plan_steps,
};
use punchcard_ledger::{Declaration, Declared, StorageError};
use punchcard_sandbox::Sandbox;
use punchcard_sandbox::cache::hexadecimal;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use super::assembly::{Assembled, Assembly, Fault};
use super::configuration::{self, InForce, Source};
use super::device::{Device, Options};
use super::error_chain::chain;
use super::io::Io;
use super::part::{Handle, Part, Site};
use super::plugin::{Loaded, LoadedPlugin, Plugins};
use super::status::{Fallback, PluginReport, ReloadReport, StepReport};
use super::timer::sleep_until;
use candidate::Candidate;
use running::{BrokeOff, Running};

/// Milliseconds after which a ledger that refused is asked again.
const ASK_AGAIN_MS: u64 = 10_000;

/// What is asked of the supervisor.
pub(super) enum Request {
    /// Look at plugins.toml, the components and the secrets again.
    Reload {
        /// Where whoever asks waits for what it came to.
        reply: Option<oneshot::Sender<ReloadReport>>,
    },
}

/// How a part should be.
enum Desired {
    Assembling,
    Ready(Arc<dyn Part>, Box<Spec>),
    Unready(String),
}

/// Keeps the parts of a device.
pub(super) struct Supervisor {
    device: Arc<Device>,
    options: Options,
    sandbox: Arc<Sandbox>,
    site: Site,
    /// What a person touches and sees.
    io: Arc<tokio::sync::Mutex<Io>>,
    requests: mpsc::UnboundedReceiver<Request>,
    /// What should run.
    desired: BTreeMap<PartName, Desired>,
    running: BTreeMap<PartName, Running>,
    broke_off: BTreeMap<PartName, BrokenPart>,
    restarts: BTreeMap<PartName, Restarts>,
    /// The plugins that were loaded last.
    plugins: BTreeMap<PluginName, LoadedPlugin>,
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
        requests: mpsc::UnboundedReceiver<Request>,
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
            let again_at_ms = self.next_restart_ms();
            tokio::select! {
                Some(request) = self.requests.recv() => match request {
                    Request::Reload { reply } => self.reload(reply.into_iter().collect()),
                },
                assembled = candidate::next(&mut self.candidate) => {
                    if let Some((name, assembled)) = assembled {
                        self.take(name, assembled).await;
                    }
                }
                Some(broke_off) = self.ends.1.recv() => self.note_broke_off(broke_off).await,
                () = wait_until(&self.device, again_at_ms) => {
                    self.execute().await;
                }
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
        if let Some(candidate) = self.candidate.take_if(|candidate| candidate.is_reload) {
            replies.extend(candidate.replies);
        } else if let Some(candidate) = &mut self.candidate {
            candidate.again = true;
            candidate.replies.extend(replies);
            return;
        }
        let source = Source::read(&self.options.configuration);
        match configuration::read(&source, &self.options.configuration) {
            Ok(in_force) => self.begin(in_force, true, replies),
            Err(errors) => self.refuse(errors, replies),
        }
    }

    /// Begins to put a configuration's parts together.
    fn begin(&mut self, in_force: InForce, is_reload: bool, replies: Vec<oneshot::Sender<ReloadReport>>) {
        let folder = self.options.configuration.parent().unwrap_or(Path::new("."));
        let configuration = Arc::new(in_force.configuration.clone());
        let plugins = Plugins::load(&configuration, folder, &self.sandbox, &self.plugins);
        let assembly = Arc::new(Assembly { configuration, folder: folder.to_owned(), plugins, rows_alone: false });
        // What was proven as a whole before is started part by part; what was not is proven as a whole first.
        let is_proven = in_force.text.as_ref().is_none_or(|text| {
            configuration::last_valid(&self.options.state).is_none_or(|last_valid| last_valid == *text)
        });
        if !is_reload && is_proven {
            let names = Assembly::part_names(&assembly.configuration);
            self.desired = names.into_iter().map(|name| (name, Desired::Assembling)).collect();
            self.publish(&assembly.configuration, None);
        }
        self.candidate = Some(Candidate::new(in_force, assembly, is_proven, is_reload, replies));
    }

    /// Takes a part that was put together, or why it could not be.
    async fn take(&mut self, name: PartName, assembled: Assembled) {
        let Some(candidate) = &mut self.candidate else { return };
        let early = candidate.starts_part_by_part();
        let desired = candidate.take(name.clone(), assembled);
        if early && let Some(desired) = desired {
            self.desired.insert(name, desired);
            self.execute().await;
        }
    }

    /// All parts of the candidate were put together, or could not be.
    async fn conclude(&mut self) {
        let Some(mut candidate) = self.candidate.take() else { return };
        let plugins = candidate.assembly.plugins.all().await;
        let misconfigured = candidate.misconfigured();
        if !misconfigured.is_empty() && candidate.in_force.text.is_some() {
            return self.refuse_settings(candidate, &misconfigured);
        }
        let configuration = Arc::clone(&candidate.assembly.configuration);
        let is_whole = candidate.faults.is_empty() && plugins.values().all(Result::is_ok);
        // Only what works becomes what is fallen back on: a missing file or secret may be a misspelt name.
        if let Some(text) = candidate.in_force.text.take_if(|_| is_whole)
            && let Err(error) = configuration::keep_as_last_valid(&self.options.state, &text)
        {
            warn!(%error, "the configuration can't be kept as the last valid one");
        }
        self.device.set_configuration(candidate.in_force.report.clone());
        let after_restart = configuration::find_restart_needs(&self.device.configuration, &configuration);
        let names: BTreeSet<PartName> = Assembly::part_names(&configuration).into_iter().collect();
        self.desired.retain(|name, _| names.contains(name));
        self.desired.extend(candidate.take_all());
        for name in names {
            let lost = || Desired::Unready("it could not be put together, by a defect of this program".to_owned());
            self.desired.entry(name).or_insert_with(lost);
        }
        self.plugins = plugins.iter().filter_map(|(name, loaded)| Some((name.clone(), loaded.clone().ok()?))).collect();
        self.publish(&configuration, Some(&plugins));
        let mut steps = self.io.lock().await.apply(&configuration).await;
        steps.extend(self.execute().await);
        let used: Vec<_> = self.plugins.values().map(|loaded| *loaded.plugin.sha256()).collect();
        self.sandbox.keep_only(&used);
        if candidate.is_reload {
            let report =
                ReloadReport { errors: None, steps: steps.iter().map(StepReport::from).collect(), after_restart };
            reply_all(candidate.replies, &report);
        } else {
            self.device.display.note(PanelState::note_ready);
            info!(device = %configuration.device.name, "ready");
            if candidate.again {
                self.reload(candidate.replies);
            }
        }
    }

    /// Plugins refuse settings: what runs goes on; where nothing runs yet, the last valid configuration stands in.
    fn refuse_settings(&mut self, candidate: Candidate, misconfigured: &[Fault]) {
        let configuration = &candidate.assembly.configuration;
        let diagnostics: Vec<_> = misconfigured.iter().map(|fault| fault.diagnostic(configuration)).collect();
        let source = candidate.in_force.text.map(|text| Source { path: self.options.configuration.clone(), text });
        if candidate.is_reload {
            let errors = source.map(|source| source.render(&diagnostics)).unwrap_or_default();
            return self.refuse(errors, candidate.replies);
        }
        let Some(source) = source else { return };
        let Options { state, configuration: path } = &self.options;
        let stand_in = configuration::choose(&Ok(source), &diagnostics, state, path);
        self.device.set_configuration(stand_in.report.clone());
        self.begin(stand_in, false, candidate.replies);
        if let Some(next) = &mut self.candidate {
            next.again = candidate.again;
        }
    }

    /// Leaves everything as it is, and says why.
    fn refuse(&self, errors: String, replies: Vec<oneshot::Sender<ReloadReport>>) {
        let path = self.options.configuration.display().to_string();
        let mut report = self.device.configuration_report();
        report.path = path;
        report.fallback = Some(report.fallback.unwrap_or(Fallback::Running));
        report.errors = Some(errors.clone());
        self.device.set_configuration(report);
        reply_all(replies, &ReloadReport { errors: Some(errors), steps: Vec::new(), after_restart: Vec::new() });
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

    /// Shows how all parts stand, to those who ask and to one another.
    fn publish_parts(&self, steps: &[Step]) {
        self.set_paces();
        for step in steps {
            let advice = match &step.reason {
                Reason::GoesOn(_) => Some(step.reason.to_string()),
                _ => None,
            };
            let problem = advice.map(|advice| Problem { headline: "new version is off".into(), advice });
            self.device.troubles.set(&format!("{}.new", step.part), problem);
        }
        let mut off = Vec::new();
        self.device.parts.send_modify(|parts| {
            let parts = Arc::make_mut(parts);
            for step in steps {
                let standing = match (self.running.get(&step.part), &step.reason) {
                    (Some(running), _) => Ok(running.handle.clone()),
                    // It is not off: nothing is known of it yet.
                    (None, Reason::Assembling) => continue,
                    (None, Reason::Removed) => {
                        parts.remove(&step.part);
                        continue;
                    }
                    (None, _) => {
                        let reason = match self.desired.get(&step.part) {
                            Some(Desired::Unready(reason)) => reason.clone(),
                            _ => step.reason.to_string(),
                        };
                        off.push((step.part.clone(), reason.clone()));
                        Err(reason)
                    }
                };
                parts.set(&step.part, standing);
            }
        });
        for (part, reason) in off {
            warn!(%part, reason, "a part is off");
            self.device.say_off(&part.to_string(), &reason);
        }
        for (part, running) in &self.running {
            if let Handle::Sink(sink) = &running.handle
                && let Some(reason) = &sink.delivery_off
            {
                self.device.say_off(&format!("{part}.deliver"), reason);
            }
        }
    }

    /// Shows which configuration and plugins there are. `plugins`: those that were loaded, once they were.
    fn publish(&self, configuration: &Arc<Configuration>, plugins: Option<&BTreeMap<PluginName, Loaded>>) {
        self.device.parts.send_modify(|parts| {
            let parts = Arc::make_mut(parts);
            parts.configuration = Arc::clone(configuration);
            parts.starting &= plugins.is_none();
            if let Some(plugins) = plugins {
                parts.plugins = plugins.iter().map(|(name, loaded)| describe(name, loaded)).collect();
            }
        });
    }

    /// Gives each grant the pace of the slowest service of its sinks.
    fn set_paces(&self) {
        for running in self.running.values() {
            let Handle::Grant(grant) = &running.handle else { continue };
            let of_grant = self.running.values().filter_map(|running| match &running.handle {
                Handle::Sink(sink) if sink.grant.as_ref() == Some(&grant.name) => Some(sink.requests_per_minute),
                _ => None,
            });
            grant.set_pace(of_grant.min().unwrap_or(NonZeroU32::MAX));
        }
    }

    /// Tells the ledger which sinks and grants there are. A card that is full for a while turns nothing off: it is asked
    /// again.
    async fn declare(&self) -> Vec<Declared> {
        loop {
            match self.try_declare().await {
                Ok(declared) => {
                    self.device.troubles.set("ledger", None);
                    return declared;
                }
                Err(error) => {
                    let advice = format!("{}; grants and sinks wait for it", chain(error));
                    self.device.troubles.set("ledger", Some(Problem { headline: "ledger refuses".into(), advice }));
                    sleep_until(&self.device.clock, self.device.clock.monotonic_ms() + ASK_AGAIN_MS).await;
                }
            }
        }
    }

    async fn try_declare(&self) -> Result<Vec<Declared>, StorageError> {
        let configuration = Arc::clone(&self.device.parts.borrow().configuration);
        for name in configuration.grants.keys() {
            let Some(PartConfiguration::Grant(grant)) = self.spec_to_run(&PartName::Grant(name.clone())) else {
                continue;
            };
            if self.device.ledger.declare_grant(name, &grant.plugin).await? {
                info!(grant = %name, plugin = %grant.plugin, "the grant has another plugin, which begins anew");
            }
        }
        let declared = configuration.sinks.iter().map(|(name, sink)| {
            let declaration = match self.spec_to_run(&PartName::Sink(name.clone())) {
                Some(PartConfiguration::Sink(runs)) => declaration(runs),
                // None of its plugins will write a state.
                _ => Declaration { formatter: None, connector: None, ..declaration(sink) },
            };
            (name.clone(), declaration)
        });
        self.device.ledger.declare_sinks(declared.collect()).await
    }

    /// With what a part will run: as it should, or where that is not possible, as it did before.
    fn spec_to_run(&self, part: &PartName) -> Option<&PartConfiguration> {
        match (self.desired.get(part), self.running.get(part)) {
            (Some(Desired::Ready(_, spec)), _) => Some(&spec.configuration),
            (_, Some(running)) => Some(&running.spec.configuration),
            _ => None,
        }
    }

    /// Hears which sinks a person paused.
    async fn read_paused(&mut self) {
        let mut paused = BTreeSet::new();
        for name in self.desired.keys() {
            let PartName::Sink(sink) = name else { continue };
            match self.device.ledger.is_paused(sink).await {
                Ok(true) => {
                    paused.insert(sink.clone());
                }
                Ok(false) => {}
                // What a person paused stays paused where it can't be read.
                Err(error) => {
                    warn!(%sink, error = chain(error), "whether the sink is paused can't be read; it is taken to be");
                    paused.insert(sink.clone());
                }
            }
        }
        self.site.paused = paused;
    }
}

/// A sink, as the ledger is told of it before it is started.
pub(super) fn declaration(sink: &Sink) -> Declaration {
    Declaration {
        kinds: sink.events.iter().map(ToString::to_string).collect(),
        formatter: Some(sink.format.plugin.clone()),
        connector: Some(sink.deliver.plugin.clone()),
    }
}

fn describe(name: &PluginName, loaded: &Loaded) -> PluginReport {
    match loaded {
        Ok(LoadedPlugin { plugin, .. }) => PluginReport {
            name: name.to_string(),
            world: Some(plugin.world().into()),
            sha256: Some(hexadecimal(plugin.sha256())),
            error: None,
        },
        Err(reason) => PluginReport { name: name.to_string(), world: None, sha256: None, error: Some(reason.clone()) },
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
