//! What `spreadsheets.get` answers, and the field mask that cuts an answer.

use serde_json::{Map, Value, json};

use super::grid::Area;
use super::metadata::Location;
use super::range::{parse_a1, whole_area};
use super::request::{Dimension, DimensionSizes};
use super::{Spreadsheet, Tab};
use crate::call::Call;
use crate::refusal::Refusal;
use crate::schema::{DISCOVERY, Found, Mask};

/// The query parameter `fields`, compared with the answer's message.
pub(super) fn parse_mask(call: &Call, found: &Found<'_>) -> Result<Option<Mask>, Refusal> {
    let (Some(text), Some(message)) = (call.query("fields"), &found.method.response) else { return Ok(None) };
    let problem = |path: &str| {
        let text = format!("Error expanding 'fields' parameter. Cannot find matching fields for path '{path}'.");
        let mut refusal = Refusal::violations(&[(path.to_owned(), text)]);
        refusal.message = "Request contains an invalid argument.".to_owned();
        refusal
    };
    let mask = Mask::parse(text).ok_or_else(|| problem(text))?;
    match mask.unknown_field(&DISCOVERY.sheets, &message.name) {
        Some(unknown) => Err(problem(&unknown)),
        None => Ok(Some(mask)),
    }
}

/// A `Spreadsheet`. Cells are in it where the mask names them or, without a mask, `includeGridData` asks for them.
pub(super) fn render_spreadsheet(
    spreadsheet: &Spreadsheet,
    id: &str,
    title: &str,
    call: &Call,
    mask: Option<&Mask>,
) -> Result<Value, Refusal> {
    let has_data = match mask {
        Some(mask) => mask.field("sheets").and_then(|sheets| sheets.field("data")).is_some(),
        None => call.flag("includeGridData"),
    };
    let mut areas: Vec<(i32, Area)> = Vec::new();
    let mut is_all = true;
    for (_, range) in call.query.iter().filter(|(name, _)| name == "ranges") {
        let located = parse_a1(spreadsheet, range).map_err(Refusal::invalid)?;
        areas.push((located.tab.id, located.area));
        is_all = false;
    }
    let mut sheets = Vec::new();
    for (index, tab) in spreadsheet.tabs.iter().enumerate() {
        let own: Vec<Area> = match is_all {
            true => vec![whole_area(tab)],
            false => areas.iter().filter(|(id, _)| *id == tab.id).map(|(_, area)| area.clone()).collect(),
        };
        if own.is_empty() {
            continue;
        }
        let mut sheet = json!({ "properties": tab.to_json(index) });
        if has_data {
            sheet["data"] = own.iter().map(|area| render_data(spreadsheet, tab, area)).collect();
        }
        let metadata = spreadsheet.metadata.list(|location| *location == Location::Sheet(tab.id));
        if !metadata.is_empty() {
            sheet["developerMetadata"] = json!(metadata);
        }
        sheets.push(sheet);
    }
    let mut body = json!({
        "spreadsheetId": id,
        "properties": { "title": title, "locale": "en_US", "autoRecalc": "ON_CHANGE", "timeZone": "Etc/GMT" },
        "sheets": sheets,
        "spreadsheetUrl": format!("https://docs.google.com/spreadsheets/d/{id}/edit"),
    });
    let metadata = spreadsheet.metadata.list(|location| *location == Location::Spreadsheet);
    if !metadata.is_empty() {
        body["developerMetadata"] = json!(metadata);
    }
    Ok(body)
}

/// A `GridData`.
fn render_data(spreadsheet: &Spreadsheet, tab: &Tab, area: &Area) -> Value {
    let mut rows = Vec::new();
    for index in area.rows.start..area.rows.end.min(tab.grid.stored_rows()) {
        let row = tab.grid.row(index);
        let cells = row.get(area.columns.start..area.columns.end.min(row.len())).unwrap_or_default();
        let last = cells.iter().rposition(super::cell::Cell::is_touched).map_or(0, |last| last + 1);
        let values: Vec<Value> = cells.iter().take(last).map(|cell| cell.to_json(&spreadsheet.styles)).collect();
        rows.push(if values.is_empty() { json!({}) } else { json!({ "values": values }) });
    }
    let lines = |dimension: Dimension, sizes: &DimensionSizes, range: std::ops::Range<usize>, usual: i32| {
        let line = |index: usize| {
            let size = sizes.get(&index).copied().unwrap_or_default();
            let mut line = json!({ "pixelSize": size.pixel_size.unwrap_or(usual) });
            if size.hidden_by_user {
                line["hiddenByUser"] = json!(true);
            }
            let place = Location::Line { sheet_id: tab.id, dimension, index };
            let metadata = spreadsheet.metadata.list(|location| *location == place);
            if !metadata.is_empty() {
                line["developerMetadata"] = json!(metadata);
            }
            line
        };
        range.map(line).collect::<Vec<Value>>()
    };
    let mut data = Map::new();
    for (name, start) in [("startRow", area.rows.start), ("startColumn", area.columns.start)] {
        if start > 0 {
            data.insert(name.to_owned(), json!(start));
        }
    }
    if !rows.is_empty() {
        data.insert("rowData".to_owned(), json!(rows));
    }
    data.insert("rowMetadata".to_owned(), lines(Dimension::Rows, &tab.rows, area.rows.clone(), 21).into());
    data.insert("columnMetadata".to_owned(), lines(Dimension::Columns, &tab.columns, area.columns.clone(), 100).into());
    Value::Object(data)
}
