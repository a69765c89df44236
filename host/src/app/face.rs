//! What a person touches and sees: the inputs, and the panel. Either may be missing; the device runs on without.

use std::collections::BTreeMap;
use std::sync::Arc;

use punchcard_core::config::Configuration;
use punchcard_core::config::input::Trigger;
use punchcard_core::config::panel::PanelDriver;
use punchcard_core::plugin::Problem;
use tokio::sync::mpsc;
use tracing::warn;

use super::display::{Display, Showing};
use super::error_chain::chain;
use super::trouble::Troubles;
use crate::clock::Clock;
use crate::input::{DRIVERS, Message, Reading};
use punchcard_panel::terminal::Terminal;

/// Inputs and panel at work.
pub(super) struct Face {
    /// What is sent here comes after everything that was read.
    pub(super) sender: mpsc::Sender<Message>,
    inputs: Vec<Reading>,
    panel: Option<Showing>,
}

impl Face {
    /// Starts what of it there is, and says what is missing. What is pressed comes out of the channel. `errors` of
    /// plugins.toml are printed where the panel is a terminal.
    pub(super) fn start(
        configuration: &Configuration,
        errors: Option<&str>,
        clock: &Clock,
        display: &Display,
        troubles: &Troubles,
    ) -> (Self, mpsc::Receiver<Message>) {
        let (sender, pressed) = mpsc::channel(64);
        let inputs = start_inputs(configuration, clock, &sender, troubles);
        let panel = start_panel(configuration, errors, display, troubles);
        (Self { sender, inputs, panel }, pressed)
    }

    /// Reads no more inputs.
    pub(super) async fn close_inputs(&mut self) {
        for reading in std::mem::take(&mut self.inputs) {
            reading.stop().await;
        }
    }

    /// Shows nothing any more.
    pub(super) async fn end(self) {
        if let Some(panel) = self.panel {
            panel.stop().await;
        }
    }
}

/// Starts every driver: the keyboard's also hears that a person wants the device to stop.
fn start_inputs(
    configuration: &Configuration,
    clock: &Clock,
    sender: &mpsc::Sender<Message>,
    troubles: &Troubles,
) -> Vec<Reading> {
    for (name, input) in &configuration.inputs {
        if !DRIVERS.iter().any(|driver| driver.drives(&input.trigger)) {
            warn!(input = %name, "an input is off: this version does not read GPIO lines yet");
        }
    }
    let mut readings = Vec::new();
    for driver in DRIVERS {
        let inputs = configuration.inputs.iter().filter(|(_, input)| driver.drives(&input.trigger));
        let inputs: BTreeMap<_, _> = inputs.map(|(name, input)| (name.clone(), input.clone())).collect();
        let clock = clock.clone();
        match driver.start(&inputs, Arc::new(move || clock.monotonic_ms()), sender.clone()) {
            Ok(reading) => readings.push(reading),
            Err(error) => {
                let advice = format!("{}; the device runs on without it", chain(error));
                troubles.set(driver.name(), Some(Problem { headline: format!("no {}", driver.name()), advice }));
            }
        }
    }
    readings
}

fn start_panel(
    configuration: &Configuration,
    errors: Option<&str>,
    display: &Display,
    troubles: &Troubles,
) -> Option<Showing> {
    match configuration.panel.driver {
        PanelDriver::Terminal => {
            let driver = Box::new(Terminal::start(&key_help(configuration), errors.unwrap_or_default()));
            match display.show_on(driver) {
                Ok(showing) => return Some(showing),
                Err(error) => {
                    let advice = format!("the system gives no thread for it: {error}");
                    troubles.set("panel", Some(Problem { headline: "the panel is off".into(), advice }));
                }
            }
        }
        PanelDriver::None => {}
        PanelDriver::Ssd1306 { .. } => {
            let advice = "this version does not drive an SSD1306 yet; `punchcard panel` shows what it would show";
            troubles.set("panel", Some(Problem { headline: "the panel is off".into(), advice: advice.into() }));
        }
    }
    None
}

/// What the keys do, for the line below a panel in a terminal: first how to stop, for a narrow one cuts the end off.
fn key_help(configuration: &Configuration) -> String {
    let keys = configuration.inputs.iter().filter_map(|(name, input)| match &input.trigger {
        Trigger::Key(key) => Some(format!("{key}: {name}")),
        _ => None,
    });
    std::iter::once("Ctrl-C: stop".to_owned()).chain(keys).collect::<Vec<_>>().join("   ")
}
