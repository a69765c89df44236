//! What keeps a part from running, beyond the text of plugins.toml: a component, settings that a plugin refuses, a secret.

use punchcard_core::config::{Configuration, Diagnostic, Part as Place};
use punchcard_core::name::PluginName;
use punchcard_core::needs::UnmetNeed;
use punchcard_core::plugin::PluginError;
use punchcard_sandbox::CallError;

/// Something that keeps a part from running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The place in plugins.toml.
    pub part: Place,
    /// What, and what to do.
    pub message: String,
    /// Whether the configuration is to be blamed: the last valid one may do better. A damaged or missing file is not its
    /// fault.
    pub misconfigured: bool,
}

impl Fault {
    /// As an error of the configuration's text.
    #[must_use]
    pub fn diagnostic(&self, configuration: &Configuration) -> Diagnostic {
        Diagnostic::at(configuration.place_of(&self.part), self.part.to_string(), self.message.clone())
    }
}

impl From<UnmetNeed> for Fault {
    fn from(UnmetNeed { part, message, .. }: UnmetNeed) -> Self {
        Self { part, message, misconfigured: true }
    }
}

/// What a plugin thinks of its settings, as a fault.
pub(super) fn refusal(part: Place, plugin: &PluginName, error: CallError) -> Fault {
    match error {
        CallError::Returned(PluginError::InvalidSettings(text)) => Fault { part, message: text, misconfigured: true },
        error => Fault {
            part,
            message: format!("plugin `{plugin}` could not check its settings: {error}"),
            misconfigured: false,
        },
    }
}
