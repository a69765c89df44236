//! A tab, which Google's API calls a sheet: its properties, its grid, and adding, changing and removing it.

use serde_json::{Value, json};
use uuid::Uuid;

use super::Spreadsheet;
use super::grid::Grid;
use super::request::{Dimension, DimensionSizes, RawAddSheet, RawDeleteSheet, RawGridProperties, RawSheetProperties};
use crate::schema::Mask;

/// One tab.
#[derive(Clone, Debug)]
pub(crate) struct Tab {
    pub(crate) id: i32,
    pub(crate) title: String,
    pub(crate) is_hidden: bool,
    frozen_rows: i32,
    frozen_columns: i32,
    hides_gridlines: bool,
    pub(crate) grid: Grid,
    pub(crate) rows: DimensionSizes,
    pub(crate) columns: DimensionSizes,
}

impl Tab {
    pub(crate) fn new(id: i32, title: String, row_count: usize, column_count: usize) -> Self {
        Self {
            id,
            title,
            is_hidden: false,
            frozen_rows: 0,
            frozen_columns: 0,
            hides_gridlines: false,
            grid: Grid::new(row_count, column_count),
            rows: DimensionSizes::new(),
            columns: DimensionSizes::new(),
        }
    }

    /// How many rows or columns there are.
    pub(crate) fn length(&self, dimension: Dimension) -> usize {
        match dimension {
            Dimension::Rows => self.grid.row_count(),
            Dimension::Columns => self.grid.column_count(),
        }
    }

    pub(crate) fn sizes_mut(&mut self, dimension: Dimension) -> &mut DimensionSizes {
        match dimension {
            Dimension::Rows => &mut self.rows,
            Dimension::Columns => &mut self.columns,
        }
    }

    /// A `SheetProperties`: what is false or zero is left out, except for id and index.
    pub(crate) fn to_json(&self, index: usize) -> Value {
        let mut grid = json!({ "rowCount": self.grid.row_count(), "columnCount": self.grid.column_count() });
        if self.frozen_rows > 0 {
            grid["frozenRowCount"] = json!(self.frozen_rows);
        }
        if self.frozen_columns > 0 {
            grid["frozenColumnCount"] = json!(self.frozen_columns);
        }
        if self.hides_gridlines {
            grid["hideGridlines"] = json!(true);
        }
        let mut properties = json!({
            "sheetId": self.id,
            "title": self.title,
            "index": index,
            "sheetType": "GRID",
            "gridProperties": grid,
        });
        if self.is_hidden {
            properties["hidden"] = json!(true);
        }
        properties
    }

    fn apply_grid(&mut self, raw: &RawGridProperties, mask: &Mask) -> Result<(), String> {
        let count = |name: &str, value: Option<i32>, old: usize| match (mask.field(name), value) {
            (None, _) => Ok(old),
            // Naming everything does not take the size away.
            (Some(_), None) if mask.is_all() => Ok(old),
            (Some(_), value) => match usize::try_from(value.unwrap_or(0)) {
                Ok(value) if value > 0 => Ok(value),
                _ => Err(format!("gridProperties.{name} must be greater than zero.")),
            },
        };
        let rows = count("rowCount", raw.row_count, self.grid.row_count())?;
        let columns = count("columnCount", raw.column_count, self.grid.column_count())?;
        let frozen = |name: &str, value: Option<i32>, old: i32| match mask.field(name) {
            Some(_) => value.unwrap_or(0),
            None => old,
        };
        self.frozen_rows = frozen("frozenRowCount", raw.frozen_row_count, self.frozen_rows);
        self.frozen_columns = frozen("frozenColumnCount", raw.frozen_column_count, self.frozen_columns);
        let is_frozen = |frozen: i32, count: usize| usize::try_from(frozen).is_ok_and(|frozen| frozen < count);
        if !is_frozen(self.frozen_rows, rows) || !is_frozen(self.frozen_columns, columns) {
            return Err("You can't freeze all visible rows or columns on the sheet.".to_owned());
        }
        if mask.field("hideGridlines").is_some() {
            self.hides_gridlines = raw.hide_gridlines.unwrap_or(false);
        }
        if (rows, columns) != (self.grid.row_count(), self.grid.column_count()) {
            self.grid.resize(rows, columns);
            self.rows.retain(|index, _| *index < rows);
            self.columns.retain(|index, _| *index < columns);
        }
        Ok(())
    }
}

/// A caller's own id is honoured; a title or id that is there already is refused.
pub(super) fn perform_add(spreadsheet: &mut Spreadsheet, raw: RawAddSheet) -> Result<Value, String> {
    let raw = raw.properties.unwrap_or_default();
    check_type(raw.sheet_type.as_deref())?;
    let id = match raw.sheet_id {
        Some(id) if id < 0 => return Err(format!("The sheet ID must not be negative: {id}")),
        Some(id) if spreadsheet.tabs.iter().any(|tab| tab.id == id) => {
            return Err(format!("A sheet with ID {id} already exists. Please enter another ID."));
        }
        Some(id) => id,
        None => free_id(spreadsheet),
    };
    let title = match raw.title {
        Some(title) => title,
        None => free_title(spreadsheet),
    };
    check_title(spreadsheet, id, &title)?;
    let index = parse_index(raw.index, spreadsheet.tabs.len(), spreadsheet.tabs.len())?;
    let mut tab = Tab::new(id, title, 1000, 26);
    tab.is_hidden = raw.hidden.unwrap_or(false);
    tab.apply_grid(&raw.grid_properties.unwrap_or_default(), &Mask::default())?;
    spreadsheet.tabs.insert(index, tab);
    spreadsheet.check_size()?;
    let tab = &spreadsheet.tabs[index];
    Ok(json!({ "addSheet": { "properties": tab.to_json(index) } }))
}

pub(super) fn perform_delete(spreadsheet: &mut Spreadsheet, raw: &RawDeleteSheet) -> Result<(), String> {
    let id = raw.sheet_id.unwrap_or(0);
    Spreadsheet::find_tab(&spreadsheet.tabs, id)?;
    if !spreadsheet.tabs.iter().any(|tab| tab.id != id && !tab.is_hidden) {
        return Err("You can't remove all the visible sheets in a document.".to_owned());
    }
    spreadsheet.tabs.retain(|tab| tab.id != id);
    spreadsheet.metadata.forget_sheet(id);
    Ok(())
}

pub(super) fn perform_update(
    spreadsheet: &mut Spreadsheet,
    raw: RawSheetProperties,
    mask: &Mask,
) -> Result<(), String> {
    let id = raw.sheet_id.unwrap_or(0);
    if !mask.is_all() && mask.field("sheetId").is_some() {
        return Err("The sheet ID cannot be changed.".to_owned());
    }
    check_type(raw.sheet_type.as_deref())?;
    let tab = spreadsheet.tab_mut(id)?;
    if let Some(mask) = mask.field("gridProperties") {
        tab.apply_grid(&raw.grid_properties.unwrap_or_default(), mask)?;
    }
    if mask.field("hidden").is_some() {
        tab.is_hidden = raw.hidden.unwrap_or(false);
    }
    if mask.field("title").is_some() {
        let title = raw.title.unwrap_or_default();
        check_title(spreadsheet, id, &title)?;
        spreadsheet.tab_mut(id)?.title = title;
    }
    if mask.field("index").is_some() && (!mask.is_all() || raw.index.is_some()) {
        let from = spreadsheet.tabs.iter().position(|tab| tab.id == id).unwrap_or(0);
        let to = parse_index(raw.index, 0, spreadsheet.tabs.len())?;
        let tab = spreadsheet.tabs.remove(from);
        // Google counts the target before the tab is taken out.
        let to = if to > from { to - 1 } else { to };
        spreadsheet.tabs.insert(to, tab);
    }
    if spreadsheet.tabs.iter().all(|tab| tab.is_hidden) {
        return Err("You can't hide all the sheets in a document.".to_owned());
    }
    spreadsheet.check_size()
}

fn check_type(name: Option<&str>) -> Result<(), String> {
    match name {
        None | Some("GRID" | "SHEET_TYPE_UNSPECIFIED") => Ok(()),
        Some(other) => Err(format!("Sheets of type {other} are not supported here.")),
    }
}

fn parse_index(raw: Option<i32>, default: usize, last: usize) -> Result<usize, String> {
    match raw {
        None => Ok(default),
        Some(index) => usize::try_from(index)
            .ok()
            .filter(|index| *index <= last)
            .ok_or_else(|| format!("The sheet index {index} is outside 0 to {last}.")),
    }
}

/// Titles are told apart without case.
fn check_title(spreadsheet: &Spreadsheet, id: i32, title: &str) -> Result<(), String> {
    if title.is_empty() || title.chars().count() > 100 {
        return Err("A sheet's title has between 1 and 100 characters.".to_owned());
    }
    let is_same = |tab: &&Tab| tab.id != id && tab.title.to_lowercase() == title.to_lowercase();
    match spreadsheet.tabs.iter().find(is_same) {
        Some(tab) => Err(format!("A sheet with the name \"{}\" already exists. Please enter another name.", tab.title)),
        None => Ok(()),
    }
}

fn free_title(spreadsheet: &Spreadsheet) -> String {
    let is_free = |title: &String| spreadsheet.tab_titled(title).is_none();
    (spreadsheet.tabs.len() + 1..).map(|number| format!("Sheet{number}")).find(is_free).unwrap_or_default()
}

fn free_id(spreadsheet: &Spreadsheet) -> i32 {
    loop {
        let [a, b, c, d, ..] = Uuid::new_v4().into_bytes();
        let id = i32::from_be_bytes([a & 0x7f, b, c, d]);
        if spreadsheet.tabs.iter().all(|tab| tab.id != id) {
            return id;
        }
    }
}
