//! From rows to batches: what travels together, and what became of it.
//!
//! A batch is a contiguous range of its sink's outbox, at most one of a sink on its way. Which range is decided once; from
//! then on the batch has the same id and rows until it is complete, whatever limits a newer connector has.

use punchcard_core::batch::{MOST_ROWS, Measure, weigh};
use punchcard_core::name::SinkName;
use punchcard_core::plugin::delivery::{Batch, Correction, CorrectionKind, Limits, Receipt};
use punchcard_core::row::Row;
use punchcard_core::time::Instant;
use rusqlite::{Connection, OptionalExtension as _, Transaction};
use thiserror::Error;
use ulid::Ulid;
use uuid::Uuid;

use super::Ledger;
use super::encoding;
use super::error::StorageError;
use super::outbox::{RowId, correction_from_column};
use super::reader::Reader;
use super::set_aside;
use super::sink;

pub(super) const FORMED: i64 = 0;
pub(super) const TRIED: i64 = 1;
pub(super) const DELIVERED: i64 = 2;

/// Whether an earlier call may have sent a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried {
    /// It never left the device: the connector's signal is `begin`.
    Never,
    /// It may have: the connector's signal is `resumed`.
    Before,
}

/// A batch that is on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenBatch {
    /// What the connector is given.
    pub batch: Batch,
    /// Whether it was before.
    pub tried: Tried,
}

/// Why a batch or a connector's state could not be read or kept. Nothing of it was.
#[derive(Debug, Error)]
pub enum BatchError {
    /// No such sink was ever declared.
    #[error("the ledger knows no sink `{0}`")]
    UnknownSink(SinkName),
    /// Another batch is on its way, or none.
    #[error("batch {id} of sink `{sink}` is not on its way")]
    NotOpen {
        /// The sink.
        sink: SinkName,
        /// The batch that was named.
        id: String,
    },
    /// The connector refused a row that the batch does not have.
    #[error("the receipt refuses row {row} of a batch of {rows}")]
    NoSuchRow {
        /// Position that was named.
        row: u32,
        /// Rows of the batch.
        rows: u32,
    },
    /// The file was not read or written.
    #[error("the batch could not be read or kept")]
    Storage(#[from] StorageError),
}

impl From<rusqlite::Error> for BatchError {
    fn from(source: rusqlite::Error) -> Self {
        Self::Storage(source.into())
    }
}

impl Ledger {
    /// The batch that is on its way, or else the next one, formed of the rows that wait within `limits`, with `fresh`
    /// for its id; `None` when no row waits. It is on the disk when this returns.
    ///
    /// # Errors
    /// When there is no such sink, or the disk refuses.
    pub async fn open_batch(
        &self,
        sink: &SinkName,
        limits: Limits,
        fresh: Uuid,
    ) -> Result<Option<OpenBatch>, BatchError> {
        // Reading the rows is the long part, and is done beside the writer. Nobody else forms this sink's batches, or
        // else `form` notices.
        loop {
            let name = sink.clone();
            let found = self.read(move |reader| find_or_plan(reader, &name, &limits, fresh)).await?;
            let (range, batch) = match found {
                Found::Nothing => return Ok(None),
                Found::Open(open) => return Ok(Some(open)),
                Found::Planned(range, batch) => (range, batch),
            };
            if self.write(move |store| store.transact(|transaction| form(transaction, &range, fresh))).await? {
                return Ok(Some(OpenBatch { batch, tried: Tried::Never }));
            }
        }
    }

    /// What [`Ledger::open_batch`] would give, without forming it: for a look ahead, whose outcome is dropped.
    ///
    /// # Errors
    /// When there is no such sink, or the file can't be read.
    pub async fn peek_batch(
        &self,
        sink: &SinkName,
        limits: Limits,
        fresh: Uuid,
    ) -> Result<Option<OpenBatch>, BatchError> {
        let sink = sink.clone();
        let found = self.read(move |reader| find_or_plan(reader, &sink, &limits, fresh)).await?;
        Ok(match found {
            Found::Nothing => None,
            Found::Open(open) => Some(open),
            Found::Planned(_, batch) => Some(OpenBatch { batch, tried: Tried::Never }),
        })
    }

    /// Whether [`Ledger::open_batch`] would give a batch that later rows can't make larger: the one that is on its way, or
    /// as many rows as fit into one.
    ///
    /// # Errors
    /// When there is no such sink, or the file can't be read.
    pub async fn has_whole_batch(&self, sink: &SinkName, limits: Limits) -> Result<bool, BatchError> {
        let sink = sink.clone();
        self.read(move |reader| {
            reader.snapshot(|snapshot, _| {
                let id = number(snapshot, &sink)?;
                if last_batch(snapshot, id)?.is_some_and(|last| last.stage < DELIVERED) {
                    return Ok(true);
                }
                let waiting = "SELECT last_ordinal - settled_through FROM sink WHERE id = ?1";
                let waiting: i64 = snapshot.prepare_cached(waiting)?.query_row([id], |row| row.get(0))?;
                Ok(waiting >= i64::from(limits.rows_per_batch.min(MOST_ROWS)))
            })
        })
        .await
    }

    /// What the last step of a sink's connector returned; empty before the first.
    ///
    /// # Errors
    /// When there is no such sink, or the file can't be read.
    pub async fn connector_state(&self, sink: &SinkName) -> Result<Vec<u8>, BatchError> {
        let sink = sink.clone();
        self.read(move |reader| {
            reader.snapshot(|snapshot, _| {
                let id = number(snapshot, &sink)?;
                let mut find = snapshot.prepare_cached("SELECT state FROM connector_state WHERE sink = ?1")?;
                Ok(find.query_row([id], |row| row.get(0)).optional()?.unwrap_or_default())
            })
        })
        .await
    }

    /// Keeps what a step returned. With `batch_begun`, the batch that is on its way counts as tried from now on: for a
    /// step whose directive may carry it out of the device. Both are on the disk when this returns, before the host does
    /// what the step asked for.
    ///
    /// # Errors
    /// When there is no such sink, or the disk refuses.
    pub async fn store_connector_state(
        &self,
        sink: &SinkName,
        state: Vec<u8>,
        batch_begun: bool,
    ) -> Result<(), BatchError> {
        let sink = sink.clone();
        self.write(move |store| {
            store.transact(|transaction| {
                let id = number(transaction, &sink)?;
                keep_state(transaction, id, &state)?;
                if batch_begun {
                    let begin = "UPDATE batch SET stage = ?2 WHERE sink = ?1 AND stage = ?3
                                 AND first_ordinal = (SELECT max(first_ordinal) FROM batch WHERE sink = ?1)";
                    transaction.prepare_cached(begin)?.execute((id, TRIED, FORMED))?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Keeps where a person finds a sink's rows.
    ///
    /// # Errors
    /// When there is no such sink, or the disk refuses.
    pub async fn store_link(&self, sink: &SinkName, link: &str) -> Result<(), BatchError> {
        let (sink, link) = (sink.clone(), link.to_owned());
        self.write(move |store| {
            store.transact(|transaction| {
                let id = number(transaction, &sink)?;
                let keep = "UPDATE sink SET link = ?2 WHERE id = ?1 AND link IS NOT ?2";
                transaction.prepare_cached(keep)?.execute((id, link))?;
                Ok(())
            })
        })
        .await
    }

    /// Closes the batch that is on its way: its rows arrived, but for those that the receipt refuses, which are set
    /// aside. The connector's state is kept with it. `now` is `None` where the device does not know the time.
    ///
    /// # Errors
    /// When that batch is not on its way, when the receipt names a row that it does not have, or when the disk refuses.
    pub async fn complete_batch(
        &self,
        sink: &SinkName,
        batch: &str,
        state: Vec<u8>,
        receipt: Receipt,
        now: Option<Instant>,
    ) -> Result<(), BatchError> {
        let (sink, batch) = (sink.clone(), batch.to_owned());
        self.write(move |store| {
            store.transact(|transaction| {
                let id = number(transaction, &sink)?;
                let last = last_batch(transaction, id)?.filter(|last| last.stage < DELIVERED && last.id == batch);
                let last = last.ok_or(BatchError::NotOpen { sink, id: batch })?;
                let refused = refuse_rows(transaction, &last.range, &receipt)?;
                keep_state(transaction, id, &state)?;
                let now = now.map(|now| now.unix_micros);
                let Range { first, last, .. } = last.range;
                let done = "UPDATE batch SET stage = ?3, delivered_at = ?4, link = ?5
                            WHERE sink = ?1 AND first_ordinal = ?2";
                transaction.prepare_cached(done)?.execute((id, first, DELIVERED, now, &receipt.link))?;
                let count = "UPDATE sink SET settled_through = ?2, rows_delivered = rows_delivered + ?3,
                                 rows_set_aside = rows_set_aside + ?4, delivered_at = coalesce(?5, delivered_at),
                                 link = coalesce(?6, link) WHERE id = ?1";
                let arrived = last - first + 1 - refused;
                transaction.prepare_cached(count)?.execute((id, last, arrived, refused, now, &receipt.link))?;
                Ok(())
            })
        })
        .await
    }
}

/// The rows of a batch, by their ordinals.
struct Range {
    sink: i64,
    first: i64,
    last: i64,
    column_set: i64,
}

impl Range {
    fn rows(&self) -> u32 {
        u32::try_from(self.last - self.first + 1).unwrap_or(u32::MAX)
    }
}

struct StoredBatch {
    id: String,
    stage: i64,
    range: Range,
}

enum Found {
    Nothing,
    Open(OpenBatch),
    Planned(Range, Batch),
}

fn find_or_plan(reader: &mut Reader, sink: &SinkName, limits: &Limits, fresh: Uuid) -> Result<Found, BatchError> {
    reader.snapshot(|snapshot, _| {
        let id = number(snapshot, sink)?;
        let last = last_batch(snapshot, id)?;
        match last {
            Some(open) if open.stage < DELIVERED => {
                let filled = read_rows(snapshot, &open.range)?;
                let columns = read_columns(snapshot, open.range.column_set)?;
                let tried = if open.stage == FORMED { Tried::Never } else { Tried::Before };
                Ok(Found::Open(OpenBatch { batch: filled.batch(open.id, columns), tried }))
            }
            _ => plan(snapshot, id, limits, fresh),
        }
    })
}

/// What is read of rows, and what they correct.
struct BatchRow {
    column_set: i64,
    row: Row,
    /// The key of the row that it corrects, and how.
    corrects: Option<(String, CorrectionKind)>,
}

/// Rows that become a batch.
#[derive(Default)]
struct Filled {
    rows: Vec<Row>,
    corrections: Vec<Correction>,
}

impl Filled {
    fn push(&mut self, row: Row, corrects: Option<(String, CorrectionKind)>) {
        if let Some((of, kind)) = corrects {
            let row = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
            self.corrections.push(Correction { row, of, kind });
        }
        self.rows.push(row);
    }

    fn batch(self, id: String, columns: Vec<punchcard_core::row::Column>) -> Batch {
        Batch { id, columns, rows: self.rows, corrections: self.corrections }
    }
}

impl BatchRow {
    const COLUMNS: &str = "event_id, column_set, cells, correction";

    fn parse(row: &rusqlite::Row<'_>) -> Result<Self, StorageError> {
        let event = Ulid(u128::from_be_bytes(row.get(0)?));
        let cells = encoding::parse_cells(row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?)?;
        let id = RowId::parse(row, 4)?;
        let correction: Option<i64> = row.get(3)?;
        let corrects = correction.map(|kind| (RowId { revision: 0, ..id }.key(event), correction_from_column(kind)));
        Ok(Self { column_set: row.get(1)?, row: Row { key: id.key(event), cells }, corrects })
    }
}

/// The rows that come next: as many as the limits take, all made for the same columns.
fn plan(snapshot: &Connection, sink: i64, limits: &Limits, fresh: Uuid) -> Result<Found, BatchError> {
    let first = settled_through(snapshot, sink)? + 1;
    let select = format!(
        "SELECT {}, {} FROM outbox WHERE sink = ?1 AND ordinal >= ?2 ORDER BY ordinal",
        BatchRow::COLUMNS,
        RowId::COLUMNS
    );
    let mut select = snapshot.prepare_cached(&select)?;
    let mut found = select.query((sink, first))?;
    let mut measure = Measure::new(limits);
    let mut filled = Filled::default();
    let mut range: Option<Range> = None;
    while let Some(row) = found.next()? {
        let BatchRow { column_set, row, corrects } = BatchRow::parse(row)?;
        let same_columns = range.as_ref().is_none_or(|range| range.column_set == column_set);
        let weight = weigh(&row);
        let weight = if corrects.is_some() { weight.of_correction() } else { weight };
        if !(same_columns && measure.admits(weight)) {
            break;
        }
        filled.push(row, corrects);
        range.get_or_insert(Range { sink, first, last: first - 1, column_set }).last += 1;
    }
    let Some(range) = range else { return Ok(Found::Nothing) };
    let columns = read_columns(snapshot, range.column_set)?;
    Ok(Found::Planned(range, filled.batch(fresh.to_string(), columns)))
}

fn read_rows(snapshot: &Connection, range: &Range) -> Result<Filled, BatchError> {
    let select = format!(
        "SELECT {}, {} FROM outbox WHERE sink = ?1 AND ordinal BETWEEN ?2 AND ?3 ORDER BY ordinal",
        BatchRow::COLUMNS,
        RowId::COLUMNS
    );
    let mut select = snapshot.prepare_cached(&select)?;
    let mut found = select.query((range.sink, range.first, range.last))?;
    let mut filled = Filled::default();
    while let Some(row) = found.next()? {
        let BatchRow { row, corrects, .. } = BatchRow::parse(row)?;
        filled.push(row, corrects);
    }
    Ok(filled)
}

pub(super) fn read_columns(snapshot: &Connection, set: i64) -> Result<Vec<punchcard_core::row::Column>, BatchError> {
    let mut select = snapshot.prepare_cached("SELECT columns FROM column_set WHERE id = ?1")?;
    let columns: String = select.query_row([set], |row| row.get(0))?;
    Ok(encoding::parse_columns(&columns)?)
}

/// Writes a planned batch down, unless another one was formed since it was planned.
fn form(transaction: &Transaction<'_>, range: &Range, fresh: Uuid) -> Result<bool, BatchError> {
    let is_open = last_batch(transaction, range.sink)?.is_some_and(|last| last.stage < DELIVERED);
    if is_open || settled_through(transaction, range.sink)? != range.first - 1 {
        return Ok(false);
    }
    let form = "INSERT INTO batch (sink, first_ordinal, last_ordinal, column_set, id, stage)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let values = (range.sink, range.first, range.last, range.column_set, fresh.to_string(), FORMED);
    transaction.prepare_cached(form)?.execute(values)?;
    Ok(true)
}

/// The last row up to which all arrived or were refused; 0 before the first.
fn settled_through(connection: &Connection, sink: i64) -> Result<i64, rusqlite::Error> {
    let settled = "SELECT settled_through FROM sink WHERE id = ?1";
    connection.prepare_cached(settled)?.query_row([sink], |row| row.get(0))
}

/// The sink's newest batch: the only one that may still be on its way.
fn last_batch(connection: &Connection, sink: i64) -> Result<Option<StoredBatch>, StorageError> {
    let select = "SELECT id, stage, first_ordinal, last_ordinal, column_set
                  FROM batch WHERE sink = ?1 ORDER BY first_ordinal DESC LIMIT 1";
    let mut select = connection.prepare_cached(select)?;
    let found = select.query_row([sink], |row| {
        let range = Range { sink, first: row.get(2)?, last: row.get(3)?, column_set: row.get(4)? };
        Ok(StoredBatch { id: row.get(0)?, stage: row.get(1)?, range })
    });
    Ok(found.optional()?)
}

/// Sets the rows aside that the service refused. Returns how many.
fn refuse_rows(transaction: &Transaction<'_>, range: &Range, receipt: &Receipt) -> Result<i64, BatchError> {
    let mut refused = 0;
    for rejection in &receipt.rejected {
        if rejection.row >= range.rows() {
            return Err(BatchError::NoSuchRow { row: rejection.row, rows: range.rows() });
        }
        let ordinal = range.first + i64::from(rejection.row);
        refused += set_aside::set_row_aside(transaction, range.sink, ordinal, &rejection.reason)?;
    }
    Ok(refused)
}

fn keep_state(transaction: &Transaction<'_>, sink: i64, state: &[u8]) -> Result<(), BatchError> {
    let keep = "INSERT INTO connector_state (sink, state) VALUES (?1, ?2)
                ON CONFLICT (sink) DO UPDATE SET state = ?2 WHERE state <> ?2";
    transaction.prepare_cached(keep)?.execute((sink, state))?;
    Ok(())
}

pub(super) fn number(connection: &Connection, sink: &SinkName) -> Result<i64, BatchError> {
    sink::find(connection, sink)?.ok_or_else(|| BatchError::UnknownSink(sink.clone()))
}
