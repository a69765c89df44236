//! Plugins and what became of their calls.

use punchcard_core::plugin::World;
use serde::{Deserialize, Serialize};

/// A plugin.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PluginReport {
    /// Its name.
    pub name: String,
    /// What it fills, where it was loaded.
    pub world: Option<WorldName>,
    /// The SHA-256 of its component, where that was read.
    pub sha256: Option<String>,
    /// Why it is off.
    pub error: Option<String>,
    /// Why it is not the version that its file is, where that is so.
    #[serde(default)]
    pub instead: Option<String>,
    /// The version of the contract that it was built for.
    #[serde(default)]
    pub contract: Option<String>,
    /// The size of its component.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// What its component imports.
    #[serde(default)]
    pub imports: Vec<String>,
    /// It was not seen to work for long enough yet to stay for good.
    #[serde(default)]
    pub on_trial: bool,
    /// What became of its calls since it was loaded.
    #[serde(default)]
    pub calls: Option<CallsReport>,
}

/// What became of a plugin's calls since it was loaded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CallsReport {
    /// Calls.
    pub calls: u64,
    /// How long they took together, in milliseconds, with what they waited for.
    pub milliseconds: u64,
    /// The most linear memory that one of them had, in bytes.
    #[serde(default)]
    pub peak_memory_bytes: u64,
    /// Those of which something came.
    pub work: u64,
    /// Those that brought no value.
    pub failures: u64,
    /// Why the last one of these did not.
    pub last_error: Option<String>,
}

/// What a plugin fills, by the contract's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are the contract's")]
pub enum WorldName {
    AuthPolicy,
    Formatter,
    Connector,
    Sensor,
    Listing,
}

impl From<World> for WorldName {
    fn from(world: World) -> Self {
        match world {
            World::AuthPolicy => Self::AuthPolicy,
            World::Formatter => Self::Formatter,
            World::Connector => Self::Connector,
            World::Sensor => Self::Sensor,
            World::Listing => Self::Listing,
        }
    }
}
