//! What happened, and what became of it: for `punchcard events`.
//!
//! A row that goes again, and a correction, are told at the event that the row is made of: what became of the last ordinal
//! of an event's rows is what became of the event.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use jiff::tz::TimeZone;
use punchcard_core::event::{Event, Sequence};
use punchcard_core::name::SinkName;
use punchcard_core::time::Instant;
use rusqlite::{Connection, OptionalExtension as _};

use super::Ledger;
use super::batch::DELIVERED;
use super::error::StorageError;
use super::event::{self, EventRow, to_column};
use super::moment::{self, Moment};
use super::outbox::RowId;
use super::reader::Reader;
use super::set_aside::SetAsideBy;
use super::sink;

/// An event, when it happened, and what became of it at each sink that takes its kind.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedEvent {
    /// The event.
    pub event: Event,
    /// When.
    pub at: Moment,
    /// By the sinks' names.
    pub statuses: Vec<EventStatus>,
}

/// Some of the events.
#[derive(Debug, Clone, PartialEq)]
pub struct EventPage {
    /// In the ledger's order.
    pub events: Vec<ListedEvent>,
    /// There is more after these.
    pub more: bool,
}

/// What became of an event at one sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventStatus {
    /// Which sink.
    pub sink: SinkName,
    /// How far it came.
    pub stage: Stage,
    /// Rows that were made of it, without their corrections.
    pub rows: u32,
    /// How often it went once more: through the formatter, or one of its rows to the service.
    pub again: u32,
    /// The key of the latest correction of one of its rows, where there is one.
    pub corrected_as: Option<String>,
    /// Where a person finds its rows.
    pub link: Option<String>,
}

/// How far an event came at a sink. Of several rows, the one that is furthest behind counts; one that was set aside
/// counts before that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// It waits for the formatter.
    Unformatted,
    /// The formatter made no row of it.
    NoRows,
    /// Its rows wait for a batch.
    Waiting,
    /// Its rows are on their way.
    InFlight,
    /// Its rows arrived; when, where the device knew the time.
    Delivered(Option<Instant>),
    /// It, or one of its rows, will not arrive; the reason.
    SetAside(String),
    /// The same, and a person decided that it stays so; the reason.
    Dropped(String),
}

impl Ledger {
    /// The events after one, or from the beginning of the history, at most `most`, in the ledger's order.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn events(&self, after: Option<Sequence>, most: u32) -> Result<EventPage, StorageError> {
        self.read(move |reader| reader.events(after, most)).await
    }
}

impl Reader {
    /// The events after one, or from the beginning of the history, at most `most`, in the ledger's order. Numbers that are
    /// missing are places at which an event was requeued to a formatter.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn events(&mut self, after: Option<Sequence>, most: u32) -> Result<EventPage, StorageError> {
        self.snapshot(|snapshot, zone| {
            let after = to_column(after.unwrap_or(Sequence(0)));
            let (mut listed, more) = read_events(snapshot, zone, after, most)?;
            if let (Some(first), Some(last)) = (listed.first(), listed.last()) {
                let page = (to_column(first.event.sequence), to_column(last.event.sequence));
                for mut sink in read_sinks(snapshot, page)? {
                    for listed in &mut listed {
                        listed.statuses.extend(sink.status(snapshot, zone, &listed.event)?);
                    }
                }
            }
            Ok(EventPage { events: listed, more })
        })
    }

    /// The last place of the ledger's order that is taken, pruned ones included; 0 before the first event.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn newest(&mut self) -> Result<Sequence, StorageError> {
        self.snapshot(|snapshot, _| Ok(event::newest(snapshot)?))
    }
}

/// Reads events, at most `most`, and whether there is more after these.
fn read_events(
    snapshot: &Connection,
    zone: &TimeZone,
    after: i64,
    most: u32,
) -> Result<(Vec<ListedEvent>, bool), StorageError> {
    let select = format!(
        "SELECT {} FROM event JOIN boot ON boot.id = event.boot
         WHERE event.sequence > ?1 ORDER BY event.sequence LIMIT ?2",
        EventRow::COLUMNS
    );
    let mut select = snapshot.prepare_cached(&select)?;
    let mut rows = select.query((after, u64::from(most) + 1))?;
    let mut listed = Vec::new();
    while let Some(row) = rows.next()? {
        if listed.len() >= most as usize {
            return Ok((listed, true));
        }
        let row = EventRow::parse(row, 0)?;
        let at = row.moment.resolve(zone);
        listed.push(ListedEvent { event: row.event()?, at, statuses: Vec::new() });
    }
    Ok((listed, false))
}

/// What a sink has to say about a page of events.
struct SinkPage {
    id: i64,
    name: SinkName,
    declared: bool,
    kinds: Vec<String>,
    cursor: i64,
    rows: HashMap<i64, EventRows>,
    /// For an event: how often it was requeued to the formatter, and the last place at which it was.
    requeued: HashMap<i64, (u32, i64)>,
    set_aside: HashMap<i64, Stage>,
    /// The one that was looked at last: most rows that follow one another went together.
    batch: Option<SentBatch>,
}

/// A batch, as far as its rows are told of.
struct SentBatch {
    ordinals: RangeInclusive<i64>,
    stage: Stage,
    link: Option<String>,
}

/// The rows of an event.
#[derive(Default)]
struct EventRows {
    count: u32,
    /// Ordinals at which a row went once more.
    again: u32,
    /// The last of their ordinals: of each row the last one counts, and the later one goes later.
    last: i64,
    /// The latest correction, and the ordinal at which it went last.
    corrected: Option<(i64, RowId)>,
}

fn read_sinks(snapshot: &Connection, page: (i64, i64)) -> Result<Vec<SinkPage>, StorageError> {
    let select = "SELECT id, name, declared, kinds, cursor FROM sink ORDER BY name";
    let mut select = snapshot.prepare_cached(select)?;
    let mut sinks = select.query([])?;
    let mut pages = Vec::new();
    while let Some(row) = sinks.next()? {
        let id: i64 = row.get(0)?;
        pages.push(SinkPage {
            id,
            name: sink::parse_name(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)?,
            declared: row.get(2)?,
            kinds: sink::parse_kinds(row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?)?,
            cursor: row.get(4)?,
            rows: read_rows(snapshot, id, page)?,
            requeued: read_requeued(snapshot, id, page)?,
            set_aside: read_set_aside(snapshot, id, page)?,
            batch: None,
        });
    }
    Ok(pages)
}

fn read_rows(
    snapshot: &Connection,
    sink: i64,
    (first, last): (i64, i64),
) -> Result<HashMap<i64, EventRows>, StorageError> {
    // The index has all of it.
    let select = "SELECT event, position, revision, count(*), max(ordinal) FROM outbox
                  WHERE sink = ?1 AND event BETWEEN ?2 AND ?3 GROUP BY event, position, revision";
    let mut select = snapshot.prepare_cached(select)?;
    let mut found = select.query((sink, first, last))?;
    let mut events: HashMap<i64, EventRows> = HashMap::new();
    while let Some(row) = found.next()? {
        let id = RowId::parse(row, 0)?;
        let (times, last): (u32, i64) = (row.get(3)?, row.get(4)?);
        let rows = events.entry(id.event).or_default();
        rows.count += u32::from(id.revision == 0);
        rows.again += times.saturating_sub(1);
        if id.revision > 0 && rows.corrected.is_none_or(|(before, _)| before < last) {
            rows.corrected = Some((last, id));
        }
        rows.last = rows.last.max(last);
    }
    Ok(events)
}

fn read_requeued(
    snapshot: &Connection,
    sink: i64,
    (first, last): (i64, i64),
) -> Result<HashMap<i64, (u32, i64)>, StorageError> {
    let select = "SELECT event, count(*), max(sequence) FROM requeue
                  WHERE sink = ?1 AND event BETWEEN ?2 AND ?3 GROUP BY event";
    let mut select = snapshot.prepare_cached(select)?;
    let found = select.query_map((sink, first, last), |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn read_set_aside(
    snapshot: &Connection,
    sink: i64,
    (first, last): (i64, i64),
) -> Result<HashMap<i64, Stage>, StorageError> {
    // What a person decided about counts after what nobody did. Of a row that a correction replaced, that one counts.
    let select = "SELECT event, stage, reason FROM set_aside
                  WHERE sink = ?1 AND event BETWEEN ?2 AND ?3 AND stage <> 3 AND NOT EXISTS (
                      SELECT 1 FROM outbox AS refused JOIN outbox AS later USING (sink, event, position)
                      WHERE refused.sink = ?1 AND refused.ordinal = set_aside.ordinal
                          AND later.revision > refused.revision)
                  ORDER BY event, stage = 4 DESC, id DESC";
    let mut select = snapshot.prepare_cached(select)?;
    let found = select.query_map((sink, first, last), |row| {
        let reason = row.get(2)?;
        let stage = match SetAsideBy::from_column(row.get(1)?) {
            SetAsideBy::Dropped | SetAsideBy::Requeued => Stage::Dropped(reason),
            SetAsideBy::Formatter | SetAsideBy::Failure | SetAsideBy::Service => Stage::SetAside(reason),
        };
        Ok((row.get(0)?, stage))
    })?;
    // The last of several stays: the first that was set aside.
    Ok(found.collect::<Result<_, _>>()?)
}

impl SinkPage {
    fn status(
        &mut self,
        snapshot: &Connection,
        zone: &TimeZone,
        event: &Event,
    ) -> Result<Option<EventStatus>, StorageError> {
        let sequence = to_column(event.sequence);
        let rows = self.rows.remove(&sequence);
        let set_aside = self.set_aside.remove(&sequence);
        let (requeued, place) = self.requeued.get(&sequence).copied().unwrap_or((0, sequence));
        let is_formatted = place <= self.cursor;
        let is_wanted = self.kinds.contains(&event.happened.kind) && (self.declared || is_formatted);
        if rows.is_none() && set_aside.is_none() && requeued == 0 && !is_wanted {
            return Ok(None);
        }
        let (came_to, link) = match &rows {
            Some(rows) => self.stage(snapshot, zone, rows.last)?,
            None => (Stage::NoRows, None),
        };
        let stage = match set_aside {
            Some(stage) => stage,
            None if !is_formatted => Stage::Unformatted,
            None => came_to,
        };
        let rows = rows.unwrap_or_default();
        Ok(Some(EventStatus {
            sink: self.name.clone(),
            stage,
            rows: rows.count,
            again: requeued + rows.again,
            corrected_as: rows.corrected.map(|(_, row)| row.key(event.happened.id)),
            link,
        }))
    }

    /// How far the row at an ordinal came, and where it is found.
    fn stage(
        &mut self,
        snapshot: &Connection,
        zone: &TimeZone,
        ordinal: i64,
    ) -> Result<(Stage, Option<String>), StorageError> {
        let is_in = |batch: &SentBatch| batch.ordinals.contains(&ordinal);
        if !self.batch.as_ref().is_some_and(is_in) {
            self.batch = find_batch(snapshot, zone, self.id, ordinal)?.filter(is_in);
        }
        Ok(match &self.batch {
            Some(batch) => (batch.stage.clone(), batch.link.clone()),
            None => (Stage::Waiting, None),
        })
    }
}

/// The last batch that begins with a row or before it.
fn find_batch(
    snapshot: &Connection,
    zone: &TimeZone,
    sink: i64,
    ordinal: i64,
) -> Result<Option<SentBatch>, rusqlite::Error> {
    let find = "SELECT first_ordinal, last_ordinal, stage, delivered_at, link FROM batch
                WHERE sink = ?1 AND first_ordinal <= ?2 ORDER BY first_ordinal DESC LIMIT 1";
    let parse = |row: &rusqlite::Row<'_>| {
        let delivered_at: Option<i64> = row.get(3)?;
        let stage = if row.get::<_, i64>(2)? == DELIVERED {
            Stage::Delivered(delivered_at.map(|micros| moment::instant(micros, zone)))
        } else {
            Stage::InFlight
        };
        Ok(SentBatch { ordinals: row.get(0)?..=row.get(1)?, stage, link: row.get(4)? })
    };
    snapshot.prepare_cached(find)?.query_row((sink, ordinal), parse).optional()
}
