//! How values stand in the file: as JSON that a person can read and SQLite's JSON functions can query.
//!
//! Text, numbers, flags and nothing are JSON's own. A whole number has no point, any other has one. A moment is
//! `{"moment":[µs since 1970, minutes east of UTC]}`, one that is a guess `{"estimated":[…]}`, a span `{"seconds":1.5}`. The
//! fields of an event are one object, in their order. Old ledgers hold this form: it may be added to, never changed.

use std::borrow::Cow;
use std::fmt;

use punchcard_core::event::{Field, Value};
use punchcard_core::row::{Cell, Column};
use punchcard_core::time::Instant;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use super::error::StorageError;

/// A number that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a number that is not finite can't be kept")]
pub struct NotFinite;

/// The stored form of an event's fields.
pub(super) fn render_fields(fields: &[Field]) -> Result<String, NotFinite> {
    finite(fields.iter().map(|field| match &field.value {
        Value::Number(number) => *number,
        Value::Text(_) | Value::Integer(_) | Value::Flag(_) | Value::Moment(_) => 0.0,
    }))?;
    let mut text = Vec::new();
    let entries = fields.iter().map(|field| (&field.name, Scalar::from(&field.value)));
    serde_json::Serializer::new(&mut text).collect_map(entries).map_err(|_| NotFinite)?;
    String::from_utf8(text).map_err(|_| NotFinite)
}

/// An event's fields from their stored form.
pub(super) fn parse_fields(text: &str) -> Result<Vec<Field>, StorageError> {
    let stored: StoredFields = parse(text, "fields of an event")?;
    Ok(stored.0)
}

/// The stored form of a row's cells.
pub(super) fn render_cells(cells: &[Cell]) -> Result<String, NotFinite> {
    finite(cells.iter().map(|cell| match cell {
        Cell::Number(number) | Cell::Seconds(number) => *number,
        Cell::Empty | Cell::Text(_) | Cell::Flag(_) | Cell::Moment(_) | Cell::Estimated(_) => 0.0,
    }))?;
    let mut text = Vec::with_capacity(32 * cells.len());
    serde_json::Serializer::new(&mut text).collect_seq(cells.iter().map(Scalar::from)).map_err(|_| NotFinite)?;
    String::from_utf8(text).map_err(|_| NotFinite)
}

/// A row's cells from their stored form.
pub(super) fn parse_cells(text: &str) -> Result<Vec<Cell>, StorageError> {
    let stored: Vec<StoredCell> = parse(text, "cells of a row")?;
    Ok(stored.into_iter().map(|cell| cell.0).collect())
}

/// The stored form of a set of columns; equal sets have equal forms.
pub(super) fn render_columns(columns: &[Column]) -> Result<String, StorageError> {
    serde_json::to_string(columns).map_err(|source| StorageError::Unreadable { what: "columns", source })
}

/// A set of columns from its stored form.
pub(super) fn parse_columns(text: &str) -> Result<Vec<Column>, StorageError> {
    parse(text, "columns")
}

/// A text that [`parse`] reads.
pub(super) fn render<T: Serialize>(value: &T) -> Result<String, StorageError> {
    Ok(serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?)
}

/// Any value that has a form of its own.
pub(super) fn parse<'text, T: Deserialize<'text>>(text: &'text str, what: &'static str) -> Result<T, StorageError> {
    serde_json::from_str(text).map_err(|source| StorageError::Unreadable { what, source })
}

/// JSON has no other numbers, and would turn them into nothing without a word.
fn finite(mut numbers: impl Iterator<Item = f64>) -> Result<(), NotFinite> {
    if numbers.all(f64::is_finite) { Ok(()) } else { Err(NotFinite) }
}

/// Any value, as it is written.
enum Scalar<'a> {
    Empty,
    Text(Cow<'a, str>),
    Integer(i64),
    Number(f64),
    Flag(bool),
    Moment(Instant),
    Estimated(Instant),
    Seconds(f64),
}

#[derive(Serialize)]
struct StoredMoment {
    moment: (i64, i16),
}

#[derive(Serialize)]
struct StoredEstimate {
    estimated: (i64, i16),
}

#[derive(Serialize)]
struct StoredSeconds {
    seconds: f64,
}

impl Serialize for Scalar<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Empty => serializer.serialize_unit(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Integer(integer) => serializer.serialize_i64(*integer),
            Self::Number(number) => serializer.serialize_f64(*number),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Moment(at) => StoredMoment { moment: (at.unix_micros, at.utc_offset_minutes) }.serialize(serializer),
            Self::Estimated(at) => {
                StoredEstimate { estimated: (at.unix_micros, at.utc_offset_minutes) }.serialize(serializer)
            }
            Self::Seconds(seconds) => StoredSeconds { seconds: *seconds }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar<'static> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'static>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("null, a text, a number, a flag, a moment, an estimate or seconds")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Empty)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Flag(flag))
    }

    fn visit_i64<E>(self, integer: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Integer(integer))
    }

    fn visit_u64<E: de::Error>(self, integer: u64) -> Result<Self::Value, E> {
        let signed = i64::try_from(integer);
        signed.map(Scalar::Integer).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(integer), &self))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(number))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let scalar = match map.next_key::<Cow<'_, str>>()?.as_deref() {
            Some("moment") => Scalar::Moment(instant(map.next_value()?)),
            Some("estimated") => Scalar::Estimated(instant(map.next_value()?)),
            Some("seconds") => Scalar::Seconds(map.next_value()?),
            _ => return Err(de::Error::invalid_type(de::Unexpected::Map, &self)),
        };
        match map.next_key::<de::IgnoredAny>()? {
            None => Ok(scalar),
            Some(_) => Err(de::Error::custom("more than one thing in a value")),
        }
    }
}

fn instant((unix_micros, utc_offset_minutes): (i64, i16)) -> Instant {
    Instant { unix_micros, utc_offset_minutes }
}

impl<'a> From<&'a Value> for Scalar<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Text(text) => Self::Text(Cow::Borrowed(text)),
            Value::Integer(integer) => Self::Integer(*integer),
            Value::Number(number) => Self::Number(*number),
            Value::Flag(flag) => Self::Flag(*flag),
            Value::Moment(at) => Self::Moment(*at),
        }
    }
}

impl<'a> From<&'a Cell> for Scalar<'a> {
    fn from(cell: &'a Cell) -> Self {
        match cell {
            Cell::Empty => Self::Empty,
            Cell::Text(text) => Self::Text(Cow::Borrowed(text)),
            Cell::Number(number) => Self::Number(*number),
            Cell::Flag(flag) => Self::Flag(*flag),
            Cell::Moment(at) => Self::Moment(*at),
            Cell::Estimated(at) => Self::Estimated(*at),
            Cell::Seconds(seconds) => Self::Seconds(*seconds),
        }
    }
}

struct StoredCell(Cell);

impl<'de> Deserialize<'de> for StoredCell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match Scalar::deserialize(deserializer)? {
            Scalar::Empty => Cell::Empty,
            Scalar::Text(text) => Cell::Text(text.into_owned()),
            Scalar::Number(number) => Cell::Number(number),
            Scalar::Flag(flag) => Cell::Flag(flag),
            Scalar::Moment(at) => Cell::Moment(at),
            Scalar::Estimated(at) => Cell::Estimated(at),
            Scalar::Seconds(seconds) => Cell::Seconds(seconds),
            Scalar::Integer(integer) => {
                return Err(de::Error::invalid_type(de::Unexpected::Signed(integer), &"a number with a point"));
            }
        }))
    }
}

struct StoredValue(Value);

impl<'de> Deserialize<'de> for StoredValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match Scalar::deserialize(deserializer)? {
            Scalar::Text(text) => Value::Text(text.into_owned()),
            Scalar::Integer(integer) => Value::Integer(integer),
            Scalar::Number(number) => Value::Number(number),
            Scalar::Flag(flag) => Value::Flag(flag),
            Scalar::Moment(at) => Value::Moment(at),
            Scalar::Empty | Scalar::Estimated(_) | Scalar::Seconds(_) => {
                return Err(de::Error::custom("a field has no such value"));
            }
        }))
    }
}

struct StoredFields(Vec<Field>);

impl<'de> Deserialize<'de> for StoredFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = StoredFields;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, StoredValue>()? {
            fields.push(Field { name, value: value.0 });
        }
        Ok(StoredFields(fields))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};

    use super::*;

    fn field(name: &str, value: Value) -> Field {
        Field { name: name.to_owned(), value }
    }

    const MOMENT: Instant = Instant { unix_micros: -7, utc_offset_minutes: -210 };

    /// Ledgers out there hold exactly these texts.
    #[test]
    fn the_stored_form_of_fields_stays_what_it_is() {
        let fields = [
            field("project", Value::Text("Gar\"den\n".to_owned())),
            field("count", Value::Integer(-3)),
            field("most", Value::Integer(i64::MAX)),
            field("value", Value::Number(3.0)),
            field("ok", Value::Flag(true)),
            field("since", Value::Moment(MOMENT)),
            field("project", Value::Text("again".to_owned())),
        ];
        let text = r#"{"project":"Gar\"den\n","count":-3,"most":9223372036854775807,"value":3.0,"ok":true,"since":{"moment":[-7,-210]},"project":"again"}"#;
        assert_eq!(render_fields(&fields).unwrap(), text);
        assert_eq!(parse_fields(text).unwrap(), fields);
    }

    #[test]
    fn the_stored_form_of_cells_stays_what_it_is() {
        let cells = [
            Cell::Empty,
            Cell::Text("=1+1".to_owned()),
            Cell::Number(1.0),
            Cell::Flag(false),
            Cell::Moment(MOMENT),
            Cell::Estimated(MOMENT),
            Cell::Seconds(0.1),
        ];
        let text = r#"[null,"=1+1",1.0,false,{"moment":[-7,-210]},{"estimated":[-7,-210]},{"seconds":0.1}]"#;
        assert_eq!(render_cells(&cells).unwrap(), text);
        assert_eq!(parse_cells(text).unwrap(), cells);
    }

    #[test]
    fn what_the_ledger_never_writes_is_not_read() {
        for text in ["[1]", "[[]]", "[{}]", "[{\"x\":1}]", "[{\"seconds\":1.0,\"x\":1}]", "[{\"moment\":[1]}]", "[", ""]
        {
            assert!(
                matches!(parse_cells(text), Err(StorageError::Unreadable { what: "cells of a row", .. })),
                "{text}"
            );
        }
        for text in [
            "[]",
            "{\"a\":null}",
            "{\"a\":{\"seconds\":1.0}}",
            "{\"a\":{\"estimated\":[1,2]}}",
            "{\"a\":9223372036854775808}",
        ] {
            assert!(matches!(parse_fields(text), Err(StorageError::Unreadable { .. })), "{text}");
        }
    }

    #[test]
    fn a_number_that_is_none_is_refused_instead_of_becoming_nothing() {
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(render_fields(&[field("a", Value::Number(number))]), Err(NotFinite));
            assert_eq!(render_cells(&[Cell::Empty, Cell::Number(number)]), Err(NotFinite));
            assert_eq!(render_cells(&[Cell::Seconds(number)]), Err(NotFinite));
        }
    }

    fn finite_number() -> impl Strategy<Value = f64> {
        any::<f64>().prop_filter("finite", |number| number.is_finite())
    }

    fn moment() -> impl Strategy<Value = Instant> {
        (any::<i64>(), any::<i16>())
            .prop_map(|(unix_micros, utc_offset_minutes)| Instant { unix_micros, utc_offset_minutes })
    }

    proptest! {
        #[test]
        fn cells_come_back_bit_for_bit(cells in prop::collection::vec(prop_oneof![
            Just(Cell::Empty),
            any::<String>().prop_map(Cell::Text),
            finite_number().prop_map(Cell::Number),
            any::<bool>().prop_map(Cell::Flag),
            moment().prop_map(Cell::Moment),
            moment().prop_map(Cell::Estimated),
            finite_number().prop_map(Cell::Seconds),
        ], 0..6)) {
            prop_assert_eq!(parse_cells(&render_cells(&cells).unwrap()).unwrap(), cells);
        }

        #[test]
        fn fields_come_back_bit_for_bit_and_in_order(fields in prop::collection::vec((any::<String>(), prop_oneof![
            any::<String>().prop_map(Value::Text),
            any::<i64>().prop_map(Value::Integer),
            finite_number().prop_map(Value::Number),
            any::<bool>().prop_map(Value::Flag),
            moment().prop_map(Value::Moment),
        ]), 0..6)) {
            let fields: Vec<_> = fields.into_iter().map(|(name, value)| Field { name, value }).collect();
            prop_assert_eq!(parse_fields(&render_fields(&fields).unwrap()).unwrap(), fields);
        }
    }
}
