//! `values.get`: cells as plain values.

use serde_json::{Value, json};

use super::Spreadsheet;
use super::cell::{Cell, CellValue};
use super::range::{format_a1, parse_a1};
use crate::call::Call;

/// How a value is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rendering {
    /// As a person sees it.
    Formatted,
    /// As it was entered; dates as serial numbers.
    Plain,
    /// As it was entered; dates as a person sees them.
    PlainWithDates,
}

/// A `ValueRange`. Empty cells at the end of a row and empty rows at the end are left out.
pub(super) fn render_range(spreadsheet: &Spreadsheet, range: &str, call: &Call) -> Result<Value, String> {
    let located = parse_a1(spreadsheet, range)?;
    let rendering = match (call.query("valueRenderOption"), call.query("dateTimeRenderOption")) {
        (None | Some("FORMATTED_VALUE"), _) => Rendering::Formatted,
        (_, Some("FORMATTED_STRING")) => Rendering::PlainWithDates,
        _ => Rendering::Plain,
    };
    let is_by_column = call.query("majorDimension") == Some("COLUMNS");
    let render = |cell: &Cell| match (rendering, &cell.value) {
        (_, CellValue::Empty) => json!(""),
        (Rendering::Formatted, _) => json!(cell.render(&spreadsheet.styles)),
        (Rendering::PlainWithDates, CellValue::Number(_)) if spreadsheet.styles.get(cell.style).number.is_moment() => {
            json!(cell.render(&spreadsheet.styles))
        }
        (_, value) => value.to_json(),
    };
    let (grid, area) = (&located.tab.grid, &located.area);
    let rows = area.rows.start..area.rows.end.min(grid.stored_rows());
    let columns = area.columns.clone();
    let mut lines: Vec<Vec<Value>> = if is_by_column {
        columns.map(|column| rows.clone().map(|row| render(grid.cell(row, column))).collect()).collect()
    } else {
        rows.map(|row| {
            let cells = grid.row(row);
            let end = columns.end.min(cells.len()).max(columns.start);
            cells.get(columns.start..end).unwrap_or_default().iter().map(render).collect()
        })
        .collect()
    };
    for line in &mut lines {
        trim(line, |value| value == "");
    }
    trim(&mut lines, Vec::is_empty);
    let mut body = json!({
        "range": format_a1(located.tab, area),
        "majorDimension": if is_by_column { "COLUMNS" } else { "ROWS" },
    });
    if !lines.is_empty() {
        body["values"] = json!(lines);
    }
    Ok(body)
}

fn trim<T>(list: &mut Vec<T>, is_empty: impl Fn(&T) -> bool) {
    while list.last().is_some_and(&is_empty) {
        list.pop();
    }
}
