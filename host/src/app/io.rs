//! What a person touches, sees and hears: the inputs, the outputs and the panel. Each may be missing; the device runs on
//! without.
//!
//! They are there before the ledger is: a device whose ledger can't be opened says so. So they are kept apart from the other
//! parts; what is started and stopped is decided for all of them by the same comparison.

use std::collections::BTreeMap;
use std::sync::Arc;

use punchcard_core::config::Configuration;
use punchcard_core::config::input::{Input, Trigger};
use punchcard_core::config::output::Output;
use punchcard_core::config::panel::{Care, Oled, OledChip, Panel, PanelDriver, PanelSize};
use punchcard_core::name::{InputName, OutputName};
use punchcard_core::plugin::Problem;
use punchcard_core::supervisor::{Action, Actual, PartConfiguration, PartName, Spec, Step, Wanted, plan_steps};
use tokio::sync::mpsc;
use tracing::warn;

use super::display::{Display, Following, Showing};
use super::error_chain::chain;
use super::trouble::Troubles;
use crate::clock::Clock;
use crate::hardware::{Hardware, I2cBus};
use crate::input::{self, DRIVERS, Driver, Message, OpenI2c, Reading, StartError};
use crate::output::{OutputError, Outputs};
use punchcard_i2c::BusPath;
use punchcard_panel::FrameSize;
use punchcard_panel::oled::{self, Chip, Connection};
use punchcard_panel::terminal::Terminal;

/// Inputs and panel at work.
pub(super) struct Io {
    /// What is sent here comes after everything that was read.
    pub(super) sender: mpsc::Sender<Message>,
    hardware: Hardware,
    clock: Clock,
    display: Display,
    troubles: Troubles,
    running: BTreeMap<PartName, (Box<Spec>, Running)>,
}

/// An input's driver, or the panel's.
enum Running {
    Inputs(Reading),
    Outputs(Following),
    Panel(Showing),
}

impl Io {
    /// Starts what of it there is, and says what is missing. What is pressed comes out of the channel. `errors` of
    /// plugins.toml are printed where the panel is a terminal.
    pub(super) fn start(
        configuration: &Configuration,
        errors: Option<&str>,
        hardware: &Hardware,
        clock: &Clock,
        display: &Display,
        troubles: &Troubles,
    ) -> (Self, mpsc::Receiver<Message>) {
        let (sender, pressed) = mpsc::channel(64);
        let (clock, display, troubles) = (clock.clone(), display.clone(), troubles.clone());
        let hardware = hardware.clone();
        let mut io = Self { sender, hardware, clock, display, troubles, running: BTreeMap::new() };
        let wanted = wanted(configuration);
        for step in io.plan(&wanted) {
            io.perform_start(&step, &wanted, errors.unwrap_or_default());
        }
        (io, pressed)
    }

    /// Has the inputs and the panel be what a configuration says. Those of which nothing changed are left alone.
    pub(super) async fn apply(&mut self, configuration: &Configuration) -> Vec<Step> {
        let wanted = wanted(configuration);
        let steps = self.plan(&wanted);
        for step in &steps {
            if matches!(step.action, Action::Stop | Action::Replace)
                && let Some((spec, running)) = self.running.remove(&step.part)
            {
                stop(running).await;
                // What can't be read now is said anew.
                if let PartConfiguration::Inputs(inputs) = &spec.configuration {
                    inputs.keys().for_each(|name| self.troubles.set(&input_part(name), None));
                }
                if let PartConfiguration::Outputs(outputs) = &spec.configuration {
                    outputs.keys().for_each(|name| self.troubles.set(&output_part(name), None));
                }
            }
        }
        self.display.set_size(frame_size(configuration.panel.size));
        for step in &steps {
            self.perform_start(step, &wanted, "");
        }
        // What was wrong with a panel that is no longer wanted.
        if configuration.panel.driver == PanelDriver::None {
            self.troubles.set("panel", None);
        }
        steps
    }

    /// Reads no more inputs.
    pub(super) async fn close_inputs(&mut self) {
        let inputs: Vec<PartName> =
            self.running.keys().filter(|name| matches!(name, PartName::Inputs(_))).cloned().collect();
        for name in inputs {
            if let Some((_, running)) = self.running.remove(&name) {
                stop(running).await;
            }
        }
    }

    /// Shows nothing any more.
    pub(super) async fn end(&mut self) {
        for (_, running) in std::mem::take(&mut self.running).into_values() {
            stop(running).await;
        }
    }

    fn plan(&self, wanted: &BTreeMap<PartName, Wanted>) -> Vec<Step> {
        let actual =
            |(name, (spec, _)): (&PartName, &(Box<Spec>, Running))| (name.clone(), Actual::Running(spec.clone()));
        plan_steps(wanted, &self.running.iter().map(actual).collect(), self.clock.monotonic_ms())
    }

    fn perform_start(&mut self, step: &Step, wanted: &BTreeMap<PartName, Wanted>, errors: &str) {
        let (Action::Start | Action::Replace, Some(Wanted::Ready(spec))) = (step.action, wanted.get(&step.part)) else {
            return;
        };
        let started = match &spec.configuration {
            PartConfiguration::Panel(panel, help) => self.start_panel(panel, help, errors),
            PartConfiguration::Inputs(inputs) => self.start_inputs(&step.part, inputs),
            PartConfiguration::Outputs(outputs) => Some(self.start_outputs(outputs)),
            PartConfiguration::Grant(_)
            | PartConfiguration::Sink(_)
            | PartConfiguration::Sensor(_)
            | PartConfiguration::Listing(_) => None,
        };
        if let Some(running) = started {
            self.running.insert(step.part.clone(), (spec.clone(), running));
        }
    }

    fn start_inputs(&self, part: &PartName, inputs: &BTreeMap<InputName, Input>) -> Option<Running> {
        let driver = DRIVERS.iter().find(|driver| part_of(**driver) == *part)?;
        let (clock, troubles) = (self.clock.clone(), self.troubles.clone());
        let tell = move |name: &InputName, error: Option<&StartError>| {
            let problem = error.map(|error| Problem { headline: format!("{name} is off"), advice: chain(error) });
            troubles.set(&input_part(name), problem);
        };
        let now_ms = move || clock.monotonic_ms();
        let hardware = self.hardware.clone();
        let open: OpenI2c = Arc::new(move |bus| Ok(input::I2cBus(Box::new(hardware.open_i2c(bus)?))));
        let started = driver.start(inputs, &open, Arc::new(now_ms), self.sender.clone(), Arc::new(tell));
        let problem = started.as_ref().err().map(|error| {
            let advice = format!("{}; the device runs on without it", chain(error));
            Problem { headline: format!("no {}", driver.name()), advice }
        });
        self.troubles.set(driver.name(), problem);
        let reading = started.ok()?;
        let (broken_off, troubles) = (reading.broken_off(), self.troubles.clone());
        tokio::spawn(async move {
            if let Some(reason) = broken_off.await {
                let advice = format!("what it has to read is not read any more ({reason}); restart the device");
                troubles.set(driver.name(), Some(Problem { headline: format!("no {}", driver.name()), advice }));
            }
        });
        Some(Running::Inputs(reading))
    }

    fn start_outputs(&self, outputs: &BTreeMap<OutputName, Output>) -> Running {
        let troubles = self.troubles.clone();
        let tell = move |name: &OutputName, error: Option<&OutputError>| {
            let problem = error.map(|error| Problem { headline: format!("{name} is off"), advice: chain(error) });
            troubles.set(&output_part(name), problem);
        };
        Running::Outputs(self.display.follow_with(Outputs::new(outputs.clone()), tell))
    }

    fn start_panel(&self, panel: &Panel, help: &str, errors: &str) -> Option<Running> {
        self.troubles.set("panel", None);
        let started = match &panel.driver {
            PanelDriver::Terminal => {
                let report = |error: Option<&str>| {
                    if let Some(error) = error {
                        warn!(error, "the panel does not take a frame");
                    }
                };
                self.display.show_on(Box::new(Terminal::start(help, errors)), Care::default(), report)
            }
            PanelDriver::Oled(oled) => {
                let troubles = self.troubles.clone();
                let report = move |error: Option<&str>| troubles.set("panel", error.map(panel_problem));
                self.display.show_on(Box::new(oled_driver(oled, panel.size, &self.hardware)), oled.care, report)
            }
            PanelDriver::None => return None,
        };
        if let Err(error) = &started {
            let advice = format!("the system gives no thread for it: {error}");
            self.troubles.set("panel", Some(Problem { headline: PANEL_IS_OFF.into(), advice }));
        }
        started.ok().map(Running::Panel)
    }
}

const PANEL_IS_OFF: &str = "the panel is off";

/// The device goes on without its panel, for whoever asks otherwise.
fn panel_problem(error: &str) -> Problem {
    let advice = format!("{error}. It is tried again and again; `punchcard panel` shows what it would show");
    Problem { headline: PANEL_IS_OFF.into(), advice }
}

/// An OLED on an I2C bus, which is opened with its first frame.
pub(super) fn oled_driver(
    oled: &Oled,
    size: PanelSize,
    hardware: &Hardware,
) -> oled::Oled<I2cBus, impl FnMut() -> Result<I2cBus, oled::OpeningError> + Send + use<>> {
    let hardware = hardware.clone();
    let chip = match oled.chip {
        OledChip::Ssd1306 => Chip::Ssd1306(frame_size(size)),
        OledChip::Sh1106 => Chip::Sh1106,
    };
    let path = BusPath::new(&oled.bus);
    let connection = Connection { chip, address: oled.address, is_turned: oled.is_turned };
    oled::Oled::new(connection, move || Ok(hardware.open_i2c(&path)?))
}

/// What has the problem when an input can't be read.
pub(super) fn input_part(name: &InputName) -> String {
    format!("inputs.{name}")
}

/// What has the problem when an output is off.
fn output_part(name: &OutputName) -> String {
    format!("outputs.{name}")
}

async fn stop(running: Running) {
    match running {
        // One that does not stop in time says so itself.
        Running::Inputs(reading) => drop(reading.stop().await),
        Running::Outputs(following) => following.stop().await,
        Running::Panel(showing) => drop(showing.stop().await),
    }
}

/// The pixels of a configured panel.
pub(super) fn frame_size(size: PanelSize) -> FrameSize {
    match size {
        PanelSize::W128H32 => FrameSize::Low,
        PanelSize::W128H64 => FrameSize::High,
        PanelSize::W72H40 => FrameSize::Small,
    }
}

fn part_of(driver: &dyn Driver) -> PartName {
    PartName::Inputs(driver.name().to_owned())
}

/// The drivers of inputs that have some, and the keyboard's, which hears that a person wants the device to stop. And the
/// outputs and the panel, where there are to be any.
fn wanted(configuration: &Configuration) -> BTreeMap<PartName, Wanted> {
    let ready = |configuration| {
        Wanted::Ready(Box::new(Spec { configuration, plugins: BTreeMap::new(), secrets: BTreeMap::new() }))
    };
    let inputs = DRIVERS.iter().filter_map(|driver| {
        let inputs = configuration.inputs.iter().filter(|(_, input)| driver.drives(&input.trigger));
        let inputs: BTreeMap<_, _> = inputs.map(|(name, input)| (name.clone(), input.clone())).collect();
        let is_of_use = !inputs.is_empty() || driver.hears_more_than_inputs();
        is_of_use.then(|| (part_of(*driver), ready(PartConfiguration::Inputs(inputs))))
    });
    let panel = configuration.panel.clone();
    let panel = match panel.driver {
        PanelDriver::Terminal => Some(ready(PartConfiguration::Panel(panel, key_help(configuration)))),
        // There is no room for what the keys do.
        PanelDriver::Oled(_) => Some(ready(PartConfiguration::Panel(panel, String::new()))),
        // Nothing of a panel before goes on in its place.
        PanelDriver::None => None,
    };
    let outputs = Some(configuration.outputs.clone()).filter(|outputs| !outputs.is_empty());
    let outputs = outputs.map(|outputs| (PartName::Outputs, ready(PartConfiguration::Outputs(outputs))));
    inputs.chain(outputs).chain(panel.map(|panel| (PartName::Panel, panel))).collect()
}

/// What the keys do, for the line below a panel in a terminal: first how to stop, for a narrow one cuts the end off.
fn key_help(configuration: &Configuration) -> String {
    let keys = configuration.inputs.iter().filter_map(|(name, input)| match &input.trigger {
        Trigger::Key(key) => Some(format!("{key}: {name}")),
        _ => None,
    });
    std::iter::once("Ctrl-C: stop".to_owned()).chain(keys).collect::<Vec<_>>().join("   ")
}
