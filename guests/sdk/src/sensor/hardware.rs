//! Devices on the host's buses, by the names under which plugins.toml lends them. They are there in a component only: a native
//! test of a sensor calls what is behind its readings, with an `embedded-hal` bus of its own.

use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::{self, ErrorKind, ErrorType, I2c, NoAcknowledgeSource};

use crate::Error;
pub use crate::bindings::sensor::punchcard::plugin::hardware::{
    BusError, I2cDevice, Line, NoAcknowledge, Operation, delay_us, open_i2c, open_line, read_one_wire,
};

/// The longest wait that the host takes at once, in microseconds.
const LONGEST_DELAY_US: u64 = 1_000_000;

/// A chip on an I2C bus, for drivers of `embedded-hal`. Which bus and which address it has, plugins.toml says: the address that
/// a driver speaks to counts for nothing.
#[derive(Debug)]
pub struct Chip(I2cDevice);

impl Chip {
    /// Opens the chip that is lent under this name.
    ///
    /// # Errors
    /// When none is, or its bus can't be used.
    pub fn open(name: &str) -> Result<Self, BusError> {
        open_i2c(name).map(Self)
    }
}

impl ErrorType for Chip {
    type Error = BusError;
}

impl I2c for Chip {
    fn transaction(&mut self, _address: u8, operations: &mut [i2c::Operation<'_>]) -> Result<(), BusError> {
        let asked: Vec<Operation> = operations
            .iter()
            .map(|operation| match operation {
                i2c::Operation::Read(room) => Operation::Read(u32::try_from(room.len()).unwrap_or(u32::MAX)),
                i2c::Operation::Write(bytes) => Operation::Write(bytes.to_vec()),
            })
            .collect();
        let mut answers = self.0.transaction(&asked)?.into_iter();
        for operation in operations {
            let i2c::Operation::Read(room) = operation else { continue };
            match answers.next() {
                Some(bytes) if bytes.len() == room.len() => room.copy_from_slice(&bytes),
                _ => return Err(BusError::Other("the host answered with another number of bytes".to_owned())),
            }
        }
        Ok(())
    }
}

impl i2c::Error for BusError {
    fn kind(&self) -> ErrorKind {
        let source = |source| ErrorKind::NoAcknowledge(source);
        match self {
            Self::NoAcknowledge(NoAcknowledge::Address) => source(NoAcknowledgeSource::Address),
            Self::NoAcknowledge(NoAcknowledge::Data) => source(NoAcknowledgeSource::Data),
            Self::NoAcknowledge(NoAcknowledge::Unknown) => source(NoAcknowledgeSource::Unknown),
            Self::ArbitrationLoss => ErrorKind::ArbitrationLoss,
            Self::Overrun => ErrorKind::Overrun,
            Self::Denied | Self::Other(_) => ErrorKind::Other,
        }
    }
}

impl From<BusError> for Error {
    fn from(error: BusError) -> Self {
        Self::Other(say(&error))
    }
}

/// In words. The host says more beside them: which bus, which address, and what to do.
fn say(error: &BusError) -> String {
    match error {
        BusError::NoAcknowledge(_) => "the chip does not answer".to_owned(),
        BusError::ArbitrationLoss => "something else drives the bus".to_owned(),
        BusError::Overrun => "bytes came faster than they were taken".to_owned(),
        BusError::Denied => "it is not lent under this name".to_owned(),
        BusError::Other(reason) => reason.clone(),
    }
}

/// Waits, for drivers of `embedded-hal`. It counts towards the time that a poll may take.
#[derive(Debug, Clone, Copy, Default)]
pub struct Delay;

impl DelayNs for Delay {
    fn delay_ns(&mut self, nanoseconds: u32) {
        wait(u64::from(nanoseconds).div_ceil(1_000));
    }

    fn delay_us(&mut self, microseconds: u32) {
        wait(microseconds.into());
    }

    fn delay_ms(&mut self, milliseconds: u32) {
        wait(u64::from(milliseconds) * 1_000);
    }
}

fn wait(microseconds: u64) {
    let mut left = microseconds;
    while left > 0 {
        let now = left.min(LONGEST_DELAY_US);
        delay_us(u32::try_from(now).unwrap_or(u32::MAX));
        left -= now;
    }
}
