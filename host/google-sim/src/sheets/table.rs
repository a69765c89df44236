//! A spreadsheet as a person reads it: texts in rows.

use serde::Serialize;

use super::Spreadsheet;
use super::cell::Cell;

/// A spreadsheet as formatted texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SheetTable {
    /// The file's id.
    pub id: String,
    /// The file's name.
    pub title: String,
    /// Whether it is in the bin.
    pub trashed: bool,
    /// In their order.
    pub tabs: Vec<TabTable>,
}

/// One tab as formatted texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TabTable {
    /// The tab's id.
    pub id: i32,
    /// Its title.
    pub title: String,
    /// Rows up to the last one with a value, all as wide as the widest; an empty cell is an empty text.
    pub rows: Vec<Vec<String>>,
    /// The notes at cells: row and column in the sheet, both counted from 0, and the text.
    pub notes: Vec<(usize, usize, String)>,
    /// Columns that a person does not see, from 0.
    pub hidden: Vec<usize>,
    /// How many rows before the first of `rows` were left out.
    pub skipped: usize,
}

impl TabTable {
    /// The rows without the columns that a person does not see.
    #[must_use]
    pub fn seen(&self) -> Vec<Vec<&str>> {
        self.rows
            .iter()
            .map(|row| {
                let cells = row.iter().enumerate().filter(|(column, _)| !self.hidden.contains(column));
                cells.map(|(_, cell)| cell.as_str()).collect()
            })
            .collect()
    }
}

impl Spreadsheet {
    /// All tabs; of each at most the last `most_rows` rows, and the first row in any case.
    pub(crate) fn to_tables(&self, most_rows: usize) -> Vec<TabTable> {
        let render = |tab: &super::Tab| {
            let height = tab.grid.rows_until_last(Cell::has_value);
            let width = tab.grid.columns_until_last(Cell::has_value);
            let skipped = height.saturating_sub(most_rows);
            let first = (skipped > 0).then_some(0);
            let row = |row: usize| (0..width).map(|column| tab.grid.cell(row, column).render(&self.styles)).collect();
            let rows = first.into_iter().chain(skipped..height).map(row).collect();
            let notes = (0..tab.grid.stored_rows()).flat_map(|row| {
                let cells = tab.grid.row(row).iter().enumerate();
                cells.filter_map(move |(column, cell)| Some((row, column, cell.note.as_ref()?.to_string())))
            });
            let notes = notes.collect();
            let hidden =
                tab.columns.iter().filter(|(_, properties)| properties.hidden_by_user).map(|(column, _)| *column);
            let (title, hidden) = (tab.title.clone(), hidden.collect());
            TabTable { id: tab.id, title, rows, notes, hidden, skipped: skipped.saturating_sub(1) }
        };
        self.tabs.iter().map(render).collect()
    }

    /// For each tab: its id, title, grid size and the number of rows up to the last with a value.
    pub(crate) fn sizes(&self) -> impl Iterator<Item = (i32, &str, usize, usize, usize)> {
        self.tabs.iter().map(|tab| {
            let rows = tab.grid.rows_until_last(Cell::has_value);
            (tab.id, tab.title.as_str(), tab.grid.row_count(), tab.grid.column_count(), rows)
        })
    }
}
