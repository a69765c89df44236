//! Which version of a plugin its name stands for, and those before; what a person pinned; and which versions proved bad.
//!
//! The components themselves are no part of the ledger: it knows them by their digests.

use std::collections::BTreeMap;

use punchcard_core::name::PluginName;
use punchcard_core::plugin_version::{Digest, Known, Left, Term, find_earlier, kept};
use rusqlite::{Connection, OptionalExtension as _, Transaction};
use thiserror::Error;

use super::Ledger;
use super::error::StorageError;
use super::reader::Reader;
use super::trial_state;

/// Times of one plugin that are remembered.
const REMEMBERED: u32 = 32;

/// Where a version came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whence {
    /// The file at this path changed, or was new.
    File(String),
    /// `punchcard plugin add`, from this file.
    Add(String),
    /// A person went back to it.
    Rollback,
    /// The device went back to it, because the one after it proved bad.
    Return,
    /// The repository of this name.
    Repository(String),
}

impl Whence {
    fn columns(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::File(path) => ("file", Some(path)),
            Self::Add(path) => ("add", Some(path)),
            Self::Rollback => ("rollback", None),
            Self::Return => ("return", None),
            Self::Repository(name) => ("repository", Some(name)),
        }
    }

    fn parse(whence: &str, source: Option<String>) -> Result<Self, StorageError> {
        let source = source.unwrap_or_default();
        match whence {
            "file" => Ok(Self::File(source)),
            "add" => Ok(Self::Add(source)),
            "rollback" => Ok(Self::Rollback),
            "return" => Ok(Self::Return),
            "repository" => Ok(Self::Repository(source)),
            other => Err(unreadable(format!("a plugin's version came from `{other}`"))),
        }
    }
}

/// A time for which a version was in force, or is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The version.
    pub sha256: Digest,
    /// Since when, in µs since 1970, where the time was known.
    pub since: Option<i64>,
    /// Where it came from.
    pub whence: Whence,
    /// The version that a person went back from, to this one.
    pub rolled_back_from: Option<Digest>,
    /// How it ended. None: it is in force.
    pub left: Option<Left>,
    /// It was not seen to work for long enough, by its end or yet.
    pub on_trial: bool,
}

/// All versions of a plugin that are remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PluginHistory {
    /// Oldest first.
    pub versions: Vec<Version>,
    /// A person wants no other version than the one in force.
    pub pinned: bool,
}

impl PluginHistory {
    /// The version in force.
    #[must_use]
    pub fn in_force(&self) -> Option<&Version> {
        self.versions.iter().find(|version| version.left.is_none())
    }

    fn terms(&self) -> Vec<Term> {
        let term =
            |version: &Version| Term { digest: version.sha256, left: version.left.clone(), on_trial: version.on_trial };
        self.versions.iter().map(term).collect()
    }
}

/// A version that proved bad.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadComponent {
    /// Since when that is known, in µs since 1970, where the time was known.
    pub since: Option<i64>,
    /// Why.
    pub reason: String,
}

/// What is known of all plugins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PluginHistories {
    /// Of each name that ever stood for a version.
    pub plugins: BTreeMap<PluginName, PluginHistory>,
    /// Whatever their name.
    pub bad: BTreeMap<Digest, BadComponent>,
}

impl PluginHistories {
    /// What decides which version of a plugin runs.
    #[must_use]
    pub fn known(&self, plugin: &PluginName) -> Known {
        let history = self.plugins.get(plugin);
        let in_force = history.and_then(PluginHistory::in_force);
        Known {
            in_force: in_force.map(|version| version.sha256),
            pinned: history.is_some_and(|history| history.pinned),
            rolled_back_from: in_force.and_then(|version| version.rolled_back_from),
            bad: self.reasons(),
        }
    }

    /// The version to which a plugin would go back.
    #[must_use]
    pub fn earlier(&self, plugin: &PluginName) -> Option<Digest> {
        way_back(self, plugin).map(|(_, to)| to)
    }

    /// The versions whose components are kept.
    #[must_use]
    pub fn kept(&self) -> Vec<Digest> {
        let bad = self.reasons();
        self.plugins.values().flat_map(|history| kept(&history.terms(), &bad)).collect()
    }

    fn reasons(&self) -> BTreeMap<Digest, String> {
        self.bad.iter().map(|(digest, bad)| (*digest, bad.reason.clone())).collect()
    }
}

/// A version that comes into force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVersion {
    /// The plugin.
    pub plugin: PluginName,
    /// The version.
    pub sha256: Digest,
    /// Where it came from.
    pub whence: Whence,
    /// It is not seen to work for long enough yet.
    pub on_trial: bool,
}

/// Why a plugin does not go back.
#[derive(Debug, Error)]
pub enum RollbackError {
    /// There is nothing to go back to.
    #[error("no earlier version of plugin `{0}` is known that may run; `punchcard plugin show {0}` lists all")]
    Nothing(PluginName),
    /// The file was not read or written.
    #[error("the ledger could not be read or written")]
    Storage(#[from] StorageError),
}

impl From<rusqlite::Error> for RollbackError {
    fn from(source: rusqlite::Error) -> Self {
        Self::Storage(source.into())
    }
}

impl Ledger {
    /// What is known of all plugins.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn plugin_histories(&self) -> Result<PluginHistories, StorageError> {
        self.read(Reader::plugin_histories).await
    }

    /// Brings versions into force, in the place of those before. It is on the disk when this returns, before one of them runs.
    /// Those that are in force already stay so. What the sinks of a formatter on trial remember is kept with it. During a trial, the
    /// version to which the plugin would go back is a way back, too: it is not on trial, and its state is owed to it. `now`: µs since
    /// 1970, where the time is known.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn take_plugin_versions(&self, versions: Vec<NewVersion>, now: Option<i64>) -> Result<(), StorageError> {
        self.write(move |store| {
            store.transact(|transaction| {
                for NewVersion { plugin, sha256, whence, on_trial } in &versions {
                    let in_force = find_in_force(transaction, plugin)?;
                    if in_force.is_some_and(|(in_force, _)| in_force == *sha256) {
                        continue;
                    }
                    let is_back = match in_force {
                        Some((_, true)) => way_back(&read(transaction)?, plugin).is_some_and(|(_, to)| to == *sha256),
                        _ => false,
                    };
                    let whence = whence.columns();
                    let on_trial = *on_trial && in_force.is_some() && !is_back;
                    let new = Entry { sha256, whence, rolled_back_from: None, on_trial };
                    replace(transaction, plugin, ("replaced", None), &new, now)?;
                    if on_trial {
                        trial_state::keep(transaction, plugin)?;
                    } else if is_back {
                        trial_state::owe(transaction, plugin)?;
                    } else {
                        trial_state::forget(transaction, plugin)?;
                    }
                }
                Ok(())
            })
        })
        .await
    }

    /// Goes back to the version before the one in force, by a person's wish. Returns it.
    ///
    /// # Errors
    /// When there is none that may run, or the disk refuses.
    pub async fn roll_back_plugin(&self, plugin: &PluginName, now: Option<i64>) -> Result<Digest, RollbackError> {
        let plugin = plugin.clone();
        self.write(move |store| {
            store.transact(|transaction| {
                let histories = read(transaction)?;
                let Some((from, to)) = way_back(&histories, &plugin) else {
                    return Err(RollbackError::Nothing(plugin));
                };
                let whence = Whence::Rollback.columns();
                let new = Entry { sha256: &to, whence, rolled_back_from: Some(&from), on_trial: false };
                replace(transaction, &plugin, ("rolled-back", None), &new, now)?;
                trial_state::owe(transaction, &plugin)?;
                Ok(to)
            })
        })
        .await
    }

    /// Notes that the version in force proved bad, and goes back to the one before. Returns that. Where there is none, a person
    /// pinned the one in force, or another version is in force by now, nothing is changed.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn return_plugin(
        &self,
        plugin: &PluginName,
        bad: Digest,
        reason: &str,
        now: Option<i64>,
    ) -> Result<Option<Digest>, StorageError> {
        let (plugin, reason) = (plugin.clone(), reason.to_owned());
        self.write(move |store| {
            store.transact(|transaction| {
                let histories = read(transaction)?;
                let is_free = !histories.known(&plugin).pinned;
                let Some((_, to)) = way_back(&histories, &plugin).filter(|(from, _)| is_free && *from == bad) else {
                    return Ok(None);
                };
                note_bad(transaction, &bad, &reason, now)?;
                let new =
                    Entry { sha256: &to, whence: Whence::Return.columns(), rolled_back_from: None, on_trial: false };
                replace(transaction, &plugin, ("bad", Some(&reason)), &new, now)?;
                trial_state::owe(transaction, &plugin)?;
                Ok(Some(to))
            })
        })
        .await
    }

    /// Notes that a version proved bad that is not in force.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn note_bad_component(&self, bad: Digest, reason: &str, now: Option<i64>) -> Result<(), StorageError> {
        let reason = reason.to_owned();
        self.write(move |store| store.transact(|transaction| note_bad(transaction, &bad, &reason, now))).await
    }

    /// Allows a version again that proved bad, or that a person went back from. Returns whether there was anything to allow.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn allow_component(&self, sha256: Digest) -> Result<bool, StorageError> {
        self.write(move |store| {
            store.transact(|transaction| {
                let bad = transaction.execute("DELETE FROM bad_component WHERE sha256 = ?1", [sha256])?;
                let clear = "UPDATE plugin_version SET rolled_back_from = NULL WHERE rolled_back_from = ?1";
                Ok(bad + transaction.execute(clear, [sha256])? > 0)
            })
        })
        .await
    }

    /// Pins the version of a plugin that is in force, or unpins it. Returns whether that is news.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn set_plugin_pinned(&self, plugin: &PluginName, pinned: bool) -> Result<bool, StorageError> {
        let plugin = plugin.to_string();
        let sql = match pinned {
            true => "INSERT INTO plugin_pin (plugin) VALUES (?1) ON CONFLICT (plugin) DO NOTHING",
            false => "DELETE FROM plugin_pin WHERE plugin = ?1",
        };
        self.write(move |store| store.transact(|transaction| Ok(transaction.execute(sql, [plugin])? > 0))).await
    }

    /// Says where the version in force came from, where a file was taken before that was known.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn note_plugin_source(
        &self,
        plugin: &PluginName,
        sha256: Digest,
        whence: Whence,
    ) -> Result<(), StorageError> {
        let plugin = plugin.to_string();
        let note = "UPDATE plugin_version SET whence = ?3, source = ?4
                    WHERE plugin = ?1 AND sha256 = ?2 AND left_as IS NULL AND whence = 'file'";
        self.write(move |store| {
            store.transact(|transaction| {
                let (whence, source) = whence.columns();
                transaction.execute(note, (plugin, sha256, whence, source))?;
                Ok(())
            })
        })
        .await
    }

    /// The version in force was seen to work for long enough.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn end_plugin_trial(&self, plugin: &PluginName, sha256: Digest) -> Result<(), StorageError> {
        let plugin = plugin.clone();
        let end = "UPDATE plugin_version SET on_trial = 0
                   WHERE plugin = ?1 AND sha256 = ?2 AND left_as IS NULL AND on_trial = 1";
        self.write(move |store| {
            store.transact(|transaction| {
                if transaction.execute(end, (plugin.as_str(), sha256))? > 0 {
                    trial_state::forget(transaction, &plugin)?;
                }
                Ok(())
            })
        })
        .await
    }
}

impl Reader {
    /// What is known of all plugins.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn plugin_histories(&mut self) -> Result<PluginHistories, StorageError> {
        self.snapshot(|snapshot, _| read(snapshot))
    }
}

/// A row that is added.
struct Entry<'a> {
    sha256: &'a Digest,
    whence: (&'static str, Option<&'a str>),
    rolled_back_from: Option<&'a Digest>,
    on_trial: bool,
}

/// Ends the term of the version in force, and begins another. That a version was on trial to its end is remembered.
fn replace(
    transaction: &Transaction<'_>,
    plugin: &PluginName,
    (left, reason): (&str, Option<&str>),
    new: &Entry<'_>,
    now: Option<i64>,
) -> Result<(), StorageError> {
    let end = "UPDATE plugin_version SET left_as = ?2, reason = ?3 WHERE plugin = ?1 AND left_as IS NULL";
    transaction.execute(end, (plugin.as_str(), left, reason))?;
    let begin = "INSERT INTO plugin_version (plugin, sha256, since, whence, source, rolled_back_from, on_trial)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let Entry { sha256, whence: (whence, source), rolled_back_from, on_trial } = new;
    transaction.execute(begin, (plugin.as_str(), sha256, now, whence, source, rolled_back_from, on_trial))?;
    let forget = "DELETE FROM plugin_version WHERE plugin = ?1 AND id NOT IN
                  (SELECT id FROM plugin_version WHERE plugin = ?1 ORDER BY id DESC LIMIT ?2)";
    transaction.execute(forget, (plugin.as_str(), REMEMBERED))?;
    Ok(())
}

fn note_bad(transaction: &Transaction<'_>, bad: &Digest, reason: &str, now: Option<i64>) -> Result<(), StorageError> {
    let note = "INSERT INTO bad_component (sha256, since, reason) VALUES (?1, ?2, ?3)
                ON CONFLICT (sha256) DO UPDATE SET since = ?2, reason = ?3";
    transaction.execute(note, (bad, now, reason))?;
    Ok(())
}

/// The version in force, and whether it is on trial.
fn find_in_force(transaction: &Transaction<'_>, plugin: &PluginName) -> Result<Option<(Digest, bool)>, StorageError> {
    let find = "SELECT sha256, on_trial FROM plugin_version WHERE plugin = ?1 AND left_as IS NULL";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    Ok(transaction.prepare_cached(find)?.query_row([plugin.as_str()], read).optional()?)
}

/// From which version to which a plugin goes back.
fn way_back(histories: &PluginHistories, plugin: &PluginName) -> Option<(Digest, Digest)> {
    let history = histories.plugins.get(plugin)?;
    let from = history.in_force()?.sha256;
    Some((from, find_earlier(&history.terms(), &histories.reasons())?))
}

fn read(connection: &Connection) -> Result<PluginHistories, StorageError> {
    let mut histories = PluginHistories::default();
    let select = "SELECT plugin, sha256, since, whence, source, rolled_back_from, left_as, reason, on_trial
                  FROM plugin_version ORDER BY id";
    let mut select = connection.prepare_cached(select)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let left = match (row.get::<_, Option<String>>(6)?.as_deref(), row.get::<_, Option<String>>(7)?) {
            (None, _) => None,
            (Some("replaced"), _) => Some(Left::Replaced),
            (Some("rolled-back"), _) => Some(Left::RolledBack),
            (Some("bad"), reason) => Some(Left::Bad(reason.unwrap_or_default())),
            (Some(other), _) => {
                return Err(unreadable(format!("a plugin's version was left as `{other}`")));
            }
        };
        let version = Version {
            sha256: row.get(1)?,
            since: row.get(2)?,
            whence: Whence::parse(&row.get::<_, String>(3)?, row.get(4)?)?,
            rolled_back_from: row.get(5)?,
            left,
            on_trial: row.get(8)?,
        };
        histories.plugins.entry(name(&row.get::<_, String>(0)?)?).or_default().versions.push(version);
    }
    let mut pins = connection.prepare_cached("SELECT plugin FROM plugin_pin")?;
    let mut rows = pins.query([])?;
    while let Some(row) = rows.next()? {
        histories.plugins.entry(name(&row.get::<_, String>(0)?)?).or_default().pinned = true;
    }
    let mut bad = connection.prepare_cached("SELECT sha256, since, reason FROM bad_component")?;
    let mut rows = bad.query([])?;
    while let Some(row) = rows.next()? {
        histories.bad.insert(row.get(0)?, BadComponent { since: row.get(1)?, reason: row.get(2)? });
    }
    Ok(histories)
}

fn name(text: &str) -> Result<PluginName, StorageError> {
    PluginName::parse(text).map_err(|error| unreadable(error.to_string()))
}

/// A value that the ledger does not write.
fn unreadable(what: String) -> StorageError {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, what.into()).into()
}
