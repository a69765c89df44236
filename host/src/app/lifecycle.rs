//! The life of a device: how it is put together, what ends it, and how it is taken apart.
//!
//! The order is the promise: the ledger and the inputs first, so that a person can press whatever else is broken; then the
//! sandbox with grants and sinks, each of which may be missing. At the end the presses that were taken are saved before
//! the ledger closes. A part that can't be started is said and left out, and one that breaks off is started again by the
//! supervisor. Without ledger, intake, clock or supervisor there is no device: where one of them breaks off, by a defect of
//! ours, the device ends, so that the system starts it anew. So it does where the card did not confirm what was written: the
//! ledger takes nothing more until a new start has looked at what is there.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use punchcard_core::config::Configuration;
use punchcard_core::event::Sequence;
use punchcard_core::plugin::Problem;
use thiserror::Error;
use tokio::sync::watch as channel;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::timeout;
use tracing::{error, info};

use super::alerting::alert;
use super::announcement;
use super::answer::answer;
use super::configuration::{self, InForce, Source};
use super::control;
use super::device::{Device, Options, Reload};
use super::display::Display;
use super::error_chain::chain;
use super::intake::Intake;
use super::io::{Io, frame_size};
use super::known_time::KnownTime;
use super::listing::Lists;
use super::material;
use super::metrics;
use super::opening::Opening;
use super::part::Site;
use super::part::roster::Parts;
use super::pruning::prune;
use super::sensor::POLLS;
use super::sensor::lender::Buses;
use super::service;
use super::state_folder::{self, StateFolderError};
use super::supervisor::Supervisor;
use super::trouble::Troubles;
use super::update::install::Installer;
use super::update::{UpdateAsk, Updater};
use super::watch;
use crate::clock::{Clock, ClockError};
use crate::http::{self, Http, Trust};
use crate::input::Message;
use crate::vault::Vault;
use punchcard_ledger::{CheckpointInterval, OpenError, Setup};
use punchcard_sandbox::{Compiler, Sandbox};

/// How long presses that were taken may need to be saved when the device ends. A card that takes longer is broken.
const SAVING_AT_THE_END: Duration = Duration::from_secs(10);

/// How long a device whose card did not confirm a write says so before it ends: long enough to be read.
const SAID_BEFORE_THE_END: Duration = Duration::from_secs(10);

/// Why a device could not be started, or not be ended in order.
#[derive(Debug, Error)]
pub enum DeviceError {
    /// There is no state folder.
    #[error("the state folder can't be used")]
    State(#[from] StateFolderError),
    /// There is no clock.
    #[error("the clocks can't be read")]
    Clock(#[from] ClockError),
    /// There is no ledger.
    #[error("the ledger can't be opened")]
    Ledger(#[from] OpenError),
    /// There is no signal to end by.
    #[error("the system gives no signal to end by")]
    System(#[source] std::io::Error),
    /// A task of the device broke off. What was recorded is safe.
    #[error("a part of the device broke off, by a defect of this program; start it again")]
    BrokeOff(#[source] JoinError),
    /// The ledger's thread ended. What was recorded is safe, and nothing more is.
    #[error("the ledger's writing thread ended, by a defect of this program; start it again")]
    LedgerEnded,
    /// The card did not confirm something that was written. Nothing was recorded since; what was recorded before is safe.
    #[error(
        "the card did not confirm what was written; start the device again, and take another card where it stays so"
    )]
    Unconfirmed,
}

/// Runs a device until a person or the system wants it to stop.
///
/// # Errors
/// When there is no device without what is missing, or when a part of it broke off. A part that is missing is said and
/// left out.
pub async fn run(options: &Options) -> Result<(), DeviceError> {
    state_folder::make_private(&options.state)?;
    let began = watch::Began::now(&options.configuration);
    let source = Source::read(&options.configuration);
    let in_force = configuration::choose(&source, &[], &options.state, &options.configuration)
        .with_panel(std::io::stdout().is_terminal());
    let mut ends = Ends::listen().map_err(DeviceError::System)?;
    let (supervisor, reloads) = mpsc::unbounded_channel();
    let (updates, update_asks) = mpsc::unbounded_channel();
    let opened = open(options, &in_force, supervisor, updates, &mut ends).await?;
    let Some((device, io, pressed)) = opened else { return Ok(()) };
    let io = Arc::new(tokio::sync::Mutex::new(io));

    let (lists, _) = channel::channel(Lists::new());
    let intake = Intake::new(
        &in_force.configuration,
        device.ledger.clone(),
        device.clock.clone(),
        device.time.clone(),
        device.display.clone(),
        device.troubles.clone(),
        lists.subscribe(),
    )
    .await;
    let mut intake = tokio::spawn(intake.run(pressed, device.parts.subscribe()));

    let mut front = JoinSet::new();
    front.spawn(device.time.clone().keep(
        device.clock.clone(),
        device.clock.sets(),
        device.ledger.clone(),
        device.display.clone(),
    ));
    front.spawn(prune(device.parts.subscribe(), device.ledger.clone(), device.clock.clone(), device.time.clone()));
    start_control(&device, options, &mut front);
    device.say_configuration();
    front.spawn(service::keep(Arc::clone(&device), io.lock().await.sender.clone()));

    let mut parts = JoinSet::new();
    let shared = Requests { reloads, updates: update_asks, lists };
    start_parts(&device, options, in_force, &io, shared, began, &mut parts);
    let ended = tokio::select! {
        ended = ends.wait(&mut intake, &mut front, device.ledger.accepted()) => ended,
        () = device.ledger.latched() => Err(DeviceError::Unconfirmed),
        error = first_to_break_off(&mut parts) => Err(error),
    };
    if matches!(ended, Err(DeviceError::Unconfirmed)) {
        say_unconfirmed(&device.troubles);
        // A person or the system may want it to end before.
        let _elapsed = timeout(SAID_BEFORE_THE_END, ends.signal()).await;
    }

    info!("stopping");
    service::stop();
    parts.shutdown().await;
    let mut io = io.lock().await;
    io.close_inputs().await;
    let saved = save_what_was_pressed(&io.sender, &mut intake).await;
    front.shutdown().await;
    device.ledger.clone().close().await;
    io.end().await;
    ended.and(saved).inspect_err(|error| error!(error = chain(error), "the device ends"))
}

/// Opens the ledger, and then what a person touches and sees. Without a ledger those come first, to say so. `None`: a
/// person or the system wanted the device to stop meanwhile.
async fn open(
    options: &Options,
    in_force: &InForce,
    supervisor: mpsc::UnboundedSender<Reload>,
    updates: mpsc::UnboundedSender<UpdateAsk>,
    ends: &mut Ends,
) -> Result<Option<(Arc<Device>, Io, mpsc::Receiver<Message>)>, DeviceError> {
    let configuration = &in_force.configuration;
    let configured = &configuration.device;
    let clock = Clock::open(configured.name.as_str(), configured.time_zone.clone(), configured.trust_clock)?;
    let setup = Setup {
        boot: clock.monotonic().boot,
        zone: configured.time_zone.clone(),
        checkpoints: CheckpointInterval::default(),
    };
    let display = Display::new(configured.name.as_str(), frame_size(configuration.panel.size), clock.clone());
    let troubles = Troubles::new(display.clone());
    let errors = in_force.report.errors.as_deref();
    let io = || Io::start(configuration, errors, &options.hardware, &clock, &display, &troubles);
    let opening =
        Opening { state: &options.state, setup: &setup, clock: &clock, display: &display, troubles: &troubles };
    let ((ledger, opened), (io, pressed)) = match opening.open() {
        Ok(opened) => (opened, io()),
        Err(error @ OpenError::InUse { .. }) => return Err(error.into()),
        Err(error) => {
            let (mut io, mut pressed) = io();
            let reason = chain(&error);
            let opened = tokio::select! {
                () = service::keep_without_ledger(&reason) => None,
                opened = opening.open_after(error, &mut pressed) => opened?,
                () = ends.signal() => None,
            };
            let Some(opened) = opened else {
                io.end().await;
                return Ok(None);
            };
            (opened, (io, pressed))
        }
    };
    if let Some(version) = opened.migrated_from {
        info!(version, "the ledger was brought up to date");
    }
    if opened.restored {
        info!("the ledger was restored from a backup; what it replaced is kept in `before-restore`");
    }
    info!(events = opened.newest.0, created = opened.created, "the ledger is open");
    if let Some(known) = opened.known_time {
        clock.resume(known.synchronised);
    }
    let last_seen = opened.last_time_seen.map(|seen| seen.unix_micros);
    let device = Device {
        configuration: configuration.clone(),
        report: Mutex::new(in_force.report.clone()),
        clock,
        time: KnownTime::new(last_seen, troubles.clone()),
        ledger,
        troubles,
        is_simulated: options.hardware.is_simulated(),
        display,
        parts: channel::channel(Arc::new(Parts::none_yet(Arc::new(configuration.clone())))).0,
        supervisor,
        http: open_http(configuration),
        updates,
        repositories: channel::channel(Vec::new()).0,
        pausing: tokio::sync::Mutex::default(),
    };
    Ok(Some((Arc::new(device), io, pressed)))
}

/// What others ask of those who keep plugins.
struct Requests {
    reloads: mpsc::UnboundedReceiver<Reload>,
    updates: mpsc::UnboundedReceiver<UpdateAsk>,
    /// The lists that are fetched, for the intake.
    lists: channel::Sender<Lists>,
}

/// Starts what is behind the sandbox: plugins, and the grants and sinks that they make up. Nothing of it stops a device:
/// without the sandbox all of it is off, without the token storage the grants, without HTTP the grants and deliveries.
fn start_parts(
    device: &Arc<Device>,
    options: &Options,
    in_force: InForce,
    io: &Arc<tokio::sync::Mutex<Io>>,
    requests: Requests,
    began: watch::Began,
    tasks: &mut JoinSet<()>,
) {
    let http = device.http.clone();
    let folder = options.configuration.parent().unwrap_or(Path::new(".")).to_owned();
    tasks.spawn(alert(Arc::clone(device), http.clone(), folder.clone()));
    tasks.spawn(metrics::serve(Arc::clone(device)));
    let compiler = Compiler::of_this_program().with_backend(device.configuration.backend);
    let sandbox = match Sandbox::start(&options.state, compiler) {
        Ok(sandbox) => sandbox,
        Err(error) => {
            let advice = format!("plugins can't be run on this machine: {}", chain(error));
            error!("inputs and ledger run; nothing is formatted or delivered");
            device.parts.send_modify(|parts| Arc::make_mut(parts).turn_off(&advice));
            device.troubles.set("sandbox", Some(Problem { headline: "plugins are off".into(), advice }));
            return;
        }
    };
    let installer = Installer::new(Arc::clone(device), folder.clone());
    let updater = Updater::new(Arc::clone(device), http.clone(), folder, &options.state, installer, requests.updates);
    tasks.spawn(updater.run());
    let (said, sayings) = mpsc::unbounded_channel();
    let (delivered, deliveries) = mpsc::unbounded_channel();
    let site = Site {
        vault: open_vault(device, options),
        http,
        ledger: device.ledger.clone(),
        clock: device.clock.clone(),
        time: device.time.clone(),
        display: device.display.clone(),
        troubles: device.troubles.clone(),
        buses: Arc::new(Buses::new(options.hardware.clone())),
        polling: Arc::new(Semaphore::new(POLLS)),
        lists: requests.lists,
        said,
        delivered,
        parts: device.parts.subscribe(),
        paused: BTreeSet::new(),
        creations: Mutex::default(),
    };
    announcement::start(device, sayings, deliveries, tasks);
    tasks.spawn(watch::watch(
        options.configuration.clone(),
        device.parts.subscribe(),
        device.supervisor.clone(),
        began,
    ));
    let supervisor =
        Supervisor::new(Arc::clone(device), options.clone(), sandbox, site, Arc::clone(io), requests.reloads);
    tasks.spawn(supervisor.run(in_force));
}

fn open_vault(device: &Device, options: &Options) -> Result<Arc<Vault>, String> {
    let folder = options.configuration.parent().unwrap_or(Path::new("."));
    let opened = material::open_vault(&device.configuration, folder, &options.state);
    opened.map(Arc::new).inspect_err(|reason| error!(reason, "grants are off, with the deliveries that need them"))
}

fn open_http(configuration: &Configuration) -> Result<Arc<Http>, String> {
    // `answer-mib` stands in `[limits]` only, so that all plugins have the same.
    let largest = configuration.plugins.values().map(|plugin| plugin.limits.answer_bytes).max();
    let mut limits = http::Limits::default();
    limits.largest_answer = largest.unwrap_or(limits.largest_answer);
    Http::open(&limits, &Trust::system(Vec::new())).map(Arc::new).map_err(|error| {
        let reason = format!("requests can't be made on this machine: {}", chain(error));
        error!(reason, "grants and deliveries are off");
        reason
    })
}

fn start_control(device: &Arc<Device>, options: &Options, tasks: &mut JoinSet<()>) {
    match control::listen(&options.state) {
        Ok(listener) => {
            let answering = Arc::clone(device);
            tasks.spawn(control::serve(listener, move |question| answer(Arc::clone(&answering), question)));
        }
        Err(error) => {
            let advice = format!("{}; `punchcard status` and the like don't work", chain(error));
            device.troubles.set("control", Some(Problem { headline: "no control socket".into(), advice }));
        }
    }
}

/// Says that nothing is recorded any more, on the panel, in `status` and in the log. Not as the part `ledger`: the
/// supervisor says there that it waits for it.
fn say_unconfirmed(troubles: &Troubles) {
    let advice = "the card did not confirm what was written, and nothing is recorded; the device ends in a moment, to be \
                  started anew. Where this comes again, take another card";
    troubles.set("card", Some(Problem { headline: "card lost a write".into(), advice: advice.into() }));
}

/// Lets the inputs save what they have taken, and ends them.
async fn save_what_was_pressed(sender: &mpsc::Sender<Message>, intake: &mut JoinHandle<()>) -> Result<(), DeviceError> {
    if intake.is_finished() {
        return Ok(());
    }
    let save = async {
        // Comes after everything that was read. When nobody takes it, the intake has ended by itself.
        let _ended = sender.send(Message::Quit).await;
        (&mut *intake).await
    };
    match timeout(SAVING_AT_THE_END, save).await {
        Ok(ended) => ended.map_err(DeviceError::BrokeOff),
        Err(_elapsed) => {
            error!("presses could not be saved within {} s, and are lost", SAVING_AT_THE_END.as_secs());
            intake.abort();
            Ok(())
        }
    }
}

/// Waits for a task that breaks off. Tasks that end are done.
async fn first_to_break_off(tasks: &mut JoinSet<()>) -> DeviceError {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            return DeviceError::BrokeOff(error);
        }
    }
    std::future::pending().await
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

    /// Waits until the system, or a person at a terminal, wants the device to stop.
    async fn signal(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Waits for that, or for something to break off. `accepted` is the ledger's, and lives as long as its writing thread.
    async fn wait(
        &mut self,
        intake: &mut JoinHandle<()>,
        front: &mut JoinSet<()>,
        mut accepted: channel::Receiver<Sequence>,
    ) -> Result<(), DeviceError> {
        let ledger_ended = async { while accepted.changed().await.is_ok() {} };
        tokio::select! {
            () = self.signal() => Ok(()),
            ended = intake => ended.map_err(DeviceError::BrokeOff),
            () = ledger_ended => Err(DeviceError::LedgerEnded),
            error = first_to_break_off(front) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::fixture::Fixture;

    #[test]
    fn a_card_that_lost_a_write_is_said_on_the_panel_and_in_status() {
        let fixture = Fixture::new();
        say_unconfirmed(&fixture.troubles);
        let headline = fixture.shown_problem().unwrap();
        // A line of the panel.
        assert!(headline.len() <= 21, "{headline}");
        let said = fixture.troubles.report();
        assert!(said.len() == 1 && said[0].part == "card" && said[0].problem.headline == headline, "{said:?}");
    }

    #[tokio::test]
    async fn a_task_that_breaks_off_ends_the_device_and_one_that_is_done_does_not() {
        let mut tasks = JoinSet::new();
        tasks.spawn(async {});
        tasks.spawn(std::future::pending());
        tasks.spawn(async { panic!("a defect") });
        let DeviceError::BrokeOff(error) = first_to_break_off(&mut tasks).await else { unreachable!() };
        assert!(error.is_panic());
        let mut intake = tokio::spawn(async { panic!("a defect") });
        let (announce, accepted) = channel::channel(Sequence(0));
        let ended = Ends::listen().unwrap().wait(&mut intake, &mut tasks, accepted.clone()).await;
        assert!(matches!(ended, Err(DeviceError::BrokeOff(_))));

        let mut intake = tokio::spawn(std::future::pending());
        announce.send(Sequence(1)).unwrap();
        drop(announce);
        let ended = Ends::listen().unwrap().wait(&mut intake, &mut JoinSet::new(), accepted).await;
        assert!(matches!(ended, Err(DeviceError::LedgerEnded)), "{ended:?}");
    }
}
