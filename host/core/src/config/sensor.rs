//! `[sensors.NAME]`: what is read by itself, how often, by which plugin, and what hardware is lent to that.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::bus::{bus_of_number, parse_any_address, parse_bus};
use super::input::{Chip, Input, Kinds, PN532_ADDRESS, Pull, Seats, Trigger, parse_pull};
use super::node::{Node, quote};
use super::panel::{Panel, PanelDriver};
use super::reference::Declared;
use super::settings::{Settings, parse_settings};
use super::table::Table;
use crate::name::{EventKind, InputName, LoanName, PluginName};

/// What a plugin calls a reading, and events are called where `event` is left out.
pub const READING: &str = "reading";

const DAY_SECONDS: u64 = 24 * 60 * 60;
/// Where `share-commit-ms` is left out, in milliseconds: sensors of one device are read at the same moment.
const USUAL_SHARE_MS: u32 = 1_000;
const MOST_LOANS: usize = 16;

/// A sensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Sensor {
    /// `plugin`: what reads it; a key of `[plugins]`.
    pub plugin: PluginName,
    /// `every`: how often it is read, on the clock's grid; one second to a day.
    pub every: Duration,
    /// `event`: the kind of its events; `reading` where it is left out.
    pub event: EventKind,
    /// `i2c`: the chips that are lent, by the names under which the plugin opens them.
    pub i2c: BTreeMap<LoanName, I2cLoan>,
    /// `lines`: the GPIO lines that are lent.
    pub lines: BTreeMap<LoanName, LineLoan>,
    /// `one-wire`: the 1-Wire devices that are lent.
    pub one_wire: BTreeMap<LoanName, OneWireId>,
    /// `settings`: the plugin's own.
    pub settings: Settings,
    /// `share-commit-ms`: how long an event waits for others, to share a commit with them; up to 60,000 ms and shorter than
    /// `every`. By default a second, and half of `every` where that is less.
    pub share_commit_for: Duration,
}

/// A chip on an I2C bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct I2cLoan {
    /// `bus`: the device file; `/dev/i2c-1` where it is left out.
    pub bus: PathBuf,
    /// `address`: of 7 bits.
    pub address: u8,
}

/// A GPIO line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineLoan {
    /// `chip`, or `adapter` of `[hardware]`.
    pub chip: Chip,
    /// `line`: 0 to 27, by its GPIO number.
    pub line: u8,
    /// `direction`
    pub direction: Direction,
}

/// Who says at what level a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// `in`, and where it is left out: what is connected. `pull` holds the line where nothing does.
    In(Pull),
    /// `out`: the plugin. Low until it says so.
    Out,
}

/// What the kernel calls a 1-Wire device: two digits of its family, a hyphen, and twelve of its number, hexadecimal and in
/// lower case, such as `28-0316a2795cff`. It is therefore the name of a folder, and of none elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OneWireId(String);

impl OneWireId {
    /// Takes a text that has this form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let (family, number) = text.split_once('-')?;
        let fits = family.len() == 2 && number.len() == 12 && family.bytes().chain(number.bytes()).all(is_digit);
        fits.then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Reads the sensors. An event says by its source's name where it comes from: no sensor has the name of an input.
pub(super) fn parse_sensors(
    root: &mut Table<'_, '_>,
    declared: &Declared<'_>,
    mut lent: Lent<'_>,
    kinds: &mut Kinds,
) -> BTreeMap<InputName, Sensor> {
    kinds.note_sensors(declared.has_sensors());
    root.parts("sensors", InputName::parse, |node| {
        let made = kinds.names().count();
        let sensor = parse_sensor(node, declared, &mut lent, kinds);
        if sensor.is_none() && kinds.names().count() == made {
            kinds.note_incomplete();
        }
        let name = node.path().rsplit('.').next().unwrap_or_default();
        if declared.is_input(name) {
            return node
                .refuse(format!("an input has the name {}, too; events tell by it where they come from", quote(name)));
        }
        sensor
    })
}

fn parse_sensor(
    node: &Node<'_, '_>,
    declared: &Declared<'_>,
    lent: &mut Lent<'_>,
    kinds: &mut Kinds,
) -> Option<Sensor> {
    let mut table = node.table()?;
    let plugin = table.required("plugin", |node| declared.plugin(node, PluginName::parse));
    let every = table.required("every", |node| node.span(1..=DAY_SECONDS));
    let event = table.optional("event", EventKind::parse(READING).ok(), |node| node.name(EventKind::parse).map(Some));
    let event = event.flatten();
    kinds.add(event.clone());
    let i2c = table.optional("i2c", BTreeMap::new(), |node| parse_loans(node, |node| lent.parse_i2c(node)));
    let lines = table.optional("lines", BTreeMap::new(), |node| parse_loans(node, |node| lent.parse_line(node)));
    let one_wire =
        table.optional("one-wire", BTreeMap::new(), |node| parse_loans(node, |node| lent.parse_one_wire(node)));
    let settings = table.optional("settings", Settings::default(), parse_settings);
    let usual = every.map_or(0, |every| USUAL_SHARE_MS.min(u32::try_from(every.as_millis() / 2).unwrap_or(u32::MAX)));
    let share = table.optional("share-commit-ms", usual, |node| {
        let share = node.count(0..=60_000)?;
        if every.is_some_and(|every| Duration::from_millis(share.into()) >= every) {
            return node.refuse("an event would wait until the next one comes; accepted is less than `every`");
        }
        Some(share)
    });
    table.finish()?;
    Some(Sensor {
        plugin: plugin?,
        every: every?,
        event: event?,
        i2c: i2c?,
        lines: lines?,
        one_wire: one_wire?,
        settings: settings?,
        share_commit_for: Duration::from_millis(share?.into()),
    })
}

fn parse_loans<T>(
    node: &Node<'_, '_>,
    mut parse: impl FnMut(&Node<'_, '_>) -> Option<T>,
) -> Option<BTreeMap<LoanName, T>> {
    let mut loans = Some(BTreeMap::new());
    for (key, node) in node.entries(MOST_LOANS)? {
        let loan = node.key_as_name(key, LoanName::parse).zip(parse(&node));
        loans = loans.zip(loan).map(|(mut loans, (name, loan))| {
            loans.insert(name, loan);
            loans
        });
    }
    loans
}

/// What is lent already, by which key, in which line of the text: two drivers of one chip would disturb one another.
pub(super) struct Lent<'s> {
    seats: &'s mut Seats,
    chips: Vec<(I2cLoan, String)>,
    one_wire: Vec<(OneWireId, String)>,
}

impl<'s> Lent<'s> {
    /// A panel has its chip for itself, and so has a reader of badges. `seats`: the lines that inputs and outputs have.
    pub(super) fn beside(panel: Option<&Panel>, inputs: &BTreeMap<InputName, Input>, seats: &'s mut Seats) -> Self {
        let oled = panel.and_then(|panel| match &panel.driver {
            PanelDriver::Oled(oled) => Some(I2cLoan { bus: oled.bus.clone(), address: oled.address }),
            PanelDriver::Terminal | PanelDriver::None => None,
        });
        let oled = oled.map(|chip| (chip, "`panel`".to_owned()));
        let readers = inputs.iter().filter_map(|(name, input)| match &input.trigger {
            Trigger::Pn532 { bus } => {
                let chip = I2cLoan { bus: bus.clone(), address: PN532_ADDRESS };
                Some((chip, format!("`inputs.{}`", name.as_str())))
            }
            _ => None,
        });
        Self { seats, chips: oled.into_iter().chain(readers).collect(), one_wire: Vec::new() }
    }

    fn parse_i2c(&mut self, node: &Node<'_, '_>) -> Option<I2cLoan> {
        let mut table = node.table()?;
        let bus = table.optional("bus", bus_of_number(1), parse_bus);
        let address = table.required("address", parse_any_address);
        table.finish()?;
        let loan = I2cLoan { bus: bus?, address: address? };
        if let Some((_, by)) = self.chips.iter().find(|(taken, _)| *taken == loan) {
            return node.refuse(format!("address {:#04x} of {} is taken by {by}", loan.address, loan.bus.display()));
        }
        self.chips.push((loan.clone(), said(node)));
        Some(loan)
    }

    fn parse_line(&mut self, node: &Node<'_, '_>) -> Option<LineLoan> {
        let mut table = node.table()?;
        let line = self.seats.parse_own_line(&mut table);
        let is_driven = table.optional("direction", false, |node| node.word(&[("in", false), ("out", true)]));
        let pull = table.optional("pull", Pull::Up, |node| {
            if is_driven == Some(true) {
                return node.refuse("the plugin says at what level the line is; nothing pulls at it");
            }
            parse_pull(node)
        });
        table.finish()?;
        let (chip, line) = line?;
        let direction = if is_driven? { Direction::Out } else { Direction::In(pull?) };
        Some(LineLoan { chip, line, direction })
    }

    fn parse_one_wire(&mut self, node: &Node<'_, '_>) -> Option<OneWireId> {
        let text = node.text()?;
        let Some(id) = OneWireId::parse(text) else {
            let accepted = "accepted is the name of a folder in /sys/bus/w1/devices, such as `28-0316a2795cff`";
            return node.refuse(format!("found {}; {accepted}", quote(text)));
        };
        if let Some((_, by)) = self.one_wire.iter().find(|(taken, _)| *taken == id) {
            return node.refuse(format!("this device is taken by {by}"));
        }
        self.one_wire.push((id.clone(), said(node)));
        Some(id)
    }
}

fn said(node: &Node<'_, '_>) -> String {
    format!("`{}`, in line {}", node.path(), node.line())
}
