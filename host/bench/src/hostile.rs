//! A plugin that means harm: how much longer a press takes while one loops until its time is over, or takes all the memory that
//! it can get.
//!
//! A run is a press that makes the formatter do that, and the presses in the second after it, for which a call may last. The
//! value is by how much their 99th percentile is above that of presses while nothing happens.

use std::time::Duration;

use anyhow::{Context as _, Result};
use punchcard_rig::{Configuration, Key};

use crate::device::{Device, Host};
use crate::sample::{Measurement, Stopwatch, milliseconds, quantile};
use crate::surroundings::Surroundings;

const RUNS: usize = 9;
/// As long as a call may take.
const CALL_FOR: Duration = Duration::from_secs(1);
/// After which the key counts as pressed again.
const KEY_PAUSE: Duration = Duration::from_millis(25);

/// A formatter that does what a press tells it to.
const CONFIGURATION: Configuration<'_> = Configuration {
    device: "bench",
    keys: &[
        Key { key: "space", fields: &[("project", "Workshop")] },
        Key { key: "l", fields: &[("project", "loop")] },
        Key { key: "h", fields: &[("project", "hoard")] },
    ],
    more: "",
    formatter: "for-tests/saboteur",
    settings: r#"{ columns = ["what"] }"#,
};

pub(crate) async fn measure(surroundings: &Surroundings) -> Result<Measurement> {
    let mut runs = Vec::new();
    for run in 0..RUNS {
        // Each time anew: a plugin that keeps failing is called ever more rarely.
        let device = Device::prepare_with(surroundings, false, &CONFIGURATION).await?;
        let mut host = device.start_to_destination().await?;
        let idle = press_for(&mut host, CALL_FOR).await?;
        host.press_key(if run % 2 == 0 { "l" } else { "h" }).await?;
        let meanwhile = press_for(&mut host, CALL_FOR).await?;
        host.await_status("say that the plugin fails", |report| {
            report
                .plugins
                .iter()
                .any(|plugin| plugin.calls.as_ref().is_some_and(|calls| calls.failures > 0))
                .then_some(())
        })
        .await
        .context("the plugin did no harm")?;
        host.stop().await?;
        eprintln!("  a press takes {idle:.2} ms (p99), and beside a plugin that means harm {meanwhile:.2} ms");
        runs.push(meanwhile - idle);
    }
    Ok(Measurement::new("hostile_press_ms", "ms", runs))
}

/// Presses for so long. Returns the 99th percentile of what a press took, in milliseconds.
async fn press_for(host: &mut Host, press_for: Duration) -> Result<f64> {
    let watch = Stopwatch::start();
    let mut took = Vec::new();
    while watch.elapsed() < press_for {
        took.push(milliseconds(host.press().await?));
        tokio::time::sleep(KEY_PAUSE).await;
    }
    Ok(quantile(&mut took, 0.99))
}
