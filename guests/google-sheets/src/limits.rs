//! Limits: how much the host may put into one batch.
//!
//! A request should have at most 2 MB. What a row costs in JSON beyond its text is known from its columns, so the number
//! of rows is limited by that; `bytes-per-batch` is then what is left for text.

use punchcard_sdk::connector::Limits;
use punchcard_sdk::{Cell, Column, ColumnKind, Error, Instant, Row};

use crate::{Settings, append, cell, event_id};

/// Of a request; the rest of the 2 MB is for what frames the rows and for text that JSON makes longer.
const BYTES: usize = 1_800_000;
/// Of these, what may go into everything but text.
const FRAME_BYTES: usize = 1_200_000;
const ROWS: usize = 10_000;
const COLUMNS: usize = 200;
const KEY_CHARACTERS: usize = 100;
/// Google allows 60 writes a minute, and the 58th was seen refused.
const REQUESTS_PER_MINUTE: u32 = 50;

/// What can be taken of rows with these columns.
///
/// # Errors
/// [`Error::InvalidSettings`] when there are none, too many, two with one key, or one with the event ids' key.
pub(crate) fn plan_limits(settings: &Settings, columns: &[Column]) -> Result<Limits, Error> {
    check_columns(columns)?;
    let cells = columns.iter().map(longest).collect();
    let longest = Row { key: "x".repeat(event_id::CHARACTERS), cells };
    let columns = event_id::columns(settings, columns);
    let order: Vec<_> = (0..columns.len()).map(Some).collect();
    let mut row = Vec::new();
    append::render_row(&longest, &order, &columns, &mut row);
    let bytes = row.len() + 1;
    let rows = (FRAME_BYTES / bytes).clamp(1, ROWS);
    Ok(Limits {
        rows_per_batch: u32::try_from(rows).unwrap_or(1),
        bytes_per_batch: u64::try_from(BYTES - rows * bytes).unwrap_or(1),
        characters_per_cell: u32::try_from(cell::CHARACTERS).unwrap_or(u32::MAX),
        requests_per_minute: REQUESTS_PER_MINUTE,
        reads_back: settings.event_ids,
    })
}

fn check_columns(columns: &[Column]) -> Result<(), Error> {
    let invalid = |text: String| Err(Error::InvalidSettings(text));
    if columns.is_empty() {
        return invalid("the sink's formatter has no columns; a sheet needs one at least".to_owned());
    }
    if columns.len() > COLUMNS {
        return invalid(format!("the sink's formatter has {} columns; a sheet takes 200 at most", columns.len()));
    }
    for (position, Column { key, .. }) in columns.iter().enumerate() {
        if key.is_empty() || key.chars().count() > KEY_CHARACTERS {
            return invalid(format!(
                "the sink's formatter has a column with the key `{key}`; a key has 1 to 100 characters"
            ));
        }
        if key == event_id::KEY {
            return invalid(format!(
                "the sink's formatter has a column with the key `{key}`, which stands for event ids"
            ));
        }
        if columns[..position].iter().any(|earlier| earlier.key == *key) {
            return invalid(format!("the sink's formatter has two columns with the key `{key}`"));
        }
    }
    Ok(())
}

/// The cell of such a column that takes the most room, text aside.
fn longest(column: &Column) -> Cell {
    match column.kind {
        ColumnKind::Text => Cell::Text(String::new()),
        ColumnKind::Flag => Cell::Flag(false),
        ColumnKind::Number => Cell::Number(-f64::MIN_POSITIVE),
        ColumnKind::Duration => Cell::Seconds(-f64::MIN_POSITIVE),
        ColumnKind::Date | ColumnKind::Time | ColumnKind::DateTime => {
            Cell::Estimated(Instant { unix_micros: 1_795_168_800_123_457, utc_offset_minutes: 0 })
        }
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "the limits are small numbers")]
mod tests {
    use punchcard_sdk::connector::Batch;

    use super::*;
    use crate::state::Mark;
    use crate::tests::settings;

    fn columns(kinds: &[ColumnKind]) -> Vec<Column> {
        let column = |(index, kind): (usize, &ColumnKind)| Column {
            key: format!("k{index}"),
            title: String::new(),
            kind: *kind,
        };
        kinds.iter().enumerate().map(column).collect()
    }

    fn with_ids() -> Settings {
        Settings { event_ids: true, ..settings() }
    }

    #[test]
    fn a_full_batch_is_a_request_of_at_most_two_megabytes() {
        use ColumnKind::{Date, DateTime, Duration, Flag, Number, Text, Time};
        for kinds in [
            &[Text][..],
            &[Number],
            &[Text, DateTime, DateTime, Duration],
            &[Text, Number, Flag, Date, Time, DateTime, Duration],
            &[DateTime; 200],
        ] {
            let columns = columns(kinds);
            let limits = plan_limits(&with_ids(), &columns).unwrap();
            let rows = limits.rows_per_batch as usize;
            let texts = kinds.iter().filter(|kind| **kind == Text).count();
            let text = (limits.bytes_per_batch as usize).checked_div(rows * texts).unwrap_or(0);
            let cells: Vec<_> = columns
                .iter()
                .map(|column| match longest(column) {
                    Cell::Text(_) => Cell::Text("x".repeat(text)),
                    other => other,
                })
                .collect();
            let batch = Batch {
                id: "b".into(),
                rows: vec![Row { key: "k".repeat(event_id::CHARACTERS), cells }; rows],
                columns: columns.clone(),
                corrections: vec![],
            };
            let columns = event_id::columns(&with_ids(), &columns);
            let order: Vec<_> = (0..columns.len()).map(Some).collect();
            let mark = Mark {
                id: Some(i32::MAX),
                batch: "b".into(),
                ask: false,
                doubt: None,
                deletes: vec![i32::MAX; 25],
                refusal: None,
            };
            let size = append::render_append(i32::MAX, &order, &columns, &batch, &mark, &[], false).len();
            assert!(size <= 1_850_000, "{kinds:?}: {size}");
            assert!(size >= 1_000_000 || limits.rows_per_batch == 10_000, "{kinds:?}: {size}");
        }
    }

    #[test]
    fn a_row_is_reckoned_with_its_longest_cells_and_a_comma() {
        for (kind, row) in [
            (ColumnKind::Number, r#"{"values":[{"userEnteredValue":{"numberValue":-2.2250738585072014e-308}}]},"#),
            (ColumnKind::Flag, r#"{"values":[{"userEnteredValue":{"boolValue":false}}]},"#),
        ] {
            let limits = plan_limits(&settings(), &columns(&[kind])).unwrap();
            assert_eq!(limits.bytes_per_batch, 1_800_000 - u64::from(limits.rows_per_batch) * row.len() as u64);
        }
        let number = |kind| match longest(&columns(&[kind])[0]) {
            Cell::Number(number) | Cell::Seconds(number) => number,
            other => panic!("{other:?}"),
        };
        for kind in [ColumnKind::Number, ColumnKind::Duration] {
            assert_eq!(number(kind).to_string().len(), (-f64::MIN_POSITIVE).to_string().len(), "{kind:?}");
        }
    }

    #[test]
    fn the_limits_are_googles() {
        let limits = plan_limits(&settings(), &columns(&[ColumnKind::Text])).unwrap();
        assert_eq!(limits.characters_per_cell, 50_000);
        assert_eq!(limits.requests_per_minute, 50);
        assert_eq!(limits.rows_per_batch, 10_000);
    }

    #[test]
    fn columns_that_cannot_work_are_refused() {
        assert!(plan_limits(&with_ids(), &[]).is_err());
        assert!(plan_limits(&with_ids(), &columns(&[ColumnKind::Text; 200])).is_ok());
        assert!(plan_limits(&with_ids(), &columns(&[ColumnKind::Text; 201])).is_err());
        let keys = [("", false), (&"ä".repeat(100), true), (&"ä".repeat(101), false), ("punchcard.event", false)];
        for (key, fits) in keys {
            let mut columns = columns(&[ColumnKind::Text]);
            columns[0].key = key.to_owned();
            assert_eq!(plan_limits(&settings(), &columns).is_ok(), fits, "{key}");
        }
        let mut twice = columns(&[ColumnKind::Text; 2]);
        twice[1].key = twice[0].key.clone();
        let Err(Error::InvalidSettings(text)) = plan_limits(&settings(), &twice) else { panic!() };
        assert_eq!(text, "the sink's formatter has two columns with the key `k0`");
    }
}
