//! Calls of a sensor, and what is checked in its answers.

use std::sync::Arc;
use std::time::Duration;

use punchcard_core::event::Value;
use punchcard_core::name::{EventKind, FieldName, LoanName};
use punchcard_core::plugin::sensor::{Loans, Polled, Reading};
use punchcard_core::time::Context;

use super::cache::Fingerprint;
use super::call::{Answer, CallError};
use super::formatter::check_state;
use super::lender::Lender;
use super::loaded::Loaded;
use super::tally::Tally;

/// Readings of one poll, and fields of one reading.
const READINGS: usize = 100;
const FIELDS: usize = 64;
/// Devices of one kind that it opens.
const LOANS: usize = 16;
/// How many times as long as another call a poll may take.
const POLL_TIMES: u32 = 10;
/// Bytes of a field's text.
const TEXT_BYTES: usize = 4096;

/// What a sensor of any version of the contract is asked.
pub(super) trait Calls: Send + Sync {
    fn loaded(&self) -> &Loaded;

    fn check<'a>(&'a self, settings: &'a str) -> Answer<'a, ()>;

    fn loans<'a>(&'a self, settings: &'a str) -> Answer<'a, Loans>;

    fn poll<'a>(
        &'a self,
        lender: Arc<dyn Lender>,
        limit: Duration,
        settings: &'a str,
        state: &'a [u8],
        context: &'a Context,
    ) -> Answer<'a, Polled>;
}

/// A plugin that reads a sensor.
#[derive(Clone)]
pub struct Sensor {
    calls: Arc<dyn Calls>,
}

impl Sensor {
    pub(super) fn new(calls: impl Calls + 'static) -> Self {
        Self { calls: Arc::new(calls) }
    }

    /// What became of its calls.
    #[must_use]
    pub fn tally(&self) -> &Arc<Tally> {
        &self.calls.loaded().tally
    }

    /// The SHA-256 of the component.
    #[must_use]
    pub fn sha256(&self) -> &Fingerprint {
        &self.calls.loaded().sha256
    }

    /// Whether these settings can work.
    ///
    /// # Errors
    /// When they can't, or the call fails.
    pub async fn check(&self, settings: &str) -> Result<(), CallError> {
        self.calls.check(settings).await
    }

    /// What it opens under these settings.
    ///
    /// # Errors
    /// When the call fails, or what it opens has no names.
    pub async fn loans(&self, settings: &str) -> Result<Loans, CallError> {
        let loans = self.calls.loans(settings).await?;
        for names in [&loans.i2c, &loans.lines, &loans.one_wire] {
            if names.len() > LOANS {
                return Err(CallError::refused(format!("it opens {} devices; at most {LOANS} are lent", names.len())));
            }
            if names.iter().any(|name| LoanName::parse(name).is_err()) {
                return Err(CallError::refused("what it opens has no name that plugins.toml could lend it under"));
            }
        }
        Ok(loans)
    }

    /// How long a poll may take: a plugin waits for its chip, and buses for chips that hold them up.
    #[must_use]
    pub fn poll_for(&self) -> Duration {
        self.calls.loaded().limits.call_for * POLL_TIMES
    }

    /// Reads the sensor, with what `lender` lends.
    ///
    /// # Errors
    /// When the call fails or its answer breaks the contract; the state is then as it was.
    pub async fn poll(
        &self,
        lender: Arc<dyn Lender>,
        settings: &str,
        state: &[u8],
        context: &Context,
    ) -> Result<Polled, CallError> {
        let ended = self.checked_poll(lender, settings, state, context).await;
        ended.inspect_err(|error| self.tally().note_error(error))
    }

    async fn checked_poll(
        &self,
        lender: Arc<dyn Lender>,
        settings: &str,
        state: &[u8],
        context: &Context,
    ) -> Result<Polled, CallError> {
        let polled = self.calls.poll(lender, self.poll_for(), settings, state, context).await?;
        check_state(&polled.state, self.calls.loaded().limits.state_bytes)?;
        if polled.readings.len() > READINGS {
            let found = polled.readings.len();
            return Err(CallError::refused(format!("{found} readings at once; at most {READINGS} are taken")));
        }
        polled.readings.iter().try_for_each(check_reading).map_err(CallError::refused)?;
        Ok(polled)
    }
}

/// Why no event can be made of a reading.
fn check_reading(reading: &Reading) -> Result<(), String> {
    // Neither is said: what is no name may be of any length.
    EventKind::parse(&reading.kind).map_err(|_| "a reading whose kind is no event's name".to_owned())?;
    if reading.fields.len() > FIELDS {
        return Err(format!("a reading of {} fields; at most {FIELDS} are taken", reading.fields.len()));
    }
    for (position, field) in reading.fields.iter().enumerate() {
        FieldName::parse(&field.name).map_err(|_| format!("field {position} of a reading has no field's name"))?;
        if reading.fields[..position].iter().any(|earlier| earlier.name == field.name) {
            return Err(format!("two fields of a reading have the name `{}`", field.name));
        }
        match &field.value {
            Value::Text(text) if text.len() > TEXT_BYTES => {
                return Err(format!("a field of {} bytes; at most {TEXT_BYTES} are taken", text.len()));
            }
            Value::Number(number) if !number.is_finite() => {
                return Err(format!("the number {number}, which no sheet holds"));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use punchcard_core::event::Field;

    use super::*;

    #[test]
    fn an_event_can_be_made_of_every_reading_that_is_taken() {
        let reading = |kind: &str, fields: Vec<(&str, Value)>| Reading {
            kind: kind.to_owned(),
            fields: fields.into_iter().map(|(name, value)| Field { name: name.to_owned(), value }).collect(),
        };
        let number = |number: f64| Value::Number(number);
        assert_eq!(
            check_reading(&reading("reading", vec![("celsius", number(21.5)), ("ok", Value::Flag(true))])),
            Ok(())
        );
        for bad in [
            reading("", vec![]),
            reading(&"x".repeat(1_000), vec![]),
            reading("reading", vec![("no name", number(1.0))]),
            reading("reading", vec![("celsius", number(f64::NAN))]),
            reading("reading", vec![("celsius", number(1.0)), ("celsius", number(2.0))]),
            reading("reading", vec![("note", Value::Text("x".repeat(4_097)))]),
            reading("reading", vec![("celsius", number(1.0)); 65]),
        ] {
            assert!(check_reading(&bad).is_err(), "{bad:?}");
        }
    }
}
