//! From the start of the process to ready, and what it takes of memory and processor after that.
//!
//! A run is one start of a device that is signed in, whose plugins were compiled before. It is looked at after some seconds:
//! by then it has looked at its spreadsheet and has nothing more to do.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::sleep;

use crate::device::Device;
use crate::sample::Measurement;
use crate::surroundings::Surroundings;

const STARTS: usize = 15;
/// Of these starts, how many are waited for until they are idle.
const IDLE_STARTS: usize = 3;
const IDLE_AFTER: Duration = Duration::from_secs(5);

pub(crate) async fn measure(surroundings: &Surroundings) -> Result<Vec<Measurement>> {
    let device = Device::prepare(surroundings, false).await?;
    let mut ready = Vec::new();
    let (mut resident, mut own, mut computing) = (Vec::new(), Vec::new(), Vec::new());
    for start in 0..STARTS {
        let host = if start < IDLE_STARTS {
            let host = device.start_to_destination().await?;
            sleep(IDLE_AFTER).await;
            resident.push(host.memory_mb("VmRSS")?);
            own.push(host.memory_mb("RssAnon")?);
            let before = host.computed_for()?;
            sleep(IDLE_AFTER).await;
            let spent = host.computed_for()?.saturating_sub(before);
            computing.push(spent.as_secs_f64() * 1e3 / IDLE_AFTER.as_secs_f64());
            host
        } else {
            device.start().await?
        };
        ready.push(host.ready_for.context("the host was not ready")?.as_secs_f64() * 1e3);
        host.stop().await?;
    }
    Ok(vec![
        Measurement::new("ready_ms", "ms", ready),
        Measurement::new("idle_rss_mb", "MB", resident),
        Measurement::new("idle_own_mb", "MB", own),
        Measurement::new("idle_cpu_ms", "ms/s", computing),
    ])
}
