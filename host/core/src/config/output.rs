//! `[outputs.NAME]`: a lamp or a buzzer, which follows what happens.

use std::collections::BTreeMap;

use super::input::{Chip, Seats};
use super::node::Node;
use super::table::Table;
use crate::name::OutputName;
use crate::output::{Behavior, Pulses, Sign};

/// A passive buzzer is loudest somewhere about this pitch, in Hz.
const USUAL_TONE_HZ: u32 = 2_000;
/// Flicker is not seen from some hundred Hz on.
const DIMMED_HZ: u32 = 1_000;

/// An output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// What is switched.
    pub driven: Driven,
    /// `active = "low"`: it is on while its line is connected with ground; `"high"`, where it is left out: with 3.3 V.
    pub is_active_low: bool,
    /// What it does when.
    pub behavior: Behavior,
}

/// What an output switches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Driven {
    /// `line`: a GPIO line, on or off.
    Line {
        /// `chip`, or `adapter` of `[hardware]`.
        chip: Chip,
        /// 0 to 27, by its GPIO number.
        line: u8,
    },
    /// `pwm`: a channel of the chip's own pulses, for a tone or a dimmed lamp.
    Pwm {
        /// 0 to 3.
        channel: u8,
        /// Pulses a second: `tone-hz`, or for a dimmed lamp so many that nobody sees them.
        hz: u32,
        /// The part of the time in which it is on, in percent: half for a tone, `brightness` for a lamp.
        percent: u8,
    },
}

/// Reads all outputs. `seats`: the lines that inputs have.
pub(super) fn parse_outputs(root: &mut Table<'_, '_>, seats: &mut Seats) -> BTreeMap<OutputName, Output> {
    let mut channels = Vec::new();
    root.parts("outputs", OutputName::parse, |node| parse_output(node, seats, &mut channels))
}

fn parse_output(node: &Node<'_, '_>, seats: &mut Seats, channels: &mut Vec<u32>) -> Option<Output> {
    let mut table = node.table()?;
    let driven = if node.value().get_ref().get("pwm").is_some() {
        parse_pwm(&mut table, channels)
    } else {
        seats.parse_own_line(&mut table).map(|(chip, line)| Driven::Line { chip, line })
    };
    let is_active_low = table.optional("active", false, |node| node.word(&[("low", true), ("high", false)]));
    let recorded = table.optional("recorded", Pulses::default(), parse_pulses);
    let refused = table.optional("refused", Pulses::default(), parse_pulses);
    let problem = table.optional("problem", None, |node| {
        node.word(&[("on", Some(Sign::On)), ("blink", Some(Sign::Blink)), ("off", None)])
    });
    table.finish()?;
    let behavior = Behavior { recorded: recorded?, refused: refused?, problem: problem? };
    if behavior == Behavior::default() {
        return node.refuse("it never does anything; say what it does with `recorded`, `refused` or `problem`");
    }
    Some(Output { driven: driven?, is_active_low: is_active_low?, behavior })
}

fn parse_pwm(table: &mut Table<'_, '_>, channels: &mut Vec<u32>) -> Option<Driven> {
    let channel = table.required("pwm", |node| {
        let channel = node.count(0..=3)?;
        if channels.contains(&channel) {
            return node.refuse(format!("the channel {channel} is taken by another output"));
        }
        channels.push(channel);
        u8::try_from(channel).ok()
    });
    let tone_hz = table.optional("tone-hz", None, |node| node.count(20..=20_000).map(Some));
    let brightness = table.optional("brightness", None, |node| {
        if matches!(tone_hz, Some(Some(_))) {
            return node.refuse("a tone has no brightness; take one of `tone-hz` and `brightness`");
        }
        u8::try_from(node.count(1..=100)?).ok().map(Some)
    });
    let (hz, percent) = match (tone_hz?, brightness?) {
        (_, Some(percent)) => (DIMMED_HZ, percent),
        (tone_hz, None) => (tone_hz.unwrap_or(USUAL_TONE_HZ), 50),
    };
    Some(Driven::Pwm { channel: channel?, hz, percent })
}

/// Milliseconds on, off, on, and so on.
fn parse_pulses(node: &Node<'_, '_>) -> Option<Pulses> {
    node.sequence(1..=20, |node| node.count(1..=5_000)).map(Pulses)
}
