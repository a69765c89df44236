//! What the plugins of sensors remember from one poll to the next. It stands apart from events, and is written only where it
//! changed: most remember nothing.

use punchcard_core::event::NewEvent;
use punchcard_core::name::{InputName, PluginName};
use rusqlite::{OptionalExtension as _, Transaction};

use super::Ledger;
use super::error::StorageError;

/// What a poll brought.
#[derive(Debug, Clone, PartialEq)]
pub struct Poll {
    /// The sensor.
    pub sensor: InputName,
    /// The plugin that read it.
    pub plugin: PluginName,
    /// What the plugin remembers from now on.
    pub state: Vec<u8>,
    /// One for each reading, in their order; perhaps none.
    pub events: Vec<NewEvent>,
}

impl Ledger {
    /// What a sensor's plugin remembers; nothing before its first poll. What another plugin wrote means nothing to it.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn sensor_state(&self, sensor: &InputName, plugin: &PluginName) -> Result<Vec<u8>, StorageError> {
        let (sensor, plugin) = (sensor.to_string(), plugin.to_string());
        let find = "SELECT state FROM sensor_state WHERE sensor = ?1 AND plugin = ?2";
        self.read(move |reader| {
            reader.snapshot(|snapshot, _| {
                let found = snapshot.prepare_cached(find)?.query_row((sensor, plugin), |row| row.get(0)).optional()?;
                Ok(found.unwrap_or_default())
            })
        })
        .await
    }
}

/// Keeps a state, where it is another one.
pub(super) fn store_state(
    transaction: &Transaction<'_>,
    sensor: &InputName,
    plugin: &PluginName,
    state: &[u8],
) -> Result<(), StorageError> {
    let store = "INSERT INTO sensor_state (sensor, plugin, state) VALUES (?1, ?2, ?3)
                 ON CONFLICT (sensor) DO UPDATE SET plugin = ?2, state = ?3 WHERE plugin <> ?2 OR state <> ?3";
    transaction.prepare_cached(store)?.execute((sensor.as_str(), plugin.as_str(), state))?;
    Ok(())
}
