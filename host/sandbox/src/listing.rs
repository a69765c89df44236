//! Calls of a listing, and what is checked in its answers.

use std::sync::Arc;

use punchcard_core::plugin::Needs;
use punchcard_core::plugin::item_list::{Directive, Outcome, Signal};
use punchcard_core::time::Context;

use super::cache::Fingerprint;
use super::call::{Answer, CallError};
use super::formatter::check_state;
use super::loaded::Loaded;
use super::tally::Tally;
use super::text::{check_needs, clip_problem};

/// What a listing of any version of the contract is asked.
pub(super) trait Calls: Send + Sync {
    fn loaded(&self) -> &Loaded;

    fn check<'a>(&'a self, settings: &'a str) -> Answer<'a, ()>;

    fn needs<'a>(&'a self, settings: &'a str) -> Answer<'a, Needs>;

    fn step<'a>(
        &'a self,
        settings: &'a str,
        state: &'a [u8],
        signal: Signal,
        context: &'a Context,
    ) -> Answer<'a, Outcome>;
}

/// A plugin that fetches a list to choose from.
#[derive(Clone)]
pub struct Listing {
    calls: Arc<dyn Calls>,
}

impl Listing {
    pub(super) fn new(calls: impl Calls + 'static) -> Self {
        Self { calls: Arc::new(calls) }
    }

    /// What became of its calls.
    #[must_use]
    pub fn tally(&self) -> &Arc<Tally> {
        &self.calls.loaded().tally
    }

    /// The SHA-256 of the component.
    #[must_use]
    pub fn sha256(&self) -> &Fingerprint {
        &self.calls.loaded().sha256
    }

    /// Whether these settings can work.
    ///
    /// # Errors
    /// When they can't, or the call fails.
    pub async fn check(&self, settings: &str) -> Result<(), CallError> {
        self.calls.check(settings).await
    }

    /// What these settings need from plugins.toml.
    ///
    /// # Errors
    /// When the call fails, or names more than a configuration could grant.
    pub async fn needs(&self, settings: &str) -> Result<Needs, CallError> {
        let needs = self.calls.needs(settings).await?;
        check_needs(&needs)?;
        Ok(needs)
    }

    /// One step of a fetch. The texts of items are the plugin's: `punchcard_core::listing` makes them fit to be shown.
    ///
    /// # Errors
    /// When the call fails or its answer breaks the contract; the fetch is then over.
    pub async fn step(
        &self,
        settings: &str,
        state: &[u8],
        signal: Signal,
        context: &Context,
    ) -> Result<Outcome, CallError> {
        let ended = self.checked_step(settings, state, signal, context).await;
        ended.inspect_err(|error| self.tally().note_error(error))
    }

    async fn checked_step(
        &self,
        settings: &str,
        state: &[u8],
        signal: Signal,
        context: &Context,
    ) -> Result<Outcome, CallError> {
        let mut outcome = self.calls.step(settings, state, signal, context).await?;
        check_state(&outcome.state, self.calls.loaded().limits.state_bytes)?;
        if let Directive::Unavailable(problem) = outcome.next {
            outcome.next = Directive::Unavailable(clip_problem(problem));
        }
        Ok(outcome)
    }
}
