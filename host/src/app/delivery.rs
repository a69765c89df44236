//! A sink's deliveries at work: one carrier drives its connector, one batch at a time.
//!
//! What always holds here: a batch's id and rows, and the connector's state, are durable before a request leaves; after a
//! crash the batch comes again, marked as resumed; a request leaves only within the sink's reach, the grant's audience and
//! pace, under a lease, and while no person has the sink paused; a sink of a restored ledger compares before it delivers; a 401 is answered by one renewal and one repeat before the
//! connector hears of it; one that is told to stop hears the answer to its last request.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use punchcard_core::delivery::{Carrier, DeliveryStatus, Next, Plan, Work};
use punchcard_core::name::SinkName;
use punchcard_core::pace::Pace;
use punchcard_core::plugin::Problem;
use punchcard_core::plugin::delivery::{Batch, Limits, Receipt, Signal};
use punchcard_core::reach::Prefix;
use punchcard_core::row::Column;
use punchcard_core::slowness::Slowness;
use punchcard_core::wear::Wear;
use tokio::sync::{Notify, mpsc, watch};
use tracing::{info, warn};
use uuid::Uuid;

use super::error_chain::chain;
use super::formatting;
use super::known_time::KnownTime;
use super::reconcile::{Progress, Reconciliation};
use super::status::ReconcileStage;
use super::timer::sleep_until;
use crate::clock::Clock;
use crate::http::Http;
use command::{DeliveryCommand, Flow, wish_key};
use comparing::Comparing;
use grant_link::SignIns;
use punchcard_ledger::{Ledger, Ordinal};
use punchcard_sandbox::{CallError, Connector, GivenBatch};

pub(super) mod command;
mod comparing;
mod gathering;
mod grant_link;
mod reading;
mod sending;

pub(super) use comparing::waits_to_look;
pub(super) use grant_link::GrantLink;
pub(super) use sending::Authority;

/// Milliseconds after which a ledger that refused is tried again.
const LEDGER_AGAIN_MS: u64 = 10_000;

/// What drives one sink's connector.
pub(super) struct Delivery {
    pub(super) sink: SinkName,
    pub(super) connector: Connector,
    pub(super) settings: String,
    pub(super) columns: Vec<Column>,
    pub(super) limits: Limits,
    pub(super) reach_key: String,
    pub(super) reach: Vec<Prefix>,
    pub(super) authority: Authority,
    /// Of a sink without a grant.
    pub(super) pace: Mutex<Pace>,
    pub(super) ledger: Ledger,
    pub(super) http: Arc<Http>,
    pub(super) clock: Clock,
    pub(super) time: KnownTime,
    pub(super) asks: mpsc::UnboundedReceiver<DeliveryCommand>,
    pub(super) flow: watch::Receiver<Flow>,
    /// How far comparing has come.
    pub(super) progress: Progress,
    /// There may be rows.
    pub(super) rows: Arc<Notify>,
    /// Where the sink's formatting stands.
    pub(super) formatting: watch::Receiver<formatting::FormattingStatus>,
    pub(super) standing: watch::Sender<DeliveryStatus>,
    /// What the connector says that a person should know, and that stops nothing.
    pub(super) notice: watch::Sender<Option<Problem>>,
    pub(super) delivered: mpsc::UnboundedSender<SinkName>,
}

/// A batch, in the hands of the connector, and what is said of it here.
struct Carried {
    id: String,
    row_keys: Vec<String>,
    given: GivenBatch,
}

/// What the connector is at work on.
struct Load {
    state: Vec<u8>,
    batch: Carried,
    slowness: Slowness,
    /// What its state has cost the card.
    wear: Wear,
    /// The wish for a new destination, by which the connector tells a repetition from another wish. Empty without one.
    wish: String,
    /// The carrier does not know of it yet.
    wish_is_new: bool,
    /// The ledger knows how the rows of these batches are delivered.
    identified: bool,
    reconciliation: Option<Reconciliation>,
    /// The ledger was restored, and it is not known yet which rows arrived since the backup.
    comparing: Option<Comparing>,
    /// Where the destination is, once it is ready.
    link: Option<String>,
    /// It was looked for a batch since the start: one that an earlier start has sent comes before all else.
    looked: bool,
    /// What was missing when it was last compared, under which number.
    missing: (u64, Vec<Ordinal>),
}

impl Delivery {
    /// Delivers until it is told to stop.
    pub(super) async fn run(mut self) {
        let mut carrier = Carrier::default();
        let mut load = self.load().await;
        let mut prepared = false;
        let mut creation = None;
        let mut flow = self.flow.clone();
        // A connector goes by the calendar: at 1970 it would look for, or make, the spreadsheet of that year.
        tokio::select! {
            () = self.time.known(&self.clock) => {}
            () = stopped(&mut flow) => return,
        }
        let link = match &self.authority {
            Authority::Grant(link) => Some(link.clone()),
            Authority::None | Authority::Header { .. } => None,
        };
        let mut sign_ins = link.as_ref().map_or_else(SignIns::default, GrantLink::sign_ins);
        loop {
            while let Ok(ask) = self.asks.try_recv() {
                self.take(&mut carrier, &mut load, ask).await;
            }
            if load.takes_up_wish(self.limits.reads_back) {
                carrier.ask_create_anew();
            }
            let now = *flow.borrow_and_update();
            carrier.set_paused(now != Flow::Deliver);
            if now == Flow::Stop {
                return self.hear_last_answer(&mut carrier, &mut load).await;
            }
            let plan = carrier.plan(self.clock.monotonic_ms());
            // One that waits for a person leaves the others their turn; one whose creation is in doubt does not.
            let waits = matches!(carrier.standing(), DeliveryStatus::Held { .. } | DeliveryStatus::Failing { .. });
            if waits || matches!(plan, Plan::Idle | Plan::Rest) {
                drop(creation.take());
            }
            self.publish(&carrier, &load);
            match &plan {
                Plan::Rest => self.stop_comparing(&mut load, "the sink is paused"),
                Plan::Step { work: Work::ReadBack, .. } if load.is_stuck(self.clock.monotonic_ms()) => {
                    carrier.failed(Work::ReadBack, String::new(), self.clock.monotonic_ms());
                    self.stop_comparing(&mut load, "no page came for ten minutes");
                    continue;
                }
                Plan::Step { work, .. } if *work != Work::ReadBack => self.stop_reading(&mut load),
                Plan::WaitUntil(_) => match carrier.standing() {
                    DeliveryStatus::Held { .. } => self.stop_comparing(&mut load, "the sink waits for a person"),
                    DeliveryStatus::Failing { .. } => self.stop_comparing(&mut load, "the sink's connector fails"),
                    _ => {}
                },
                _ => {}
            }
            match plan {
                Plan::Step { work, signal } => self.step(&mut carrier, &mut load, work, signal).await,
                Plan::WaitUntil(until_ms) => {
                    tokio::select! {
                        () = sleep_until(&self.clock, until_ms) => {}
                        () = changed(&mut flow) => {}
                        Some(ask) = self.asks.recv() => self.take(&mut carrier, &mut load, ask).await,
                        () = next_sign_in(link.as_ref(), &mut sign_ins) => carrier.ask_retry(),
                    }
                }
                Plan::Rest => {
                    tokio::select! {
                        () = changed(&mut flow) => {}
                        Some(ask) = self.asks.recv() => self.take(&mut carrier, &mut load, ask).await,
                    }
                }
                Plan::Idle
                    if load.comparing.is_some()
                        && !self.compare_first(&mut carrier, &mut load, &mut flow, prepared).await => {}
                Plan::Idle if !prepared => {
                    if let Some(link) = &link {
                        tokio::select! {
                            turn = link.turn_to_create() => creation = Some(turn),
                            () = changed(&mut flow) => continue,
                            Some(ask) = self.asks.recv() => {
                                self.take(&mut carrier, &mut load, ask).await;
                                continue;
                            }
                        }
                    }
                    prepared = true;
                    carrier.begin(Work::Prepare, false);
                }
                Plan::Idle if load.looked && load.reconciliation.is_some() => carrier.begin(Work::ReadBack, false),
                Plan::Idle => self.find_work(&mut carrier, &mut load, &mut flow).await,
            }
        }
    }

    /// What is begun with after a start: no batch, and the connector's state and a wish as the ledger has them.
    async fn load(&self) -> Load {
        let wish = self.recall_wish().await;
        Load {
            state: self.recall().await,
            batch: self.carry(self.empty_batch()),
            slowness: Slowness::default(),
            wear: Wear::default(),
            wish_is_new: !wish.is_empty(),
            wish,
            identified: false,
            reconciliation: None,
            comparing: self.recall_comparing().await,
            link: None,
            looked: false,
            missing: (0, Vec::new()),
        }
    }

    async fn step(&mut self, carrier: &mut Carrier, load: &mut Load, work: Work, signal: Signal) {
        if work == Work::ReadBack
            && signal == Signal::ReadBack(None)
            && let Some(reconciliation) = &mut load.reconciliation
        {
            reconciliation.begin(self.clock.monotonic_ms());
            if !reconciliation.is_after_restore() {
                self.progress.set(ReconcileStage::Reading { rows: 0 });
            }
        }
        let without_rows = match work {
            Work::Batch => None,
            Work::Prepare | Work::ReadBack => Some(self.empty_batch()),
            Work::CreateAnew => Some(Batch { id: load.wish.clone(), ..self.empty_batch() }),
        };
        let without_rows = without_rows.map(|batch| self.connector.give(batch));
        let batch = without_rows.as_ref().unwrap_or(&load.batch.given);
        let rows = batch.rows();
        let (context, usual) = (self.clock.context(), self.connector.call_for());
        let (limit, began_ms) = (usual.saturating_mul(load.slowness.times()), self.clock.monotonic_ms());
        let step = batch.step(limit, &self.settings, &load.state, signal, &context).await;
        let now_ms = self.clock.monotonic_ms();
        let outcome = match step {
            Ok(outcome) => outcome,
            Err(error) => {
                if matches!(error, CallError::Deadline { .. }) {
                    load.slowness.overran(rows);
                }
                self.fail(carrier, load, work, error.to_string());
                return carrier.quarantine(now_ms);
            }
        };
        load.slowness.ended(rows, Duration::from_millis(now_ms.saturating_sub(began_ms)), usual);
        let next = carrier.stepped(work, outcome.next.naming(self.sink.as_str()), now_ms);
        let kept = match &next {
            Next::Done(Work::Batch, receipt) => {
                let now = self.time.now(&self.clock);
                let at = now.is_known().then_some(now.wall);
                let state = outcome.state.clone();
                self.ledger.complete_batch(&self.sink, &load.batch.id, state, receipt.clone(), at).await
            }
            _ => self.ledger.store_connector_state(&self.sink, outcome.state.clone(), work == Work::Batch).await,
        };
        if let Err(error) = kept {
            return self.fail(carrier, load, work, chain(error));
        }
        carrier.kept();
        if outcome.state != load.state {
            let now_ms = self.clock.monotonic_ms();
            let rests_until_ms = load.wear.write(outcome.state.len(), now_ms);
            load.state = outcome.state;
            if rests_until_ms > now_ms {
                self.rest_for_card(rests_until_ms, now_ms).await;
            }
        }
        match next {
            Next::Send(request) => {
                let signal = self.perform(&request).await;
                carrier.answered(work, signal);
            }
            Next::Done(work, receipt) => {
                load.slowness.finished(rows, usual);
                if work == Work::Batch {
                    self.note_delivered(rows, &receipt);
                } else {
                    load.link.clone_from(&receipt.link);
                    self.keep_link(receipt.link.clone()).await;
                }
                if work == Work::CreateAnew {
                    load.wish.clear();
                    self.remember_wish("").await;
                }
                self.announce(work, &load.batch, &receipt);
            }
            Next::Found(page) => self.take_page(carrier, load, page, self.clock.monotonic_ms()).await,
            Next::GaveUp { reason, needs_person } => self.give_up_comparing(load, &reason, needs_person),
            Next::Later => {}
        }
    }

    /// Has the connector hear the answer to its request before it ends. Another version may take its place, and would know no
    /// more than that the request may have left.
    async fn hear_last_answer(&mut self, carrier: &mut Carrier, load: &mut Load) {
        if let Plan::Step { work, signal } = carrier.plan(self.clock.monotonic_ms()) {
            self.step(carrier, load, work, signal).await;
        }
    }

    /// Does what a person asked for.
    async fn take(&self, carrier: &mut Carrier, load: &mut Load, ask: DeliveryCommand) {
        match ask {
            DeliveryCommand::Retry => {
                if let Some(comparing) = &mut load.comparing {
                    comparing.retry();
                }
                carrier.ask_retry();
            }
            DeliveryCommand::DeliverUncompared => load.comparing = None,
            DeliveryCommand::Reconcile { .. } if load.comparing.is_some() => {
                let reason =
                    "the sink compares its rows by itself, because the ledger was restored; try again after that";
                self.progress.set(ReconcileStage::Failed { reason: reason.to_owned() });
            }
            DeliveryCommand::CreateAnew => {
                if load.wish.is_empty() {
                    load.wish = self.recall_wish().await;
                }
                // An earlier one was fulfilled while this one was asked for.
                if load.wish.is_empty() {
                    load.wish = Uuid::new_v4().to_string();
                    self.remember_wish(&load.wish).await;
                }
                load.wish_is_new = true;
            }
            DeliveryCommand::Reconcile { number, deliver_missing_of } => {
                let of_last = deliver_missing_of.is_none_or(|of| of == load.missing.0);
                // The report of another comparison stays: a person may still answer for that.
                let wanted = deliver_missing_of.filter(|_| of_last).map(|_| std::mem::take(&mut load.missing.1));
                load.reconciliation = Some(Reconciliation::new(number, wanted));
                if !of_last {
                    self.stop_comparing(load, "the rows were compared once more since; compare them again");
                }
            }
        }
    }

    async fn remember_wish(&self, wish: &str) {
        if let Err(error) = self.ledger.remember(&wish_key(&self.sink), wish).await {
            warn!(sink = %self.sink, error = chain(error), "the wish for a new destination is lost with a restart");
        }
    }

    async fn recall_wish(&self) -> String {
        self.ledger
            .recall(&wish_key(&self.sink))
            .await
            .unwrap_or_else(|error| {
                warn!(sink = %self.sink, error = chain(error), "a wish for a new destination can't be read");
                None
            })
            .unwrap_or_default()
    }

    /// Where a person finds the rows, before the first is there.
    async fn keep_link(&self, link: Option<String>) {
        let Some(link) = link else { return };
        if let Err(error) = self.ledger.store_link(&self.sink, &link).await {
            warn!(sink = %self.sink, error = chain(error), "the link to the destination can't be kept");
        }
    }

    fn announce(&self, work: Work, batch: &Carried, receipt: &Receipt) {
        let sink = &self.sink;
        match work {
            Work::Batch => {
                let rows = batch.row_keys.len() - receipt.rejected.len();
                info!(%sink, batch = batch.id, rows, "delivered");
                for rejection in &receipt.rejected {
                    let key = batch.row_keys.get(rejection.row as usize).map_or("", String::as_str);
                    warn!(%sink, row = key, reason = rejection.reason, "the service refuses a row; it is set aside");
                }
                if rows > 0 {
                    self.tell_delivered();
                }
            }
            Work::Prepare => info!(%sink, link = receipt.link, "the destination is ready"),
            Work::CreateAnew => info!(%sink, link = receipt.link, "a new destination was made"),
            Work::ReadBack => {}
        }
    }

    /// Counts a batch for the connector, or against it where no row of it arrived.
    fn note_delivered(&self, rows: usize, receipt: &Receipt) {
        match receipt.rejected.first().filter(|_| receipt.rejected.len() == rows) {
            Some(rejection) => self.connector.tally().note_refusal(&rejection.reason),
            None => self.connector.tally().note_work(),
        }
    }

    /// Has it shown that rows arrived, and how many wait now.
    fn tell_delivered(&self) {
        if self.delivered.send(self.sink.clone()).is_err() {
            warn!(sink = %self.sink, "nobody shows deliveries any more");
        }
    }

    /// Whether the ledger was restored and this sink has not compared since. It delivers nothing before that is known.
    async fn recall_comparing(&self) -> Option<Comparing> {
        loop {
            match self.ledger.compare_first(&self.sink).await {
                Ok(found) => return found.map(|stands| Comparing::begin(stands, self.clock.monotonic_ms())),
                Err(error) => {
                    self.rest_without_ledger(&chain(error)).await;
                }
            }
        }
    }

    async fn recall(&self) -> Vec<u8> {
        loop {
            match self.ledger.connector_state(&self.sink).await {
                Ok(state) => return state,
                Err(error) => {
                    self.rest_without_ledger(&chain(error)).await;
                }
            }
        }
    }

    fn fail(&self, carrier: &mut Carrier, load: &mut Load, work: Work, reason: String) {
        if work == Work::ReadBack {
            self.stop_comparing(load, &reason);
        } else {
            warn!(sink = %self.sink, reason, "the connector failed; its work is begun again");
        }
        carrier.failed(work, reason, self.clock.monotonic_ms());
    }

    /// Waits until the card has rested from a connector that writes too much, or the sink is to pause or stop.
    async fn rest_for_card(&self, until_ms: u64, now_ms: u64) {
        let seconds = (until_ms - now_ms).div_ceil(1_000);
        warn!(sink = %self.sink, seconds, "the connector's state wears the card out; it is slowed down");
        let advice = format!(
            "the connector of sink `{}` changes more of its state than a card bears; it goes on in {seconds} s. Another \
             version of the plugin may write less",
            self.sink
        );
        let problem = Some(Problem { headline: "plugin writes too much".into(), advice });
        self.stand(DeliveryStatus::Waiting { problem });
        let mut flow = self.flow.clone();
        tokio::select! {
            () = sleep_until(&self.clock, until_ms) => {}
            _ = flow.wait_for(|flow| *flow != Flow::Deliver) => {}
        }
    }

    /// Says that the ledger refuses, and waits until it is worth trying again.
    async fn rest_without_ledger(&self, error: &str) {
        warn!(sink = %self.sink, error, "the ledger can't be used; trying again");
        self.stand(DeliveryStatus::Failing { reason: format!("the ledger can't be used: {error}") });
        let mut flow = self.flow.clone();
        tokio::select! {
            () = sleep_until(&self.clock, self.clock.monotonic_ms() + LEDGER_AGAIN_MS) => {}
            () = stopped(&mut flow) => {}
        }
    }

    fn publish(&self, carrier: &Carrier, load: &Load) {
        let compares = load.comparing.is_some().then(|| comparing::notice(&self.sink));
        let notice = compares.or_else(|| carrier.notice().cloned());
        self.notice.send_if_modified(|current| {
            let news = *current != notice;
            *current = notice;
            news
        });
        // What keeps it from delivering is said when that is looked at.
        if load.comparing.is_none() || *carrier.standing() != DeliveryStatus::Idle {
            self.stand(carrier.standing().clone());
        }
    }

    fn stand(&self, standing: DeliveryStatus) {
        let holds = matches!(standing, DeliveryStatus::Held { .. });
        let is_news = self.standing.send_if_modified(|current| {
            let news = *current != standing;
            *current = standing;
            news
        });
        if holds && is_news {
            self.connector.tally().note_hold();
        }
    }

    /// Gives a batch to the connector. Its rows are kept there alone.
    fn carry(&self, batch: Batch) -> Carried {
        Carried {
            id: batch.id.clone(),
            row_keys: batch.rows.iter().map(|row| row.key.clone()).collect(),
            given: self.connector.give(batch),
        }
    }

    fn empty_batch(&self) -> Batch {
        Batch { id: String::new(), columns: self.columns.clone(), rows: Vec::new(), corrections: Vec::new() }
    }
}

/// Waits until a person has signed in since this was last waited for: a sink that is held may be mended by that.
async fn next_sign_in(link: Option<&GrantLink>, seen: &mut SignIns) {
    match link {
        Some(link) => link.next_sign_in(seen).await,
        None => std::future::pending().await,
    }
}

/// Waits until a sink is paused, resumed, or told to stop.
async fn changed(flow: &mut watch::Receiver<Flow>) {
    if flow.changed().await.is_err() {
        // The device ends, and with it this task.
        std::future::pending::<()>().await;
    }
}

/// Waits until a sink is told to stop.
async fn stopped(flow: &mut watch::Receiver<Flow>) {
    while *flow.borrow_and_update() != Flow::Stop {
        changed(flow).await;
    }
}

#[cfg(test)]
mod tests;
