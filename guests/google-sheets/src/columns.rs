//! Columns: where in the sheet each column of a batch is.
//!
//! A column is known by its key. New ones are added at the right of the grid, whatever a person has put there; those that
//! a formatter no longer fills stay as they are.

use punchcard_sdk::Column;

use crate::state::{Grid, Placed, Tab};

/// Key of the metadata on a column.
pub(crate) const KEY: &str = "punchcard.column";

/// Columns of the sheet beyond which nothing is written: each row carries a cell for every column before the last.
pub(crate) const WIDEST: u32 = 1_000;

/// Metadata on a column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    pub(crate) id: i32,
    pub(crate) tab: i32,
    pub(crate) key: String,
    pub(crate) at: u32,
}

/// The columns of a tab. Of two with one key, as a person makes them by duplicating, the left one counts. Of two keys on
/// one column that of the lower id has it, and the other one has none.
pub(crate) fn place(found: &[Found], grid: &Grid, old: &[Placed]) -> Vec<Placed> {
    let mut placed: Vec<Placed> = Vec::new();
    let is_here = |found: &&Found| found.tab == grid.id && found.at < grid.columns;
    let has_column = |this: &&Found| {
        let here = found.iter().filter(is_here).filter(|other| other.at == this.at);
        here.map(|other| (other.id, &other.key)).min().is_none_or(|(_, key)| *key == this.key)
    };
    for found in found.iter().filter(is_here).filter(has_column) {
        match placed.iter_mut().find(|other| other.key == found.key) {
            Some(other) => other.at = other.at.min(found.at),
            None => {
                let title = old.iter().find(|old| old.key == found.key).and_then(|old| old.title.clone());
                placed.push(Placed { key: found.key.clone(), title, at: found.at });
            }
        }
    }
    placed
}

/// Whether there are more columns than the tab has: they came after its width was asked for.
pub(crate) fn is_newer(found: &[Found], grid: &Grid) -> bool {
    found.iter().any(|found| found.tab == grid.id && found.at >= grid.columns)
}

/// The keys of old columns that are not there any more.
pub(crate) fn lost<'a>(old: &'a [Placed], columns: &[Placed]) -> Vec<&'a str> {
    old.iter().map(|old| old.key.as_str()).filter(|key| columns.iter().all(|column| column.key != *key)).collect()
}

/// What has to change so that rows of these columns fit.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Extension<'a> {
    pub(crate) added: Vec<&'a Column>,
    /// With their new titles.
    pub(crate) renamed: Vec<(Placed, String)>,
}

impl Extension<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.renamed.is_empty()
    }
}

/// Compares the sheet's columns with the batch's. A title is written again only when the formatter's changed: one that a
/// person changed in the sheet is theirs.
pub(crate) fn plan_extension<'a>(tab: &Tab, columns: &'a [Column]) -> Extension<'a> {
    let mut extension = Extension::default();
    for column in columns {
        match tab.columns.iter().find(|placed| placed.key == column.key) {
            None => extension.added.push(column),
            Some(placed) if placed.title.as_ref().is_some_and(|title| *title != column.title) => {
                extension.renamed.push((placed.clone(), column.title.clone()));
            }
            Some(_) => {}
        }
    }
    if tab.width as usize + extension.added.len() > WIDEST as usize {
        extension.added.clear();
    }
    extension
}

/// Takes the formatter's titles for those of a sheet that this device did not write.
pub(crate) fn remember_titles(tab: &mut Tab, columns: &[Column]) {
    for placed in tab.columns.iter_mut().filter(|placed| placed.title.is_none()) {
        let column = columns.iter().find(|column| column.key == placed.key);
        placed.title = column.map(|column| column.title.clone());
    }
}

/// Whether there is a column that can't be written.
pub(crate) fn is_too_wide(tab: &Tab, columns: &[Column]) -> bool {
    plan_order(tab, columns).is_none()
}

/// For each column of the sheet, up to the last that is written, the place of its cell in a row of the batch. `None`:
/// some column is not there, or too far to the right.
pub(crate) fn plan_order(tab: &Tab, columns: &[Column]) -> Option<Vec<Option<usize>>> {
    let mut order = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        let at = tab.columns.iter().find(|placed| placed.key == column.key)?.at as usize;
        if at >= WIDEST as usize {
            return None;
        }
        if order.len() <= at {
            order.resize(at + 1, None);
        }
        *order.get_mut(at)? = Some(index);
    }
    Some(order)
}

#[cfg(test)]
mod tests {
    use punchcard_sdk::ColumnKind;

    use super::*;

    fn found(id: i32, tab: i32, key: &str, at: u32) -> Found {
        Found { id, tab, key: key.into(), at }
    }

    fn placed(key: &str, title: Option<&str>, at: u32) -> Placed {
        Placed { key: key.into(), title: title.map(Into::into), at }
    }

    fn column(key: &str, title: &str) -> Column {
        Column { key: key.into(), title: title.into(), kind: ColumnKind::Text }
    }

    fn tab(width: u32, columns: Vec<Placed>) -> Tab {
        Tab { name: "t".into(), id: 7, width, columns, guard: 0, extending: None }
    }

    #[test]
    fn columns_are_placed_by_their_metadata_on_this_tab() {
        let grid = Grid { id: 7, title: "t".into(), columns: 4, rows: 2 };
        let metadata =
            [found(1, 7, "b", 3), found(2, 8, "c", 0), found(3, 7, "a", 1), found(4, 7, "a", 0), found(5, 7, "d", 4)];
        let old = [placed("b", Some("B"), 0), placed("x", Some("X"), 1)];
        assert_eq!(place(&metadata, &grid, &old), [placed("b", Some("B"), 3), placed("a", None, 0)]);
        assert!(is_newer(&metadata, &grid));
        assert!(!is_newer(&metadata[..4], &grid));
        assert!(!is_newer(&[found(6, 8, "e", 9)], &grid), "on another tab");
    }

    #[test]
    fn of_two_keys_on_one_column_the_lower_id_counts() {
        let grid = Grid { id: 7, title: "t".into(), columns: 4, rows: 2 };
        let placed_of = |metadata: &[Found]| place(metadata, &grid, &[]);
        let collision = [found(9, 7, "b", 1), found(3, 7, "a", 1), found(1, 8, "c", 1), found(2, 7, "d", 0)];
        assert_eq!(placed_of(&collision), [placed("a", None, 1), placed("d", None, 0)]);
        let mended = [&collision[..], &[found(11, 7, "b", 3)]].concat();
        assert_eq!(placed_of(&mended), [placed("a", None, 1), placed("d", None, 0), placed("b", None, 3)]);
        let twice = [found(3, 7, "a", 1), found(4, 7, "a", 1)];
        assert_eq!(placed_of(&twice), [placed("a", None, 1)], "by two pieces of metadata");
    }

    #[test]
    fn what_is_missing_is_added_and_what_the_formatter_renamed_is_renamed() {
        let tab = tab(3, vec![placed("a", Some("A"), 0), placed("b", None, 1), placed("c", Some("old"), 2)]);
        let columns = [column("d", "D"), column("c", "new"), column("b", "B"), column("a", "A")];
        let extension = plan_extension(&tab, &columns);
        assert_eq!(extension.added, [&columns[0]]);
        assert_eq!(extension.renamed, [(placed("c", Some("old"), 2), "new".to_owned())]);
        assert!(!extension.is_empty());
        assert!(!Extension { renamed: vec![], ..extension }.is_empty());
        assert!(plan_extension(&tab, &columns[2..]).is_empty());
    }

    #[test]
    fn titles_that_another_device_wrote_are_taken_as_they_are() {
        let mut tab = tab(3, vec![placed("a", Some("A"), 0), placed("b", None, 1), placed("c", None, 2)]);
        remember_titles(&mut tab, &[column("a", "x"), column("b", "B")]);
        assert_eq!(tab.columns, [placed("a", Some("A"), 0), placed("b", Some("B"), 1), placed("c", None, 2)]);
    }

    #[test]
    fn cells_go_where_their_column_is() {
        let tab = tab(9, vec![placed("b", None, 0), placed("c", None, 1), placed("a", None, 4)]);
        let columns = [column("a", ""), column("b", "")];
        assert_eq!(plan_order(&tab, &columns).unwrap(), [Some(1), None, None, None, Some(0)]);
        assert_eq!(plan_order(&tab, &[column("d", "")]), None);
    }

    #[test]
    fn a_column_is_lost_when_its_key_is_nowhere() {
        let at = |key: &str| Placed { key: key.into(), title: None, at: 0 };
        assert_eq!(lost(&[at("a"), at("b"), at("c")], &[at("c"), at("a")]), ["b"]);
        assert_eq!(lost(&[at("a")], &[at("a"), at("b")]), [""; 0]);
    }

    #[test]
    fn nothing_is_written_beyond_the_thousandth_column() {
        let columns = [column("a", "")];
        assert!(!is_too_wide(&tab(1_000, vec![placed("a", None, 999)]), &columns));
        assert!(is_too_wide(&tab(1_001, vec![placed("a", None, 1_000)]), &columns));
        assert_eq!(plan_extension(&tab(999, vec![]), &columns).added.len(), 1);
        assert!(plan_extension(&tab(1_000, vec![]), &columns).is_empty());
        assert!(is_too_wide(&tab(1_000, vec![]), &columns));
    }
}
