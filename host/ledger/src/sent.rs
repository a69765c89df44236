//! What became of a row that was sent, by the ordinal at which it went.

use rusqlite::{Connection, OptionalExtension as _};

use super::batch::DELIVERED;
use super::error::StorageError;

/// What became of the row at an ordinal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sent {
    /// It arrived, or was refused and is not set aside any more; where its batch went.
    Settled(Option<String>),
    /// It waits, or is on its way.
    Pending,
    /// It is set aside or dropped.
    SetAside,
}

/// What became of the row at an ordinal.
pub(super) fn find_sent(connection: &Connection, sink: i64, event: i64, ordinal: i64) -> Result<Sent, StorageError> {
    let aside = "SELECT EXISTS (SELECT 1 FROM set_aside WHERE sink = ?1 AND event = ?2 AND ordinal = ?3)";
    if connection.prepare_cached(aside)?.query_row((sink, event, ordinal), |row| row.get(0))? {
        return Ok(Sent::SetAside);
    }
    let batch = "SELECT last_ordinal, stage, link FROM batch
                 WHERE sink = ?1 AND first_ordinal <= ?2 ORDER BY first_ordinal DESC LIMIT 1";
    let mut batch = connection.prepare_cached(batch)?;
    let found = batch
        .query_row((sink, ordinal), |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Option<String>>(2)?))
        })
        .optional()?;
    Ok(match found {
        Some((last, DELIVERED, link)) if ordinal <= last => Sent::Settled(link),
        _ => Sent::Pending,
    })
}
