//! What formatters were called with, now and then, so that a call can be repeated later: with another version of the
//! plugin, or to find out why a row looks as it does.

use punchcard_core::event::Sequence;
use punchcard_core::name::{PluginName, SinkName};
use punchcard_core::time::Context;
use rusqlite::{Connection, OptionalExtension as _, Transaction};

use super::encoding;
use super::error::StorageError;
use super::event::{from_column, to_column};
use super::reader::Reader;
use super::sink;

/// How a formatter was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The context that it was given.
    pub context: Context,
    /// The settings that it was given, as JSON.
    pub settings: String,
    /// Which component it was.
    pub plugin_sha256: [u8; 32],
}

/// How often a call is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointInterval {
    /// After this many events of the ledger; also at every change of plugin or component.
    pub events: u64,
    /// How many are kept for each sink, the newest.
    pub keep: u32,
}

impl Default for CheckpointInterval {
    fn default() -> Self {
        Self { events: 1000, keep: 16 }
    }
}

/// A call that can be repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// It was called with the sink's events after this one,
    pub after: Sequence,
    /// up to this one,
    pub through: Sequence,
    /// with this state,
    pub state: Vec<u8>,
    /// which this plugin wrote, as plugins.toml names it; `None` where that was not kept yet,
    pub formatter: Option<PluginName>,
    /// and with this.
    pub call: Checkpoint,
}

impl Reader {
    /// The calls of a sink's formatter that can be repeated, oldest first.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn checkpoints(&mut self, sink: &SinkName) -> Result<Vec<StoredCheckpoint>, StorageError> {
        self.snapshot(|snapshot, _| match sink::find(snapshot, sink)? {
            Some(id) => read(snapshot, id),
            None => Ok(Vec::new()),
        })
    }
}

/// The calls of a sink's formatter that can be repeated, oldest first.
pub(super) fn read(snapshot: &Connection, sink: i64) -> Result<Vec<StoredCheckpoint>, StorageError> {
    let select = "SELECT after, through, state, settings, context, plugin_sha256, formatter FROM checkpoint
                  WHERE sink = ?1 ORDER BY after";
    let mut select = snapshot.prepare_cached(select)?;
    let mut rows = select.query([sink])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let formatter: Option<String> = row.get(6)?;
        let formatter = formatter.map(|name| PluginName::parse(&name)).transpose();
        found.push(StoredCheckpoint {
            after: from_column(row.get(0)?),
            through: from_column(row.get(1)?),
            state: row.get(2)?,
            formatter: formatter.map_err(|source| StorageError::Unreadable {
                what: "a plugin's name",
                source: serde::de::Error::custom(source),
            })?,
            call: Checkpoint {
                settings: row.get(3)?,
                context: encoding::parse(row.get_ref(4)?.as_str().map_err(rusqlite::Error::from)?, "a context")?,
                plugin_sha256: row.get(5)?,
            },
        });
    }
    Ok(found)
}

/// Keeps a call, when the last one that was kept is far enough back or was another plugin's or component's. The sink's state
/// is still the one that it was called with.
pub(super) fn keep(
    transaction: &Transaction<'_>,
    sink: i64,
    (after, through): (Sequence, Sequence),
    call: &Checkpoint,
    interval: CheckpointInterval,
) -> Result<(), StorageError> {
    let last = "SELECT after, plugin_sha256, checkpoint.formatter IS sink.formatter
                FROM checkpoint JOIN sink ON sink.id = checkpoint.sink WHERE sink = ?1 ORDER BY after DESC LIMIT 1";
    let last: Option<(i64, [u8; 32], bool)> = transaction
        .prepare_cached(last)?
        .query_row([sink], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    if let Some((last, component, same_plugin)) = last
        && same_plugin
        && component == call.plugin_sha256
        && after.0.saturating_sub(from_column(last).0) < interval.events
    {
        return Ok(());
    }
    let context = serde_json::to_string(&call.context)
        .map_err(|source| StorageError::Unreadable { what: "a context", source })?;
    let keep = "INSERT OR REPLACE INTO checkpoint
                    (sink, after, through, state, settings, context, plugin_sha256, formatter)
                VALUES (?1, ?2, ?3, coalesce((SELECT state FROM formatter_state WHERE sink = ?1), x''), ?4, ?5, ?6,
                    (SELECT formatter FROM sink WHERE id = ?1))";
    let (after, through) = (to_column(after), to_column(through));
    let values = (sink, after, through, &call.settings, context, call.plugin_sha256);
    transaction.prepare_cached(keep)?.execute(values)?;
    let drop_oldest = "DELETE FROM checkpoint WHERE sink = ?1 AND after <= (
                           SELECT after FROM checkpoint WHERE sink = ?1 ORDER BY after DESC LIMIT 1 OFFSET ?2)";
    transaction.prepare_cached(drop_oldest)?.execute((sink, interval.keep))?;
    Ok(())
}
