//! Calls of a formatter, and what is checked in its answers.

use std::sync::Arc;

use punchcard_core::plugin::delivery::Limits;
use punchcard_core::plugin::format::{Formatted, TimedEvent, Verdict};
use punchcard_core::row::{Cell, Column, Row};
use punchcard_core::time::Context;

use super::cache::Fingerprint;
use super::call::{Answer, CallError};
use super::loaded::Loaded;
use super::tally::Tally;
use super::text::{check_fields, clip};

/// The longest notice or standing line that is kept, in bytes: several times what a panel scrolls through in its moment.
const LINE_BYTES: usize = 200;
/// The most columns of a sheet, and the bytes of a column's key and title.
const COLUMNS: usize = 256;
const TITLE_BYTES: usize = 1024;
/// Bytes of a row, and of all rows of an event. Rows wait on the disk for as long as there is no network, and each has to
/// fit into a connector's memory.
const ROW_BYTES: usize = 256 << 10;
const EVENT_BYTES: usize = 1 << 20;

/// What a formatter of any version of the contract is asked. Nothing in the answers is checked yet but the length of what is
/// said to people.
pub(super) trait Calls: Send + Sync {
    fn loaded(&self) -> &Loaded;

    fn columns<'a>(&'a self, settings: &'a str) -> Answer<'a, Vec<Column>>;

    fn format<'a>(
        &'a self,
        settings: &'a str,
        state: &'a [u8],
        events: Vec<TimedEvent>,
        context: &'a Context,
    ) -> Answer<'a, Formatted>;

    fn fields<'a>(&'a self, settings: &'a str) -> Answer<'a, Vec<String>>;
}

/// A plugin that makes rows.
#[derive(Clone)]
pub struct Formatter {
    calls: Arc<dyn Calls>,
    /// Characters of a cell that the service takes.
    longest_cell: u32,
}

impl Formatter {
    pub(super) fn new(calls: impl Calls + 'static) -> Self {
        Self { calls: Arc::new(calls), longest_cell: u32::MAX }
    }

    /// The same, for rows that a service with these limits takes: an event with a longer cell is rejected.
    #[must_use]
    pub fn within(self, limits: &Limits) -> Self {
        Self { longest_cell: limits.characters_per_cell, ..self }
    }

    /// What became of its calls.
    #[must_use]
    pub fn tally(&self) -> &Arc<Tally> {
        &self.calls.loaded().tally
    }

    /// The SHA-256 of the component.
    #[must_use]
    pub fn sha256(&self) -> &Fingerprint {
        &self.calls.loaded().sha256
    }

    /// The sheet's columns under these settings.
    ///
    /// # Errors
    /// When the settings are wrong, or the call fails.
    pub async fn columns(&self, settings: &str) -> Result<Vec<Column>, CallError> {
        let columns = self.calls.columns(settings).await?;
        check_columns(&columns).map(|()| columns)
    }

    /// The fields that events need under these settings.
    ///
    /// # Errors
    /// When the call fails, or names more than an event could have.
    pub async fn fields(&self, settings: &str) -> Result<Vec<String>, CallError> {
        let fields = self.calls.fields(settings).await?;
        check_fields(&fields).map(|()| fields)
    }

    /// Formats events, in order. `columns` are what the rows must fit.
    ///
    /// # Errors
    /// When the call fails or its answer breaks the contract; the events are then as they were.
    pub async fn format(
        &self,
        settings: &str,
        columns: usize,
        state: Vec<u8>,
        events: Vec<TimedEvent>,
        context: &Context,
    ) -> Result<Formatted, CallError> {
        let ended = self.checked_format(settings, columns, state, events, context).await;
        ended.inspect_err(|error| self.tally().note_error(error))
    }

    async fn checked_format(
        &self,
        settings: &str,
        columns: usize,
        state: Vec<u8>,
        events: Vec<TimedEvent>,
        context: &Context,
    ) -> Result<Formatted, CallError> {
        let count = events.len();
        let mut formatted = self.calls.format(settings, &state, events, context).await?;
        self.check(&formatted, count, columns)?;
        formatted.standing = formatted.standing.map(|line| clip(line, LINE_BYTES));
        for verdict in &mut formatted.verdicts {
            // No part of a text is lost in silence: the event is set aside in whole, with the reason.
            if let Some(reason) = overlong(verdict, self.longest_cell) {
                *verdict = Verdict::Reject(reason);
            }
            if let Verdict::Accepted { notice, .. } = verdict {
                *notice = notice.take().map(|line| clip(line, LINE_BYTES));
            }
        }
        Ok(formatted)
    }

    fn check(&self, formatted: &Formatted, events: usize, columns: usize) -> Result<(), CallError> {
        let limits = self.calls.loaded().limits;
        check_state(&formatted.state, limits.state_bytes)?;
        if formatted.verdicts.len() != events {
            let found = formatted.verdicts.len();
            return Err(CallError::refused(format!("{found} verdicts for {events} events")));
        }
        for (position, verdict) in formatted.verdicts.iter().enumerate() {
            let Verdict::Accepted { rows, .. } = verdict else { continue };
            let most = limits.rows_per_event;
            if u32::try_from(rows.len()).map_or(true, |rows| rows > most) {
                let found = rows.len();
                return Err(CallError::refused(format!("{found} rows for one event; at most {most}")));
            }
            check_rows(rows, columns).map_err(|reason| CallError::refused(format!("verdict {position}: {reason}")))?;
        }
        Ok(())
    }
}

pub(super) fn check_state(state: &[u8], most: u64) -> Result<(), CallError> {
    if state.len() as u64 > most {
        return Err(CallError::refused(format!("a state of {} bytes; at most {most} are kept", state.len())));
    }
    Ok(())
}

fn check_rows(rows: &[Row], columns: usize) -> Result<(), String> {
    let mut all = 0_usize;
    for row in rows {
        check_row(row, columns)?;
        let bytes = row.bytes();
        if bytes > ROW_BYTES {
            return Err(format!("a row of {bytes} bytes; at most {ROW_BYTES} are kept"));
        }
        all = all.saturating_add(bytes);
    }
    if all > EVENT_BYTES {
        return Err(format!("{all} bytes of rows for one event; at most {EVENT_BYTES} are kept"));
    }
    Ok(())
}

/// Why a service would not take these rows, where a cell is longer than it takes.
fn overlong(verdict: &Verdict, longest: u32) -> Option<String> {
    let Verdict::Accepted { rows, .. } = verdict else { return None };
    let longest = usize::try_from(longest).unwrap_or(usize::MAX);
    rows.iter().flat_map(|row| row.cells.iter().enumerate()).find_map(|(column, cell)| match cell {
        Cell::Text(text) if text.len() > longest => {
            let characters = text.chars().count();
            (characters > longest)
                .then(|| format!("cell {} has {characters} characters; the service takes {longest}", column + 1))
        }
        _ => None,
    })
}

fn check_row(row: &Row, columns: usize) -> Result<(), String> {
    if row.cells.len() != columns {
        return Err(format!("a row of {} cells for {columns} columns", row.cells.len()));
    }
    for cell in &row.cells {
        if let Cell::Number(number) | Cell::Seconds(number) = cell
            && !number.is_finite()
        {
            return Err(format!("the number {number}, which no sheet holds"));
        }
    }
    Ok(())
}

fn check_columns(columns: &[Column]) -> Result<(), CallError> {
    if columns.is_empty() || columns.len() > COLUMNS {
        return Err(CallError::refused(format!("{} columns; 1 to {COLUMNS} are possible", columns.len())));
    }
    for (position, column) in columns.iter().enumerate() {
        if column.key.len().max(column.title.len()) > TITLE_BYTES {
            return Err(CallError::refused(format!("column {position} has more than {TITLE_BYTES} bytes")));
        }
        if column.key.is_empty() {
            return Err(CallError::refused(format!("column {position} has no key")));
        }
        if columns[..position].iter().any(|earlier| earlier.key == column.key) {
            return Err(CallError::refused(format!("two columns have the key `{}`", column.key)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use punchcard_core::row::ColumnKind;

    use super::*;

    fn row(cells: Vec<Cell>) -> Row {
        Row { key: String::new(), cells }
    }

    #[test]
    fn a_row_has_a_cell_for_each_column_and_finite_numbers() {
        assert_eq!(check_row(&row(vec![Cell::Empty, Cell::Number(1.5)]), 2), Ok(()));
        assert_eq!(check_row(&row(vec![Cell::Empty]), 2), Err("a row of 1 cells for 2 columns".into()));
        for bad in [Cell::Number(f64::NAN), Cell::Seconds(f64::INFINITY), Cell::Number(f64::NEG_INFINITY)] {
            assert!(check_row(&row(vec![bad]), 1).is_err());
        }
    }

    #[test]
    fn the_bytes_of_a_row_and_of_an_event_are_bounded() {
        let text = |bytes: usize| row(vec![Cell::Text("x".repeat(bytes))]);
        let full = text(ROW_BYTES - row(vec![Cell::Empty]).bytes());
        assert_eq!(check_rows(std::slice::from_ref(&full), 1), Ok(()));
        assert!(check_rows(&[text(ROW_BYTES)], 1).unwrap_err().contains("at most 262144"));
        assert_eq!(check_rows(&vec![full.clone(); 4], 1), Ok(()));
        assert!(check_rows(&vec![full; 5], 1).unwrap_err().contains("for one event; at most 1048576"));
    }

    #[test]
    fn a_cell_that_the_service_would_not_take_rejects_the_event() {
        let verdict = |cells: Vec<Cell>| Verdict::Accepted { rows: vec![row(cells)], notice: None };
        assert_eq!(overlong(&verdict(vec![Cell::Text("grün".into())]), 4), None);
        let reason = overlong(&verdict(vec![Cell::Empty, Cell::Text("grüne".into())]), 4);
        assert_eq!(reason.as_deref(), Some("cell 2 has 5 characters; the service takes 4"));
        assert_eq!(overlong(&Verdict::Reject("x".repeat(9)), 4), None);
    }

    #[test]
    fn a_state_is_kept_up_to_its_limit() {
        assert_eq!(check_state(&[0; 8], 8), Ok(()));
        assert!(check_state(&[0; 9], 8).is_err());
    }

    #[test]
    fn columns_have_different_keys() {
        let column = |key: &str| Column { key: key.into(), title: "T".into(), kind: ColumnKind::Text };
        assert_eq!(check_columns(&[column("a"), column("b")]), Ok(()));
        for bad in [vec![], vec![column("")], vec![column("a"), column("b"), column("a")]] {
            assert!(check_columns(&bad).is_err());
        }
        let many: Vec<_> = (0..=COLUMNS).map(|n| column(&n.to_string())).collect();
        assert_eq!(check_columns(&many[1..]), Ok(()));
        assert!(check_columns(&many).is_err());
    }
}
