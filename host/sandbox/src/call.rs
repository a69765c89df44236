//! How a call of a plugin can end.

use std::pin::Pin;
use std::time::Duration;

use punchcard_core::plugin::PluginError;
use thiserror::Error;

/// What a call is going to answer, whatever version of the contract the plugin was built for.
pub(super) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, CallError>> + Send + 'a>>;

/// A call that brought no value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CallError {
    /// The plugin said that it can't.
    #[error("{0}")]
    Returned(#[from] PluginError),
    /// The plugin broke off.
    #[error("it trapped: {reason}")]
    Trapped {
        /// What the engine says, with the plugin's last words.
        reason: String,
    },
    /// It took longer than it may.
    #[error("it took longer than {} ms", limit.as_millis())]
    Deadline {
        /// The limit.
        limit: Duration,
    },
    /// Its answer breaks the contract or a limit.
    #[error("its answer is refused: {reason}")]
    Refused {
        /// What is wrong with it.
        reason: String,
    },
}

impl CallError {
    pub(super) fn refused(reason: impl Into<String>) -> Self {
        Self::Refused { reason: reason.into() }
    }
}
