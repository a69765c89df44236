//! Forgetting a sink that plugins.toml does not name any more, with its rows, delivered or not.
//!
//! What belongs to a sink is whatever refers to it: a table that is added later is covered by that.

use punchcard_core::name::SinkName;
use rusqlite::Transaction;
use thiserror::Error;

use super::Ledger;
use super::compare_first;
use super::error::StorageError;
use super::event;
use super::sink::find;

/// Why a sink is not forgotten.
#[derive(Debug, Error)]
pub enum ForgetError {
    /// No such sink was ever declared.
    #[error("the ledger knows no sink `{0}`")]
    UnknownSink(SinkName),
    /// It is in force.
    #[error("sink `{0}` is in plugins.toml; take it out there first, and start the device with that")]
    Declared(SinkName),
    /// What is newest in the ledger's order is an event that was requeued for this sink: without it, the next event would get its number.
    #[error("the newest event was tried again for sink `{0}`; try again after the next event")]
    Newest(SinkName),
    /// The file was not read or written.
    #[error("the ledger could not be read or written")]
    Storage(#[from] StorageError),
}

impl From<rusqlite::Error> for ForgetError {
    fn from(source: rusqlite::Error) -> Self {
        Self::Storage(source.into())
    }
}

impl Ledger {
    /// Removes everything that the ledger keeps for a sink. Events stay. Presses wait meanwhile: some seconds for a million
    /// rows. A sink that is declared later under the same name begins with the events after that.
    ///
    /// # Errors
    /// When there is no such sink, when it is declared, when the ledger's order would lose its newest place, or when the disk
    /// refuses.
    pub async fn forget_sink(&self, sink: &SinkName) -> Result<(), ForgetError> {
        let sink = sink.clone();
        self.write(move |store| store.transact(|transaction| forget(transaction, &sink))).await
    }
}

fn forget(transaction: &Transaction<'_>, sink: &SinkName) -> Result<(), ForgetError> {
    let id = find(transaction, sink)?.ok_or_else(|| ForgetError::UnknownSink(sink.clone()))?;
    let declared = "SELECT declared FROM sink WHERE id = ?1";
    if transaction.query_row(declared, [id], |row| row.get::<_, bool>(0))? {
        return Err(ForgetError::Declared(sink.clone()));
    }
    let newest = event::newest(transaction)?;
    // Its own row refers to nothing, and goes last.
    let referring = "SELECT tables.name, reference.\"from\"
                     FROM sqlite_schema AS tables, pragma_foreign_key_list(tables.name) AS reference
                     WHERE tables.type = 'table' AND reference.\"table\" = 'sink'";
    let tables: Vec<(String, String)> = transaction
        .prepare(referring)?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (table, column) in tables {
        transaction.execute(&format!("DELETE FROM \"{table}\" WHERE \"{column}\" = ?1"), [id])?;
    }
    transaction.execute("DELETE FROM sink WHERE id = ?1", [id])?;
    if event::newest(transaction)? != newest {
        // What was done until here is undone.
        return Err(ForgetError::Newest(sink.clone()));
    }
    compare_first::remove_mark(transaction, sink.as_str())?;
    transaction.execute("DELETE FROM memory WHERE key = ?1", [format!("create-anew/{sink}")])?;
    Ok(())
}
