//! The cells of one tab.
//!
//! Rows are kept in chunks that copies share, so that a batch works on a copy of the whole spreadsheet and is dropped
//! when one of its requests fails: atomic, and yet cheap. A row that was never written takes no room.

use std::ops::Range;
use std::sync::Arc;

use super::cell::Cell;
use super::request::Dimension;

const CHUNK: usize = 512;

/// The cells of a row from the first column on; those that are missing are empty.
pub(crate) type Row = Vec<Cell>;

/// A grid of a given size, sparsely filled.
///
/// All chunks but the last are full, and there are never more rows in them than `row_count`.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    row_count: usize,
    column_count: usize,
    chunks: Vec<Arc<Vec<Row>>>,
}

/// A rectangle of cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Area {
    pub(crate) rows: Range<usize>,
    pub(crate) columns: Range<usize>,
}

impl Grid {
    pub(crate) fn new(row_count: usize, column_count: usize) -> Self {
        Self { row_count, column_count, chunks: Vec::new() }
    }

    pub(crate) fn row_count(&self) -> usize {
        self.row_count
    }

    pub(crate) fn column_count(&self) -> usize {
        self.column_count
    }

    /// How many cells the grid has, empty ones included: that is what Google limits.
    pub(crate) fn cell_count(&self) -> usize {
        self.row_count.saturating_mul(self.column_count)
    }

    /// Changes the size; what lies outside is lost.
    pub(crate) fn resize(&mut self, row_count: usize, column_count: usize) {
        if row_count < self.row_count {
            self.edit_rows(|rows| rows.truncate(row_count));
        }
        if column_count < self.column_count {
            self.edit_rows(|rows| rows.iter_mut().for_each(|row| row.truncate(column_count)));
        }
        self.row_count = row_count;
        self.column_count = column_count;
    }

    /// The rows that were ever written: later ones are empty.
    pub(crate) fn stored_rows(&self) -> usize {
        let last = self.chunks.last().map_or(0, |chunk| chunk.len());
        self.chunks.len().saturating_sub(1) * CHUNK + last
    }

    pub(crate) fn row(&self, index: usize) -> &[Cell] {
        self.chunks.get(index / CHUNK).and_then(|chunk| chunk.get(index % CHUNK)).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn cell(&self, row: usize, column: usize) -> &Cell {
        self.row(row).get(column).unwrap_or(Cell::EMPTY)
    }

    /// A cell to write to. The caller has seen to it that it lies inside the grid.
    pub(crate) fn cell_mut(&mut self, row: usize, column: usize) -> &mut Cell {
        let cells = self.row_mut(row);
        if cells.len() <= column {
            cells.resize(column + 1, Cell::default());
        }
        &mut cells[column]
    }

    pub(crate) fn row_mut(&mut self, index: usize) -> &mut Row {
        while self.stored_rows() <= index {
            match self.chunks.last_mut() {
                Some(chunk) if chunk.len() < CHUNK => Arc::make_mut(chunk).push(Row::new()),
                _ => self.chunks.push(Arc::new(vec![Row::new()])),
            }
        }
        &mut Arc::make_mut(&mut self.chunks[index / CHUNK])[index % CHUNK]
    }

    /// The number of rows up to and with the last one that has a cell like that.
    pub(crate) fn rows_until_last(&self, is_counted: impl Fn(&Cell) -> bool) -> usize {
        (0..self.stored_rows()).rev().find(|index| self.row(*index).iter().any(&is_counted)).map_or(0, |last| last + 1)
    }

    /// The same for columns.
    pub(crate) fn columns_until_last(&self, is_counted: impl Fn(&Cell) -> bool) -> usize {
        let width = |row: &Row| row.iter().rposition(&is_counted).map_or(0, |last| last + 1);
        self.chunks.iter().flat_map(|chunk| chunk.iter()).map(width).max().unwrap_or(0)
    }

    /// Puts empty rows before `at`.
    pub(crate) fn insert_rows(&mut self, at: usize, count: usize) {
        if at < self.stored_rows() {
            self.edit_rows(|rows| drop(rows.splice(at..at, std::iter::repeat_n(Row::new(), count))));
        }
        self.row_count += count;
    }

    pub(crate) fn insert_columns(&mut self, at: usize, count: usize) {
        self.edit_rows(|rows| {
            for row in rows.iter_mut().filter(|row| at < row.len()) {
                drop(row.splice(at..at, std::iter::repeat_n(Cell::default(), count)));
            }
        });
        self.column_count += count;
    }

    /// Takes rows out; the range lies inside the grid.
    pub(crate) fn delete_rows(&mut self, range: Range<usize>) {
        self.row_count -= range.len();
        self.edit_rows(|rows| drop(rows.drain(range.start.min(rows.len())..range.end.min(rows.len()))));
    }

    /// Takes columns out; the range lies inside the grid.
    pub(crate) fn delete_columns(&mut self, range: Range<usize>) {
        self.column_count -= range.len();
        self.edit_rows(|rows| {
            for row in rows {
                drop(row.drain(range.start.min(row.len())..range.end.min(row.len())));
            }
        });
    }

    /// Moves the first `left` rows or columns of a span, which lies inside the grid, to its end.
    pub(crate) fn rotate(&mut self, dimension: Dimension, span: &Range<usize>, left: usize) {
        fn rotate<T: Clone + Default>(list: &mut Vec<T>, span: &Range<usize>, left: usize) {
            if list.len() > span.start {
                list.resize(list.len().max(span.end), T::default());
                list[span.clone()].rotate_left(left);
            }
        }
        self.edit_rows(|rows| match dimension {
            Dimension::Rows => rotate(rows, span, left),
            Dimension::Columns => rows.iter_mut().for_each(|row| rotate(row, span, left)),
        });
    }

    /// Lets `edit` see all stored rows as one list, and forms chunks again.
    pub(crate) fn edit_rows(&mut self, edit: impl FnOnce(&mut Vec<Row>)) {
        let mut rows: Vec<Row> = std::mem::take(&mut self.chunks)
            .into_iter()
            .flat_map(|chunk| Arc::try_unwrap(chunk).unwrap_or_else(|shared| (*shared).clone()))
            .collect();
        edit(&mut rows);
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            self.chunks.push(Arc::new(rows.by_ref().take(CHUNK).collect()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::cell::CellValue;
    use super::*;

    fn number(grid: &Grid, row: usize) -> f64 {
        match grid.cell(row, 0).value {
            CellValue::Number(number) => number,
            _ => f64::NAN,
        }
    }

    fn counted(rows: usize) -> Grid {
        let mut grid = Grid::new(rows, 3);
        for (row, value) in (0..rows).zip(0_u32..) {
            grid.cell_mut(row, 0).value = CellValue::Number(f64::from(value));
        }
        grid
    }

    #[test]
    fn rows_are_found_across_chunks() {
        let grid = counted(CHUNK * 2 + 1);
        assert_eq!(grid.stored_rows(), CHUNK * 2 + 1);
        for row in [0, CHUNK - 1, CHUNK, CHUNK * 2] {
            assert_eq!(number(&grid, row), f64::from(u32::try_from(row).unwrap()));
        }
        assert_eq!(grid.rows_until_last(Cell::has_value), CHUNK * 2 + 1);
        assert_eq!(grid.columns_until_last(Cell::has_value), 1);
        assert_eq!(grid.cell(CHUNK * 3, 9), Cell::EMPTY);
    }

    #[test]
    fn a_copy_is_not_changed_with_the_original() {
        let mut grid = counted(CHUNK + 5);
        let copy = grid.clone();
        grid.cell_mut(3, 0).value = CellValue::Empty;
        grid.delete_rows(0..CHUNK);
        assert_eq!(number(&copy, 3), 3.0);
        assert_eq!((copy.row_count(), grid.row_count()), (CHUNK + 5, 5));
        assert_eq!(number(&grid, 0), f64::from(u32::try_from(CHUNK).unwrap()));
    }

    #[test]
    fn rows_and_columns_are_inserted_and_deleted() {
        let mut grid = counted(4);
        grid.insert_rows(2, 2);
        assert_eq!((number(&grid, 1), number(&grid, 4), grid.row_count()), (1.0, 2.0, 6));
        assert!(!grid.cell(2, 0).has_value() && !grid.cell(3, 0).has_value());
        grid.insert_columns(0, 1);
        assert!(!grid.cell(0, 0).has_value() && grid.cell(0, 1).has_value());
        grid.delete_columns(0..1);
        assert_eq!((number(&grid, 0), grid.column_count()), (0.0, 3));
        grid.resize(2, 3);
        assert_eq!((grid.stored_rows(), grid.row_count()), (2, 2));
        grid.resize(100, 0);
        assert_eq!(grid.columns_until_last(Cell::has_value), 0);
        assert_eq!(grid.cell_count(), 0);
    }
}
