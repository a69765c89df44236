//! GPIO lines: inputs read them, outputs drive them.
//!
//! The kernel's chips are found by label, and their lines asked for. Where plugins.toml wants that, the library `rppal` does it
//! in the kernel's place.

mod rppal;
pub(crate) use self::rppal::PwmChannel;
pub use self::rppal::{PwmError, RppalError};

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use gpiocdev::line::{Bias, EdgeDetection, EdgeKind, EventClock, Offset, Value, Values};
use gpiocdev::request::Request;
use punchcard_core::config::input::{Chip, Contact, HEADER_CHIPS, Pull};
use rustix::time::{ClockId, clock_gettime};
use thiserror::Error;

/// What the kernel shows as the user of a line.
pub(crate) const CONSUMER: &str = "punchcard";
/// How many edges the kernel keeps until they are read. Unless told otherwise it keeps 16 a line, and drops the oldest. A knob
/// at 20 turns a second with 24 detents makes 1,920 a second: this is half a second of it.
const KERNEL_BUFFER: u32 = 1_024;

/// Why lines can't be used.
#[derive(Debug, Error)]
pub enum LineError {
    /// There is no such chip.
    #[error("there is no GPIO chip `{wanted}`{}; `gpiodetect` lists them; name one with `chip`", render_chips(found))]
    NoChip {
        /// The label, or the labels of the headers of Raspberry Pis.
        wanted: String,
        /// The labels that there are.
        found: Vec<String>,
    },
    /// The chips may not be opened.
    #[error(
        "this user may not use {}; add the user to the group that owns it (`gpio` on a Raspberry Pi)",
        path.display()
    )]
    NotAllowed {
        /// The chip's device.
        path: PathBuf,
    },
    /// The chip has no such line.
    #[error("the chip `{chip}` has no line {line}")]
    NoLine {
        /// The chip's label.
        chip: String,
        /// The line.
        line: u8,
    },
    /// Somebody else has the line.
    #[error("line {line} of `{chip}` is in use by `{user}`; free it, or take another line")]
    InUse {
        /// The chip's label.
        chip: String,
        /// The line.
        line: u8,
        /// What the kernel calls the user.
        user: String,
    },
    /// The kernel refuses for another reason.
    #[error("the lines of `{chip}` can't be used")]
    Refused {
        /// The chip's label.
        chip: String,
        /// What the kernel says.
        #[source]
        source: gpiocdev::Error,
    },
    /// The library refuses.
    #[error("line {line} can't be had by rppal; with `adapter = \"kernel\"` in `[hardware]` it may be")]
    Rppal {
        /// The line.
        line: u8,
        /// What it says.
        #[source]
        source: RppalError,
    },
}

/// Lines of one input. The descriptor is readable while there are edges.
pub(crate) trait Lines: AsFd {
    /// The next edge that happened, if there is one.
    fn next(&mut self) -> io::Result<Option<LineEdge>>;

    /// Whether the contacts of the lines are closed, in the order in which they were asked for.
    fn are_closed(&self) -> io::Result<Vec<bool>>;
}

impl<L: Lines + ?Sized> Lines for Box<L> {
    fn next(&mut self) -> io::Result<Option<LineEdge>> {
        (**self).next()
    }

    fn are_closed(&self) -> io::Result<Vec<bool>> {
        (**self).are_closed()
    }
}

/// What switches something.
pub(crate) trait Switch: Send {
    /// Switches it.
    ///
    /// # Errors
    /// When it is gone.
    fn switch(&mut self, is_on: bool) -> io::Result<()>;
}

impl<S: Switch + ?Sized> Switch for Box<S> {
    fn switch(&mut self, is_on: bool) -> io::Result<()> {
        (**self).switch(is_on)
    }
}

/// What tells at what level something is.
pub(crate) trait Sense: Send {
    /// Whether it is at 3.3 V, and not at ground.
    ///
    /// # Errors
    /// When it is gone.
    fn is_high(&mut self) -> io::Result<bool>;
}

/// The chips of this machine.
pub(crate) struct Chips {
    by_label: BTreeMap<String, gpiocdev::Chip>,
    not_allowed: Option<PathBuf>,
}

impl Chips {
    /// Looks which there are.
    pub(crate) fn find() -> Self {
        let mut chips = Self { by_label: BTreeMap::new(), not_allowed: None };
        // A kernel without GPIO has none, as one without /dev has.
        for path in gpiocdev::chip::chips().unwrap_or_default() {
            let opened = gpiocdev::Chip::from_path(&path).and_then(|chip| Ok((chip.info()?.label, chip)));
            match opened {
                // On a Raspberry Pi 5 several chips have other labels; two of one label are the same chip twice.
                Ok((label, chip)) => {
                    chips.by_label.entry(label).or_insert(chip);
                }
                // The second is a service's, whose unit does not list the device.
                Err(error) if matches!(errno(&error), Some(libc::EACCES | libc::EPERM)) => {
                    chips.not_allowed = Some(path);
                }
                Err(error) => tracing::warn!(path = %path.display(), %error, "a GPIO chip can't be opened"),
            }
        }
        chips
    }

    /// Asks for lines to read their edges. Returned with whether the contacts of the lines are closed.
    pub(crate) fn read(
        &self,
        chip: &Chip,
        lines: &[u8],
        contact: Contact,
    ) -> Result<(Box<dyn Lines>, Vec<bool>), LineError> {
        if *chip == Chip::Rppal {
            self.check_free(chip, lines)?;
            return rppal::read(lines, contact);
        }
        let (label, chip) = self.chip(chip)?;
        let offsets: Vec<Offset> = lines.iter().map(|line| Offset::from(*line)).collect();
        let mut builder = Request::builder();
        builder.with_lines(&offsets).as_input();
        builder.with_edge_detection(EdgeDetection::BothEdges).with_event_clock(EventClock::Monotonic);
        builder.with_kernel_event_buffer_size(KERNEL_BUFFER).with_bias(bias(contact.pull));
        if contact.is_active_low {
            builder.as_active_low();
        }
        let request = request(label, chip, lines, builder)?;
        let lines = InputLines { request, offsets };
        let are_closed = lines.are_closed();
        let refused = |source: io::Error| LineError::Refused { chip: label.to_owned(), source: source.into() };
        Ok((Box::new(lines), are_closed.map_err(refused)?))
    }

    /// Asks for a line to read at what level it is.
    pub(crate) fn sense(&self, chip: &Chip, line: u8, pull: Pull) -> Result<Box<dyn Sense>, LineError> {
        if *chip == Chip::Rppal {
            self.check_free(chip, &[line])?;
            return rppal::sense(line, pull);
        }
        let (label, chip) = self.chip(chip)?;
        let mut builder = Request::builder();
        builder.with_line(Offset::from(line)).as_input().with_bias(bias(pull));
        Ok(Box::new(SensedLine { request: request(label, chip, &[line], builder)?, offset: Offset::from(line) }))
    }

    /// Asks for a line to switch something with. It is off then.
    pub(crate) fn drive(&self, chip: &Chip, line: u8, is_active_low: bool) -> Result<Box<dyn Switch>, LineError> {
        if *chip == Chip::Rppal {
            return rppal::drive(line, is_active_low);
        }
        let (label, chip) = self.chip(chip)?;
        let mut builder = Request::builder();
        builder.with_line(Offset::from(line)).as_output(Value::Inactive);
        if is_active_low {
            builder.as_active_low();
        }
        Ok(Box::new(OutputLine { request: request(label, chip, &[line], builder)?, offset: Offset::from(line) }))
    }

    /// Refuses lines that are in use: the library `rppal` asks for them on a thread of its own, whose failure nobody sees.
    fn check_free(&self, chip: &Chip, lines: &[u8]) -> Result<(), LineError> {
        for (line, user) in lines.iter().zip(self.users(chip, lines)?) {
            if let Some(user) = user {
                let (label, _) = self.chip(chip)?;
                return Err(LineError::InUse { chip: label.to_owned(), line: *line, user });
            }
        }
        Ok(())
    }

    /// Who has each of these lines, without asking for one.
    pub(crate) fn users(&self, chip: &Chip, lines: &[u8]) -> Result<Vec<Option<String>>, LineError> {
        let (label, chip) = self.chip(chip)?;
        let refused = |source| LineError::Refused { chip: label.to_owned(), source };
        let count = chip.info().map_err(refused)?.num_lines;
        let user = |line: &u8| {
            if u32::from(*line) >= count {
                return Err(LineError::NoLine { chip: label.to_owned(), line: *line });
            }
            let info = chip.line_info(Offset::from(*line)).map_err(refused)?;
            Ok(info.used.then_some(info.consumer))
        };
        lines.iter().map(user).collect()
    }

    fn chip(&self, chip: &Chip) -> Result<(&str, &gpiocdev::Chip), LineError> {
        let label = match chip {
            Chip::Labelled(label) => Some(label.as_str()),
            Chip::Header | Chip::Rppal => None,
        };
        let found = self.by_label.iter().find(|(known, _)| match label {
            Some(label) => known.as_str() == label,
            None => HEADER_CHIPS.contains(&known.as_str()),
        });
        match (found, &self.not_allowed) {
            (Some((label, chip)), _) => Ok((label, chip)),
            (None, Some(path)) => Err(LineError::NotAllowed { path: path.clone() }),
            (None, None) => {
                let wanted = label.map_or_else(|| HEADER_CHIPS.join("`, `"), str::to_owned);
                Err(LineError::NoChip { wanted, found: self.by_label.keys().cloned().collect() })
            }
        }
    }
}

fn bias(pull: Pull) -> Bias {
    match pull {
        Pull::Up => Bias::PullUp,
        Pull::Down => Bias::PullDown,
        Pull::None => Bias::Disabled,
    }
}

/// Has the kernel give us lines of a chip.
fn request(
    label: &str,
    chip: &gpiocdev::Chip,
    lines: &[u8],
    mut builder: gpiocdev::request::Builder,
) -> Result<Request, LineError> {
    let refused = |source| LineError::Refused { chip: label.to_owned(), source };
    let count = chip.info().map_err(refused)?.num_lines;
    if let Some(line) = lines.iter().find(|line| u32::from(**line) >= count) {
        return Err(LineError::NoLine { chip: label.to_owned(), line: *line });
    }
    match builder.on_chip(chip.path()).with_consumer(CONSUMER).request() {
        Ok(request) => Ok(request),
        Err(error) if errno(&error) == Some(libc::EBUSY) => {
            let used = lines.iter().find_map(|line| {
                let info = chip.line_info(Offset::from(*line)).ok()?;
                info.used.then_some((*line, info.consumer))
            });
            Err(match used {
                Some((line, user)) => LineError::InUse { chip: label.to_owned(), line, user },
                None => refused(error),
            })
        }
        Err(error) => Err(refused(error)),
    }
}

fn render_chips(found: &[String]) -> String {
    match found {
        [] => ", and no other".to_owned(),
        found => format!("; there is `{}`", found.join("`, `")),
    }
}

/// An edge of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineEdge {
    /// Which of the lines that were asked for together, from 0.
    pub(crate) line: usize,
    /// The contact is closed now.
    pub(crate) is_closed: bool,
    /// It counts the edges of these lines; a gap tells of lost ones.
    pub(crate) number: u32,
    /// How long ago it happened.
    pub(crate) ago_ms: u64,
}

/// Lines that are read. They are given back when this is dropped.
struct InputLines {
    request: Request,
    offsets: Vec<Offset>,
}

impl Lines for InputLines {
    fn next(&mut self) -> io::Result<Option<LineEdge>> {
        if !self.request.has_edge_event().map_err(into_io)? {
            return Ok(None);
        }
        // Not with `read_edge_event`: gpiocdev 0.8.0 reads up to eight edges there, gives the first, and drops the others.
        let mut bytes = vec![0; self.request.edge_event_u64_size()];
        self.request.read_edge_events_into_slice(&mut bytes).map_err(into_io)?;
        let event = self.request.edge_event_from_slice(&bytes).map_err(into_io)?;
        let line = self.offsets.iter().position(|offset| *offset == event.offset);
        let line = line.ok_or_else(|| io::Error::other(format!("the kernel tells of line {}", event.offset)))?;
        let is_closed = event.kind == EdgeKind::Rising;
        Ok(Some(LineEdge { line, is_closed, number: event.seqno, ago_ms: ago_ms(event.timestamp_ns) }))
    }

    /// With `active = "low"` the kernel turns the levels round: active is closed.
    fn are_closed(&self) -> io::Result<Vec<bool>> {
        let mut values = Values::from_offsets(&self.offsets);
        self.request.values(&mut values).map_err(into_io)?;
        Ok(self.offsets.iter().map(|offset| values.get(*offset) == Some(Value::Active)).collect())
    }
}

/// A line whose level is read. It is given back when this is dropped.
struct SensedLine {
    request: Request,
    offset: Offset,
}

impl Sense for SensedLine {
    fn is_high(&mut self) -> io::Result<bool> {
        Ok(self.request.value(self.offset).map_err(into_io)? == Value::Active)
    }
}

/// A line that switches something. It is given back when this is dropped; what it is at then, the kernel leaves to the chip.
struct OutputLine {
    request: Request,
    offset: Offset,
}

impl Switch for OutputLine {
    fn switch(&mut self, is_on: bool) -> io::Result<()> {
        let value = if is_on { Value::Active } else { Value::Inactive };
        self.request.set_value(self.offset, value).map_err(into_io)
    }
}

impl AsFd for InputLines {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.request.as_fd()
    }
}

/// The kernel stamps edges by the monotonic clock, which does not count what a machine sleeps; ours does. A span is the same
/// by both.
fn ago_ms(timestamp_ns: u64) -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let now_ns = u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0);
    now_ns.saturating_sub(timestamp_ns) / 1_000_000
}

fn errno(error: &gpiocdev::Error) -> Option<i32> {
    match error {
        gpiocdev::Error::Os(errno) | gpiocdev::Error::Uapi(_, gpiocdev_uapi::Error::Os(errno)) => Some(errno.0),
        _ => None,
    }
}

fn into_io(error: gpiocdev::Error) -> io::Error {
    errno(&error).map_or_else(|| io::Error::other(error), io::Error::from_raw_os_error)
}
