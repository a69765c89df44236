//! Recording what happens.

use std::time::Duration;

use punchcard_core::event::{Event, NewEvent, Sequence};
use punchcard_core::name::{InputName, PluginName};
use punchcard_core::time::Monotonic;
use rusqlite::{Connection, Row, Transaction};
use thiserror::Error;
use ulid::Ulid;

use super::Ledger;
use super::boot;
use super::encoding::{self, NotFinite};
use super::error::StorageError;
use super::moment::{self, StoredMoment};
use super::sensor::{self, Poll};

/// Bytes of an event's kind and fields together, as they are stored.
const MOST_BYTES: usize = 64 << 10;

/// Why an event was not recorded.
#[derive(Debug, Error)]
pub enum AcceptError {
    /// A field holds a number that is none.
    #[error("the event can't be recorded")]
    NotFinite(#[from] NotFinite),
    /// It is larger than anything that a button or a sensor says.
    #[error("the event has {bytes} bytes, and at most {MOST_BYTES} are recorded")]
    TooLarge {
        /// Its kind and fields together.
        bytes: usize,
    },
    /// The file was not written.
    #[error("the event was not recorded")]
    Storage(#[from] StorageError),
}

impl Ledger {
    /// Records an event. When this returns the event is on the disk, whatever happens to the power; after an error it is
    /// not in the ledger, also when the host is killed and started anew. An id is one that nobody used: an event that is
    /// given twice is recorded twice.
    ///
    /// # Errors
    /// When the event can't be stored as it is, or the disk refuses or is full. There is one exception to what holds after an
    /// error, on a disk that takes the event, does not confirm it (`fdatasync` fails), and does not confirm either that it is
    /// undone. That is said ([`StorageError::InDoubt`]): the event may be there after the next start. Nothing is recorded after
    /// either ([`StorageError::Latched`]).
    pub async fn accept(&self, event: NewEvent) -> Result<Event, AcceptError> {
        only(self.shared.writer.accept(Press::of(event)?).await?)
    }

    /// Records an event that nobody waits for, such as a sensor's reading: for at most `most_for` it waits for others, to
    /// share a commit with them. A press goes at once and takes it along, and so does the reading that makes a commit full
    /// or has waited for long enough. Otherwise as [`Ledger::accept`]: what was not acknowledged yet may be lost with the
    /// power, and nothing else. When the ledger is closed, or this is given up, it is written at once. It has its place
    /// among the others before this is awaited.
    ///
    /// # Errors
    /// As [`Ledger::accept`].
    pub fn accept_within(
        &self,
        event: NewEvent,
        most_for: Duration,
    ) -> impl Future<Output = Result<Event, AcceptError>> + Send + use<> {
        let accepted = Press::of(event).map(|reading| self.shared.writer.accept_within(reading, most_for));
        async move { only(accepted?.await?) }
    }

    /// Records what a poll of a sensor brought: its events and the plugin's new state, all of it or nothing. Otherwise as
    /// [`Ledger::accept_within`].
    ///
    /// # Errors
    /// As [`Ledger::accept`].
    pub fn accept_poll(
        &self,
        poll: Poll,
        most_for: Duration,
    ) -> impl Future<Output = Result<Vec<Event>, AcceptError>> + Send + use<> {
        let accepted = Press::of_poll(poll).map(|reading| self.shared.writer.accept_within(reading, most_for));
        async move { Ok(accepted?.await?) }
    }

    /// Has the events written now that wait for others.
    pub fn hurry(&self) {
        self.shared.writer.hurry();
    }
}

/// The event of a press that was one.
fn only(recorded: Vec<Event>) -> Result<Event, AcceptError> {
    // The writer answers with as many as it was given.
    recorded.into_iter().next().ok_or(AcceptError::Storage(StorageError::Stopped))
}

/// What goes into the file together: the event of a press, or what a poll brought.
pub(super) struct Press {
    events: Vec<Entry>,
    state: Option<(InputName, PluginName, Vec<u8>)>,
}

/// An event on its way into the file.
struct Entry {
    event: NewEvent,
    fields: String,
}

impl Press {
    pub(super) fn of(event: NewEvent) -> Result<Self, AcceptError> {
        Ok(Self { events: vec![Entry::of(event)?], state: None })
    }

    fn of_poll(poll: Poll) -> Result<Self, AcceptError> {
        let Poll { sensor, plugin, state, events } = poll;
        let events = events.into_iter().map(Entry::of).collect::<Result<_, _>>()?;
        Ok(Self { events, state: Some((sensor, plugin, state)) })
    }
}

impl Entry {
    fn of(event: NewEvent) -> Result<Self, AcceptError> {
        let fields = encoding::render_fields(&event.fields)?;
        let bytes = fields.len() + event.kind.len();
        if bytes > MOST_BYTES {
            return Err(AcceptError::TooLarge { bytes });
        }
        Ok(Self { event, fields })
    }
}

/// Records what belongs together.
pub(super) fn record(transaction: &Transaction<'_>, press: &Press) -> Result<Vec<Event>, StorageError> {
    if let Some((sensor, plugin, state)) = &press.state {
        sensor::store_state(transaction, sensor, plugin, state)?;
    }
    press.events.iter().map(|entry| record_one(transaction, entry)).collect()
}

fn record_one(transaction: &Transaction<'_>, entry: &Entry) -> Result<Event, StorageError> {
    let event = &entry.event;
    let seen = moment::last_time_seen(transaction)?;
    let boot = boot::record(transaction, event, seen)?;
    if let Some(seen) = seen
        && event.at.is_none_or(|at| at.unix_micros < seen)
    {
        moment::keep_time_seen(transaction, seen)?;
    }
    let sequence = Sequence(newest(transaction)?.0 + 1);
    let insert = "INSERT INTO event (sequence, id, at, utc_offset, boot, monotonic, source, kind, fields)
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    transaction.prepare_cached(insert)?.execute((
        to_column(sequence),
        event.id.0.to_be_bytes(),
        event.at.map(|at| at.unix_micros),
        event.at.map(|at| at.utc_offset_minutes),
        boot,
        i64::try_from(event.monotonic.milliseconds).unwrap_or(i64::MAX),
        event.source.as_str(),
        &event.kind,
        &entry.fields,
    ))?;
    Ok(Event { sequence, happened: event.clone() })
}

/// The last place of the ledger's order that is taken, by an event or by one that is requeued, pruned ones included; 0
/// before the first.
pub(super) fn newest(connection: &Connection) -> Result<Sequence, rusqlite::Error> {
    let newest = "SELECT max(coalesce((SELECT max(sequence) FROM event), 0),
                             coalesce((SELECT max(sequence) FROM requeue), 0),
                             (SELECT pruned_through FROM history))";
    connection.prepare_cached(newest)?.query_row([], |row| Ok(from_column(row.get(0)?)))
}

/// Reads the places of the ledger's order at which a sink's formatter may get something, after one (?1) and up to another
/// (?3), in their order: the place, whether an event was requeued to it for the sink (?2), and the event.
pub(super) fn read_places() -> String {
    let columns = EventRow::COLUMNS;
    format!(
        "SELECT event.sequence, 0, {columns} FROM event CROSS JOIN boot ON boot.id = event.boot
         WHERE event.sequence > ?1 AND event.sequence <= ?3
         UNION ALL
         SELECT requeue.sequence, 1, {columns} FROM requeue CROSS JOIN event ON event.sequence = requeue.event
             CROSS JOIN boot ON boot.id = event.boot
         WHERE requeue.sequence > ?1 AND requeue.sequence <= ?3 AND +requeue.sink = ?2
         ORDER BY 1"
    )
}

/// SQLite's integers have a sign; a ledger never comes near it.
pub(super) fn to_column(sequence: Sequence) -> i64 {
    i64::try_from(sequence.0).unwrap_or(i64::MAX)
}

pub(super) fn from_column(sequence: i64) -> Sequence {
    Sequence(u64::try_from(sequence).unwrap_or(0))
}

/// An event as it stands in the file.
pub(super) struct EventRow {
    pub(super) sequence: Sequence,
    pub(super) id: Ulid,
    source: String,
    kind: String,
    fields: String,
    pub(super) moment: StoredMoment,
}

impl EventRow {
    /// The columns that [`EventRow::parse`] reads, of `event` joined with `boot`.
    pub(super) const COLUMNS: &str = "event.sequence, event.id, event.source, event.kind, event.fields, \
                                      event.at, event.utc_offset, event.monotonic, boot.name, boot.zero, boot.floor, \
                                      boot.synchronised";

    /// Reads only the kind: enough to tell that an event is not wanted.
    pub(super) fn kind<'row>(row: &'row Row<'_>, first: usize) -> Result<&'row str, rusqlite::Error> {
        Ok(row.get_ref(first + 3)?.as_str()?)
    }

    pub(super) fn parse(row: &Row<'_>, first: usize) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            sequence: from_column(row.get(first)?),
            id: Ulid(u128::from_be_bytes(row.get(first + 1)?)),
            source: row.get(first + 2)?,
            kind: row.get(first + 3)?,
            fields: row.get(first + 4)?,
            moment: StoredMoment::parse(row, first + 5)?,
        })
    }

    /// About what it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.fields.len() + self.kind.len()
    }

    pub(super) fn event(self) -> Result<Event, StorageError> {
        let happened = NewEvent {
            id: self.id,
            at: self.moment.given(),
            monotonic: Monotonic {
                milliseconds: u64::try_from(self.moment.monotonic).unwrap_or(0),
                boot: self.moment.boot,
            },
            source: InputName::parse(&self.source).map_err(|source| StorageError::Unreadable {
                what: "an input's name",
                source: serde::de::Error::custom(source),
            })?,
            kind: self.kind,
            fields: encoding::parse_fields(&self.fields)?,
        };
        Ok(Event { sequence: self.sequence, happened })
    }
}
