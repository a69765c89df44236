//! Tables of text, and what becomes of them.

use jiff::civil::DateTime;
use jiff::fmt::temporal::Pieces;
use jiff::tz::{Offset, TimeZone};
use thiserror::Error;
use ulid::Ulid;

use crate::event::{Event, Field, NewEvent, Sequence, Value};
use crate::name::InputName;
use crate::plugin::format::TimedEvent;
use crate::row::{Cell, Column, ColumnKind, Row};
use crate::time::{Certainty, Instant, Monotonic};

/// 2026-01-05T09:00:00Z, a Monday: when the first event of a table without moments happened. Each further one is a minute later.
const FIRST: i64 = 1_767_603_600_000_000;
const MINUTE: i64 = 60_000_000;

/// What is wrong with a table.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {reason}")]
pub struct TableError {
    /// Counted from 1.
    line: usize,
    reason: String,
}

fn wrong<T>(line: usize, reason: impl Into<String>) -> Result<T, TableError> {
    Err(TableError { line, reason: reason.into() })
}

/// Events, one for each line below the first. The columns `at`, `kind` and `source` are the event's own, and may be left out: a
/// minute after the one before, `punch`, `test`. Every other column is a field; an empty cell is none. What looks like a number
/// or a flag is one, unless the name says another: `badge:text`.
///
/// # Errors
/// The first line that is no event.
pub fn parse_events(text: &str) -> Result<Vec<TimedEvent>, TableError> {
    let (header, lines) = parse_table(text)?;
    let columns: Vec<(&str, Option<Kind>)> = header.iter().map(|name| split_kind(name)).collect::<Result<_, _>>()?;
    let mut events: Vec<TimedEvent> = Vec::new();
    for (line, cells) in &lines {
        let number = events.len();
        let before = events.last().map_or(FIRST - MINUTE, |event| event.at.unix_micros);
        let mut at = Instant { unix_micros: before + MINUTE, utc_offset_minutes: 0 };
        let (mut kind, mut source, mut fields) = ("punch".to_owned(), "test".to_owned(), Vec::new());
        for ((name, of), cell) in columns.iter().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
            match *name {
                "at" => at = parse_moment(*line, cell)?,
                "kind" => kind.clone_from(cell),
                "source" => source.clone_from(cell),
                name => fields.push(Field { name: name.to_owned(), value: parse_value(*line, cell, *of)? }),
            }
        }
        let Ok(source) = InputName::parse(&source) else {
            return wrong(*line, format!("`{source}` is no source's name"));
        };
        let milliseconds = u64::try_from(at.unix_micros / 1_000).unwrap_or(0);
        let happened = NewEvent {
            id: Ulid::from_parts(milliseconds, number as u128),
            at: Some(at),
            monotonic: Monotonic { milliseconds, boot: "test".to_owned() },
            source,
            kind,
            fields,
        };
        let event = Event { sequence: Sequence(number as u64 + 1), happened };
        events.push(TimedEvent { event, at, certainty: Certainty::Known });
    }
    Ok(events)
}

/// Rows, and their columns: of each the name is key and title. What a column holds is text, unless its name says `:number`,
/// `:flag` or `:moment`.
///
/// # Errors
/// The first line that is no row.
pub fn parse_rows(text: &str) -> Result<(Vec<Column>, Vec<Row>), TableError> {
    let (header, lines) = parse_table(text)?;
    let mut columns = Vec::new();
    for name in &header {
        let (name, kind) = split_kind(name)?;
        let kind = match kind {
            None | Some(Kind::Text) => ColumnKind::Text,
            Some(Kind::Number) => ColumnKind::Number,
            Some(Kind::Flag) => ColumnKind::Flag,
            Some(Kind::Moment) => ColumnKind::DateTime,
        };
        columns.push(Column { key: name.to_owned(), title: name.to_owned(), kind });
    }
    let mut rows = Vec::new();
    for (line, cells) in &lines {
        let cell = |(column, cell): (&Column, &String)| {
            let of = match column.kind {
                ColumnKind::Number => Kind::Number,
                ColumnKind::Flag => Kind::Flag,
                ColumnKind::DateTime => Kind::Moment,
                _ => Kind::Text,
            };
            Ok(match (cell.is_empty(), parse_value(*line, cell, Some(of))) {
                (true, _) => Cell::Empty,
                (false, value) => match value? {
                    Value::Text(text) => Cell::Text(text),
                    Value::Number(number) => Cell::Number(number),
                    Value::Flag(flag) => Cell::Flag(flag),
                    Value::Moment(moment) => Cell::Moment(moment),
                    Value::Integer(_) => Cell::Empty,
                },
            })
        };
        let key = format!("{}/0", Ulid::from_parts(FIRST.unsigned_abs() / 1_000, rows.len() as u128));
        rows.push(Row { key, cells: columns.iter().zip(cells).map(cell).collect::<Result<_, _>>()? });
    }
    Ok((columns, rows))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Flag,
    Moment,
}

/// `badge:text` in its parts.
fn split_kind(name: &str) -> Result<(&str, Option<Kind>), TableError> {
    let Some((name, kind)) = name.split_once(':') else { return Ok((name, None)) };
    let kind = match kind {
        "text" => Kind::Text,
        "number" => Kind::Number,
        "flag" => Kind::Flag,
        "moment" => Kind::Moment,
        other => {
            return wrong(1, format!("`{name}:{other}`: accepted is text, number, flag or moment behind the colon"));
        }
    };
    Ok((name, Some(kind)))
}

fn parse_value(line: usize, cell: &str, kind: Option<Kind>) -> Result<Value, TableError> {
    let number = || cell.parse::<f64>().ok().filter(|number| number.is_finite());
    let flag = || cell.parse::<bool>().ok();
    let guessed = || {
        let whole = cell.parse().ok().map(Value::Integer);
        let value = whole.or_else(|| number().map(Value::Number)).or_else(|| flag().map(Value::Flag));
        value.unwrap_or_else(|| Value::Text(cell.to_owned()))
    };
    let value = match kind {
        None => Some(guessed()),
        Some(Kind::Text) => Some(Value::Text(cell.to_owned())),
        Some(Kind::Number) => number().map(Value::Number),
        Some(Kind::Flag) => flag().map(Value::Flag),
        Some(Kind::Moment) => Some(Value::Moment(parse_moment(line, cell)?)),
    };
    value.map_or_else(|| wrong(line, format!("`{cell}` is not what its column holds")), Ok)
}

/// `2026-03-02 09:02`, with seconds and an offset where there are any.
fn parse_moment(line: usize, text: &str) -> Result<Instant, TableError> {
    let parsed = || {
        let pieces = Pieces::parse(text.trim()).ok()?;
        let offset = pieces.to_numeric_offset().unwrap_or(Offset::UTC);
        let moment = DateTime::from_parts(pieces.date(), pieces.time()?);
        let moment = TimeZone::fixed(offset).to_timestamp(moment).ok()?;
        let utc_offset_minutes = i16::try_from(offset.seconds() / 60).ok()?;
        Some(Instant { unix_micros: moment.as_microsecond(), utc_offset_minutes })
    };
    let refused =
        || wrong(line, format!("`{text}` is no moment such as `2026-03-02 09:02` or `2026-03-02T09:02:00+10:00`"));
    parsed().map_or_else(refused, Ok)
}

type Lines = Vec<(usize, Vec<String>)>;

/// The names in the first line, and the lines below with their numbers. All have as many cells as there are names.
fn parse_table(text: &str) -> Result<(Vec<String>, Lines), TableError> {
    let mut lines = split_cells(text.trim_start_matches('\u{feff}'))?.into_iter();
    let Some((_, header)) = lines.next() else { return wrong(1, "there is nothing; the first line names the columns") };
    let header: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
    if let Some(position) = header.iter().position(String::is_empty) {
        return wrong(1, format!("column {} has no name", position + 1));
    }
    if let Some(name) = header.iter().enumerate().find_map(|(at, name)| header[..at].contains(name).then_some(name)) {
        return wrong(1, format!("two columns are called `{name}`"));
    }
    let lines: Lines = lines.collect();
    match lines.iter().find(|(_, cells)| cells.len() != header.len()) {
        Some((line, cells)) => wrong(*line, format!("{} cells under {} names", cells.len(), header.len())),
        None => Ok((header, lines)),
    }
}

/// Each line that is not empty, with its number (RFC 4180 §2).
fn split_cells(text: &str) -> Result<Lines, TableError> {
    let (mut lines, mut cells, mut cell) = (Lines::new(), Vec::new(), String::new());
    let (mut line, mut began, mut quoted) = (1, 1, false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.next_if_eq(&'"').is_some() => cell.push('"'),
            '"' if quoted => quoted = false,
            '"' if cell.is_empty() => quoted = true,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            '\r' if !quoted && characters.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                if !(cells.is_empty() && cell.is_empty()) {
                    cells.push(std::mem::take(&mut cell));
                    lines.push((began, std::mem::take(&mut cells)));
                }
                line += 1;
                began = line;
            }
            other => {
                line += usize::from(other == '\n');
                cell.push(other);
            }
        }
    }
    if quoted {
        return wrong(began, "a quotation mark is not closed");
    }
    if !(cells.is_empty() && cell.is_empty()) {
        cells.push(cell);
        lines.push((began, cells));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_becomes_events_with_their_moments_and_fields() {
        let text = "\u{feff}at,kind,project,count,loud,badge:text\r\n\
                    2026-03-02T09:02:00+10:00,punch,\"Garden, \"\"big\"\"\",3,true,0042\r\n\
                    \r\n,,Workshop,1.5,,\n";
        let events = parse_events(text).unwrap();
        let [first, second] = &events[..] else { panic!("{events:?}") };
        assert_eq!(first.at, Instant { unix_micros: 1_772_406_120_000_000, utc_offset_minutes: 600 });
        let field = |name: &str, value: Value| Field { name: name.to_owned(), value };
        assert_eq!(
            first.event.happened.fields,
            [
                field("project", Value::Text("Garden, \"big\"".to_owned())),
                field("count", Value::Integer(3)),
                field("loud", Value::Flag(true)),
                field("badge", Value::Text("0042".to_owned())),
            ]
        );
        assert_eq!(second.at, Instant { unix_micros: 1_772_406_180_000_000, utc_offset_minutes: 0 });
        assert_eq!((second.event.sequence.0, second.event.happened.kind.as_str()), (2, "punch"));
        assert_eq!(
            second.event.happened.fields,
            [field("project", Value::Text("Workshop".to_owned())), field("count", Value::Number(1.5))]
        );
        assert!(first.event.happened.id < second.event.happened.id);
        assert_eq!(parse_events("at\n2026-03-02 09:02\n").unwrap()[0].at.unix_micros, 1_772_442_120_000_000);
        assert_eq!(parse_events("project\n").unwrap(), []);
    }

    #[test]
    fn a_table_becomes_rows_of_its_columns() {
        let (columns, rows) =
            parse_rows("project,hours:number,at:moment\nGarden,1.5,2026-03-02 09:02\n0042,,\n").unwrap();
        let kinds: Vec<_> = columns.iter().map(|column| (column.key.as_str(), column.kind)).collect();
        let expected = [("project", ColumnKind::Text), ("hours", ColumnKind::Number), ("at", ColumnKind::DateTime)];
        assert_eq!(kinds, expected);
        let at = Instant { unix_micros: 1_772_442_120_000_000, utc_offset_minutes: 0 };
        assert_eq!(rows[0].cells, [Cell::Text("Garden".into()), Cell::Number(1.5), Cell::Moment(at)]);
        assert_eq!(rows[1].cells, [Cell::Text("0042".into()), Cell::Empty, Cell::Empty]);
        assert_ne!(rows[0].key, rows[1].key);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, said) in [
            ("", "line 1: there is nothing; the first line names the columns"),
            ("a,,b\n", "line 1: column 2 has no name"),
            ("a,b,a\n", "line 1: two columns are called `a`"),
            ("a:date\n", "line 1: `a:date`: accepted is text, number, flag or moment behind the colon"),
            ("a,b\n1\n", "line 2: 1 cells under 2 names"),
            ("a\n\"x\ny\"\n\"z\n", "line 4: a quotation mark is not closed"),
            ("at\nyesterday\n", "line 2: `yesterday` is no moment such as"),
            ("at\n2026-03-02\n", "line 2: `2026-03-02` is no moment such as"),
            ("a:number\nmany\n", "line 2: `many` is not what its column holds"),
            ("a:number\nNaN\n", "line 2: `NaN` is not what its column holds"),
            ("source\nno name\n", "line 2: `no name` is no source's name"),
        ] {
            let refused = parse_events(text).unwrap_err().to_string();
            assert!(refused.starts_with(said), "{text:?}: {refused}");
        }
    }
}
