//! What is touched: a key, a button on a line, a rotary encoder. Two inputs never share one.

use super::super::node::Node;
use super::super::panel::parse_device_number;
use super::super::table::Table;
use super::key::{Key, parse_key};

/// The lines of a Raspberry Pi's header.
const LAST_LINE: u32 = 27;
/// The chip of the header's lines, where none is written: `/dev/gpiochip0`. (On a Raspberry Pi 5 with an older kernel it is
/// number 4; that is written then.)
const HEADER_CHIP: u8 = 0;

/// What is touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// `driver = "keyboard"`: `key`.
    Key(Key),
    /// `driver = "gpio"`: a button between `line` and ground.
    Line {
        /// `chip`: the number N of `/dev/gpiochipN`; where it is left out, that of the header.
        chip: Option<u8>,
        /// `line`: 0 to 27, by its GPIO number.
        line: u8,
    },
    /// `driver = "encoder"`: a rotary encoder. Its switch is an input of its own.
    Encoder {
        /// As for a line.
        chip: Option<u8>,
        /// `lines`: A and B.
        lines: [u8; 2],
    },
}

impl Trigger {
    /// What both would be meant by.
    fn shared_with(&self, other: &Self) -> Option<String> {
        if let (Self::Key(key), Self::Key(other)) = (self, other) {
            return (key == other).then(|| format!("the key `{key}`"));
        }
        let line = self.lines().find(|line| other.lines().any(|taken| taken == *line))?;
        Some(format!("the line {}", line.1))
    }

    /// What is touched on which chip. A chip that is left out is that of the header, which is the first.
    fn lines(&self) -> impl Iterator<Item = (u8, u8)> {
        let (chip, lines) = match *self {
            Self::Key(_) => (None, [None, None]),
            Self::Line { chip, line } => (chip, [Some(line), None]),
            Self::Encoder { chip, lines: [a, b] } => (chip, [Some(a), Some(b)]),
        };
        lines.into_iter().flatten().map(move |line| (chip.unwrap_or(HEADER_CHIP), line))
    }
}

/// The drivers, without what belongs to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RawDriver {
    Keyboard,
    Gpio,
    Encoder,
}

/// The keys and lines that are taken, by which input, in which line of the text.
#[derive(Default)]
pub(super) struct Seats(Vec<(Trigger, String, usize)>);

impl Seats {
    /// Reads the keys that belong to a driver; where it is not known, accepts those of all.
    pub(super) fn parse_trigger(&mut self, table: &mut Table<'_, '_>, driver: Option<RawDriver>) -> Option<Trigger> {
        match driver {
            Some(RawDriver::Keyboard) => table.required("key", |node| self.take(node, Trigger::Key(parse_key(node)?))),
            Some(RawDriver::Gpio) => {
                let chip = parse_chip(table);
                table.required("line", |node| {
                    let line = parse_line(node)?;
                    self.take(node, Trigger::Line { chip: chip?, line })
                })
            }
            Some(RawDriver::Encoder) => {
                let chip = parse_chip(table);
                table.required("lines", |node| {
                    let lines = node.list(2..=2, |node| parse_line(node))?.try_into().ok()?;
                    self.take(node, Trigger::Encoder { chip: chip?, lines })
                })
            }
            None => {
                table.know(&["chip", "key", "line", "lines"]);
                None
            }
        }
    }

    fn take(&mut self, node: &Node<'_, '_>, trigger: Trigger) -> Option<Trigger> {
        let shared = self.0.iter().find_map(|seat| Some((seat, seat.0.shared_with(&trigger)?)));
        if let Some(((_, path, line), what)) = shared {
            return node.refuse(format!("{what} is taken by `{path}`, in line {line}"));
        }
        self.0.push((trigger, node.path().to_owned(), node.line()));
        Some(trigger)
    }
}

fn parse_chip(table: &mut Table<'_, '_>) -> Option<Option<u8>> {
    table.optional("chip", None, |node| parse_device_number(node, "/dev/gpiochip").map(Some))
}

fn parse_line(node: &Node<'_, '_>) -> Option<u8> {
    u8::try_from(node.count(0..=LAST_LINE)?).ok()
}
