//! Whose a row is that was found at a service, by its key.

use std::sync::Arc;

use punchcard_core::name::SinkName;
use punchcard_core::row::{Column, Row};
use rusqlite::{Connection, OptionalExtension as _};
use ulid::Ulid;

use super::Ledger;
use super::batch::{BatchError, number, read_columns};
use super::encoding;
use super::error::StorageError;
use super::outbox::{Ordinal, RowId};
use super::row_key::parse_key;

/// Where events are, by their ids, and those that are pruned and left rows behind: in the file an index of them would cost
/// each press another page. Sixteen bytes for each.
#[derive(Debug, Default)]
pub struct EventIndex(Vec<(u64, i64)>);

impl EventIndex {
    fn read(snapshot: &Connection) -> Result<Self, StorageError> {
        let mut places = Vec::new();
        // Rows of a sink that plugins.toml did not name for a while may wait still when their events are pruned.
        for select in [
            "SELECT id, sequence FROM event",
            "SELECT DISTINCT event_id, event FROM outbox
             WHERE sink IN (SELECT id FROM sink) AND event <= (SELECT pruned_through FROM history)",
        ] {
            let mut select = snapshot.prepare(select)?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                places.push((fold(Ulid(u128::from_be_bytes(row.get(0)?))), row.get(1)?));
            }
        }
        places.sort_unstable();
        Ok(Self(places))
    }

    /// The sequence of an event that is in the file, or of which rows of this sink are.
    fn find(&self, snapshot: &Connection, sink: i64, event: Ulid) -> Result<Option<i64>, StorageError> {
        let from = self.0.partition_point(|(folded, _)| *folded < fold(event));
        for (_, sequence) in self.0[from..].iter().take_while(|(folded, _)| *folded == fold(event)) {
            let id = "SELECT id FROM event WHERE sequence = ?1
                      UNION ALL SELECT event_id FROM outbox WHERE sink = ?2 AND event = ?1 LIMIT 1";
            let mut id = snapshot.prepare_cached(id)?;
            let id = id.query_row((sequence, sink), |row| row.get::<_, [u8; 16]>(0)).optional()?;
            if id == Some(event.0.to_be_bytes()) {
                return Ok(Some(*sequence));
            }
        }
        Ok(None)
    }
}

/// Half of an id's length; others may have the same.
#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
fn fold(event: Ulid) -> u64 {
    (event.0 >> 64) as u64 ^ event.0 as u64
}

/// Whose a key is.
#[derive(Debug, Clone, PartialEq)]
pub enum RowOwner {
    /// A row of this sink, as it was made.
    Known {
        /// Where it went first ([`DeliveredRow::ordinal`](super::DeliveredRow)).
        ordinal: Ordinal,
        /// For which columns.
        columns: Vec<Column>,
        /// The row.
        row: Row,
    },
    /// Somebody else's, or of another sink.
    Foreign,
    /// Perhaps of an event that is older than the history, and no longer known.
    Older,
}

impl Ledger {
    /// Reads where events are now, by their ids.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn event_index(&self) -> Result<EventIndex, StorageError> {
        self.read(|reader| reader.snapshot(|snapshot, _| EventIndex::read(snapshot))).await
    }

    /// Finds whose these keys are, one for each. Events that are not in the index are not known.
    ///
    /// # Errors
    /// When there is no such sink, or the file can't be read.
    pub async fn row_owners(
        &self,
        sink: &SinkName,
        index: &Arc<EventIndex>,
        keys: Vec<String>,
    ) -> Result<Vec<RowOwner>, BatchError> {
        let (sink, index) = (sink.clone(), Arc::clone(index));
        self.read(move |reader| {
            reader.snapshot(|snapshot, _| {
                let id = number(snapshot, &sink)?;
                keys.iter().map(|key| find_owner(snapshot, id, &index, key)).collect()
            })
        })
        .await
    }
}

fn find_owner(snapshot: &Connection, sink: i64, index: &EventIndex, key: &str) -> Result<RowOwner, BatchError> {
    let Some((id, position, revision)) = parse_key(key) else { return Ok(RowOwner::Foreign) };
    let Some(event) = index.find(snapshot, sink, id)? else {
        let oldest = "SELECT id FROM event ORDER BY sequence LIMIT 1";
        let oldest = snapshot.prepare_cached(oldest)?.query_row([], |row| row.get::<_, [u8; 16]>(0)).optional()?;
        let pruned = "SELECT pruned_through > 0 FROM history";
        let pruned: bool = snapshot.prepare_cached(pruned)?.query_row([], |row| row.get(0))?;
        let begins_ms = oldest.map_or(u64::MAX, |oldest| Ulid(u128::from_be_bytes(oldest)).timestamp_ms());
        return Ok(if pruned && id.timestamp_ms() < begins_ms { RowOwner::Older } else { RowOwner::Foreign });
    };
    let Some((first, _)) = RowId { event, position, revision }.ordinals(snapshot, sink)? else {
        return Ok(RowOwner::Foreign);
    };
    let select = "SELECT column_set, cells FROM outbox WHERE sink = ?1 AND ordinal = ?2";
    let mut select = snapshot.prepare_cached(select)?;
    let (column_set, cells): (i64, String) = select.query_row((sink, first), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let row = Row { key: key.to_owned(), cells: encoding::parse_cells(&cells)? };
    Ok(RowOwner::Known { ordinal: Ordinal::from_column(first), columns: read_columns(snapshot, column_set)?, row })
}
