//! A sensor without hardware, so that tests of the host meet a real component of its world.
//!
//! What it reads comes from its settings and from how often it was polled, so that a test can tell whether both went there
//! and came back. Imports nothing but the log.

use punchcard_sdk::sensor::{Loans, Reading, Sensor};
use punchcard_sdk::{Context, Error, Field, Value, export_sensor};
use serde::Deserialize;

/// The sensor's `settings`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where it hangs.
    place: String,
    /// Degrees at the first poll.
    degrees: f64,
    /// How many degrees more at each further poll.
    #[serde(default)]
    rise: f64,
    /// Polls that fail, counted from 1.
    #[serde(default)]
    fails: Vec<u32>,
}

/// The sensor.
#[derive(Debug)]
pub struct Thermometer;

impl Sensor for Thermometer {
    type Settings = Settings;
    /// How often it was read.
    type State = u32;

    fn check(settings: &Settings) -> Result<(), Error> {
        if settings.place.is_empty() {
            return Err(Error::InvalidSettings("`place` is empty; say where it hangs".to_owned()));
        }
        Ok(())
    }

    fn loans(_: &Settings) -> Loans {
        Loans { i2c: Vec::new(), lines: Vec::new(), one_wire: Vec::new() }
    }

    fn poll(settings: &Settings, polls: &mut u32, context: &Context) -> Result<Vec<Reading>, Error> {
        *polls = polls.saturating_add(1);
        if settings.fails.contains(polls) {
            return Err(Error::Other(format!("poll {polls} fails, as the settings say")));
        }
        let degrees = settings.degrees + settings.rise * f64::from(*polls - 1);
        let field = |name: &str, value| Field { name: name.to_owned(), value };
        let fields = vec![
            field("place", Value::Text(settings.place.clone())),
            field("temperature", Value::Number(degrees)),
            field("polls", Value::Integer(i64::from(*polls))),
            field("read", Value::Moment(context.now)),
        ];
        Ok(vec![Reading { kind: "reading".to_owned(), fields }])
    }
}

export_sensor!(Thermometer);

#[cfg(test)]
mod tests {
    use punchcard_sdk::Instant;
    use punchcard_sdk::settings::parse_settings;

    use super::*;

    fn context() -> Context {
        let now = Instant { unix_micros: 7, utc_offset_minutes: 0 };
        Context { now, monotonic_ms: 0, boot: "b".into(), entropy: vec![], device: "d".into() }
    }

    #[test]
    fn what_it_reads_comes_from_its_settings_and_its_state() {
        let settings: Settings = parse_settings(r#"{"place":"shed","degrees":20.5,"rise":0.25,"fails":[2]}"#).unwrap();
        let mut polls = 0;
        let mut values = || -> Result<Vec<Value>, Error> {
            let mut readings = Thermometer::poll(&settings, &mut polls, &context())?;
            Ok(readings.remove(0).fields.into_iter().map(|field| field.value).collect())
        };
        let read = |degrees, polls| {
            let place = Value::Text("shed".into());
            vec![place, Value::Number(degrees), Value::Integer(polls), Value::Moment(context().now)]
        };
        assert_eq!(values(), Ok(read(20.5, 1)));
        assert_eq!(values(), Err(Error::Other("poll 2 fails, as the settings say".into())));
        assert_eq!(values(), Ok(read(21.0, 3)));
        let nowhere = parse_settings(r#"{"place":"","degrees":1}"#).unwrap();
        assert!(matches!(Thermometer::check(&nowhere), Err(Error::InvalidSettings(_))));
    }
}
