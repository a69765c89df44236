//! The first steps that a new version of a connector or an auth policy would take in the place of the one that runs, with the
//! states that it would get. What they answer is dropped: no request leaves, and nothing is stored.
//!
//! A connector makes its destination ready before it gets a batch, and the batch comes with the state that it has then. One that
//! sends a request for that, or waits, is not asked about the batch: what it would know by then is not known.
//!
//! Deliberately absent: sensors, whose polls need their chips, and what a service would answer: that is for the trial.

use punchcard_core::config::Configuration;
use punchcard_core::config::grant::Grant;
use punchcard_core::name::{GrantName, PluginName, SinkName};
use punchcard_core::plugin::PluginError;
use punchcard_core::plugin::auth::{self, Slot};
use punchcard_core::plugin::delivery::{self, Batch, Directive, Outcome};
use punchcard_core::row::Column;
use punchcard_ledger::{BatchError, OpenBatch, Tried};
use punchcard_sandbox::{AuthPolicy, CallError, Connector};
use tracing::{info, warn};
use uuid::Uuid;

use super::super::error_chain::chain;
use super::examination::{Examiner, Objection, any_columns};

impl Examiner {
    /// Has a connector take its first steps for each sink that uses it.
    ///
    /// # Errors
    /// Why it is not to be taken: it breaks off, takes too long or does not know a state, where the old one does not.
    pub(super) async fn try_connector(
        &self,
        name: &PluginName,
        new: &Connector,
        old: &Connector,
        configuration: &Configuration,
    ) -> Result<(), Objection> {
        for (sink, configured) in configuration.sinks.iter().filter(|(_, sink)| sink.deliver.plugin == *name) {
            self.try_for_sink(sink, &configured.deliver.settings.to_json(), new, old).await?;
        }
        Ok(())
    }

    async fn try_for_sink(
        &self,
        sink: &SinkName,
        settings: &str,
        new: &Connector,
        old: &Connector,
    ) -> Result<(), Objection> {
        // That it does not take the settings was said before, where it is its fault.
        let Ok(limits) = new.check(settings, &any_columns()).await else { return Ok(()) };
        let state = match self.ledger.connector_state(sink).await {
            Ok(state) => state,
            // It was never declared, and has no state.
            Err(BatchError::UnknownSink(_)) => return Ok(()),
            Err(error) => {
                warn!(%sink, error = chain(error), "a new version can't be tried with the state of the sink");
                return Ok(());
            }
        };
        let next = match self.ledger.peek_batch(sink, limits, Uuid::new_v4()).await {
            Ok(next) => next,
            Err(error) => {
                warn!(%sink, error = chain(error), "a new version can't be tried with what waits");
                None
            }
        };
        let mut of_new = state.clone();
        for (signal, batch) in first_signals(next) {
            let first = FirstStep { settings, signal, batch };
            let ended = self.take_step(new, &of_new, &first).await;
            if let Some(fault) = fault(&ended) {
                // The old one has made its destination ready: the state is the one that its next batch comes with.
                let of_old = self.take_step(old, &state, &first).await;
                judge(&format!("sink `{sink}`"), fault, self::fault(&of_old))?;
            }
            match ended {
                Ok(Outcome { state, next: Directive::Delivered(_) }) => of_new = state,
                _ => break,
            }
        }
        info!(%sink, "a new version of the connector was tried with the state of the sink");
        Ok(())
    }

    /// Has an auth policy take its first step for each grant that uses it.
    ///
    /// # Errors
    /// As [`Examiner::try_connector`].
    pub(super) async fn try_policy(
        &self,
        name: &PluginName,
        new: &AuthPolicy,
        old: &AuthPolicy,
        configuration: &Configuration,
    ) -> Result<(), Objection> {
        for (grant, configured) in configuration.grants.iter().filter(|(_, grant)| grant.plugin == *name) {
            self.try_for_grant(grant, configured, new, old).await?;
        }
        Ok(())
    }

    async fn try_for_grant(
        &self,
        grant: &GrantName,
        configured: &Grant,
        new: &AuthPolicy,
        old: &AuthPolicy,
    ) -> Result<(), Objection> {
        let Some(vault) = &self.vault else { return Ok(()) };
        let read = match self.ledger.grant(grant).await {
            Ok(remembered) => vault.filled(grant).map(|filled| (remembered.state, filled)).map_err(chain),
            Err(error) => Err(chain(error)),
        };
        let (state, filled) = match read {
            Ok(read) => read,
            Err(error) => {
                warn!(%grant, error, "a new version can't be tried with what the grant remembers");
                return Ok(());
            }
        };
        let settings = configured.settings.to_json();
        // As the keeper says it to the policy: what plugins.toml gives has the first version.
        let given = configured.secrets.keys().map(|slot| Slot { name: slot.to_string(), version: 1 });
        let slots: Vec<Slot> = given.chain(filled).collect();
        if let Some(fault) = fault(&self.take_step_of_policy(new, &settings, &state, &slots).await) {
            let of_old = self.take_step_of_policy(old, &settings, &state, &slots).await;
            judge(&format!("grant `{grant}`"), fault, self::fault(&of_old))?;
        }
        info!(%grant, "a new version of the auth policy was tried with the state of the grant");
        Ok(())
    }

    async fn take_step(
        &self,
        connector: &Connector,
        state: &[u8],
        first: &FirstStep<'_>,
    ) -> Result<Outcome, CallError> {
        let given = connector.give(first.batch.clone());
        let (limit, context) = (connector.call_for(), self.clock.context());
        let step = || given.step(limit, first.settings, state, first.signal.clone(), &context);
        match step().await {
            // A board with much to do may need a second try.
            Err(CallError::Deadline { .. }) => step().await,
            ended => ended,
        }
    }

    async fn take_step_of_policy(
        &self,
        policy: &AuthPolicy,
        settings: &str,
        state: &[u8],
        slots: &[Slot],
    ) -> Result<auth::Outcome, CallError> {
        let context = self.clock.context();
        let step = || policy.step(settings, state.to_vec(), auth::Signal::Started, slots.to_vec(), &context);
        match step().await {
            Err(CallError::Deadline { .. }) => step().await,
            ended => ended,
        }
    }
}

/// A step of a connector.
struct FirstStep<'a> {
    settings: &'a str,
    signal: delivery::Signal,
    batch: Batch,
}

/// The signals that a connector would get first, each with its batch: one to make its destination ready, and one for the batch that
/// is on its way or comes next.
fn first_signals(next: Option<OpenBatch>) -> Vec<(delivery::Signal, Batch)> {
    let without_rows =
        |columns: Vec<Column>| Batch { id: String::new(), columns, rows: Vec::new(), corrections: Vec::new() };
    let Some(OpenBatch { batch, tried }) = next else {
        return vec![(delivery::Signal::Prepare, without_rows(any_columns().to_vec()))];
    };
    let signal = match tried {
        Tried::Never => delivery::Signal::Begin,
        Tried::Before => delivery::Signal::Resumed,
    };
    vec![(delivery::Signal::Prepare, without_rows(batch.columns.clone())), (signal, batch)]
}

/// Objects where the new version fails, and the old one does not.
fn judge(of: &str, fault: &CallError, of_old: Option<&CallError>) -> Result<(), Objection> {
    if let Some(of_old) = of_old {
        info!(of, %fault, %of_old, "a new version fails on its first step, and so does the version before");
        return Ok(());
    }
    Err(Objection::Bad(format!("tried with the state of {of}, it fails where the version before does not: {fault}")))
}

/// What a version fails by. That it says it can't is for the trial to judge.
fn fault<T>(ended: &Result<T, CallError>) -> Option<&CallError> {
    match ended {
        Ok(_) | Err(CallError::Returned(PluginError::Other(_) | PluginError::InvalidSettings(_))) => None,
        Err(error) => Some(error),
    }
}

#[cfg(test)]
mod tests;
