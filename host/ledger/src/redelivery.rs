//! Rows that a service gets once more because they are no longer where they were delivered.
//!
//! A batch that was given out is never touched. So such a row gets a further ordinal, at the end of its sink's outbox. It
//! keeps its key: whoever reads it there knows it as the same row.

use punchcard_core::name::SinkName;
use rusqlite::Transaction;

use super::Ledger;
use super::batch::{self, BatchError};
use super::outbox::{Appending, Ordinal, RowId};
use super::sent::{Sent, find_sent};

/// Rows that are redelivered in one transaction at most: some milliseconds of the writer's time.
const MOST_AT_ONCE: usize = 200;

impl Ledger {
    /// Delivers rows once more that were delivered, under the same keys. A row that is not delivered, or not any more, is
    /// passed over, and so is one that a correction has replaced or that was pruned. Returns how many are on their way.
    /// `rows`: any ordinals of theirs.
    ///
    /// # Errors
    /// When there is no such sink, or the disk refuses. What was added until then stays so.
    pub async fn redeliver(&self, sink: &SinkName, mut rows: Vec<Ordinal>) -> Result<u64, BatchError> {
        rows.sort_unstable();
        let mut count = 0;
        for some in rows.chunks(MOST_AT_ONCE) {
            let (name, some) = (sink.clone(), some.to_vec());
            let added =
                self.write(move |store| store.transact(|transaction| redeliver_some(transaction, &name, &some)));
            count += added.await?;
        }
        Ok(count)
    }
}

fn redeliver_some(transaction: &Transaction<'_>, name: &SinkName, rows: &[Ordinal]) -> Result<u64, BatchError> {
    let sink = batch::number(transaction, name)?;
    let mut appending = Appending::begin(transaction, sink)?;
    let mut count = 0;
    for ordinal in rows {
        let Some(row) = RowId::at(transaction, sink, ordinal.column())? else { continue };
        // Behind a correction that went in its place meanwhile, it would count again.
        if row.is_replaced(transaction, sink)? {
            continue;
        }
        // One that was named twice is on its way by now.
        let Some((_, last)) = row.ordinals(transaction, sink)? else { continue };
        if matches!(find_sent(transaction, sink, row.event, last)?, Sent::Settled(_)) {
            appending.push_again(last)?;
            count += 1;
        }
    }
    appending.end()?;
    Ok(count)
}
