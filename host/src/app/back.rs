//! What is behind the sandbox: plugins, and the grants and sinks that they make up.
//!
//! Nothing here stops a device. Without the sandbox all of it is off, without the token storage the grants, without HTTP
//! the grants and deliveries; while the ledger can't be written it waits.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use punchcard_core::config::{Configuration, Diagnostic};
use punchcard_core::name::SinkName;
use punchcard_core::plugin::Problem;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use super::announcement;
use super::assembly::Assembly;
use super::configuration::{self, InForce, ReadError, Source};
use super::device::{Device, Options};
use super::grant::chain;
use super::part::{Parts, Tools};
use super::timer::sleep_until;
use crate::http::{self, Http, Trust};
use crate::vault::Vault;
use punchcard_ledger::{Declared, StorageError};
use punchcard_sandbox::{Compiler, Sandbox};

/// Milliseconds after which a ledger that refused is asked again.
const ASK_AGAIN_MS: u64 = 10_000;

/// Starts grants and sinks.
pub(super) async fn start(
    device: &Arc<Device>,
    options: &Options,
    source: &Result<Source, ReadError>,
    in_force: &InForce,
    tasks: &mut JoinSet<()>,
) {
    let sandbox = match Sandbox::start(&options.state, Compiler::of_this_program()) {
        Ok(sandbox) => sandbox,
        Err(error) => {
            let reason = format!("plugins can't be run on this machine: {}", chain(error));
            error!("inputs and ledger run; nothing is formatted or delivered");
            let problem = Problem { headline: "plugins are off".into(), advice: reason.clone() };
            device.troubles.set("sandbox", Some(problem));
            let parts = Parts::none(&device.configuration, &reason);
            device.parts.get_or_init(|| parts);
            return;
        }
    };
    let mut tools = take_tools(device, options);
    let (configuration, assembly) = assemble(device, options, source, in_force, &sandbox).await;
    let (declared, paused) = declare(device, &configuration).await;
    device.say_declared(&declared);
    tools.paused = paused;
    let (said, sayings) = mpsc::unbounded_channel();
    let (delivered, deliveries) = mpsc::unbounded_channel();
    let parts = Parts::start(&configuration, assembly, &tools, &said, &delivered, tasks);
    announcement::start(device, &parts, sayings, deliveries, tasks);
    device.parts.get_or_init(|| parts);
}

fn take_tools(device: &Device, options: &Options) -> Tools {
    let vault = Vault::open(&options.state.join("vault")).map_err(|error| {
        let reason = format!("the token storage can't be opened: {}", chain(error));
        error!(reason, "grants are off, with the deliveries that need them");
        reason
    });
    // `answer-mib` stands in `[limits]` only, so that all plugins have the same.
    let largest = device.configuration.plugins.values().map(|plugin| plugin.limits.answer_bytes).max();
    let mut limits = http::Limits::default();
    limits.largest_answer = largest.unwrap_or(limits.largest_answer);
    let http = Http::open(&limits, &Trust::system(Vec::new())).map_err(|error| {
        let reason = format!("requests can't be made on this machine: {}", chain(error));
        error!(reason, "grants and deliveries are off");
        reason
    });
    Tools {
        vault: vault.map(Arc::new),
        http: http.map(Arc::new),
        ledger: device.ledger.clone(),
        clock: device.clock.clone(),
        time: device.time.clone(),
        paused: BTreeSet::new(),
    }
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
            // Only what works becomes what is fallen back on: a missing file or secret may be a misspelt name.
            if assembly.faults.is_empty()
                && let Err(error) = configuration::keep_as_last_valid(&options.state, text)
            {
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

/// Tells the ledger which sinks and grants there are, and hears which sinks a person paused. A card that is full for a while turns nothing off: it is asked again.
async fn declare(device: &Device, configuration: &Configuration) -> (Vec<Declared>, BTreeSet<SinkName>) {
    loop {
        match try_declare(device, configuration).await {
            Ok(declared) => {
                device.troubles.set("ledger", None);
                return declared;
            }
            Err(error) => {
                let advice = format!("{}; grants and sinks wait for it", chain(error));
                device.troubles.set("ledger", Some(Problem { headline: "ledger refuses".into(), advice }));
                sleep_until(&device.clock, device.clock.monotonic_ms() + ASK_AGAIN_MS).await;
            }
        }
    }
}

async fn try_declare(
    device: &Device,
    configuration: &Configuration,
) -> Result<(Vec<Declared>, BTreeSet<SinkName>), StorageError> {
    for (name, grant) in &configuration.grants {
        if device.ledger.declare_grant(name, &grant.plugin).await? {
            info!(grant = %name, plugin = %grant.plugin, "the grant has another plugin, which begins anew");
        }
    }
    let declared = device.ledger.declare_sinks(Parts::declarations(configuration)).await?;
    let mut paused = BTreeSet::new();
    for sink in configuration.sinks.keys() {
        if device.ledger.is_paused(sink).await? {
            info!(%sink, "the sink is paused; nothing is delivered");
            paused.insert(sink.clone());
        }
    }
    Ok((declared, paused))
}
