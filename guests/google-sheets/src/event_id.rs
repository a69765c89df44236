//! Event id: the column that says which event and which of its rows a row is, whatever a person does with the sheet.
//!
//! It comes after the formatter's columns and is hidden when it is made. From then on it is a column like theirs: known by
//! its metadata, wherever a person moves it, however they name it, and whether they show it.

use std::borrow::Cow;

use punchcard_sdk::{Column, ColumnKind};

use crate::Settings;

/// The value of its metadata. No formatter's column may have it for a key.
pub(crate) const KEY: &str = "punchcard.event";
const TITLE: &str = "Event";
/// What a row's key has at most: a ULID, and behind strokes a position and which correction it is.
pub(crate) const CHARACTERS: usize = 26 + 1 + 10 + 1 + 10;

/// The columns of the sheet: the formatter's, and the one of the event ids behind them.
pub(crate) fn columns<'a>(settings: &Settings, columns: &'a [Column]) -> Cow<'a, [Column]> {
    if !settings.event_ids || columns.is_empty() {
        return Cow::Borrowed(columns);
    }
    let ids = Column { key: KEY.to_owned(), title: TITLE.to_owned(), kind: ColumnKind::Text };
    Cow::Owned(columns.iter().cloned().chain([ids]).collect())
}
