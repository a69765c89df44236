//! What formatters remembered when a new version of them was taken on trial, for the version before, which may have to go on.
//!
//! A row is kept with the version that comes into force, in one transaction, and is owed with the return from it, in another:
//! so a device that dies in between has the one version with its state, or the other with what its state is reckoned from. It
//! is settled once whoever formats next has reckoned that state, and before anything is made of it.

use punchcard_core::event::Sequence;
use punchcard_core::name::{PluginName, SinkName};
use punchcard_core::plugin_version::Digest;
use rusqlite::{OptionalExtension as _, Transaction};

use super::Ledger;
use super::boot_times::BootTimes;
use super::correction::keep_states;
use super::error::StorageError;
use super::event::from_column;
use super::formatting::{CommitError, at_cursor, keep_state, with_times};

/// The state that a sink's formatter left is to be replaced by what is reckoned from this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwedState {
    /// It was kept when events up to this one were formatted.
    pub after: Sequence,
    /// What the version before remembered then.
    pub state: Vec<u8>,
}

/// The state that the version before would have.
#[derive(Debug, Clone, PartialEq)]
pub struct ReckonedState {
    /// What the times go by of the events that it was reckoned with.
    pub boots: BootTimes,
    /// It.
    pub state: Vec<u8>,
    /// Those that it would have had where calls are kept for replay: each before the events after the one that is named.
    pub states: Vec<(Sequence, Vec<u8>)>,
    /// Which component reckoned it.
    pub plugin_sha256: Digest,
    /// The settings with which it did, as JSON.
    pub settings: String,
    /// What the idle panel says from now on; `None` where nothing was formatted for it, and it goes on saying what it says.
    pub standing: Option<Option<String>>,
}

impl Ledger {
    /// The state from which a sink's formatter is to reckon its own before it formats anything. `component`: which one asks; to
    /// one that is not in force, and about to end, nothing is owed.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn owed_state(&self, sink: &SinkName, component: Digest) -> Result<Option<OwedState>, StorageError> {
        let sink = sink.to_string();
        let find = "SELECT after, trial_state.state FROM trial_state JOIN sink ON sink.id = trial_state.sink
                    JOIN plugin_version ON plugin_version.plugin = trial_state.plugin AND left_as IS NULL
                    WHERE sink.name = ?1 AND owed = 1 AND sha256 = ?2";
        self.read(move |reader| {
            reader.snapshot(|snapshot, _| {
                let owed =
                    |row: &rusqlite::Row<'_>| Ok(OwedState { after: from_column(row.get(0)?), state: row.get(1)? });
                Ok(snapshot.prepare_cached(find)?.query_row((sink, component), owed).optional()?)
            })
        })
        .await
    }

    /// Replaces a sink's state by the one that was reckoned, or leaves it where none could be. `at`: the cursor up to which it
    /// was reckoned.
    ///
    /// # Errors
    /// When the sink moved or times were learnt meanwhile, or the disk refuses. Then it is still owed.
    pub async fn settle_owed_state(
        &self,
        sink: &SinkName,
        at: Sequence,
        reckoned: Option<ReckonedState>,
    ) -> Result<(), CommitError> {
        let sink = sink.clone();
        self.write(move |store| {
            store.transact(|transaction| {
                let id = at_cursor(transaction, &sink, at)?;
                if let Some(reckoned) = &reckoned {
                    let ReckonedState { boots, state, states, plugin_sha256, settings, standing } = reckoned;
                    with_times(transaction, boots)?;
                    keep_state(transaction, id, state)?;
                    keep_states(transaction, id, states, settings, plugin_sha256)?;
                    if let Some(standing) = standing {
                        let say = "UPDATE sink SET standing = ?2 WHERE id = ?1 AND standing IS NOT ?2";
                        transaction.prepare_cached(say)?.execute((id, standing))?;
                    }
                }
                // A next version may be on trial by now, and have to be gone back from as well.
                transaction.execute("UPDATE trial_state SET owed = 0 WHERE sink = ?1", [id])?;
                let forget = "DELETE FROM trial_state WHERE sink = ?1 AND plugin NOT IN
                                  (SELECT plugin FROM plugin_version WHERE left_as IS NULL AND on_trial = 1)";
                transaction.execute(forget, [id])?;
                Ok(())
            })
        })
        .await
    }
}

/// A version of a formatter is taken on trial: what all its sinks remember is kept. What is kept already stays.
///
/// Say A was seen to work, and B takes its place: A's state is kept. Where C takes the place of B during the trial of B, both go
/// back to A, so A's state stays, and not B's is kept. Where B proved bad, and C comes before A has reckoned its own, the sink's
/// state is still that of B: C reckons from A's state, and A's state stays for where C proves bad, too.
pub(super) fn keep(transaction: &Transaction<'_>, plugin: &PluginName) -> Result<(), StorageError> {
    let keep = "INSERT INTO trial_state (sink, plugin, after, state)
                SELECT id, formatter, cursor, coalesce(state, x'') FROM sink
                LEFT JOIN formatter_state ON formatter_state.sink = sink.id WHERE formatter = ?1
                ON CONFLICT (sink) DO NOTHING";
    transaction.execute(keep, [plugin.as_str()])?;
    Ok(())
}

/// A version is gone back from: what was kept is owed to the version before.
pub(super) fn owe(transaction: &Transaction<'_>, plugin: &PluginName) -> Result<(), StorageError> {
    transaction.execute("UPDATE trial_state SET owed = 1 WHERE plugin = ?1", [plugin.as_str()])?;
    Ok(())
}

/// A version stays: nobody goes back from its trial any more. What is owed to it from an earlier one is not settled by that.
pub(super) fn forget(transaction: &Transaction<'_>, plugin: &PluginName) -> Result<(), StorageError> {
    transaction.execute("DELETE FROM trial_state WHERE plugin = ?1 AND owed = 0", [plugin.as_str()])?;
    Ok(())
}

/// Another plugin took over a sink, and begins with nothing.
pub(super) fn begin_anew(transaction: &Transaction<'_>, sink: i64) -> Result<(), StorageError> {
    transaction.execute("DELETE FROM trial_state WHERE sink = ?1", [sink])?;
    Ok(())
}
