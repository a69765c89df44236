//! What a service should have, as the ledger knows it: for comparing with what is there.
//!
//! A row is known by its key, and comes once, however often it went: where it went first. What became of it is what became
//! of it last. A correction is a row of its own beside the one that it corrects.

use punchcard_core::event::Sequence;
use punchcard_core::name::SinkName;
use rusqlite::{OptionalExtension as _, Transaction};
use ulid::Ulid;

use super::Ledger;
use super::batch::{BatchError, FORMED, number};
use super::event::from_column;
use super::outbox::{Ordinal, RowId};
use super::sent::{Sent, find_sent};

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
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
    SetAside,
}

/// A row that was made for a sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveredRow {
    /// Where it went first, of the ordinals that are kept.
    pub ordinal: Ordinal,
    /// The event that it was made of; of a correction, that of the row that it corrects.
    pub event: Sequence,
    /// Its key.
    pub key: String,
    /// A later correction goes in its place.
    pub replaced: bool,
    /// What became of it.
    pub delivery: Delivery,
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
                let known = "SELECT identified_by FROM sink WHERE id = ?1";
                let known: Option<String> = transaction.prepare_cached(known)?.query_row([id], |row| row.get(0))?;
                if known == by {
                    return Ok(());
                }
                let from = first_untried(transaction, id)?;
                // Where no batch is formed yet, none is known to be identified.
                let by = by.filter(|_| from.is_some());
                let keep = "UPDATE sink SET identified_by = ?2, identified_from = ?3 WHERE id = ?1";
                let from = from.filter(|_| by.is_some());
                transaction.prepare_cached(keep)?.execute((id, by, from))?;
                Ok(())
            })
        })
        .await
    }

    /// The rows that were made for a sink, in the order in which they went first, after one: at most `most`. `by`: the
    /// settings with which is looked for them, as [`Ledger::note_identified`] was told; rows that were delivered with
    /// others went elsewhere, or without their keys.
    ///
    /// # Errors
    /// When there is no such sink, or the file can't be read.
    pub async fn delivered_rows(
        &self,
        sink: &SinkName,
        by: &str,
        after: Option<Ordinal>,
        most: u32,
    ) -> Result<Vec<DeliveredRow>, BatchError> {
        let (sink, by) = (sink.clone(), by.to_owned());
        self.read(move |reader| {
            reader.snapshot(|snapshot, _| {
                let id = number(snapshot, &sink)?;
                let from = "SELECT identified_from FROM sink WHERE id = ?1 AND identified_by = ?2";
                let from: Option<i64> =
                    snapshot.prepare_cached(from)?.query_row((id, &by), |row| row.get(0)).optional()?.flatten();
                let select = format!(
                    "SELECT ordinal, event_id, {} FROM outbox
                     WHERE sink = ?1 AND ordinal > ?2
                         AND NOT EXISTS (
                             SELECT 1 FROM outbox AS before
                             WHERE before.sink = ?1 AND before.event = outbox.event
                                 AND before.position = outbox.position AND before.revision = outbox.revision
                                 AND before.ordinal < outbox.ordinal)
                     ORDER BY ordinal LIMIT ?3",
                    RowId::COLUMNS
                );
                let after = after.map_or(0, Ordinal::column);
                let mut select = snapshot.prepare_cached(&select)?;
                let mut found = select.query((id, after, most))?;
                let mut rows = Vec::new();
                while let Some(row) = found.next()? {
                    let (first, event): (i64, [u8; 16]) = (row.get(0)?, row.get(1)?);
                    let row = RowId::parse(row, 2)?;
                    let last = row.ordinals(snapshot, id)?.map_or(first, |(_, last)| last);
                    rows.push(DeliveredRow {
                        ordinal: Ordinal::from_column(first),
                        event: from_column(row.event),
                        key: row.key(Ulid(u128::from_be_bytes(event))),
                        replaced: row.is_replaced(snapshot, id)?,
                        delivery: match find_sent(snapshot, id, row.event, last)? {
                            Sent::Settled(link) => {
                                Delivery::Delivered { identified: from.is_some_and(|from| from <= last), link }
                            }
                            Sent::Pending => Delivery::Pending,
                            Sent::SetAside => Delivery::SetAside,
                        },
                    });
                }
                Ok(rows)
            })
        })
        .await
    }
}

/// The first ordinal of the batch that was formed last and never tried.
fn first_untried(transaction: &Transaction<'_>, sink: i64) -> Result<Option<i64>, rusqlite::Error> {
    let first = "SELECT first_ordinal FROM batch WHERE sink = ?1 AND stage = ?2 ORDER BY first_ordinal DESC LIMIT 1";
    transaction.prepare_cached(first)?.query_row((sink, FORMED), |row| row.get(0)).optional()
}
