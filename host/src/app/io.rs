//! What a person touches and sees: the inputs, and the panel. Either may be missing; the device runs on without.
//!
//! They are there before the ledger is: a device whose ledger can't be opened says so. So they are kept apart from the other
//! parts; what is started and stopped is decided for all of them by the same comparison.

use std::collections::BTreeMap;
use std::sync::Arc;

use punchcard_core::config::Configuration;
use punchcard_core::config::input::{Input, Trigger};
use punchcard_core::config::panel::{PanelDriver, PanelSize};
use punchcard_core::name::InputName;
use punchcard_core::plugin::Problem;
use punchcard_core::supervisor::{Action, Actual, PartConfiguration, PartName, Spec, Step, Wanted, plan_steps};
use tokio::sync::mpsc;

use super::display::{Display, Showing};
use super::error_chain::chain;
use super::trouble::Troubles;
use crate::clock::Clock;
use crate::input::{DRIVERS, Driver, Message, Reading};
use punchcard_panel::FrameSize;
use punchcard_panel::terminal::Terminal;

/// Inputs and panel at work.
pub(super) struct Io {
    /// What is sent here comes after everything that was read.
    pub(super) sender: mpsc::Sender<Message>,
    clock: Clock,
    display: Display,
    troubles: Troubles,
    running: BTreeMap<PartName, (Box<Spec>, Running)>,
}

/// An input's driver, or the panel's.
enum Running {
    Inputs(Reading),
    Panel(Showing),
}

impl Io {
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
        let (clock, display, troubles) = (clock.clone(), display.clone(), troubles.clone());
        let mut io = Self { sender, clock, display, troubles, running: BTreeMap::new() };
        let wanted = wanted(configuration);
        for step in io.plan(&wanted) {
            io.perform_start(&step, &wanted, errors.unwrap_or_default());
        }
        io.say_undriven(configuration);
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
                // Those that are still there are said anew.
                if let PartConfiguration::Inputs(inputs) = &spec.configuration {
                    inputs.keys().for_each(|name| self.troubles.set(&input_part(name), None));
                }
            }
        }
        self.display.set_size(frame_size(configuration.panel.size));
        for step in &steps {
            self.perform_start(step, &wanted, "");
        }
        self.say_undriven(configuration);
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
            PartConfiguration::Panel(_, help) => self.start_panel(help, errors),
            PartConfiguration::Inputs(inputs) => self.start_inputs(&step.part, inputs),
            PartConfiguration::Grant(_) | PartConfiguration::Sink(_) => None,
        };
        if let Some(running) = started {
            self.running.insert(step.part.clone(), (spec.clone(), running));
        }
    }

    fn start_inputs(&self, part: &PartName, inputs: &BTreeMap<InputName, Input>) -> Option<Running> {
        let driver = DRIVERS.iter().find(|driver| part_of(**driver) == *part)?;
        let clock = self.clock.clone();
        let started = driver.start(inputs, Arc::new(move || clock.monotonic_ms()), self.sender.clone());
        let problem = started.as_ref().err().map(|error| {
            let advice = format!("{}; the device runs on without it", chain(error));
            Problem { headline: format!("no {}", driver.name()), advice }
        });
        self.troubles.set(driver.name(), problem);
        for name in inputs.keys() {
            let refused = started.as_ref().ok().and_then(|reading| reading.refused().get(name));
            let problem = refused.map(|error| Problem { headline: format!("{name} is off"), advice: chain(error) });
            self.troubles.set(&input_part(name), problem);
        }
        started.ok().map(Running::Inputs)
    }

    fn start_panel(&self, help: &str, errors: &str) -> Option<Running> {
        let started = self.display.show_on(Box::new(Terminal::start(help, errors)));
        let problem = started.as_ref().err().map(|error| {
            let advice = format!("the system gives no thread for it: {error}");
            Problem { headline: "the panel is off".into(), advice }
        });
        self.troubles.set("panel", problem);
        started.ok().map(Running::Panel)
    }

    /// Says which of it this version does not drive.
    fn say_undriven(&self, configuration: &Configuration) {
        if let PanelDriver::Ssd1306 { .. } = configuration.panel.driver {
            let advice = SSD1306.to_owned();
            self.troubles.set("panel", Some(Problem { headline: "the panel is off".into(), advice }));
        } else if configuration.panel.driver == PanelDriver::None {
            self.troubles.set("panel", None);
        }
    }
}

const SSD1306: &str = "this version does not drive an SSD1306 yet; `punchcard panel` shows what it would show";

/// What has the problem when an input can't be read.
pub(super) fn input_part(name: &InputName) -> String {
    format!("inputs.{name}")
}

async fn stop(running: Running) {
    match running {
        Running::Inputs(reading) => reading.stop().await,
        Running::Panel(showing) => showing.stop().await,
    };
}

/// The pixels of a configured panel.
pub(super) fn frame_size(size: PanelSize) -> FrameSize {
    match size {
        PanelSize::W128H32 => FrameSize::Low,
        PanelSize::W128H64 => FrameSize::High,
    }
}

fn part_of(driver: &dyn Driver) -> PartName {
    PartName::Inputs(driver.name().to_owned())
}

/// The drivers of inputs that have some, and the keyboard's, which hears that a person wants the device to stop. And the
/// panel, where there is to be one.
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
    let panel = match configuration.panel.driver {
        PanelDriver::Terminal => Some(ready(PartConfiguration::Panel(configuration.panel, key_help(configuration)))),
        // It is said to be off; nothing of a panel before goes on in its place.
        PanelDriver::Ssd1306 { .. } | PanelDriver::None => None,
    };
    inputs.chain(panel.map(|panel| (PartName::Panel, panel))).collect()
}

/// What the keys do, for the line below a panel in a terminal: first how to stop, for a narrow one cuts the end off.
fn key_help(configuration: &Configuration) -> String {
    let keys = configuration.inputs.iter().filter_map(|(name, input)| match &input.trigger {
        Trigger::Key(key) => Some(format!("{key}: {name}")),
        _ => None,
    });
    std::iter::once("Ctrl-C: stop".to_owned()).chain(keys).collect::<Vec<_>>().join("   ")
}
