//! `[choices.NAME]`: what a person can choose before a press, by turning or with arrow keys.

use super::node::Node;

const LONGEST_LABEL: usize = 40;
const LONGEST_ITEM: usize = 100;
const MOST_ITEMS: usize = 1000;

/// A choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// `label`: what the panel calls it; 1 to 40 characters.
    pub label: String,
    /// `items`: in the order in which they are turned through. 1 to 1,000 different ones of 1 to 100 characters; the
    /// first is chosen in the beginning.
    pub items: Vec<String>,
}

pub(super) fn parse_choice(node: &Node<'_, '_>) -> Option<Choice> {
    let mut table = node.table()?;
    let label = table.required("label", |node| node.printable(LONGEST_LABEL).map(str::to_owned));
    let items = table
        .required("items", |node| node.list(1..=MOST_ITEMS, |node| node.printable(LONGEST_ITEM).map(str::to_owned)));
    table.finish()?;
    Some(Choice { label: label?, items: items? })
}
