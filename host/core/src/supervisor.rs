//! What should run, compared with what runs: the steps from one to the other, each with its reason.
//!
//! The start of a device, a changed file, a changed plugin, and a part that broke off and is tried again are the same
//! comparison with other inputs. It knows neither tasks nor files; whoever performs the steps does. Always: a part that
//! runs is touched only where its own configuration, plugins or secrets differ, and one that can't be put together
//! anew goes on as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::config::choice::Listing;
use crate::config::grant::Grant;
use crate::config::input::Input;
use crate::config::limit::Limits;
use crate::config::output::Output;
use crate::config::panel::Panel;
use crate::config::sensor::Sensor;
use crate::config::sink::Sink;
use crate::name::{ChoiceName, GrantName, InputName, OutputName, PluginName, SinkName};
use crate::secret::Secret;

/// Milliseconds before a part that broke off is started again, the first time. Each further time it is twice as long.
const FIRST_PAUSE_MS: u64 = 1_000;
/// No pause is longer, in milliseconds.
const LONGEST_PAUSE_MS: u64 = 300_000;
/// A part that ran for so long before it broke off starts again with the first pause, in milliseconds.
const STEADY_MS: u64 = 600_000;

/// A part of a device that is started and stopped by itself. Displayed, it is the path of its key in plugins.toml.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartName {
    /// What shows scenes.
    Panel,
    /// What reads the inputs of this driver.
    Inputs(String),
    /// What drives the outputs.
    Outputs,
    /// `grants.NAME`
    Grant(GrantName),
    /// `sinks.NAME`
    Sink(SinkName),
    /// `sensors.NAME`
    Sensor(InputName),
    /// `choices.NAME.items`
    Listing(ChoiceName),
}

impl fmt::Display for PartName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panel => write!(formatter, "panel"),
            Self::Outputs => write!(formatter, "outputs"),
            Self::Inputs(driver) => write!(formatter, "inputs ({driver})"),
            Self::Grant(name) => write!(formatter, "grants.{name}"),
            Self::Sink(name) => write!(formatter, "sinks.{name}"),
            Self::Sensor(name) => write!(formatter, "sensors.{name}"),
            Self::Listing(name) => write!(formatter, "choices.{name}.items"),
        }
    }
}

/// The part's own piece of plugins.toml.
#[derive(Debug, Clone, PartialEq)]
pub enum PartConfiguration {
    /// `[panel]`, and the line that says what the keys do.
    Panel(Panel, String),
    /// The inputs of one driver.
    Inputs(BTreeMap<InputName, Input>),
    /// All outputs.
    Outputs(BTreeMap<OutputName, Output>),
    /// `[grants.NAME]`
    Grant(Grant),
    /// `[sinks.NAME]`
    Sink(Box<Sink>),
    /// `[sensors.NAME]`
    Sensor(Box<Sensor>),
    /// `items` of `[choices.NAME]`
    Listing(Box<Listing>),
}

/// A component under its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginVersion {
    /// The SHA-256 of the component.
    pub sha256: [u8; 32],
    /// What it may use.
    pub limits: Limits,
}

/// All that a part is made of. Parts of equal specs are the same.
#[derive(Clone, PartialEq)]
pub struct Spec {
    /// Its piece of plugins.toml.
    pub configuration: PartConfiguration,
    /// The plugins that it runs.
    pub plugins: BTreeMap<PluginName, PluginVersion>,
    /// The secrets that plugins.toml fills for it, by the names of their slots.
    pub secrets: BTreeMap<String, Secret>,
}

/// A part that should run.
#[derive(Clone, PartialEq)]
pub enum Wanted {
    /// It is being put together.
    Assembling,
    /// It can run.
    Ready(Box<Spec>),
    /// It can't, and why.
    Unready(String),
}

/// A part that was started.
#[derive(Clone, PartialEq)]
pub enum Actual {
    /// It runs.
    Running(Box<Spec>),
    /// It broke off by a defect of the host, and is started again at this reading of the monotonic clock, in milliseconds.
    BrokeOff {
        /// What it was.
        spec: Box<Spec>,
        /// When it is tried again.
        again_at_ms: u64,
    },
}

/// What is done with a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// End it.
    Stop,
    /// End it, and start it as it should be.
    Replace,
    /// Start it.
    Start,
    /// Nothing.
    Leave,
}

/// Why that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It did not run.
    New,
    /// plugins.toml does not name it any more.
    Removed,
    /// Its piece of plugins.toml is another.
    ConfigurationChanged,
    /// The component or the limits of this plugin are others.
    PluginChanged(PluginName),
    /// This secret is another, or is there now, or no longer.
    SecretChanged(String),
    /// It is what it should be.
    Unchanged,
    /// It is being put together.
    Assembling,
    /// It broke off, and its pause is over.
    TriedAgain,
    /// It broke off, and is started again in so many milliseconds.
    Pausing(u64),
    /// It can't run.
    Unready(String),
    /// It can't run as plugins.toml wants it now; what ran before goes on.
    GoesOn(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => write!(formatter, "it is new"),
            Self::Removed => write!(formatter, "plugins.toml no longer names it"),
            Self::ConfigurationChanged => write!(formatter, "its configuration changed"),
            Self::PluginChanged(name) => write!(formatter, "plugin `{name}` changed"),
            Self::SecretChanged(name) => write!(formatter, "the secret `{name}` changed"),
            Self::Unchanged => write!(formatter, "nothing of it changed"),
            Self::Assembling => write!(formatter, "it is being put together"),
            Self::TriedAgain => write!(formatter, "it broke off, and is tried again"),
            Self::Pausing(for_ms) => {
                write!(formatter, "it broke off, and is tried again in {} s", for_ms.div_ceil(1_000))
            }
            Self::Unready(reason) => write!(formatter, "it can't run: {reason}"),
            Self::GoesOn(reason) => write!(formatter, "what ran before goes on: {reason}"),
        }
    }
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The part.
    pub part: PartName,
    /// What is done with it.
    pub action: Action,
    /// Why.
    pub reason: Reason,
}

/// The steps from what runs to what should run: what is stopped first, then what is replaced, then what is started, then
/// what is left alone. Within these, grants come before sinks, and these before sensors.
#[must_use]
pub fn plan_steps(wanted: &BTreeMap<PartName, Wanted>, actual: &BTreeMap<PartName, Actual>, now_ms: u64) -> Vec<Step> {
    let parts: BTreeSet<&PartName> = wanted.keys().chain(actual.keys()).collect();
    let mut steps: Vec<Step> = parts
        .into_iter()
        .map(|part| {
            let (action, reason) = plan_step(wanted.get(part), actual.get(part), now_ms);
            Step { part: part.clone(), action, reason }
        })
        .collect();
    steps.sort_by_key(|step| step.action);
    steps
}

fn plan_step(wanted: Option<&Wanted>, actual: Option<&Actual>, now_ms: u64) -> (Action, Reason) {
    match (wanted, actual) {
        (None, _) => (Action::Stop, Reason::Removed),
        (Some(Wanted::Assembling), _) => (Action::Leave, Reason::Assembling),
        (Some(Wanted::Unready(reason)), Some(Actual::Running(_))) => (Action::Leave, Reason::GoesOn(reason.clone())),
        // A part that broke off is not what would go on.
        (Some(Wanted::Unready(reason)), _) => (Action::Leave, Reason::Unready(reason.clone())),
        (Some(Wanted::Ready(_)), None) => (Action::Start, Reason::New),
        (Some(Wanted::Ready(wanted)), Some(Actual::Running(runs))) => match difference(wanted, runs) {
            Some(reason) => (Action::Replace, reason),
            None => (Action::Leave, Reason::Unchanged),
        },
        (Some(Wanted::Ready(wanted)), Some(Actual::BrokeOff { spec, again_at_ms })) => match difference(wanted, spec) {
            Some(reason) => (Action::Start, reason),
            None if *again_at_ms <= now_ms => (Action::Start, Reason::TriedAgain),
            None => (Action::Leave, Reason::Pausing(again_at_ms - now_ms)),
        },
    }
}

/// The first difference between two specs of a part.
fn difference(wanted: &Spec, runs: &Spec) -> Option<Reason> {
    if wanted.configuration != runs.configuration {
        return Some(Reason::ConfigurationChanged);
    }
    if let Some(plugin) = first_difference(&wanted.plugins, &runs.plugins) {
        return Some(Reason::PluginChanged(plugin));
    }
    first_difference(&wanted.secrets, &runs.secrets).map(Reason::SecretChanged)
}

fn first_difference<K: Ord + Clone, V: PartialEq>(one: &BTreeMap<K, V>, other: &BTreeMap<K, V>) -> Option<K> {
    one.keys().chain(other.keys()).find(|key| one.get(key) != other.get(key)).cloned()
}

/// How often a part broke off of late.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restarts {
    in_a_row: u32,
}

impl Restarts {
    /// The part broke off after it had run for so many milliseconds. When it is started again.
    pub fn broke_off(&mut self, ran_for_ms: u64, now_ms: u64) -> u64 {
        if ran_for_ms >= STEADY_MS {
            self.in_a_row = 0;
        }
        let pause_ms = FIRST_PAUSE_MS.saturating_mul(1_u64.checked_shl(self.in_a_row).unwrap_or(u64::MAX));
        self.in_a_row = self.in_a_row.saturating_add(1);
        now_ms.saturating_add(pause_ms.min(LONGEST_PAUSE_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 50_000;

    fn name() -> PartName {
        PartName::Sink(SinkName::parse("sheet").unwrap())
    }

    /// A spec that differs from others where its numbers do.
    fn spec(configuration: u8, plugin: u8, secret: Option<&str>) -> Box<Spec> {
        let version = PluginVersion { sha256: [plugin; 32], limits: Limits::default() };
        Box::new(Spec {
            configuration: PartConfiguration::Panel(Panel::default(), configuration.to_string()),
            plugins: BTreeMap::from([(PluginName::parse("tally").unwrap(), version)]),
            secrets: secret.map(|text| ("key".to_owned(), Secret::new(text.to_owned()))).into_iter().collect(),
        })
    }

    #[test]
    fn each_pair_of_wanted_and_actual_leads_to_one_step_with_its_reason() {
        let ready = |spec: &Spec| Some(Wanted::Ready(Box::new(spec.clone())));
        let runs = |spec: &Spec| Some(Actual::Running(Box::new(spec.clone())));
        let broke_off = |again_at_ms| Some(Actual::BrokeOff { spec: spec(1, 1, Some("a")), again_at_ms });
        let unready = || Some(Wanted::Unready("no file".to_owned()));
        let it = spec(1, 1, Some("a"));
        let table = [
            (ready(&it), None, Action::Start, "it is new"),
            (ready(&it), runs(&it), Action::Leave, "nothing of it changed"),
            (ready(&spec(2, 1, Some("a"))), runs(&it), Action::Replace, "its configuration changed"),
            (ready(&spec(1, 2, Some("a"))), runs(&it), Action::Replace, "plugin `tally` changed"),
            (ready(&spec(1, 1, Some("b"))), runs(&it), Action::Replace, "the secret `key` changed"),
            (ready(&spec(1, 1, None)), runs(&it), Action::Replace, "the secret `key` changed"),
            (None, runs(&it), Action::Stop, "plugins.toml no longer names it"),
            (None, broke_off(99_000), Action::Stop, "plugins.toml no longer names it"),
            (unready(), None, Action::Leave, "it can't run: no file"),
            (unready(), runs(&it), Action::Leave, "what ran before goes on: no file"),
            (unready(), broke_off(99_000), Action::Leave, "it can't run: no file"),
            (Some(Wanted::Assembling), None, Action::Leave, "it is being put together"),
            (Some(Wanted::Assembling), runs(&it), Action::Leave, "it is being put together"),
            (ready(&it), broke_off(NOW_MS), Action::Start, "it broke off, and is tried again"),
            (ready(&it), broke_off(NOW_MS + 1), Action::Leave, "it broke off, and is tried again in 1 s"),
            (ready(&spec(2, 1, Some("a"))), broke_off(99_000), Action::Start, "its configuration changed"),
        ];
        for (wanted, actual, action, reason) in table {
            let wanted = wanted.map(|wanted| (name(), wanted)).into_iter().collect();
            let actual = actual.map(|actual| (name(), actual)).into_iter().collect();
            let steps = plan_steps(&wanted, &actual, NOW_MS);
            let told: Vec<_> = steps.iter().map(|step| (step.action, step.reason.to_string())).collect();
            assert_eq!(told, [(action, reason.to_owned())]);
        }
    }

    #[test]
    fn what_is_stopped_comes_first_and_grants_come_before_sinks() {
        let grant = PartName::Grant(GrantName::parse("google").unwrap());
        let sink = |name: &str| PartName::Sink(SinkName::parse(name).unwrap());
        let wanted = BTreeMap::from([
            (grant.clone(), Wanted::Ready(spec(1, 1, None))),
            (sink("a"), Wanted::Ready(spec(1, 1, None))),
            (sink("b"), Wanted::Ready(spec(2, 1, None))),
            (sink("c"), Wanted::Ready(spec(1, 1, None))),
        ]);
        let actual = BTreeMap::from([
            (sink("b"), Actual::Running(spec(1, 1, None))),
            (sink("c"), Actual::Running(spec(1, 1, None))),
            (sink("z"), Actual::Running(spec(1, 1, None))),
        ]);
        let steps = plan_steps(&wanted, &actual, NOW_MS);
        let told: Vec<_> = steps.iter().map(|step| (step.part.to_string(), step.action)).collect();
        let expected = [
            ("sinks.z", Action::Stop),
            ("sinks.b", Action::Replace),
            ("grants.google", Action::Start),
            ("sinks.a", Action::Start),
            ("sinks.c", Action::Leave),
        ];
        assert_eq!(told, expected.map(|(part, action)| (part.to_owned(), action)));
    }

    #[test]
    fn a_part_that_breaks_off_again_and_again_pauses_longer_and_one_that_ran_for_long_does_not() {
        let mut restarts = Restarts::default();
        let pauses: Vec<u64> = (0..11).map(|_| restarts.broke_off(5_000, NOW_MS) - NOW_MS).collect();
        assert_eq!(pauses[..4], [1_000, 2_000, 4_000, 8_000]);
        assert_eq!(pauses[9..], [300_000, 300_000]);
        assert_eq!(restarts.broke_off(STEADY_MS, NOW_MS), NOW_MS + 1_000);
    }
}
