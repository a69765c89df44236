//! Rows that stand in the place of earlier ones, because their formatter was mended after it had made those.
//!
//! A row that was made is never changed, nor is its ordinal: a batch may be being formed of it. A correction is another row,
//! with a revision and a key of its own, at the end of its sink's outbox. The formatter's state goes with the corrections,
//! and so do the states that are kept for replay, in one transaction, and only from where the rows were compared.

use punchcard_core::event::Sequence;
use punchcard_core::name::SinkName;
use punchcard_core::plugin::delivery::CorrectionKind;
use punchcard_core::row::{Cell, Column};
use rusqlite::{OptionalExtension as _, Transaction};

use super::Ledger;
use super::boot_times::BootTimes;
use super::encoding;
use super::event::to_column;
use super::formatting::{CommitError, at_cursor, keep_columns, keep_state, with_times};
use super::outbox::{Appending, NewRow, RowId, latest_revision};
use super::requeue::event_at;
use super::set_aside::{self, SetAsideBy};

/// What a replay found, to be delivered.
#[derive(Debug, Clone, PartialEq)]
pub struct CorrectionCommit {
    /// Where the sink's cursor was when its rows were compared.
    pub at: Sequence,
    /// What the times of the events go by that they were compared with.
    pub boots: BootTimes,
    /// The state that the formatter has there now.
    pub state: Vec<u8>,
    /// The states that it has where calls are kept for replay: each before the events after the one that is named.
    pub states: Vec<(Sequence, Vec<u8>)>,
    /// Which component made these states.
    pub plugin_sha256: [u8; 32],
    /// The settings with which it did, as JSON.
    pub settings: String,
    /// What the idle panel says from now on.
    pub standing: Option<String>,
    /// The columns that all of `rows` are made for.
    pub columns: Vec<Column>,
    /// In the ledger's order.
    pub rows: Vec<CorrectedRow>,
    /// Events that can't become rows any more, with the reason.
    pub set_aside: Vec<(Sequence, String)>,
}

/// A row in the place of another.
#[derive(Debug, Clone, PartialEq)]
pub struct CorrectedRow {
    /// The event that the other is made of, or the place at which it was formatted again,
    pub event: Sequence,
    /// and its position among that event's rows.
    pub position: u32,
    /// How often it was corrected before.
    pub revision: u32,
    /// How it corrects it.
    pub kind: CorrectionKind,
    /// One for each column; of a row that is withdrawn, empty ones.
    pub cells: Vec<Cell>,
}

impl Ledger {
    /// Keeps corrections with the state that the formatter has after them, together or not at all.
    ///
    /// # Errors
    /// When the sink moved, times were learnt or a row was corrected meanwhile, when something does not fit together, or when the disk
    /// refuses.
    pub async fn correct(&self, sink: &SinkName, made: CorrectionCommit) -> Result<(), CommitError> {
        let columns = encoding::render_columns(&made.columns)?;
        let mut cells = Vec::with_capacity(made.rows.len());
        for row in &made.rows {
            if row.cells.len() != made.columns.len() {
                let (cells, columns) = (row.cells.len(), made.columns.len());
                return Err(CommitError::Shape { sequence: row.event, cells, columns });
            }
            cells.push(encoding::render_cells(&row.cells)?);
        }
        let sink = sink.clone();
        self.write(move |store| {
            store.transact_giving_way(|transaction, way| {
                let id = at_cursor(transaction, &sink, made.at)?;
                with_times(transaction, &made.boots)?;
                let mut dropped = 0;
                if !made.rows.is_empty() {
                    let column_set = keep_columns(transaction, &columns)?;
                    let mut appending = Appending::begin(transaction, id)?;
                    for (row, cells) in made.rows.iter().zip(&cells) {
                        way.ask()?;
                        let event = formatted_event(transaction, id, row.event, made.at)?;
                        append(transaction, &mut appending, (id, event), row, (column_set, cells))?;
                        dropped += set_aside::drop_replaced_rows(transaction, id, event, row.position)?;
                    }
                    appending.end()?;
                }
                set_aside::count_dropped(transaction, id, dropped)?;
                let mut set_aside = 0;
                for (sequence, reason) in &made.set_aside {
                    let event = formatted_event(transaction, id, *sequence, made.at)?;
                    let place = (event, to_column(*sequence));
                    let by = SetAsideBy::Formatter;
                    set_aside += set_aside::set_event_aside(transaction, id, place, by, reason)?;
                }
                keep_state(transaction, id, &made.state)?;
                keep_states(transaction, id, &made.states, &made.settings, &made.plugin_sha256)?;
                let count = "UPDATE sink SET standing = ?2, events_set_aside = events_set_aside + ?3 WHERE id = ?1";
                transaction.prepare_cached(count)?.execute((id, &made.standing, set_aside))?;
                Ok(())
            })
        })
        .await
    }
}

/// The event that was formatted at this place of the ledger's order.
fn formatted_event(
    transaction: &Transaction<'_>,
    sink: i64,
    sequence: Sequence,
    at: Sequence,
) -> Result<i64, CommitError> {
    let event = if sequence <= at { event_at(transaction, sink, to_column(sequence))? } else { None };
    event.ok_or(CommitError::NotRead(sequence))
}

fn append(
    transaction: &Transaction<'_>,
    appending: &mut Appending<'_>,
    (sink, event): (i64, i64),
    row: &CorrectedRow,
    (column_set, cells): (i64, &str),
) -> Result<(), CommitError> {
    let before = latest_revision(transaction, sink, event, row.position)?;
    if before.map_or(0, |(revision, _)| revision) != row.revision {
        return Err(CommitError::Corrected(row.event));
    }
    let event_id = "SELECT id FROM event WHERE sequence = ?1";
    let mut event_id = transaction.prepare_cached(event_id)?;
    let event_id: Option<[u8; 16]> = event_id.query_row([event], |row| row.get(0)).optional()?;
    appending.push(&NewRow {
        id: RowId { event, position: row.position, revision: row.revision + 1 },
        correction: Some(row.kind),
        event_id: event_id.ok_or(CommitError::NotRead(row.event))?,
        column_set,
        cells,
    })?;
    Ok(())
}

/// Puts the states of the replay into the calls that are kept. With the old ones, a later replay would undo this one.
pub(super) fn keep_states(
    transaction: &Transaction<'_>,
    sink: i64,
    states: &[(Sequence, Vec<u8>)],
    settings: &str,
    plugin_sha256: &[u8; 32],
) -> Result<(), CommitError> {
    let keep = "UPDATE checkpoint SET state = ?3, settings = ?4, plugin_sha256 = ?5,
                                      formatter = (SELECT formatter FROM sink WHERE id = ?1)
                WHERE sink = ?1 AND after = ?2";
    let mut keep = transaction.prepare_cached(keep)?;
    for (after, state) in states {
        keep.execute((sink, to_column(*after), state, settings, plugin_sha256))?;
    }
    Ok(())
}
