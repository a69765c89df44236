//! What happened, and what became of it: for `punchcard events`.

use std::collections::HashMap;

use jiff::tz::TimeZone;
use punchcard_core::event::{Event, Sequence};
use punchcard_core::name::SinkName;
use punchcard_core::time::Instant;
use rusqlite::Connection;

use super::Ledger;
use super::correction::FIRST_POSITION;
use super::error::StorageError;
use super::event::{self, EventRow, to_column};
use super::moment::{self, Moment};
use super::reader::Reader;
use super::sink::{self, SetAsideBy};

/// An event, when it happened, and what became of it at each sink that takes its kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// The event.
    pub event: Event,
    /// When.
    pub at: Moment,
    /// By the sinks' names.
    pub fates: Vec<Fate>,
}

/// What became of an event at one sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    /// Which sink.
    pub sink: SinkName,
    /// How far it came.
    pub stage: Stage,
    /// Rows that were made of it.
    pub rows: u32,
    /// Where a person finds them.
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
    /// It, or one of its rows, was put back: as which event.
    PutBack(String),
}

impl Ledger {
    /// The events after one, or from the beginning of the history, at most `most`, in the ledger's order.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn events(&self, after: Option<Sequence>, most: u32) -> Result<Vec<Listed>, StorageError> {
        self.read(move |reader| reader.events(after, most)).await
    }
}

impl Reader {
    /// The events after one, or from the beginning of the history, at most `most`, in the ledger's order.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn events(&mut self, after: Option<Sequence>, most: u32) -> Result<Vec<Listed>, StorageError> {
        self.snapshot(|snapshot, zone| {
            let after = to_column(after.unwrap_or(Sequence(0)));
            let (mut listed, only_for) = read_events(snapshot, zone, after, most)?;
            if let (Some(first), Some(last)) = (listed.first(), listed.last()) {
                let page = (to_column(first.event.sequence), to_column(last.event.sequence));
                for sink in read_sinks(snapshot, page, zone)? {
                    for (listed, only_for) in listed.iter_mut().zip(&only_for) {
                        let addressed = only_for.is_none_or(|only_for| only_for == sink.id);
                        listed.fates.extend(sink.fate(&listed.event).filter(|_| addressed));
                    }
                }
            }
            Ok(listed)
        })
    }

    /// The newest event, pruned ones included; 0 before the first.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn newest(&mut self) -> Result<Sequence, StorageError> {
        self.snapshot(|snapshot, _| Ok(event::newest(snapshot)?))
    }
}

/// Events, and for each the sink that it was put back for, where it was.
fn read_events(
    snapshot: &Connection,
    zone: &TimeZone,
    after: i64,
    most: u32,
) -> Result<(Vec<Listed>, Vec<Option<i64>>), StorageError> {
    let select = format!(
        "SELECT event.only_for, {} FROM event JOIN boot ON boot.id = event.boot
         WHERE event.sequence > ?1 ORDER BY event.sequence LIMIT ?2",
        EventRow::COLUMNS
    );
    let mut select = snapshot.prepare_cached(&select)?;
    let mut rows = select.query((after, most))?;
    let (mut listed, mut only_for) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        only_for.push(row.get(0)?);
        let row = EventRow::parse(row, 1)?;
        let at = row.moment.resolve(zone);
        listed.push(Listed { event: row.event()?, at, fates: Vec::new() });
    }
    Ok((listed, only_for))
}

/// What a sink has to say about a page of events.
struct SinkPage {
    id: i64,
    name: SinkName,
    declared: bool,
    kinds: Vec<String>,
    cursor: i64,
    /// For an event: how many rows, and the last one's position.
    rows: HashMap<i64, (u32, i64)>,
    set_aside: HashMap<i64, Stage>,
    batches: Vec<PageBatch>,
}

struct PageBatch {
    first: (i64, i64),
    last: (i64, i64),
    delivered: bool,
    delivered_at: Option<Instant>,
    link: Option<String>,
}

fn read_sinks(snapshot: &Connection, page: (i64, i64), zone: &TimeZone) -> Result<Vec<SinkPage>, StorageError> {
    let mut select = snapshot.prepare_cached("SELECT id, name, declared, kinds, cursor FROM sink ORDER BY name")?;
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
            set_aside: read_set_aside(snapshot, id, page)?,
            batches: read_batches(snapshot, id, page, zone)?,
        });
    }
    Ok(pages)
}

fn read_rows(
    snapshot: &Connection,
    sink: i64,
    (first, last): (i64, i64),
) -> Result<HashMap<i64, (u32, i64)>, StorageError> {
    // Corrections are placed here too, but are of other events.
    let select = "SELECT sequence, count(*), max(position) FROM row
                  WHERE sink = ?1 AND sequence BETWEEN ?2 AND ?3 AND position < ?4 GROUP BY sequence";
    let mut select = snapshot.prepare_cached(select)?;
    let found =
        select.query_map((sink, first, last, FIRST_POSITION), |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn read_set_aside(
    snapshot: &Connection,
    sink: i64,
    (first, last): (i64, i64),
) -> Result<HashMap<i64, Stage>, StorageError> {
    // A correction that the service refused is a row of the event that it corrects.
    let select = "SELECT sequence, stage, reason FROM (
                      SELECT sequence, stage, reason, position AS place FROM set_aside
                      WHERE sink = ?1 AND sequence BETWEEN ?2 AND ?3 AND position < ?4
                      UNION ALL
                      SELECT of_sequence, stage, reason, of_position
                      FROM correction JOIN set_aside USING (sink, sequence, position)
                      WHERE sink = ?1 AND of_sequence BETWEEN ?2 AND ?3)
                  ORDER BY sequence, CASE stage WHEN 3 THEN 0 WHEN 4 THEN 1 ELSE 2 END, place DESC";
    let mut select = snapshot.prepare_cached(select)?;
    let found = select.query_map((sink, first, last, FIRST_POSITION), |row| {
        let reason = row.get(2)?;
        let stage = match SetAsideBy::from_column(row.get(1)?) {
            SetAsideBy::Formatter | SetAsideBy::Failure | SetAsideBy::Service => Stage::SetAside(reason),
            SetAsideBy::Dropped => Stage::Dropped(reason),
            SetAsideBy::PutBack => Stage::PutBack(reason),
        };
        Ok((row.get(0)?, stage))
    })?;
    // Of several, what is set aside counts before what a person decided about, and then the first row.
    Ok(found.collect::<Result<_, _>>()?)
}

fn read_batches(
    snapshot: &Connection,
    sink: i64,
    (first, last): (i64, i64),
    zone: &TimeZone,
) -> Result<Vec<PageBatch>, StorageError> {
    // From the last batch that begins on the page backwards, until one ends before it.
    let select = "SELECT first_sequence, first_position, last_sequence, last_position, stage, delivered_at, link
                  FROM batch WHERE sink = ?1 AND first_sequence <= ?2
                  ORDER BY first_sequence DESC, first_position DESC";
    let mut select = snapshot.prepare_cached(select)?;
    let mut found = select.query((sink, last))?;
    let mut batches = Vec::new();
    while let Some(row) = found.next()? {
        let end: (i64, i64) = (row.get(2)?, row.get(3)?);
        if end.0 < first {
            break;
        }
        let delivered_at: Option<i64> = row.get(5)?;
        batches.push(PageBatch {
            first: (row.get(0)?, row.get(1)?),
            last: end,
            delivered: row.get::<_, i64>(4)? == 2,
            delivered_at: delivered_at.map(|micros| moment::instant(micros, zone)),
            link: row.get(6)?,
        });
    }
    batches.reverse();
    Ok(batches)
}

impl SinkPage {
    fn fate(&self, event: &Event) -> Option<Fate> {
        let sequence = to_column(event.sequence);
        let (rows, last) = self.rows.get(&sequence).copied().unwrap_or((0, 0));
        let set_aside = self.set_aside.get(&sequence);
        let wanted = self.kinds.contains(&event.happened.kind);
        let touched = rows > 0 || set_aside.is_some();
        if !touched && !(wanted && (self.declared || sequence <= self.cursor)) {
            return None;
        }
        // Rows of one event follow one another, so its last row is the one that is furthest behind.
        let at = self.batches.partition_point(|batch| batch.last < (sequence, last));
        let batch = self.batches.get(at).filter(|batch| rows > 0 && batch.first <= (sequence, last));
        let stage = match (set_aside, batch) {
            (Some(stage), _) => stage.clone(),
            (None, Some(batch)) if batch.delivered => Stage::Delivered(batch.delivered_at),
            (None, Some(_)) => Stage::InFlight,
            (None, None) if rows > 0 => Stage::Waiting,
            (None, None) if sequence <= self.cursor => Stage::NoRows,
            (None, None) => Stage::Unformatted,
        };
        let link = batch.and_then(|batch| batch.link.clone());
        Some(Fate { sink: self.name.clone(), stage, rows, link })
    }
}
