//! A long outage: a million presses while the device was offline, then the network is back.
//!
//! There is one run, of some minutes. The presses of the outage are recorded through the ledger itself, in commits that
//! they share; then the host is started on them, and formats and delivers them within Google's quota, in real time. All the
//! while somebody presses a key. What a press takes is measured from outside: from the key to the line that the host writes
//! when it has recorded it, once with nothing else to do and once beside the backlog.
//!
//! Before the network is back, a minute passes: what left before an outage does not count towards the quota after it.
//!
//! Google's stand-in runs in this process, so that the host's memory is its own; the processors are shared with it.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::sleep;

use crate::backlog::plan_least;
use crate::device::{Device, Host};
use crate::history;
use crate::sample::{Measurement, Stopwatch, micros, quantile};
use crate::surroundings::Surroundings;

const EVENTS: u32 = 1_000_000;
/// Presses of the device without a backlog.
const IDLE_PRESSES: u32 = 600;
/// Between two presses: ten persons at the door.
const PAUSE: Duration = Duration::from_millis(100);
/// Looks at the sheet, in presses: a look costs the stand-in something. Near the end each press, since what is pressed after
/// it becomes batches of its own.
const LOOK_EVERY: u32 = 20;
/// So many rows are near the end: two batches.
const NEAR: u64 = 10_000;
/// What a quota looks back at.
const MINUTE: Duration = Duration::from_mins(1);
/// What the backlog may take: three times what the quota lets it take.
const MOST_PRESSES: u32 = 9_000;

pub(crate) async fn measure(surroundings: &Surroundings) -> Result<Vec<Measurement>> {
    let device = Device::prepare(surroundings, true).await?;
    let before = device.requests();
    let mut host = device.start_to_destination().await?;
    let of_a_start = device.requests() - before;
    let mut idle = Vec::new();
    for _ in 0..IDLE_PRESSES {
        idle.push(press(&mut host).await?);
    }
    host.await_delivered(&device, IDLE_PRESSES).await?;
    let idle_mb = host.memory_mb("VmRSS")?;
    host.stop().await?;

    let stopped = Stopwatch::start();
    history::record(device.state(), EVENTS).await?;
    sleep(MINUTE.saturating_sub(stopped.elapsed())).await;
    let (operations, requests, refusals) = (device.operations(), device.requests(), device.refusals());
    let mut host = device.start().await?;
    let mut draining = Vec::new();
    let rows = u64::from(IDLE_PRESSES) + u64::from(EVENTS);
    let mut pressed = 0;
    // The titles are a row too.
    while device.rows() <= rows {
        ensure!(pressed < MOST_PRESSES, "only {} rows of {rows} and their titles are there", device.rows());
        let presses = if device.rows() + NEAR < rows { LOOK_EVERY } else { 1 };
        for _ in 0..presses {
            draining.push(press(&mut host).await?);
            pressed += 1;
        }
    }
    let requests = u32::try_from(device.requests() - requests - of_a_start)?;
    for (operation, count) in device.operations() {
        let count = count - operations.get(&operation).copied().unwrap_or(0);
        eprintln!("  {count} × {operation}");
    }
    let peak_mb = host.memory_mb("VmHWM")?;
    host.await_delivered(&device, IDLE_PRESSES + EVENTS + pressed).await?;
    host.stop().await?;
    ensure!(device.rows() == rows + 1 + u64::from(pressed), "there are {} rows", device.rows());
    let refusals = u32::try_from(device.refusals() - refusals)?;

    let [median, slow] = [0.5, 0.99].map(|share| quantile(&mut idle, share));
    let [draining_median, draining_slow] = [0.5, 0.99].map(|share| quantile(&mut draining, share));
    eprintln!(
        "  a press {median:.0} µs (p99 {slow:.0}) when idle, {draining_median:.0} µs (p99 {draining_slow:.0}) beside the \
         backlog; {idle_mb:.1} MB when idle; {pressed} presses meanwhile"
    );
    let least = plan_least(surroundings, EVENTS + pressed).await?;
    Ok(vec![
        Measurement::new("outage_press_ratio", "", vec![draining_slow / slow]),
        Measurement::new("outage_rss_mb", "MB", vec![peak_mb]),
        Measurement::new("outage_requests", "requests", vec![f64::from(requests)]).with_least(f64::from(least)),
        Measurement::new("outage_refusals", "", vec![f64::from(refusals)]),
    ])
}

/// Presses the key after a pause. Returns what it took until it was recorded, in µs.
async fn press(host: &mut Host) -> Result<f64> {
    sleep(PAUSE).await;
    Ok(micros(host.press().await?))
}
