//! Inputs: what a person does with the device becomes edges, turns and badges of the inputs of plugins.toml.
//!
//! Each driver is a room of its own: it knows the keys or lines of its inputs, when they moved, and nothing of what that
//! means. Whether a motion is a press is decided by [`punchcard_core::gesture`]. A driver asks no clock but the one that
//! it is given.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use embedded_hal::i2c::{ErrorType, I2c, Operation};
use punchcard_core::badge::BadgeRead;
use punchcard_core::config::input::{Input, Trigger};
use punchcard_core::input::{Edge, Turn};
use punchcard_core::name::InputName;
use punchcard_i2c::{BusError, BusPath};
use thiserror::Error;
use tokio::sync::mpsc;

pub mod event_device;
pub mod gpio;
pub mod keyboard;
pub mod pn532;

mod reading;
mod watching;

pub use reading::{Reading, STOPS_WITHIN};

/// Every driver that there is.
pub const DRIVERS: &[&dyn Driver] = &[&keyboard::Keyboard, &gpio::Gpio, &event_device::EventDevices, &pn532::Pn532];

/// What reads inputs of one kind.
pub trait Driver: Sync {
    /// Its name in messages and in `status`.
    fn name(&self) -> &'static str;

    /// Whether an input with this trigger is one of its own.
    fn drives(&self, trigger: &Trigger) -> bool;

    /// Whether it is started without inputs too, for what else it hears.
    fn hears_more_than_inputs(&self) -> bool {
        false
    }

    /// Begins to read those of `inputs` that are its own, and sends what they do. `now_ms` reads the device's monotonic
    /// clock, in milliseconds. Reading ends when what is returned is stopped or dropped, or when nobody receives any more.
    /// `open` opens I2C buses. `tell` hears which inputs can't be read, and why; the others are read.
    ///
    /// # Errors
    /// When the system or the device of the inputs refuses.
    fn start(
        &self,
        inputs: &BTreeMap<InputName, Input>,
        open: &OpenI2c,
        now_ms: NowMs,
        sender: mpsc::Sender<Message>,
        tell: Tell,
    ) -> Result<Reading, StartError>;
}

/// Hears why an input can't be read. None: it is read again.
pub type Tell = Arc<dyn Fn(&InputName, Option<&StartError>) + Send + Sync>;

/// Opens an I2C bus, the kernel's or a simulated one.
pub type OpenI2c = Arc<dyn Fn(&BusPath) -> Result<I2cBus, BusError> + Send + Sync>;

/// An open I2C bus, whoever has it.
pub struct I2cBus(pub Box<dyn I2c<Error = BusError> + Send>);

impl ErrorType for I2cBus {
    type Error = BusError;
}

impl I2c for I2cBus {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), BusError> {
        self.0.transaction(address, operations)
    }
}

/// Reads the device's monotonic clock, in milliseconds.
pub type NowMs = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What a driver sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A button or key moved.
    Edge(Edge),
    /// An encoder was turned.
    Turn(Turn),
    /// A badge was read.
    Badge(BadgeRead),
    /// A person wants the device to stop.
    Quit,
}

/// Why a driver does not read.
#[derive(Debug, Error)]
pub enum StartError {
    /// The lines of an input can't be read.
    #[error(transparent)]
    Lines(#[from] crate::gpio::LineError),
    /// The device of an input can't be read.
    #[error(transparent)]
    Device(#[from] event_device::DeviceError),
    /// A PN532 can't be read.
    #[error(transparent)]
    Pn532(#[from] pn532::Pn532Error),
    /// The standard input can't be read.
    #[error("the standard input can't be read")]
    StandardInput(#[source] io::Error),
    /// There is nothing behind the standard input, and keys of it are inputs.
    #[error(
        "the standard input has ended, as that of a service has, so that no key of it is ever heard; use `driver = \"gpio\"`, or \
         name the `device` of a keyboard"
    )]
    NoKeys,
    /// The terminal cannot give keys one by one.
    #[error("the terminal could not be asked for single keys")]
    Terminal(#[source] io::Error),
    /// The system does not wait for it.
    #[error("it can't be waited for")]
    Waiting(#[source] io::Error),
    /// There is no thread to read with.
    #[error("no thread could be started to read inputs")]
    Thread(#[source] io::Error),
}
