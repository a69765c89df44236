//! Measurements: a row for each reading, with the columns that the settings name.
//!
//! A field that a reading lacks leaves its cell empty, for several sensors may share a sheet; a column that no reading ever
//! filled is said in the log, and a reading that has none of the columns is rejected. A field of another kind than its
//! column's rejects the reading, for a number among texts would be found only when somebody sums them up. A reading of which
//! the moment is a guess says so.

use std::collections::BTreeMap;

use punchcard_sdk::quote::quote;
use punchcard_sdk::{
    Cell, Column, ColumnKind, Context, Error, Event, Formatter, Value, Verdict, export_formatter, log, row,
};
use serde::{Deserialize, Serialize};

/// The key of the column that holds the reading's moment. No field can have it: it has a space.
const TIME: &str = "the time";
/// A text that does not fit is quoted up to here, in characters.
const QUOTE: usize = 100;

/// `format.settings` of the sink.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// After the time, from left to right.
    columns: Vec<Measured>,
    /// The title of the column with the reading's moment.
    #[serde(default = "time_title")]
    time_title: String,
}

fn time_title() -> String {
    "Time".to_owned()
}

/// A column: the name of a number's field, or more about it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "RawMeasured")]
struct Measured {
    field: String,
    title: String,
    kind: Kind,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a column is the name of a field, or { field = \"…\", title = \"…\", kind = \"number\" | \"text\" | \"flag\" | \"date-time\" | \"duration\" }"
)]
enum RawMeasured {
    Name(String),
    Table(RawTable),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTable {
    field: String,
    title: Option<String>,
    #[serde(default)]
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    #[default]
    Number,
    Text,
    Flag,
    DateTime,
    /// Seconds.
    Duration,
}

impl From<RawMeasured> for Measured {
    fn from(raw: RawMeasured) -> Self {
        let RawTable { field, title, kind } = match raw {
            RawMeasured::Name(field) => RawTable { field, title: None, kind: Kind::default() },
            RawMeasured::Table(table) => table,
        };
        let title = title.unwrap_or_else(|| capitalised(&field));
        Self { field, title, kind }
    }
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// The columns that were ever asked for, by their fields: how many readings had no value so far; null once one had.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Option<Gaps>", into = "Gaps")]
pub struct Missing(Gaps);

type Gaps = BTreeMap<String, Option<u64>>;

impl From<Option<Gaps>> for Missing {
    /// An older version wrote null.
    fn from(gaps: Option<Gaps>) -> Self {
        Self(gaps.unwrap_or_default())
    }
}

impl From<Missing> for Gaps {
    fn from(Missing(gaps): Missing) -> Self {
        gaps
    }
}

/// The formatter.
#[derive(Debug)]
pub struct Readings;

impl Formatter for Readings {
    type Settings = Settings;
    type State = Missing;

    fn columns(settings: &Settings) -> Result<Vec<Column>, Error> {
        check(settings)?;
        let time = Column { key: TIME.into(), title: settings.time_title.clone(), kind: ColumnKind::DateTime };
        let measured = settings.columns.iter().map(|column| Column {
            key: column.field.clone(),
            title: column.title.clone(),
            kind: match column.kind {
                Kind::Number => ColumnKind::Number,
                Kind::Text => ColumnKind::Text,
                Kind::Flag => ColumnKind::Flag,
                Kind::DateTime => ColumnKind::DateTime,
                Kind::Duration => ColumnKind::Duration,
            },
        });
        Ok([time].into_iter().chain(measured).collect())
    }

    fn format(settings: &Settings, missing: &mut Missing, event: &Event, _: &Context) -> Result<Verdict, Error> {
        let has = |column: &Measured| event.fields.iter().any(|field| field.name == column.field);
        if !settings.columns.iter().any(has) {
            // A misspelt field would leave empty cells for years.
            let found: Vec<String> = event.fields.iter().map(|field| format!("`{}`", field.name)).collect();
            let found = if found.is_empty() { "none at all".to_owned() } else { found.join(", ") };
            return Ok(Verdict::Reject(format!("it has none of the fields that `columns` names, but {found}")));
        }
        let mut cells = vec![event.moment()];
        for column in &settings.columns {
            let Some(field) = event.fields.iter().find(|field| field.name == column.field) else {
                cells.push(Cell::Empty);
                continue;
            };
            match cell(column.kind, &field.value) {
                Some(cell) => cells.push(cell),
                None => return Ok(Verdict::Reject(misfit(column, &field.value))),
            }
        }
        for (column, cell) in settings.columns.iter().zip(&cells[1..]) {
            if let Some(warning) = missing.note(&column.field, *cell != Cell::Empty) {
                log::warn(&warning);
            }
        }
        Ok(row(cells))
    }

    /// A reading without the only column is rejected. Of several columns each may be empty.
    fn fields(settings: &Settings) -> Vec<String> {
        match settings.columns.as_slice() {
            [only] => vec![only.field.clone()],
            _ => Vec::new(),
        }
    }
}

impl Missing {
    /// Notes whether a reading had a value for the column of this field. Returns what is to be said: after ten readings
    /// without one, a hundred, a thousand and so on.
    fn note(&mut self, field: &str, filled: bool) -> Option<String> {
        let Some(gap) = self.0.get_mut(field) else {
            self.0.insert(field.to_owned(), (!filled).then_some(1));
            return None;
        };
        if filled {
            *gap = None;
        }
        let readings = gap.as_mut()?;
        *readings = readings.saturating_add(1);
        (*readings >= 10 && 10_u64.pow(readings.ilog10()) == *readings)
            .then(|| format!("`columns` names `{field}`, which none of {readings} readings had"))
    }
}

fn check(settings: &Settings) -> Result<(), Error> {
    if settings.columns.is_empty() {
        return Err(Error::InvalidSettings("`columns` is empty; name at least one field".into()));
    }
    for (position, column) in settings.columns.iter().enumerate() {
        if column.field.is_empty() || column.field.contains(' ') {
            let found = &column.field;
            return Err(Error::InvalidSettings(format!("`columns` names `{found}`, which is no field's name")));
        }
        if settings.columns[..position].iter().any(|earlier| earlier.field == column.field) {
            return Err(Error::InvalidSettings(format!("`columns` names the field `{}` twice", column.field)));
        }
    }
    Ok(())
}

/// The cell of a value, unless it is of another kind than its column.
fn cell(kind: Kind, value: &Value) -> Option<Cell> {
    Some(match (kind, value) {
        (Kind::Number, Value::Number(number)) => Cell::Number(*number),
        (Kind::Number, Value::Integer(integer)) => Cell::Number(number(*integer)),
        (Kind::Text, Value::Text(text)) => Cell::Text(text.clone()),
        (Kind::Text, Value::Integer(integer)) => Cell::Text(integer.to_string()),
        (Kind::Text, Value::Number(number)) => Cell::Text(number.to_string()),
        (Kind::Flag, Value::Flag(flag)) => Cell::Flag(*flag),
        (Kind::DateTime, Value::Moment(moment)) => Cell::Moment(*moment),
        (Kind::Duration, Value::Number(seconds)) => Cell::Seconds(*seconds),
        (Kind::Duration, Value::Integer(seconds)) => Cell::Seconds(number(*seconds)),
        _ => return None,
    })
}

/// Why a value can't stand in its column.
fn misfit(column: &Measured, value: &Value) -> String {
    let found = match value {
        Value::Text(text) => format!("the text \"{}\"", quote(text, QUOTE)),
        Value::Integer(integer) => format!("the integer {integer}"),
        Value::Number(number) => format!("the number {number}"),
        Value::Flag(flag) => format!("the flag {flag}"),
        Value::Moment(moment) => format!("the moment {}", moment.to_rfc_3339()),
    };
    let wanted = match column.kind {
        Kind::Number => "a number",
        Kind::Text => "a text or a number",
        Kind::Flag => "a flag, true or false",
        Kind::DateTime => "a moment",
        Kind::Duration => "a number of seconds",
    };
    format!("the field `{}` is {found}; its column \"{}\" wants {wanted}", column.field, column.title)
}

#[expect(clippy::cast_precision_loss, reason = "a sheet's numbers have 53 bits too")]
fn number(integer: i64) -> f64 {
    integer as f64
}

export_formatter!(Readings);

#[cfg(test)]
mod tests;
