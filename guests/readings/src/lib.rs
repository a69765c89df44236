//! Measurements: a row for each reading, with the columns that the settings name.
//!
//! Nothing is remembered from one call to the next. A field that a reading lacks leaves its cell empty, and a column that no
//! reading of a call fills is said in the log; a reading that lacks all of them is rejected. A field of another kind than its
//! column's rejects the reading, for a number among texts would be found only when somebody sums them up.

use punchcard_sdk::{
    Cell, Column, ColumnKind, Context, Error, Event, Formatter, Value, Verdict, export_formatter, log, row,
};
use serde::{Deserialize, Serialize};

/// The key of the column that holds the reading's moment. No field can have it: it has a space.
const TIME: &str = "the time";

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

/// What the rows of this call hold. None of it is written down: each call begins with nothing.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "()", into = "()")]
pub struct Filled {
    rows: u32,
    /// The positions in `columns` of those with a value in any of the rows.
    columns: Vec<usize>,
}

impl From<()> for Filled {
    fn from((): ()) -> Self {
        Self::default()
    }
}

impl From<Filled> for () {
    fn from(_: Filled) {}
}

/// The formatter.
#[derive(Debug)]
pub struct Readings;

impl Formatter for Readings {
    type Settings = Settings;
    type State = Filled;

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

    fn format(settings: &Settings, filled: &mut Filled, event: &Event, _: &Context) -> Result<Verdict, Error> {
        let has = |column: &Measured| event.fields.iter().any(|field| field.name == column.field);
        if !settings.columns.iter().any(has) {
            // A misspelt field would leave empty cells for years.
            let found: Vec<String> = event.fields.iter().map(|field| format!("`{}`", field.name)).collect();
            let found = if found.is_empty() { "none at all".to_owned() } else { found.join(", ") };
            return Ok(Verdict::Reject(format!("it has none of the fields that `columns` names, but {found}")));
        }
        let mut cells = vec![Cell::Moment(event.at)];
        for column in &settings.columns {
            let value = event.fields.iter().find(|field| field.name == column.field).map(|field| &field.value);
            match cell(column.kind, value) {
                Some(cell) => cells.push(cell),
                None => {
                    let reason = format!("the field `{}` is not what its column holds", column.field);
                    return Ok(Verdict::Reject(reason));
                }
            }
        }
        filled.add(&cells[1..]);
        Ok(row(cells))
    }

    /// Says nothing on the panel: it is what the SDK asks once a call, when all its readings have been formatted.
    fn standing(settings: &Settings, filled: &Filled) -> Option<String> {
        if let Some(warning) = filled.render_warning(&settings.columns) {
            log::warn(&warning);
        }
        None
    }
}

impl Filled {
    fn add(&mut self, cells: &[Cell]) {
        self.rows = self.rows.saturating_add(1);
        for (position, cell) in cells.iter().enumerate() {
            if *cell != Cell::Empty && !self.columns.contains(&position) {
                self.columns.push(position);
            }
        }
    }

    /// Which columns all the rows leave empty.
    fn render_warning(&self, columns: &[Measured]) -> Option<String> {
        if self.rows == 0 {
            return None;
        }
        let empty = columns.iter().enumerate().filter(|(position, _)| !self.columns.contains(position));
        let empty: Vec<String> = empty.map(|(_, column)| format!("`{}`", column.field)).collect();
        let readings = if self.rows == 1 { "reading".to_owned() } else { format!("{} readings", self.rows) };
        (!empty.is_empty())
            .then(|| format!("`columns` names {}, which the last {readings} did not have", empty.join(", ")))
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
fn cell(kind: Kind, value: Option<&Value>) -> Option<Cell> {
    let Some(value) = value else { return Some(Cell::Empty) };
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

#[expect(clippy::cast_precision_loss, reason = "a sheet's numbers have 53 bits too")]
fn number(integer: i64) -> f64 {
    integer as f64
}

export_formatter!(Readings);

#[cfg(test)]
mod tests;
