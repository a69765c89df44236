//! A plugin whose code is not there yet: whether a press waits while it is compiled, in a process of its own.
//!
//! A run changes the connector's component by a custom section, so that its code has to be made anew, asks for a reload and
//! presses until that is answered. After it as many presses are made while nothing else happens. The ratio is that of all
//! runs together. Between two presses there is time for the row of the first to be delivered: without it, what is measured is
//! how fast deliveries go beside a compiler, and a press waits for those of the presses before it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use punchcard::app::control::{Answer, Question, ask};
use tokio::time::sleep;

use crate::device::Device;
use crate::sample::{Measurement, milliseconds, quantile};
use crate::surroundings::Surroundings;

const RUNS: u8 = 25;
/// Shorter than between the presses of any hand.
const PAUSE: Duration = Duration::from_millis(10);
/// The largest of those that come along.
const PLUGIN: &str = "google-sheets";

pub(crate) async fn measure(surroundings: &Surroundings) -> Result<Measurement> {
    let device = Device::prepare(surroundings, false).await?;
    let file = surroundings.programs.guest(PLUGIN);
    let component = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let usual = file.to_str().context("a path that is no text")?;
    let changed = device.state().with_file_name("changed.wasm");
    let text = device.configuration()?;
    if !text.contains(usual) {
        bail!("the configuration names {PLUGIN} by another path");
    }
    device.configure(&text.replace(usual, changed.to_str().context("a path that is no text")?))?;
    std::fs::write(&changed, &component)?;
    let mut host = device.start_to_destination().await?;
    let (mut meanwhile, mut idle) = (Vec::new(), Vec::new());
    for run in 1..=RUNS {
        // A custom section: its id, the length of what follows, and a name that is one byte long.
        std::fs::write(&changed, [component.as_slice(), &[0, 2, 1, b'a' + run]].concat())?;
        let before = meanwhile.len();
        let is_answered = AtomicBool::new(false);
        let reload = async {
            let answer = ask(device.state(), &Question::Reload).await;
            is_answered.store(true, Ordering::Relaxed);
            answer
        };
        let presses = async {
            while !is_answered.load(Ordering::Relaxed) {
                meanwhile.push(milliseconds(host.press().await?));
                sleep(PAUSE).await;
            }
            anyhow::Ok(())
        };
        let (answer, pressed) = tokio::join!(reload, presses);
        pressed?;
        let Answer::Reloaded(_) = answer.context("the host does not answer")? else { bail!("no reload") };
        for _ in before..meanwhile.len() {
            sleep(PAUSE).await;
            idle.push(milliseconds(host.press().await?));
        }
    }
    host.stop().await?;
    let [during, otherwise] =
        [&mut meanwhile, &mut idle].map(|presses| [0.5, 0.99].map(|share| quantile(presses, share)));
    eprintln!("  {} presses take {otherwise:.2?} ms (median, p99), and during it {during:.2?} ms", idle.len());
    Ok(Measurement::new("compile_press_ratio", "", vec![during[1] / otherwise[1]]))
}
