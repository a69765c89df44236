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
use super::boot_times::BootTimes;
use super::checkpoint::{self, StoredCheckpoint};
use super::encoding;
use super::error::StorageError;
use super::event::{self, EventRow, from_column, to_column};
use super::moment::Moment;
use super::outbox::correction_from_column;
use super::reader::Reader;
use super::sent::{Sent, find_sent};
use super::sink::{self, SinkError};

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
    /// It. One that went through the formatter once more has the sequence of its further place there, and is here twice.
    pub timed: TimedEvent,
    /// The sink set it aside at this place.
    pub set_aside: bool,
    /// The rows that were made of it, by their positions: at the last place at which it was formatted.
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
            let id = sink::find(snapshot, sink)?.ok_or_else(|| SinkError::UnknownSink(sink.clone()))?;
            let pruned = "SELECT pruned_through FROM history";
            let pruned_through = from_column(snapshot.prepare_cached(pruned)?.query_row([], |row| row.get(0))?);
            let mut boots = BootTimes::default();
            let (mut places, mut through) = read_places(snapshot, zone, id, stretch, &mut boots)?;
            if let Some(first_left) = read_rows(snapshot, id, &mut places, stretch.rows_from)? {
                places.retain(|place| place.replayed.timed.event.sequence < first_left);
                through = Sequence(first_left.0.saturating_sub(1));
            }
            let events = places.into_iter().map(|place| place.replayed).collect();
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

/// A place of the ledger's order at which the sink's formatter got an event.
struct Place {
    event: i64,
    /// It did not get the event again later.
    is_last: bool,
    replayed: ReplayedEvent,
}

fn read_places(
    snapshot: &Connection,
    zone: &TimeZone,
    sink: i64,
    stretch: &Stretch,
    boots: &mut BootTimes,
) -> Result<(Vec<Place>, Sequence), SinkError> {
    let mut select = snapshot.prepare_cached(&event::read_places())?;
    let mut rows = select.query((to_column(stretch.after), sink, to_column(stretch.through)))?;
    let set_aside = "SELECT EXISTS (SELECT 1 FROM set_aside WHERE sink = ?1 AND event = ?2 AND sequence = ?3)";
    let mut set_aside = snapshot.prepare_cached(set_aside)?;
    let later = "SELECT EXISTS (SELECT 1 FROM requeue WHERE sink = ?1 AND event = ?2 AND sequence > ?3
                     AND sequence <= (SELECT cursor FROM sink WHERE id = ?1))";
    let mut later = snapshot.prepare_cached(later)?;
    let (mut places, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let sequence = from_column(row.get(0)?);
        let (is_requeued, kind): (bool, _) = (row.get(1)?, EventRow::kind(row, 2)?);
        if places.len() >= stretch.most || bytes >= MOST_BYTES {
            return Ok((places, Sequence(sequence.0.saturating_sub(1))));
        }
        if !is_requeued && !stretch.kinds.iter().any(|wanted| wanted == kind) {
            continue;
        }
        let mut event = EventRow::parse(row, 2)?;
        let (at, certainty) = match event.moment.resolve(zone) {
            Moment::Known(at) => (at, Certainty::Known),
            Moment::Estimated(at) => (at, Certainty::Estimated),
            // It was formatted, so it had a time; or it was none of the sink's kinds then, and is nothing to repeat.
            Moment::Unknown => continue,
        };
        bytes += event.bytes();
        boots.note(&event.moment);
        let happened = to_column(event.sequence);
        event.sequence = sequence;
        let key = (sink, happened, to_column(sequence));
        let set_aside = set_aside.query_row(key, |row| row.get(0))?;
        let is_last = !later.query_row(key, |row| row.get::<_, bool>(0))?;
        let timed = TimedEvent { event: event.event()?, at, certainty };
        let replayed = ReplayedEvent { timed, set_aside, rows: BTreeMap::new() };
        places.push(Place { event: happened, is_last, replayed });
    }
    Ok((places, stretch.through))
}

/// Adds the rows that were made of the events, from one on. Returns the first place whose rows would be too much.
fn read_rows(
    snapshot: &Connection,
    sink: i64,
    places: &mut [Place],
    from: Sequence,
) -> Result<Option<Sequence>, StorageError> {
    // Of each row every revision, as it went last.
    let select = "SELECT position, revision, max(ordinal), correction, column_set, cells FROM outbox
                  WHERE sink = ?1 AND event = ?2 GROUP BY position, revision ORDER BY position, revision";
    let mut select = snapshot.prepare_cached(select)?;
    let mut column_sets = BTreeMap::new();
    let mut bytes = 0;
    for place in places.iter_mut().filter(|place| place.is_last) {
        let sequence = place.replayed.timed.event.sequence;
        if sequence < from {
            continue;
        }
        if bytes >= MOST_BYTES {
            return Ok(Some(sequence));
        }
        let mut rows = select.query((sink, place.event))?;
        // Of several revisions, the last one stays.
        while let Some(row) = rows.next()? {
            let position = row.get(0)?;
            let correction: Option<i64> = row.get(3)?;
            let withdrawn = correction.map(correction_from_column) == Some(CorrectionKind::Withdrawn);
            let columns = columns_of(snapshot, &mut column_sets, row.get(4)?)?;
            let cells = row.get_ref(5)?.as_str().map_err(rusqlite::Error::from)?;
            bytes += cells.len();
            let cells = encoding::parse_cells(cells)?;
            let arrives = place.replayed.rows.get(&position).is_some_and(|earlier| earlier.arrives)
                || find_sent(snapshot, sink, place.event, row.get(2)?)? != Sent::SetAside;
            let kept = KeptRow { revision: row.get(1)?, withdrawn, arrives, columns, cells };
            place.replayed.rows.insert(position, kept);
        }
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
