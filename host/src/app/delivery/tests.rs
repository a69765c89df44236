//! Deliveries whose connector traps whatever it is asked, or waits for a person.

use std::num::NonZeroU32;

use bare_component::{ALLOCATES, component, component_that_returns};
use punchcard_core::event::NewEvent;
use punchcard_core::http::Failure;
use punchcard_core::name::{GrantName, InputName};
use punchcard_core::plugin::delivery::{Page, Rejection};
use punchcard_core::row::Row;
use punchcard_core::time::Instant;
use tokio::time::{sleep, timeout};
use ulid::Ulid;

use super::super::fixture::Fixture;
use super::super::grant::Grant;
use super::super::part::roster::Parts;
use super::reading::both;
use super::*;
use crate::http::{Limits as HttpLimits, Trust};
use punchcard_ledger::FormattedCommit;
use punchcard_sandbox::Plugin;

fn trap() -> Vec<u8> {
    component("connector", "unreachable").unwrap()
}

/// A connector that waits for a person for a minute, whatever its step is told.
fn hold() -> Vec<u8> {
    // The outcome, in the canonical ABI: no state, then `hold` with its milliseconds, without a problem.
    let outcome = [0_u32, 0, 0, 0, 3, 0, 60_000, 0, 0].into_iter().flat_map(u32::to_le_bytes).collect();
    let bodies = ["unreachable", "unreachable", "i32.const 256", "unreachable", ALLOCATES];
    component_that_returns("connector", &bodies, &[(256, outcome)]).unwrap()
}

/// A sink, the way of questions to it, and what it stands on.
async fn delivery_by(component: &[u8]) -> (Delivery, mpsc::UnboundedSender<DeliveryCommand>, Fixture) {
    let (fixture, sink, plugin) = Fixture::with_sink(component).await;
    let Plugin::Connector(connector) = plugin else { panic!("no connector") };
    let (asks, inbox) = mpsc::unbounded_channel();
    let limits = Limits {
        rows_per_batch: 1,
        bytes_per_batch: 1,
        characters_per_cell: 1,
        requests_per_minute: 1,
        reads_back: true,
    };
    let delivery = Delivery {
        notice: watch::channel(None).0,
        sink,
        connector,
        settings: "{}".to_owned(),
        columns: Vec::new(),
        limits,
        reach_key: String::new(),
        reach: Vec::new(),
        authority: Authority::None,
        pace: Mutex::new(Pace::new(NonZeroU32::MIN)),
        ledger: fixture.ledger.clone(),
        http: Arc::new(Http::open(&HttpLimits::default(), &Trust::only(vec![])).unwrap()),
        clock: fixture.clock.clone(),
        time: fixture.time.clone(),
        asks: inbox,
        flow: watch::channel(Flow::Deliver).1,
        progress: Progress::after(6),
        rows: Arc::default(),
        formatting: watch::channel(formatting::FormattingStatus::default()).1,
        standing: watch::channel(DeliveryStatus::default()).0,
        delivered: mpsc::unbounded_channel().0,
    };
    (delivery, asks, fixture)
}

/// Why the comparison of this number failed, if it did.
fn failed(progress: &Progress, number: u64) -> Option<String> {
    match progress.get(number) {
        Some(ReconcileStage::Failed { reason }) => Some(reason),
        _ => None,
    }
}

#[tokio::test]
async fn a_comparison_ends_where_the_sink_is_held_or_fails_after_it_was_asked_for() {
    for (connector, reason) in [(trap(), "the sink's connector fails"), (hold(), "the sink waits for a person")] {
        let (delivery, asks, _fixture) = delivery_by(&connector).await;
        let progress = delivery.progress.clone();
        let number = progress.begin().unwrap();
        asks.send(DeliveryCommand::Reconcile { number, deliver_missing_of: None }).unwrap();
        let ended = async {
            while failed(&progress, number).is_none() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            () = delivery.run() => {}
            ended = timeout(Duration::from_secs(60), ended) => ended.expect("it ends"),
        }
        assert_eq!(failed(&progress, number).unwrap(), reason);
    }
}

#[tokio::test]
async fn a_sink_that_waits_for_a_person_leaves_the_others_their_turn_to_create() {
    for connector in [trap(), hold()] {
        let (mut delivery, _asks, _fixture) = delivery_by(&connector).await;
        let name = GrantName::parse("door").unwrap();
        let mut parts = Parts::none_yet(Arc::default());
        parts.grants.insert(name.clone(), Ok(Arc::new(Grant::idle("door").0)));
        let (_running, parts) = watch::channel(Arc::new(parts));
        let creation = Arc::default();
        let link = GrantLink::new(name, parts, Arc::clone(&creation));
        delivery.authority = Authority::Grant(link.clone());
        let mut standing = delivery.standing.subscribe();
        let left = async {
            standing.wait_for(|standing| *standing != DeliveryStatus::default()).await.unwrap();
            assert!(timeout(Duration::from_secs(10), link.turn_to_create()).await.is_ok(), "it is kept");
        };
        tokio::select! {
            () = delivery.run() => {}
            () = left => {}
        }
    }
}

#[tokio::test]
async fn an_answer_to_an_older_comparison_is_refused_and_leaves_the_last_one_as_it_is() {
    let (delivery, _asks, _fixture) = delivery_by(&trap()).await;
    let (mut carrier, mut load) = (Carrier::default(), delivery.load().await);
    let missing = vec![Ordinal(1)];
    load.missing = (6, missing.clone());
    for (told, is_last) in [(5, false), (6, true)] {
        let number = delivery.progress.begin().unwrap();
        delivery
            .take(&mut carrier, &mut load, DeliveryCommand::Reconcile { number, deliver_missing_of: Some(told) })
            .await;
        let wanted = load.reconciliation.take().and_then(|reconciliation| reconciliation.wanted().map(<[_]>::to_vec));
        assert_eq!(wanted, is_last.then(|| missing.clone()));
        assert_eq!(failed(&delivery.progress, number).is_some(), !is_last);
    }
}

#[tokio::test]
async fn a_connector_that_is_told_to_stop_hears_the_answer_to_its_request_and_nothing_else() {
    let (mut delivery, _asks, _fixture) = delivery_by(&hold()).await;
    let (mut carrier, mut load) = (Carrier::default(), delivery.load().await);
    carrier.set_paused(true);
    carrier.begin(Work::Prepare, false);
    delivery.hear_last_answer(&mut carrier, &mut load).await;
    assert_eq!(delivery.connector.tally().read().calls, 0, "it had asked for nothing");
    carrier.answered(Work::Prepare, Signal::Failed(Failure::SignedOut));
    delivery.hear_last_answer(&mut carrier, &mut load).await;
    assert_eq!(delivery.connector.tally().read().calls, 1);
}

#[tokio::test]
async fn a_batch_of_which_no_row_arrived_counts_against_its_connector() {
    let (delivery, _asks, _fixture) = delivery_by(&trap()).await;
    let refused = |row| Rejection { row, reason: "too long".to_owned() };
    for rejected in [vec![], vec![refused(0)], vec![refused(0), refused(1)]] {
        delivery.note_delivered(2, &Receipt { rejected, link: None });
    }
    let counted = delivery.connector.tally().read();
    assert_eq!((counted.outcomes.work, counted.outcomes.refusals), (2, 1));
    assert_eq!(counted.last_error.as_deref(), Some("too long"));
}

#[test]
fn of_what_is_missing_only_what_a_person_was_told_of_goes_again() {
    let told = [1, 2, 3].map(Ordinal);
    assert_eq!(both(&[2, 4, 5].map(Ordinal), &told), [Ordinal(2)]);
}

#[tokio::test]
async fn a_page_that_comes_days_later_is_not_compared_any_more() {
    let (delivery, _asks, _fixture) = delivery_by(&trap()).await;
    let (mut carrier, mut load) = (Carrier::default(), delivery.load().await);
    let minute = 60_000;
    for (after_ms, is_taken) in [(9 * minute, true), (11 * minute, false)] {
        let number = delivery.progress.begin().unwrap();
        let mut reconciliation = Reconciliation::new(number, None);
        reconciliation.begin(7);
        load.reconciliation = Some(reconciliation);
        let page = Page { rows: Vec::new(), next: Some("2".to_owned()), link: None };
        delivery.take_page(&mut carrier, &mut load, page, 7 + after_ms).await;
        assert_eq!((load.reconciliation.is_some(), failed(&delivery.progress, number).is_none()), (is_taken, is_taken));
        delivery.progress.set(ReconcileStage::Failed { reason: "the test is done with it".to_owned() });
    }
}

#[tokio::test]
async fn a_new_destination_is_not_made_before_a_restored_ledger_has_looked_at_the_old_one() {
    let (delivery, _asks, _fixture) = delivery_by(&trap()).await;
    let (mut carrier, mut load) = (Carrier::default(), delivery.load().await);
    load.comparing = Some(Comparing::default());
    delivery.take(&mut carrier, &mut load, DeliveryCommand::CreateAnew).await;
    assert!(!load.takes_up_wish(true) && carrier.plan(0) == Plan::Idle);
    // So after a restart.
    let mut load = Load { comparing: load.comparing, ..delivery.load().await };
    assert!(!load.wish.is_empty() && !load.takes_up_wish(true));
    // The old one is gone, as the look has shown.
    delivery.give_up_comparing(&mut load, "no look was under way", true);
    assert!(!load.takes_up_wish(true));
    load.reconciliation = Some(Reconciliation::after_restore());
    delivery.give_up_comparing(&mut load, "the sheet was deleted", true);
    assert!(load.takes_up_wish(true) && !load.takes_up_wish(true), "once");
    // Where a connector can't look, nothing is waited for.
    let mut load = Load { comparing: Some(Comparing::default()), ..delivery.load().await };
    assert!(load.takes_up_wish(false));
}

#[tokio::test]
async fn that_rows_wait_no_longer_is_shown_when_they_are_found() {
    let (mut delivery, _asks, fixture) = delivery_by(&trap()).await;
    let (delivered, mut deliveries) = mpsc::unbounded_channel();
    delivery.delivered = delivered;
    let ledger = &fixture.ledger;
    let happened = NewEvent {
        id: Ulid::from_parts(1, 1),
        at: Some(Instant { unix_micros: 1_800_000_000_000_000, utc_offset_minutes: 0 }),
        monotonic: fixture.clock.monotonic(),
        source: InputName::parse("clock").unwrap(),
        kind: "punch".to_owned(),
        fields: Vec::new(),
    };
    let event = ledger.accept(happened).await.unwrap();
    let read = ledger.read_unformatted(&delivery.sink, 9).await.unwrap();
    let made = FormattedCommit {
        from: read.cursor,
        through: read.through,
        boots: read.boots,
        state: Vec::new(),
        columns: Vec::new(),
        rows: vec![(event.sequence, vec![Row { key: String::new(), cells: Vec::new() }])],
        set_aside: Vec::new(),
        standing: None,
        checkpoint: None,
    };
    ledger.commit_formatted(&delivery.sink, made).await.unwrap();
    delivery.settle_found(Vec::new(), None, 0).await.unwrap();
    assert!(deliveries.try_recv().is_err(), "nothing was found");
    delivery.settle_found(vec![Ordinal(1)], None, 0).await.unwrap();
    assert_eq!(deliveries.try_recv(), Ok(delivery.sink.clone()));
}
