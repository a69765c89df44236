//! `punchcard plugin rollback`, `pin`, `unpin` and `allow`: what a person decides of versions, which the device does.

use super::super::DeviceArguments;
use super::super::exit::{Exit, Failure};
use super::ask_and_print;
use crate::app::control::PluginQuestion;

pub(super) fn roll_back(device: &DeviceArguments, name: &str) -> Result<Exit, Failure> {
    let question = PluginQuestion::RollBack { plugin: name.to_owned() };
    ask_and_print(device, question, "Nothing was to do.")
}

pub(super) fn pin(device: &DeviceArguments, name: &str, pinned: bool) -> Result<Exit, Failure> {
    let question = PluginQuestion::Pin { plugin: name.to_owned(), pinned };
    let already = if pinned { "was pinned already" } else { "was not pinned" };
    ask_and_print(device, question, &format!("Nothing was to do: plugin `{name}` {already}."))
}

pub(super) fn allow(device: &DeviceArguments, digest: &str) -> Result<Exit, Failure> {
    let question = PluginQuestion::Allow { sha256: digest.to_owned() };
    ask_and_print(device, question, "Nothing was to do: it was allowed already.")
}
