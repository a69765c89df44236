//! Writing cells: `appendCells`, `updateCells`, `repeatCell`.
//!
//! A mask says which parts of a cell are written; a part that it names and the request lacks is cleared. Values keep
//! the type that they are sent with.

use std::collections::HashMap;

use super::Spreadsheet;
use super::cell::{Cell, StyleId, Styles};
use super::grid::Area;
use super::range::{format_a1, parse_grid_range};
use super::request::{RawAppendCells, RawCell, RawGridCoordinate, RawRepeatCell, RawRow, RawUpdateCells};
use crate::schema::Mask;
use crate::switch::{FormattedCells, Switches};

/// Characters of one cell's text.
const MOST_CHARACTERS: usize = 50_000;

/// Writes the masked parts of cells. Formats are computed once for each distinct pair of old and new.
struct Pen<'m, 'a> {
    mask: &'m Mask,
    styles: &'m mut Styles,
    known: HashMap<(StyleId, Option<&'a str>), StyleId>,
}

impl<'m, 'a> Pen<'m, 'a> {
    fn new(mask: &'m Mask, styles: &'m mut Styles) -> Self {
        Self { mask, styles, known: HashMap::new() }
    }

    fn write(&mut self, cell: &mut Cell, raw: RawCell<'a>) -> Result<(), String> {
        if self.mask.field("userEnteredValue").is_some() {
            cell.value = raw.user_entered_value.unwrap_or_default().into_value();
            if let super::cell::CellValue::Text(text) = &cell.value
                && text.len() > MOST_CHARACTERS
                && text.chars().count() > MOST_CHARACTERS
            {
                return Err(format!(
                    "Your input contains more than the maximum of {MOST_CHARACTERS} characters in a single cell."
                ));
            }
        }
        if let Some(mask) = self.mask.field("userEnteredFormat") {
            let text = raw.user_entered_format.map(serde_json::value::RawValue::get);
            let key = (cell.style, text);
            cell.style = match self.known.get(&key) {
                Some(id) => *id,
                None => {
                    let new = text.map(serde_json::from_str).transpose().map_err(|error| error.to_string())?;
                    let old = &self.styles.get(cell.style).format;
                    let id = self.styles.intern(mask.merge(old, &new.unwrap_or_default()));
                    self.known.insert(key, id);
                    id
                }
            };
        }
        if self.mask.field("note").is_some() {
            cell.note = raw.note.filter(|note| !note.is_empty());
        }
        Ok(())
    }
}

/// Rows after the last row with data; a full grid grows.
pub(super) fn perform_append(
    spreadsheet: &mut Spreadsheet,
    raw: RawAppendCells<'_>,
    mask: &Mask,
    switches: &Switches,
) -> Result<(), String> {
    let rows = raw.rows.unwrap_or_default();
    let is_counted = match switches.formatted_cells {
        FormattedCells::Skipped => Cell::has_value,
        FormattedCells::Counted => Cell::is_touched,
    };
    let tab = spreadsheet.tab_mut(raw.sheet_id.unwrap_or(0))?;
    let start = tab.grid.rows_until_last(is_counted);
    check_width(&rows, 0, tab.grid.column_count())?;
    let (end, column_count) = (start + rows.len(), tab.grid.column_count());
    if end > tab.grid.row_count() {
        tab.grid.resize(end, column_count);
        spreadsheet.check_size()?;
    }
    let (tab, styles) = spreadsheet.tab_and_styles(raw.sheet_id.unwrap_or(0))?;
    let mut pen = Pen::new(mask, styles);
    for (index, row) in (start..).zip(rows) {
        let values = row.values.unwrap_or_default();
        let cells = tab.grid.row_mut(index);
        if cells.len() < values.len() {
            cells.resize(values.len(), Cell::default());
        }
        for (cell, value) in cells.iter_mut().zip(values) {
            pen.write(cell, value)?;
        }
    }
    Ok(())
}

/// Rows from a corner on, or a range: cells of the range that the rows do not reach are cleared.
pub(super) fn perform_update(
    spreadsheet: &mut Spreadsheet,
    raw: RawUpdateCells<'_>,
    mask: &Mask,
) -> Result<(), String> {
    let rows = raw.rows.unwrap_or_default();
    let id = match (&raw.start, &raw.range) {
        (Some(start), _) => start.sheet_id,
        (None, Some(range)) => range.sheet_id,
        (None, None) => return Err("Either start or range must be specified.".to_owned()),
    };
    let (tab, styles) = spreadsheet.tab_and_styles(id.unwrap_or(0))?;
    let area = match (&raw.start, &raw.range) {
        (Some(start), _) => corner(start, &rows)?,
        (None, range) => parse_grid_range(range.as_ref().unwrap_or(&super::request::RawGridRange::default()), tab)?,
    };
    check_width(&rows, area.columns.start, tab.grid.column_count().min(area.columns.end))?;
    if rows.len() > area.rows.len() {
        let (count, limit) = (area.rows.start + rows.len() - 1, area.rows.end);
        return Err(format!("Attempting to write row: {count}, beyond the last requested row of: {}", limit - 1));
    }
    if area.rows.end > tab.grid.row_count() {
        let limit = tab.grid.row_count().saturating_sub(1);
        return Err(format!("Attempting to write row: {}, beyond the last row of: {limit}", area.rows.end - 1));
    }
    let mut pen = Pen::new(mask, styles);
    let mut rows = rows.into_iter();
    for index in area.rows {
        let values = rows.next().and_then(|row| row.values).unwrap_or_default();
        let mut values = values.into_iter();
        for column in area.columns.clone() {
            let value = match (values.next(), raw.range.is_some()) {
                (Some(value), _) => value,
                (None, true) => RawCell::default(),
                (None, false) => break,
            };
            pen.write(tab.grid.cell_mut(index, column), value)?;
        }
    }
    Ok(())
}

/// One cell's content in every cell of a range.
pub(super) fn perform_repeat(spreadsheet: &mut Spreadsheet, raw: RawRepeatCell<'_>, mask: &Mask) -> Result<(), String> {
    let range = raw.range.ok_or("No range specified.")?;
    let (tab, styles) = spreadsheet.tab_and_styles(range.sheet_id.unwrap_or(0))?;
    let area = parse_grid_range(&range, tab)?;
    if area.rows.len().saturating_mul(area.columns.len()) > 2_000_000 {
        return Err(format!("The stand-in does not fill a range as large as {}", format_a1(tab, &area)));
    }
    let raw = raw.cell.unwrap_or_default();
    let mut pen = Pen::new(mask, styles);
    let value = raw.user_entered_value.unwrap_or_default().into_value();
    for row in area.rows {
        for column in area.columns.clone() {
            let cell = tab.grid.cell_mut(row, column);
            let one =
                RawCell { user_entered_format: raw.user_entered_format, note: raw.note.clone(), ..Default::default() };
            pen.write(cell, one)?;
            if mask.field("userEnteredValue").is_some() {
                cell.value = value.clone();
            }
        }
    }
    Ok(())
}

fn corner(start: &RawGridCoordinate, rows: &[RawRow<'_>]) -> Result<Area, String> {
    let index = |value: Option<i32>| {
        usize::try_from(value.unwrap_or(0)).map_err(|_| "A coordinate must not be negative.".to_owned())
    };
    let (row, column) = (index(start.row_index)?, index(start.column_index)?);
    Ok(Area { rows: row..row + rows.len(), columns: column..column + widest(rows) })
}

fn widest(rows: &[RawRow<'_>]) -> usize {
    rows.iter().map(|row| row.values.as_ref().map_or(0, Vec::len)).max().unwrap_or(0)
}

/// A grid does not grow in width by being written to.
fn check_width(rows: &[RawRow<'_>], start: usize, end: usize) -> Result<(), String> {
    let last = start + widest(rows);
    if last > end {
        return Err(format!(
            "Attempting to write column: {}, beyond the last requested column of: {}",
            last - 1,
            end.saturating_sub(1)
        ));
    }
    Ok(())
}
