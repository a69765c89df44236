//! A table whose keys are asked for one by one. What nobody asked for is an error in the end.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::DeTable;

use super::near::{did_you_mean, near};
use super::node::{Node, are, join, listed};
use super::report::{Cause, Report};
use super::syntax::Damage;
use crate::name::NameError;

/// The most parts in a section: grants, sinks, inputs.
const MAX_PARTS: usize = 64;

/// A table being read. [`Table::finish`] tells whether all its keys were known and all that it needs were there.
pub(super) struct Table<'a, 'i> {
    report: &'a Report<'i>,
    entries: &'a DeTable<'i>,
    damage: Option<&'a Damage>,
    /// Where to point for what is missing.
    at: Range<usize>,
    path: String,
    known: Vec<&'static str>,
    /// Of each of these keys, one.
    missing: Vec<Vec<&'static str>>,
    contradictory: bool,
}

impl<'a, 'i> Table<'a, 'i> {
    pub(super) fn new(report: &'a Report<'i>, entries: &'a DeTable<'i>, at: Range<usize>, path: String) -> Self {
        let (known, missing) = (Vec::new(), Vec::new());
        Self { report, entries, damage: None, at, path, known, missing, contradictory: false }
    }

    /// The table that is the whole text.
    pub(super) fn root(report: &'a Report<'i>, entries: &'a DeTable<'i>, damage: &'a Damage) -> Self {
        Self { damage: Some(damage), ..Self::new(report, entries, 0..0, String::new()) }
    }

    /// Reads a key that may be left out. `None`: it is there and wrong, which was reported.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        default: T,
        parse: impl FnOnce(&Node<'a, 'i>) -> Option<T>,
    ) -> Option<T> {
        match self.get(key) {
            Some((start, node)) => {
                let damaged = self.damage.is_some_and(|damage| damage.touches_section(start, node.value()));
                parse(&node).filter(|_| !damaged)
            }
            None => Some(default),
        }
    }

    /// Reads a key that has to be there. `None`: it is not, or it is wrong.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&Node<'a, 'i>) -> Option<T>,
    ) -> Option<T> {
        if !self.entries.contains_key(key) {
            self.missing.push(vec![key]);
        }
        self.optional(key, None, |node| parse(node).map(Some)).flatten()
    }

    /// Reads the one of these keys that is there; no other may be beside it.
    pub(super) fn exactly_one(&mut self, keys: &[&'static str]) -> Option<(&'static str, Node<'a, 'i>)> {
        let present: Vec<_> = keys.iter().filter_map(|key| Some((*key, self.get(key)?.1))).collect();
        match <[_; 1]>::try_from(present) {
            Ok([one]) => Some(one),
            Err(none) if none.is_empty() => {
                self.missing.push(keys.to_vec());
                None
            }
            Err(several) => {
                self.contradictory = true;
                let names: Vec<String> = several.iter().map(|(key, _)| format!("`{key}`")).collect();
                let (_, last) = &several[several.len() - 1];
                last.refuse(format!("{} exclude each other; accepted is one of them", names.join(" and ")))
            }
        }
    }

    /// Whether a key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Takes note of keys that are accepted, without reading them.
    pub(super) fn know(&mut self, keys: &[&'static str]) {
        self.known.extend(keys);
    }

    /// Reads a section of named parts. Of those that are wrong each is reported and left out.
    pub(super) fn parts<N: Ord, T>(
        &mut self,
        key: &'static str,
        parse_name: impl Fn(&str) -> Result<N, NameError>,
        mut parse: impl FnMut(&Node<'a, 'i>) -> Option<T>,
    ) -> BTreeMap<N, T> {
        let Some((_, section)) = self.get(key) else { return BTreeMap::new() };
        let mut parts = BTreeMap::new();
        for (entry, node) in section.entries(MAX_PARTS).unwrap_or_default() {
            let name = node.key_as_name(entry, &parse_name);
            let damaged = self.damage.is_some_and(|damage| damage.touches(entry.span().start));
            let part = parse(&node).filter(|_| !damaged);
            parts.extend(name.zip(part));
        }
        parts
    }

    /// Reports what nobody asked for and what is missing. `None` if there was any.
    pub(super) fn finish(mut self) -> Option<()> {
        let mut unknown = false;
        for key in self.entries.keys() {
            if self.known.contains(&key.get_ref().as_ref()) {
                continue;
            }
            unknown = true;
            self.known.sort_unstable();
            let absent = self.known.iter().copied().filter(|known| !self.has(known));
            let meant = near(key.get_ref(), absent);
            if let Some(meant) = meant {
                self.missing.retain(|keys| !keys.contains(&meant));
            }
            let message = format!("unknown key; accepted {}", are(&self.known));
            let path = self.path_of(key.get_ref());
            self.report.refuse(Cause::Key, key.span(), &path, message, meant.map(did_you_mean));
        }
        for keys in &self.missing {
            let message = match keys.as_slice() {
                [key] => format!("`{key}` is missing"),
                keys => format!("one of {} is missing", listed(keys)),
            };
            self.report.refuse(Cause::Absence, self.at.clone(), &self.path, message, None);
        }
        (!unknown && self.missing.is_empty() && !self.contradictory).then_some(())
    }

    fn get(&mut self, key: &'static str) -> Option<(usize, Node<'a, 'i>)> {
        self.known.push(key);
        let (key, value) = self.entries.get_key_value(key)?;
        let path = self.path_of(key.get_ref());
        self.report.note(&path, value.span());
        Some((key.span().start, Node::new(self.report, value, path)))
    }

    fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }
}
