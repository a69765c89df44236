//! Corrections in a sheet: rows whose note says which row they replace. They count in that one's place.

use std::collections::BTreeMap;

use google_sim::TabTable;

/// What the note at a correction's first cell says before the id of the row that it replaces.
const REPLACES: &str = "Correction: replaces row ";
/// The title of the column with the ids.
const IDS: &str = "Event";

/// Puts each correction where the row is that it replaces, and takes that one away. A correction of a row that is not there,
/// or that has one already, stays where it is: it is one too many. Returns how many were put in their place.
pub(crate) fn put_in_place(tab: &mut TabTable) -> usize {
    let Some(ids) = tab.rows.first().and_then(|titles| titles.iter().position(|title| title == IDS)) else { return 0 };
    let mut places = BTreeMap::new();
    for (row, _, note) in &tab.notes {
        let Some(replaced) = note.strip_prefix(REPLACES) else { continue };
        if let Some(place) = tab.rows.iter().position(|cells| cells[ids] == replaced) {
            places.entry(place).or_insert(*row);
        }
    }
    for (place, row) in &places {
        tab.rows.swap(*place, *row);
    }
    let corrections: Vec<_> = places.into_values().collect();
    let mut number = 0..;
    tab.rows.retain(|_| number.next().is_none_or(|number| !corrections.contains(&number)));
    corrections.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of such rows below the titles, and how many corrections were put in their place.
    fn placed(rows: &[[&str; 2]], notes: &[(usize, &str)]) -> (Vec<String>, usize) {
        let rows = [["Key", IDS]].iter().chain(rows).map(|row| row.map(str::to_owned).into());
        let notes = notes.iter().map(|(row, of)| (*row, 0, format!("{REPLACES}{of}"))).collect();
        let title = "Punches".to_owned();
        let mut tab = TabTable { id: 7, title, rows: rows.collect(), notes, hidden: Vec::new(), skipped: 0 };
        let count = put_in_place(&mut tab);
        (tab.rows.into_iter().skip(1).map(|mut row| row.remove(0)).collect(), count)
    }

    #[test]
    fn a_correction_takes_the_place_of_its_row_once_and_is_one_too_many_otherwise() {
        let rows = [["a", "1/0"], ["b", "2/0"], ["c", "3/0"], ["B", "2/0/1"], ["A", "1/0/1"], ["d", "4/0"]];
        let texts = |texts: &str| texts.chars().map(String::from).collect::<Vec<_>>();
        assert_eq!(placed(&rows, &[(4, "2/0"), (5, "1/0")]), (texts("ABcd"), 2));
        assert_eq!(placed(&rows, &[]), (texts("abcBAd"), 0));
        assert_eq!(placed(&rows, &[(4, "2/0"), (5, "9/0")]), (texts("aBcAd"), 1), "of no row");
        assert_eq!(placed(&rows, &[(4, "2/0"), (5, "2/0")]), (texts("aBcAd"), 1), "of the same row");
    }
}
