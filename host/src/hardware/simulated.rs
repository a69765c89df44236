//! Simulated hardware: the chips of `punchcard-chips` on buses that have the kernel's names, so that all above runs as it does
//! on a board, its errors too.
//!
//! Without a file, every bus has a BME280 at 0x76, an SCD4x at 0x62, an SSD1306 at 0x3c and a PN532 at 0x24 without a badge, and
//! every 1-Wire thermometer says 21 degrees; lines that are lent to sensors are high. A file is read before each transaction, so
//! that a trial changes what it finds: a JSON object with `i2c` (an object of buses by their paths, each with `chips`, an object
//! of chips by their addresses such as `0x76`, and perhaps a `fault`), `one-wire` (degrees by id, or null where it does not
//! answer) and `lines` (by number, each `high` or `low`). A trial replaces the file as a whole. A chip that is no longer in it is
//! unplugged, and a bus or a line that is not, not there. An SSD1306 with a `picture` writes what it shows into that file, for
//! whoever wants to see it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use embedded_hal::i2c::{I2c as _, Operation};
use punchcard_chips::{Air, Bme280, Bus, BusError as ChipsError, Fault, Glass, Pn532, Scd4x, Ssd1306};
use punchcard_core::config::sensor::OneWireId;
use punchcard_i2c::{BusError, BusPath, Failure, Step};
use serde::{Deserialize, Serialize};

use super::OneWireError;

/// What a BME280 says of itself.
const BME280: u8 = 0x60;
/// Between two looks whether a bus that hangs goes on.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// All that is simulated.
#[derive(Debug)]
pub(super) struct Simulated {
    file: Option<PathBuf>,
    buses: Mutex<BTreeMap<PathBuf, Wired>>,
}

/// What the file says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Description {
    i2c: BTreeMap<PathBuf, BusDescription>,
    one_wire: BTreeMap<String, Option<f64>>,
    lines: BTreeMap<String, Level>,
}

/// At what a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Level {
    High,
    Low,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct BusDescription {
    fault: Option<BusFault>,
    chips: BTreeMap<String, ChipDescription>,
}

/// What is wrong with a bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum BusFault {
    NotPermitted,
    NoAnswer,
    TimesOut,
    StuckLow,
    Gone,
    /// Calls do not return while it is so.
    Hangs,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "chip")]
enum ChipDescription {
    Bme280 {
        #[serde(default = "usual_temperature")]
        temperature: f64,
        #[serde(default = "usual_humidity")]
        humidity: f64,
        #[serde(default = "usual_pressure")]
        pressure: f64,
        /// What it says of itself, where it is another chip.
        #[serde(default)]
        id: Option<u8>,
        /// What it answers to everything.
        #[serde(default)]
        stuck: Option<u8>,
    },
    Scd4x {
        co2: u16,
        #[serde(default = "usual_temperature")]
        temperature: f64,
        #[serde(default = "usual_humidity")]
        humidity: f64,
    },
    Ssd1306 {
        height: u32,
        /// Where what it shows is written each time that it shows something else.
        #[serde(default)]
        picture: Option<PathBuf>,
    },
    Pn532 {
        /// The number of the badge before it, in hexadecimal digits.
        #[serde(default)]
        badge: Option<String>,
    },
}

fn usual_temperature() -> f64 {
    Air::default().temperature
}

fn usual_humidity() -> f64 {
    Air::default().humidity
}

fn usual_pressure() -> f64 {
    Air::default().pressure
}

/// A simulated bus with its chips.
#[derive(Default)]
struct Wired {
    bus: Bus,
    chips: BTreeMap<u8, (ChipDescription, Attached)>,
    fault: Option<BusFault>,
}

enum Attached {
    Bme280(Arc<Mutex<Bme280>>),
    Scd4x(Arc<Mutex<Scd4x>>),
    Pn532(Arc<Mutex<Pn532>>),
    Ssd1306(Display),
}

/// An OLED, and the file in which it is seen.
struct Display {
    chip: Arc<Mutex<Ssd1306>>,
    picture: Option<PathBuf>,
    /// What stands in that file.
    written: String,
}

/// What is seen of an OLED.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Seen<'a> {
    /// A line for each row, with `#` for a lit pixel and `.` for a dark one.
    rows: Vec<&'a str>,
    is_on: bool,
    /// What it was told that its data sheet does not allow.
    complaints: Vec<String>,
}

impl std::fmt::Debug for Wired {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Wired").field("fault", &self.fault).finish_non_exhaustive()
    }
}

impl Simulated {
    pub(super) fn new(file: Option<PathBuf>) -> Self {
        Self { file, buses: Mutex::default() }
    }

    pub(super) fn open(self: &Arc<Self>, path: &BusPath) -> Result<SimulatedBus, BusError> {
        let fail = |failure| BusError { bus: path.clone(), step: Step::Open, failure };
        match self.look(path).map_err(|error| fail(Failure::Other(error)))? {
            None => Err(fail(Failure::NoSuchBus)),
            Some((_, Some(BusFault::NotPermitted))) => Err(fail(Failure::NotPermitted)),
            Some((_, Some(BusFault::Gone))) => Err(fail(Failure::NoSuchBus)),
            Some(_) => Ok(SimulatedBus { simulated: Arc::clone(self), path: path.clone() }),
        }
    }

    pub(super) fn read_one_wire(&self, id: &OneWireId) -> Result<String, OneWireError> {
        let said = |degrees: f64| render_thermometer(degrees);
        let unreadable = |source| OneWireError::Unreadable { id: id.as_str().to_owned(), source };
        let description = self.describe().map_err(unreadable)?;
        let Some(description) = description else { return Ok(said(21.0)) };
        match description.one_wire.get(id.as_str()) {
            Some(Some(degrees)) => Ok(said(*degrees)),
            Some(None) => Err(unreadable(io::ErrorKind::TimedOut.into())),
            None => {
                let (id, folder) = (id.as_str().to_owned(), super::ONE_WIRE.to_owned());
                Err(OneWireError::NoDevice { id, folder })
            }
        }
    }

    pub(super) fn line(self: &Arc<Self>, line: u8) -> SimulatedLine {
        SimulatedLine { simulated: Arc::clone(self), line }
    }

    /// A bus as the file has it now. None: it is not there.
    fn look(&self, path: &BusPath) -> io::Result<Option<(Bus, Option<BusFault>)>> {
        let described = match self.describe()? {
            Some(mut description) => description.i2c.remove(path.as_path()),
            None => Some(usual_bus()),
        };
        let mut buses = self.lock();
        let Some(described) = described else {
            buses.remove(path.as_path());
            return Ok(None);
        };
        let wired = buses.entry(path.as_path().to_owned()).or_default();
        wired.take(&described)?;
        Ok(Some((wired.bus.clone(), wired.fault)))
    }

    /// Has an OLED at this address be seen as it is now.
    fn show(&self, path: &BusPath, address: u8) -> io::Result<()> {
        match self.lock().get_mut(path.as_path()).and_then(|wired| wired.chips.get_mut(&address)) {
            Some((_, Attached::Ssd1306(display))) => display.show(),
            _ => Ok(()),
        }
    }

    fn describe(&self) -> io::Result<Option<Description>> {
        let Some(file) = &self.file else { return Ok(None) };
        let text = fs::read_to_string(file)
            .map_err(|error| io::Error::other(format!("the simulation {}: {error}", file.display())))?;
        Ok(Some(serde_json::from_str(&text)?))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Wired>> {
        self.buses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wired {
    /// Has it be as it is described. Chips that stay keep what is in them.
    fn take(&mut self, described: &BusDescription) -> io::Result<()> {
        self.fault = described.fault;
        self.bus.set_fault(match described.fault {
            Some(BusFault::NoAnswer) => Some(Fault::NoAnswer),
            Some(BusFault::TimesOut) => Some(Fault::TimesOut),
            Some(BusFault::StuckLow) => Some(Fault::StuckLow),
            Some(BusFault::Gone) => Some(Fault::Gone),
            Some(BusFault::NotPermitted | BusFault::Hangs) | None => None,
        });
        let mut present = BTreeMap::new();
        for (address, chip) in &described.chips {
            let parsed = address.strip_prefix("0x").and_then(|digits| u8::from_str_radix(digits, 16).ok());
            let address = parsed.ok_or_else(|| io::Error::other(format!("`{address}` is no address")))?;
            present.insert(address, chip);
        }
        for address in self.chips.keys() {
            if present.contains_key(address) {
                self.bus.plug_in(*address);
            } else {
                self.bus.unplug(*address);
            }
        }
        for (address, chip) in present {
            match self.chips.get_mut(&address) {
                Some((known, _)) if *known == *chip => {}
                Some((known, attached)) if attached.take(chip)? => *known = chip.clone(),
                _ => {
                    let attached = attach(&self.bus, address, chip)?;
                    self.chips.insert(address, (chip.clone(), attached));
                }
            }
        }
        Ok(())
    }
}

impl Attached {
    /// Has the chip be in another air, or another badge be before it. Whether it is one that can.
    fn take(&self, chip: &ChipDescription) -> io::Result<bool> {
        Ok(match (self, chip) {
            (Self::Bme280(bme280), &ChipDescription::Bme280 { temperature, humidity, pressure, id, stuck }) => {
                let mut bme280 = bme280.lock().unwrap_or_else(PoisonError::into_inner);
                bme280.set_air(Air { temperature, humidity, pressure });
                bme280.set_id(id.unwrap_or(BME280));
                bme280.set_stuck(stuck);
                true
            }
            (Self::Scd4x(scd4x), &ChipDescription::Scd4x { co2, temperature, humidity }) => {
                let air = Air { temperature, humidity, pressure: usual_pressure() };
                scd4x.lock().unwrap_or_else(PoisonError::into_inner).set_air(co2, air);
                true
            }
            (Self::Pn532(pn532), ChipDescription::Pn532 { badge }) => {
                let mut pn532 = pn532.lock().unwrap_or_else(PoisonError::into_inner);
                pn532.take_away();
                if let Some(digits) = badge {
                    pn532.bring(&parse_hexadecimal(digits)?);
                }
                true
            }
            _ => false,
        })
    }
}

fn parse_hexadecimal(digits: &str) -> io::Result<Vec<u8>> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(byte).collect();
    let accepted = bytes.filter(|bytes| [4, 7, 10].contains(&bytes.len()) && digits.len() == 2 * bytes.len());
    accepted.ok_or_else(|| io::Error::other(format!("`{digits}` are no 4, 7 or 10 bytes of a badge")))
}

fn attach(bus: &Bus, address: u8, chip: &ChipDescription) -> io::Result<Attached> {
    let attached = match chip {
        ChipDescription::Bme280 { .. } => Attached::Bme280(bus.attach(address, Bme280::new(Air::default()))),
        ChipDescription::Scd4x { co2, .. } => Attached::Scd4x(bus.attach(address, Scd4x::new(*co2, Air::default()))),
        ChipDescription::Ssd1306 { height, picture } => {
            let glass = match height {
                64 => Glass::HIGH,
                40 => Glass::SMALL,
                _ => Glass::LOW,
            };
            let chip = bus.attach(address, Ssd1306::new(glass));
            Attached::Ssd1306(Display { chip, picture: picture.clone(), written: String::new() })
        }
        ChipDescription::Pn532 { .. } => Attached::Pn532(bus.attach(address, Pn532::new())),
    };
    attached.take(chip)?;
    Ok(attached)
}

fn usual_bus() -> BusDescription {
    let Air { temperature, humidity, pressure } = Air::default();
    let bme280 = ChipDescription::Bme280 { temperature, humidity, pressure, id: None, stuck: None };
    let scd4x = ChipDescription::Scd4x { co2: 640, temperature, humidity };
    let oled = ChipDescription::Ssd1306 { height: 32, picture: None };
    let pn532 = ChipDescription::Pn532 { badge: None };
    let chips = [("0x24", pn532), ("0x3c", oled), ("0x62", scd4x), ("0x76", bme280)];
    let chips = chips.map(|(address, chip)| (address.to_owned(), chip)).into();
    BusDescription { fault: None, chips }
}

impl Display {
    /// Writes what it shows, where that is something else than before. Who reads the file finds all of it, or what was there.
    fn show(&mut self) -> io::Result<()> {
        let Some(file) = &self.picture else { return Ok(()) };
        let chip = self.chip.lock().unwrap_or_else(PoisonError::into_inner);
        let picture = chip.picture();
        let seen = Seen { rows: picture.lines().collect(), is_on: chip.is_on(), complaints: chip.complaints() };
        let text = serde_json::to_string(&seen)?;
        drop(chip);
        if text != self.written {
            replace(file, &text)
                .map_err(|error| io::Error::other(format!("the picture {}: {error}", file.display())))?;
            self.written = text;
        }
        Ok(())
    }
}

fn replace(file: &Path, text: &str) -> io::Result<()> {
    let new = file.with_extension("new");
    fs::write(&new, text)?;
    fs::rename(&new, file)
}

/// As the kernel's `w1_therm` says it (`Documentation/w1/slaves/w1_therm.rst`).
fn render_thermometer(degrees: f64) -> String {
    let thousandths = (degrees * 1_000.0).round();
    format!("72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t={thousandths:.0}\n")
}

/// A simulated GPIO line.
pub(crate) struct SimulatedLine {
    simulated: Arc<Simulated>,
    line: u8,
}

impl SimulatedLine {
    /// Whether it is high.
    ///
    /// # Errors
    /// When it is not there.
    pub(crate) fn is_high(&self) -> io::Result<bool> {
        let Some(description) = self.simulated.describe()? else { return Ok(true) };
        let level = description.lines.get(&self.line.to_string());
        let level = level.ok_or_else(|| io::Error::other(format!("line {} is not there", self.line)))?;
        Ok(*level == Level::High)
    }
}

/// A simulated bus, opened.
pub(super) struct SimulatedBus {
    simulated: Arc<Simulated>,
    path: BusPath,
}

impl SimulatedBus {
    pub(super) fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), BusError> {
        let step = Step::Transfer { address };
        let fail = |failure| BusError { bus: self.path.clone(), step, failure };
        let look = || self.simulated.look(&self.path).map_err(|error| fail(Failure::Other(error)));
        let (never, held) = (Condvar::new(), Mutex::new(()));
        let mut bus = loop {
            match look()? {
                Some((_, Some(BusFault::Hangs))) => {
                    let held = held.lock().unwrap_or_else(PoisonError::into_inner);
                    // Whether somebody else has waited too long does not matter: it is looked again.
                    drop(never.wait_timeout(held, LOOK_EVERY));
                }
                Some((bus, _)) => break bus,
                None => return Err(fail(Failure::BusGone)),
            }
        };
        bus.transaction(address, operations).map_err(|error| {
            fail(match error {
                ChipsError::NoAnswer(_) | ChipsError::DataRefused(_) => Failure::NoAnswer,
                ChipsError::TimedOut | ChipsError::StuckLow => Failure::TimedOut,
                ChipsError::Gone => Failure::BusGone,
            })
        })?;
        self.simulated.show(&self.path, address).map_err(|error| fail(Failure::Other(error)))
    }
}

#[cfg(test)]
mod tests;
