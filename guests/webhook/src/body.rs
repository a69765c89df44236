//! The JSON that is posted.
//!
//! `{"batch": KEY, "device": …, "columns": [{"key", "title", "kind"}], "rows": [{"key": "01J…/0", "cells": {KEY: VALUE}}]}`.
//! A moment is RFC 3339 with the device's offset, to the microsecond; a duration is seconds; an empty cell is null. A row with
//! moments that are guesses has the keys of their columns beside its cells, `"estimated": [KEY]`; any other row has not. A row
//! that corrects another one has `"correction": {"of": "01J…/0", "kind": "changed" | "added" | "withdrawn"}` there, too; the
//! latest of them counts. The
//! key is that of the header `Idempotency-Key`: the batch's UUID, and for a piece of a batch its first row and its end
//! behind that, `UUID/0-500`. A receiver may go by either.

use punchcard_sdk::connector::{Correction, CorrectionKind};
use punchcard_sdk::{Cell, Column, ColumnKind, Error, Instant, Row};
use serde_json::{Map, Value, json};

use crate::state::Piece;

/// Renders what one request carries.
///
/// # Errors
/// Never for finite numbers, which the host has seen to.
pub(crate) fn render_body(columns: &[Column], piece: &Piece<'_>) -> Result<Vec<u8>, Error> {
    let body = json!({
        "batch": piece.key,
        "device": piece.device,
        "columns": columns.iter().map(column).collect::<Vec<_>>(),
        "rows": (piece.first..)
            .zip(piece.rows)
            .map(|(at, entry)| row(columns, entry, piece.corrections, at))
            .collect::<Vec<_>>(),
    });
    serde_json::to_vec(&body).map_err(|error| Error::Other(format!("the rows can't be written as JSON: {error}")))
}

/// The bytes of a text within JSON.
pub(crate) fn quoted_bytes(text: &str) -> usize {
    json!(text).to_string().len()
}

fn column(column: &Column) -> Value {
    let kind = match column.kind {
        ColumnKind::Text => "text",
        ColumnKind::Number => "number",
        ColumnKind::Flag => "flag",
        ColumnKind::Date => "date",
        ColumnKind::Time => "time",
        ColumnKind::DateTime => "date-time",
        ColumnKind::Duration => "duration",
    };
    json!({ "key": column.key, "title": column.title, "kind": kind })
}

fn row(columns: &[Column], row: &Row, corrections: &[Correction], at: u32) -> Value {
    let cells: Map<_, _> =
        columns.iter().zip(&row.cells).map(|(column, cell)| (column.key.clone(), value(cell))).collect();
    let mut entry = json!({ "key": row.key, "cells": cells });
    let is_guess = |(column, cell): (&Column, &Cell)| matches!(cell, Cell::Estimated(_)).then(|| column.key.clone());
    let guesses: Vec<_> = columns.iter().zip(&row.cells).filter_map(is_guess).collect();
    if !guesses.is_empty() {
        entry["estimated"] = json!(guesses);
    }
    if let Ok(found) = corrections.binary_search_by_key(&at, |correction| correction.row) {
        entry["correction"] = correction(&corrections[found]);
    }
    entry
}

fn correction(correction: &Correction) -> Value {
    let kind = match correction.kind {
        CorrectionKind::Changed => "changed",
        CorrectionKind::Added => "added",
        CorrectionKind::Withdrawn => "withdrawn",
    };
    json!({ "of": correction.of, "kind": kind })
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Empty => Value::Null,
        Cell::Text(text) => json!(text),
        Cell::Number(number) | Cell::Seconds(number) => json!(number),
        Cell::Flag(flag) => json!(flag),
        Cell::Moment(moment) | Cell::Estimated(moment) => json!(rfc_3339(*moment)),
    }
}

/// `2026-11-21T22:58:43.000001+10:00` (RFC 3339 §5.6). Days to a date by the civil calendar's 400-year cycle.
fn rfc_3339(at: Instant) -> String {
    let offset = i64::from(at.utc_offset_minutes);
    let local = at.unix_micros.saturating_add(offset * 60_000_000);
    let (days, micros) = (local.div_euclid(86_400_000_000), local.rem_euclid(86_400_000_000));
    let (year, month, day) = civil(days);
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let (sign, offset) = (if offset < 0 { '-' } else { '+' }, offset.abs());
    let (offset_hour, offset_minute) = (offset / 60, offset % 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:06}{sign}{offset_hour:02}:{offset_minute:02}"
    )
}

/// The date of a day counted from 1970-01-01, by counting years from 0000-03-01 in eras of 400.
fn civil(days: i64) -> (i64, i64, i64) {
    let since_march = days + 719_468;
    let (era, day_of_era) = (since_march.div_euclid(146_097), since_march.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_names_the_columns_whose_moments_are_guesses() {
        let column = |key: &str| Column { key: key.into(), title: String::new(), kind: ColumnKind::DateTime };
        let columns = ["start", "finish"].map(column);
        let at = Instant { unix_micros: 0, utc_offset_minutes: 0 };
        let shown = |cells| row(&columns, &Row { key: "01J/0".into(), cells }, &[], 0);
        let time = "1970-01-01T00:00:00.000000+00:00";
        let known = shown(vec![Cell::Moment(at), Cell::Empty]);
        assert_eq!(known, json!({ "key": "01J/0", "cells": { "start": time, "finish": null } }));
        let guess = shown(vec![Cell::Moment(at), Cell::Estimated(at)]);
        let expected = json!({ "key": "01J/0", "cells": { "start": time, "finish": time }, "estimated": ["finish"] });
        assert_eq!(guess, expected);
    }

    #[test]
    fn moments_are_rfc_3339_with_the_devices_offset() {
        let table = [
            (0, 0, "1970-01-01T00:00:00.000000+00:00"),
            (-1, 0, "1969-12-31T23:59:59.999999+00:00"),
            (1_709_164_800_000_000, 0, "2024-02-29T00:00:00.000000+00:00"),
            (1_709_251_199_000_000, 600, "2024-03-01T09:59:59.000000+10:00"),
            (1_704_067_199_123_456, -210, "2023-12-31T20:29:59.123456-03:30"),
            (951_782_400_000_000, 0, "2000-02-29T00:00:00.000000+00:00"),
            (4_107_542_400_000_000, 0, "2100-03-01T00:00:00.000000+00:00"),
        ];
        for (unix_micros, utc_offset_minutes, text) in table {
            assert_eq!(rfc_3339(Instant { unix_micros, utc_offset_minutes }), text);
        }
    }
}
