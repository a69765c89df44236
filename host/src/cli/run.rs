//! `punchcard run`.

use clap::Args;

use super::exit::{Exit, Failure};
use super::{DeviceArguments, heap, log};
use crate::app::device::Options;
use crate::app::lifecycle::{DeviceError, run as run_device};
use crate::app::state_folder::make_private;
use crate::hardware::Hardware;
use punchcard_ledger::OpenError;
use punchcard_sandbox::CALLS;

/// What the device runs with.
#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// What is connected: `real`, or `simulated` for a device without hardware. `simulated:FILE` takes the chips from a file,
    /// which is read again and again. GPIO lines of inputs and outputs are always real.
    #[arg(long, value_name = "HARDWARE", default_value = "real", value_parser = parse_hardware, env = "PUNCHCARD_HARDWARE")]
    hardware: Hardware,
}

fn parse_hardware(text: &str) -> Result<Hardware, String> {
    match text.split_once(':') {
        None if text == "real" => Ok(Hardware::of_kernel()),
        None if text == "simulated" => Ok(Hardware::simulated(None)),
        Some(("simulated", file)) => Ok(Hardware::simulated(Some(file.into()))),
        _ => Err("accepted are `real`, `simulated` and `simulated:FILE`".to_owned()),
    }
}

pub(super) fn run(device: &DeviceArguments, arguments: &RunArguments) -> Result<Exit, Failure> {
    // Before the log, which may go there.
    make_private(&device.state).map_err(Failure::general)?;
    log::start(&device.state);
    heap::share();
    let options = Options {
        configuration: device.config.clone(),
        state: device.state.clone(),
        hardware: arguments.hardware.clone(),
    };
    if options.hardware.is_simulated() {
        tracing::warn!("the hardware is simulated: its readings are of no real chip");
    }
    // Plugins compute on the runtime's threads: with all of them at it, there are two for everything else.
    let threads = CALLS as usize + 2;
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(threads).enable_all().build().map_err(Failure::general)?;
    let ended = runtime.block_on(run_device(&options));
    // A thread that waits for a key would hold the end up for ever.
    runtime.shutdown_background();
    match ended {
        Ok(()) => Ok(Exit::Success),
        Err(error) => {
            let exit = match &error {
                DeviceError::Ledger(OpenError::InUse { .. }) => Exit::InUse,
                DeviceError::Unconfirmed => Exit::Unconfirmed,
                _ => Exit::Failure,
            };
            Err(Failure::with(exit, error))
        }
    }
}
