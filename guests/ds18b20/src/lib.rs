//! The temperature of a DS18B20, and of the other 1-Wire thermometers that the kernel's driver knows (`w1_therm`).
//!
//! The kernel speaks to the device, the host reads the kernel's file; here is told what its text means, and whether to believe
//! it. Table and figure numbers are of the data sheet (19-7487, revision 6).

use punchcard_sdk::quote::quote;
use punchcard_sdk::sensor::hardware::read_one_wire;
use punchcard_sdk::sensor::{Loans, Reading, Sensor};
use punchcard_sdk::{Context, Error, Field, Value, export_sensor};
use serde::Deserialize;

/// The name of the device that it opens.
const DEVICE: &str = "sensor";
/// What the memory holds after power, before a measurement: 85 degrees (figure 9, table 1), and a sixth byte that a measurement
/// changes.
const UNMEASURED: [&str; 3] = ["50", "05", "0c"];
/// What it can measure, in degrees.
const RANGE: std::ops::RangeInclusive<f64> = -55.0..=125.0;
/// A text that does not fit is quoted up to here, in characters.
const QUOTE: usize = 100;

/// The sensor's `settings`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Degrees Celsius that are added.
    #[serde(default)]
    temperature_offset: f64,
}

/// The plugin.
#[derive(Debug)]
pub struct Thermometer;

impl Sensor for Thermometer {
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
        Loans { i2c: Vec::new(), lines: Vec::new(), one_wire: vec![DEVICE.to_owned()] }
    }

    fn poll(settings: &Settings, (): &mut (), _: &Context) -> Result<Vec<Reading>, Error> {
        let degrees = parse_answer(&read_one_wire(DEVICE)?).map_err(Error::Other)?;
        // Without the digits that binary fractions have beside the thousandths.
        let value = ((degrees + settings.temperature_offset) * 1_000.0).round() / 1_000.0;
        let fields = vec![Field { name: "temperature".to_owned(), value: Value::Number(value) }];
        Ok(vec![Reading { kind: "reading".to_owned(), fields }])
    }
}

/// The degrees that the kernel's `w1_slave` tells: the memory's nine bytes in two lines, the first of which ends with whether
/// their checksum is right, the second with the thousandths of degrees.
fn parse_answer(text: &str) -> Result<f64, String> {
    let unknown = || format!("the kernel says something else than a thermometer's: \"{}\"", quote(text, QUOTE));
    let mut lines = text.lines();
    let (Some(first), Some(second)) = (lines.next(), lines.next()) else { return Err(unknown()) };
    let bytes: Vec<&str> = first.split_whitespace().take(9).collect();
    match first.split_whitespace().next_back() {
        Some("YES") => {}
        Some("NO") => {
            return Err(
                "what came has a wrong checksum; look at its wires, at their length, and at the resistor between data \
                        and 3.3 V"
                    .to_owned(),
            );
        }
        _ => return Err(unknown()),
    }
    // The checksum of nothing is right.
    if bytes.iter().all(|byte| *byte == "00") {
        return Err("it answers nothing but zeros: the data line is held low; look for a short circuit".to_owned());
    }
    if [bytes.first(), bytes.get(1), bytes.get(6)] == UNMEASURED.each_ref().map(Some) {
        return Err("it has not measured: its supply broke down meanwhile; give it 3.3 V of its own".to_owned());
    }
    let (_, thousandths) = second.rsplit_once("t=").ok_or_else(unknown)?;
    let degrees = thousandths.trim().parse::<i32>().map(|number| f64::from(number) / 1_000.0).map_err(|_| unknown())?;
    if RANGE.contains(&degrees) {
        Ok(degrees)
    } else {
        Err(format!("it answers nonsense: {degrees} degrees; look at its wires, or replace it"))
    }
}

export_sensor!(Thermometer);

#[cfg(test)]
mod tests {
    use punchcard_sdk::settings::parse_settings;

    use super::*;

    /// What the kernel says of these bytes.
    fn answer(bytes: &str, checksum: &str, thousandths: i32) -> String {
        format!("{bytes} : crc=57 {checksum}\n{bytes} t={thousandths}\n")
    }

    #[test]
    fn degrees_are_believed_where_the_device_measured_them() {
        const USUAL: &str = "72 01 4b 46 7f ff 0e 10 57";
        for (text, expected) in [
            (answer(USUAL, "YES", 23_125), Ok(23.125)),
            (answer("5e ff 4b 46 7f ff 02 10 ab", "YES", -10_125), Ok(-10.125)),
            // Really so hot.
            (answer("50 05 4b 46 7f ff 10 10 1c", "YES", 85_000), Ok(85.0)),
            (answer("50 05 4b 46 7f ff 0c 10 1c", "YES", 85_000), Err("has not measured")),
            (answer("00 00 00 00 00 00 00 00 00", "YES", 0), Err("nothing but zeros")),
            (answer(USUAL, "NO", 23_125), Err("wrong checksum")),
            (answer(USUAL, "YES", 200_000), Err("nonsense: 200 degrees")),
            (String::new(), Err("something else")),
            (format!("{USUAL} : crc=57 YES\n"), Err("something else")),
            (format!("{USUAL} : crc=57 YES\n{USUAL} t=warm\n"), Err("something else")),
            ("YES\nYES\n".to_owned(), Err("something else")),
        ] {
            match (parse_answer(&text), expected) {
                (Ok(degrees), Ok(expected)) => assert!((degrees - expected).abs() < 1e-9, "{text}"),
                (Err(said), Err(expected)) => assert!(said.contains(expected), "{said}"),
                (parsed, expected) => panic!("{text}: {parsed:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn its_settings_are_one_number_within_bounds() {
        let check = |json: &str| Thermometer::check(&parse_settings(json)?);
        assert_eq!(check(r#"{"temperature-offset":0.5}"#), Ok(()));
        for bad in [r#"{"temperature-offset":-21}"#, r#"{"offset":1}"#] {
            assert!(matches!(check(bad), Err(Error::InvalidSettings(_))), "{bad}");
        }
    }
}
