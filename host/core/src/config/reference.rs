//! What one part says of another: by name, and the other has to be there.

use toml::de::DeTable;

use super::near::{did_you_mean, near};
use super::node::{Node, quote};
use crate::name::NameError;

/// The names of one section; `None` where it is no table, so that nothing can be said about them.
type Names<'a> = Option<Vec<&'a str>>;

/// The names that the text gives to parts, be these valid or not: an error in a plugin is reported once, not again by
/// each grant that uses it.
pub(super) struct Declared<'a> {
    plugins: Names<'a>,
    choices: Names<'a>,
    grants: Names<'a>,
    inputs: Names<'a>,
    sensors: Names<'a>,
}

impl<'a> Declared<'a> {
    pub(super) fn in_table(table: &'a DeTable<'_>) -> Self {
        let names = |section: &str| match table.get(section) {
            Some(value) => Some(value.get_ref().as_table()?.keys().map(|key| key.get_ref().as_ref()).collect()),
            None => Some(Vec::new()),
        };
        Self {
            plugins: names("plugins"),
            choices: names("choices"),
            grants: names("grants"),
            inputs: names("inputs"),
            sensors: names("sensors"),
        }
    }

    /// Whether there are sensors; none: their section can't be read.
    pub(super) fn has_sensors(&self) -> Option<bool> {
        self.sensors.as_ref().map(|names| !names.is_empty())
    }

    /// Whether an input has this name.
    pub(super) fn is_input(&self, name: &str) -> bool {
        self.inputs.as_ref().is_some_and(|names| names.contains(&name))
    }

    /// Whether the inputs can be read at all.
    pub(super) fn has_inputs(&self) -> bool {
        self.inputs.is_some()
    }

    /// A plugin's name.
    pub(super) fn plugin<N>(&self, node: &Node<'_, '_>, parse: impl Fn(&str) -> Result<N, NameError>) -> Option<N> {
        resolve(node, node.text()?, ("plugins", &self.plugins), parse, None)
    }

    /// A grant's name.
    pub(super) fn grant<N>(&self, node: &Node<'_, '_>, parse: impl Fn(&str) -> Result<N, NameError>) -> Option<N> {
        resolve(node, node.text()?, ("grants", &self.grants), parse, None)
    }

    /// Whether there is a choice of this name.
    pub(super) fn has_choice(&self, name: &str) -> bool {
        self.choices.as_ref().is_some_and(|choices| choices.contains(&name))
    }

    /// A choice's name, in a text of which it may be only a part; with what helps where it resembles none.
    pub(super) fn choice<N>(
        &self,
        node: &Node<'_, '_>,
        text: &str,
        parse: impl Fn(&str) -> Result<N, NameError>,
        help: Option<&str>,
    ) -> Option<N> {
        resolve(node, text, ("choices", &self.choices), parse, help)
    }
}

fn resolve<N>(
    node: &Node<'_, '_>,
    text: &str,
    (section, names): (&str, &Names<'_>),
    parse: impl Fn(&str) -> Result<N, NameError>,
    help: Option<&str>,
) -> Option<N> {
    if let Some(names) = names
        && !names.contains(&text)
    {
        let help = near(text, names.iter().copied()).map(did_you_mean).or_else(|| help.map(str::to_owned));
        return node.refuse_dangling(format!("there is no {} in [{section}]", quote(text)), help);
    }
    // A name that is declared and is none was refused where it is declared.
    parse(text).ok()
}
