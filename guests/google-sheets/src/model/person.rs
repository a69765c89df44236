//! The person: what they do to a tab.

use std::cmp::Ordering;

use crate::model::file::{File, Location};

impl File {
    /// A person moves a column of a tab to the left end.
    pub(crate) fn move_to_front(&mut self, title: &str, column: u64) {
        let tab = self.tab(title);
        let id = tab.id;
        for row in &mut tab.rows {
            row.resize(row.len().max(column as usize + 1), String::new());
            row[..=column as usize].rotate_right(1);
        }
        for metadata in self.metadata.values_mut() {
            if let Location::Column(tab, at) = &mut metadata.location
                && *tab == id
            {
                *at = match (*at).cmp(&column) {
                    Ordering::Less => *at + 1,
                    Ordering::Equal => 0,
                    Ordering::Greater => *at,
                };
            }
        }
    }

    /// A person inserts an empty column into a tab.
    pub(crate) fn insert_column(&mut self, title: &str, column: u64) {
        let tab = self.tab(title);
        tab.column_count += 1;
        for row in &mut tab.rows {
            row.resize(row.len().max(column as usize), String::new());
            row.insert(column as usize, String::new());
        }
        tab.hidden = tab.hidden.iter().map(|at| at + u64::from(*at >= column)).collect();
        let id = tab.id;
        for metadata in self.metadata.values_mut() {
            if let Location::Column(tab, at) = &mut metadata.location
                && *tab == id
            {
                *at += u64::from(*at >= column);
            }
        }
    }

    /// A person deletes a column of a tab. What is attached to it goes with it.
    pub(crate) fn delete_column(&mut self, title: &str, column: u64) {
        let tab = self.tab(title);
        tab.column_count -= 1;
        for row in &mut tab.rows {
            if row.len() > column as usize {
                row.remove(column as usize);
            }
        }
        tab.hidden.remove(&column);
        tab.hidden = tab.hidden.iter().map(|at| at - u64::from(*at > column)).collect();
        let id = tab.id;
        self.metadata.retain(|_, metadata| match &mut metadata.location {
            Location::Column(tab, at) if *tab == id => {
                let is_kept = *at != column;
                *at -= u64::from(*at > column);
                is_kept
            }
            _ => true,
        });
    }
}
