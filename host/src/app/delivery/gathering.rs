//! Which batch a delivery takes next, and how long rows gather before it is formed: as few requests as the service's limits
//! allow, and no row that waits without a reason.

use std::sync::{Arc, PoisonError};

use punchcard_core::delivery::{Carrier, Work};
use punchcard_core::plugin::delivery::Limits;
use punchcard_ledger::{OpenBatch, Tried};
use tokio::sync::watch;
use uuid::Uuid;

use super::super::error_chain::chain;
use super::super::formatting;
use super::super::timer::sleep_until;
use super::command::Flow;
use super::sending::Authority;
use super::{Delivery, Load, changed};

impl Delivery {
    /// Takes the next batch, or waits for rows.
    pub(super) async fn find_work(&mut self, carrier: &mut Carrier, load: &mut Load, flow: &mut watch::Receiver<Flow>) {
        // Before looking, so that rows which come while looking are not slept through.
        let rows = Arc::clone(&self.rows);
        let more = rows.notified();
        let limits = load.slowness.limits(&self.limits);
        if load.reconciliation.is_none() && self.awaits_whole_batch(limits).await {
            tokio::select! {
                () = more => {}
                () = changed(flow) => {}
                _ = self.formatting.changed() => {}
                Some(ask) = self.asks.recv() => self.take(carrier, load, ask).await,
            }
            return;
        }
        if load.reconciliation.is_none()
            && load.looked
            && let Some(at_ms) = self.gathers_until()
            && !self.has_whole_batch(limits).await
        {
            tokio::select! {
                () = sleep_until(&self.clock, at_ms) => {}
                () = changed(flow) => {}
                Some(ask) = self.asks.recv() => self.take(carrier, load, ask).await,
            }
            return;
        }
        match self.ledger.open_batch(&self.sink, limits, Uuid::new_v4()).await {
            Ok(Some(OpenBatch { batch, tried })) => {
                load.looked = true;
                if tried == Tried::Never && !load.identified {
                    let by = self.limits.reads_back.then(|| self.settings.clone());
                    if let Err(error) = self.ledger.note_identified(&self.sink, by).await {
                        return self.rest_without_ledger(&chain(error)).await;
                    }
                    load.identified = true;
                }
                load.batch = self.carry(batch);
                carrier.begin(Work::Batch, tried == Tried::Before);
            }
            // A comparison waits for its turn, which has come.
            Ok(None) if load.reconciliation.is_some() => load.looked = true,
            Ok(None) => {
                load.looked = true;
                tokio::select! {
                    () = more => {}
                    () = changed(flow) => {}
                    Some(ask) = self.asks.recv() => self.take(carrier, load, ask).await,
                }
            }
            Err(error) => {
                self.rest_without_ledger(&chain(error)).await;
            }
        }
    }

    /// Whether the formatter is about to make more rows, and those that are there don't fill a batch yet: a backlog goes
    /// in as few requests as the service's limits allow, and not in as many as it is formatted in.
    async fn awaits_whole_batch(&mut self, limits: Limits) -> bool {
        // A formatter's task that has ended makes none.
        let formats = self.formatting.has_changed().is_ok();
        if !formats || *self.formatting.borrow_and_update() != formatting::FormattingStatus::Working {
            return false;
        }
        !self.has_whole_batch(limits).await
    }

    async fn has_whole_batch(&self, limits: Limits) -> bool {
        // What keeps the ledger from being read is said by the read that follows.
        self.ledger.has_whole_batch(&self.sink, limits).await.unwrap_or(true)
    }

    /// Until when rows gather, so that a burst of presses does not use up a minute's requests for a row each: requests that
    /// carry less than a whole batch leave evenly. The first one after a pause leaves at once.
    fn gathers_until(&self) -> Option<u64> {
        let at_ms = match &self.authority {
            Authority::Grant(link) => link.now()?.even_at_ms(),
            Authority::None | Authority::Header { .. } => {
                self.pace.lock().unwrap_or_else(PoisonError::into_inner).even_at_ms()
            }
        };
        Some(at_ms).filter(|at_ms| *at_ms > self.clock.monotonic_ms())
    }
}
