//! What is touched: a key, a button on a line, a rotary encoder, a reader of badges. Two inputs never share one.

use std::path::PathBuf;

use super::super::bus::parse_bus;
use super::super::hardware::Adapter;
use super::super::node::Node;
use super::super::table::Table;
use super::device::{InputDevice, parse_device};
use super::key::{Key, parse_key};
use crate::encoder::StepsPerDetent;

/// The lines of a Raspberry Pi's header.
const LAST_LINE: u32 = 27;
/// What the kernel calls the chip of the header's lines: on a Raspberry Pi up to 3, on a 4, and on a 5. Its number differs
/// from kernel to kernel, its label does not.
pub const HEADER_CHIPS: &[&str] = &["pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1"];
/// The kernel's labels have at most 31 bytes (`GPIO_MAX_NAME_SIZE`).
const LONGEST_LABEL: usize = 31;

/// The address of every PN532 on an I2C bus (NXP's user manual UM0701-02, section 6.2.4, without its lowest bit).
pub const PN532_ADDRESS: u8 = 0x24;

/// What is touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// `driver = "keyboard"`: `key`, of the terminal or the pipe that the device is started with.
    Key(Key),
    /// `driver = "keyboard"` with `device`: a key of a keyboard of the kernel's.
    DeviceKey {
        /// `device`
        device: InputDevice,
        /// `key`
        key: Key,
    },
    /// `driver = "reader"`: what types the number of a badge and then Enter.
    Reader {
        /// `device`
        device: InputDevice,
    },
    /// `driver = "pn532"`: a reader of badges on an I2C bus.
    Pn532 {
        /// `bus`: the device file.
        bus: PathBuf,
    },
    /// `driver = "gpio"`: a button on a line.
    Line {
        /// `chip`, or `adapter` of `[hardware]`.
        chip: Chip,
        /// `line`: 0 to 27, by its GPIO number.
        line: u8,
        /// `pull` and `active`.
        contact: Contact,
    },
    /// `driver = "encoder"`: a rotary encoder. Its switch is an input of its own.
    Encoder {
        /// As for a line.
        chip: Chip,
        /// `lines`: A and B.
        lines: [u8; 2],
        /// `steps-per-detent`: 1, 2 or 4; 4 where it is left out.
        steps_per_detent: StepsPerDetent,
        /// `pull` and `active`.
        contact: Contact,
    },
}

/// The chip of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chip {
    /// That of the header, where `chip` is left out.
    Header,
    /// `chip`: the one with this label.
    Labelled(String),
    /// That of the header as `rppal` finds it, with `adapter = "rppal"`.
    Rppal,
}

/// How a contact is wired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contact {
    /// `pull`
    pub pull: Pull,
    /// `active = "low"`: closed, it connects the line with ground; `"high"`: with 3.3 V.
    pub is_active_low: bool,
}

/// What holds a line while its contact is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pull {
    /// The chip's resistor to 3.3 V.
    Up,
    /// The chip's resistor to ground.
    Down,
    /// A resistor outside of the chip.
    None,
}

impl Trigger {
    /// Whether it gives numbers of badges, and no edges.
    #[must_use]
    pub fn reads_badges(&self) -> bool {
        matches!(self, Self::Reader { .. } | Self::Pn532 { .. })
    }

    /// The device of the kernel's that it is on, if any.
    #[must_use]
    pub fn input_device(&self) -> Option<&InputDevice> {
        match self {
            Self::DeviceKey { device, .. } | Self::Reader { device } => Some(device),
            Self::Key(_) | Self::Line { .. } | Self::Encoder { .. } | Self::Pn532 { .. } => None,
        }
    }

    /// What both would be meant by.
    fn shared_with(&self, other: &Self) -> Option<String> {
        match (self, other) {
            (Self::Key(key), Self::Key(other)) => return (key == other).then(|| format!("the key `{key}`")),
            (Self::DeviceKey { device, key }, Self::DeviceKey { device: other, key: other_key }) => {
                return (device == other && key == other_key).then(|| format!("the key `{key}` of {device}"));
            }
            // All of these chips have one address.
            (Self::Pn532 { bus }, Self::Pn532 { bus: other }) => {
                return (bus == other).then(|| format!("the PN532 on {}", bus.display()));
            }
            _ => {}
        }
        // A reader takes every key of its device.
        if let (Some(device), Some(other)) = (self.input_device(), other.input_device()) {
            return (device == other).then(|| format!("the device {device}"));
        }
        let line = self.lines().find(|line| other.lines().any(|taken| taken == *line))?;
        Some(format!("the line {}", line.1))
    }

    /// What is touched on which chip. Nothing: that of the header, also where its label is written.
    fn lines(&self) -> impl Iterator<Item = (Option<&str>, u8)> {
        let (chip, lines) = match self {
            Self::Key(_) | Self::DeviceKey { .. } | Self::Reader { .. } | Self::Pn532 { .. } => (None, [None, None]),
            Self::Line { chip, line, .. } => (Some(chip), [Some(*line), None]),
            Self::Encoder { chip, lines: [a, b], .. } => (Some(chip), [Some(*a), Some(*b)]),
        };
        let chip = chip.and_then(|chip| match chip {
            Chip::Labelled(label) if !HEADER_CHIPS.contains(&label.as_str()) => Some(label.as_str()),
            Chip::Labelled(_) | Chip::Header | Chip::Rppal => None,
        });
        lines.into_iter().flatten().map(move |line| (chip, line))
    }
}

/// The drivers, without what belongs to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RawDriver {
    Keyboard,
    Gpio,
    Encoder,
    Reader,
    Pn532,
}

/// The keys and lines that are taken, by which input, in which line of the text.
pub(in super::super) struct Seats {
    adapter: Adapter,
    taken: Vec<(Trigger, String, usize)>,
}

impl Seats {
    pub(in super::super) fn new(adapter: Adapter) -> Self {
        Self { adapter, taken: Vec::new() }
    }

    /// Reads the keys that belong to a driver; where it is not known, accepts those of all.
    pub(super) fn parse_trigger(&mut self, table: &mut Table<'_, '_>, driver: Option<RawDriver>) -> Option<Trigger> {
        match driver {
            Some(RawDriver::Keyboard) => {
                let device = table.optional("device", None, |node| parse_device(node).map(Some));
                table.required("key", |node| {
                    let trigger = match (parse_key(node)?, device?) {
                        (key, None) => Trigger::Key(key),
                        (key, Some(device)) => Trigger::DeviceKey { device, key },
                    };
                    self.take(node, trigger)
                })
            }
            Some(RawDriver::Reader) => table.required("device", |node| {
                let device = parse_device(node)?;
                self.take(node, Trigger::Reader { device })
            }),
            Some(RawDriver::Pn532) => table.required("bus", |node| {
                let bus = parse_bus(node)?;
                self.take(node, Trigger::Pn532 { bus })
            }),
            Some(RawDriver::Gpio) => {
                let chip = parse_chip(table, self.adapter);
                let contact = parse_contact(table);
                table.required("line", |node| {
                    let line = parse_line(node)?;
                    self.take(node, Trigger::Line { chip: chip?, line, contact: contact? })
                })
            }
            Some(RawDriver::Encoder) => {
                let chip = parse_chip(table, self.adapter);
                let contact = parse_contact(table);
                let steps = table.optional("steps-per-detent", StepsPerDetent::Four, parse_steps_per_detent);
                table.required("lines", |node| {
                    let lines = node.list(2..=2, |node| parse_line(node))?.try_into().ok()?;
                    let (chip, steps_per_detent, contact) = (chip?, steps?, contact?);
                    self.take(node, Trigger::Encoder { chip, lines, steps_per_detent, contact })
                })
            }
            None => {
                table.know(&["active", "bus", "chip", "device", "key", "line", "lines", "pull", "steps-per-detent"]);
                None
            }
        }
    }

    /// Reads the line of an output, or of a sensor's plugin, which it has for itself.
    pub(in super::super) fn parse_own_line(&mut self, table: &mut Table<'_, '_>) -> Option<(Chip, u8)> {
        let chip = parse_chip(table, self.adapter);
        table.required("line", |node| {
            let (chip, line) = (chip?, parse_line(node)?);
            let contact = Contact { pull: Pull::None, is_active_low: false };
            self.take(node, Trigger::Line { chip: chip.clone(), line, contact })?;
            Some((chip, line))
        })
    }

    fn take(&mut self, node: &Node<'_, '_>, trigger: Trigger) -> Option<Trigger> {
        let shared = self.taken.iter().find_map(|seat| Some((seat, seat.0.shared_with(&trigger)?)));
        if let Some(((_, path, line), what)) = shared {
            return node.refuse(format!("{what} is taken by `{path}`, in line {line}"));
        }
        self.taken.push((trigger.clone(), node.path().to_owned(), node.line()));
        Some(trigger)
    }
}

/// A label. What looks like the path of a device is refused: its number is another one after an update of the kernel.
fn parse_chip(table: &mut Table<'_, '_>, adapter: Adapter) -> Option<Chip> {
    let usual = match adapter {
        Adapter::Kernel => Chip::Header,
        Adapter::Rppal => Chip::Rppal,
    };
    table.optional("chip", usual, |node| {
        if adapter == Adapter::Rppal {
            return node
                .refuse("`rppal` knows the chip of the header alone; leave `chip` out, or set `adapter = \"kernel\"`");
        }
        let label = node.printable(LONGEST_LABEL)?;
        if label.starts_with("/dev/") || label.strip_prefix("gpiochip").is_some_and(|rest| rest.parse::<u32>().is_ok())
        {
            let help = "left out, it is the chip of the header; `gpiodetect` tells each chip's label".to_owned();
            return node.refuse_with_help(
                format!("found {}; accepted is the label of a chip, such as `{}`", node.quote(label), HEADER_CHIPS[0]),
                Some(help),
            );
        }
        Some(Chip::Labelled(label.to_owned()))
    })
}

/// Left out, `pull` is what holds the line at the level that `active` is not.
fn parse_contact(table: &mut Table<'_, '_>) -> Option<Contact> {
    let is_active_low = table.optional("active", true, |node| node.word(&[("low", true), ("high", false)]));
    let usual = if is_active_low == Some(false) { Pull::Down } else { Pull::Up };
    let pull = table.optional("pull", usual, parse_pull);
    Some(Contact { pull: pull?, is_active_low: is_active_low? })
}

pub(in super::super) fn parse_pull(node: &Node<'_, '_>) -> Option<Pull> {
    node.word(&[("up", Pull::Up), ("down", Pull::Down), ("none", Pull::None)])
}

fn parse_steps_per_detent(node: &Node<'_, '_>) -> Option<StepsPerDetent> {
    match node.integer()? {
        1 => Some(StepsPerDetent::One),
        2 => Some(StepsPerDetent::Two),
        4 => Some(StepsPerDetent::Four),
        other => node.refuse(format!("found {other}; accepted is 1, 2 or 4")),
    }
}

fn parse_line(node: &Node<'_, '_>) -> Option<u8> {
    u8::try_from(node.count(0..=LAST_LINE)?).ok()
}
