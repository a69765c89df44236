//! A sink's deliveries at work: one carrier drives its connector, one batch at a time.
//!
//! What always holds here: a batch's id and rows, and the connector's state, are durable before a request leaves; after a
//! crash the batch comes again, marked as resumed; a request leaves only within the sink's reach, the grant's audience and
//! pace, and under a lease; a 401 is answered by one renewal and one repeat before the connector hears of it.

use std::sync::{Arc, Mutex};

use punchcard_core::delivery::{Carrier, Next, Plan, Standing, Work};
use punchcard_core::http::{Failure, Request, Response};
use punchcard_core::name::SinkName;
use punchcard_core::pace::Pace;
use punchcard_core::plugin::delivery::{Batch, Limits, Receipt, Signal};
use punchcard_core::reach::Prefix;
use punchcard_core::redact::{Blanker, RawResponse};
use punchcard_core::request::{Credential, Prepared, Reach, plan_delivery};
use punchcard_core::row::Column;
use punchcard_core::secret::Secret;
use tokio::sync::{Notify, mpsc, watch};
use tracing::{debug, info, warn};
use uuid::Uuid;

use super::grant::{Grant, chain, depart};
use super::known_time::KnownTime;
use super::timer::sleep_until;
use crate::clock::Clock;
use crate::http::Http;
use crate::ledger::{Ledger, OpenBatch, Tried};
use crate::wasm::Connector;

/// What a person asks of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// The problem is mended.
    Retry,
    /// Make a new destination.
    CreateAnew,
}

/// How a sink's requests are authorized.
pub(super) enum Authority {
    /// Not at all.
    None,
    /// By a grant.
    Grant(Arc<Grant>),
    /// By a key of its own.
    Header {
        /// The header.
        name: String,
        /// The key.
        value: Secret,
    },
}

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
    pub(super) asks: mpsc::UnboundedReceiver<Ask>,
    /// There may be rows.
    pub(super) rows: Arc<Notify>,
    pub(super) standing: watch::Sender<Standing>,
    pub(super) delivered: mpsc::UnboundedSender<SinkName>,
}

/// What the connector is at work on.
struct Load {
    state: Vec<u8>,
    batch: Batch,
}

impl Delivery {
    /// Delivers until the task is dropped.
    pub(super) async fn run(mut self) {
        let mut carrier = Carrier::default();
        let mut load = Load { state: self.recall().await, batch: self.empty_batch() };
        let mut prepared = false;
        loop {
            while let Ok(ask) = self.asks.try_recv() {
                take(&mut carrier, ask);
            }
            let plan = carrier.plan(self.clock.monotonic_ms());
            self.publish(&carrier);
            match plan {
                Plan::Step { work, signal } => self.step(&mut carrier, &mut load, work, signal).await,
                Plan::WaitUntil(until_ms) => {
                    tokio::select! {
                        () = sleep_until(&self.clock, until_ms) => {}
                        Some(ask) = self.asks.recv() => take(&mut carrier, ask),
                    }
                }
                Plan::Idle if !prepared => {
                    prepared = true;
                    carrier.begin(Work::Prepare, false);
                }
                Plan::Idle => self.find_work(&mut carrier, &mut load).await,
            }
        }
    }

    /// Takes the next batch, or waits for rows.
    async fn find_work(&mut self, carrier: &mut Carrier, load: &mut Load) {
        // Before looking, so that rows which come while looking are not slept through.
        let rows = Arc::clone(&self.rows);
        let more = rows.notified();
        match self.ledger.open_batch(&self.sink, self.limits, Uuid::new_v4()).await {
            Ok(Some(OpenBatch { batch, tried })) => {
                load.batch = batch;
                carrier.begin(Work::Batch, tried == Tried::Before);
            }
            Ok(None) => {
                tokio::select! {
                    () = more => {}
                    Some(ask) = self.asks.recv() => take(carrier, ask),
                }
            }
            Err(error) => {
                warn!(sink = %self.sink, error = chain(error), "the ledger gives no batch; trying again");
                sleep_until(&self.clock, self.clock.monotonic_ms() + 10_000).await;
            }
        }
    }

    async fn step(&mut self, carrier: &mut Carrier, load: &mut Load, work: Work, signal: Signal) {
        let batch = if work == Work::Batch { load.batch.clone() } else { self.empty_batch() };
        let context = self.clock.context();
        let outcome = match self.connector.step(&self.settings, load.state.clone(), batch, signal, &context).await {
            Ok(outcome) => outcome,
            Err(error) => {
                return self.fail(carrier, work, error.to_string(), self.clock.monotonic_ms());
            }
        };
        let next = carrier.stepped(work, outcome.next, self.clock.monotonic_ms());
        let kept = match &next {
            Next::Done(Work::Batch, receipt) => {
                let now = self.time.now(&self.clock);
                let at = now.known.then_some(now.wall);
                let state = outcome.state.clone();
                self.ledger.complete_batch(&self.sink, &load.batch.id, state, receipt.clone(), at).await
            }
            _ => self.ledger.store_connector_state(&self.sink, outcome.state.clone(), work == Work::Batch).await,
        };
        if let Err(error) = kept {
            return self.fail(carrier, work, chain(error), self.clock.monotonic_ms());
        }
        load.state = outcome.state;
        match next {
            Next::Send(request) => {
                let signal = self.perform(&request).await;
                carrier.answered(work, signal);
            }
            Next::Done(work, receipt) => self.announce(work, &load.batch, &receipt),
            Next::Later => {}
        }
    }

    fn announce(&self, work: Work, batch: &Batch, receipt: &Receipt) {
        let sink = &self.sink;
        match work {
            Work::Batch => {
                let rows = batch.rows.len() - receipt.rejected.len();
                info!(%sink, batch = batch.id, rows, "delivered");
                for rejection in &receipt.rejected {
                    let key = batch.rows.get(rejection.row as usize).map_or("", |row| row.key.as_str());
                    warn!(%sink, row = key, reason = rejection.reason, "the service refuses a row; it is set aside");
                }
                if rows > 0 && self.delivered.send(sink.clone()).is_err() {
                    warn!(%sink, "nobody shows deliveries any more");
                }
            }
            Work::Prepare => info!(%sink, link = receipt.link, "the destination is ready"),
            Work::CreateAnew => info!(%sink, link = receipt.link, "a new destination was made"),
        }
    }

    async fn perform(&self, request: &Request) -> Signal {
        match self.authorize_and_send(request).await {
            Ok(response) => Signal::Responded(response),
            Err(failure) => {
                debug!(sink = %self.sink, %failure, "a request failed");
                Signal::Failed(failure)
            }
        }
    }

    /// Sends a request under whatever authority the sink has.
    async fn authorize_and_send(&self, request: &Request) -> Result<Response, Failure> {
        match &self.authority {
            Authority::Grant(grant) if request.authorized => {
                let audience = grant.audience();
                // What is denied or malformed is so at once, not after somebody has signed in.
                let any = Secret::new("any".into());
                self.plan(request, Some(Credential::Bearer { token: &any, audience }))?;
                let (lease, token) = grant.lease(&self.clock).await;
                let credential = Credential::Bearer { token: &token, audience };
                let answer = self.send(request, Some(credential)).await?;
                if answer.status() != 401 {
                    return Ok(answer.blank(&Blanker::new(&[&token])));
                }
                info!(sink = %self.sink, grant = %grant.name, "the token was refused; it is renewed once");
                let (_, renewed) = grant.another_lease(lease, &self.clock).await;
                let credential = Credential::Bearer { token: &renewed, audience };
                let answer = self.send(request, Some(credential)).await?;
                Ok(answer.blank(&Blanker::new(&[&token, &renewed])))
            }
            Authority::Header { name, value } if request.authorized => {
                let answer = self.send(request, Some(Credential::Header { name, value })).await?;
                Ok(answer.blank(&Blanker::new(&[value])))
            }
            _ => Ok(self.send(request, None).await?.blank(&Blanker::new(&[]))),
        }
    }

    async fn send(&self, request: &Request, credential: Option<Credential<'_>>) -> Result<RawResponse, Failure> {
        let prepared = self.plan(request, credential)?;
        match &self.authority {
            Authority::Grant(grant) => grant.depart(&self.clock).await,
            Authority::None | Authority::Header { .. } => depart(&self.pace, &self.clock).await,
        }
        self.http.perform(&prepared).await
    }

    fn plan(&self, request: &Request, credential: Option<Credential<'_>>) -> Result<Prepared, Failure> {
        let reach = Reach { key: &self.reach_key, prefixes: &self.reach };
        plan_delivery(request, self.sink.as_str(), reach, credential)
    }

    async fn recall(&self) -> Vec<u8> {
        loop {
            match self.ledger.connector_state(&self.sink).await {
                Ok(state) => return state,
                Err(error) => {
                    warn!(sink = %self.sink, error = chain(error), "the ledger can't be read; trying again");
                    sleep_until(&self.clock, self.clock.monotonic_ms() + 10_000).await;
                }
            }
        }
    }

    fn fail(&self, carrier: &mut Carrier, work: Work, reason: String, now_ms: u64) {
        warn!(sink = %self.sink, reason, "the connector failed; its work is begun again");
        carrier.failed(work, reason, now_ms);
    }

    fn publish(&self, carrier: &Carrier) {
        let standing = carrier.standing().clone();
        self.standing.send_if_modified(|current| {
            let news = *current != standing;
            *current = standing;
            news
        });
    }

    fn empty_batch(&self) -> Batch {
        Batch { id: String::new(), columns: self.columns.clone(), rows: Vec::new() }
    }
}

fn take(carrier: &mut Carrier, ask: Ask) {
    match ask {
        Ask::Retry => carrier.ask_retry(),
        Ask::CreateAnew => carrier.ask_create_anew(),
    }
}
