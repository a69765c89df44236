//! Whether a contact is closed: a door, a float, a relay. A probe that must not be powered all the time is powered while it is
//! read.

use embedded_hal::delay::DelayNs as _;
use punchcard_sdk::sensor::hardware::{Delay, open_line};
use punchcard_sdk::sensor::{Loans, Reading, Sensor};
use punchcard_sdk::{Context, Error, Field, Value, export_sensor};
use serde::Deserialize;

/// The names of the lines that it opens.
const CONTACT: &str = "contact";
const POWER: &str = "power";
/// The longest time with power before it is read, in milliseconds.
const LONGEST_POWER_MS: u32 = 1_000;

/// The sensor's `settings`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// The field that says whether it is closed.
    field: String,
    /// At what level it is closed.
    closed: Level,
    /// Whether a reading that is like the last one is left out.
    only_changes: bool,
    /// How long `power` is high before it is read, in milliseconds. Left out: nothing is powered.
    power_ms: Option<u32>,
}

/// At what a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Level {
    High,
    Low,
}

impl Default for Settings {
    fn default() -> Self {
        Self { field: "closed".to_owned(), closed: Level::Low, only_changes: false, power_ms: None }
    }
}

/// The plugin.
#[derive(Debug)]
pub struct Contact;

impl Sensor for Contact {
    type Settings = Settings;
    /// Whether it was closed when it was read last.
    type State = Option<bool>;

    fn check(settings: &Settings) -> Result<(), Error> {
        if settings.field.is_empty() {
            return Err(Error::InvalidSettings("`field` is empty; accepted is the name of a field".to_owned()));
        }
        match settings.power_ms {
            Some(power_ms) if power_ms > LONGEST_POWER_MS => {
                Err(Error::InvalidSettings(format!("`power-ms` is {power_ms}; accepted is 0 to {LONGEST_POWER_MS}")))
            }
            _ => Ok(()),
        }
    }

    fn loans(settings: &Settings) -> Loans {
        let power = settings.power_ms.map(|_| POWER);
        let lines = [CONTACT].into_iter().chain(power).map(str::to_owned).collect();
        Loans { i2c: Vec::new(), lines, one_wire: Vec::new() }
    }

    fn poll(settings: &Settings, last: &mut Option<bool>, _: &Context) -> Result<Vec<Reading>, Error> {
        let is_high = match settings.power_ms {
            None => open_line(CONTACT)?.is_high()?,
            Some(power_ms) => {
                let power = open_line(POWER)?;
                power.set(true)?;
                Delay.delay_ms(power_ms);
                let is_high = open_line(CONTACT).and_then(|line| line.is_high());
                // Also where it could not be read.
                power.set(false)?;
                is_high?
            }
        };
        Ok(tell(settings, last, is_high))
    }
}

/// What is told of a level, and remembered of it.
fn tell(settings: &Settings, last: &mut Option<bool>, is_high: bool) -> Vec<Reading> {
    let is_closed = is_high == (settings.closed == Level::High);
    let is_news = last.replace(is_closed) != Some(is_closed);
    if settings.only_changes && !is_news {
        return Vec::new();
    }
    let fields = vec![Field { name: settings.field.clone(), value: Value::Flag(is_closed) }];
    vec![Reading { kind: "reading".to_owned(), fields }]
}

export_sensor!(Contact);

#[cfg(test)]
mod tests {
    use punchcard_sdk::settings::parse_settings;

    use super::*;

    #[test]
    fn a_level_means_closed_or_open_and_is_told_when_it_changes_or_always() {
        for (settings, levels, told) in [
            ("{}", vec![false, true, true], vec![Some(true), Some(false), Some(false)]),
            (r#"{"closed":"high"}"#, vec![false, true], vec![Some(false), Some(true)]),
            (r#"{"only-changes":true}"#, vec![true, true, false, false], vec![Some(false), None, Some(true), None]),
        ] {
            let settings: Settings = parse_settings(settings).unwrap();
            let mut last = None;
            let mut is_told = |is_high| {
                let readings = tell(&settings, &mut last, is_high);
                readings.first().map(|reading| reading.fields[0].value == Value::Flag(true))
            };
            assert_eq!(levels.into_iter().map(&mut is_told).collect::<Vec<_>>(), told, "{settings:?}");
        }
    }

    #[test]
    fn it_opens_what_its_settings_need() {
        let loans = |json: &str| Contact::loans(&parse_settings(json).unwrap()).lines;
        assert_eq!(loans("{}"), ["contact"]);
        assert_eq!(loans(r#"{"power-ms":5}"#), ["contact", "power"]);
        let check = |json: &str| Contact::check(&parse_settings(json)?);
        assert_eq!(check(r#"{"power-ms":1000}"#), Ok(()));
        for bad in [r#"{"power-ms":1001}"#, r#"{"field":""}"#, r#"{"closed":"off"}"#, r#"{"line":4}"#] {
            assert!(matches!(check(bad), Err(Error::InvalidSettings(_))), "{bad}");
        }
    }
}
