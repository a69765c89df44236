//! A part that runs: its tasks, watched and ended together.

use punchcard_core::supervisor::{PartName, Spec};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::warn;

use super::super::part::handle::Handle;
use super::super::part::{Part, Site};

/// A part that was started.
pub(super) struct Running {
    pub(super) spec: Box<Spec>,
    pub(super) handle: Handle,
    /// Tells it from those that ran under its name before.
    pub(super) number: u64,
    pub(super) started_at_ms: u64,
    /// One task, which waits for the part's own. Dropped, all of them end.
    watching: JoinSet<()>,
}

/// A task of a part panicked; the part's other tasks were ended.
pub(super) struct BrokeOff {
    pub(super) part: PartName,
    pub(super) number: u64,
    pub(super) reason: String,
}

impl Running {
    /// Starts a part. What breaks off in it is sent to `ends`.
    ///
    /// # Errors
    /// Why it can't run on this machine.
    pub(super) fn start(
        part: &dyn Part,
        spec: &Spec,
        site: &Site,
        name: &PartName,
        number: u64,
        started_at_ms: u64,
        ends: &mpsc::UnboundedSender<BrokeOff>,
    ) -> Result<Self, String> {
        let mut tasks = JoinSet::new();
        let handle = part.start(site, &mut tasks)?;
        let mut watching = JoinSet::new();
        watching.spawn(watch(tasks, name.clone(), number, ends.clone()));
        Ok(Self { spec: Box::new(spec.clone()), handle, number, started_at_ms, watching })
    }

    /// Ends it: when it is done with what is under way, or after its bound, as a restart would.
    pub(super) async fn stop(mut self) {
        self.handle.stop();
        if tokio::time::timeout(self.handle.stops_within(), self.watching.join_next()).await.is_err() {
            self.handle.may_be_cut().await;
            warn!("a part did not end in time; what it was at is left as a restart would leave it");
        }
        self.watching.shutdown().await;
    }
}

async fn watch(mut tasks: JoinSet<()>, part: PartName, number: u64, ends: mpsc::UnboundedSender<BrokeOff>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            let reason = error.to_string();
            tasks.shutdown().await;
            if ends.send(BrokeOff { part, number, reason }).is_err() {
                warn!("a part broke off while the device ends");
            }
            return;
        }
    }
}
