//! Reading back what a sink's service has, as a part of its delivery: between two batches, which wait meanwhile.

use punchcard_core::delivery::{Carrier, Work};
use punchcard_core::plugin::delivery::Page;
use tracing::{info, warn};

use super::super::error_chain::chain;
use super::super::reconcile::{Reconciliation, Tools};
use super::super::status::{ReconcileReport, ReconcileStage};
use super::comparing::Comparing;
use super::{Delivery, Load};
use punchcard_ledger::Ordinal;

impl Delivery {
    /// Compares a page of what is there, and after the last one all of it.
    pub(super) async fn take_page(&self, carrier: &mut Carrier, load: &mut Load, page: Page, now_ms: u64) {
        if load.is_stuck(now_ms) {
            // Days may have passed, without a lease for one, and whoever asked has gone.
            return self.stop_comparing(load, "no page came for ten minutes");
        }
        let begun = load.reconciliation.take_if(|reconciliation| reconciliation.has_begun());
        let Some(mut reconciliation) = begun else { return };
        let tools =
            Tools { sink: &self.sink, ledger: &self.ledger, connector: &self.connector, settings: &self.settings };
        let is_last = page.next.is_none();
        if let Err(reason) = reconciliation.take(&tools, page, now_ms).await {
            load.reconciliation = Some(reconciliation);
            return self.fail(carrier, load, Work::ReadBack, reason);
        }
        if !reconciliation.is_after_restore() {
            self.progress.set(ReconcileStage::Reading { rows: reconciliation.rows() });
        }
        if !is_last {
            load.reconciliation = Some(reconciliation);
            return;
        }
        if reconciliation.is_after_restore() {
            return self.note_found(load, &tools, &mut reconciliation).await;
        }
        let stage = match self.finish_comparing(load, &tools, &mut reconciliation).await {
            Ok(report) => {
                let ReconcileReport { there, missing, changed, doubled, delivered_again, .. } = report;
                info!(sink = %self.sink, there, missing, changed, doubled, delivered_again, "the rows were compared");
                ReconcileStage::Done { report }
            }
            Err(reason) => {
                warn!(sink = %self.sink, reason, "the rows could not be compared");
                ReconcileStage::Failed { reason }
            }
        };
        self.progress.set(stage);
    }

    async fn finish_comparing(
        &self,
        load: &mut Load,
        tools: &Tools<'_>,
        reconciliation: &mut Reconciliation,
    ) -> Result<ReconcileReport, String> {
        load.missing = (reconciliation.number(), reconciliation.compare(tools).await?);
        let mut report = reconciliation.report();
        if let Some(wanted) = reconciliation.wanted() {
            let again = both(&load.missing.1, wanted);
            report.delivered_again = Some(self.ledger.redeliver(&self.sink, again).await.map_err(chain)?);
        }
        Ok(report)
    }

    /// Ends a comparison that can't be finished.
    pub(super) fn stop_comparing(&self, load: &mut Load, reason: &str) {
        self.give_up_comparing(load, reason, false);
    }

    /// The same; `needs_person`: before somebody mends something, no other one can be either.
    pub(super) fn give_up_comparing(&self, load: &mut Load, reason: &str, needs_person: bool) {
        if let Some(reconciliation) = load.reconciliation.take() {
            warn!(sink = %self.sink, reason, "the rows could not be compared");
            if reconciliation.is_after_restore() {
                if let Some(comparing) = &mut load.comparing {
                    comparing.fail(reason, needs_person, self.clock.monotonic_ms());
                }
                return;
            }
            self.progress.set(ReconcileStage::Failed { reason: reason.to_owned() });
        }
    }

    /// Ends one whose rows are being read when something else comes between.
    pub(super) fn stop_reading(&self, load: &mut Load) {
        if load.reconciliation.as_ref().is_some_and(Reconciliation::has_begun) {
            self.stop_comparing(load, "something else came between; try again");
        }
    }
}

/// What is missing now, of what was missing when a person was told.
pub(super) fn both(missing: &[Ordinal], wanted: &[Ordinal]) -> Vec<Ordinal> {
    missing.iter().copied().filter(|row| wanted.binary_search(row).is_ok()).collect()
}

impl Load {
    /// Whether the wish for a new destination is to be fulfilled from now on. It waits while a restored ledger is still to look
    /// at the old one, where it can.
    pub(super) fn takes_up_wish(&mut self, reads_back: bool) -> bool {
        let is_free = !reads_back || self.comparing.as_ref().is_none_or(Comparing::leaves_destination);
        is_free && std::mem::take(&mut self.wish_is_new)
    }

    /// Whether pages don't come.
    pub(super) fn is_stuck(&self, now_ms: u64) -> bool {
        self.reconciliation.as_ref().is_some_and(|reconciliation| reconciliation.is_stuck(now_ms))
    }
}
