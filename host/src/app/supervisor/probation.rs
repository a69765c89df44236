//! New versions of plugins on trial: each is looked at twice a second, until it stays or the one before is put back.

use std::collections::BTreeMap;
use std::sync::Arc;

use punchcard_core::name::PluginName;
use punchcard_core::plugin_version::{Calls, Digest};
use punchcard_core::probation::{Standing, judge};
use punchcard_core::supervisor::{PartName, Spec};
use punchcard_ledger::{PluginHistories, PluginHistory};
use punchcard_sandbox::Tally;
use punchcard_sandbox::cache::hexadecimal;
use tracing::{error, info, warn};

use super::super::configuration::InForce;
use super::super::error_chain::chain;
use super::super::plugin::LoadedPlugin;
use super::Supervisor;
use super::candidate::Desired;

/// Between two looks, in milliseconds: a formatter's second try with an event comes a second after its first.
const LOOK_MS: u64 = 500;

/// A version on trial.
pub(super) struct Trial {
    sha256: Digest,
    tally: Arc<Tally>,
    began_ms: u64,
    /// What its calls had come to before.
    before: Calls,
    /// What those of the version before it came to while that ran. `None`: it did not since the start.
    of_earlier: Option<Calls>,
}

impl Supervisor {
    /// Begins to look at the versions that came into force, and no longer looks at those that did not. `earlier`: what ran before.
    pub(super) fn begin_trials(&mut self, histories: &PluginHistories, earlier: &BTreeMap<PluginName, LoadedPlugin>) {
        let mut trials = BTreeMap::new();
        for (name, loaded) in &self.plugins {
            let in_force = histories.plugins.get(name).and_then(PluginHistory::in_force);
            let sha256 = *loaded.plugin.sha256();
            if in_force.is_none_or(|version| !version.on_trial || version.sha256 != sha256) {
                continue;
            }
            let tally = Arc::clone(loaded.plugin.tally());
            let trial = match self.trials.remove(name) {
                Some(trial) if Arc::ptr_eq(&trial.tally, &tally) => trial,
                // With other limits it begins anew.
                began => {
                    info!(plugin = %name, sha256 = hexadecimal(&sha256), "a new version of the plugin is on trial");
                    let other = |earlier: &&LoadedPlugin| *earlier.plugin.sha256() != sha256;
                    let of_earlier = match began.filter(|trial| trial.sha256 == sha256) {
                        Some(trial) => trial.of_earlier,
                        None => {
                            let earlier = earlier.get(name).filter(other);
                            earlier.map(|earlier| earlier.plugin.tally().read().outcomes)
                        }
                    };
                    let before = tally.read().outcomes;
                    Trial { sha256, tally, began_ms: self.device.clock.monotonic_ms(), before, of_earlier }
                }
            };
            trials.insert(name.clone(), trial);
        }
        self.trials = trials;
    }

    /// When the trials are looked at next.
    pub(super) fn next_look_ms(&self) -> Option<u64> {
        let is_idle = self.trials.is_empty() || self.candidate.is_some();
        (!is_idle).then(|| self.device.clock.monotonic_ms() + LOOK_MS)
    }

    /// Looks at all trials.
    pub(super) async fn look_at_trials(&mut self) {
        let now_ms = self.device.clock.monotonic_ms();
        let judged: Vec<(PluginName, Standing)> = self
            .trials
            .iter()
            .map(|(name, trial)| {
                let counted = trial.tally.read();
                let since = counted.outcomes.since(&trial.before);
                let for_ms = now_ms.saturating_sub(trial.began_ms);
                (name.clone(), judge(&since, trial.of_earlier.as_ref(), for_ms, counted.last_error.as_deref()))
            })
            .collect();
        for (name, standing) in judged {
            match standing {
                Standing::OnTrial => {}
                Standing::Proven => self.keep_for_good(&name).await,
                Standing::Failed(reason) => self.put_back(&name, &reason).await,
            }
        }
    }

    async fn keep_for_good(&mut self, name: &PluginName) {
        let Some(trial) = self.trials.remove(name) else { return };
        if let Err(error) = self.device.ledger.end_plugin_trial(name, trial.sha256).await {
            warn!(plugin = %name, error = chain(error), "that the plugin has proven itself can't be kept; it is tried again");
            self.trials.insert(name.clone(), trial);
            return;
        }
        info!(plugin = %name, sha256 = hexadecimal(&trial.sha256), "the new version of the plugin stays");
        self.device.parts.send_modify(|parts| {
            for report in &mut Arc::make_mut(parts).plugins {
                report.on_trial &= report.name != name.as_str();
            }
        });
    }

    /// Puts the version before in its place again.
    async fn put_back(&mut self, name: &PluginName, reason: &str) {
        let Some(trial) = self.trials.remove(name) else { return };
        let histories = self.read_versions().await;
        if let Some(to) = histories.earlier(name).filter(|to| !self.device.keeps(to)) {
            let to = hexadecimal(&to);
            return warn!(plugin = %name, reason, to, "the plugin proved bad, and the version before was not kept; put its file there again");
        }
        let returned = self.device.ledger.return_plugin(name, trial.sha256, reason, self.device.known_micros()).await;
        match returned {
            Ok(Some(to)) => {
                let (bad, to) = (hexadecimal(&trial.sha256), hexadecimal(&to));
                error!(plugin = %name, bad, to, reason, "a new version of the plugin proved bad; the one before is put back");
                self.stop_parts_with(name, trial.sha256).await;
                self.look_again();
            }
            Ok(None) => {
                warn!(plugin = %name, reason, "the plugin proved bad, and there is no version to go back to, or a person pinned this one");
            }
            Err(error) => {
                warn!(plugin = %name, error = chain(error), "the version before can't be put back yet");
                self.trials.insert(name.clone(), trial);
            }
        }
    }

    /// Stops the parts that run a version, so that no event is blamed for it while the one before is put together. None of them
    /// is started with it again until then, also none that broke off.
    async fn stop_parts_with(&mut self, name: &PluginName, sha256: Digest) {
        let has_it = |spec: &Spec| spec.plugins.get(name).is_some_and(|version| version.sha256 == sha256);
        for desired in self.desired.values_mut() {
            if matches!(desired, Desired::Ready(_, spec) if has_it(spec)) {
                *desired = Desired::Assembling;
            }
        }
        let parts: Vec<PartName> =
            self.running.iter().filter(|(_, running)| has_it(&running.spec)).map(|(part, _)| part.clone()).collect();
        for part in parts {
            let Some(running) = self.running.remove(&part) else { continue };
            let reason = "the version before of its plugin is being put back; try again in a moment".to_owned();
            self.device.parts.send_modify(|parts| Arc::make_mut(parts).set(&part, Err(reason)));
            running.stop().await;
        }
    }

    /// Puts everything together anew, by the configuration in force: plugins.toml may have errors by now. What does not work with
    /// the version before must not hold up what was stopped for it.
    pub(super) fn look_again(&mut self) {
        let in_force = InForce {
            configuration: (*self.device.parts.borrow().configuration).clone(),
            text: None,
            report: self.device.configuration_report(),
        };
        self.begin(in_force, true, Vec::new());
        if let Some(candidate) = &mut self.candidate {
            candidate.parts_wait = true;
        }
    }
}
