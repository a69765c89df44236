//! What went wrong on a bus, and what to do.

use std::fmt;
use std::io;

use embedded_hal::i2c::{ErrorKind, NoAcknowledgeSource};
use rustix::io::Errno;
use thiserror::Error;

use super::bus::BusPath;
use super::message::{MOST_BYTES, MOST_MESSAGES};

/// An error with the bus and the step in which it happened.
#[derive(Debug, Error)]
#[error("I2C bus {bus}, {step}: {failure}")]
pub struct BusError {
    /// The bus.
    pub bus: BusPath,
    /// What was being done.
    pub step: Step,
    /// What went wrong.
    pub failure: Failure,
}

/// What is done with a bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Its device file is opened.
    Open,
    /// The adapter is asked what it can do.
    Functions,
    /// A chip is spoken to.
    Transfer {
        /// The chip's, of 7 bits.
        address: u8,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => formatter.write_str("opening it"),
            Self::Functions => formatter.write_str("asking what it can do"),
            Self::Transfer { address } => write!(formatter, "speaking to address {address:#04x}"),
        }
    }
}

/// What can go wrong, each with what to do.
#[derive(Debug, Error)]
pub enum Failure {
    /// There is no such device file.
    #[error(
        "there is no such bus; turn I2C on (`raspi-config nonint do_i2c 0`, or `dtparam=i2c_arm=on` in config.txt) and load its device files (`modprobe i2c-dev`)"
    )]
    NoSuchBus,
    /// The device file may not be opened.
    #[error("it may not be used; the user has to be in the group i2c (`usermod -aG i2c USER`)")]
    NotPermitted,
    /// The file is something else.
    #[error("this is not an I2C bus; buses are /dev/i2c-0, /dev/i2c-1 and so on")]
    NotABus,
    /// The adapter has no plain I2C.
    #[error("its adapter speaks SMBus alone, without plain I2C transfers; connect the chip to another bus")]
    SmBusOnly,
    /// Nothing acknowledged.
    #[error("no answer; look whether the chip has power, SDA and SCL are not swapped, and the address is right")]
    NoAnswer,
    /// A line stayed low for too long.
    #[error(
        "timed out: a chip holds the clock for longer than the adapter waits, or a line is stuck low; slow the bus down (`dtparam=i2c_arm_baudrate=50000` in config.txt), look for pull-up resistors and short circuits, and take the chip's power away for a moment"
    )]
    TimedOut,
    /// A driver says no more than that.
    #[error(
        "the transfer broke off; where a chip holds the clock for longer than the adapter waits, a Raspberry Pi says no more than this: slow the bus down (`dtparam=i2c_arm_baudrate=50000` in config.txt), and look for pull-up resistors and short circuits"
    )]
    BrokeOff,
    /// Another master, or noise.
    #[error(
        "arbitration was lost: something else drives the lines; look for a second master and for pull-up resistors"
    )]
    ArbitrationLost,
    /// The adapter is no longer there.
    #[error("the bus is gone; its adapter was unplugged or its driver unloaded")]
    BusGone,
    /// The adapter does not do what it said that it can.
    #[error("its adapter refuses; it is being unplugged, or it can't take so many bytes at once")]
    AdapterRefuses,
    /// A transaction that changes its direction too often.
    #[error("a transaction of {found} messages; the kernel takes at most {MOST_MESSAGES}")]
    TooManyMessages {
        /// How many there were.
        found: usize,
    },
    /// Too much at once.
    #[error("a message of {found} bytes; the kernel takes at most {MOST_BYTES}")]
    TooLong {
        /// How many there were.
        found: usize,
    },
    /// Nothing was to be read.
    #[error("a read of no bytes, which no chip can answer")]
    EmptyRead,
    /// What the kernel said otherwise.
    #[error("{}", .0)]
    Other(io::Error),
}

impl Failure {
    /// What an error means in this step.
    pub(super) fn of(step: Step, error: Errno) -> Self {
        match (step, error) {
            (Step::Open, Errno::NOENT | Errno::NXIO | Errno::NODEV) => Self::NoSuchBus,
            (_, Errno::ACCESS | Errno::PERM) => Self::NotPermitted,
            (Step::Functions, Errno::NOTTY | Errno::INVAL) => Self::NotABus,
            // `Documentation/i2c/fault-codes.rst` of the kernel; drivers differ in which of the two they take.
            (_, Errno::NXIO | Errno::REMOTEIO) => Self::NoAnswer,
            (_, Errno::TIMEDOUT) => Self::TimedOut,
            // What `i2c-bcm2835` says of its status CLKT.
            (Step::Transfer { .. }, Errno::IO) => Self::BrokeOff,
            (_, Errno::AGAIN) => Self::ArbitrationLost,
            // The last is said by adapters on USB.
            (_, Errno::NODEV | Errno::SHUTDOWN) => Self::BusGone,
            (Step::Transfer { .. }, Errno::OPNOTSUPP) => Self::AdapterRefuses,
            (_, other) => Self::Other(other.into()),
        }
    }
}

impl embedded_hal::i2c::Error for BusError {
    fn kind(&self) -> ErrorKind {
        match self.failure {
            Failure::NoAnswer => ErrorKind::NoAcknowledge(NoAcknowledgeSource::Unknown),
            Failure::ArbitrationLost => ErrorKind::ArbitrationLoss,
            Failure::TimedOut | Failure::BrokeOff => ErrorKind::Bus,
            _ => ErrorKind::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use embedded_hal::i2c::Error;

    use super::*;

    #[test]
    fn each_error_of_the_kernel_has_its_meaning() {
        let transfer = Step::Transfer { address: 0x3c };
        let unknown = ErrorKind::NoAcknowledge(NoAcknowledgeSource::Unknown);
        let table = [
            (Step::Open, Errno::NOENT, "no such bus", ErrorKind::Other),
            (Step::Open, Errno::ACCESS, "group i2c", ErrorKind::Other),
            (Step::Functions, Errno::NOTTY, "not an I2C bus", ErrorKind::Other),
            (transfer, Errno::NXIO, "no answer", unknown),
            (transfer, Errno::REMOTEIO, "no answer", unknown),
            (transfer, Errno::TIMEDOUT, "slow the bus down", ErrorKind::Bus),
            (transfer, Errno::AGAIN, "arbitration", ErrorKind::ArbitrationLoss),
            (transfer, Errno::NODEV, "bus is gone", ErrorKind::Other),
            (transfer, Errno::SHUTDOWN, "bus is gone", ErrorKind::Other),
            (transfer, Errno::OPNOTSUPP, "being unplugged", ErrorKind::Other),
            (transfer, Errno::IO, "slow the bus down", ErrorKind::Bus),
        ];
        for (step, errno, said, kind) in table {
            let error = BusError { bus: BusPath::of_number(1), step, failure: Failure::of(step, errno) };
            let text = error.to_string();
            assert!(text.contains(said), "{errno:?}: {text}");
            assert_eq!(error.kind(), kind, "{errno:?}");
        }
    }

    #[test]
    fn an_error_names_bus_address_and_step() {
        let step = Step::Transfer { address: 0x3c };
        let error = BusError { bus: BusPath::of_number(1), step, failure: Failure::NoAnswer };
        assert!(error.to_string().starts_with("I2C bus /dev/i2c-1, speaking to address 0x3c: no answer; "), "{error}");
    }
}
