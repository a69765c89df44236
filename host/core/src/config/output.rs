//! `[outputs.NAME]`: a lamp or a buzzer on a line, which follows what happens.

use std::collections::BTreeMap;

use super::input::Seats;
use super::node::Node;
use super::table::Table;
use crate::name::OutputName;
use crate::output::{Behavior, Pulses, Sign};

/// An output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// `chip`: its label; where it is left out, that of the header.
    pub chip: Option<String>,
    /// `line`: 0 to 27, by its GPIO number.
    pub line: u8,
    /// `active = "low"`: it is on while its line is connected with ground; `"high"`, where it is left out: with 3.3 V.
    pub is_active_low: bool,
    /// What it does when.
    pub behavior: Behavior,
}

/// Reads all outputs. `seats`: the lines that inputs have.
pub(super) fn parse_outputs(root: &mut Table<'_, '_>, seats: &mut Seats) -> BTreeMap<OutputName, Output> {
    root.parts("outputs", OutputName::parse, |node| parse_output(node, seats))
}

fn parse_output(node: &Node<'_, '_>, seats: &mut Seats) -> Option<Output> {
    let mut table = node.table()?;
    let line = seats.parse_output_line(&mut table);
    let is_active_low = table.optional("active", false, |node| node.word(&[("low", true), ("high", false)]));
    let recorded = table.optional("recorded", Pulses::default(), parse_pulses);
    let refused = table.optional("refused", Pulses::default(), parse_pulses);
    let problem = table.optional("problem", None, |node| {
        node.word(&[("on", Some(Sign::On)), ("blink", Some(Sign::Blink)), ("off", None)])
    });
    table.finish()?;
    let (chip, line) = line?;
    let behavior = Behavior { recorded: recorded?, refused: refused?, problem: problem? };
    if behavior == Behavior::default() {
        return node.refuse("it never does anything; say what it does with `recorded`, `refused` or `problem`");
    }
    Some(Output { chip, line, is_active_low: is_active_low?, behavior })
}

/// Milliseconds on, off, on, and so on.
fn parse_pulses(node: &Node<'_, '_>) -> Option<Pulses> {
    node.sequence(1..=20, |node| node.count(1..=5_000)).map(Pulses)
}
