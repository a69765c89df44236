//! What a replay of a sink's formatter needs: from where it can begin, the events that it formats again, and the rows that
//! were kept of them.
//!
//! Nothing is written here. A replay reads page by page: what is written meanwhile comes behind the cursor that it was
//! begun with, but for pruning, which each page tells.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use punchcard_core::event::Sequence;
use punchcard_core::name::SinkName;
use punchcard_core::plugin::delivery::CorrectionKind;
use punchcard_core::plugin::format::TimedEvent;
use punchcard_core::row::{Cell, Column};
use punchcard_core::time::Certainty;
use rusqlite::{Connection, OptionalExtension as _};
use ulid::Ulid;

use super::Ledger;
use super::brought::{self, Brought};
use super::checkpoint::{self, StoredCheckpoint};
use super::correction::{self, FIRST_POSITION};
use super::encoding;
use super::error::StorageError;
use super::event::{EventRow, from_column, to_column};
use super::moment::{BootTimes, Moment};
use super::reader::Reader;
use super::sink::SinkError;

/// Bytes of events that are read at once, about, and of the rows that were made of them.
const MOST_BYTES: usize = 1 << 20;

/// What a replay begins from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayGround {
    /// Up to here, events were formatted.
    pub cursor: Sequence,
    /// Up to here, events are no longer in the history.
    pub pruned_through: Sequence,
    /// What the formatter's last call returned.
    pub state: Vec<u8>,
    /// The calls that were kept, oldest first.
    pub calls: Vec<StoredCheckpoint>,
}

/// Which events of a sink are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The kinds that the sink takes.
    pub kinds: Vec<String>,
    /// Those after this one,
    pub after: Sequence,
    /// up to this one,
    pub through: Sequence,
    /// and at most so many.
    pub most: usize,
    /// Rows are wanted of this one and those behind it.
    pub rows_from: Sequence,
}

/// Some of the events that were formatted before.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayPage {
    /// In the ledger's order.
    pub events: Vec<ReplayedEvent>,
    /// How far was looked.
    pub through: Sequence,
    /// Up to here, events were no longer in the history when this was read.
    pub pruned_through: Sequence,
    /// What the times of `events` go by.
    pub boots: BootTimes,
}

/// An event that was formatted before.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayedEvent {
    /// It.
    pub timed: TimedEvent,
    /// The sink set it aside.
    pub set_aside: bool,
    /// The rows that were made of it, by their positions.
    pub rows: BTreeMap<u32, KeptRow>,
}

/// A row as it was made last: the latest correction of it, where there is one.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptRow {
    /// How often it was corrected.
    pub revision: u32,
    /// The latest correction says that there should have been none.
    pub withdrawn: bool,
    /// It, or what it corrects, reached the service or still may: not all of it was refused.
    pub arrives: bool,
    /// The columns that it was made for.
    pub columns: Arc<Vec<Column>>,
    /// One for each.
    pub cells: Vec<Cell>,
}

impl Ledger {
    /// From where a sink's events can be formatted again.
    ///
    /// # Errors
    /// When there is no such sink, or the file can't be read.
    pub async fn replay_ground(&self, sink: &SinkName) -> Result<ReplayGround, SinkError> {
        let sink = sink.clone();
        self.read(move |reader| reader.replay_ground(&sink)).await
    }

    /// Events of a sink that were formatted before, with the rows that were made of them.
    ///
    /// # Errors
    /// When there is no such sink, or the file can't be read.
    pub async fn replay_page(&self, sink: &SinkName, stretch: Stretch) -> Result<ReplayPage, SinkError> {
        let sink = sink.clone();
        self.read(move |reader| reader.replay_page(&sink, &stretch)).await
    }
}

impl Reader {
    /// From where a sink's events can be formatted again.
    ///
    /// # Errors
    /// When there is no such sink, or the file can't be read.
    pub fn replay_ground(&mut self, sink: &SinkName) -> Result<ReplayGround, SinkError> {
        self.snapshot(|snapshot, _| {
            let select = "SELECT id, cursor, (SELECT pruned_through FROM history), coalesce(state, x'') FROM sink
                          LEFT JOIN formatter_state ON formatter_state.sink = sink.id WHERE name = ?1";
            let found = snapshot
                .prepare_cached(select)?
                .query_row([sink.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
                .optional()?;
            let (id, cursor, pruned_through, state) = found.ok_or_else(|| SinkError::UnknownSink(sink.clone()))?;
            let (cursor, pruned_through) = (from_column(cursor), from_column(pruned_through));
            Ok(ReplayGround { cursor, pruned_through, state, calls: checkpoint::read(snapshot, id)? })
        })
    }

    /// Events of a sink that were formatted before, with the rows that were made of them.
    ///
    /// # Errors
    /// When there is no such sink, or the file can't be read.
    pub fn replay_page(&mut self, sink: &SinkName, stretch: &Stretch) -> Result<ReplayPage, SinkError> {
        self.snapshot(|snapshot, zone| {
            let id = super::sink::find(snapshot, sink)?.ok_or_else(|| SinkError::UnknownSink(sink.clone()))?;
            let pruned = "SELECT pruned_through FROM history";
            let pruned_through = from_column(snapshot.prepare_cached(pruned)?.query_row([], |row| row.get(0))?);
            let mut boots = BootTimes::default();
            let (mut events, mut through) = read_events(snapshot, zone, id, stretch, &mut boots)?;
            if let Some(first_left) = read_rows(snapshot, id, &mut events, stretch.rows_from)? {
                events.retain(|event| event.timed.event.sequence < first_left);
                through = Sequence(first_left.0.saturating_sub(1));
            }
            Ok(ReplayPage { events, through, pruned_through, boots })
        })
    }

    /// The place of the event with this id, while it is in the history.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn find_event(&mut self, id: Ulid) -> Result<Option<Sequence>, StorageError> {
        self.snapshot(|snapshot, _| {
            let mut find = snapshot.prepare_cached("SELECT sequence FROM event WHERE id = ?1")?;
            let found = find.query_row([id.0.to_be_bytes()], |row| row.get(0)).optional()?;
            Ok(found.map(from_column))
        })
    }
}

fn read_events(
    snapshot: &Connection,
    zone: &TimeZone,
    sink: i64,
    stretch: &Stretch,
    boots: &mut BootTimes,
) -> Result<(Vec<ReplayedEvent>, Sequence), SinkError> {
    let select = format!(
        "SELECT EXISTS (SELECT 1 FROM set_aside
                        WHERE set_aside.sink = ?1 AND set_aside.sequence = event.sequence AND position = -1), {}
         FROM event JOIN boot ON boot.id = event.boot
         WHERE event.sequence > ?2 AND event.sequence <= ?3 AND (only_for IS NULL OR only_for = ?1)
         ORDER BY event.sequence",
        EventRow::COLUMNS
    );
    let mut select = snapshot.prepare_cached(&select)?;
    let mut rows = select.query((sink, to_column(stretch.after), to_column(stretch.through)))?;
    let (mut events, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let (sequence, kind) = EventRow::glance(row, 1)?;
        if events.len() >= stretch.most || bytes >= MOST_BYTES {
            return Ok((events, Sequence(sequence.0.saturating_sub(1))));
        }
        if !stretch.kinds.iter().any(|wanted| wanted == kind) {
            continue;
        }
        let event = EventRow::parse(row, 1)?;
        let (at, certainty) = match event.moment.resolve(zone) {
            Moment::Known(at) => (at, Certainty::Known),
            Moment::Estimated(at) => (at, Certainty::Estimated),
            // It was formatted, so it had a time; or it was none of the sink's kinds then, and is nothing to repeat.
            Moment::Unknown => continue,
        };
        bytes += event.bytes();
        boots.note(&event.moment);
        let set_aside = row.get(0)?;
        let timed = TimedEvent { event: event.event()?, at, certainty };
        events.push(ReplayedEvent { timed, set_aside, rows: BTreeMap::new() });
    }
    Ok((events, stretch.through))
}

/// Adds the rows that were made of the events, from one on. Returns the first event whose rows would be too much.
fn read_rows(
    snapshot: &Connection,
    sink: i64,
    events: &mut [ReplayedEvent],
    from: Sequence,
) -> Result<Option<Sequence>, StorageError> {
    let wanted = events.partition_point(|event| event.timed.event.sequence < from);
    let events = &mut events[wanted..];
    let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(None) };
    let (first, last) = (first.timed.event.sequence, last.timed.event.sequence);
    let mut column_sets = BTreeMap::new();
    let select = "SELECT sequence, position, column_set, cells, 0, 0, sequence, position FROM row
                  WHERE sink = ?1 AND sequence BETWEEN ?2 AND ?3 AND position < ?4
                  UNION ALL
                  SELECT of_sequence, of_position, column_set, cells, revision, kind, sequence, position
                  FROM correction JOIN row USING (sink, sequence, position)
                  WHERE sink = ?1 AND of_sequence BETWEEN ?2 AND ?3
                  ORDER BY 1, 2, 5";
    let mut select = snapshot.prepare_cached(select)?;
    let mut rows = select.query((sink, to_column(first), to_column(last), FIRST_POSITION))?;
    let (mut bytes, mut last_read) = (0, first);
    // Of several, the last one stays.
    while let Some(row) = rows.next()? {
        let sequence = from_column(row.get(0)?);
        if sequence > last_read && bytes >= MOST_BYTES {
            return Ok(Some(sequence));
        }
        last_read = sequence;
        let Ok(at) = events.binary_search_by_key(&sequence, |event| event.timed.event.sequence) else { continue };
        let columns = columns_of(snapshot, &mut column_sets, row.get(2)?)?;
        let cells = row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?;
        bytes += cells.len();
        let cells = encoding::parse_cells(cells)?;
        let revision = row.get(4)?;
        let withdrawn = correction::kind_from_column(row.get(5)?) == CorrectionKind::Withdrawn;
        let position = row.get(1)?;
        let place = (row.get(6)?, row.get(7)?);
        let arrives = events[at].rows.get(&position).is_some_and(|earlier| earlier.arrives)
            || brought::find_brought(snapshot, sink, place, None)? != Brought::Aside;
        events[at].rows.insert(position, KeptRow { revision, withdrawn, arrives, columns, cells });
    }
    Ok(None)
}

/// Most rows are made for the same columns, which are read once.
fn columns_of(
    snapshot: &Connection,
    known: &mut BTreeMap<i64, Arc<Vec<Column>>>,
    set: i64,
) -> Result<Arc<Vec<Column>>, StorageError> {
    if let Some(columns) = known.get(&set) {
        return Ok(Arc::clone(columns));
    }
    let mut select = snapshot.prepare_cached("SELECT columns FROM column_set WHERE id = ?1")?;
    let columns: String = select.query_row([set], |row| row.get(0))?;
    let columns = Arc::new(encoding::parse_columns(&columns)?);
    known.insert(set, Arc::clone(&columns));
    Ok(columns)
}
