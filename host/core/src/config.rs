//! The configuration: `plugins.toml`, from text to types that can't be wrong.
//!
//! In stages: `syntax` makes a table in which everything knows its place in the text; one module for each section
//! reads its keys through `table` and `node`; here the sections are put together. Every error is found in one pass,
//! and every key that nobody asked for is an error.
//!
//! Deliberately absent: files. Whether a component, a secret or a credential exists is found out by who opens it, and
//! reported with [`Configuration::place_of`] and [`Diagnostic::at`], as is what a plugin thinks of its settings.

mod discretion;
pub(crate) mod near;
mod report;
mod syntax;

mod node;
mod reference;
mod table;

pub mod diagnostic;
pub mod drawing;
pub mod part;

mod bus;

pub mod choice;
pub mod device;
pub mod hardware;
pub mod history;
pub mod input;
pub mod limit;
pub mod metrics;
pub mod notify;
pub mod output;
pub mod panel;
pub mod people;
pub mod plugin;
pub mod repository;
pub mod runtime;
pub mod vault;

pub mod prefix;
pub mod secret;
pub mod settings;
pub mod sharing;

pub mod browser;
pub mod grant;
pub mod sensor;
pub mod sink;

use std::collections::BTreeMap;

pub use diagnostic::{Diagnostic, Place, Severity, render_diagnostics};
pub use drawing::warn_of_undrawable;
pub use part::Part;

use crate::name::{ChoiceName, GrantName, InputName, OutputName, PluginName, RepositoryName, SinkName};
use choice::Choice;
use device::Device;
use grant::Grant;
use history::History;
use input::Input;
use limit::Limits;
use metrics::MetricsListen;
use notify::Notify;
use output::Output;
use panel::Panel;
use people::People;
use plugin::Plugin;
use report::{Places, Report};
use repository::Repository;
use runtime::Backend;
use sensor::{Lent, Sensor};
use sink::Sink;
use syntax::Damage;
use table::Table;
use vault::Sealing;

/// The longest text that is read, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;

/// A whole configuration. What refers to a plugin, a choice or a grant refers to one that is in it, but for a choice's list in
/// what is valid of a text with errors.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Configuration {
    /// `[device]`
    pub device: Device,
    /// `[panel]`
    pub panel: Panel,
    /// `[choices.NAME]`
    pub choices: BTreeMap<ChoiceName, Choice>,
    /// `[inputs.NAME]`
    pub inputs: BTreeMap<InputName, Input>,
    /// `[people]`
    pub people: People,
    /// `[outputs.NAME]`
    pub outputs: BTreeMap<OutputName, Output>,
    /// `[sensors.NAME]`. None has the name of an input.
    pub sensors: BTreeMap<InputName, Sensor>,
    /// `[plugins]`
    pub plugins: BTreeMap<PluginName, Plugin>,
    /// `[repositories.NAME]`
    pub repositories: BTreeMap<RepositoryName, Repository>,
    /// `[grants.NAME]`
    pub grants: BTreeMap<GrantName, Grant>,
    /// `[sinks.NAME]`
    pub sinks: BTreeMap<SinkName, Sink>,
    /// `[history]`
    pub history: History,
    /// `[runtime]`: its `backend`.
    pub backend: Backend,
    /// `[vault]`. `None`: tokens are stored as they are.
    pub vault: Option<Sealing>,
    /// `[notify]`
    pub notify: Option<Notify>,
    /// `[metrics]`: its `listen`.
    pub metrics: Option<MetricsListen>,
    places: Places,
    /// Parts of the text were left out.
    partial: bool,
}

impl Configuration {
    /// Whether everything in the text is in it. What is not in a partial one may be in what was left out.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.partial
    }

    /// Where a part stands in the text; where it was left out, its table.
    #[must_use]
    pub fn place_of(&self, part: &Part) -> Place {
        self.places.of(&part.to_string())
    }
}

/// Reads a configuration as a whole.
///
/// # Errors
/// Everything that is wrong with it, in the order of the text.
pub fn parse_configuration(text: &str) -> Result<Configuration, Vec<Diagnostic>> {
    match parse_what_is_valid(text) {
        (configuration, diagnostics) if diagnostics.is_empty() => Ok(configuration),
        (_, diagnostics) => Err(diagnostics),
    }
}

/// Reads what is valid of a configuration, for a device that has never had a valid one: its inputs shall record.
///
/// A part with an error is left out, as is what refers to it; of two inputs on one key the first is kept. Without a valid
/// `[device]` there are no sinks, since their rows would show the time of another zone. Where the text is not even TOML,
/// nothing that reaches the network is believed, and no part in which such an error stands.
#[must_use]
pub fn parse_what_is_valid(text: &str) -> (Configuration, Vec<Diagnostic>) {
    let report = Report::new(text);
    let Some(readable) = syntax::readable(&report) else {
        return (Configuration::default(), report.into_diagnostics().0);
    };
    let parsed = syntax::parse_table(&readable, &report);
    let damage = Damage::of(&parsed, &report);
    let mut root = Table::root(&report, &parsed, &damage);
    let declared = reference::Declared::in_table(&parsed);
    let mut kinds = input::Kinds::default();

    let device = root.required("device", device::parse_device);
    let panel = root.optional("panel", Panel::default(), panel::parse_panel);
    let limits = root.optional("limits", Limits::default(), limit::parse_limits).unwrap_or_default();
    let history = root.optional("history", History::default(), history::parse_history);
    let backend = root.optional("runtime", Backend::default(), runtime::parse_runtime);
    let vault = root.optional("vault", None, |node| vault::parse_vault(node).map(Some));
    let notify = root.optional("notify", None, |node| notify::parse_notify(node).map(Some));
    let metrics = root.optional("metrics", None, |node| metrics::parse_metrics(node).map(Some));
    let people = root.optional("people", People::default(), people::parse_people);
    let adapter = root.optional("hardware", hardware::Adapter::default(), hardware::parse_hardware);
    let mut seats = input::Seats::new(adapter.unwrap_or_default());
    let inputs = input::parse_inputs(&mut root, &declared, &mut kinds, &mut seats);
    let outputs = output::parse_outputs(&mut root, &mut seats);
    let sensors =
        sensor::parse_sensors(&mut root, &declared, Lent::beside(panel.as_ref(), &inputs, &mut seats), &mut kinds);
    let plugins = root.parts("plugins", PluginName::parse, |node| plugin::parse_plugin(node, limits));
    let repositories = repository::parse_repositories(&mut root, &declared);
    let grants = root.parts("grants", GrantName::parse, |node| grant::parse_grant(node, &declared));
    let choices = root.parts("choices", ChoiceName::parse, |node| choice::parse_choice(node, &declared, &grants));
    let sinks = root.parts("sinks", SinkName::parse, |node| sink::parse_sink(node, &declared, &kinds, &grants));
    // What is unknown here is reported; it makes no section invalid.
    let _known = root.finish();

    let has_device = device.is_some();
    let mut configuration = Configuration {
        device: device.unwrap_or_default(),
        panel: panel.unwrap_or_default(),
        choices,
        inputs,
        people: people.unwrap_or_default(),
        outputs,
        sensors,
        plugins,
        repositories,
        grants,
        sinks,
        history: history.unwrap_or_default(),
        backend: backend.unwrap_or_default(),
        vault: vault.flatten(),
        notify: notify.flatten(),
        metrics: metrics.flatten(),
        places: Places::default(),
        partial: false,
    };
    if damage.any() {
        configuration.plugins.clear();
    }
    if !has_device {
        configuration.sinks.clear();
    }
    drop_orphans(&mut configuration);
    let (diagnostics, places) = report.into_diagnostics();
    configuration.places = places;
    configuration.partial = !diagnostics.is_empty();
    (configuration, diagnostics)
}

/// Leaves out what refers to a part that was left out. A choice stays even then: its last list is kept, and its inputs record.
fn drop_orphans(configuration: &mut Configuration) {
    let Configuration { choices, inputs, sensors, plugins, repositories, grants, sinks, .. } = configuration;
    repositories.retain(|_, repository| {
        repository.plugins.retain(|plugin| plugins.contains_key(plugin));
        !repository.plugins.is_empty()
    });
    inputs.retain(|_, input| input.choices().all(|choice| choices.contains_key(choice)));
    sensors.retain(|_, sensor| plugins.contains_key(&sensor.plugin));
    grants.retain(|_, grant| plugins.contains_key(&grant.plugin));
    sinks.retain(|_, sink| {
        plugins.contains_key(&sink.format.plugin)
            && plugins.contains_key(&sink.deliver.plugin)
            && sink.grant().is_none_or(|grant| grants.contains_key(grant))
    });
}
