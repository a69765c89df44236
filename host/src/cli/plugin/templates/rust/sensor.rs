//! A sensor: reads a thermometer of the TMP102 kind, which plugins.toml lends under the name `sensor`.

wit_bindgen::generate!({ path: "wit", world: "sensor", generate_all });

use exports::punchcard::plugin::source::{Context, Error, Field, Guest, Loans, Polled, Reading};
use punchcard::plugin::hardware::{Operation, open_i2c};
use punchcard::plugin::records::Value;

struct Plugin;

// What a component exports has names that no other linker takes: tests go without.
#[cfg(target_arch = "wasm32")]
export!(Plugin);

impl Guest for Plugin {
    fn check(settings: String) -> Result<(), Error> {
        match settings.as_str() {
            "{}" => Ok(()),
            _ => Err(Error::InvalidSettings("this sensor has no settings".to_owned())),
        }
    }

    fn list_loans(_settings: String) -> Result<Loans, Error> {
        Ok(Loans { i2c: vec!["sensor".to_owned()], lines: Vec::new(), one_wire: Vec::new() })
    }

    fn poll(_settings: String, state: Vec<u8>, _context: Context) -> Result<Polled, Error> {
        let failed = |error| Error::Other(format!("the chip does not answer: {error:?}"));
        let chip = open_i2c("sensor").map_err(failed)?;
        // Its register 0 has the temperature.
        let answer = chip.transaction(&[Operation::Write(vec![0]), Operation::Read(2)]).map_err(failed)?;
        let celsius = answer.first().and_then(|bytes| celsius(bytes));
        let celsius = celsius.ok_or_else(|| Error::Other("the chip can't have measured this".to_owned()))?;
        let field = Field { name: "celsius".to_owned(), value: Value::Number(celsius) };
        Ok(Polled { state, readings: vec![Reading { kind: "reading".to_owned(), fields: vec![field] }] })
    }
}

/// Twelve bits, in sixteenths of a degree. The chip measures from -55 to 150 °C.
fn celsius(bytes: &[u8]) -> Option<f64> {
    let [high, low] = bytes else { return None };
    let celsius = f64::from(i16::from_be_bytes([*high, *low]) >> 4) / 16.0;
    (-55.0..=150.0).contains(&celsius).then_some(celsius)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_bytes_are_a_temperature_below_and_above_zero() {
        assert_eq!(celsius(&[0x19, 0x00]), Some(25.0));
        assert_eq!(celsius(&[0xe7, 0x00]), Some(-25.0));
        assert_eq!(celsius(&[0x80, 0x00]), None);
        assert_eq!(celsius(&[0x19]), None);
    }
}
