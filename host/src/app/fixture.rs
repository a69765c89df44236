//! What tests of a device's parts stand on: a ledger in a folder of its own, clocks, and what is shown.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use punchcard_core::config::limit::Limits;
use punchcard_core::name::{PluginName, SinkName};
use punchcard_core::scene::{IDLE_TURN_MS, Scene, plan_scene};
use tempfile::TempDir;

use super::display::Display;
use super::known_time::KnownTime;
use super::trouble::Troubles;
use crate::clock::Clock;
use punchcard_ledger::{CheckpointInterval, Declaration, Ledger, Setup};
use punchcard_panel::FrameSize;
use punchcard_sandbox::{Compiler, Plugin, Sandbox};

/// A device without parts.
pub(super) struct Fixture {
    pub(super) clock: Clock,
    pub(super) ledger: Ledger,
    pub(super) display: Display,
    pub(super) troubles: Troubles,
    pub(super) time: KnownTime,
    /// As long as it is there, so is the ledger's file.
    pub(super) folder: TempDir,
}

impl Fixture {
    /// With an empty ledger.
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::open("bench", TimeZone::UTC, true).unwrap();
        let boot = clock.monotonic().boot;
        let setup = Setup { boot, zone: TimeZone::UTC, checkpoints: CheckpointInterval::default() };
        let (ledger, _) = Ledger::open(folder.path(), setup).unwrap();
        let display = Display::new("bench", FrameSize::Low, clock.clone());
        let troubles = Troubles::new(display.clone());
        Self { clock, ledger, display, time: KnownTime::new(None, troubles.clone()), troubles, folder }
    }

    /// The headline that the panel shows, of a device that has started after the idle scene's turn.
    pub(super) fn shown_problem(&self) -> Option<String> {
        match self.display.note(|panel, now_ms| plan_scene(panel, now_ms + IDLE_TURN_MS).scene) {
            Scene::Problem(problem) => Some(problem.headline.clone()),
            _ => None,
        }
    }

    /// With a sink that takes events of kind `punch`, and its only plugin.
    pub(super) async fn with_sink(component: &[u8]) -> (Self, SinkName, Plugin) {
        let (fixture, sink) = (Self::new(), SinkName::parse("sheet").unwrap());
        let name = PluginName::parse("bare").unwrap();
        let declaration = Declaration {
            kinds: vec!["punch".to_owned()],
            formatter: Some(name.clone()),
            connector: Some(name.clone()),
        };
        fixture.ledger.declare_sinks(BTreeMap::from([(sink.clone(), declaration)])).await.unwrap();
        let sandbox = Sandbox::start(fixture.folder.path(), Compiler::unconfined()).unwrap();
        let plugin = sandbox.load(&name, component, Limits::default());
        (fixture, sink, plugin.unwrap_or_else(|error| panic!("{error}")))
    }
}
