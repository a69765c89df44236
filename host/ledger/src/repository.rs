//! What is believed of repositories of plugins, and which components came from them. The ledger does not understand the
//! metadata: it keeps all of it or none, so that a power cut can't make an older repository look new.

use punchcard_core::name::{PluginName, RepositoryName};
use rusqlite::OptionalExtension as _;

use super::Ledger;
use super::error::StorageError;

/// The metadata of a repository that was accepted last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryTrust {
    /// The SHA-256 of the root with which it began, in hexadecimal.
    pub began_with: String,
    /// `root.json`.
    pub root: Vec<u8>,
    /// `timestamp.json`.
    pub timestamp: Option<Vec<u8>>,
    /// `snapshot.json`.
    pub snapshot: Option<Vec<u8>>,
    /// `targets.json`.
    pub targets: Option<Vec<u8>>,
}

/// A component that came from a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginRelease {
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// The plugin.
    pub plugin: PluginName,
    /// Its version, as the publisher has it.
    pub version: String,
    /// Where it came from.
    pub repository: RepositoryName,
}

impl Ledger {
    /// What is believed of a repository; nothing before the first attempt.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn repository_trust(&self, repository: &RepositoryName) -> Result<Option<RepositoryTrust>, StorageError> {
        let repository = repository.to_string();
        let find = "SELECT began_with, root, timestamp, snapshot, targets FROM repository_trust WHERE repository = ?1";
        self.read(move |reader| {
            reader.snapshot(|snapshot, _| {
                let found = snapshot.prepare_cached(find)?.query_row([repository], |row| {
                    Ok(RepositoryTrust {
                        began_with: row.get(0)?,
                        root: row.get(1)?,
                        timestamp: row.get(2)?,
                        snapshot: row.get(3)?,
                        targets: row.get(4)?,
                    })
                });
                Ok(found.optional()?)
            })
        })
        .await
    }

    /// Keeps all of what is believed of a repository. Nothing is written where it is the same as before. It is on the disk
    /// when this returns.
    ///
    /// # Errors
    /// When the disk refuses. Then what was believed before is believed on.
    pub async fn store_repository_trust(
        &self,
        repository: &RepositoryName,
        trust: RepositoryTrust,
    ) -> Result<(), StorageError> {
        let repository = repository.to_string();
        let store = "INSERT INTO repository_trust (repository, began_with, root, timestamp, snapshot, targets)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                     ON CONFLICT (repository) DO UPDATE
                     SET began_with = ?2, root = ?3, timestamp = ?4, snapshot = ?5, targets = ?6
                     WHERE began_with <> ?2 OR root <> ?3 OR timestamp IS NOT ?4 OR snapshot IS NOT ?5
                        OR targets IS NOT ?6";
        self.write(move |store_in| {
            store_in.transact(|transaction| {
                let RepositoryTrust { began_with, root, timestamp, snapshot, targets } = &trust;
                let all = (&repository, began_with, root, timestamp, snapshot, targets);
                transaction.prepare_cached(store)?.execute(all)?;
                Ok(())
            })
        })
        .await
    }

    /// The components of a plugin that came from repositories.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn plugin_releases(&self, plugin: &PluginName) -> Result<Vec<PluginRelease>, StorageError> {
        let plugin = plugin.clone();
        let find = "SELECT sha256, version, repository FROM plugin_release WHERE plugin = ?1 ORDER BY rowid";
        self.read(move |reader| {
            reader.snapshot(|snapshot, _| {
                let mut statement = snapshot.prepare_cached(find)?;
                let mut rows = statement.query([plugin.as_str()])?;
                let mut releases = Vec::new();
                while let Some(row) = rows.next()? {
                    let repository: String = row.get(2)?;
                    // What no name was written as is nobody's any more.
                    let Ok(repository) = RepositoryName::parse(&repository) else { continue };
                    let (sha256, version) = (row.get(0)?, row.get(1)?);
                    releases.push(PluginRelease { sha256, plugin: plugin.clone(), version, repository });
                }
                Ok(releases)
            })
        })
        .await
    }

    /// Notes that a component came from a repository.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn note_plugin_release(&self, release: PluginRelease) -> Result<(), StorageError> {
        let note = "INSERT INTO plugin_release (sha256, plugin, version, repository) VALUES (?1, ?2, ?3, ?4)
                    ON CONFLICT (sha256) DO UPDATE SET plugin = ?2, version = ?3, repository = ?4";
        self.write(move |store| {
            store.transact(|transaction| {
                let PluginRelease { sha256, plugin, version, repository } = &release;
                let all = (sha256, plugin.as_str(), version, repository.as_str());
                transaction.prepare_cached(note)?.execute(all)?;
                Ok(())
            })
        })
        .await
    }
}
