//! Temperature, humidity and air pressure of a BME280, with the driver `bme280-rs`.
//!
//! Each poll sets the chip up anew, reads its calibration and has it measure once; then it sleeps. So nothing is remembered: a
//! chip that was without power, or another one in its place, is read as it is. Section numbers are of the data sheet
//! (BST-BME280-DS001, revision 1.6).

use bme280_rs::{Bme280, Configuration, Oversampling, SensorMode};
use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::I2c;
use punchcard_sdk::sensor::hardware::{Chip, Delay};
use punchcard_sdk::sensor::{Loans, Reading, Sensor};
use punchcard_sdk::{Context, Error, Field, Value, export_sensor};
use serde::Deserialize;

/// The name of the chip that it opens.
const CHIP: &str = "sensor";
/// What a BME280 says of itself (section 5.4.1), and what chips say that look like one.
const BME280: u8 = 0x60;
const BMP280: [u8; 3] = [0x56, 0x57, 0x58];
const BME680: u8 = 0x61;

/// The sensor's `settings`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Degrees Celsius that are added: a chip beside something warm reads too much.
    #[serde(default)]
    temperature_offset: f64,
}

/// The plugin.
#[derive(Debug)]
pub struct Climate;

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Measured {
    /// Degrees Celsius.
    temperature: f64,
    /// Percent of relative humidity.
    humidity: f64,
    /// Hectopascal.
    pressure: f64,
}

impl Sensor for Climate {
    type Settings = Settings;
    type State = ();

    fn check(settings: &Settings) -> Result<(), Error> {
        if !(-20.0..=20.0).contains(&settings.temperature_offset) {
            let found = settings.temperature_offset;
            return Err(Error::InvalidSettings(format!(
                "`temperature-offset` is {found}; accepted is -20 to 20 degrees"
            )));
        }
        Ok(())
    }

    fn loans(_: &Settings) -> Loans {
        Loans { i2c: vec![CHIP.to_owned()], lines: Vec::new(), one_wire: Vec::new() }
    }

    fn poll(settings: &Settings, (): &mut (), _: &Context) -> Result<Vec<Reading>, Error> {
        let measured = measure(Chip::open(CHIP)?, Delay)?;
        let number = |name: &str, value: f64| Field { name: name.to_owned(), value: Value::Number(round(value)) };
        let fields = vec![
            number("temperature", measured.temperature + settings.temperature_offset),
            number("humidity", measured.humidity),
            number("pressure", measured.pressure),
        ];
        Ok(vec![Reading { kind: "reading".to_owned(), fields }])
    }
}

/// Has the chip measure once.
fn measure<B>(bus: B, delay: impl DelayNs) -> Result<Measured, Error>
where
    B: I2c,
    Error: From<B::Error>,
{
    let mut chip = Bme280::new(bus, delay);
    // Before anything is written: what answers may be something else.
    recognise(chip.chip_id()?)?;
    chip.init()?;
    let once = Configuration::default()
        .with_temperature_oversampling(Oversampling::Oversample1)
        .with_pressure_oversampling(Oversampling::Oversample1)
        .with_humidity_oversampling(Oversampling::Oversample1)
        .with_sensor_mode(SensorMode::Forced);
    chip.set_sampling_configuration(once)?;
    chip.take_forced_measurement()?;
    let sample = chip.read_sample()?;
    let nothing = || Error::Other("the chip measured nothing; take its power away for a moment".to_owned());
    let measured = Measured {
        temperature: sample.temperature.map(f64::from).ok_or_else(nothing)?,
        humidity: sample.humidity.map(f64::from).ok_or_else(nothing)?,
        pressure: sample.pressure.map(f64::from).ok_or_else(nothing)? / 100.0,
    };
    // What it can measure (tables 2, 3 and 4), with what a good chip may be beside it. A chip with broken lines says anything.
    let plausible = [
        ("temperature", measured.temperature, -42.0..=87.0),
        ("humidity", measured.humidity, 0.0..=100.0),
        ("pressure", measured.pressure, 290.0..=1_110.0),
    ];
    match plausible.into_iter().find(|(_, value, range)| !range.contains(value)) {
        Some((what, value, _)) => Err(Error::Other(format!(
            "the chip answers nonsense: a {what} of {value:.2}; look at its wires, or replace it"
        ))),
        None => Ok(measured),
    }
}

/// Whether it is a BME280.
fn recognise(id: u8) -> Result<(), Error> {
    let is = match id {
        BME280 => return Ok(()),
        _ if BMP280.contains(&id) => "a BMP280, which measures no humidity; boards are sold under the wrong name",
        BME680 => "a BME680, which this plugin does not read",
        0x00 | 0xff => "no chip at all: its lines are held by something else",
        _ => "another chip; look whether the address is right",
    };
    Err(Error::Other(format!("what answers is no BME280 (its id is {id:#04x}): it is {is}")))
}

/// The chip's own resolution, without the digits that binary fractions have beside it.
fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

export_sensor!(Climate);

#[cfg(test)]
mod tests;
