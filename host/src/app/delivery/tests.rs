//! Comparisons of a delivery whose connector traps whatever it is asked, or waits for a person.

use std::num::NonZeroU32;

use bare_component::{ALLOCATES, component, component_that_returns};
use punchcard_core::name::GrantName;
use punchcard_core::plugin::delivery::Page;
use tokio::time::{sleep, timeout};

use super::super::fixture::Fixture;
use super::super::grant::Grant;
use super::super::part::roster::Parts;
use super::reading::both;
use super::*;
use crate::http::{Limits as HttpLimits, Trust};
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
