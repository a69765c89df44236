//! Rows that stand in the place of earlier ones, because their formatter was mended after it had made those.
//!
//! A row that was made is never changed, nor is its place: a batch may be being formed of it. A correction is another row,
//! with a key of its own, at the end of its sink's order: at the cursor, behind every position that a row of an event can
//! have, so that whatever is formatted later comes behind it. The formatter's state goes with the corrections, and so do the
//! states that are kept for replay, in one transaction, and only from where the rows were compared.

use punchcard_core::event::Sequence;
use punchcard_core::name::SinkName;
use punchcard_core::plugin::delivery::CorrectionKind;
use punchcard_core::row::{Cell, Column};
use rusqlite::{OptionalExtension as _, Transaction};

use super::Ledger;
use super::batch::Place;
use super::encoding;
use super::error::StorageError;
use super::event::to_column;
use super::formatting::{CommitError, at_cursor, keep_columns, keep_state, with_times};
use super::moment::BootTimes;
use super::put_back::{AS_EVENT, render_put_back};
use super::repeat::AGAIN;
use super::sink::{self, SetAsideBy};

/// The first position of a correction. A formatter makes fewer rows of an event.
pub(super) const FIRST_POSITION: i64 = 1 << 32;

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
    /// The event that the other is made of,
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
                    let first = next_position(transaction, id, made.at)?;
                    for (position, (row, cells)) in (first..).zip(made.rows.iter().zip(&cells)) {
                        way.ask()?;
                        let place = (to_column(made.at), position);
                        keep_row(transaction, id, place, row, (column_set, cells))?;
                        dropped += drop_earlier(transaction, id, (to_column(row.event), row.position.into()))?;
                    }
                }
                sink::count_dropped(transaction, &sink, dropped)?;
                let mut set_aside = 0;
                for (event, reason) in &made.set_aside {
                    if *event > made.at {
                        return Err(CommitError::NotRead(*event));
                    }
                    set_aside += sink::put_aside(transaction, id, *event, None, SetAsideBy::Formatter, reason)?;
                }
                keep_state(transaction, id, &made.state)?;
                keep_states(transaction, id, &made)?;
                let count = "UPDATE sink SET standing = ?2, rows_made = rows_made + ?3,
                                             events_set_aside = events_set_aside + ?4 WHERE id = ?1";
                let rows = i64::try_from(made.rows.len()).unwrap_or(i64::MAX);
                transaction.prepare_cached(count)?.execute((id, &made.standing, rows, set_aside))?;
                Ok(())
            })
        })
        .await
    }
}

/// The next free position of a correction at a place.
fn next_position(transaction: &Transaction<'_>, sink: i64, at: Sequence) -> Result<i64, CommitError> {
    let last = "SELECT max(position) FROM row WHERE sink = ?1 AND sequence = ?2 AND position >= ?3";
    let mut last = transaction.prepare_cached(last)?;
    let last: Option<i64> = last.query_row((sink, to_column(at), FIRST_POSITION), |row| row.get(0))?;
    Ok(last.map_or(FIRST_POSITION, |last| last + 1))
}

fn keep_row(
    transaction: &Transaction<'_>,
    sink: i64,
    (sequence, position): (i64, i64),
    row: &CorrectedRow,
    (column_set, cells): (i64, &str),
) -> Result<(), CommitError> {
    let of = (sink, to_column(row.event), row.position);
    let before = "SELECT coalesce(max(revision), 0) FROM correction
                  WHERE sink = ?1 AND of_sequence = ?2 AND of_position = ?3";
    let before: u32 = transaction.prepare_cached(before)?.query_row(of, |row| row.get(0))?;
    if before != row.revision {
        return Err(CommitError::Corrected(row.event));
    }
    let event_id = "SELECT id FROM event WHERE sequence = ?1";
    let mut event_id = transaction.prepare_cached(event_id)?;
    let event_id: Option<[u8; 16]> = event_id.query_row([of.1], |row| row.get(0)).optional()?;
    let event_id = event_id.filter(|_| of.1 <= sequence).ok_or(CommitError::NotRead(row.event))?;
    let insert =
        "INSERT INTO row (sink, sequence, position, event_id, column_set, cells) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    transaction.prepare_cached(insert)?.execute((sink, sequence, position, event_id, column_set, cells))?;
    let insert = "INSERT INTO correction (sink, of_sequence, of_position, revision, kind, sequence, position)
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let kind = kind_column(row.kind);
    transaction.prepare_cached(insert)?.execute((of.0, of.1, of.2, before + 1, kind, sequence, position))?;
    Ok(())
}

/// Drops what the service refused of a row that is corrected now: of the row, however often it was repeated, and of its
/// earlier corrections. Brought once more, it would stand behind the correction, and count. Returns how many these are.
fn drop_earlier(
    transaction: &Transaction<'_>,
    sink: i64,
    (sequence, position): (i64, i64),
) -> Result<i64, StorageError> {
    let refused = "WITH RECURSIVE copy (sequence) AS (
                       SELECT ?2
                       UNION ALL
                       SELECT CAST(substr(reason, length(?4) + 1) AS INTEGER) FROM copy JOIN set_aside
                       ON set_aside.sink = ?1 AND set_aside.sequence = copy.sequence AND set_aside.position = ?3
                           AND set_aside.stage = ?5)
                   SELECT set_aside.sequence, set_aside.position FROM copy JOIN set_aside
                   ON set_aside.sink = ?1 AND set_aside.sequence = copy.sequence AND set_aside.position = ?3
                   WHERE stage = ?6
                   UNION
                   SELECT set_aside.sequence, set_aside.position FROM correction JOIN set_aside
                   USING (sink, sequence, position)
                   WHERE sink = ?1 AND of_sequence = ?2 AND of_position = ?3 AND stage = ?6";
    let (put_back, service) = (SetAsideBy::PutBack.column(), SetAsideBy::Service.column());
    let mut refused = transaction.prepare_cached(refused)?;
    let found = refused
        .query_map((sink, sequence, position, AS_EVENT, put_back, service), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let found: Vec<Place> = found.collect::<Result<_, _>>()?;
    for place in &found {
        drop_replaced(transaction, sink, *place)?;
    }
    Ok(i64::try_from(found.len()).unwrap_or(i64::MAX))
}

/// Drops a row that the service refused: a correction goes in its place.
pub(super) fn drop_replaced(transaction: &Transaction<'_>, sink: i64, place: Place) -> Result<(), StorageError> {
    let drop =
        "UPDATE set_aside SET stage = ?4, reason = substr('a correction goes in its place; before: ' || reason, 1, ?5)
                WHERE sink = ?1 AND sequence = ?2 AND position = ?3";
    let values = (sink, place.0, place.1, SetAsideBy::Dropped.column(), sink::REASON_CHARACTERS);
    transaction.prepare_cached(drop)?.execute(values)?;
    Ok(())
}

/// Whether a later correction goes in the place of the row that stands here.
pub(super) fn is_replaced(transaction: &Transaction<'_>, sink: i64, place: Place) -> Result<bool, StorageError> {
    let Some((sequence, position, revision)) = find_corrected(transaction, sink, place)? else { return Ok(true) };
    let later = "SELECT EXISTS (SELECT 1 FROM correction WHERE sink = ?1 AND of_sequence = ?2 AND of_position = ?3
                                    AND revision > ?4)";
    Ok(transaction.prepare_cached(later)?.query_row((sink, sequence, position, revision), |row| row.get(0))?)
}

/// Where a row stood before it was repeated. The stage is that of [`SetAsideBy::PutBack`], as the index names it.
pub(super) const EARLIER: &str =
    "SELECT sequence FROM set_aside WHERE sink = ?1 AND position = ?2 AND stage = 3 AND reason = ?3";

/// Which row it is that stands at a place: its event, its position, and as which correction of it, from 1; 0 where it is no
/// correction. `None`: a correction that went on elsewhere.
pub(super) fn find_corrected(
    transaction: &Transaction<'_>,
    sink: i64,
    (mut sequence, position): Place,
) -> Result<Option<(i64, i64, u32)>, StorageError> {
    if position >= FIRST_POSITION {
        let of = "SELECT of_sequence, of_position, revision FROM correction
                  WHERE sink = ?1 AND sequence = ?2 AND position = ?3";
        let mut of = transaction.prepare_cached(of)?;
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        return Ok(of.query_row((sink, sequence, position), read).optional()?);
    }
    let is_copy = "SELECT EXISTS (SELECT 1 FROM event WHERE sequence = ?1 AND instr(kind, ?2) = 1)";
    let mut is_copy = transaction.prepare_cached(is_copy)?;
    let mut first = transaction.prepare_cached(EARLIER)?;
    while is_copy.query_row((sequence, AGAIN), |row| row.get(0))? {
        match first.query_row((sink, position, render_put_back(sequence)), |row| row.get(0)).optional()? {
            Some(earlier) => sequence = earlier,
            None => break,
        }
    }
    Ok(Some((sequence, position, 0)))
}

/// Puts the states of the replay into the calls that are kept. With the old ones, a later replay would undo this one.
fn keep_states(transaction: &Transaction<'_>, sink: i64, made: &CorrectionCommit) -> Result<(), CommitError> {
    let keep = "UPDATE checkpoint SET state = ?3, settings = ?4, plugin_sha256 = ?5,
                                      formatter = (SELECT formatter FROM sink WHERE id = ?1)
                WHERE sink = ?1 AND after = ?2";
    let mut keep = transaction.prepare_cached(keep)?;
    for (after, state) in &made.states {
        keep.execute((sink, to_column(*after), state, &made.settings, made.plugin_sha256))?;
    }
    Ok(())
}

fn kind_column(kind: CorrectionKind) -> i64 {
    match kind {
        CorrectionKind::Changed => 0,
        CorrectionKind::Added => 1,
        CorrectionKind::Withdrawn => 2,
    }
}

pub(super) fn kind_from_column(column: i64) -> CorrectionKind {
    match column {
        1 => CorrectionKind::Added,
        2 => CorrectionKind::Withdrawn,
        _ => CorrectionKind::Changed,
    }
}
