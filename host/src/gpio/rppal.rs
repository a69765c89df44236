//! GPIO lines and hardware PWM by the library `rppal`, which knows the boards that are Raspberry Pis.
//!
//! It is not the default: it is archived, and where one of the kernel's chips has no device file it finds none at all. Its own
//! thread hears edges; here they wait until the driver takes them.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use punchcard_core::config::input::{Contact, Pull};
use rppal::gpio::{Event, Gpio, InputPin, Level, OutputPin, Trigger};
use rppal::pwm::{Channel, Polarity, Pwm};
use rustix::event::{EventfdFlags, eventfd};
use thiserror::Error;

use super::{LineEdge, LineError, Lines, Switch, ago_ms};

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
    edges: Mutex<VecDeque<LineEdge>>,
    /// Readable while there are some: it counts them.
    bell: OwnedFd,
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
    let waiting = Arc::new(Waiting { edges: Mutex::default(), bell });
    let mut pins = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let pin = open(*line, contact, index, &waiting);
        pins.push(pin.map_err(|source| LineError::Rppal { line: *line, source })?);
    }
    let lines = InputLines { pins, waiting, is_active_low: contact.is_active_low };
    let are_closed = lines.closed();
    Ok((Box::new(lines), are_closed))
}

fn open(line: u8, contact: Contact, index: usize, waiting: &Arc<Waiting>) -> Result<InputPin, RppalError> {
    let pin = Gpio::new()?.get(line)?;
    let mut pin = match contact.pull {
        Pull::Up => pin.into_input_pullup(),
        Pull::Down => pin.into_input_pulldown(),
        Pull::None => pin.into_input(),
    };
    let waiting = Arc::clone(waiting);
    let is_active_low = contact.is_active_low;
    pin.set_async_interrupt(Trigger::Both, None, move |event| waiting.take(index, is_active_low, &event))?;
    Ok(pin)
}

impl Waiting {
    fn take(&self, line: usize, is_active_low: bool, event: &Event) {
        let edge = edge(line, is_active_low, event);
        self.edges.lock().unwrap_or_else(PoisonError::into_inner).push_back(edge);
        if let Err(error) = rustix::io::write(&self.bell, &1_u64.to_ne_bytes()) {
            tracing::warn!(%error, "a driver can't be told of an edge");
        }
    }
}

/// An edge of the library's. Its kernel stamps and numbers them as it does for anybody.
fn edge(line: usize, is_active_low: bool, event: &Event) -> LineEdge {
    let is_closed = (event.trigger == Trigger::RisingEdge) != is_active_low;
    let stamp_ns = u64::try_from(event.timestamp.as_nanos()).unwrap_or(u64::MAX);
    LineEdge { line, is_closed, number: event.seqno, ago_ms: ago_ms(stamp_ns) }
}

impl InputLines {
    fn closed(&self) -> Vec<bool> {
        self.pins.iter().map(|pin| (pin.read() == Level::High) != self.is_active_low).collect()
    }
}

impl Lines for InputLines {
    fn next(&mut self) -> io::Result<Option<LineEdge>> {
        let mut edges = self.waiting.edges.lock().unwrap_or_else(PoisonError::into_inner);
        let next = edges.pop_front();
        if next.is_none() {
            // Under the lock: whoever adds one rings again.
            match rustix::io::read(&self.waiting.bell, &mut [0; 8]) {
                Ok(_) | Err(rustix::io::Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(next)
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
