//! What an event becomes in a sheet (`records.column`, `cell` and `row` of the contract).

use serde::{Deserialize, Serialize};

use crate::time::Instant;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColumnKind {
    /// Text.
    Text,
    /// Numbers.
    Number,
    /// Yes or no.
    Flag,
    /// Days.
    Date,
    /// Times of day.
    Time,
    /// Days with times.
    DateTime,
    /// Spans of time.
    Duration,
}

/// A column of a sheet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Stays the same when the title changes.
    pub key: String,
    /// What a person reads at the top.
    pub title: String,
    /// What it holds.
    pub kind: ColumnKind,
}

/// A cell of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cell {
    /// Nothing.
    Empty,
    /// Always stored as text, whatever it looks like.
    Text(String),
    /// Finite.
    Number(f64),
    /// Yes or no.
    Flag(bool),
    /// Written as the device's local time.
    Moment(Instant),
    /// A moment that is a guess, and marked as one.
    Estimated(Instant),
    /// A span of time, in seconds; finite.
    Seconds(f64),
}

/// A row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The event's id and the row's position among that event's rows: `01J…/0`.
    pub key: String,
    /// One for each column, in order.
    pub cells: Vec<Cell>,
}

impl Row {
    /// The bytes that it takes in memory and on the disk, in order of magnitude.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let cells = self.cells.iter().map(|cell| match cell {
            Cell::Text(text) => 16 + text.len(),
            Cell::Empty | Cell::Number(_) | Cell::Flag(_) | Cell::Moment(_) | Cell::Estimated(_) | Cell::Seconds(_) => {
                16
            }
        });
        self.key.len() + cells.sum::<usize>()
    }
}
