//! `punchcard run`.

use super::exit::{Exit, Failure};
use super::{DeviceArguments, heap, log};
use crate::app::device::Options;
use crate::app::lifecycle::{DeviceError, run as run_device};
use crate::app::state_folder::make_private;
use punchcard_ledger::OpenError;
use punchcard_sandbox::CALLS;

pub(super) fn run(device: &DeviceArguments) -> Result<Exit, Failure> {
    // Before the log, which may go there.
    make_private(&device.state).map_err(Failure::general)?;
    log::start(&device.state);
    heap::share();
    let options = Options { configuration: device.config.clone(), state: device.state.clone() };
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
