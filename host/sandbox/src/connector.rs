//! Calls of a connector, and what is checked in its answers.

use std::sync::Arc;
use std::time::Duration;

use punchcard_core::batch::MOST_ROWS;
use punchcard_core::plugin::Needs;
use punchcard_core::plugin::delivery::{Batch, Directive, Limits, Outcome, Signal};
use punchcard_core::row::{Column, Row};
use punchcard_core::time::Context;

use super::cache::Fingerprint;
use super::call::{Answer, CallError};
use super::formatter::check_state;
use super::loaded::Loaded;
use super::tally::Tally;
use super::text::{check_needs, is_address};

/// Bytes of what a page says of where the next one begins.
const NEXT_BYTES: usize = 1_000;

/// What a connector of any version of the contract is asked.
pub(super) trait Calls: Send + Sync {
    fn loaded(&self) -> &Loaded;

    fn check<'a>(&'a self, settings: &'a str, columns: &'a [Column]) -> Answer<'a, Limits>;

    fn fingerprint<'a>(&'a self, settings: &'a str, columns: &'a [Column], rows: &'a [Row]) -> Answer<'a, Vec<String>>;

    fn needs<'a>(&'a self, settings: &'a str) -> Answer<'a, Needs>;

    fn give(self: Arc<Self>, batch: Batch) -> Box<dyn Steps>;

    /// Whether its version of the contract knows the failure `signed-out`.
    fn hears_signed_out(&self) -> bool;
}

/// What a connector of any version of the contract does for a batch, which it has in its own form.
pub(super) trait Steps: Send + Sync {
    fn loaded(&self) -> &Loaded;

    fn step<'a>(
        &'a self,
        limit: Duration,
        settings: &'a str,
        state: &'a [u8],
        signal: Signal,
        context: &'a Context,
    ) -> Answer<'a, Outcome>;
}

/// A plugin that carries rows.
#[derive(Clone)]
pub struct Connector {
    calls: Arc<dyn Calls>,
}

impl Connector {
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

    /// Whether it is told that a request waits for nobody any more. To others the request goes on waiting.
    #[must_use]
    pub fn hears_signed_out(&self) -> bool {
        self.calls.hears_signed_out()
    }

    /// The time that a call has: `call-ms`.
    #[must_use]
    pub fn call_for(&self) -> Duration {
        self.calls.loaded().limits.call_for
    }

    /// Whether these settings can work with these columns, and what the service takes.
    ///
    /// # Errors
    /// When they can't, or the call fails.
    pub async fn check(&self, settings: &str, columns: &[Column]) -> Result<Limits, CallError> {
        let limits = self.calls.check(settings, columns).await?;
        let least = [limits.rows_per_batch, limits.characters_per_cell, limits.requests_per_minute];
        if limits.bytes_per_batch == 0 || least.contains(&0) {
            return Err(CallError::refused("limits of zero, within which nothing can be delivered"));
        }
        Ok(limits)
    }

    /// What rows like these are known by where they are read back, one for each.
    ///
    /// # Errors
    /// When the connector can't say it, or the call fails.
    pub async fn fingerprint(
        &self,
        settings: &str,
        columns: &[Column],
        rows: &[Row],
    ) -> Result<Vec<String>, CallError> {
        let fingerprints = self.calls.fingerprint(settings, columns, rows).await?;
        if fingerprints.len() != rows.len() {
            let said = format!("{} fingerprints for {} rows", fingerprints.len(), rows.len());
            return Err(CallError::refused(said));
        }
        Ok(fingerprints)
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

    /// Gives it a batch, for any number of steps: the rows are brought into the form of the plugin's contract once, and not
    /// for each signal.
    #[must_use]
    pub fn give(&self, batch: Batch) -> GivenBatch {
        GivenBatch { rows: batch.rows.len(), steps: Arc::clone(&self.calls).give(batch) }
    }
}

/// A batch that a connector was given.
pub struct GivenBatch {
    rows: usize,
    steps: Box<dyn Steps>,
}

impl GivenBatch {
    /// How many rows it has.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// One step, within a limit of time.
    ///
    /// # Errors
    /// When the call fails or its answer breaks the contract; the batch is then resumed.
    pub async fn step(
        &self,
        limit: Duration,
        settings: &str,
        state: &[u8],
        signal: Signal,
        context: &Context,
    ) -> Result<Outcome, CallError> {
        let ended = self.checked_step(limit, settings, state, signal, context).await;
        ended.inspect_err(|error| self.steps.loaded().tally.note_error(error))
    }

    async fn checked_step(
        &self,
        limit: Duration,
        settings: &str,
        state: &[u8],
        signal: Signal,
        context: &Context,
    ) -> Result<Outcome, CallError> {
        let rows = self.rows;
        let mut outcome = self.steps.step(limit, settings, state, signal, context).await?;
        check_state(&outcome.state, self.steps.loaded().limits.state_bytes)?;
        if let Directive::Delivered(receipt) = &mut outcome.next {
            let mut seen = vec![false; rows];
            for rejection in &receipt.rejected {
                match seen.get_mut(rejection.row as usize) {
                    Some(seen) if !*seen => *seen = true,
                    Some(_) => return Err(CallError::refused(format!("row {} rejected twice", rejection.row))),
                    None => return Err(CallError::refused(format!("row {} of {rows} rejected", rejection.row))),
                }
            }
            // Rows that arrived are not held for a link that nobody could follow.
            if receipt.link.as_deref().is_some_and(|link| !is_address(link)) {
                tracing::warn!("a connector's link is too long, or has characters that can't be seen; it is left out");
                receipt.link = None;
            }
        }
        if let Directive::Found(page) = &mut outcome.next {
            if page.rows.len() > MOST_ROWS as usize {
                return Err(CallError::refused(format!("a page of {} rows", page.rows.len())));
            }
            if page.next.as_ref().is_some_and(|next| next.len() > NEXT_BYTES) {
                return Err(CallError::refused("a page whose end is described at too great a length"));
            }
            page.link.take_if(|link| !is_address(link));
        }
        Ok(outcome)
    }
}
