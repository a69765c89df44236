//! `[repositories.NAME]`: where new versions of plugins come from, and when they are taken.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::node::{Node, quote};
use super::panel::parse_minute;
use super::plugin::parse_path;
use super::prefix::parse_prefix;
use super::reference::Declared;
use super::table::Table;
use crate::name::{PluginName, RepositoryName};
use crate::reach::Prefix;
use crate::update::Channel;

const MOST_PLUGINS: usize = 64;
/// `check-every`, where it is left out.
const USUAL_CHECK: Duration = Duration::from_hours(6);
const SHORTEST_CHECK: u64 = 10 * 60;
const LONGEST_CHECK: u64 = 30 * 24 * 60 * 60;

/// A publisher's repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// `url` or `folder`.
    pub source: RepositorySource,
    /// `root`: the publisher's first `root.json`, from which trust begins.
    pub root: PathBuf,
    /// `plugins`: those that come from here. None comes from two repositories.
    pub plugins: Vec<PluginName>,
    /// `channel`; `stable` where it is left out.
    pub channel: Channel,
    /// `check-every`; 6 hours where it is left out.
    pub check_every: Duration,
    /// `updates`; `ask` where it is left out.
    pub updates: Updates,
    /// `window`; any hour where it is left out.
    pub window: Option<Window>,
}

/// Where a repository's folders are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RepositorySource {
    /// On a web server, below this address.
    Url(Prefix),
    /// On a disk or a stick, absolute or relative to the folder of plugins.toml.
    Folder(PathBuf),
}

/// Who decides on a new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Updates {
    /// The publisher: it is installed.
    Automatic,
    /// A person: it is said that there is one.
    Ask,
    /// Nobody looks.
    Off,
}

/// Hours of the local day. They may go over midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// `from`, in minutes since the local midnight.
    pub from_minute: u16,
    /// `to`, the first minute outside.
    pub to_minute: u16,
}

impl Window {
    /// Whether a minute of the day is in it.
    #[must_use]
    pub fn contains(self, minute: u16) -> bool {
        if self.from_minute <= self.to_minute {
            (self.from_minute..self.to_minute).contains(&minute)
        } else {
            minute >= self.from_minute || minute < self.to_minute
        }
    }
}

/// Each plugin comes from one repository at most: of two that name it, the second is wrong.
pub(super) fn parse_repositories(
    root: &mut Table<'_, '_>,
    declared: &Declared<'_>,
) -> BTreeMap<RepositoryName, Repository> {
    let mut taken: BTreeMap<PluginName, usize> = BTreeMap::new();
    root.parts("repositories", RepositoryName::parse, |node| parse_repository(node, declared, &mut taken))
}

fn parse_repository(
    node: &Node<'_, '_>,
    declared: &Declared<'_>,
    taken: &mut BTreeMap<PluginName, usize>,
) -> Option<Repository> {
    let mut table = node.table()?;
    let source = table.exactly_one(&["url", "folder"]).and_then(|(key, node)| match key {
        "url" => parse_prefix(&node).map(RepositorySource::Url),
        _ => parse_path(&node).map(RepositorySource::Folder),
    });
    let root = table.required("root", parse_path);
    let plugins = table.required("plugins", |node| {
        let plugins = node.list(1..=MOST_PLUGINS, |node| {
            let plugin = declared.plugin(node, PluginName::parse)?;
            match taken.get(&plugin) {
                Some(line) => {
                    node.refuse(format!("{} comes from the repository of line {line} already", quote(plugin.as_str())))
                }
                None => Some(plugin),
            }
        })?;
        taken.extend(plugins.iter().map(|plugin| (plugin.clone(), node.line())));
        Some(plugins)
    });
    let channel = table.optional("channel", Channel::stable(), |node| {
        let text = node.text()?;
        Channel::parse(text).ok().or_else(|| {
            node.refuse(format!(
                "{} is no channel; accepted is 1 to 63 of a-z, 0-9 and `-`, starting with a letter",
                quote(text)
            ))
        })
    });
    let check_every = table.optional("check-every", USUAL_CHECK, |node| node.span(SHORTEST_CHECK..=LONGEST_CHECK));
    let words = [("automatic", Updates::Automatic), ("ask", Updates::Ask), ("off", Updates::Off)];
    let updates = table.optional("updates", Updates::Ask, |node| node.word(&words));
    let window = table.optional("window", None, |node| parse_window(node).map(Some));
    table.finish()?;
    Some(Repository {
        source: source?,
        root: root?,
        plugins: plugins?,
        channel: channel?,
        check_every: check_every?,
        updates: updates?,
        window: window?,
    })
}

fn parse_window(node: &Node<'_, '_>) -> Option<Window> {
    let mut table = node.table()?;
    let from_minute = table.required("from", parse_minute);
    let to_minute = table.required("to", parse_minute);
    table.finish()?;
    let window = Window { from_minute: from_minute?, to_minute: to_minute? };
    if window.from_minute == window.to_minute {
        return node.refuse("`from` and `to` are the same; leave `window` out for any hour");
    }
    Some(window)
}
