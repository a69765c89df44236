//! A dry run of a new version of a connector or an auth policy: the first steps that it would take in the place of the one that
//! runs, with the states that it would get. What they answer is dropped: no request leaves, and nothing is stored.
//!
//! Deliberately absent: sensors, whose polls need their chips, and what a service would answer: that is for the trial.

use punchcard_core::config::Configuration;
use punchcard_core::config::grant::Grant;
use punchcard_core::name::{GrantName, PluginName, SinkName};
use punchcard_core::plugin::PluginError;
use punchcard_core::plugin::auth::{self, Slot};
use punchcard_core::plugin::delivery::{self, Batch};
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
        for (signal, batch) in first_signals(next) {
            let first = FirstStep { settings, state: &state, signal, batch };
            if let Some(fault) = self.find_fault(new, &first).await {
                judge(&format!("sink `{sink}`"), &fault, self.find_fault(old, &first).await)?;
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
        if let Some(fault) = self.find_fault_of_policy(new, &settings, &state, &slots).await {
            let of_old = self.find_fault_of_policy(old, &settings, &state, &slots).await;
            judge(&format!("grant `{grant}`"), &fault, of_old)?;
        }
        info!(%grant, "a new version of the auth policy was tried with the state of the grant");
        Ok(())
    }

    async fn find_fault(&self, connector: &Connector, first: &FirstStep<'_>) -> Option<CallError> {
        let given = connector.give(first.batch.clone());
        let (limit, context) = (connector.call_for(), self.clock.context());
        let step = || given.step(limit, first.settings, first.state, first.signal.clone(), &context);
        match fault(step().await) {
            // A board with much to do may need a second try.
            Some(CallError::Deadline { .. }) => fault(step().await),
            found => found,
        }
    }

    async fn find_fault_of_policy(
        &self,
        policy: &AuthPolicy,
        settings: &str,
        state: &[u8],
        slots: &[Slot],
    ) -> Option<CallError> {
        let context = self.clock.context();
        let step = || policy.step(settings, state.to_vec(), auth::Signal::Started, slots.to_vec(), &context);
        match fault(step().await) {
            Some(CallError::Deadline { .. }) => fault(step().await),
            found => found,
        }
    }
}

/// A step of a connector.
struct FirstStep<'a> {
    settings: &'a str,
    state: &'a [u8],
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
fn judge(of: &str, fault: &CallError, of_old: Option<CallError>) -> Result<(), Objection> {
    if let Some(of_old) = of_old {
        info!(of, %fault, %of_old, "a new version fails on its first step, and so does the version before");
        return Ok(());
    }
    Err(Objection::Bad(format!("tried with the state of {of}, it fails where the version before does not: {fault}")))
}

/// What a version fails by. That it says it can't is for the trial to judge.
fn fault<T>(ended: Result<T, CallError>) -> Option<CallError> {
    match ended {
        Ok(_) | Err(CallError::Returned(PluginError::Other(_) | PluginError::InvalidSettings(_))) => None,
        Err(error) => Some(error),
    }
}

#[cfg(test)]
mod tests;
