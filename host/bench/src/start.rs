//! From the start of the process to ready, and what it takes of memory and computing time after that.
//!
//! A run is one start of a device that is signed in, whose plugins were compiled before. Its memory is looked at after
//! some seconds: by then it has looked at its spreadsheet and has nothing more to do. Its computing time is that of the
//! seconds after that.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::sleep;

use crate::device::{Device, Host};
use crate::folder;
use crate::sample::{Measurement, Stopwatch};
use crate::surroundings::Surroundings;

const STARTS: usize = 15;
/// Of these starts, how many are waited for until they are idle.
const IDLE_STARTS: usize = 3;
const IDLE_AFTER: Duration = Duration::from_secs(5);
/// The plugin that a repository offers.
const UPDATED: &str = "timeclock";

pub(crate) async fn measure(surroundings: &Surroundings) -> Result<Vec<Measurement>> {
    let device = Device::prepare(surroundings, false).await?;
    let mut ready = Vec::new();
    let (mut resident, mut own, mut busy) = (Vec::new(), Vec::new(), Vec::new());
    for start in 0..STARTS {
        let host = if start < IDLE_STARTS {
            let host = device.start_to_destination().await?;
            resident.push(idle_mb(&host).await?);
            own.push(host.memory_mb("RssAnon")?);
            busy.push(busy_percent(&host).await?);
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
        Measurement::new("idle_cpu_percent", "%", busy),
    ])
}

/// Its memory alone, where plugins are interpreted.
pub(crate) async fn measure_interpreted(surroundings: &Surroundings) -> Result<Measurement> {
    let device = Device::prepare(surroundings, false).await?;
    device.configure(&format!("{}\n[runtime]\nbackend = \"pulley\"\n", device.configuration()?))?;
    // The first start compiles the plugins once more, for the interpreter.
    device.start_to_destination().await?.stop().await?;
    let mut resident = Vec::new();
    for _ in 0..IDLE_STARTS {
        let host = device.start_to_destination().await?;
        resident.push(idle_mb(&host).await?);
        host.stop().await?;
    }
    Ok(Measurement::new("idle_rss_pulley_mb", "MB", resident))
}

/// How much more memory of its own it takes where a repository of plugins is named and was looked at.
pub(crate) async fn measure_updates(surroundings: &Surroundings) -> Result<Measurement> {
    let device = Device::prepare(surroundings, false).await?;
    let publisher = folder::make()?;
    let at = publisher.path().to_str().context("a path is no text")?;
    let plugin = surroundings.programs.guest(UPDATED);
    let plugin = plugin.to_str().context("a path is no text")?;
    for arguments in [&["init"][..], &["add", plugin, "--version", "1.0.0"], &["sign"]] {
        let program = ["punchcard-publisher", "--folder", at];
        punchcard_publisher::run(program.iter().chain(arguments)).await?;
    }
    let without = device.configuration()?;
    let repository = format!(
        "[repositories.workshop]\nfolder = \"{at}/repository\"\nroot = \"{at}/repository/metadata/1.root.json\"\n\
         plugins = [\"{UPDATED}\"]\nupdates = \"off\"\n"
    );
    let mut more = Vec::new();
    for _ in 0..IDLE_STARTS {
        let mut own = Vec::new();
        for configuration in [without.clone(), format!("{without}\n{repository}")] {
            device.configure(&configuration)?;
            let host = device.start_to_destination().await?;
            if configuration != without {
                host.look_for_updates().await?;
            }
            sleep(IDLE_AFTER).await;
            own.push(host.memory_mb("RssAnon")?);
            host.stop().await?;
        }
        more.push(own[1] - own[0]);
    }
    Ok(Measurement::new("idle_updates_mb", "MB", more))
}

/// What it takes once it has nothing more to do.
async fn idle_mb(host: &Host) -> Result<f64> {
    sleep(IDLE_AFTER).await;
    host.memory_mb("VmRSS")
}

/// How much of one processor it takes when it has nothing to do.
async fn busy_percent(host: &Host) -> Result<f64> {
    let (watch, before) = (Stopwatch::start(), host.computed_for()?);
    sleep(IDLE_AFTER).await;
    let computed_for = host.computed_for()?.saturating_sub(before);
    Ok(100.0 * computed_for.as_secs_f64() / watch.elapsed().as_secs_f64())
}
