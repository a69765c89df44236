//! A backlog on its way: recorded while the host was off, then formatted and delivered by it.
//!
//! A run is one device with 100,000 presses in its ledger, from the start of the host until it reports that all of them
//! are delivered. Google's stand-in runs in this process, so that the host's memory is its own; the processors are
//! shared with it.

use anyhow::{Result, bail};
use punchcard_core::event::Value;
use punchcard_sandbox::Plugin;

use crate::device::Device;
use crate::sample::{Measurement, Stopwatch};
use crate::surroundings::Surroundings;
use crate::{folder, history};

const EVENTS: u32 = 100_000;
const RUNS: usize = 5;

pub(crate) async fn measure_speed(surroundings: &Surroundings) -> Result<Vec<Measurement>> {
    let (mut speeds, mut peaks) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let device = Device::prepare(surroundings, false).await?;
        history::record(device.state(), EVENTS).await?;
        let watch = Stopwatch::start();
        let host = device.start().await?;
        host.await_delivered(&device, EVENTS).await?;
        let took = watch.elapsed();
        check_arrived(&device)?;
        let peak = host.memory_mb("VmHWM")?;
        let speed = f64::from(EVENTS) / took.as_secs_f64();
        eprintln!("  {speed:.0} rows a second, at most {peak:.1} MB");
        speeds.push(speed);
        peaks.push(peak);
        host.stop().await?;
    }
    Ok(vec![Measurement::new("backlog_rows_per_s", "rows/s", speeds), Measurement::new("backlog_rss_mb", "MB", peaks)])
}

/// The requests that a backlog takes with the quota on. Those that every start makes, with or without rows, are taken
/// off. The least is what the connector's limits come to, where as little as possible counts towards its bytes: text.
///
/// The host keeps the pace of these limits in real time. The backlog fits into a minute's requests, so that nobody waits.
pub(crate) async fn measure_requests(surroundings: &Surroundings) -> Result<Measurement> {
    let least = plan_least(surroundings, EVENTS).await?;
    let device = Device::prepare(surroundings, true).await?;
    let before = device.requests();
    device.start_to_destination().await?.stop().await?;
    let of_a_start = device.requests() - before;
    history::record(device.state(), EVENTS).await?;
    let before = device.requests();
    let host = device.start().await?;
    host.await_delivered(&device, EVENTS).await?;
    host.stop().await?;
    check_arrived(&device)?;
    let requests = u32::try_from(device.requests() - before - of_a_start)?;
    Ok(Measurement::new("quota_requests", "requests", vec![f64::from(requests)]).with_least(f64::from(least)))
}

/// The least number of batches that the connector's limits allow for so many presses.
pub(crate) async fn plan_least(surroundings: &Surroundings, events: u32) -> Result<u32> {
    let cache = folder::make()?;
    let (Plugin::Formatter(formatter), Plugin::Connector(connector)) =
        (surroundings.load("timeclock", cache.path())?, surroundings.load("google-sheets", cache.path())?)
    else {
        bail!("timeclock or google-sheets is something else than it was");
    };
    let columns = formatter.columns(r#"{"layout":"punches"}"#).await?;
    let limits = connector.check(r#"{"spreadsheet":"Time clock","tab":"Punches"}"#, &columns).await?;
    eprintln!("  {} rows and {} bytes in a batch", limits.rows_per_batch, limits.bytes_per_batch);
    let mut text = 0;
    for number in 0..events {
        let press = history::press(number)?;
        let project = press.fields.iter().map(|field| match &field.value {
            Value::Text(text) => text.len() as u64,
            _ => 0,
        });
        text += project.sum::<u64>() + press.source.as_str().len() as u64;
    }
    let by_bytes = u32::try_from(text.div_ceil(limits.bytes_per_batch))?;
    Ok(events.div_ceil(limits.rows_per_batch).max(by_bytes))
}

/// Each press is a row in the sheet, once.
fn check_arrived(device: &Device) -> Result<()> {
    let rows = device.rows();
    // The titles are a row too.
    if rows != u64::from(EVENTS) + 1 {
        bail!("{EVENTS} presses became {rows} rows with their titles");
    }
    Ok(())
}
