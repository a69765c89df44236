//! What a person touches and sees: the keys of the inputs, and the panel. Either may be missing; the device runs on without.

use punchcard_core::config::Configuration;
use punchcard_core::config::input::Trigger;
use punchcard_core::config::panel::PanelDriver;
use punchcard_core::plugin::Problem;
use tokio::sync::mpsc;
use tracing::warn;

use super::display::Display;
use super::error_chain::chain;
use super::trouble::Troubles;
use crate::clock::Clock;
use crate::input::keyboard::{Input, Keyboard};
use punchcard_panel::terminal::Terminal;

/// Keys and panel at work.
pub(super) struct Face {
    /// What is sent here comes after every key that was read.
    pub(super) keys: mpsc::Sender<Input>,
    display: Display,
    keyboard: Option<Keyboard>,
    panel: Option<std::thread::JoinHandle<()>>,
}

impl Face {
    /// Starts what of it there is, and says what is missing. What is pressed comes out of the channel.
    pub(super) fn start(
        configuration: &Configuration,
        clock: &Clock,
        display: &Display,
        troubles: &Troubles,
    ) -> (Self, mpsc::Receiver<Input>) {
        let (keys, pressed) = mpsc::channel(64);
        let keyboard = start_keyboard(configuration, clock, keys.clone(), troubles);
        let panel = start_panel(configuration, display, troubles);
        for (name, input) in &configuration.inputs {
            if !matches!(input.trigger, Trigger::Key(_)) {
                warn!(input = %name, "an input is off: this version does not read GPIO lines yet");
            }
        }
        (Self { keys, display: display.clone(), keyboard, panel }, pressed)
    }

    /// Reads no more keys.
    pub(super) fn close_keyboard(&mut self) {
        self.keyboard = None;
    }

    /// Shows nothing any more.
    pub(super) fn end(self) {
        self.display.end();
        if self.panel.is_some_and(|panel| panel.join().is_err()) {
            warn!("the panel had failed");
        }
    }
}

fn start_keyboard(
    configuration: &Configuration,
    clock: &Clock,
    keys: mpsc::Sender<Input>,
    troubles: &Troubles,
) -> Option<Keyboard> {
    let clock = clock.clone();
    let triggers = configuration.inputs.values().filter_map(|input| match input.trigger {
        Trigger::Key(key) => Some(key),
        _ => None,
    });
    match Keyboard::start(triggers.collect(), move || clock.monotonic_ms(), keys) {
        Ok(keyboard) => Some(keyboard),
        Err(error) => {
            let advice = format!("{}; the device runs on without it", chain(error));
            troubles.set("keyboard", Some(Problem { headline: "no keyboard".into(), advice }));
            None
        }
    }
}

fn start_panel(
    configuration: &Configuration,
    display: &Display,
    troubles: &Troubles,
) -> Option<std::thread::JoinHandle<()>> {
    match configuration.panel.driver {
        PanelDriver::Terminal => {
            let driver = Box::new(Terminal::start(&key_help(configuration)));
            match display.show_on(driver) {
                Ok(thread) => return Some(thread),
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

/// What the keys do, for the line below a panel in a terminal.
fn key_help(configuration: &Configuration) -> String {
    let keys = configuration.inputs.iter().filter_map(|(name, input)| match &input.trigger {
        Trigger::Key(key) => Some(format!("{key}: {name}")),
        _ => None,
    });
    keys.chain(["Ctrl-C: stop".to_owned()]).collect::<Vec<_>>().join("   ")
}
