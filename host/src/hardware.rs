//! What is connected to the device: I2C buses by the paths of their device files, 1-Wire devices by their ids. The kernel has
//! them, or they are simulated, for a device without hardware. Simulated lines are here too; those of the kernel's are in
//! `gpio`.
//!
//! Deliberately unknown here: who uses them, and for what. Calls block for as long as the kernel does.

mod simulated;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use embedded_hal::i2c::{ErrorType, I2c, Operation};
use punchcard_core::config::sensor::OneWireId;
use punchcard_i2c::{Bus, BusError, BusPath};
use thiserror::Error;

pub(crate) use simulated::SimulatedLine;
use simulated::{Simulated, SimulatedBus};

/// Where the kernel shows its 1-Wire devices.
const ONE_WIRE: &str = "/sys/bus/w1/devices";
/// Longer is no answer of a 1-Wire device's.
const LONGEST_ANSWER: usize = 4_096;

/// The hardware. Clones are the same.
#[derive(Debug, Clone)]
pub struct Hardware(Source);

#[derive(Debug, Clone)]
enum Source {
    Kernel { one_wire: PathBuf },
    Simulated(Arc<Simulated>),
}

impl Hardware {
    /// What is connected to this machine.
    #[must_use]
    pub fn of_kernel() -> Self {
        Self(Source::Kernel { one_wire: ONE_WIRE.into() })
    }

    /// Simulated chips: those of a file that is read again and again, or one of each kind on every bus.
    #[must_use]
    pub fn simulated(file: Option<PathBuf>) -> Self {
        Self(Source::Simulated(Arc::new(Simulated::new(file))))
    }

    /// Whether none of it is there.
    #[must_use]
    pub fn is_simulated(&self) -> bool {
        matches!(self.0, Source::Simulated(_))
    }

    /// Opens an I2C bus.
    ///
    /// # Errors
    /// As [`Bus::open`].
    pub fn open_i2c(&self, path: &BusPath) -> Result<I2cBus, BusError> {
        match &self.0 {
            Source::Kernel { .. } => Bus::open(path).map(Opened::Kernel),
            Source::Simulated(simulated) => simulated.open(path).map(Opened::Simulated),
        }
        .map(I2cBus)
    }

    /// A simulated GPIO line, by its number, where all is simulated. Whether it is there is known when it is used.
    pub(crate) fn simulated_line(&self, line: u8) -> Option<SimulatedLine> {
        match &self.0 {
            Source::Kernel { .. } => None,
            Source::Simulated(simulated) => Some(simulated.line(line)),
        }
    }

    /// What a 1-Wire device answers: the text of its `w1_slave`. It may take a second.
    ///
    /// # Errors
    /// When it is not there or can't be read.
    pub fn read_one_wire(&self, id: &OneWireId) -> Result<String, OneWireError> {
        match &self.0 {
            Source::Kernel { one_wire } => read_one_wire(one_wire, id),
            Source::Simulated(simulated) => simulated.read_one_wire(id),
        }
    }
}

/// An open I2C bus.
pub struct I2cBus(Opened);

enum Opened {
    Kernel(Bus),
    Simulated(SimulatedBus),
}

impl ErrorType for I2cBus {
    type Error = BusError;
}

impl I2c for I2cBus {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), BusError> {
        match &mut self.0 {
            Opened::Kernel(bus) => bus.transaction(address, operations),
            Opened::Simulated(bus) => bus.transaction(address, operations),
        }
    }
}

/// Why a 1-Wire device can't be read.
#[derive(Debug, Error)]
pub enum OneWireError {
    /// There is no 1-Wire bus.
    #[error(
        "there is no 1-Wire bus ({folder} is not there); turn it on (`raspi-config nonint do_onewire 0`, or `dtoverlay=w1-gpio` in config.txt)"
    )]
    NoBus {
        /// Where it would be.
        folder: String,
    },
    /// The bus does not see it.
    #[error(
        "1-Wire device {id} is not there; look at its wires and at the resistor between data and 3.3 V, and list those that are there with `ls {folder}`"
    )]
    NoDevice {
        /// The device.
        id: String,
        /// Where it would be.
        folder: String,
    },
    /// It can't be read.
    #[error("1-Wire device {id} can't be read: {source}; look at its wires and at its supply")]
    Unreadable {
        /// The device.
        id: String,
        /// Why.
        source: io::Error,
    },
}

fn read_one_wire(devices: &Path, id: &OneWireId) -> Result<String, OneWireError> {
    let file = devices.join(id.as_str()).join("w1_slave");
    let id = || id.as_str().to_owned();
    match fs::read(&file) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST_ANSWER)]).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = devices.display().to_string();
            Err(if devices.exists() {
                OneWireError::NoDevice { id: id(), folder }
            } else {
                OneWireError::NoBus { folder }
            })
        }
        Err(source) => Err(OneWireError::Unreadable { id: id(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_one_wire_device_is_read_from_its_file_or_said_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let id = OneWireId::parse("28-0316a2795cff").unwrap();
        let devices = folder.path().join("devices");
        assert!(read_one_wire(&devices, &id).unwrap_err().to_string().contains("w1-gpio"));
        let device = devices.join(id.as_str());
        fs::create_dir_all(&devices).unwrap();
        assert!(read_one_wire(&devices, &id).unwrap_err().to_string().contains("is not there; look at its wires"));
        fs::create_dir_all(device.join("w1_slave")).unwrap();
        assert!(read_one_wire(&devices, &id).unwrap_err().to_string().contains("can't be read"));
        fs::remove_dir(device.join("w1_slave")).unwrap();
        fs::write(device.join("w1_slave"), "YES\n t=1").unwrap();
        assert_eq!(read_one_wire(&devices, &id).unwrap(), "YES\n t=1");
    }
}
