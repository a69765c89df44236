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
use punchcard_sdk::{Cell, Column, ColumnKind, Error, Row};
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
        Cell::Moment(moment) | Cell::Estimated(moment) => json!(moment.to_rfc_3339()),
    }
}

#[cfg(test)]
mod tests {
    use punchcard_sdk::Instant;

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
}
