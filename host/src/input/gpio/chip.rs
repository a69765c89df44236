//! The kernel's GPIO chips: found by label, their lines asked for.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use gpiocdev::line::{Bias, EdgeDetection, EdgeKind, EventClock, Offset, Value, Values};
use gpiocdev::request::Request;
use punchcard_core::config::input::{Contact, HEADER_CHIPS, Pull, Trigger};
use punchcard_core::encoder::Contacts;
use punchcard_core::name::InputName;
use rustix::time::{ClockId, clock_gettime};
use thiserror::Error;

use super::control::Control;
use super::{LineEdge, Lines};

/// What the kernel shows as the user of a line.
const CONSUMER: &str = "punchcard";
/// How many edges the kernel keeps until they are read. Unless told otherwise it keeps 16 a line, and drops the oldest. A knob
/// at 20 turns a second with 24 detents makes 1,920 a second: this is half a second of it.
const KERNEL_BUFFER: u32 = 1_024;

/// Why the lines of an input can't be read.
#[derive(Debug, Error)]
pub enum LineError {
    /// There is no such chip.
    #[error("there is no GPIO chip `{wanted}`{}; see `gpiodetect`, and `chip` of the input", render_chips(found))]
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
    #[error("the lines of `{chip}` can't be read")]
    Refused {
        /// The chip's label.
        chip: String,
        /// What the kernel says.
        #[source]
        source: gpiocdev::Error,
    },
}

/// The chips of this machine.
pub(super) struct Chips {
    by_label: BTreeMap<String, gpiocdev::Chip>,
    not_allowed: Option<PathBuf>,
}

impl Chips {
    /// Looks which there are.
    pub(super) fn find() -> Self {
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

    /// Asks for the lines of an input.
    pub(super) fn request(&self, input: &InputName, trigger: &Trigger) -> Result<(KernelLines, Control), LineError> {
        match trigger {
            Trigger::Line { chip, line, contact } => {
                let (lines, are_closed) = self.open(chip.as_deref(), &[*line], *contact)?;
                Ok((lines, Control::button(input.clone(), are_closed == [true])))
            }
            Trigger::Encoder { chip, lines, steps_per_detent, contact } => {
                let (lines, are_closed) = self.open(chip.as_deref(), lines, *contact)?;
                let contacts = Contacts { a: are_closed.first() == Some(&true), b: are_closed.get(1) == Some(&true) };
                Ok((lines, Control::encoder(input.clone(), *steps_per_detent, contacts)))
            }
            Trigger::Key(_) => unreachable!("a key is the keyboard's"),
        }
    }

    fn open(&self, label: Option<&str>, lines: &[u8], contact: Contact) -> Result<(KernelLines, Vec<bool>), LineError> {
        let (label, chip) = self.chip(label)?;
        let refused = |source| LineError::Refused { chip: label.to_owned(), source };
        let count = chip.info().map_err(refused)?.num_lines;
        if let Some(line) = lines.iter().find(|line| u32::from(**line) >= count) {
            return Err(LineError::NoLine { chip: label.to_owned(), line: *line });
        }
        let offsets: Vec<Offset> = lines.iter().map(|line| Offset::from(*line)).collect();
        let mut builder = Request::builder();
        builder.on_chip(chip.path()).with_consumer(CONSUMER).with_lines(&offsets).as_input();
        builder.with_edge_detection(EdgeDetection::BothEdges).with_event_clock(EventClock::Monotonic);
        builder.with_kernel_event_buffer_size(KERNEL_BUFFER).with_bias(match contact.pull {
            Pull::Up => Bias::PullUp,
            Pull::Down => Bias::PullDown,
            Pull::None => Bias::Disabled,
        });
        if contact.is_active_low {
            builder.as_active_low();
        }
        let request = match builder.request() {
            Ok(request) => request,
            Err(error) if errno(&error) == Some(libc::EBUSY) => {
                let used = lines.iter().find_map(|line| {
                    let info = chip.line_info(Offset::from(*line)).ok()?;
                    info.used.then_some((*line, info.consumer))
                });
                return Err(match used {
                    Some((line, user)) => LineError::InUse { chip: label.to_owned(), line, user },
                    None => refused(error),
                });
            }
            Err(error) => return Err(refused(error)),
        };
        let lines = KernelLines { request, offsets };
        let are_closed = lines.are_closed().map_err(|error| refused(error.into()))?;
        Ok((lines, are_closed))
    }

    fn chip(&self, label: Option<&str>) -> Result<(&str, &gpiocdev::Chip), LineError> {
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

fn render_chips(found: &[String]) -> String {
    match found {
        [] => ", and no other".to_owned(),
        found => format!("; there is `{}`", found.join("`, `")),
    }
}

/// Lines that were given to us. They are given back when this is dropped.
pub(super) struct KernelLines {
    request: Request,
    offsets: Vec<Offset>,
}

impl Lines for KernelLines {
    fn next(&mut self) -> io::Result<Option<LineEdge>> {
        if !self.request.has_edge_event().map_err(into_io)? {
            return Ok(None);
        }
        let event = self.request.read_edge_event().map_err(into_io)?;
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

impl AsFd for KernelLines {
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
