//! Small facts that the host keeps for itself, such as the item of a choice that is selected.

use rusqlite::OptionalExtension as _;

use super::Ledger;
use super::error::StorageError;

impl Ledger {
    /// What was remembered under a key.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn recall(&self, key: &str) -> Result<Option<String>, StorageError> {
        let key = key.to_owned();
        self.read(move |reader| {
            reader.snapshot(|snapshot, _| {
                let mut find = snapshot.prepare_cached("SELECT value FROM memory WHERE key = ?1")?;
                Ok(find.query_row([key], |row| row.get(0)).optional()?)
            })
        })
        .await
    }

    /// Remembers a value in place of the earlier one.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn remember(&self, key: &str, value: &str) -> Result<(), StorageError> {
        let (key, value) = (key.to_owned(), value.to_owned());
        let keep = "INSERT INTO memory (key, value) VALUES (?1, ?2)
                    ON CONFLICT (key) DO UPDATE SET value = ?2 WHERE value <> ?2";
        self.write(move |store| {
            store.transact(|transaction| {
                transaction.prepare_cached(keep)?.execute((key, value))?;
                Ok(())
            })
        })
        .await
    }
}
