//! What was brought to a service, as the ledger knows it: for comparing with what is there.
//!
//! A row is known by its key, which begins with the event it was made of. One that was repeated (see `repeat`) is one row,
//! and stands where its last copy stands. A correction is a row of its own beside the one that it corrects.

use std::sync::Arc;

use punchcard_core::event::Sequence;
use punchcard_core::name::SinkName;
use punchcard_core::row::{Column, Row};
use rusqlite::{Connection, OptionalExtension as _};
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::Ledger;
use super::batch::{BatchError, DELIVERED, FORMED, Place, number, read_columns};
use super::correction::FIRST_POSITION;
use super::encoding;
use super::error::StorageError;
use super::event::{from_column, to_column};
use super::put_back::parse_put_back;
use super::repeat::AGAIN;
use super::row_key::{parse_key, render_key};
use super::sink::SetAsideBy;

/// How often a row is followed from copy to copy.
const MOST_COPIES: usize = 1_000;

/// A row, by its place in the sink's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowPlace {
    /// The event; of a correction, the one at which the sink was then.
    pub event: Sequence,
    /// The row's position among those of the event. Corrections stand behind them, from 2^32 on.
    pub position: u64,
}

impl RowPlace {
    /// Whether it is a correction's.
    #[must_use]
    pub fn is_correction(self) -> bool {
        self.columns().1 >= FIRST_POSITION
    }

    fn parse((sequence, position): Place) -> Self {
        Self { event: from_column(sequence), position: u64::try_from(position).unwrap_or(0) }
    }

    pub(super) fn columns(self) -> Place {
        (to_column(self.event), i64::try_from(self.position).unwrap_or(i64::MAX))
    }
}

/// Where events are, by their ids: in the file an index of them would cost each press another page. Sixteen bytes for each.
#[derive(Debug, Default)]
pub struct EventIndex(Vec<(u64, i64)>);

impl EventIndex {
    fn read(snapshot: &Connection) -> Result<Self, StorageError> {
        let mut select = snapshot.prepare("SELECT id, sequence FROM event")?;
        let mut rows = select.query([])?;
        let mut places = Vec::new();
        while let Some(row) = rows.next()? {
            places.push((fold(Ulid(u128::from_be_bytes(row.get(0)?))), row.get(1)?));
        }
        places.sort_unstable();
        Ok(Self(places))
    }

    /// The sequence of an event that is in the file.
    fn find(&self, snapshot: &Connection, event: Ulid) -> Result<Option<i64>, StorageError> {
        let from = self.0.partition_point(|(folded, _)| *folded < fold(event));
        for (_, sequence) in self.0[from..].iter().take_while(|(folded, _)| *folded == fold(event)) {
            let id = "SELECT id FROM event WHERE sequence = ?1";
            let id = snapshot.prepare_cached(id)?.query_row([sequence], |row| row.get::<_, [u8; 16]>(0)).optional()?;
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
pub enum Owner {
    /// A row of this sink, as it was made.
    Known {
        /// Which.
        place: RowPlace,
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

/// Where a row stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Brought {
    /// It was delivered.
    Delivered {
        /// By a connector that could carry its key.
        identified: bool,
        /// Where its batch went.
        link: Option<String>,
    },
    /// It waits, or is on its way.
    Pending,
    /// It is set aside or dropped.
    Aside,
}

/// A row that was made for a sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BroughtRow {
    /// Which.
    pub place: RowPlace,
    /// The event that it was made of; of a correction, that of the row that it corrects.
    pub of: Sequence,
    /// Its key.
    pub key: String,
    /// A later correction goes in its place.
    pub replaced: bool,
    /// Where it stands.
    pub brought: Brought,
}

/// From which row on the rows of a sink carry keys.
#[derive(Serialize, Deserialize)]
struct Identified {
    /// What tells that they go where they went before, in the same way.
    by: String,
    /// The first of them.
    from: Place,
}

impl Ledger {
    /// Keeps with which settings the sink's next rows are delivered, where its connector can carry their keys: from the
    /// batch on that was formed last and never tried. `None`: it can't.
    ///
    /// # Errors
    /// When there is no such sink, or the disk refuses.
    pub async fn note_identified(&self, sink: &SinkName, by: Option<String>) -> Result<(), BatchError> {
        let sink = sink.clone();
        self.write(move |store| {
            store.transact(|transaction| {
                let id = number(transaction, &sink)?;
                let first = "SELECT first_sequence, first_position FROM batch WHERE sink = ?1 AND stage = ?2
                             ORDER BY first_sequence DESC, first_position DESC LIMIT 1";
                let place = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
                let from: Option<Place> =
                    transaction.prepare_cached(first)?.query_row((id, FORMED), place).optional()?;
                let known = read_identified(transaction, &sink)?;
                let value = match (by, from) {
                    (Some(by), _) if known.as_ref().is_some_and(|known| known.by == by) => return Ok(()),
                    (Some(by), Some(from)) => encoding::render(&Identified { by, from })?,
                    (_, _) if known.is_none() => return Ok(()),
                    _ => String::new(),
                };
                let keep = "INSERT INTO memory (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2";
                transaction.prepare_cached(keep)?.execute((identified_key(&sink), value))?;
                Ok(())
            })
        })
        .await
    }

    /// Where the events of the history are now, by their ids.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn event_index(&self) -> Result<EventIndex, StorageError> {
        self.read(|reader| reader.snapshot(|snapshot, _| EventIndex::read(snapshot))).await
    }

    /// Whose these keys are, one for each. Events that are not in the index are not known.
    ///
    /// # Errors
    /// When there is no such sink, or the file can't be read.
    pub async fn owners(
        &self,
        sink: &SinkName,
        index: &Arc<EventIndex>,
        keys: Vec<String>,
    ) -> Result<Vec<Owner>, BatchError> {
        let (sink, index) = (sink.clone(), Arc::clone(index));
        self.read(move |reader| {
            reader.snapshot(|snapshot, _| {
                let id = number(snapshot, &sink)?;
                keys.iter().map(|key| find_owner(snapshot, id, &index, key)).collect()
            })
        })
        .await
    }

    /// The rows that were made for a sink, in its order, after one: at most `most`. A row that was repeated comes once. `by`:
    /// the settings with which is looked for them, as [`Ledger::note_identified`] was told; rows that were delivered with
    /// others went elsewhere, or without their keys.
    ///
    /// # Errors
    /// When there is no such sink, or the file can't be read.
    pub async fn brought_rows(
        &self,
        sink: &SinkName,
        by: &str,
        after: Option<RowPlace>,
        most: u32,
    ) -> Result<Vec<BroughtRow>, BatchError> {
        let (sink, by) = (sink.clone(), by.to_owned());
        self.read(move |reader| {
            reader.snapshot(|snapshot, _| {
                let id = number(snapshot, &sink)?;
                let identified = read_identified(snapshot, &sink)?.filter(|identified| identified.by == by);
                let from = identified.map(|identified| identified.from);
                // A correction is found where it stands last, any other row where it stood first. One whose event is
                // not in the history can't be told from somebody else's.
                let select = "SELECT row.sequence, row.position, row.event_id,
                                  coalesce(of_position, row.position), revision, event.sequence,
                                  EXISTS (SELECT 1 FROM correction AS later
                                          WHERE later.sink = row.sink AND later.of_sequence = event.sequence
                                              AND later.of_position = coalesce(correction.of_position, row.position)
                                              AND later.revision > coalesce(correction.revision, 0))
                              FROM row LEFT JOIN correction ON correction.sink = row.sink
                                  AND correction.sequence = row.sequence AND correction.position = row.position
                              JOIN event ON event.sequence = coalesce(of_sequence, row.sequence)
                              WHERE row.sink = ?1 AND (row.sequence, row.position) > (?2, ?3)
                                  AND CASE WHEN row.position >= ?5 THEN revision IS NOT NULL
                                           ELSE instr(event.kind, ?4) <> 1 END
                              ORDER BY row.sequence, row.position LIMIT ?6";
                let after = after.map_or((0, 0), RowPlace::columns);
                let mut select = snapshot.prepare_cached(select)?;
                let mut found = select.query((id, after.0, after.1, AGAIN, FIRST_POSITION, most))?;
                let mut rows = Vec::new();
                while let Some(row) = found.next()? {
                    let place: Place = (row.get(0)?, row.get(1)?);
                    let event = Ulid(u128::from_be_bytes(row.get(2)?));
                    rows.push(BroughtRow {
                        place: RowPlace::parse(place),
                        of: from_column(row.get(5)?),
                        key: render_key(event, row.get(3)?, row.get(4)?),
                        replaced: row.get(6)?,
                        brought: find_brought(snapshot, id, place, from)?,
                    });
                }
                Ok(rows)
            })
        })
        .await
    }
}

fn find_owner(snapshot: &Connection, sink: i64, index: &EventIndex, key: &str) -> Result<Owner, BatchError> {
    let Some((event, position, revision)) = parse_key(key) else { return Ok(Owner::Foreign) };
    let Some(sequence) = index.find(snapshot, event)? else {
        let oldest = "SELECT id FROM event ORDER BY sequence LIMIT 1";
        let oldest = snapshot.prepare_cached(oldest)?.query_row([], |row| row.get::<_, [u8; 16]>(0)).optional()?;
        let pruned = "SELECT pruned_through > 0 FROM history";
        let pruned: bool = snapshot.prepare_cached(pruned)?.query_row([], |row| row.get(0))?;
        let begins_ms = oldest.map_or(u64::MAX, |oldest| Ulid(u128::from_be_bytes(oldest)).timestamp_ms());
        return Ok(if pruned && event.timestamp_ms() < begins_ms { Owner::Older } else { Owner::Foreign });
    };
    let place = match revision {
        None => Some((sequence, i64::from(position))),
        Some(revision) => {
            let place = "SELECT sequence, position FROM correction
                         WHERE sink = ?1 AND of_sequence = ?2 AND of_position = ?3 AND revision = ?4";
            let mut place = snapshot.prepare_cached(place)?;
            place.query_row((sink, sequence, position, revision), |row| Ok((row.get(0)?, row.get(1)?))).optional()?
        }
    };
    let Some(place) = place else { return Ok(Owner::Foreign) };
    let select = "SELECT column_set, cells FROM row WHERE sink = ?1 AND sequence = ?2 AND position = ?3";
    let mut select = snapshot.prepare_cached(select)?;
    let mut found = select.query((sink, place.0, place.1))?;
    let Some(stored) = found.next()? else { return Ok(Owner::Foreign) };
    let columns = read_columns(snapshot, stored.get(0)?)?;
    let cells = encoding::parse_cells(stored.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)?;
    Ok(Owner::Known { place: RowPlace::parse(place), columns, row: Row { key: key.to_owned(), cells } })
}

/// Where a row stands: its last copy, if it was repeated. `identified_from`: the first row that carries its key.
pub(super) fn find_brought(
    snapshot: &Connection,
    sink: i64,
    place: Place,
    identified_from: Option<Place>,
) -> Result<Brought, StorageError> {
    let mut place = place;
    for _ in 0..MOST_COPIES {
        let aside = "SELECT stage, reason FROM set_aside WHERE sink = ?1 AND sequence = ?2 AND position = ?3";
        let mut aside = snapshot.prepare_cached(aside)?;
        let read = |row: &rusqlite::Row<'_>| Ok((SetAsideBy::from_column(row.get(0)?), row.get::<_, String>(1)?));
        match aside.query_row((sink, place.0, place.1), read).optional()? {
            None => break,
            Some((SetAsideBy::PutBack, reason)) => match parse_put_back(&reason) {
                Some(copy) => place.0 = copy,
                None => return Ok(Brought::Aside),
            },
            Some(_) => return Ok(Brought::Aside),
        }
    }
    let batch = "SELECT last_sequence, last_position, stage, link FROM batch
                 WHERE sink = ?1 AND (first_sequence, first_position) <= (?2, ?3)
                 ORDER BY first_sequence DESC, first_position DESC LIMIT 1";
    let mut batch = snapshot.prepare_cached(batch)?;
    let found = batch
        .query_row((sink, place.0, place.1), |row| {
            let last: Place = (row.get(0)?, row.get(1)?);
            Ok((last, row.get::<_, i64>(2)?, row.get::<_, Option<String>>(3)?))
        })
        .optional()?;
    Ok(match found {
        Some((last, DELIVERED, link)) if place <= last => {
            Brought::Delivered { identified: identified_from.is_some_and(|from| from <= place), link }
        }
        _ => Brought::Pending,
    })
}

fn read_identified(connection: &Connection, sink: &SinkName) -> Result<Option<Identified>, StorageError> {
    let select = "SELECT value FROM memory WHERE key = ?1";
    let mut select = connection.prepare_cached(select)?;
    let value: Option<String> = select.query_row([identified_key(sink)], |row| row.get(0)).optional()?;
    let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(None) };
    encoding::parse(&value, "from where on rows carry keys").map(Some)
}

fn identified_key(sink: &SinkName) -> String {
    format!("identified/{sink}")
}
