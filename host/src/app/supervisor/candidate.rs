//! A configuration whose parts are being put together.

use std::collections::BTreeMap;
use std::sync::Arc;

use punchcard_core::supervisor::{PartName, Spec};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::super::assembly::{Assembled, assemble};
use super::super::configuration::InForce;
use super::super::fault::Fault;
use super::super::material::Materials;
use super::super::part::Part;
use super::super::status::ReloadReport;

/// How a part should be.
pub(super) enum Desired {
    Assembling,
    Ready(Arc<dyn Part>, Box<Spec>),
    Unready(String),
}

/// A configuration on its way into force.
pub(super) struct Candidate {
    pub(super) in_force: InForce,
    pub(super) materials: Arc<Materials>,
    /// What keeps parts of it from running.
    pub(super) faults: Vec<Fault>,
    /// A running device is to take it, and not one that starts.
    pub(super) is_reload: bool,
    /// Where is waited for what it comes to.
    pub(super) replies: Vec<oneshot::Sender<ReloadReport>>,
    /// Once it is in force, the file is to be looked at again.
    pub(super) again: bool,
    /// Parts were stopped until it is in force. Where it is refused, they are put together without it.
    pub(super) parts_wait: bool,
    /// It was in force before, as a whole.
    is_proven: bool,
    assembling: JoinSet<(PartName, Assembled)>,
    assembled: BTreeMap<PartName, Desired>,
}

impl Candidate {
    /// Begins to put its parts together.
    pub(super) fn new(
        in_force: InForce,
        materials: Arc<Materials>,
        is_proven: bool,
        is_reload: bool,
        replies: Vec<oneshot::Sender<ReloadReport>>,
    ) -> Self {
        let assembling = assemble(&materials);
        Self {
            in_force,
            materials,
            faults: Vec::new(),
            is_reload,
            replies,
            again: false,
            parts_wait: false,
            is_proven,
            assembling,
            assembled: BTreeMap::new(),
        }
    }

    /// Whether its parts are started as soon as each is put together.
    pub(super) fn starts_part_by_part(&self) -> bool {
        self.is_proven && !self.is_reload
    }

    /// Whether nothing of it is to come.
    pub(super) fn is_complete(&self) -> bool {
        self.assembling.is_empty()
    }

    /// Takes what was put together. It comes back where it is to be started at once.
    pub(super) fn take(&mut self, name: PartName, assembled: Assembled) -> Option<Desired> {
        let desired = match assembled {
            Ok(part) => {
                let spec = Box::new(part.spec());
                Desired::Ready(part, spec)
            }
            Err(faults) => {
                let reasons: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
                let reason = reasons.join("; ");
                self.faults.extend(faults);
                Desired::Unready(reason)
            }
        };
        if self.starts_part_by_part() {
            return Some(desired);
        }
        self.assembled.insert(name, desired);
        None
    }

    /// What was not taken yet.
    pub(super) fn take_all(&mut self) -> BTreeMap<PartName, Desired> {
        std::mem::take(&mut self.assembled)
    }

    /// The faults that the configuration is to be blamed for.
    pub(super) fn misconfigured(&self) -> Vec<Fault> {
        self.faults.iter().filter(|fault| fault.misconfigured).cloned().collect()
    }
}

/// Waits for the next part of a candidate, where there is one. `None`: it could not be put together, by a defect of ours.
pub(super) async fn next(candidate: &mut Option<Candidate>) -> Option<(PartName, Assembled)> {
    let joined = match candidate {
        Some(candidate) => candidate.assembling.join_next().await,
        None => None,
    };
    match joined {
        Some(Ok(assembled)) => Some(assembled),
        Some(Err(error)) => {
            tracing::error!(%error, "a part could not be put together, by a defect of this program");
            None
        }
        None => std::future::pending().await,
    }
}
