//! What the supervisor tells the ledger before parts are started, and hears from it: which sinks and grants there are, with
//! which plugins, and which sinks a person paused.

use std::collections::BTreeSet;
use std::sync::Arc;

use punchcard_core::config::sink::Sink;
use punchcard_core::plugin::Problem;
use punchcard_core::supervisor::{PartConfiguration, PartName};
use punchcard_ledger::{Declaration, Declared, StorageError};
use tracing::{info, warn};

use super::super::error_chain::chain;
use super::super::timer::sleep_until;
use super::Supervisor;
use super::candidate::Desired;

/// Milliseconds after which a ledger that refused is asked again.
const ASK_AGAIN_MS: u64 = 10_000;

impl Supervisor {
    /// Tells the ledger which sinks and grants there are. A card that is full for a while turns nothing off: it is asked
    /// again.
    pub(super) async fn declare(&self) -> Vec<Declared> {
        loop {
            match self.try_declare().await {
                Ok(declared) => {
                    self.device.troubles.set("ledger", None);
                    return declared;
                }
                Err(error) => {
                    let advice = format!("{}; grants and sinks wait for it", chain(error));
                    self.device.troubles.set("ledger", Some(Problem { headline: "ledger refuses".into(), advice }));
                    sleep_until(&self.device.clock, self.device.clock.monotonic_ms() + ASK_AGAIN_MS).await;
                }
            }
        }
    }

    async fn try_declare(&self) -> Result<Vec<Declared>, StorageError> {
        let configuration = Arc::clone(&self.device.parts.borrow().configuration);
        for name in configuration.grants.keys() {
            let Some(PartConfiguration::Grant(grant)) = self.spec_to_run(&PartName::Grant(name.clone())) else {
                continue;
            };
            if self.device.ledger.declare_grant(name, &grant.plugin).await? {
                info!(grant = %name, plugin = %grant.plugin, "the grant has another plugin, which begins anew");
            }
        }
        let declared = configuration.sinks.iter().map(|(name, sink)| {
            let declaration = match self.spec_to_run(&PartName::Sink(name.clone())) {
                Some(PartConfiguration::Sink(runs)) => declaration(runs),
                // None of its plugins will write a state.
                _ => Declaration { formatter: None, connector: None, ..declaration(sink) },
            };
            (name.clone(), declaration)
        });
        self.device.ledger.declare_sinks(declared.collect()).await
    }

    /// With what a part will run: as it should, or where that is not possible, as it did before.
    fn spec_to_run(&self, part: &PartName) -> Option<&PartConfiguration> {
        match (self.desired.get(part), self.running.get(part)) {
            (Some(Desired::Ready(_, spec)), _) => Some(&spec.configuration),
            (_, Some(running)) => Some(&running.spec.configuration),
            _ => None,
        }
    }

    /// Hears which sinks a person paused.
    pub(super) async fn read_paused(&mut self) {
        let mut paused = BTreeSet::new();
        for name in self.desired.keys() {
            let PartName::Sink(sink) = name else { continue };
            match self.device.ledger.is_paused(sink).await {
                Ok(true) => {
                    paused.insert(sink.clone());
                }
                Ok(false) => {}
                // What a person paused stays paused where it can't be read.
                Err(error) => {
                    warn!(%sink, error = chain(error), "whether the sink is paused can't be read; it is taken to be");
                    paused.insert(sink.clone());
                }
            }
        }
        self.site.paused = paused;
    }
}

/// A sink, as the ledger is told of it before it is started.
pub(in crate::app) fn declaration(sink: &Sink) -> Declaration {
    Declaration {
        kinds: sink.events.iter().map(ToString::to_string).collect(),
        formatter: Some(sink.format.plugin.clone()),
        connector: Some(sink.deliver.plugin.clone()),
    }
}
