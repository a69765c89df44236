//! Rows and columns as a whole: appending, inserting, moving, deleting, hiding and sorting them. Mostly what people do.

use std::cmp::Ordering;
use std::ops::Range;

use super::Spreadsheet;
use super::cell::{Cell, CellValue};
use super::grid::Row;
use super::range::parse_grid_range;
use super::request::{
    Dimension, DimensionSizes, RawAppendDimension, RawDeleteDimension, RawDimensionRange, RawInsertDimension,
    RawMoveDimension, RawSortRange, RawUpdateDimensionProperties,
};
use crate::schema::Mask;

impl Spreadsheet {
    pub(super) fn perform_append_dimension(&mut self, raw: &RawAppendDimension) -> Result<(), String> {
        let dimension = Dimension::parse(raw.dimension.as_deref())?;
        let length = raw.length.and_then(|length| usize::try_from(length).ok()).filter(|length| *length > 0);
        let length = length.ok_or("The length must be greater than zero.")?;
        let grid = &mut self.tab_mut(raw.sheet_id.unwrap_or(0))?.grid;
        match dimension {
            Dimension::Rows => grid.resize(grid.row_count() + length, grid.column_count()),
            Dimension::Columns => grid.resize(grid.row_count(), grid.column_count() + length),
        }
        self.check_size()
    }

    pub(super) fn perform_insert_dimension(&mut self, raw: &RawInsertDimension) -> Result<(), String> {
        let (id, dimension, range) = self.locate(raw.range.as_ref())?;
        let tab = self.tab_mut(id)?;
        let is_first = range.start == 0;
        if range.start > tab.length(dimension) {
            return Err(format!("Cannot insert at {}: the sheet ends before it.", range.start));
        }
        if is_first && raw.inherit_from_before == Some(true) {
            return Err("Cannot inherit from before the first row or column.".to_owned());
        }
        let count = range.len();
        match dimension {
            Dimension::Rows => tab.grid.insert_rows(range.start, count),
            Dimension::Columns => tab.grid.insert_columns(range.start, count),
        }
        let sizes = std::mem::take(tab.sizes_mut(dimension));
        let moved = |index| if index >= range.start { index + count } else { index };
        *tab.sizes_mut(dimension) = sizes.into_iter().map(|(index, size)| (moved(index), size)).collect();
        self.metadata.insert_lines(id, dimension, range.start, count);
        self.check_size()
    }

    pub(super) fn perform_move_dimension(&mut self, raw: &RawMoveDimension) -> Result<(), String> {
        let (id, dimension, source) = self.locate(raw.source.as_ref())?;
        let tab = self.tab_mut(id)?;
        let length = tab.length(dimension);
        let to = usize::try_from(raw.destination_index.unwrap_or(0)).ok().filter(|to| *to <= length);
        let to =
            to.filter(|_| source.end <= length).ok_or("The source or the destination lies outside of the sheet.")?;
        // The destination counts before the source is taken out: what stands in between changes places with the source.
        let (span, left) = if to > source.end {
            (source.start..to, source.len())
        } else if to < source.start {
            (to..source.end, source.start - to)
        } else {
            return Ok(());
        };
        let moved = |index: usize| match span.contains(&index) {
            true => span.start + (index - span.start + span.len() - left) % span.len(),
            false => index,
        };
        tab.grid.rotate(dimension, &span, left);
        let sizes = std::mem::take(tab.sizes_mut(dimension));
        *tab.sizes_mut(dimension) = sizes.into_iter().map(|(index, size)| (moved(index), size)).collect();
        self.metadata.move_lines(id, dimension, moved);
        Ok(())
    }

    pub(super) fn perform_delete_dimension(&mut self, raw: &RawDeleteDimension) -> Result<(), String> {
        let (id, dimension, range) = self.locate(raw.range.as_ref())?;
        let tab = self.tab_mut(id)?;
        let length = tab.length(dimension);
        if range.end > length {
            return Err(format!("Cannot delete up to {}: the sheet ends at {length}.", range.end));
        }
        if range.len() == length {
            return Err("You can't delete all the rows or columns on the sheet.".to_owned());
        }
        match dimension {
            Dimension::Rows => tab.grid.delete_rows(range.clone()),
            Dimension::Columns => tab.grid.delete_columns(range.clone()),
        }
        let sizes: DimensionSizes = std::mem::take(tab.sizes_mut(dimension));
        *tab.sizes_mut(dimension) = sizes
            .into_iter()
            .filter(|(index, _)| !range.contains(index))
            .map(|(index, size)| (if index >= range.end { index - range.len() } else { index }, size))
            .collect();
        self.metadata.delete_lines(id, dimension, &range);
        Ok(())
    }

    pub(super) fn perform_update_dimension(
        &mut self,
        raw: &RawUpdateDimensionProperties,
        mask: &Mask,
    ) -> Result<(), String> {
        let (id, dimension, range) = self.locate(raw.range.as_ref())?;
        let tab = self.tab_mut(id)?;
        if range.end > tab.length(dimension) {
            return Err(format!("The range ends at {}, the sheet at {}.", range.end, tab.length(dimension)));
        }
        let default = super::request::RawDimensionProperties::default();
        let new = raw.properties.as_ref().unwrap_or(&default);
        if new.pixel_size.is_some_and(|size| size < 0) {
            return Err("The pixel size must not be negative.".to_owned());
        }
        for index in range {
            let properties = tab.sizes_mut(dimension).entry(index).or_default();
            if mask.field("pixelSize").is_some() {
                properties.pixel_size = new.pixel_size;
            }
            if mask.field("hiddenByUser").is_some() {
                properties.hidden_by_user = new.hidden_by_user.unwrap_or(false);
            }
        }
        Ok(())
    }

    pub(super) fn perform_sort(&mut self, raw: &RawSortRange) -> Result<(), String> {
        let range = raw.range.as_ref().ok_or("No range specified.")?;
        let tab = self.tab_mut(range.sheet_id.unwrap_or(0))?;
        let area = parse_grid_range(range, tab)?;
        let mut keys = Vec::new();
        for spec in raw.sort_specs.as_deref().unwrap_or_default() {
            let index = usize::try_from(spec.dimension_index.unwrap_or(0)).ok();
            let column = index.filter(|column| area.columns.contains(column));
            let column = column.ok_or("A sort's dimension index must lie inside its range.")?;
            keys.push((column, spec.sort_order.as_deref() == Some("DESCENDING")));
        }
        let end = area.rows.end.min(tab.grid.stored_rows());
        let rows = area.rows.start.min(end)..end;
        tab.grid.edit_rows(|all| {
            let sorted = &mut all[rows];
            let mut cut: Vec<Row> = sorted.iter_mut().map(|row| take(row, &area.columns)).collect();
            cut.sort_by(|a, b| compare(a, b, &keys, area.columns.start));
            for (row, cells) in sorted.iter_mut().zip(cut) {
                row[area.columns.clone()].clone_from_slice(&cells);
            }
        });
        Ok(())
    }

    fn locate(&self, raw: Option<&RawDimensionRange>) -> Result<(i32, Dimension, Range<usize>), String> {
        let raw = raw.ok_or("No range specified.")?;
        let id = raw.sheet_id.unwrap_or(0);
        let tab = Self::find_tab(&self.tabs, id)?;
        let dimension = Dimension::parse(raw.dimension.as_deref())?;
        let index = |value: Option<i32>, default: usize| match value {
            None => Ok(default),
            Some(value) => usize::try_from(value).map_err(|_| format!("An index must not be negative: {value}")),
        };
        let range = index(raw.start_index, 0)?..index(raw.end_index, tab.length(dimension))?;
        if range.is_empty() {
            return Err(format!("The range is empty or reversed: [{}, {})", range.start, range.end));
        }
        Ok((id, dimension, range))
    }
}

/// Takes a row's cells of these columns, and leaves empty ones.
fn take(row: &mut Row, columns: &Range<usize>) -> Row {
    if row.len() < columns.end {
        row.resize(columns.end, Cell::default());
    }
    row[columns.clone()].iter_mut().map(std::mem::take).collect()
}

/// Numbers before texts before booleans; empty cells last, whatever the direction.
fn compare(a: &Row, b: &Row, keys: &[(usize, bool)], first: usize) -> Ordering {
    let rank = |value: &CellValue| match value {
        CellValue::Number(_) => 0,
        CellValue::Text(_) => 1,
        CellValue::Bool(_) => 2,
        CellValue::Empty => 3,
    };
    let by = |(column, is_descending): &(usize, bool)| {
        let (a, b) = (&a[column - first].value, &b[column - first].value);
        if *a == CellValue::Empty || *b == CellValue::Empty {
            return rank(a).cmp(&rank(b));
        }
        let ordering = match (a, b) {
            (CellValue::Number(a), CellValue::Number(b)) => a.total_cmp(b),
            (CellValue::Text(a), CellValue::Text(b)) => a.to_lowercase().cmp(&b.to_lowercase()),
            (CellValue::Bool(a), CellValue::Bool(b)) => a.cmp(b),
            (a, b) => rank(a).cmp(&rank(b)),
        };
        if *is_descending { ordering.reverse() } else { ordering }
    };
    keys.iter().map(by).fold(Ordering::Equal, Ordering::then)
}
