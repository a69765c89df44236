//! `[choices.NAME]`: what a person can choose before a press, by turning or with arrow keys.

use std::collections::BTreeMap;
use std::time::Duration;

use super::grant::Grant;
use super::node::Node;
use super::prefix::parse_prefixes;
use super::reference::Declared;
use super::settings::{Settings, parse_settings};
use super::sink::Authorization;
use super::sink::authorization::parse_authorization;
use crate::listing::{LONGEST_ITEM, MOST_ITEMS};
use crate::name::{GrantName, PluginName};
use crate::reach::Prefix;

const LONGEST_LABEL: usize = 40;
/// How often a list is fetched at most and at least, in seconds.
const EVERY_SECONDS: std::ops::RangeInclusive<u64> = 5..=24 * 60 * 60;
/// Where `every` is left out.
const USUALLY_EVERY: Duration = Duration::from_secs(10 * 60);

/// A choice.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// `label`: what the panel calls it; 1 to 40 characters.
    pub label: String,
    /// `items`: in the order in which they are turned through.
    pub items: Items,
}

/// What there is to choose from.
#[derive(Debug, Clone, PartialEq)]
pub enum Items {
    /// 1 to 1,000 different ones of 1 to 100 characters; the first is chosen in the beginning.
    Fixed(Vec<String>),
    /// Those that a plugin fetches.
    Listed(Box<Listing>),
}

impl Items {
    /// Those that stand in plugins.toml.
    #[must_use]
    pub fn fixed(&self) -> &[String] {
        match self {
            Self::Fixed(items) => items,
            Self::Listed(_) => &[],
        }
    }
}

/// A list that a plugin fetches.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// `plugin`: a key of `[plugins]`.
    pub plugin: PluginName,
    /// `settings`: the plugin's own.
    pub settings: Settings,
    /// `every`: how often it is fetched, 5 s to a day; 10 min where it is left out.
    pub every: Duration,
    /// `reach`: where the plugin's requests may go. At least one.
    pub reach: Vec<Prefix>,
    /// `authorize`: what is added to requests that ask for it.
    pub authorize: Option<Authorization>,
}

impl Listing {
    /// The grant whose token is added to its requests.
    #[must_use]
    pub fn grant(&self) -> Option<&GrantName> {
        match &self.authorize {
            Some(Authorization::Grant(name)) => Some(name),
            _ => None,
        }
    }
}

impl Choice {
    /// The list that is fetched for it, where one is.
    #[must_use]
    pub fn listing(&self) -> Option<&Listing> {
        match &self.items {
            Items::Fixed(_) => None,
            Items::Listed(listing) => Some(listing),
        }
    }
}

pub(super) fn parse_choice(
    node: &Node<'_, '_>,
    declared: &Declared<'_>,
    grants: &BTreeMap<GrantName, Grant>,
) -> Option<Choice> {
    let mut table = node.table()?;
    let label = table.required("label", |node| node.printable(LONGEST_LABEL).map(str::to_owned));
    let items = table.required("items", |node| parse_items(node, declared, grants));
    table.finish()?;
    Some(Choice { label: label?, items: items? })
}

fn parse_items(node: &Node<'_, '_>, declared: &Declared<'_>, grants: &BTreeMap<GrantName, Grant>) -> Option<Items> {
    if matches!(node.value().get_ref(), toml::de::DeValue::Table(_)) {
        return parse_listing(node, declared, grants).map(|listing| Items::Listed(Box::new(listing)));
    }
    node.list(1..=MOST_ITEMS, |node| node.printable(LONGEST_ITEM).map(str::to_owned)).map(Items::Fixed)
}

fn parse_listing(node: &Node<'_, '_>, declared: &Declared<'_>, grants: &BTreeMap<GrantName, Grant>) -> Option<Listing> {
    let mut table = node.table()?;
    let plugin = table.required("plugin", |node| declared.plugin(node, PluginName::parse));
    let settings = table.optional("settings", Settings::default(), parse_settings);
    let every = table.optional("every", USUALLY_EVERY, |node| node.span(EVERY_SECONDS));
    let reach = table.required("reach", parse_prefixes);
    let authorize = table
        .optional("authorize", None, |node| parse_authorization(node, declared, grants, reach.as_deref()).map(Some));
    table.finish()?;
    Some(Listing { plugin: plugin?, settings: settings?, every: every?, reach: reach?, authorize: authorize? })
}
