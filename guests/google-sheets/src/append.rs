//! Append: the one request that carries a batch.
//!
//! Written straight into bytes: a batch may have thousands of rows, and the call has a second.

use std::iter::Peekable;

use punchcard_sdk::connector::{Batch, Rejection};
use punchcard_sdk::{Cell, Column};
use serde_json::json;

use crate::cell::{render_cell, render_text};
use crate::state::Mark;
use crate::{mark, tab};

/// What of a cell is written. A cell without a format is given none, whatever the row above has.
const FIELDS: &str = "userEnteredValue,userEnteredFormat.numberFormat";
/// A guess for the buffer; a longer request makes it grow.
const CELL_BYTES: usize = 96;

/// A batchUpdate that deletes spent marks, creates the batch's and appends its rows, all or nothing. `order` says for
/// each column of the sheet which cell of a row goes there.
pub(crate) fn render_append(
    tab: i32,
    order: &[Option<usize>],
    batch: &Batch,
    mark: &Mark,
    rejected: &[Rejection],
) -> Vec<u8> {
    let mut json = Vec::with_capacity(1_024 + batch.rows.len() * order.len() * CELL_BYTES);
    json.extend_from_slice(br#"{"requests":["#);
    for id in &mark.deletes {
        let delete = json!({ "deleteDeveloperMetadata": {
            "dataFilter": { "developerMetadataLookup": { "metadataId": id } },
        }});
        json.extend_from_slice(delete.to_string().as_bytes());
        json.push(b',');
    }
    let create = json!({ "createDeveloperMetadata": { "developerMetadata": {
        "metadataId": mark.id,
        "metadataKey": mark::KEY,
        "metadataValue": batch.id,
        "location": { "spreadsheet": true },
        "visibility": tab::VISIBILITY,
    }}});
    json.extend_from_slice(create.to_string().as_bytes());
    json.extend_from_slice(format!(r#",{{"appendCells":{{"sheetId":{tab},"rows":["#).as_bytes());
    let mut rejected = rejected.iter().map(|rejection| rejection.row).peekable();
    let rows = (0..).zip(&batch.rows).filter(|(position, _)| !take_if(&mut rejected, *position));
    for (index, (_, row)) in rows.enumerate() {
        if index > 0 {
            json.push(b',');
        }
        render_row(&row.cells, order, &batch.columns, &mut json);
    }
    json.extend_from_slice(br#"],"fields":"#);
    render_text(FIELDS, &mut json);
    json.extend_from_slice(b"}}]}");
    json
}

fn take_if(positions: &mut Peekable<impl Iterator<Item = u32>>, position: u32) -> bool {
    positions.next_if_eq(&position).is_some()
}

/// Writes a row as `RowData`.
pub(crate) fn render_row(cells: &[Cell], order: &[Option<usize>], columns: &[Column], json: &mut Vec<u8>) {
    json.extend_from_slice(br#"{"values":["#);
    for (at, source) in order.iter().enumerate() {
        if at > 0 {
            json.push(b',');
        }
        match source.and_then(|index| cells.get(index).zip(columns.get(index))) {
            Some((cell, column)) => render_cell(cell, column.kind, json),
            None => json.extend_from_slice(b"{}"),
        }
    }
    json.extend_from_slice(b"]}");
}
