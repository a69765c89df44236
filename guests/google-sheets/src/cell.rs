//! Cell: what a cell of a row becomes in the sheet.
//!
//! Text is written as text and never parsed, whatever it looks like. Moments and durations are numbers with a format; the
//! formats are the same for every locale, so that a sheet reads the same wherever its owner lives. A moment that is a guess is
//! the same number with a tilde in its format: it sorts and reckons as any other, and a person sees what it is.

use std::io::Write;

use punchcard_sdk::connector::{Batch, Rejection};
use punchcard_sdk::{Cell, ColumnKind, Instant, Row};

use crate::serial;

/// Characters that a cell can hold, counted in UTF-16 as Google does.
pub(crate) const CHARACTERS: usize = 50_000;

const DATE: &str = r#"{"type":"DATE","pattern":"yyyy-mm-dd"}"#;
const TIME: &str = r#"{"type":"TIME","pattern":"hh:mm:ss"}"#;
const DATE_TIME: &str = r#"{"type":"DATE_TIME","pattern":"yyyy-mm-dd hh:mm:ss"}"#;
// Quoted text stands for itself (Sheets API, "Date and number formats", meta instructions).
const ABOUT_DATE: &str = r#"{"type":"DATE","pattern":"\"~\"yyyy-mm-dd"}"#;
const ABOUT_TIME: &str = r#"{"type":"TIME","pattern":"\"~\"hh:mm:ss"}"#;
const ABOUT_DATE_TIME: &str = r#"{"type":"DATE_TIME","pattern":"\"~\"yyyy-mm-dd hh:mm:ss"}"#;
const DURATION: &str = r#"{"type":"TIME","pattern":"[h]:mm:ss"}"#;

/// The rows that can't be written, in order.
pub(crate) fn plan_rejections(batch: &Batch) -> Vec<Rejection> {
    let rejection = |(position, row): (u32, &Row)| {
        let reason = refuse(row, batch)?;
        Some(Rejection { row: position, reason })
    };
    (0..).zip(&batch.rows).filter_map(rejection).collect()
}

fn refuse(row: &Row, batch: &Batch) -> Option<String> {
    if row.cells.len() != batch.columns.len() {
        return Some(format!("it has {} cells for {} columns", row.cells.len(), batch.columns.len()));
    }
    row.cells.iter().zip(&batch.columns).find_map(|(cell, column)| {
        let reason = match cell {
            Cell::Text(text) if text.encode_utf16().nth(CHARACTERS).is_some() => {
                "is longer than the 50,000 characters that a cell of Google Sheets holds"
            }
            Cell::Number(number) | Cell::Seconds(number) if !number.is_finite() => "is not a finite number",
            _ => return None,
        };
        Some(format!("its `{}` {reason}", column.key))
    })
}

/// Writes a cell as `CellData`.
pub(crate) fn render_cell(cell: &Cell, kind: ColumnKind, json: &mut Vec<u8>) {
    match cell {
        Cell::Empty => json.extend_from_slice(b"{}"),
        Cell::Text(text) => render_text_cell(text, json),
        Cell::Flag(flag) => {
            json.extend_from_slice(br#"{"userEnteredValue":{"boolValue":"#);
            json.extend_from_slice(if *flag { b"true" } else { b"false" });
            json.extend_from_slice(b"}}");
        }
        Cell::Number(number) => render_number(*number, None, json),
        Cell::Seconds(seconds) => render_number(serial::duration(*seconds), Some(DURATION), json),
        Cell::Moment(moment) => render_moment(*moment, kind, [DATE, TIME, DATE_TIME], json),
        Cell::Estimated(moment) => render_moment(*moment, kind, [ABOUT_DATE, ABOUT_TIME, ABOUT_DATE_TIME], json),
    }
}

/// The format of cells of such a column, as `NumberFormat`; none where a number or a text stands for itself.
pub(crate) fn number_format(kind: ColumnKind) -> Option<&'static str> {
    match kind {
        ColumnKind::Date => Some(DATE),
        ColumnKind::Time => Some(TIME),
        ColumnKind::DateTime => Some(DATE_TIME),
        ColumnKind::Duration => Some(DURATION),
        ColumnKind::Text | ColumnKind::Number | ColumnKind::Flag => None,
    }
}

fn render_moment(moment: Instant, kind: ColumnKind, [date, time, date_time]: [&str; 3], json: &mut Vec<u8>) {
    match kind {
        ColumnKind::Date => render_number(serial::date(moment), Some(date), json),
        ColumnKind::Time => render_number(serial::time(moment), Some(time), json),
        _ => render_number(serial::date_time(moment), Some(date_time), json),
    }
}

/// What is in a cell of the sheet, so that two can be compared.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) enum Shown {
    Text(String),
    /// To 40 bits of its fraction, which are 12 digits and milliseconds of a date: the last ones do not come back as they
    /// were written.
    Number(u64),
    Flag(bool),
}

impl Shown {
    /// An empty text is an empty cell.
    pub(crate) fn text(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self::Text(text.to_owned()))
    }

    pub(crate) fn number(number: f64) -> Self {
        // There are two zeros. Adding half of what is cut off rounds; what overflows a fraction counts up its exponent.
        Self::Number((number + 0.0).to_bits().wrapping_add(1 << 11) >> 12)
    }
}

/// What [`render_cell`] writes, as it comes back.
pub(crate) fn show(cell: &Cell, kind: ColumnKind) -> Option<Shown> {
    match cell {
        Cell::Empty => None,
        Cell::Text(text) => Shown::text(text),
        Cell::Flag(flag) => Some(Shown::Flag(*flag)),
        Cell::Number(number) => Some(Shown::number(*number)),
        Cell::Seconds(seconds) => Some(Shown::number(serial::duration(*seconds))),
        Cell::Moment(moment) | Cell::Estimated(moment) => Some(Shown::number(match kind {
            ColumnKind::Date => serial::date(*moment),
            ColumnKind::Time => serial::time(*moment),
            _ => serial::date_time(*moment),
        })),
    }
}

/// Writes a text as `CellData`.
pub(crate) fn render_text_cell(text: &str, json: &mut Vec<u8>) {
    json.extend_from_slice(br#"{"userEnteredValue":{"stringValue":"#);
    render_text(text, json);
    json.extend_from_slice(b"}}");
}

fn render_number(number: f64, format: Option<&str>, json: &mut Vec<u8>) {
    json.extend_from_slice(br#"{"userEnteredValue":{"numberValue":"#);
    write_or_fail(serde_json::to_writer(&mut *json, &number).is_ok());
    match format {
        None => json.extend_from_slice(b"}}"),
        Some(format) => {
            let written = write!(json, r#"}},"userEnteredFormat":{{"numberFormat":{format}}}}}"#);
            write_or_fail(written.is_ok());
        }
    }
}

/// Writes a string of JSON.
pub(crate) fn render_text(text: &str, json: &mut Vec<u8>) {
    write_or_fail(serde_json::to_writer(json, text).is_ok());
}

/// Writing text or a number into memory has no way to fail.
fn write_or_fail(written: bool) {
    debug_assert!(written);
}

#[cfg(test)]
mod tests {
    use punchcard_sdk::Column;

    use super::*;

    fn rendered(cell: &Cell, kind: ColumnKind) -> String {
        let mut json = Vec::new();
        render_cell(cell, kind, &mut json);
        String::from_utf8(json).unwrap()
    }

    #[test]
    fn each_cell_becomes_the_value_it_is() {
        let at = Instant { unix_micros: 1_795_168_800_000_000, utc_offset_minutes: 600 };
        let (moment, guess) = (Cell::Moment(at), Cell::Estimated(at));
        let formatted = |number: &str, kind: &str, pattern: &str| {
            format!(
                r#"{{"userEnteredValue":{{"numberValue":{number}}},"userEnteredFormat":{{"numberFormat":{{"type":"{kind}","pattern":"{pattern}"}}}}}}"#
            )
        };
        for (cell, kind, expected) in [
            (Cell::Empty, ColumnKind::Text, "{}".to_owned()),
            (
                Cell::Text("=1+1 \"ä\"\n\u{1}".into()),
                ColumnKind::Number,
                r#"{"userEnteredValue":{"stringValue":"=1+1 \"ä\"\n\u0001"}}"#.to_owned(),
            ),
            (Cell::Flag(true), ColumnKind::Flag, r#"{"userEnteredValue":{"boolValue":true}}"#.to_owned()),
            (Cell::Flag(false), ColumnKind::Flag, r#"{"userEnteredValue":{"boolValue":false}}"#.to_owned()),
            (Cell::Number(-1.5), ColumnKind::Number, r#"{"userEnteredValue":{"numberValue":-1.5}}"#.to_owned()),
            (Cell::Seconds(5_400.0), ColumnKind::Duration, formatted("0.0625", "TIME", "[h]:mm:ss")),
            (moment.clone(), ColumnKind::Date, formatted("46346.0", "DATE", "yyyy-mm-dd")),
            (moment.clone(), ColumnKind::Time, formatted("0.8333333333333334", "TIME", "hh:mm:ss")),
            (moment.clone(), ColumnKind::DateTime, formatted("46346.833333333336", "DATE_TIME", "yyyy-mm-dd hh:mm:ss")),
            (moment, ColumnKind::Text, formatted("46346.833333333336", "DATE_TIME", "yyyy-mm-dd hh:mm:ss")),
            (guess.clone(), ColumnKind::Date, formatted("46346.0", "DATE", r#"\"~\"yyyy-mm-dd"#)),
            (guess.clone(), ColumnKind::Time, formatted("0.8333333333333334", "TIME", r#"\"~\"hh:mm:ss"#)),
            (guess, ColumnKind::DateTime, formatted("46346.833333333336", "DATE_TIME", r#"\"~\"yyyy-mm-dd hh:mm:ss"#)),
        ] {
            assert_eq!(rendered(&cell, kind), expected, "{cell:?}");
        }
    }

    #[test]
    fn rows_that_google_would_never_take_are_rejected_and_the_others_are_not() {
        let columns = ["a", "b"].map(|key| Column { key: key.into(), title: String::new(), kind: ColumnKind::Text });
        let row = |a, b| Row { key: String::new(), cells: vec![a, b] };
        let rows = vec![
            row(Cell::Number(f64::NAN), Cell::Empty),
            row(Cell::Empty, Cell::Text("x".repeat(50_000))),
            row(Cell::Empty, Cell::Text("x".repeat(50_001))),
            row(Cell::Text("ä".repeat(50_000)), Cell::Number(f64::MAX)),
            row(Cell::Text("🕐".repeat(25_001)), Cell::Empty),
            row(Cell::Empty, Cell::Seconds(f64::NEG_INFINITY)),
            Row { key: String::new(), cells: vec![Cell::Empty] },
        ];
        let batch = Batch { id: "b".into(), columns: columns.into(), rows, corrections: vec![] };
        let rejections = plan_rejections(&batch);
        let rejected: Vec<_> = rejections.iter().map(|rejection| (rejection.row, rejection.reason.as_str())).collect();
        let long = "is longer than the 50,000 characters that a cell of Google Sheets holds";
        assert_eq!(
            rejected,
            [
                (0, "its `a` is not a finite number"),
                (2, format!("its `b` {long}").as_str()),
                (4, format!("its `a` {long}").as_str()),
                (5, "its `b` is not a finite number"),
                (6, "it has 1 cells for 2 columns"),
            ]
        );
    }
}
