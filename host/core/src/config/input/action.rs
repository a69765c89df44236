//! What a touch means: an event, or another item of a choice.

use std::time::Duration;

use toml::de::DeValue;

use super::super::node::{Node, quote};
use super::super::reference::Declared;
use super::super::table::Table;
use super::Kinds;
use super::trigger::RawDriver;
use crate::event::Value;
use crate::name::{ChoiceName, EventKind, FieldName, GrantName};
use crate::printable::steers;

const MOST_FIELDS: usize = 32;
const LONGEST_FIELD: usize = 1_000;

/// `after-ms` of a long press, where it is left out.
const USUAL_LONG_MS: u32 = 800;
/// `within-ms` of a double press, where it is left out: desktops take 400 to 500.
const USUAL_DOUBLE_MS: u32 = 400;

const NO_RELEASES: &str = "a keyboard in a terminal does not say when a key is let go, so that a long press and a double one are none; both are for a gpio button, or for a keyboard with a `device`";

const DOLLAR: &str = "`$` takes the item of a choice; for a text that starts with it, write `$$`";

/// What a field of a reader's press may take beside choices.
const BADGE: &str = "badge";
const PERSON: &str = "person";

/// What a touch means.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// `press`, and perhaps `long-press` and `double-press`: an event each.
    Press(Box<Presses>),
    /// `turn`: another item of a choice.
    Turn(TurnAction),
    /// `sign-in`: a person wants to sign in to this grant.
    SignIn(GrantName),
}

/// What presses of one button mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Presses {
    /// `press`: one press.
    pub once: Press,
    /// `long-press`: it is held for so long. Only for what tells when it is let go.
    pub long: Option<(Duration, Press)>,
    /// `double-press`: it is pressed again within so long after it was let go.
    pub double: Option<(Duration, Press)>,
}

impl Presses {
    /// All the events that they make.
    pub fn each(&self) -> impl Iterator<Item = &Press> {
        let more = [&self.long, &self.double].into_iter().flatten();
        std::iter::once(&self.once).chain(more.map(|(_, press)| press))
    }
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
    /// `"$badge"`, of a reader: the number that was read.
    Badge,
    /// `"$person"`, of a reader: whose badge it is by `[people]`; the number, where it is nobody's.
    Person,
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
    match driver {
        Some(RawDriver::Encoder) => {
            return table.required("turn", |node| parse_turn(node, declared, true)).map(Action::Turn);
        }
        Some(RawDriver::Reader | RawDriver::Pn532) => {
            let once = table.required("press", |node| parse_read(node, declared, kinds))?;
            return Some(Action::Press(Box::new(Presses { once, long: None, double: None })));
        }
        _ => {}
    }
    // What a device of the kernel's says of a key has its end.
    let is_terminal = driver == Some(RawDriver::Keyboard) && !table.has("device");
    match table.exactly_one(&["press", "turn", "sign-in"])? {
        ("press", node) => {
            let once = parse_press(&node, declared, kinds);
            let long = table.optional("long-press", None, |node| match is_terminal {
                true => node.refuse(NO_RELEASES),
                false => parse_timed_press(node, declared, kinds, "after-ms", USUAL_LONG_MS).map(Some),
            });
            let double = table.optional("double-press", None, |node| match is_terminal {
                true => node.refuse(NO_RELEASES),
                false => parse_timed_press(node, declared, kinds, "within-ms", USUAL_DOUBLE_MS).map(Some),
            });
            Some(Action::Press(Box::new(Presses { once: once?, long: long?, double: double? })))
        }
        ("sign-in", node) => declared.grant(&node, GrantName::parse).map(Action::SignIn),
        (_, node) => parse_turn(&node, declared, false).map(Action::Turn),
    }
}

fn parse_press(node: &Node<'_, '_>, declared: &Declared<'_>, kinds: &mut Kinds) -> Option<Press> {
    let mut table = node.table()?;
    let press = parse_press_keys(&mut table, kinds, |node| parse_field(node, declared));
    table.finish()?;
    press
}

/// The press of a reader. It says whose it was, or nobody would ever know.
fn parse_read(node: &Node<'_, '_>, declared: &Declared<'_>, kinds: &mut Kinds) -> Option<Press> {
    let mut table = node.table()?;
    let press = parse_press_keys(&mut table, kinds, |node| parse_read_field(node, declared));
    table.finish()?;
    let takes_badge = |(_, value): &(FieldName, FieldValue)| matches!(value, FieldValue::Badge | FieldValue::Person);
    match press {
        Some(press) if !press.fields.iter().any(takes_badge) => node.refuse_with_help(
            "no field takes the number that is read",
            Some(
                "add `fields = { badge = \"$badge\" }`, or `fields = { person = \"$person\" }` with [people]"
                    .to_owned(),
            ),
        ),
        press => press,
    }
}

/// A press that is told from others by a time, in milliseconds under the key `time`.
fn parse_timed_press(
    node: &Node<'_, '_>,
    declared: &Declared<'_>,
    kinds: &mut Kinds,
    time: &'static str,
    usual_ms: u32,
) -> Option<(Duration, Press)> {
    let mut table = node.table()?;
    let time = table.optional(time, usual_ms, |node| node.count(100..=10_000));
    let press = parse_press_keys(&mut table, kinds, |node| parse_field(node, declared));
    table.finish()?;
    Some((Duration::from_millis(time?.into()), press?))
}

fn parse_press_keys<'a, 'i>(
    table: &mut Table<'a, 'i>,
    kinds: &mut Kinds,
    parse_field: impl Fn(&Node<'a, 'i>) -> Option<FieldValue>,
) -> Option<Press> {
    let event = table.required("event", |node| node.name(EventKind::parse));
    kinds.made.extend(event.clone());
    let fields = table.optional("fields", Vec::new(), |node| parse_fields(node, parse_field));
    let share = table.optional("share-commit-ms", 0, |node| node.count(0..=60_000));
    Some(Press { event: event?, fields: fields?, share_commit_for: Duration::from_millis(share?.into()) })
}

fn parse_fields<'a, 'i>(
    node: &Node<'a, 'i>,
    parse_field: impl Fn(&Node<'a, 'i>) -> Option<FieldValue>,
) -> Option<Vec<(FieldName, FieldValue)>> {
    let mut fields = Some(Vec::new());
    for (key, node) in node.entries(MOST_FIELDS)? {
        let field = node.key_as_name(key, FieldName::parse).zip(parse_field(&node));
        fields = fields.zip(field).map(|(mut fields, field)| {
            fields.push(field);
            fields
        });
    }
    fields
}

/// A field of a reader's press: it can take the badge, too.
fn parse_read_field(node: &Node<'_, '_>, declared: &Declared<'_>) -> Option<FieldValue> {
    let (name, value) = match node.value().get_ref() {
        DeValue::String(text) if *text == "$badge" => (BADGE, FieldValue::Badge),
        DeValue::String(text) if *text == "$person" => (PERSON, FieldValue::Person),
        _ => return parse_field(node, declared),
    };
    if declared.has_choice(name) {
        return node.refuse(format!("`${name}` is what a reader reads, and `choices.{name}` too; rename the choice"));
    }
    Some(value)
}

fn parse_field(node: &Node<'_, '_>, declared: &Declared<'_>) -> Option<FieldValue> {
    let value = match node.value().get_ref() {
        DeValue::String(text) => match text.strip_prefix('$') {
            Some(rest @ (BADGE | PERSON)) if !declared.has_choice(rest) => {
                return node.refuse(format!(
                    "`${rest}` is what a reader reads; this input is none (`driver = \"reader\"` or `\"pn532\"`)"
                ));
            }
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
