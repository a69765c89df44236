//! The parts of a configuration that something can be said about after it was read.

use std::fmt;

use crate::name::{ChoiceName, GrantName, InputName, LoanName, PluginName, RepositoryName, SinkName, SlotName};

/// A part. Displayed, it is the path of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// `device`
    Device,
    /// `panel`
    Panel,
    /// `notify.url`
    NotifyUrl,
    /// `choices.NAME`
    Choice(ChoiceName),
    /// `choices.NAME.label`
    ChoiceLabel(ChoiceName),
    /// `choices.NAME.items[N]`, counted from 0.
    ChoiceItem(ChoiceName, usize),
    /// `choices.NAME.items`, where a plugin fetches them.
    Listing(ChoiceName),
    /// `choices.NAME.items.plugin`: it fetches no list.
    ListingPlugin(ChoiceName),
    /// `choices.NAME.items.settings`
    ListingSettings(ChoiceName),
    /// `choices.NAME.items.reach`
    ListingReach(ChoiceName),
    /// `choices.NAME.items.authorize`: its secret can't be read.
    ListingAuthorization(ChoiceName),
    /// `inputs.NAME`
    Input(InputName),
    /// `sensors.NAME`
    Sensor(InputName),
    /// `sensors.NAME.plugin`: it reads no sensor.
    SensorPlugin(InputName),
    /// `sensors.NAME.settings`
    SensorSettings(InputName),
    /// `sensors.NAME.i2c.LOAN`
    I2cLoan(InputName, LoanName),
    /// `sensors.NAME.lines.LOAN`
    LineLoan(InputName, LoanName),
    /// `sensors.NAME.one-wire.LOAN`
    OneWireLoan(InputName, LoanName),
    /// `plugins.NAME`: its file is missing, damaged, or no component.
    Plugin(PluginName),
    /// `repositories.NAME.root`: it can't be read.
    RepositoryRoot(RepositoryName),
    /// `grants.NAME`
    Grant(GrantName),
    /// `grants.NAME.plugin`: it is no auth policy.
    GrantPlugin(GrantName),
    /// `grants.NAME.reach`
    GrantReach(GrantName),
    /// `grants.NAME.audience`
    GrantAudience(GrantName),
    /// `grants.NAME.settings`
    GrantSettings(GrantName),
    /// `grants.NAME.secrets`
    GrantSecrets(GrantName),
    /// `grants.NAME.ca`: it can't be used.
    GrantCa(GrantName),
    /// `grants.NAME.secrets.SLOT`: it can't be read.
    GrantSecret(GrantName, SlotName),
    /// `sinks.NAME`
    Sink(SinkName),
    /// `sinks.NAME.format.plugin`: it is no formatter.
    FormatPlugin(SinkName),
    /// `sinks.NAME.format.settings`
    FormatSettings(SinkName),
    /// `sinks.NAME.deliver.plugin`: it is no connector.
    DeliverPlugin(SinkName),
    /// `sinks.NAME.deliver.settings`
    DeliverSettings(SinkName),
    /// `sinks.NAME.reach`
    Reach(SinkName),
    /// `sinks.NAME.authorize`: its secret can't be read.
    Authorization(SinkName),
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device => write!(formatter, "device"),
            Self::Panel => write!(formatter, "panel"),
            Self::NotifyUrl => write!(formatter, "notify.url"),
            Self::Choice(name) => write!(formatter, "choices.{name}"),
            Self::ChoiceLabel(name) => write!(formatter, "choices.{name}.label"),
            Self::ChoiceItem(name, position) => write!(formatter, "choices.{name}.items[{position}]"),
            Self::Listing(name) => write!(formatter, "choices.{name}.items"),
            Self::ListingPlugin(name) => write!(formatter, "choices.{name}.items.plugin"),
            Self::ListingSettings(name) => write!(formatter, "choices.{name}.items.settings"),
            Self::ListingReach(name) => write!(formatter, "choices.{name}.items.reach"),
            Self::ListingAuthorization(name) => write!(formatter, "choices.{name}.items.authorize"),
            Self::Input(name) => write!(formatter, "inputs.{name}"),
            Self::Sensor(name) => write!(formatter, "sensors.{name}"),
            Self::SensorPlugin(name) => write!(formatter, "sensors.{name}.plugin"),
            Self::SensorSettings(name) => write!(formatter, "sensors.{name}.settings"),
            Self::I2cLoan(name, loan) => write!(formatter, "sensors.{name}.i2c.{loan}"),
            Self::LineLoan(name, loan) => write!(formatter, "sensors.{name}.lines.{loan}"),
            Self::OneWireLoan(name, loan) => write!(formatter, "sensors.{name}.one-wire.{loan}"),
            Self::Plugin(name) => write!(formatter, "plugins.{name}"),
            Self::RepositoryRoot(name) => write!(formatter, "repositories.{name}.root"),
            Self::Grant(name) => write!(formatter, "grants.{name}"),
            Self::GrantPlugin(name) => write!(formatter, "grants.{name}.plugin"),
            Self::GrantReach(name) => write!(formatter, "grants.{name}.reach"),
            Self::GrantAudience(name) => write!(formatter, "grants.{name}.audience"),
            Self::GrantSettings(name) => write!(formatter, "grants.{name}.settings"),
            Self::GrantSecrets(name) => write!(formatter, "grants.{name}.secrets"),
            Self::GrantCa(name) => write!(formatter, "grants.{name}.ca"),
            Self::GrantSecret(name, slot) => write!(formatter, "grants.{name}.secrets.{slot}"),
            Self::Sink(name) => write!(formatter, "sinks.{name}"),
            Self::FormatPlugin(name) => write!(formatter, "sinks.{name}.format.plugin"),
            Self::FormatSettings(name) => write!(formatter, "sinks.{name}.format.settings"),
            Self::DeliverPlugin(name) => write!(formatter, "sinks.{name}.deliver.plugin"),
            Self::DeliverSettings(name) => write!(formatter, "sinks.{name}.deliver.settings"),
            Self::Reach(name) => write!(formatter, "sinks.{name}.reach"),
            Self::Authorization(name) => write!(formatter, "sinks.{name}.authorize"),
        }
    }
}
