//! `[inputs.NAME]`: what hands do, and what that means: a press makes an event, a turn moves a choice.

pub mod action;
pub mod device;
pub mod key;
pub mod trigger;

use std::collections::BTreeMap;
use std::time::Duration;

pub use action::{Action, FieldValue, Press, Presses, Step, TurnAction};
pub use device::InputDevice;
pub use key::Key;
pub use trigger::{Chip, Contact, HEADER_CHIPS, PN532_ADDRESS, Pull, Trigger};

use super::node::Node;
use super::reference::Declared;
use super::table::Table;
use crate::name::{ChoiceName, EventKind, InputName};
use trigger::RawDriver;
pub(super) use trigger::{Seats, parse_pull};

/// An input.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// What is touched.
    pub trigger: Trigger,
    /// What that means.
    pub action: Action,
    /// `debounce-ms`: what follows within this time is the same press; 0 to 10,000 ms. By default 700 ms for a terminal's key
    /// that presses, since terminals repeat a key that is held without saying so; 3,000 ms for the same badge at a reader,
    /// since readers repeat what is held before them; 30 ms for everything else. An encoder has none, for its bounces cancel
    /// each other out.
    pub debounce_for: Duration,
}

impl Input {
    /// The choices that it needs.
    pub fn choices(&self) -> impl Iterator<Item = &ChoiceName> {
        let (presses, turned) = match &self.action {
            Action::Press(presses) => (Some(presses), None),
            Action::Turn(turn) => (None, Some(&turn.choice)),
            Action::SignIn(_) => (None, None),
        };
        let fields = presses.into_iter().flat_map(|presses| presses.each()).flat_map(|press| &press.fields);
        let used = fields.filter_map(|(_, value)| match value {
            FieldValue::Chosen(choice) => Some(choice),
            FieldValue::Fixed(_) | FieldValue::Badge | FieldValue::Person => None,
        });
        used.chain(turned)
    }
}

/// The kinds of events that inputs and sensors make.
#[derive(Default)]
pub(super) struct Kinds {
    made: Vec<EventKind>,
    /// An input or a sensor has an error, so that it can't be said what it was to make.
    incomplete: bool,
    /// There are sensors, whose plugins may have words of their own.
    has_sensors: bool,
}

/// Whether anything makes an event of some kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    /// Something does.
    Yes,
    /// A sensor's plugin may.
    Perhaps,
    /// Nothing does.
    No,
}

impl Kinds {
    pub(super) fn made(&self, kind: &EventKind) -> Made {
        if self.incomplete || self.made.contains(kind) {
            Made::Yes
        } else if self.has_sensors {
            Made::Perhaps
        } else {
            Made::No
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.made.iter().map(EventKind::as_str)
    }

    /// Something makes this kind.
    pub(super) fn add(&mut self, kind: Option<EventKind>) {
        self.made.extend(kind);
    }

    /// There are sensors, or not; none: nobody knows.
    pub(super) fn note_sensors(&mut self, are_there: Option<bool>) {
        self.has_sensors = are_there == Some(true);
        self.incomplete |= are_there.is_none();
    }

    /// A sensor has an error.
    pub(super) fn note_incomplete(&mut self) {
        self.incomplete = true;
    }
}

pub(super) fn parse_inputs(
    root: &mut Table<'_, '_>,
    declared: &Declared<'_>,
    kinds: &mut Kinds,
    seats: &mut Seats,
) -> BTreeMap<InputName, Input> {
    kinds.incomplete = !declared.has_inputs();
    root.parts("inputs", InputName::parse, |node| {
        let made = kinds.made.len();
        let input = parse_input(node, declared, kinds, seats);
        let turns = node.value().get_ref().get("turn").is_some();
        kinds.incomplete |= input.is_none() && kinds.made.len() == made && !turns;
        input
    })
}

fn parse_input(node: &Node<'_, '_>, declared: &Declared<'_>, kinds: &mut Kinds, seats: &mut Seats) -> Option<Input> {
    let mut table = node.table()?;
    let drivers = [
        ("gpio", RawDriver::Gpio),
        ("keyboard", RawDriver::Keyboard),
        ("encoder", RawDriver::Encoder),
        ("reader", RawDriver::Reader),
        ("pn532", RawDriver::Pn532),
    ];
    let driver = table.required("driver", |node| node.word(&drivers));
    let trigger = seats.parse_trigger(&mut table, driver);
    let action = action::parse_action(&mut table, driver, declared, kinds);
    let is_terminal = !table.has("device");
    let usual = usual_debounce(driver, is_terminal, action.as_ref());
    let debounce = match driver {
        Some(RawDriver::Encoder) => Some(0),
        _ => table.optional("debounce-ms", usual, |node| node.count(0..=10_000)),
    };
    table.finish()?;
    let debounce_for = Duration::from_millis(debounce?.into());
    Some(Input { trigger: trigger?, action: action?, debounce_for })
}

fn usual_debounce(driver: Option<RawDriver>, is_terminal: bool, action: Option<&Action>) -> u32 {
    match (driver, action) {
        (Some(RawDriver::Keyboard), Some(Action::Press(_) | Action::SignIn(_))) if is_terminal => 700,
        (Some(RawDriver::Reader | RawDriver::Pn532), _) => 3_000,
        _ => 30,
    }
}
