//! A bus, opened.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use embedded_hal::i2c::{ErrorType, I2c, Operation};
use rustix::io::Errno;

use super::error::{BusError, Failure, Step};
use super::kernel::{perform_transfer, read_functions};
use super::message::{distribute_reads, plan_messages};

/// The adapter does plain I2C transfers (`linux/i2c.h`).
const I2C_FUNC_I2C: usize = 0x0000_0001;
/// The adapter can send an address with nothing after it.
const I2C_FUNC_SMBUS_QUICK: usize = 0x0001_0000;

/// The device file of a bus.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BusPath(PathBuf);

impl BusPath {
    /// `/dev/i2c-N`.
    #[must_use]
    pub fn of_number(number: u8) -> Self {
        Self(format!("/dev/i2c-{number}").into())
    }

    /// Any path, such as one that a udev rule made.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }

    /// The N of `/dev/i2c-N`, also where the path is a link to it. None: it is no such file, or is not there.
    #[must_use]
    pub fn number(&self) -> Option<u8> {
        let number = |path: &Path| path.file_name()?.to_str()?.strip_prefix("i2c-")?.parse().ok();
        number(&self.0).or_else(|| number(&self.0.canonicalize().ok()?))
    }
}

impl fmt::Display for BusPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(formatter)
    }
}

/// A bus. Each transaction is one transfer of the kernel, which no other program's comes between.
#[derive(Debug)]
pub struct Bus {
    path: BusPath,
    file: File,
    functions: usize,
}

impl Bus {
    /// Opens a bus that does plain I2C.
    ///
    /// # Errors
    /// When there is no such bus, when it may not be used, or when its adapter speaks SMBus alone.
    pub fn open(path: &BusPath) -> Result<Self, BusError> {
        let fail = |step, failure| BusError { bus: path.clone(), step, failure };
        let opened = File::options().read(true).write(true).open(path.as_path());
        let file = opened.map_err(|error| {
            let failure = Errno::from_io_error(&error);
            fail(Step::Open, failure.map_or_else(|| Failure::Other(error), |errno| Failure::of(Step::Open, errno)))
        })?;
        let asked = read_functions(&file);
        let functions = asked.map_err(|errno| fail(Step::Functions, Failure::of(Step::Functions, errno)))?;
        if functions & I2C_FUNC_I2C == 0 {
            return Err(fail(Step::Functions, Failure::SmBusOnly));
        }
        Ok(Self { path: path.clone(), file, functions })
    }

    /// Which bus it is.
    #[must_use]
    pub fn path(&self) -> &BusPath {
        &self.path
    }

    /// Whether it can ask for an answer without sending anything.
    #[must_use]
    pub fn can_write_nothing(&self) -> bool {
        self.functions & I2C_FUNC_SMBUS_QUICK != 0
    }
}

impl ErrorType for Bus {
    type Error = BusError;
}

impl I2c for Bus {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), BusError> {
        let step = Step::Transfer { address };
        let fail = |failure| BusError { bus: self.path.clone(), step, failure };
        let mut messages = plan_messages(operations).map_err(fail)?;
        if messages.is_empty() {
            return Ok(());
        }
        perform_transfer(&self.file, address, &mut messages).map_err(|errno| fail(Failure::of(step, errno)))?;
        distribute_reads(&messages, operations);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_bus_has_the_number_of_its_device_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("i2c-7"), "").unwrap();
        symlink("i2c-7", folder.path().join("panel-bus")).unwrap();
        let table = [
            (PathBuf::from("/dev/i2c-1"), Some(1)),
            (folder.path().join("panel-bus"), Some(7)),
            (folder.path().join("absent"), None),
            (PathBuf::from("/dev/i2c-256"), None),
            (PathBuf::from("/dev/null"), None),
        ];
        for (path, number) in table {
            assert_eq!(BusPath::new(&path).number(), number, "{}", path.display());
        }
        assert_eq!(BusPath::of_number(13).to_string(), "/dev/i2c-13");
    }

    #[test]
    fn what_is_no_bus_is_refused_with_its_reason() {
        let folder = tempfile::tempdir().unwrap();
        let plain = folder.path().join("plain");
        std::fs::write(&plain, "").unwrap();
        let open = |path: &Path| Bus::open(&BusPath::new(path)).unwrap_err();
        let absent = open(&folder.path().join("absent"));
        assert!(matches!((absent.step, absent.failure), (Step::Open, Failure::NoSuchBus)));
        let wrong = open(&plain);
        assert!(matches!((wrong.step, wrong.failure), (Step::Functions, Failure::NotABus)));
        let null = open(Path::new("/dev/null"));
        assert!(matches!((null.step, null.failure), (Step::Functions, Failure::NotABus)));
    }
}
