//! A whole device: what runs, and how it is put together and taken apart.
//!
//! The order is the promise: the ledger and the inputs first, so that a person can press whatever else is broken; then the
//! sandbox with grants and sinks, each of which may be missing.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;

use punchcard_core::config::input::Trigger;
use punchcard_core::config::panel::{PanelDriver, PanelSize};
use punchcard_core::config::{Configuration, Diagnostic};
use punchcard_core::grant;
use punchcard_core::plugin::Problem;
use punchcard_core::scene::PanelState;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use super::assembly::Assembly;
use super::configuration::{self, InForce, ReadError, Source};
use super::control::{self, Answer, ControlError, Question};
use super::delivery;
use super::display::Display;
use super::formatting::Said;
use super::grant::{Ask, Grant, Surroundings, chain};
use super::intake::Intake;
use super::known_time::KnownTime;
use super::part::{GrantPart, Parts, SinkPart};
use super::pruning::prune;
use super::report::report;
use super::status::ConfigurationReport;
use crate::clock::{Clock, ClockError};
use crate::http::{self, Http, Trust};
use crate::input::keyboard::{Keyboard, KeyboardError};
use crate::ledger::{self, CheckpointInterval, Ledger, OpenError};
use crate::panel::FrameSize;
use crate::panel::terminal::Terminal;
use crate::vault::{Vault, VaultError};
use crate::wasm::{Sandbox, SandboxError};

/// What a device is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// plugins.toml.
    pub configuration: PathBuf,
    /// The folder of everything that outlives a restart.
    pub state: PathBuf,
}

/// Why a device could not be started, or not be ended in order.
#[derive(Debug, Error)]
pub enum DeviceError {
    /// The state folder can't be made.
    #[error("can't make the state folder {}", path.display())]
    State {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no clock.
    #[error("the clocks can't be read")]
    Clock(#[from] ClockError),
    /// There is no ledger.
    #[error("the ledger can't be opened")]
    Ledger(#[from] OpenError),
    /// The control socket can't be made.
    #[error("the control socket can't be opened")]
    Control(#[from] ControlError),
    /// There is no thread for the panel, or no signal to end by.
    #[error("the system gives no thread or signal")]
    System(#[source] std::io::Error),
    /// There is no keyboard.
    #[error("the keyboard can't be read")]
    Keyboard(#[from] KeyboardError),
}

/// Why the parts behind the sandbox could not be started. Inputs and ledger run without them.
#[derive(Debug, Error)]
pub(super) enum BackError {
    #[error("plugins can't be run on this machine")]
    Sandbox(#[from] SandboxError),
    #[error("the token storage can't be opened")]
    Vault(#[from] VaultError),
    #[error("requests can't be made on this machine")]
    Http(#[from] http::OpenError),
}

/// A device that runs.
pub(super) struct Device {
    pub(super) configuration: Configuration,
    pub(super) report: Mutex<ConfigurationReport>,
    pub(super) clock: Clock,
    pub(super) time: KnownTime,
    pub(super) ledger: Ledger,
    pub(super) display: Display,
    /// Set once what is behind the sandbox has been put together, or has failed to be.
    pub(super) parts: OnceLock<Parts>,
}

/// Runs a device until a person or the system wants it to stop.
///
/// # Errors
/// When there is no device without what is missing. A part that is missing is said and left out.
pub async fn run(options: &Options) -> Result<(), DeviceError> {
    make_state_folder(&options.state)?;
    let source = Source::read(&options.configuration);
    let in_force = configuration::choose(&source, &[], &options.state, &options.configuration);
    let device = open(options, &in_force)?;
    let mut ends = Ends::listen().map_err(DeviceError::System)?;

    let intake = Intake::new(
        &in_force.configuration,
        device.ledger.clone(),
        device.clock.clone(),
        device.time.clone(),
        device.display.clone(),
    )
    .await;
    let (keys, pressed) = mpsc::channel(64);
    let clock = device.clock.clone();
    let keyboard = Keyboard::start(intake.keys().collect(), move || clock.monotonic_ms(), keys)?;
    let panel = start_panel(&device, &in_force.configuration)?;
    let mut intake = tokio::spawn(intake.run(pressed));

    let mut tasks = JoinSet::new();
    tasks.spawn(device.time.clone().keep(device.clock.clone(), device.ledger.clone(), device.display.clone()));
    tasks.spawn(prune(
        in_force.configuration.history,
        device.ledger.clone(),
        device.clock.clone(),
        device.time.clone(),
    ));
    let listener = control::listen(&options.state)?;
    let answering = Arc::clone(&device);
    tasks.spawn(control::serve(listener, move |question| answer(Arc::clone(&answering), question)));
    device.say_configuration();

    let mut back = JoinSet::new();
    tokio::select! {
        () = start_back(&device, options, &source, &in_force, &mut back) => {
            device.display.note(PanelState::note_ready);
            info!(device = %in_force.configuration.device.name, "ready");
            ends.wait(&mut intake).await;
        }
        () = ends.wait(&mut intake) => {}
    }

    info!("stopping");
    drop(keyboard);
    back.shutdown().await;
    tasks.shutdown().await;
    // A press that is being saved is saved.
    if !intake.is_finished() {
        intake.abort();
    }
    device.ledger.clone().close().await;
    device.display.end();
    if panel.is_some_and(|panel| panel.join().is_err()) {
        warn!("the panel had failed");
    }
    Ok(())
}

fn make_state_folder(path: &Path) -> Result<(), DeviceError> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| DeviceError::State { path: path.to_owned(), source })
}

fn open(options: &Options, in_force: &InForce) -> Result<Arc<Device>, DeviceError> {
    let configured = &in_force.configuration.device;
    let clock = Clock::open(configured.name.as_str(), configured.time_zone.clone(), configured.trust_clock)?;
    let setup = ledger::Setup {
        boot: clock.monotonic().boot,
        zone: configured.time_zone.clone(),
        checkpoints: CheckpointInterval::default(),
    };
    let (ledger, opened) = Ledger::open(&options.state, setup)?;
    if let Some(version) = opened.migrated_from {
        info!(version, "the ledger was brought up to date");
    }
    info!(events = opened.newest.0, created = opened.created, "the ledger is open");
    let size = match in_force.configuration.panel.size {
        PanelSize::W128H32 => FrameSize::Low,
        PanelSize::W128H64 => FrameSize::High,
    };
    let display = Display::new(configured.name.as_str(), size, clock.clone());
    Ok(Arc::new(Device {
        configuration: in_force.configuration.clone(),
        report: Mutex::new(in_force.report.clone()),
        clock,
        time: KnownTime::new(opened.last_time_seen.map(|seen| seen.unix_micros)),
        ledger,
        display,
        parts: OnceLock::new(),
    }))
}

fn start_panel(device: &Device, configuration: &Configuration) -> Result<Option<JoinHandle<()>>, DeviceError> {
    match configuration.panel.driver {
        PanelDriver::Terminal => {
            let driver = Box::new(Terminal::start(&key_help(configuration)));
            device.display.show_on(driver).map(Some).map_err(DeviceError::System)
        }
        PanelDriver::None => Ok(None),
        PanelDriver::Ssd1306 { .. } => {
            warn!("this version does not drive an SSD1306 yet; `punchcard panel` shows what it would show");
            Ok(None)
        }
    }
}

/// What the keys do, for the line below a panel in a terminal.
fn key_help(configuration: &Configuration) -> String {
    let keys = configuration.inputs.iter().filter_map(|(name, input)| match &input.trigger {
        Trigger::Key(key) => Some(format!("{key}: {name}")),
        _ => None,
    });
    keys.chain(["Ctrl-C: stop".to_owned()]).collect::<Vec<_>>().join("   ")
}

impl Device {
    /// Says on the panel and in the log which configuration is in force, where it is not the file.
    fn say_configuration(&self) {
        let report = self.report.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let problem = report.errors.map(|errors| {
            warn!(path = report.path, "the configuration has errors:\n{errors}");
            Problem {
                headline: "config has errors".into(),
                advice: format!("`punchcard check` shows what is wrong with {}", report.path),
            }
        });
        self.display.note(|panel, now_ms| panel.set_problem("configuration", problem.as_ref(), now_ms));
    }
}

/// Starts what is behind the sandbox: grants and sinks.
async fn start_back(
    device: &Arc<Device>,
    options: &Options,
    source: &Result<Source, ReadError>,
    in_force: &InForce,
    tasks: &mut JoinSet<()>,
) {
    match open_back(device, options) {
        Ok((sandbox, surroundings)) => {
            let (configuration, assembly) = assemble(device, options, source, in_force, &sandbox).await;
            start_parts(device, &configuration, assembly, &surroundings, tasks).await;
        }
        Err(error) => {
            let reason = chain(error);
            error!(reason, "inputs and ledger run; nothing is formatted or delivered");
            let problem = Problem { headline: "plugins are off".into(), advice: reason.clone() };
            device.display.note(|panel, now_ms| panel.set_problem("sandbox", Some(&problem), now_ms));
            let parts = Parts::none(&device.configuration, &reason);
            device.parts.get_or_init(|| parts);
        }
    }
}

fn open_back(device: &Device, options: &Options) -> Result<(Arc<Sandbox>, Surroundings), BackError> {
    let sandbox = Sandbox::start(&options.state.join("cache"))?;
    let vault = Arc::new(Vault::open(&options.state.join("vault"))?);
    // `answer-mib` stands in `[limits]` only, so that all plugins have the same.
    let largest = device.configuration.plugins.values().map(|plugin| plugin.limits.answer_bytes).max();
    let mut limits = http::Limits::default();
    limits.largest_answer = largest.unwrap_or(limits.largest_answer);
    let http = Arc::new(Http::open(limits, Trust::system(Vec::new()))?);
    let surroundings = Surroundings {
        vault,
        ledger: device.ledger.clone(),
        http,
        clock: device.clock.clone(),
        time: device.time.clone(),
    };
    Ok((sandbox, surroundings))
}

/// Loads what the configuration names. Where a plugin refuses its settings, the last valid configuration does.
async fn assemble(
    device: &Device,
    options: &Options,
    source: &Result<Source, ReadError>,
    in_force: &InForce,
    sandbox: &Arc<Sandbox>,
) -> (Configuration, Assembly) {
    let folder = options.configuration.parent().unwrap_or(Path::new("."));
    let assembly = Assembly::assemble(&in_force.configuration, folder, sandbox).await;
    let refused: Vec<Diagnostic> = assembly
        .faults
        .iter()
        .filter(|fault| fault.misconfigured)
        .map(|fault| fault.diagnostic(&in_force.configuration))
        .collect();
    if let Some(text) = &in_force.text {
        if refused.is_empty() {
            if let Err(error) = configuration::keep_as_last_valid(&options.state, text) {
                warn!(%error, "the configuration can't be kept as the last valid one");
            }
            return (in_force.configuration.clone(), assembly);
        }
        let stand_in = configuration::choose(source, &refused, &options.state, &options.configuration);
        *device.report.lock().unwrap_or_else(PoisonError::into_inner) = stand_in.report;
        device.say_configuration();
        if stand_in.configuration != in_force.configuration {
            let assembly = Assembly::assemble(&stand_in.configuration, folder, sandbox).await;
            return (stand_in.configuration, assembly);
        }
    }
    (in_force.configuration.clone(), assembly)
}

async fn start_parts(
    device: &Arc<Device>,
    configuration: &Configuration,
    assembly: Assembly,
    surroundings: &Surroundings,
    tasks: &mut JoinSet<()>,
) {
    let (said, mut sayings) = mpsc::unbounded_channel();
    let (delivered, mut deliveries) = mpsc::unbounded_channel();
    let parts = Parts::start(configuration, assembly, surroundings, &said, &delivered, tasks).await;
    for (name, reason) in parts.off() {
        warn!(part = name, reason, "a part is off");
        let problem =
            Problem { headline: format!("{} is off", name.rsplit('.').next().unwrap_or(&name)), advice: reason };
        device.display.note(|panel, now_ms| panel.set_problem(&name, Some(&problem), now_ms));
    }
    for part in parts.grants.values() {
        if let GrantPart::On(grant) = part {
            tasks.spawn(show_grant(Arc::clone(grant), device.display.clone()));
        }
    }
    for (name, part) in &parts.sinks {
        if let SinkPart::On(sink) = part {
            tasks.spawn(show_delivery(format!("sinks.{name}"), sink.delivery.clone(), device.display.clone()));
        }
    }
    device.parts.get_or_init(|| parts);

    let display = device.display.clone();
    tasks.spawn(async move {
        while let Some(said) = sayings.recv().await {
            display.note(|panel, now_ms| match &said {
                Said::Notice(event, notice) => panel.note_notice(*event, notice, now_ms),
                Said::Standing(sink, standing) => panel.set_standing(sink, standing.as_deref()),
                Said::SetAside => {}
            });
        }
    });
    let (showing, mut accepted) = (Arc::clone(device), device.ledger.accepted());
    tasks.spawn(async move {
        loop {
            showing.show_undelivered().await;
            tokio::select! {
                changed = accepted.changed() => if changed.is_err() { return },
                sink = deliveries.recv() => match sink {
                    Some(_) => showing.display.note(PanelState::note_delivered),
                    None => return,
                },
            }
        }
    });
}

impl Device {
    async fn show_undelivered(&self) {
        let mut undelivered = 0;
        for sink in self.configuration.sinks.keys() {
            if let Ok(counts) = self.ledger.sink_counts(sink).await {
                undelivered += counts.events_waiting + counts.rows_waiting + counts.rows_in_flight;
                let standing = counts.standing;
                self.display.note(|panel, _| panel.set_standing(sink, standing.as_deref()));
            }
        }
        self.display.note(|panel, _| panel.set_undelivered(undelivered));
    }
}

/// Keeps the panel's word on a grant true.
async fn show_grant(grant: Arc<Grant>, display: Display) {
    let mut standing = grant.standing();
    loop {
        let now = standing.borrow_and_update().clone();
        let (prompt, problem) = match now {
            grant::Standing::AwaitingPerson { prompt, .. } => (Some(prompt), None),
            grant::Standing::Blocked(problem) => (None, Some(problem)),
            grant::Standing::Failing { reason } => {
                (None, Some(Problem { headline: "sign-in fails".into(), advice: reason }))
            }
            grant::Standing::SignedOut => {
                let advice = format!("`punchcard sign-in {}` signs in again", grant.name);
                (None, Some(Problem { headline: "signed out".into(), advice }))
            }
            grant::Standing::Starting | grant::Standing::Authorized { .. } | grant::Standing::Renewing => (None, None),
        };
        let part = format!("grants.{}", grant.name);
        display.note(|panel, now_ms| {
            panel.set_prompt(&grant.name, prompt.as_ref(), now_ms);
            panel.set_problem(&part, problem.as_ref(), now_ms);
        });
        if standing.changed().await.is_err() {
            return;
        }
    }
}

/// Keeps the panel's word on a sink's delivery true.
async fn show_delivery(
    part: String,
    mut standing: watch::Receiver<punchcard_core::delivery::Standing>,
    display: Display,
) {
    use punchcard_core::delivery::Standing;
    loop {
        let problem = match standing.borrow_and_update().clone() {
            Standing::Held { problem } => problem,
            Standing::Failing { reason } => Some(Problem { headline: "delivery fails".into(), advice: reason }),
            // What is waited for heals by itself; `status` says it.
            Standing::Idle | Standing::Working | Standing::Waiting { .. } => None,
        };
        display.note(|panel, now_ms| panel.set_problem(&part, problem.as_ref(), now_ms));
        if standing.changed().await.is_err() {
            return;
        }
    }
}

async fn answer(device: Arc<Device>, question: Question) -> Answer {
    match question {
        Question::Status => match report(&device).await {
            Ok(report) => Answer::Status(Box::new(report)),
            Err(reason) => Answer::Refused { reason },
        },
        Question::Frame => {
            let frame = device.display.frame();
            Answer::Frame { width: frame.size().width(), height: frame.size().height(), pages: frame.bytes().to_vec() }
        }
        Question::SignIn { grant } => device.ask_grant(&grant, Ask::SignIn),
        Question::SignOut { grant, revoke } => device.ask_grant(&grant, Ask::SignOut { revoke }),
        Question::Retry { sink } => device.ask_sink(&sink, delivery::Ask::Retry),
        Question::CreateAnew { sink } => device.ask_sink(&sink, delivery::Ask::CreateAnew),
    }
}

impl Device {
    fn ask_grant(&self, name: &str, ask: Ask) -> Answer {
        let Some(parts) = self.parts.get() else { return still_starting() };
        match parts.grants.iter().find(|(grant, _)| grant.as_str() == name) {
            Some((_, GrantPart::On(grant))) => {
                grant.ask(ask);
                Answer::Accepted
            }
            Some((_, GrantPart::Off(reason))) => Answer::Refused { reason: format!("grant `{name}` is off: {reason}") },
            None => unknown("grant", name, parts.grants.keys()),
        }
    }

    fn ask_sink(&self, name: &str, ask: delivery::Ask) -> Answer {
        let Some(parts) = self.parts.get() else { return still_starting() };
        match parts.sinks.iter().find(|(sink, _)| sink.as_str() == name) {
            Some((_, SinkPart::On(sink))) => match sink.asks.send(ask) {
                Ok(()) => Answer::Accepted,
                Err(_) => Answer::Refused { reason: format!("sink `{name}` has ended; restart the host") },
            },
            Some((_, SinkPart::Off(reason))) => Answer::Refused { reason: format!("sink `{name}` is off: {reason}") },
            None => unknown("sink", name, parts.sinks.keys()),
        }
    }
}

fn still_starting() -> Answer {
    Answer::Refused { reason: "the device is still starting; try again in a moment".into() }
}

fn unknown(what: &str, name: &str, known: impl Iterator<Item = impl ToString>) -> Answer {
    let known: Vec<String> = known.map(|name| format!("`{}`", name.to_string())).collect();
    let known = if known.is_empty() { "there is none".to_owned() } else { format!("there is {}", known.join(", ")) };
    Answer::Refused { reason: format!("there is no {what} `{name}`; {known}") }
}

/// What ends a device.
struct Ends {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Ends {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn wait(&mut self, intake: &mut tokio::task::JoinHandle<()>) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            ended = intake => if let Err(error) = ended {
                error!(%error, "the inputs have failed");
            }
        }
    }
}
