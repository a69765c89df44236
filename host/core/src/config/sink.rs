//! `[sinks.NAME]`: which events become which rows, and where they are carried.

pub mod authorization;

use std::collections::BTreeMap;

pub use authorization::{Authorization, HeaderName};

use super::grant::Grant;
use super::input::{Kinds, Made};
use super::near::{did_you_mean, near};
use super::node::Node;
use super::prefix::parse_prefixes;
use super::reference::Declared;
use super::sensor::READING;
use super::settings::{Settings, parse_settings};
use crate::name::{EventKind, GrantName, PluginName};
use crate::reach::Prefix;

const MOST_EVENTS: usize = 32;

/// A sink.
#[derive(Debug, Clone, PartialEq)]
pub struct Sink {
    /// `events`: the kinds that it takes. At least one.
    pub events: Vec<EventKind>,
    /// `format`: what makes the rows.
    pub format: Stage,
    /// `deliver`: what carries them.
    pub deliver: Stage,
    /// `reach`: where the connector's requests may go. At least one.
    pub reach: Vec<Prefix>,
    /// `authorize`: what is added to requests that ask for it.
    pub authorize: Option<Authorization>,
}

impl Sink {
    /// The grant whose token is added to its requests.
    #[must_use]
    pub fn grant(&self) -> Option<&GrantName> {
        match &self.authorize {
            Some(Authorization::Grant(name)) => Some(name),
            _ => None,
        }
    }
}

/// A plugin's place in a sink.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// `plugin`: a key of `[plugins]`.
    pub plugin: PluginName,
    /// `settings`: the plugin's own, for this sink.
    pub settings: Settings,
}

pub(super) fn parse_sink(
    node: &Node<'_, '_>,
    declared: &Declared<'_>,
    kinds: &Kinds,
    grants: &BTreeMap<GrantName, Grant>,
) -> Option<Sink> {
    let mut table = node.table()?;
    let events = table.required("events", |node| node.list(1..=MOST_EVENTS, |node| parse_kind(node, kinds)));
    let format = table.required("format", |node| parse_stage(node, declared));
    let deliver = table.required("deliver", |node| parse_stage(node, declared));
    let reach = table.required("reach", parse_prefixes);
    let authorize = table.optional("authorize", None, |node| {
        authorization::parse_authorization(node, declared, grants, reach.as_deref()).map(Some)
    });
    table.finish()?;
    Some(Sink { events: events?, format: format?, deliver: deliver?, reach: reach?, authorize: authorize? })
}

fn parse_stage(node: &Node<'_, '_>, declared: &Declared<'_>) -> Option<Stage> {
    let mut table = node.table()?;
    let plugin = table.required("plugin", |node| declared.plugin(node, PluginName::parse));
    let settings = table.optional("settings", Settings::default(), parse_settings);
    table.finish()?;
    Some(Stage { plugin: plugin?, settings: settings? })
}

fn parse_kind(node: &Node<'_, '_>, kinds: &Kinds) -> Option<EventKind> {
    let kind = node.name(EventKind::parse)?;
    let meant = || near(kind.as_str(), kinds.names().chain([READING])).map(did_you_mean);
    match kinds.made(&kind) {
        Made::Yes => Some(kind),
        _ if kind.as_str() == READING => Some(kind),
        // A word of a sensor's plugin, unless it looks like another one that is misspelt.
        Made::Perhaps if meant().is_none() => Some(kind),
        Made::Perhaps => node.refuse_dangling(format!("no input and no sensor makes the event `{kind}`"), meant()),
        Made::No => node.refuse_dangling(format!("no input makes the event `{kind}`"), meant()),
    }
}
