//! Append: the one request that carries a batch.
//!
//! Written straight into bytes: a batch may have thousands of rows, and the call has a second.

use std::iter::Peekable;

use punchcard_sdk::connector::{Batch, Correction, CorrectionKind, Rejection};
use punchcard_sdk::{Cell, Column, Row};

use crate::cell::{render_cell, render_text, render_text_cell};
use crate::state::Mark;
use crate::{event_id, mark, tab};

/// What of a cell is written. A cell without a format is given none, whatever the row above has.
const FIELDS: &str = "userEnteredValue,userEnteredFormat.numberFormat";
/// The same with the notes of corrections.
const FIELDS_WITH_NOTES: &str = "userEnteredValue,userEnteredFormat.numberFormat,note";
/// The same in a spreadsheet that a person made: columns of others stand between ours there, whose formats a row would take away
/// by giving none. Ours have theirs as a column.
const VALUES: &str = "userEnteredValue";
const VALUES_WITH_NOTES: &str = "userEnteredValue,note";
/// What stands in the first cell of a row that says that another one does not count.
pub(crate) const WITHDRAWN: &str = "withdrawn";
/// A guess for the buffer; a longer request makes it grow.
const CELL_BYTES: usize = 96;

/// A batchUpdate that deletes spent marks, creates the batch's and appends its rows, all or nothing. `order` says for
/// each column of the sheet which of `columns` is there.
pub(crate) fn render_append(
    tab: i32,
    order: &[Option<usize>],
    columns: &[Column],
    batch: &Batch,
    mark: &Mark,
    rejected: &[Rejection],
    is_of_person: bool,
) -> Vec<u8> {
    let mut json = Vec::with_capacity(1_024 + batch.rows.len() * order.len() * CELL_BYTES);
    json.extend_from_slice(br#"{"requests":["#);
    for id in &mark.deletes {
        let lookup = format!(r#"{{"developerMetadataLookup":{{"metadataId":{id}}}}}"#);
        let delete = format!(r#"{{"deleteDeveloperMetadata":{{"dataFilter":{lookup}}}}},"#);
        json.extend_from_slice(delete.as_bytes());
    }
    let create = tab::metadata(mark.id, mark::KEY, &batch.id, r#"{"spreadsheet":true}"#);
    json.extend_from_slice(create.as_bytes());
    json.extend_from_slice(format!(r#",{{"appendCells":{{"sheetId":{tab},"rows":["#).as_bytes());
    let mut rejected = rejected.iter().map(|rejection| rejection.row).peekable();
    let rows = (0..).zip(&batch.rows).filter(|(position, _)| !take_if(&mut rejected, *position));
    for (index, (position, row)) in rows.enumerate() {
        if index > 0 {
            json.push(b',');
        }
        match batch.corrections.binary_search_by_key(&position, |correction| correction.row) {
            Ok(at) => render_correction(&batch.corrections[at], row, order, columns, &mut json),
            Err(_) => render_row(row, order, columns, &mut json),
        }
    }
    json.extend_from_slice(br#"],"fields":"#);
    // That a moment is a guess is said by its format, in whatever sheet.
    let has_guess = batch.rows.iter().flat_map(|row| &row.cells).any(|cell| matches!(cell, Cell::Estimated(_)));
    let fields = match (is_of_person && !has_guess, batch.corrections.is_empty()) {
        (false, true) => FIELDS,
        (false, false) => FIELDS_WITH_NOTES,
        (true, true) => VALUES,
        (true, false) => VALUES_WITH_NOTES,
    };
    render_text(fields, &mut json);
    json.extend_from_slice(b"}}]}");
    json
}

fn take_if(positions: &mut Peekable<impl Iterator<Item = u32>>, position: u32) -> bool {
    positions.next_if_eq(&position).is_some()
}

/// Writes a row as `RowData`.
pub(crate) fn render_row(row: &Row, order: &[Option<usize>], columns: &[Column], json: &mut Vec<u8>) {
    render_cells(order, json, |index, json| render_source(row, index, columns, json));
}

/// Writes the cell of a row that goes into this one of the columns: into that of the event ids, the row's key.
fn render_source(row: &Row, index: usize, columns: &[Column], json: &mut Vec<u8>) {
    match columns.get(index).map(|column| (column, row.cells.get(index))) {
        Some((column, Some(cell))) => render_cell(cell, column.kind, json),
        Some((column, None)) if column.key == event_id::KEY => render_text_cell(&row.key, json),
        Some((_, None)) | None => json.extend_from_slice(b"{}"),
    }
}

/// Writes a row that corrects another one. A note at the first of the formatter's cells says which, and how; a row for one
/// that does not count has a word there too, since it is empty otherwise and the next row would be written over it.
fn render_correction(
    correction: &Correction,
    row: &Row,
    order: &[Option<usize>],
    columns: &[Column],
    json: &mut Vec<u8>,
) {
    let note = match correction.kind {
        CorrectionKind::Changed => format!("Correction: replaces row {}", correction.of),
        CorrectionKind::Added => format!("Correction: row {} was missing", correction.of),
        CorrectionKind::Withdrawn => format!("Correction: row {} does not count", correction.of),
    };
    let mut note = Some(note);
    render_cells(order, json, |index, json| {
        // The column of the event ids is hidden, wherever it is.
        let column = columns.get(index).filter(|column| column.key != event_id::KEY);
        let note = column.and_then(|_| note.take());
        match column {
            Some(column) if note.is_some() && correction.kind == CorrectionKind::Withdrawn => {
                render_cell(&Cell::Text(WITHDRAWN.to_owned()), column.kind, json);
            }
            _ => render_source(row, index, columns, json),
        }
        if let Some(note) = note {
            // Into the object that was just written.
            json.pop();
            if !json.ends_with(b"{") {
                json.push(b',');
            }
            json.extend_from_slice(br#""note":"#);
            render_text(&note, json);
            json.push(b'}');
        }
    });
}

/// Writes the cells of a row in the order of the sheet's columns; those that are not ours stay empty.
fn render_cells(order: &[Option<usize>], json: &mut Vec<u8>, mut render: impl FnMut(usize, &mut Vec<u8>)) {
    json.extend_from_slice(br#"{"values":["#);
    for (at, source) in order.iter().enumerate() {
        if at > 0 {
            json.push(b',');
        }
        match source {
            Some(index) => render(*index, json),
            None => json.extend_from_slice(b"{}"),
        }
    }
    json.extend_from_slice(b"]}");
}

#[cfg(test)]
mod tests {
    use punchcard_sdk::{ColumnKind, Row};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_correction_says_in_a_note_which_row_it_is_about() {
        let column = |key: &str| Column { key: key.into(), title: String::new(), kind: ColumnKind::Text };
        let row = |first: Cell, second: Cell| Row { key: "01K/0/1".into(), cells: vec![first, second] };
        let text = |text: &str| Cell::Text(text.into());
        let correction = |row, kind| Correction { row, of: format!("01J/{row}"), kind };
        let batch = Batch {
            id: "b".into(),
            columns: vec![column("a"), column("b")],
            rows: vec![
                row(text("x"), text("y")),
                row(text("x"), text("z")),
                row(Cell::Empty, Cell::Empty),
                row(Cell::Empty, text("new")),
                row(Cell::Empty, Cell::Empty),
            ],
            corrections: vec![
                correction(1, CorrectionKind::Changed),
                correction(2, CorrectionKind::Changed),
                correction(3, CorrectionKind::Added),
                correction(4, CorrectionKind::Withdrawn),
            ],
        };
        // The second of our columns comes first in the sheet, behind that of the event ids, which a person moved, and behind
        // one of somebody else's.
        let order = [Some(2), None, Some(1), Some(0)];
        let columns = [column("a"), column("b"), column(event_id::KEY)];
        let mark = Mark { id: Some(1), batch: "b".into(), ask: false, doubt: None, deletes: Vec::new(), refusal: None };
        let request =
            render_append(7, &order, &columns, &batch, &mark, &[Rejection { row: 2, reason: String::new() }], false);
        let request: serde_json::Value = serde_json::from_slice(&request).unwrap();
        let append = &request["requests"][1]["appendCells"];
        assert_eq!(append["fields"], FIELDS_WITH_NOTES);
        let entered = |text: &str| json!({ "userEnteredValue": { "stringValue": text } });
        let noted = |mut cell: serde_json::Value, note: &str| {
            cell["note"] = json!(note);
            json!({ "values": [entered("01K/0/1"), {}, cell, {}] })
        };
        let mut replacing = noted(entered("z"), "Correction: replaces row 01J/1");
        replacing["values"][3] = entered("x");
        let expected = json!([
            { "values": [entered("01K/0/1"), {}, entered("y"), entered("x")] },
            replacing,
            noted(entered("new"), "Correction: row 01J/3 was missing"),
            noted(entered("withdrawn"), "Correction: row 01J/4 does not count"),
        ]);
        assert_eq!(append["rows"], expected);

        let plain = Batch { corrections: vec![], ..batch };
        let request = String::from_utf8(render_append(7, &order, &columns, &plain, &mark, &[], false)).unwrap();
        assert!(!request.contains("note"), "{request}");
    }
}
