//! Events whose time was not known when they happened.

use super::super::Moment;
use super::*;

fn timeless(number: u64, boot: &str) -> NewEvent {
    let mut event = punch(number);
    event.at = None;
    event.monotonic.boot = boot.to_owned();
    event
}

async fn moments(ledger: &Ledger) -> Vec<Moment> {
    ledger.events(None, 100).await.unwrap().iter().map(|listed| listed.at).collect()
}

#[tokio::test]
async fn a_sink_waits_for_the_time_of_its_next_event_and_gets_it_when_the_clock_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["sheet"]).await;
    ledger.accept(timeless(1, "first")).await.unwrap();
    ledger.accept(timeless(2, "first")).await.unwrap();
    let read = ledger.read_unformatted(&sink("sheet"), 10).await.unwrap();
    assert!(read.events.is_empty() && read.blocked_by_unknown_time && !read.more);
    assert_eq!(read.through, Sequence(0));
    assert_eq!(moments(&ledger).await, [Moment::Unknown, Moment::Unknown]);

    let mut unsure = now("first", 77_000_000, 5_000_000);
    unsure.known = false;
    ledger.learn_time(&unsure).await.unwrap();
    assert_eq!(moments(&ledger).await, [Moment::Unknown, Moment::Unknown]);
    ledger.learn_time(&now("first", 77_000_000, 5_000_000)).await.unwrap();
    assert_eq!(moments(&ledger).await, [Moment::Known(at(73_000_000)), Moment::Known(at(74_000_000))]);
    assert_eq!(ledger.last_time_seen().await.unwrap(), Some(at(77_000_000)));
    let read = ledger.read_unformatted(&sink("sheet"), 10).await.unwrap();
    assert_eq!(read.events.iter().map(|event| event.at).collect::<Vec<_>>(), [at(73_000_000), at(74_000_000)]);
    assert!(!read.blocked_by_unknown_time);

    // What was learnt stays, whatever the clock says later.
    ledger.learn_time(&now("first", 99_000_000, 5_000_000)).await.unwrap();
    assert_eq!(moments(&ledger).await[0], Moment::Known(at(73_000_000)));
}

#[tokio::test]
async fn an_event_with_a_time_gives_one_to_those_before_it_in_its_boot() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    ledger.accept(timeless(1, "first")).await.unwrap();
    ledger.accept(punch(5)).await.unwrap();
    ledger.accept(timeless(6, "first")).await.unwrap();
    let seconds = |seconds: i64| Moment::Known(at(seconds * 1_000_000));
    assert_eq!(moments(&ledger).await, [seconds(1001), seconds(1005), seconds(1006)]);
}

#[tokio::test]
async fn a_boot_that_never_learnt_the_time_stands_where_it_stands_in_the_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["sheet"]).await;
    ledger.accept(timeless(1, "zeroth")).await.unwrap();
    let read = ledger.read_unformatted(&sink("sheet"), 10).await.unwrap();
    assert!(read.blocked_by_unknown_time, "nothing is known yet, before or after");
    ledger.accept(punch(2)).await.unwrap();
    ledger.close().await;

    let (ledger, _) = Ledger::open(folder.path(), setup("third")).unwrap();
    ledger.accept(timeless(3, "second")).await.unwrap();
    ledger.accept(timeless(4, "third")).await.unwrap();
    let known = at(1_002_000_000);
    let expected = [Moment::Estimated(known), Moment::Known(known), Moment::Estimated(known), Moment::Estimated(known)];
    assert_eq!(moments(&ledger).await, expected);
    // The third boot is running, and may still learn it.
    let read = ledger.read_unformatted(&sink("sheet"), 10).await.unwrap();
    assert_eq!(sequences(&read), [1, 2, 3]);
    assert_eq!(read.events.iter().map(|event| event.at).collect::<Vec<_>>(), [known; 3]);
    assert!(read.blocked_by_unknown_time);
}

#[tokio::test]
async fn a_reckoned_time_is_not_before_what_was_seen_before_the_boot() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    ledger.accept(punch(9)).await.unwrap();
    ledger.accept(timeless(10, "second")).await.unwrap();
    ledger.learn_time(&now("second", 20_000_000, 10_000_000)).await.unwrap();
    assert_eq!(moments(&ledger).await[1], Moment::Known(at(1_009_000_000)));
}

#[tokio::test]
async fn the_last_time_seen_never_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    assert_eq!(ledger.last_time_seen().await.unwrap(), None);
    accept(&ledger, [5, 3]).await;
    assert_eq!(ledger.last_time_seen().await.unwrap(), Some(at(1_005_000_000)));
    accept(&ledger, [6]).await;
    assert_eq!(ledger.last_time_seen().await.unwrap(), Some(at(1_006_000_000)));
    ledger.see_time(at(2_000_000_000)).await.unwrap();
    ledger.see_time(at(1_500_000_000)).await.unwrap();
    ledger.close().await;
    let (ledger, opened) = Ledger::open(folder.path(), setup("second")).unwrap();
    assert_eq!(opened.last_time_seen, Some(at(2_000_000_000)));
    drop(ledger);
}

#[tokio::test]
async fn reckoned_times_carry_the_devices_offset() {
    let folder = tempfile::tempdir().unwrap();
    let brisbane = Setup { zone: TimeZone::get("Australia/Brisbane").unwrap(), ..setup("first") };
    let (ledger, _) = Ledger::open(folder.path(), brisbane).unwrap();
    ledger.accept(timeless(1, "first")).await.unwrap();
    ledger.learn_time(&now("first", 77_000_000, 1_000_000)).await.unwrap();
    let expected = Instant { unix_micros: 77_000_000, utc_offset_minutes: 600 };
    assert_eq!(moments(&ledger).await, [Moment::Known(expected)]);
}

#[tokio::test]
async fn presses_of_a_first_boot_without_a_time_wait_for_the_time_and_not_for_the_next_press() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["sheet"]).await;
    ledger.accept(timeless(1, "first")).await.unwrap();
    ledger.close().await;
    let (ledger, _) = Ledger::open(folder.path(), setup("second")).unwrap();
    assert!(ledger.read_unformatted(&sink("sheet"), 10).await.unwrap().blocked_by_unknown_time);
    ledger.learn_time(&now("second", 77_000_000, 5_000_000)).await.unwrap();
    assert_eq!(moments(&ledger).await, [Moment::Estimated(at(72_000_000))]);
    let read = ledger.read_unformatted(&sink("sheet"), 10).await.unwrap();
    assert_eq!((sequences(&read), read.blocked_by_unknown_time), (vec![1], false));
}

#[tokio::test]
async fn the_last_time_seen_outlives_events_without_one() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    accept(&ledger, [5]).await;
    for number in 6..=8 {
        ledger.accept(timeless(number, "first")).await.unwrap();
    }
    assert_eq!(ledger.last_time_seen().await.unwrap(), Some(at(1_005_000_000)));
    accept(&ledger, [9]).await;
    assert_eq!(ledger.last_time_seen().await.unwrap(), Some(at(1_009_000_000)));
}

#[tokio::test]
async fn a_host_that_is_started_anew_in_a_boot_that_knew_the_time_hears_so() {
    let folder = tempfile::tempdir().unwrap();
    let reopen = |boot: &str| Ledger::open(folder.path(), setup(boot)).unwrap();
    let (ledger, opened) = reopen("first");
    assert!(!opened.time_was_known);
    ledger.accept(timeless(1, "first")).await.unwrap();
    ledger.close().await;
    let (ledger, opened) = reopen("first");
    assert!(!opened.time_was_known);
    ledger.learn_time(&now("first", 77_000_000, 5_000_000)).await.unwrap();
    ledger.close().await;
    for (boot, known) in [("first", true), ("second", false)] {
        let (ledger, opened) = reopen(boot);
        assert_eq!(opened.time_was_known, known, "{boot}");
        ledger.close().await;
    }
}
