//! GPIO lines and hardware PWM by the library `rppal`, which knows the boards that are Raspberry Pis.
//!
//! It is not the default: it is archived, and where one of the kernel's chips has no device file it finds none at all. Its own
//! thread hears edges; here they wait until the driver takes them.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use punchcard_core::config::input::{Contact, Pull};
use rppal::gpio::{Event, Gpio, InputPin, Level, OutputPin, Pin, Trigger};
use rppal::pwm::{Channel, Polarity, Pwm};
use rustix::event::{EventfdFlags, eventfd};
use thiserror::Error;

use super::{LineEdge, LineError, Lines, Sense, Switch, ago_ms};

/// Why a line can't be had.
#[derive(Debug, Error)]
pub enum RppalError {
    /// The library says so.
    #[error(transparent)]
    Gpio(#[from] rppal::gpio::Error),
    /// The system gives no descriptor to wait with.
    #[error("there is nothing to wait with")]
    Wait(#[source] io::Error),
}

/// Why a channel can't be had.
#[derive(Debug, Error)]
#[error(
    "the PWM channel {channel} can't be had; a Raspberry Pi has one after `dtoverlay=pwm-2chan` in \
     /boot/firmware/config.txt and a restart"
)]
pub struct PwmError {
    channel: u8,
    #[source]
    source: rppal::pwm::Error,
}

/// Edges that wait for the driver.
struct Waiting {
    queue: Mutex<Queue>,
    /// Readable while there are some: it counts them.
    bell: OwnedFd,
}

/// Edges of several lines in one order. The library has a thread for each line, and counts the edges of each by itself.
#[derive(Default)]
struct Queue {
    /// In the order in which they happened, by the kernel's stamps in nanoseconds.
    edges: VecDeque<(u64, Edge)>,
    /// The number of the last edge of each line.
    last: BTreeMap<usize, u32>,
    /// Edges that were taken, and those that were lost before them. It wraps.
    count: u32,
}

/// An edge of a line, as the library tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Edge {
    line: usize,
    is_closed: bool,
    /// It counts the edges of this line, from 1, and wraps.
    number: u32,
}

impl Queue {
    /// Adds an edge. Between threads they come in any order.
    fn add(&mut self, stamp_ns: u64, edge: Edge) {
        let place = self.edges.partition_point(|(before, _)| *before <= stamp_ns);
        self.edges.insert(place, (stamp_ns, edge));
    }

    /// Takes the oldest, and says when it happened and how it is numbered among all of them: a gap tells of lost ones.
    fn take(&mut self) -> Option<(u64, Edge, u32)> {
        let (stamp_ns, edge) = self.edges.pop_front()?;
        let last = self.last.insert(edge.line, edge.number).unwrap_or_default();
        self.count = self.count.wrapping_add(edge.number.wrapping_sub(last));
        Some((stamp_ns, edge, self.count))
    }
}

struct InputLines {
    pins: Vec<InputPin>,
    waiting: Arc<Waiting>,
    is_active_low: bool,
}

/// Asks for lines to read their edges, and reads whether their contacts are closed.
pub(super) fn read(lines: &[u8], contact: Contact) -> Result<(Box<dyn Lines>, Vec<bool>), LineError> {
    let first = lines.first().copied().unwrap_or_default();
    let wait = |error: rustix::io::Errno| RppalError::Wait(error.into());
    let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
    let bell = eventfd(0, flags).map_err(|error| LineError::Rppal { line: first, source: wait(error) })?;
    let waiting = Arc::new(Waiting { queue: Mutex::default(), bell });
    let mut pins = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let pin = open(*line, contact, index, &waiting);
        pins.push(pin.map_err(|source| LineError::Rppal { line: *line, source })?);
    }
    let lines = InputLines { pins, waiting, is_active_low: contact.is_active_low };
    let are_closed = lines.closed();
    Ok((Box::new(lines), are_closed))
}

/// Asks for a line to read at what level it is.
pub(super) fn sense(line: u8, pull: Pull) -> Result<Box<dyn Sense>, LineError> {
    let pin = Gpio::new().and_then(|gpio| gpio.get(line));
    let pin = pin.map_err(|error| LineError::Rppal { line, source: error.into() })?;
    Ok(Box::new(SensedLine(pull_input(pin, pull))))
}

struct SensedLine(InputPin);

impl Sense for SensedLine {
    fn is_high(&mut self) -> io::Result<bool> {
        Ok(self.0.read() == Level::High)
    }
}

fn pull_input(pin: Pin, pull: Pull) -> InputPin {
    match pull {
        Pull::Up => pin.into_input_pullup(),
        Pull::Down => pin.into_input_pulldown(),
        Pull::None => pin.into_input(),
    }
}

fn open(line: u8, contact: Contact, index: usize, waiting: &Arc<Waiting>) -> Result<InputPin, RppalError> {
    let mut pin = pull_input(Gpio::new()?.get(line)?, contact.pull);
    let waiting = Arc::clone(waiting);
    let is_active_low = contact.is_active_low;
    pin.set_async_interrupt(Trigger::Both, None, move |event| waiting.take(index, is_active_low, &event))?;
    Ok(pin)
}

impl Waiting {
    fn take(&self, line: usize, is_active_low: bool, event: &Event) {
        let stamp_ns = u64::try_from(event.timestamp.as_nanos()).unwrap_or(u64::MAX);
        let edge = edge(line, is_active_low, event);
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).add(stamp_ns, edge);
        if let Err(error) = rustix::io::write(&self.bell, &1_u64.to_ne_bytes()) {
            tracing::warn!(%error, "a driver can't be told of an edge");
        }
    }
}

fn edge(line: usize, is_active_low: bool, event: &Event) -> Edge {
    Edge { line, is_closed: (event.trigger == Trigger::RisingEdge) != is_active_low, number: event.seqno }
}

impl InputLines {
    fn closed(&self) -> Vec<bool> {
        self.pins.iter().map(|pin| (pin.read() == Level::High) != self.is_active_low).collect()
    }
}

impl Lines for InputLines {
    fn next(&mut self) -> io::Result<Option<LineEdge>> {
        let mut queue = self.waiting.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let next = queue.take();
        if next.is_none() {
            // Under the lock: whoever adds one rings again.
            match rustix::io::read(&self.waiting.bell, &mut [0; 8]) {
                Ok(_) | Err(rustix::io::Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(next.map(|(stamp_ns, edge, number)| {
            let Edge { line, is_closed, .. } = edge;
            LineEdge { line, is_closed, number, ago_ms: ago_ms(stamp_ns) }
        }))
    }

    fn are_closed(&self) -> io::Result<Vec<bool>> {
        Ok(self.closed())
    }
}

impl AsFd for InputLines {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.waiting.bell.as_fd()
    }
}

/// Asks for a line to switch something with. It is off then.
pub(super) fn drive(line: u8, is_active_low: bool) -> Result<Box<dyn Switch>, LineError> {
    let pin = Gpio::new().and_then(|gpio| gpio.get(line));
    let pin = pin.map_err(|error| LineError::Rppal { line, source: error.into() })?;
    let pin = if is_active_low { pin.into_output_high() } else { pin.into_output_low() };
    Ok(Box::new(OutputLine { pin, is_active_low }))
}

struct OutputLine {
    pin: OutputPin,
    is_active_low: bool,
}

impl Switch for OutputLine {
    fn switch(&mut self, is_on: bool) -> io::Result<()> {
        self.pin.write(if is_on == self.is_active_low { Level::Low } else { Level::High });
        Ok(())
    }
}

/// A channel of the chip's own pulses.
pub(crate) struct PwmChannel(Pwm);

impl PwmChannel {
    /// Asks for a channel, with so many pulses a second, each of which lasts for a part of its time in percent. It is off
    /// then.
    pub(crate) fn open(channel: u8, hz: u32, percent: u8, is_active_low: bool) -> Result<Self, PwmError> {
        let failed = |source| PwmError { channel, source };
        let number = match channel {
            0 => Channel::Pwm0,
            1 => Channel::Pwm1,
            2 => Channel::Pwm2,
            _ => Channel::Pwm3,
        };
        let period = Duration::from_secs(1) / hz.max(1);
        let pulse = period * u32::from(percent) / 100;
        let polarity = if is_active_low { Polarity::Inverse } else { Polarity::Normal };
        Ok(Self(Pwm::with_period(number, period, pulse, polarity, false).map_err(failed)?))
    }
}

impl Switch for PwmChannel {
    fn switch(&mut self, is_on: bool) -> io::Result<()> {
        let switched = if is_on { self.0.enable() } else { self.0.disable() };
        switched.map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_closes_or_opens_a_contact_by_how_it_is_wired() {
        let event = |trigger| Event { trigger, seqno: 7, timestamp: Duration::ZERO };
        for (trigger, is_active_low, is_closed) in [
            (Trigger::RisingEdge, false, true),
            (Trigger::FallingEdge, false, false),
            (Trigger::RisingEdge, true, false),
            (Trigger::FallingEdge, true, true),
        ] {
            let edge = edge(1, is_active_low, &event(trigger));
            assert_eq!((edge.line, edge.is_closed, edge.number), (1, is_closed, 7), "{trigger} {is_active_low}");
        }
    }

    #[test]
    fn edges_of_two_lines_are_in_the_order_in_which_they_happened_and_a_gap_of_one_is_a_gap_of_all() {
        let mut queue = Queue::default();
        // The thread of line 1 is late, and the library lost its second edge.
        for (stamp_ns, line, number) in [(10, 0, 1), (30, 0, 2), (20, 1, 1), (40, 1, 3), (50, 0, u32::MAX)] {
            queue.add(stamp_ns, Edge { line, is_closed: true, number });
        }
        let mut taken =
            std::iter::from_fn(|| queue.take()).map(|(stamp_ns, edge, number)| (stamp_ns, edge.line, number));
        assert_eq!(taken.next(), Some((10, 0, 1)));
        assert_eq!(taken.next(), Some((20, 1, 2)));
        assert_eq!(taken.next(), Some((30, 0, 3)));
        assert_eq!(taken.next(), Some((40, 1, 5)));
        assert_eq!(taken.next(), Some((50, 0, 2)), "numbers wrap");
        assert_eq!(taken.next(), None);
    }

    #[test]
    fn a_machine_that_is_no_raspberry_pi_says_so() {
        let contact = Contact { pull: Pull::Up, is_active_low: true };
        let said = [
            read(&[17], contact).err().map(|error| error.to_string()),
            drive(27, false).err().map(|error| error.to_string()),
            PwmChannel::open(0, 2_000, 50, false).err().map(|error| error.to_string()),
        ];
        let [Some(read), Some(drive), Some(pwm)] = said else { return };
        assert!(read.starts_with("line 17 can't be had by rppal"), "{read}");
        assert!(drive.starts_with("line 27 can't be had by rppal"), "{drive}");
        assert!(pwm.starts_with("the PWM channel 0 can't be had"), "{pwm}");
    }
}
