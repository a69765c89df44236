//! What a touch means: an event, or another item of a choice.

use std::time::Duration;

use toml::de::DeValue;

use super::super::node::{Node, quote};
use super::super::reference::Declared;
use super::super::table::Table;
use super::Kinds;
use super::trigger::RawDriver;
use crate::event::Value;
use crate::name::{ChoiceName, EventKind, FieldName};
use crate::printable::steers;

const MOST_FIELDS: usize = 32;
const LONGEST_FIELD: usize = 1_000;

const DOLLAR: &str = "`$` takes the item of a choice; for a text that starts with it, write `$$`";

/// What a touch means.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// `press`: an event.
    Press(Press),
    /// `turn`: another item of a choice.
    Turn(TurnAction),
}

/// An event to make.
#[derive(Debug, Clone, PartialEq)]
pub struct Press {
    /// `event`: its kind.
    pub event: EventKind,
    /// `fields`: in the order of the text, each name once.
    pub fields: Vec<(FieldName, FieldValue)>,
    /// `share-commit-ms`: how long it waits for others, to share a commit with them; up to 60,000 ms. By default not at all.
    pub share_commit_for: Duration,
}

/// A field's value.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldValue {
    /// Always this. `"$$5"` is the text `$5`.
    Fixed(Value),
    /// `"$NAME"`: the item of this choice that is chosen then.
    Chosen(ChoiceName),
}

/// A choice to move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnAction {
    /// `choice`
    pub choice: ChoiceName,
    /// `step`: 1 or -1; for an encoder, which way is forward, and 1 where it is left out.
    pub step: Step,
}

/// A direction through a choice's items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// 1
    Forward,
    /// -1
    Back,
}

/// Reads the key that says what an input does. An encoder can only turn.
pub(super) fn parse_action(
    table: &mut Table<'_, '_>,
    driver: Option<RawDriver>,
    declared: &Declared<'_>,
    kinds: &mut Kinds,
) -> Option<Action> {
    if driver == Some(RawDriver::Encoder) {
        return table.required("turn", |node| parse_turn(node, declared, true)).map(Action::Turn);
    }
    match table.exactly_one(&["press", "turn"])? {
        ("press", node) => parse_press(&node, declared, kinds).map(Action::Press),
        (_, node) => parse_turn(&node, declared, false).map(Action::Turn),
    }
}

fn parse_press(node: &Node<'_, '_>, declared: &Declared<'_>, kinds: &mut Kinds) -> Option<Press> {
    let mut table = node.table()?;
    let event = table.required("event", |node| node.name(EventKind::parse));
    kinds.made.extend(event.clone());
    let fields = table.optional("fields", Vec::new(), |node| parse_fields(node, declared));
    let share = table.optional("share-commit-ms", 0, |node| node.count(0..=60_000));
    table.finish()?;
    Some(Press { event: event?, fields: fields?, share_commit_for: Duration::from_millis(share?.into()) })
}

fn parse_fields(node: &Node<'_, '_>, declared: &Declared<'_>) -> Option<Vec<(FieldName, FieldValue)>> {
    let mut fields = Some(Vec::new());
    for (key, node) in node.entries(MOST_FIELDS)? {
        let field = node.key_as_name(key, FieldName::parse).zip(parse_field(&node, declared));
        fields = fields.zip(field).map(|(mut fields, field)| {
            fields.push(field);
            fields
        });
    }
    fields
}

fn parse_field(node: &Node<'_, '_>, declared: &Declared<'_>) -> Option<FieldValue> {
    let value = match node.value().get_ref() {
        DeValue::String(text) => match text.strip_prefix('$') {
            Some(rest) if !rest.starts_with('$') => {
                return declared.choice(node, rest, ChoiceName::parse, Some(DOLLAR)).map(FieldValue::Chosen);
            }
            Some(rest) => Value::Text(parse_text(node, rest)?),
            None => Value::Text(parse_text(node, text)?),
        },
        DeValue::Integer(_) => Value::Integer(node.integer()?),
        DeValue::Float(_) => Value::Number(node.float()?),
        DeValue::Boolean(flag) => Value::Flag(*flag),
        _ => return node.refuse_type("a string, an integer, a float or a boolean"),
    };
    Some(FieldValue::Fixed(value))
}

fn parse_text(node: &Node<'_, '_>, text: &str) -> Option<String> {
    if text.chars().count() > LONGEST_FIELD || text.chars().any(steers) {
        return node.refuse(format!(
            "{} is not accepted; accepted is one line of at most {LONGEST_FIELD} characters",
            quote(text)
        ));
    }
    Some(text.to_owned())
}

fn parse_turn(node: &Node<'_, '_>, declared: &Declared<'_>, encoder: bool) -> Option<TurnAction> {
    let mut table = node.table()?;
    let choice = table.required("choice", |node| declared.choice(node, node.text()?, ChoiceName::parse, None));
    let step =
        if encoder { table.optional("step", Step::Forward, parse_step) } else { table.required("step", parse_step) };
    table.finish()?;
    Some(TurnAction { choice: choice?, step: step? })
}

fn parse_step(node: &Node<'_, '_>) -> Option<Step> {
    match node.integer()? {
        1 => Some(Step::Forward),
        -1 => Some(Step::Back),
        other => node.refuse(format!("found {other}; accepted are 1 and -1")),
    }
}
