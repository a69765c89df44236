//! Carbon dioxide, temperature and humidity of an SCD40 or SCD41, with the driver `scd4x`.
//!
//! The chip measures every five seconds once it was started, and keeps the last measurement until it is read. Whether it was
//! started it does not say, and it forgets that with its power: so it is started wherever nothing is there, which a chip that
//! measures ignores.

use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::{Error as _, ErrorKind, I2c};
use punchcard_sdk::sensor::hardware::{BusError, Chip, Delay};
use punchcard_sdk::sensor::{Loans, Reading, Sensor};
use punchcard_sdk::{Context, Error, Field, Value, export_sensor};
use scd4x::Scd4x;
use serde::Deserialize;

/// The name of the chip that it opens.
const CHIP: &str = "sensor";
/// Between two looks whether a measurement is there, in milliseconds.
const LOOK_EVERY_MS: u32 = 250;
/// Looks, for somewhat more than the five seconds that a measurement takes.
const LOOKS: u32 = 26;

/// The sensor's `settings`: none.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {}

/// The plugin.
#[derive(Debug)]
pub struct Air;

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Measured {
    /// Parts per million.
    co2: u16,
    /// Degrees Celsius.
    temperature: f64,
    /// Percent of relative humidity.
    humidity: f64,
}

impl Sensor for Air {
    type Settings = Settings;
    type State = ();

    fn check(_: &Settings) -> Result<(), Error> {
        Ok(())
    }

    fn loans(_: &Settings) -> Loans {
        Loans { i2c: vec![CHIP.to_owned()], lines: Vec::new(), one_wire: Vec::new() }
    }

    fn poll(_: &Settings, (): &mut (), _: &Context) -> Result<Vec<Reading>, Error> {
        let Measured { co2, temperature, humidity } = measure(Chip::open(CHIP)?, Delay, BusError::into)?;
        let field = |name: &str, value| Field { name: name.to_owned(), value };
        let fields = vec![
            field("co2", Value::Integer(co2.into())),
            field("temperature", Value::Number(round(temperature))),
            field("humidity", Value::Number(round(humidity))),
        ];
        Ok(vec![Reading { kind: "reading".to_owned(), fields }])
    }
}

/// Waits for a measurement, and reads it.
fn measure<B: I2c>(bus: B, mut delay: impl DelayNs + Clone, say: fn(B::Error) -> Error) -> Result<Measured, Error> {
    let explain = |error: scd4x::Error<B::Error>| match error {
        scd4x::Error::I2c(error) => say(error),
        scd4x::Error::Crc => {
            Error::Other("what came has a wrong checksum; look at its wires and at their length".to_owned())
        }
        _ => Error::Other("the chip is not in order; take its power away for a moment".to_owned()),
    };
    let mut chip = Scd4x::new(bus, delay.clone());
    if !chip.data_ready_status().map_err(explain)? {
        match chip.start_periodic_measurement() {
            // One that measures does not acknowledge this. Whether it is there is seen at the next look.
            Err(scd4x::Error::I2c(error)) if matches!(error.kind(), ErrorKind::NoAcknowledge(_)) => {}
            started => started.map_err(explain)?,
        }
        let mut looks = 0;
        while !chip.data_ready_status().map_err(explain)? {
            looks += 1;
            if looks > LOOKS {
                return Err(Error::Other(
                    "the chip measures nothing; look at its supply, which has to give 205 mA at times".to_owned(),
                ));
            }
            delay.delay_ms(LOOK_EVERY_MS);
        }
    }
    let data = chip.measurement().map_err(explain)?;
    // It says 0 until it has measured (data sheet, section 3.5.2).
    if data.co2 == 0 {
        return Err(Error::Other("the chip has not measured yet".to_owned()));
    }
    Ok(Measured { co2: data.co2, temperature: data.temperature.into(), humidity: data.humidity.into() })
}

/// The chip's own resolution, without the digits that binary fractions have beside it.
fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

export_sensor!(Air);

#[cfg(test)]
mod tests {
    use punchcard_chips as chips;
    use punchcard_chips::{Bus, BusError, Fault};
    use punchcard_sdk::settings::parse_settings;

    use super::*;

    const ADDRESS: u8 = 0x62;

    #[derive(Clone)]
    struct NoDelay;

    impl DelayNs for NoDelay {
        fn delay_ns(&mut self, _: u32) {}
    }

    fn read(bus: &Bus) -> Result<Measured, Error> {
        measure(bus.clone(), NoDelay, |error: BusError| Error::Other(error.to_string()))
    }

    fn said(bus: &Bus) -> String {
        match read(bus) {
            Err(Error::Other(said)) => said,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn it_is_started_where_it_was_not_and_read() {
        let bus = Bus::new();
        let air = chips::Air { temperature: 22.5, humidity: 48.0, pressure: 0.0 };
        let chip = bus.attach(ADDRESS, chips::Scd4x::new(640, air));
        for _ in 0..2 {
            let Measured { co2, temperature, humidity } = read(&bus).unwrap();
            assert_eq!((co2, round(temperature), round(humidity)), (640, 22.5, 48.0));
        }
        assert_eq!(chip.lock().unwrap().complaints(), [""; 0]);
        bus.unplug(ADDRESS);
        assert!(said(&bus).contains("no answer"));
        bus.plug_in(ADDRESS);
        chip.lock().unwrap().set_air(0, air);
        assert!(said(&bus).contains("not measured yet"));
        chip.lock().unwrap().set_air(1_800, air);
        assert_eq!(read(&bus).unwrap().co2, 1_800);
    }

    #[test]
    fn what_does_not_come_whole_is_no_reading() {
        let bus = Bus::new();
        let chip = bus.attach(ADDRESS, chips::Scd4x::new(640, chips::Air::default()));
        chip.lock().unwrap().set_broken(true);
        assert!(said(&bus).contains("checksum"));
        bus.set_fault(Some(Fault::TimesOut));
        assert!(said(&bus).contains("timed out"));
        assert!(parse_settings::<Settings>(r#"{"interval":5}"#).is_err());
    }
}
