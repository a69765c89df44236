//! What an auth policy remembers, and which slots it wants erased. No secret is in it: those are in the token storage.

use punchcard_core::name::{GrantName, PluginName};
use rusqlite::OptionalExtension as _;

use super::error::StorageError;
use super::{Ledger, encoding};

/// What the last step of a grant's policy left; nothing before the first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RememberedGrant {
    /// Its state.
    pub state: Vec<u8>,
    /// The slots that it wanted erased. After a crash they may still be filled.
    pub forget: Vec<String>,
}

/// How a grant came about, as far as that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Granted {
    /// When a person let the device in, in Unix microseconds.
    pub at: Option<i64>,
    /// Whose account it is, by the server's word.
    pub account: Option<String>,
}

impl Ledger {
    /// What the last step of a grant's policy left.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn grant(&self, grant: &GrantName) -> Result<RememberedGrant, StorageError> {
        let grant = grant.to_string();
        self.read(move |reader| {
            reader.snapshot(|snapshot, _| {
                let mut find =
                    snapshot.prepare_cached("SELECT state, forget FROM grant_state WHERE grant_name = ?1")?;
                let found = find.query_row([grant], |row| Ok((row.get(0)?, row.get::<_, String>(1)?))).optional()?;
                let Some((state, forget)) = found else { return Ok(RememberedGrant::default()) };
                Ok(RememberedGrant { state, forget: encoding::parse(&forget, "slots to erase")? })
            })
        })
        .await
    }

    /// Who let the device into the grant's account, and when.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn granted(&self, grant: &GrantName) -> Result<Granted, StorageError> {
        let grant = grant.to_string();
        self.read(move |reader| {
            reader.snapshot(|snapshot, _| {
                let mut find =
                    snapshot.prepare_cached("SELECT granted_at, account FROM grant_state WHERE grant_name = ?1")?;
                let found = find.query_row([grant], |row| Ok(Granted { at: row.get(0)?, account: row.get(1)? }));
                Ok(found.optional()?.unwrap_or_default())
            })
        })
        .await
    }

    /// Keeps who let the device into the account of a declared grant, and when.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn note_granted(&self, grant: &GrantName, granted: Granted) -> Result<(), StorageError> {
        let grant = grant.to_string();
        self.write(move |store| {
            store.transact(|transaction| {
                let note = "UPDATE grant_state SET granted_at = ?2, account = ?3 WHERE grant_name = ?1";
                transaction.prepare_cached(note)?.execute((grant, granted.at, granted.account))?;
                Ok(())
            })
        })
        .await
    }

    /// Declares which plugin a grant's policy is. Where it was another one, its state is dropped: it means nothing to this
    /// one. What is still to be erased stays so. Returns whether that was so.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn declare_grant(&self, grant: &GrantName, plugin: &PluginName) -> Result<bool, StorageError> {
        let (grant, plugin) = (grant.to_string(), plugin.to_string());
        let take_over = "UPDATE grant_state SET state = x'' WHERE grant_name = ?1 AND plugin <> ?2";
        let declare = "INSERT INTO grant_state (grant_name, state, forget, plugin) VALUES (?1, x'', '[]', ?2)
                       ON CONFLICT (grant_name) DO UPDATE SET plugin = ?2 WHERE plugin IS NOT ?2";
        self.write(move |store| {
            store.transact(|transaction| {
                let taken_over = transaction.prepare_cached(take_over)?.execute((&grant, &plugin))?;
                transaction.prepare_cached(declare)?.execute((&grant, &plugin))?;
                Ok(taken_over > 0)
            })
        })
        .await
    }

    /// Keeps what a step returned. It is on the disk when this returns, before the host does what the step asked for.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn store_grant(&self, grant: &GrantName, remembered: RememberedGrant) -> Result<(), StorageError> {
        let grant = grant.to_string();
        let RememberedGrant { state, forget } = remembered;
        let forget = encoding::render(&forget)?;
        let store_state = "INSERT INTO grant_state (grant_name, state, forget) VALUES (?1, ?2, ?3)
                           ON CONFLICT (grant_name) DO UPDATE SET state = ?2, forget = ?3
                           WHERE state <> ?2 OR forget <> ?3";
        self.write(move |store| {
            store.transact(|transaction| {
                transaction.prepare_cached(store_state)?.execute((grant, state, forget))?;
                Ok(())
            })
        })
        .await
    }
}
