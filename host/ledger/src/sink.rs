//! The sinks that the ledger keeps rows for, and how each of them stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use punchcard_core::event::Sequence;
use punchcard_core::name::{PluginName, SinkName};
use punchcard_core::time::Instant;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction};
use thiserror::Error;

use super::Ledger;
use super::compare_first;
use super::encoding;
use super::error::StorageError;
use super::event::{self, from_column, to_column};
use super::moment;
use super::reader::Reader;
use super::trial_state;
use super::waiting::Waiting;

/// Why something about a sink could not be read or kept.
#[derive(Debug, Error)]
pub enum SinkError {
    /// No such sink was ever declared.
    #[error("the ledger knows no sink `{0}`")]
    UnknownSink(SinkName),
    /// The file was not read or written.
    #[error("the sink's part of the ledger could not be read or written")]
    Storage(#[from] StorageError),
}

impl From<rusqlite::Error> for SinkError {
    fn from(source: rusqlite::Error) -> Self {
        Self::Storage(source.into())
    }
}

/// What plugins.toml says of a sink, as far as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// The kinds of events that it takes.
    pub kinds: Vec<String>,
    /// The plugin that makes its rows. `None`: none does for now, and the state stays that of the plugin that wrote it.
    pub formatter: Option<PluginName>,
    /// The plugin that carries them. `None`: as above.
    pub connector: Option<PluginName>,
}

/// A sink that was declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// Which.
    pub sink: SinkName,
    /// It was not in the ledger before, and takes the events after this one. The first sinks of a ledger start with the
    /// history; a later one, or one under another name, would bring into its sheet what another has brought there.
    pub new_after: Option<Sequence>,
    /// Events that were pruned while the sink was not declared, before its formatter saw them. Some may have been none
    /// of its kinds.
    pub missed: u64,
    /// Plugins that took over, and began with an empty state: that of another plugin means nothing to them.
    pub begun_anew: Vec<PluginName>,
}

/// How a sink stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkCounts {
    /// Which.
    pub sink: SinkName,
    /// Whether plugins.toml names it now.
    pub declared: bool,
    /// Events of its kinds that wait for the formatter.
    pub events_waiting: u64,
    /// Rows that wait for a batch.
    pub rows_waiting: u64,
    /// Rows of the batch that is on its way.
    pub rows_in_flight: u64,
    /// Rows that arrived, ever.
    pub rows_delivered: u64,
    /// Rows that the service refused, ever, but for those that were requeued.
    pub rows_set_aside: u64,
    /// Events that never became rows because the formatter refused them or failed, ever, but for those that were
    /// requeued.
    pub events_set_aside: u64,
    /// Of these rows and events, those that a person dropped, or that were pruned before anybody decided on them.
    pub dropped: u64,
    /// What the formatter says for the idle panel.
    pub standing: Option<String>,
    /// When rows arrived last.
    pub delivered_at: Option<Instant>,
    /// Where a person finds the rows.
    pub link: Option<String>,
    /// The time of the oldest event that waits for the formatter, or whose row waits or is on its way. None also where the
    /// clock was not known when it happened.
    pub oldest_waiting_at: Option<Instant>,
}

impl Ledger {
    /// Declares the sinks that plugins.toml names. A sink that is no longer named keeps what it has, but pruning no longer
    /// waits for it. Where nothing is news, nothing is written: a press during a reload does not wait for the disk twice.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn declare_sinks(&self, sinks: BTreeMap<SinkName, Declaration>) -> Result<Vec<Declared>, StorageError> {
        self.write(move |store| {
            store.transact(|transaction| {
                let known =
                    transaction.query_row("SELECT EXISTS (SELECT 1 FROM sink)", [], |row| row.get::<_, bool>(0))?;
                let begin = if known { event::newest(transaction)? } else { pruned_through(transaction)? };
                let names: Vec<&str> = sinks.keys().map(SinkName::as_str).collect();
                let names = encoding::render(&names)?;
                // Setting what is set already writes no page; taking a mark away and setting it again would write one.
                let forgo = "UPDATE sink SET declared = 0
                             WHERE declared = 1 AND name NOT IN (SELECT value FROM json_each(?1))";
                transaction.prepare_cached(forgo)?.execute([names])?;
                sinks.iter().map(|(sink, declared)| declare(transaction, sink, declared, begin)).collect()
            })
        })
        .await
    }

    /// Whether a person wants nothing of a sink delivered for now.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn is_paused(&self, sink: &SinkName) -> Result<bool, StorageError> {
        let sink = sink.clone();
        self.read(move |reader| {
            reader.snapshot(|snapshot, _| {
                let paused = "SELECT EXISTS (SELECT 1 FROM sink WHERE name = ?1 AND paused)";
                Ok(snapshot.prepare_cached(paused)?.query_row([sink.as_str()], |row| row.get(0))?)
            })
        })
        .await
    }

    /// Keeps that a person paused a sink, or resumed it. It is on the disk when this returns.
    ///
    /// # Errors
    /// When there is no such sink, or the disk refuses.
    pub async fn set_paused(&self, sink: &SinkName, paused: bool) -> Result<(), SinkError> {
        let sink = sink.clone();
        self.write(move |store| {
            store.transact(|transaction| {
                let id = find(transaction, &sink)?.ok_or(SinkError::UnknownSink(sink))?;
                let keep = "UPDATE sink SET paused = ?2 WHERE id = ?1 AND paused <> ?2";
                transaction.prepare_cached(keep)?.execute((id, paused))?;
                Ok(())
            })
        })
        .await
    }

    /// How every sink stands that was ever declared, by name.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn sinks(&self) -> Result<Vec<SinkCounts>, StorageError> {
        self.read(Reader::sinks).await
    }

    /// How a sink stands.
    ///
    /// # Errors
    /// When there is no such sink, or the file can't be read.
    pub async fn sink_counts(&self, sink: &SinkName) -> Result<SinkCounts, SinkError> {
        let sink = sink.clone();
        self.read(move |reader| {
            let waiting = Arc::clone(&reader.waiting);
            reader.snapshot(|snapshot, zone| {
                let select = format!("{COUNTS} WHERE name = ?1");
                let mut select = snapshot.prepare_cached(&select)?;
                let found = select.query_row([sink.as_str()], RawCounts::parse).optional()?;
                let found = found.ok_or(SinkError::UnknownSink(sink))?;
                Ok(found.count(snapshot, zone, &waiting)?)
            })
        })
        .await
    }
}

impl Reader {
    /// How every sink stands that was ever declared, by name.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn sinks(&mut self) -> Result<Vec<SinkCounts>, StorageError> {
        let waiting = Arc::clone(&self.waiting);
        self.snapshot(|snapshot, zone| {
            let select = format!("{COUNTS} ORDER BY name");
            let mut select = snapshot.prepare_cached(&select)?;
            let found: Vec<_> = select.query_map([], RawCounts::parse)?.collect::<Result<_, _>>()?;
            found.into_iter().map(|sink| sink.count(snapshot, zone, &waiting)).collect()
        })
    }
}

fn declare(
    transaction: &Transaction<'_>,
    sink: &SinkName,
    declaration: &Declaration,
    begin: Sequence,
) -> Result<Declared, StorageError> {
    let kinds = render_kinds(&declaration.kinds)?;
    let plugins = [("formatter", &declaration.formatter), ("connector", &declaration.connector)];
    let find = "SELECT id, cursor, formatter, connector FROM sink WHERE name = ?1";
    let found = transaction
        .prepare_cached(find)?
        .query_row([sink.as_str()], |row| {
            let earlier: [Option<String>; 2] = [row.get(2)?, row.get(3)?];
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, earlier))
        })
        .optional()?;
    let [formatter, connector] = plugins.map(|(_, plugin)| plugin.as_ref().map(PluginName::as_str));
    let Some((id, cursor, earlier)) = found else {
        let declare = "INSERT INTO sink (name, kinds, declared, cursor, formatter, connector)
                       VALUES (?1, ?2, 1, ?3, ?4, ?5)";
        let values = (sink.as_str(), kinds, to_column(begin), formatter, connector);
        transaction.prepare_cached(declare)?.execute(values)?;
        compare_first::mark_new(transaction, sink, begin)?;
        return Ok(Declared { sink: sink.clone(), new_after: Some(begin), missed: 0, begun_anew: Vec::new() });
    };
    let mut begun_anew = Vec::new();
    for ((stage, plugin), earlier) in plugins.into_iter().zip(earlier) {
        if let Some(plugin) = plugin
            && earlier.is_some_and(|earlier| earlier != plugin.as_str())
        {
            transaction.execute(&format!("DELETE FROM {stage}_state WHERE sink = ?1"), [id])?;
            if stage == "formatter" {
                trial_state::begin_anew(transaction, id)?;
            }
            begun_anew.push(plugin.clone());
        }
    }
    let pruned = to_column(pruned_through(transaction)?);
    let declare = "UPDATE sink SET kinds = ?2, declared = 1, cursor = max(cursor, ?3),
                       formatter = coalesce(?4, formatter), connector = coalesce(?5, connector)
                   WHERE id = ?1";
    transaction.prepare_cached(declare)?.execute((id, kinds, pruned, formatter, connector))?;
    let missed = u64::try_from(pruned - cursor).unwrap_or(0);
    Ok(Declared { sink: sink.clone(), new_after: None, missed, begun_anew })
}

fn pruned_through(transaction: &Transaction<'_>) -> Result<Sequence, rusqlite::Error> {
    transaction.query_row("SELECT pruned_through FROM history", [], |row| Ok(from_column(row.get(0)?)))
}

fn render_kinds(kinds: &[String]) -> Result<String, StorageError> {
    serde_json::to_string(kinds).map_err(|source| StorageError::Unreadable { what: "a sink's kinds", source })
}

pub(super) fn parse_kinds(text: &str) -> Result<Vec<String>, StorageError> {
    encoding::parse(text, "a sink's kinds")
}

/// The number under which the tables know a sink.
pub(super) fn find(connection: &Connection, sink: &SinkName) -> Result<Option<i64>, StorageError> {
    let find = "SELECT id FROM sink WHERE name = ?1";
    Ok(connection.prepare_cached(find)?.query_row([sink.as_str()], |row| row.get(0)).optional()?)
}

/// The first place of the ledger's order after one, and up to another, at which a sink takes something.
pub(super) fn next_taken(
    connection: &Connection,
    sink: i64,
    after: i64,
    through: i64,
) -> Result<Option<i64>, rusqlite::Error> {
    let next = "SELECT min(place) FROM (
                    SELECT (SELECT sequence FROM event
                            WHERE sequence > ?2 AND sequence <= ?3
                                AND kind IN (SELECT value FROM json_each((SELECT kinds FROM sink WHERE id = ?1)))
                            ORDER BY sequence LIMIT 1) AS place
                    UNION ALL
                    SELECT (SELECT sequence FROM requeue WHERE sink = ?1 AND sequence > ?2 AND sequence <= ?3
                                AND event > (SELECT pruned_through FROM history)
                            ORDER BY sequence LIMIT 1))";
    connection.prepare_cached(next)?.query_row((sink, after, through), |row| row.get(0))
}

const COUNTS: &str = "SELECT id, name, declared, kinds, cursor, last_ordinal, settled_through, rows_delivered,
                             rows_set_aside, events_set_aside, dropped, standing, delivered_at, link FROM sink";

struct RawCounts {
    sink: i64,
    name: String,
    declared: bool,
    kinds: String,
    cursor: i64,
    last_ordinal: i64,
    settled_through: i64,
    delivered: i64,
    rows_set_aside: i64,
    events_set_aside: i64,
    dropped: i64,
    standing: Option<String>,
    delivered_at: Option<i64>,
    link: Option<String>,
}

impl RawCounts {
    fn parse(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            sink: row.get(0)?,
            name: row.get(1)?,
            declared: row.get(2)?,
            kinds: row.get(3)?,
            cursor: row.get(4)?,
            last_ordinal: row.get(5)?,
            settled_through: row.get(6)?,
            delivered: row.get(7)?,
            rows_set_aside: row.get(8)?,
            events_set_aside: row.get(9)?,
            dropped: row.get(10)?,
            standing: row.get(11)?,
            delivered_at: row.get(12)?,
            link: row.get(13)?,
        })
    }

    fn count(
        self,
        connection: &Connection,
        zone: &jiff::tz::TimeZone,
        waiting: &Waiting,
    ) -> Result<SinkCounts, StorageError> {
        let events_waiting = waiting.count(connection, self.sink, &parse_kinds(&self.kinds)?, self.cursor)?;
        // Only the newest can be on its way; a search for one that is would go through the whole history.
        let newest = "SELECT last_ordinal FROM batch WHERE sink = ?1 ORDER BY first_ordinal DESC LIMIT 1";
        let newest: Option<i64> =
            connection.prepare_cached(newest)?.query_row([self.sink], |row| row.get(0)).optional()?;
        let sent = newest.unwrap_or(0).max(self.settled_through);
        let count = |column: i64| u64::try_from(column).unwrap_or(0);
        let oldest_waiting = self.oldest_waiting(connection, events_waiting > 0)?;
        Ok(SinkCounts {
            sink: parse_name(&self.name)?,
            declared: self.declared,
            events_waiting: count(events_waiting),
            rows_waiting: count(self.last_ordinal - sent),
            rows_in_flight: count(sent - self.settled_through),
            rows_delivered: count(self.delivered),
            rows_set_aside: count(self.rows_set_aside),
            events_set_aside: count(self.events_set_aside),
            dropped: count(self.dropped),
            standing: self.standing,
            delivered_at: self.delivered_at.map(|micros| moment::instant(micros, zone)),
            link: self.link,
            oldest_waiting_at: oldest_waiting.map(|micros| moment::instant(micros, zone)),
        })
    }

    /// The time of the oldest event that waits in any form, in µs since 1970.
    fn oldest_waiting(&self, connection: &Connection, has_events: bool) -> Result<Option<i64>, StorageError> {
        let event = "SELECT event FROM outbox WHERE sink = ?1 AND ordinal > ?2 ORDER BY ordinal LIMIT 1";
        let of_rows = connection.prepare_cached(event)?.query_row((self.sink, self.settled_through), |row| row.get(0));
        let event: Option<i64> = match of_rows.optional()? {
            Some(event) => Some(event),
            None if has_events => next_taken(connection, self.sink, self.cursor, i64::MAX)?,
            None => None,
        };
        let at = "SELECT at FROM event WHERE sequence = ?1";
        let at = |event| connection.prepare_cached(at)?.query_row([event], |row| row.get(0)).optional();
        Ok(event.map(at).transpose()?.flatten().flatten())
    }
}

pub(super) fn parse_name(name: &str) -> Result<SinkName, StorageError> {
    SinkName::parse(name)
        .map_err(|source| StorageError::Unreadable { what: "a sink's name", source: serde::de::Error::custom(source) })
}
