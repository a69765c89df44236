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
pub(crate) const CHARACTERS: usize = EVENT_CHARACTERS + 1 + 10 + 1 + 10;
/// Of a ULID.
const EVENT_CHARACTERS: usize = 26;

/// Whether this is what a row's key looks like, and not a header or what a person wrote.
pub(crate) fn is_key(text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = text.split('/');
    let event = parts.next().unwrap_or_default();
    let numbers: Vec<&str> = parts.collect();
    !event.is_empty()
        && event.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && matches!(numbers.len(), 1 | 2)
        && numbers.into_iter().all(is_number)
}

/// The same, and the event is one of 26 letters and digits, as every device's: of other things that people write into cells,
/// such as "1/2", it is told apart.
pub(crate) fn is_full_key(text: &str) -> bool {
    is_key(text) && text.find('/') == Some(EVENT_CHARACTERS)
}

/// The columns of the sheet: the formatter's, and the one of the event ids behind them.
pub(crate) fn columns<'a>(settings: &Settings, columns: &'a [Column]) -> Cow<'a, [Column]> {
    if !settings.event_ids || columns.is_empty() {
        return Cow::Borrowed(columns);
    }
    let ids = Column { key: KEY.to_owned(), title: TITLE.to_owned(), kind: ColumnKind::Text };
    Cow::Owned(columns.iter().cloned().chain([ids]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_an_event_and_one_or_two_numbers() {
        for key in ["01JD3ZQ8J5M2V9X7K4T6W8Y0A1/0", "01JD3ZQ8J5M2V9X7K4T6W8Y0A1/12/3", "1/0"] {
            assert!(is_key(key), "{key}");
        }
        for other in ["", "Event", "17", "/", "a/", "/0", "a/b", "a/0/", "a/0/1/2", "Event 1/2", "Id/No.", "a/-1"] {
            assert!(!is_key(other), "{other}");
        }
    }
}
