//! The configuration in force, and what a reload did.

use punchcard_core::supervisor::{Action, Reason, Step};
use serde::{Deserialize, Serialize};

/// Which configuration is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ConfigurationReport {
    /// The file that was asked for.
    pub path: String,
    /// What is used instead of it, where it has errors.
    pub fallback: Option<Fallback>,
    /// Its errors, as `punchcard check` prints them.
    pub errors: Option<String>,
}

/// What is used instead of a configuration with errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fallback {
    /// The last one that was valid.
    LastValid,
    /// The parts of it that are valid by themselves.
    ValidParts,
    /// The one that the device was running with before the file changed.
    Running,
}

impl Fallback {
    /// What is used, in words.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::LastValid => "the last valid configuration is in force",
            Self::ValidParts => "only its valid parts are in force",
            Self::Running => "the configuration from before it changed is in force",
        }
    }
}

/// What a reload came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReloadReport {
    /// The file's errors, as `punchcard check` prints them. Nothing was changed then.
    pub errors: Option<String>,
    /// What was done with each part.
    pub steps: Vec<StepReport>,
    /// Tables of plugins.toml that changed and count after a restart.
    pub after_restart: Vec<String>,
    /// Plugins that are not what their files are, and why.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// What a reload did with a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StepReport {
    /// The path of its key.
    pub part: String,
    /// What was done.
    pub action: ActionName,
    /// Why.
    pub reason: String,
}

/// What is done with a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionName {
    /// It was started.
    Started,
    /// It was stopped and started anew.
    Restarted,
    /// It was stopped.
    Stopped,
    /// It was left alone.
    LeftAlone,
    /// It does not run.
    Off,
}

impl From<&Step> for StepReport {
    fn from(step: &Step) -> Self {
        let action = match (step.action, &step.reason) {
            (Action::Stop, _) => ActionName::Stopped,
            (Action::Replace, _) => ActionName::Restarted,
            (Action::Start, _) => ActionName::Started,
            (Action::Leave, Reason::Unready(_) | Reason::Pausing(_) | Reason::Assembling) => ActionName::Off,
            (Action::Leave, _) => ActionName::LeftAlone,
        };
        Self { part: step.part.to_string(), action, reason: step.reason.to_string() }
    }
}
