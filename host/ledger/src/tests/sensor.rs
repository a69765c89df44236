//! What a poll of a sensor brought: its events and its plugin's state, all of it or nothing.

use std::time::Duration;

use power_cut::{Loss, Recording};
use proptest::prelude::{any, prop, proptest};

use super::super::{AcceptError, Poll};
use super::*;

fn climate() -> InputName {
    InputName::parse("climate").unwrap()
}

/// A poll after which the plugin remembers how many events it ever made, and which brings those after `before`.
fn poll(before: u64, count: u64) -> Poll {
    let through = before + count;
    let events = (before + 1..=through).map(|number| NewEvent { source: climate(), ..punch(number) }).collect();
    Poll { sensor: climate(), plugin: plugin("bme280"), state: through.to_string().into_bytes(), events }
}

async fn remembered(ledger: &Ledger) -> u64 {
    let state = ledger.sensor_state(&climate(), &plugin("bme280")).await.unwrap();
    if state.is_empty() { 0 } else { String::from_utf8(state).unwrap().parse().unwrap() }
}

#[tokio::test]
async fn a_sensor_begins_with_nothing_and_goes_on_with_what_its_plugin_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    assert_eq!(remembered(&ledger).await, 0);
    let events = ledger.accept_poll(poll(0, 3), Duration::ZERO).await.unwrap();
    assert_eq!(events.iter().map(|event| event.sequence).collect::<Vec<_>>(), [1, 2, 3].map(Sequence));
    assert_eq!(events[0].happened.source, climate());
    // A state without an event is kept, too.
    let silent = Poll { state: b"7".to_vec(), ..poll(3, 0) };
    assert_eq!(ledger.accept_poll(silent, Duration::ZERO).await.unwrap(), []);
    ledger.close().await;

    let ledger = open(folder.path());
    assert_eq!(remembered(&ledger).await, 7);
    // What one plugin wrote means nothing to another.
    let other = plugin("scd4x-co2");
    assert_eq!(ledger.sensor_state(&climate(), &other).await.unwrap(), b"");
    ledger.accept_poll(Poll { plugin: other, ..poll(3, 1) }, Duration::ZERO).await.unwrap();
    assert_eq!(remembered(&ledger).await, 0);
    // What can't be recorded changes nothing.
    let mut bad = poll(4, 2);
    bad.events[1].fields[0].value = Value::Number(f64::NAN);
    let refused = ledger.accept_poll(bad, Duration::ZERO).await;
    assert!(matches!(refused, Err(AcceptError::NotFinite(_))), "{refused:?}");
    assert_eq!(ledger.accepted().borrow().0, 4);
    ledger.close().await;
}

#[tokio::test]
async fn a_press_takes_a_poll_along_that_waits_for_company() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let waits = tokio::spawn(ledger.accept_poll(poll(0, 2), Duration::from_secs(3_600)));
    tokio::task::yield_now().await;
    let pressed = ledger.accept(punch(9)).await.unwrap();
    let polled = waits.await.unwrap().unwrap();
    assert_eq!((polled.len(), pressed.sequence), (2, Sequence(3)));
    ledger.close().await;
}

proptest! {
    #![proptest_config(cases(32))]
    /// However the power goes, the plugin remembers just what became events, and all that was acknowledged.
    #[test]
    fn a_power_cut_tears_no_state_from_its_events(
        polls in prop::collection::vec(0_u64..4, 1..12),
        moments in prop::collection::vec((any::<prop::sample::Index>(), any::<u64>(), any::<u8>()), 1..8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            open(folder.path()).close().await;
            let recording = Recording::start(folder.path()).unwrap();
            let ledger = open(folder.path());
            // How long the recording was when so many events were acknowledged.
            let mut acknowledged = vec![(recording.len(), 0)];
            let mut made = 0;
            for count in polls {
                ledger.accept_poll(poll(made, count), Duration::ZERO).await.unwrap();
                made += count;
                acknowledged.push((recording.len(), made));
            }
            ledger.close().await;
            for (moment, seed, share) in moments {
                let length = moment.index(recording.len() + 1);
                let left = tempfile::tempdir().unwrap();
                for (name, content) in recording.disk_after(length).cut(Loss::ByChance { seed, share }) {
                    std::fs::write(left.path().join(name), content).unwrap();
                }
                let ledger = open(left.path());
                let recorded = ledger.accepted().borrow().0;
                assert_eq!(remembered(&ledger).await, recorded);
                let least = acknowledged.iter().rev().find(|(at, _)| *at <= length).map_or(0, |(_, events)| *events);
                assert!(recorded >= least, "{recorded} of {least} that were acknowledged");
                ledger.close().await;
            }
        });
    }
}
