//! Where a device's rows are in the sheets.

use std::ops::Range;

use anyhow::{Result, ensure};
use google_sim::{SheetTable, TabTable};

/// How many tabs with a column of this title each spreadsheet has.
pub(crate) fn count_tabs(tables: &[SheetTable], title: &str) -> Vec<usize> {
    tables.iter().map(|table| table.tabs.iter().filter(|tab| find_column(tab, title).is_some()).count()).collect()
}

/// What stands below the title, in all spreadsheets from the oldest on. Of rows that are misplaced, by their number below the
/// title, the first cell of any column that is a device's.
pub(crate) fn find_cells(
    tables: &[SheetTable],
    title: &str,
    misplaced: &Range<usize>,
    is_of_a_device: impl Fn(&str) -> bool,
) -> Result<Vec<String>> {
    let tabs = tables.iter().flat_map(|table| &table.tabs);
    let found: Vec<_> = tabs.filter_map(|tab| Some((find_column(tab, title)?, tab.rows.get(1..)?))).collect();
    ensure!(!found.is_empty(), "no tab has a column {title}");
    let rows = found.into_iter().flat_map(|(column, rows)| rows.iter().map(move |row| (row, column)));
    let cells = rows.enumerate().map(|(number, (row, column))| {
        let anywhere = || row.iter().find(|cell| misplaced.contains(&number) && is_of_a_device(cell));
        anywhere().or_else(|| row.get(column)).cloned().unwrap_or_default()
    });
    Ok(cells.collect())
}

fn find_column(tab: &TabTable, title: &str) -> Option<usize> {
    tab.rows.first()?.iter().position(|found| found == title)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A spreadsheet of such tabs.
    fn spreadsheet(tabs: &[&[[&str; 2]]]) -> SheetTable {
        let tab = |rows: &&[[&str; 2]]| TabTable {
            id: 7,
            title: "Punches".to_owned(),
            rows: rows.iter().map(|row| row.map(str::to_owned).into()).collect(),
            notes: Vec::new(),
            hidden: Vec::new(),
            skipped: 0,
        };
        SheetTable { id: String::new(), title: String::new(), trashed: false, tabs: tabs.iter().map(tab).collect() }
    }

    #[test]
    fn a_spreadsheet_or_a_tab_too_many_counts() {
        let (ours, theirs) = ([["Key", ""]].as_slice(), [["Sum", ""]].as_slice());
        let sheets = [spreadsheet(&[theirs, ours]), spreadsheet(&[ours, ours]), spreadsheet(&[theirs, &[]])];
        assert_eq!(count_tabs(&sheets, "Key"), [1, 2, 0]);
    }

    #[test]
    fn a_row_is_what_stands_below_the_title_or_where_a_device_wrote_while_columns_were_moved() {
        let rows = [["Key", "Id"], ["key 1", "key 9"], ["key 2", "key 9"], ["", "key 3"], ["typed", "8/0"]];
        let sheets = [spreadsheet(&[&rows])];
        let found = |misplaced| find_cells(&sheets, "Key", &misplaced, |cell| cell.starts_with("key")).unwrap();
        assert_eq!(found(0..0), ["key 1", "key 2", "", "typed"]);
        assert_eq!(found(2..3), ["key 1", "key 2", "key 3", "typed"]);
        assert!(find_cells(&sheets, "Keys", &(0..0), |_| true).is_err());
    }
}
