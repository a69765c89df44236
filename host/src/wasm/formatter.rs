//! Calls of a formatter, and what is checked in its answers.

use std::sync::Arc;

use punchcard_core::plugin::format::{Formatted, TimedEvent, Verdict};
use punchcard_core::row::{Cell, Column, Row};
use punchcard_core::time::Context;

use super::cache::Fingerprint;
use super::call::CallError;
use super::confinement::Confinement;
use super::confinement::clip;
use super::contract::v0_1::formatter::FormatterPre;
use super::sandbox::Loaded;

/// The longest notice or standing line that is kept, in bytes: several times what a panel scrolls through in its moment.
const LINE_BYTES: usize = 200;
/// The most columns of a sheet.
const COLUMNS: usize = 256;

/// A plugin that makes rows.
#[derive(Clone)]
pub struct Formatter {
    loaded: Arc<Loaded>,
    bindings: FormatterPre<Confinement>,
}

impl Formatter {
    pub(super) fn new(loaded: Loaded) -> wasmtime::Result<Self> {
        let bindings = FormatterPre::new(loaded.instance())?;
        Ok(Self { loaded: Arc::new(loaded), bindings })
    }

    /// The SHA-256 of the component.
    #[must_use]
    pub fn sha256(&self) -> &Fingerprint {
        &self.loaded.sha256
    }

    /// The sheet's columns under these settings.
    ///
    /// # Errors
    /// When the settings are wrong, or the call fails.
    pub async fn columns(&self, settings: &str) -> Result<Vec<Column>, CallError> {
        let (bindings, settings) = (self.bindings.clone(), settings.to_owned());
        let columns = self
            .loaded
            .call(None, async move |store| {
                let plugin = bindings.instantiate_async(&mut *store).await?;
                plugin.punchcard_plugin_row_format().call_columns(store, &settings).await
            })
            .await?
            .map_err(|error| CallError::Returned(error.into()))?;
        let columns: Vec<Column> = columns.into_iter().map(Into::into).collect();
        check_columns(&columns).map(|()| columns)
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
        let (bindings, settings, count) = (self.bindings.clone(), settings.to_owned(), events.len());
        let theirs = context.clone();
        let formatted = self
            .loaded
            .call(Some(context), async move |store| {
                let plugin = bindings.instantiate_async(&mut *store).await?;
                let events: Vec<_> = events.into_iter().map(Into::into).collect();
                plugin
                    .punchcard_plugin_row_format()
                    .call_format(store, &settings, &state, &events, &theirs.into())
                    .await
            })
            .await?
            .map_err(|error| CallError::Returned(error.into()))?;
        let mut formatted: Formatted = formatted.into();
        self.check(&formatted, count, columns)?;
        formatted.standing = formatted.standing.map(|line| clip(line, LINE_BYTES));
        for verdict in &mut formatted.verdicts {
            if let Verdict::Accepted { notice, .. } = verdict {
                *notice = notice.take().map(|line| clip(line, LINE_BYTES));
            }
        }
        Ok(formatted)
    }

    fn check(&self, formatted: &Formatted, events: usize, columns: usize) -> Result<(), CallError> {
        let limits = self.loaded.limits;
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
            for row in rows {
                check_row(row, columns)
                    .map_err(|reason| CallError::refused(format!("verdict {position}: {reason}")))?;
            }
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
