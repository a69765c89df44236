//! A sink whose settings change while the host runs: how long until it runs again, and whether a press waits meanwhile.
//!
//! A run is one change of plugins.toml and the answer to `punchcard reload`, which comes when the sink was stopped and
//! started anew. A press during one is sent in the same moment as the question. Before each press there is time for what came
//! before it to be delivered, as there is between the presses of any hand.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use punchcard::app::control::{Answer, Question, ask};
use punchcard::app::status::ActionName;
use tokio::time::sleep;

use crate::device::Device;
use crate::sample::{Measurement, Stopwatch, milliseconds, quantile};
use crate::surroundings::Surroundings;

const RELOADS: usize = 300;
const PAUSE: Duration = Duration::from_millis(10);
/// What is in the settings, and what stands there every other time. It means the same.
const SETTINGS: [&str; 2] = [r#"layout = "punches""#, r#"project-field = "project", layout = "punches""#];

pub(crate) async fn measure(surroundings: &Surroundings) -> Result<Vec<Measurement>> {
    let device = Device::prepare(surroundings, false).await?;
    let text = device.configuration()?;
    let mut host = device.start_to_destination().await?;
    let (mut reloads, mut meanwhile, mut idle) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..RELOADS {
        sleep(PAUSE).await;
        idle.push(milliseconds(host.press().await?));
        sleep(PAUSE).await;
        device.configure(&text.replace(SETTINGS[0], SETTINGS[(run + 1) % 2]))?;
        let watch = Stopwatch::start();
        let (answer, pressed) = tokio::join!(ask(device.state(), &Question::Reload), host.press());
        reloads.push(milliseconds(watch.elapsed()));
        meanwhile.push(milliseconds(pressed?));
        let Answer::Reloaded(report) = answer.context("the host does not answer")? else { bail!("no reload") };
        let restarted = report.steps.iter().filter(|step| step.action == ActionName::Restarted).count();
        if restarted != 1 {
            bail!("{restarted} parts were restarted: {report:?}");
        }
    }
    host.stop().await?;
    let [during, otherwise] =
        [&mut meanwhile, &mut idle].map(|presses| [0.5, 0.99].map(|share| quantile(presses, share)));
    eprintln!("  a press takes {otherwise:.2?} ms (median, p99), and during a reload {during:.2?} ms");
    let ratio = during[1] / otherwise[1];
    Ok(vec![Measurement::new("reload_ms", "ms", reloads), Measurement::new("reload_press_ratio", "", vec![ratio])])
}
