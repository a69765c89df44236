//! The keys of a keyboard, as plugins.toml names them.

use super::super::near::{did_you_mean, near};
use super::super::node::Node;
pub use crate::key::Key;

pub(super) fn parse_key(node: &Node<'_, '_>) -> Option<Key> {
    let text = node.text()?;
    match Key::parse(text) {
        Ok(key) => Some(key),
        Err(_) if text == " " => node.refuse_with_help("found ` `", Some(did_you_mean("space"))),
        Err(error) => node.refuse_with_help(error.to_string(), near(text, Key::NAMES).map(did_you_mean)),
    }
}
