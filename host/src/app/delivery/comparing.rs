//! What a sink of a restored ledger does before it delivers: it has its formatter pass the newest event of the backup, looks
//! which rows its service has, and counts those that waited among them as delivered.
//!
//! It looks twice where it has to. First where it delivered when the backup was made; then, once the destination is ready, there,
//! where that is another place by now, such as the spreadsheet of another year. Nothing is made or changed before the first look,
//! not for a person's wish either. What a look has found is in the ledger before the next: once the destination is another one,
//! nobody looks at the first place again.

use punchcard_core::backoff::plan_wait;
use punchcard_core::delivery::{Carrier, DeliveryStatus, Work};
use punchcard_core::name::SinkName;
use punchcard_core::plugin::Problem;
use tokio::sync::watch;
use tracing::{info, warn};

use super::super::error_chain::chain;
use super::super::reconcile::{Reconciliation, Tools};
use super::super::status::ReconcileReport;
use super::super::timer::wait_until;
use super::command::Flow;
use super::{Delivery, Load, changed};
use punchcard_ledger::{CompareFirst, Compared, Ordinal};

/// Milliseconds between two looks at how far the formatter is. What it does wakes the sink before.
const LOOK_AGAIN_MS: u64 = 10_000;

/// Milliseconds for which a request that was not answered may still be carried out.
const DOUBT_MS: u64 = 600_000;

/// What is said where it could not be looked.
const CAN_NOT_COMPARE: &str = "can't compare yet";

/// Whether a sink that stands like this looks at once where a person asks for that.
pub(in crate::app) fn waits_to_look(standing: &DeliveryStatus) -> bool {
    matches!(standing, DeliveryStatus::Waiting { problem: Some(problem) } if problem.headline == CAN_NOT_COMPARE)
}

/// How far comparing has come.
#[derive(Debug, Default)]
pub(super) struct Comparing {
    /// The link to where was looked first.
    first: Option<Option<String>>,
    /// It was looked where the destination is now.
    again: bool,
    failures: u32,
    /// The last look could not be done before a person mends something.
    needs_person: bool,
    /// What was sent before the restore can't arrive any more after this.
    settles_at_ms: u64,
    /// Why they could not be looked for, and when that is tried again.
    failed: Option<(String, u64)>,
}

/// What a sink has to do before it may deliver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Look,
    MakeReady,
    End,
}

impl Comparing {
    /// Nothing was looked for yet.
    pub(super) fn begin(stands: CompareFirst, now_ms: u64) -> Self {
        let settles_at_ms = if stands.in_doubt { now_ms.saturating_add(DOUBT_MS) } else { now_ms };
        Self { settles_at_ms, ..Self::default() }
    }

    /// What comes next. `ready`: the destination is, with this link.
    fn plan(&self, ready: Option<&Option<String>>) -> Step {
        match (&self.first, ready) {
            (None, _) => Step::Look,
            (Some(_), None) => Step::MakeReady,
            (Some(first), Some(link)) if first == link || self.again => Step::End,
            (Some(_), Some(_)) => Step::Look,
        }
    }

    /// It was looked, and the ledger knows what was there.
    pub(super) fn note(&mut self, link: Option<String>) {
        self.again = self.first.is_some();
        self.first.get_or_insert(link);
        self.needs_person = false;
    }

    /// It could not be looked. `needs_person`: until somebody mends something, such as a destination that is gone.
    pub(super) fn fail(&mut self, reason: &str, needs_person: bool, now_ms: u64) {
        self.failed = Some((reason.to_owned(), now_ms.saturating_add(plan_wait(self.failures, 0))));
        self.failures = self.failures.saturating_add(1);
        self.needs_person = needs_person;
    }

    /// Whether another destination may be made: the old one was looked at, or can't be.
    pub(super) fn leaves_destination(&self) -> bool {
        self.first.is_some() || self.needs_person
    }

    /// A person says that what was wrong is mended.
    pub(super) fn retry(&mut self) {
        self.failed = None;
    }
}

/// What is said of a sink for as long as it compares.
pub(super) fn notice(sink: &SinkName) -> Problem {
    let advice = format!(
        "this ledger was restored from a backup; nothing of sink `{sink}` is delivered before it is known which of its rows \
         arrived since. `punchcard sinks deliver-uncompared {sink}` delivers without knowing"
    );
    Problem { headline: "compares first".into(), advice }
}

impl Delivery {
    /// Does what is next before this sink may deliver. Returns whether its destination is to be made ready for that.
    pub(super) async fn compare_first(
        &mut self,
        carrier: &mut Carrier,
        load: &mut Load,
        flow: &mut watch::Receiver<Flow>,
        prepared: bool,
    ) -> bool {
        let stands = match self.ledger.compare_first(&self.sink).await {
            Ok(Some(stands)) => stands,
            Ok(None) => {
                load.comparing = None;
                return false;
            }
            Err(error) => {
                self.rest_without_ledger(&chain(error)).await;
                return false;
            }
        };
        let Some(comparing) = &load.comparing else { return false };
        if !stands.formatted {
            self.stand(DeliveryStatus::Waiting { problem: None });
            self.wait_to_compare(carrier, load, flow, Some(self.clock.monotonic_ms() + LOOK_AGAIN_MS)).await;
        } else if stands.waiting == 0 {
            self.end_comparison(load).await;
        } else if !self.limits.reads_back {
            self.stand(DeliveryStatus::Held { problem: Some(may_come_twice(&self.sink, stands)) });
            self.wait_to_compare(carrier, load, flow, None).await;
        } else if comparing.settles_at_ms > self.clock.monotonic_ms() {
            let until_ms = comparing.settles_at_ms;
            self.stand(DeliveryStatus::Waiting { problem: Some(may_still_arrive(&self.sink)) });
            self.wait_to_compare(carrier, load, flow, Some(until_ms)).await;
        } else if let Some((reason, until_ms)) = &comparing.failed
            && *until_ms > self.clock.monotonic_ms()
        {
            let until_ms = *until_ms;
            self.stand(DeliveryStatus::Waiting { problem: Some(can_not_compare(&self.sink, reason)) });
            self.wait_to_compare(carrier, load, flow, Some(until_ms)).await;
        } else {
            match comparing.plan(prepared.then_some(&load.link)) {
                Step::Look => {
                    load.reconciliation = Some(Reconciliation::after_restore());
                    carrier.begin(Work::ReadBack, false);
                }
                Step::MakeReady => return true,
                Step::End => self.end_comparison(load).await,
            }
        }
        false
    }

    /// Waits for what may let the comparison go on, and for no longer than until then.
    async fn wait_to_compare(
        &mut self,
        carrier: &mut Carrier,
        load: &mut Load,
        flow: &mut watch::Receiver<Flow>,
        until_ms: Option<u64>,
    ) {
        tokio::select! {
            () = wait_until(&self.clock, until_ms) => {}
            () = changed(flow) => {}
            Ok(()) = self.formatting.changed() => {}
            Some(ask) = self.asks.recv() => self.take(carrier, load, ask).await,
        }
    }

    /// It was looked wherever rows may be: from now on the sink delivers.
    async fn end_comparison(&self, load: &mut Load) {
        match self.ledger.end_comparison(&self.sink).await {
            Ok(_) => {
                info!(sink = %self.sink, "compared after a restore; from now on what waits is delivered");
                load.comparing = None;
            }
            Err(error) => self.rest_without_ledger(&chain(error)).await,
        }
    }

    /// Takes in what was there, once all of it was read: in the ledger first.
    pub(super) async fn note_found(&self, load: &mut Load, tools: &Tools<'_>, reconciliation: &mut Reconciliation) {
        let found = match reconciliation.compare(tools).await {
            Ok(_missing) => {
                let ReconcileReport { link, foreign, .. } = reconciliation.report();
                self.settle_found(reconciliation.there_already().to_vec(), link, foreign).await
            }
            Err(reason) => Err(reason),
        };
        let Some(comparing) = &mut load.comparing else { return };
        match found {
            Ok(()) => comparing.note(reconciliation.report().link),
            Err(reason) => {
                warn!(sink = %self.sink, reason, "the rows could not be compared after a restore");
                comparing.fail(&reason, false, self.clock.monotonic_ms());
            }
        }
    }

    /// Has rows that wait and are there count as delivered. `foreign`: rows that are there and of no event of this ledger.
    pub(super) async fn settle_found(
        &self,
        found: Vec<Ordinal>,
        link: Option<String>,
        foreign: u64,
    ) -> Result<(), String> {
        let now = self.time.now(&self.clock);
        let now = now.is_known().then_some(now.wall);
        let settled = self.ledger.settle_found(&self.sink, &self.settings, found, now, link.clone()).await;
        let Compared { there, waiting } = settled.map_err(chain)?;
        info!(sink = %self.sink, there, waiting, foreign, link, "rows that waited and are there count as delivered");
        if there > 0 {
            self.tell_delivered();
        }
        Ok(())
    }
}

/// Why a sink whose rows can't be read back waits for a person.
fn may_come_twice(sink: &SinkName, stands: CompareFirst) -> Problem {
    let CompareFirst { newest, waiting, .. } = stands;
    let advice = format!(
        "this ledger was restored from a backup, and the connector of sink `{sink}` can't say which rows its service has. The \
         {waiting} rows that wait of events up to {} may have been delivered since the backup: they would come twice, with the \
         ids that they had. `punchcard sinks deliver-uncompared {sink}` delivers them all the same",
        newest.0
    );
    Problem { headline: "rows may come twice".into(), advice }
}

/// Why a sink does not look yet.
fn may_still_arrive(sink: &SinkName) -> Problem {
    let minutes = DOUBT_MS / 60_000;
    let advice = format!(
        "this ledger was restored from a backup while rows were on their way, of sink `{sink}` or another one, and no answer had \
         come. It is looked {minutes} minutes after the start, when they can't arrive any more; `punchcard sinks \
         deliver-uncompared {sink}` delivers without knowing"
    );
    Problem { headline: "rows may still arrive".into(), advice }
}

/// Why a sink whose rows can be read back has not come to it.
fn can_not_compare(sink: &SinkName, reason: &str) -> Problem {
    let advice = format!(
        "this ledger was restored from a backup, and sink `{sink}` can't look which of its rows arrived since: {reason}. It \
         tries again; `punchcard sinks deliver-uncompared {sink}` delivers without knowing"
    );
    Problem { headline: CAN_NOT_COMPARE.into(), advice }
}

#[cfg(test)]
mod tests {
    use punchcard_core::event::Sequence;

    use super::*;

    #[test]
    fn it_looks_where_it_delivered_and_again_where_it_will() {
        let link = |name: &str| Some(name.to_owned());
        let (old, new) = (link("2026"), link("2027"));
        let mut comparing = Comparing::default();
        assert_eq!(comparing.plan(None), Step::Look);
        // A person had another destination made before it could look.
        assert_eq!(comparing.plan(Some(&new)), Step::Look);
        comparing.note(old.clone());
        assert_eq!(comparing.plan(None), Step::MakeReady);
        assert_eq!(comparing.plan(Some(&old)), Step::End);
        assert_eq!(comparing.plan(Some(&new)), Step::Look);
        comparing.note(new.clone());
        assert_eq!(comparing.plan(Some(&new)), Step::End);
    }

    #[test]
    fn another_destination_is_made_once_the_old_one_was_looked_at_or_can_not_be() {
        let mut comparing = Comparing::default();
        assert!(!comparing.leaves_destination());
        comparing.fail("no network", false, 0);
        assert!(!comparing.leaves_destination());
        comparing.fail("the sheet was deleted", true, 0);
        assert!(comparing.leaves_destination());
        comparing.fail("no network", false, 0);
        assert!(!comparing.leaves_destination());
        comparing.note(Some("2026".to_owned()));
        comparing.fail("no network", false, 0);
        assert!(comparing.leaves_destination());
    }

    #[test]
    fn it_does_not_look_while_what_was_sent_may_still_arrive() {
        let stands = |in_doubt| CompareFirst { newest: Sequence(7), formatted: true, waiting: 3, in_doubt };
        assert_eq!(Comparing::begin(stands(false), 5).settles_at_ms, 5);
        assert_eq!(Comparing::begin(stands(true), 5).settles_at_ms, 600_005);
    }

    #[test]
    fn a_look_that_fails_is_tried_again_later_each_time_and_at_once_when_a_person_asks() {
        let mut comparing = Comparing::default();
        for wait in [1_000, 2_000, 4_000] {
            comparing.fail("no network", false, 500);
            assert_eq!(comparing.failed, Some(("no network".to_owned(), 500 + wait)));
        }
        comparing.retry();
        assert_eq!(comparing.failed, None);
    }

    #[test]
    fn what_is_said_fits_the_panel_and_names_the_command() {
        let sink = SinkName::parse("hook").unwrap();
        let stands = CompareFirst { newest: Sequence(7), formatted: true, waiting: 3, in_doubt: false };
        let said = [
            notice(&sink),
            may_come_twice(&sink, stands),
            can_not_compare(&sink, "no network"),
            may_still_arrive(&sink),
        ];
        let stuck = |problem: &Problem| waits_to_look(&DeliveryStatus::Waiting { problem: Some(problem.clone()) });
        assert_eq!(said.each_ref().map(stuck), [false, false, true, false]);
        for said in said {
            assert!(said.headline.len() <= 21 && said.advice.contains("deliver-uncompared hook`"), "{said:?}");
        }
    }
}
