//! Events whose time was not known when they happened.

use std::time::Duration;

use rusqlite::StatementStatus;

use super::super::writer::Store;
use super::super::{
    BootTimes, ClockCorrection, CommitError, CorrectionCommit, Keep, KnownTime, Moment, StorageError, Stretch, boot,
};
use super::*;

fn timeless(number: u64, boot: &str) -> NewEvent {
    let mut event = punch(number);
    event.at = None;
    event.monotonic.boot = boot.to_owned();
    event
}

async fn moments(ledger: &Ledger) -> Vec<Moment> {
    ledger.events(None, 100).await.unwrap().events.iter().map(|listed| listed.at).collect()
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
    unsure.standing = TimeStatus::Unknown;
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
    // A start that ended before that, and three and four seconds into two that began after it, one after the other.
    let (first, known) = (at(1_000_000_000), at(1_002_000_000));
    let (third, fourth) = (at(1_005_000_000), at(1_009_000_000));
    let expected =
        [Moment::Estimated(first), Moment::Known(known), Moment::Estimated(third), Moment::Estimated(fourth)];
    assert_eq!(moments(&ledger).await, expected);
    // The third boot is running, and may still learn it: the guesses may be better then.
    let read = ledger.read_unformatted(&sink("sheet"), 10).await.unwrap();
    assert!(read.events.is_empty() && read.blocked_by_unknown_time);
    ledger.learn_time(&now("third", 2_009_000_000, 9_000_000)).await.unwrap();
    let read = ledger.read_unformatted(&sink("sheet"), 10).await.unwrap();
    assert_eq!(sequences(&read), [1, 2, 3, 4]);
    let (guessed, true_one) = (Certainty::Estimated, Certainty::Known);
    assert_eq!(
        read.events.iter().map(|event| (event.at, event.certainty)).collect::<Vec<_>>(),
        [(first, guessed), (known, true_one), (third, guessed), (at(2_004_000_000), true_one)]
    );
}

fn timeless_at(number: u64, boot: &str, seconds: u64) -> NewEvent {
    let mut event = timeless(number, boot);
    event.monotonic.milliseconds = seconds * 1_000;
    event
}

async fn seconds(ledger: &Ledger) -> Vec<i64> {
    moments(ledger).await.into_iter().map(|at| at.instant().unwrap().unix_micros / 1_000_000).collect()
}

#[tokio::test]
async fn starts_that_never_learn_the_time_follow_one_another() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    accept(&ledger, [5]).await;
    // Eight hours, five minutes and an hour without a network.
    for (number, boot, seconds) in [(6, "second", 28_800), (7, "third", 300), (8, "fourth", 60), (9, "fourth", 3_600)] {
        ledger.accept(timeless_at(number, boot, seconds)).await.unwrap();
    }
    let expected = [1_005, 1_005 + 28_800, 1_005 + 29_100, 1_005 + 29_160, 1_005 + 32_700];
    assert_eq!(seconds(&ledger).await, expected);
    // The one that learns it is not held back by guesses.
    ledger.accept(timeless_at(10, "fifth", 1)).await.unwrap();
    ledger.learn_time(&now("fifth", 90_000_000_000, 5_000_000)).await.unwrap();
    assert_eq!(seconds(&ledger).await[..5], expected);
    assert_eq!(moments(&ledger).await[5], Moment::Known(at(89_996_000_000)));
}

#[tokio::test]
async fn a_guess_never_holds_back_what_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    accept(&ledger, [5]).await;
    ledger.accept(timeless_at(6, "second", 28_800)).await.unwrap();
    ledger.accept(timeless_at(7, "third", 1)).await.unwrap();
    // Either clock may be wrong; what is known later counts, and what is guessed lies before it.
    ledger.learn_time(&now("third", 2_005_000_000, 5_000_000)).await.unwrap();
    assert_eq!(seconds(&ledger).await, [1_005, 2_000, 2_001]);
}

#[tokio::test]
async fn presses_of_first_starts_without_a_time_are_as_far_apart_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    for (number, boot, seconds) in [(1, "first", 10), (2, "first", 3_610), (3, "second", 60), (4, "second", 100)] {
        ledger.accept(timeless_at(number, boot, seconds)).await.unwrap();
    }
    assert_eq!(moments(&ledger).await, [Moment::Unknown; 4]);
    ledger.accept(timeless_at(5, "third", 7)).await.unwrap();
    ledger.learn_time(&now("third", 50_000_000_000, 8_000_000)).await.unwrap();
    let start = 49_992;
    let expected = [start - 100 - 3_600, start - 100, start - 40, start, start + 7];
    assert_eq!(seconds(&ledger).await, expected);
    assert_eq!(moments(&ledger).await[3], Moment::Estimated(at(49_992_000_000)));
}

#[tokio::test]
async fn presses_after_a_clock_that_was_wrong_are_as_far_apart_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    ledger.accept(NewEvent { at: Some(at(3_786_912_000_000_000)), ..punch(1) }).await.unwrap();
    ledger.accept(timeless_at(2, "second", 10)).await.unwrap();
    ledger.accept(timeless_at(3, "second", 70)).await.unwrap();
    ledger.learn_time(&synchronised("third", 30_000_000_000, 4_000_000)).await.unwrap();
    assert_eq!(seconds(&ledger).await[1..], [29_936, 29_996]);
}

#[tokio::test]
async fn however_many_starts_never_learnt_the_time_each_event_is_looked_at_once_when_they_are_placed() {
    const STARTS: u64 = 100;
    const EVENTS: u64 = 2_000;
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let pressed = (0..EVENTS).map(|number| {
        let ledger = ledger.clone();
        tokio::spawn(async move {
            let boot = format!("start {}", number / (EVENTS / STARTS));
            ledger.accept(timeless(number + 1, &boot)).await.unwrap()
        })
    });
    for pressed in pressed.collect::<Vec<_>>() {
        pressed.await.unwrap();
    }
    // What SQLite has done for it, in steps of its own.
    let steps = async || {
        let steps = |store: &mut Store| {
            let last = store.connection.prepare_cached(boot::LAST)?;
            Ok::<_, StorageError>(last.get_status(StatementStatus::VmStep))
        };
        u64::try_from(ledger.write(steps).await.unwrap()).unwrap()
    };
    let before = steps().await;
    ledger.learn_time(&now("known", 50_000_000_000, 1_000_000)).await.unwrap();
    let steps = steps().await - before;
    assert!(matches!(moments(&ledger).await[0], Moment::Estimated(_)));
    assert!((STARTS..20 * (STARTS + EVENTS)).contains(&steps), "{steps}");
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
    ledger.see_time(at(2_000_000_000), 0).await.unwrap();
    ledger.see_time(at(1_500_000_000), 0).await.unwrap();
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
    assert_eq!(opened.known_time, None);
    ledger.accept(timeless(1, "first")).await.unwrap();
    ledger.close().await;
    let (ledger, opened) = reopen("first");
    assert_eq!(opened.known_time, None);
    ledger.learn_time(&now("first", 77_000_000, 5_000_000)).await.unwrap();
    ledger.close().await;
    let (ledger, opened) = reopen("first");
    assert_eq!(opened.known_time, Some(KnownTime { synchronised: None }));
    ledger.learn_time(&synchronised("first", 87_000_000, 6_000_000)).await.unwrap();
    // A server was wrong, and is right again.
    ledger.learn_time(&synchronised("first", 98_000_000, 7_000_000)).await.unwrap();
    ledger.close().await;
    for (boot, known) in [("first", Some(KnownTime { synchronised: Some(91_000_000) })), ("second", None)] {
        let (ledger, opened) = reopen(boot);
        assert_eq!(opened.known_time, known, "{boot}");
        ledger.close().await;
    }
}

#[tokio::test]
async fn what_a_believed_clock_said_is_put_right_when_the_kernel_is_synchronised() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let seconds = |seconds: i64| Moment::Known(at(seconds * 1_000_000));
    ledger.accept(timeless(1, "first")).await.unwrap();
    // Its chip is three hours ahead.
    let mut ahead = punch(2);
    ahead.at = Some(at(11_802_000_000));
    ledger.accept(ahead).await.unwrap();
    assert_eq!(moments(&ledger).await, [seconds(11_801), seconds(11_802)]);
    ledger.learn_time(&synchronised("first", 1_004_000_000, 4_000_000)).await.unwrap();
    // From now on each has its own, also one that was on its way.
    accept(&ledger, [5]).await;
    ledger.accept(timeless(3, "first")).await.unwrap();
    assert_eq!(moments(&ledger).await, [seconds(1_001), seconds(1_002), seconds(1_005), seconds(1_003)]);
    // A step that the kernel stands for changes nothing of what was.
    ledger.learn_time(&synchronised("first", 9_000_000_000, 6_000_000)).await.unwrap();
    assert_eq!(moments(&ledger).await, [seconds(1_001), seconds(1_002), seconds(1_005), seconds(1_003)]);
}

#[tokio::test]
async fn what_was_formatted_with_a_time_that_proves_wrong_is_said_until_it_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let sinks = [("behind", "punch"), ("other", "reading"), ("removed", "punch"), ("sheet", "punch")];
    let declare = |names: &[&str]| {
        let named = sinks.iter().filter(|(name, _)| names.contains(name));
        ledger.declare_sinks(named.map(|(name, kind)| (sink(name), declaration(&[kind]))).collect())
    };
    declare(&["behind", "other", "removed", "sheet"]).await.unwrap();
    // Right by less than a second, and then three hours slow.
    ledger.accept(NewEvent { at: Some(at(1_001_900_000)), ..punch(1) }).await.unwrap();
    for number in 2..=3 {
        ledger.accept(NewEvent { at: Some(at(1_000_000_000 - 10_800_000_000)), ..punch(number) }).await.unwrap();
    }
    for name in ["other", "removed", "sheet"] {
        format_all(&ledger, name).await;
    }
    declare(&["behind", "other", "sheet"]).await.unwrap();
    ledger.learn_time(&now("first", 1_004_000_000, 4_000_000)).await.unwrap();
    assert_eq!(ledger.clock_corrections().await.unwrap(), []);
    let known = synchronised("first", 1_004_000_000, 4_000_000);
    let expected = [ClockCorrection { sink: sink("sheet"), from: Sequence(2) }];
    for now in [&known, &known, &synchronised("first", 9_004_000_000, 5_000_000)] {
        ledger.learn_time(now).await.unwrap();
        assert_eq!(ledger.clock_corrections().await.unwrap(), expected);
    }
    ledger.close().await;
    let ledger = open(folder.path());
    let right = async |from| {
        ledger.note_corrected(&sink("sheet"), Sequence(from), BootTimes::default()).await.unwrap();
        ledger.clock_corrections().await.unwrap()
    };
    assert_eq!(right(3).await, expected, "not from the first that was wrong");
    assert_eq!(right(2).await, []);
}

#[tokio::test]
async fn what_was_corrected_with_times_that_are_known_better_by_now_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["sheet"]).await;
    for number in 1..=2 {
        ledger.accept(NewEvent { at: Some(at(1_000_000_000 - 10_800_000_000)), ..punch(number) }).await.unwrap();
    }
    format_all(&ledger, "sheet").await;
    let stretch = Stretch {
        kinds: vec!["punch".to_owned()],
        after: Sequence(0),
        through: Sequence(2),
        most: 9,
        rows_from: Sequence(1),
    };
    let wrong = ledger.replay_page(&sink("sheet"), stretch.clone()).await.unwrap().boots;
    ledger.learn_time(&synchronised("first", 1_004_000_000, 4_000_000)).await.unwrap();
    let correct = async |boots: &BootTimes| {
        let made = CorrectionCommit {
            at: Sequence(2),
            boots: boots.clone(),
            state: Vec::new(),
            states: Vec::new(),
            plugin_sha256: [1; 32],
            settings: "{}".to_owned(),
            standing: None,
            columns: columns(1),
            rows: Vec::new(),
            set_aside: Vec::new(),
        };
        let kept = ledger.correct(&sink("sheet"), made).await;
        ledger.note_corrected(&sink("sheet"), Sequence(1), boots.clone()).await.unwrap();
        (kept, ledger.clock_corrections().await.unwrap().len())
    };
    let (kept, said) = correct(&wrong).await;
    assert!(matches!(kept, Err(CommitError::TimesLearnt)), "{kept:?}");
    assert_eq!(said, 1, "it is still wrong");
    let mut both = wrong.clone();
    let right = ledger.replay_page(&sink("sheet"), stretch).await.unwrap().boots;
    both.extend(right.clone());
    assert_eq!(both, wrong, "a page that was read before counts");
    let (kept, said) = correct(&right).await;
    kept.unwrap();
    assert_eq!(said, 0);
}

#[tokio::test]
async fn of_what_was_wrong_the_oldest_that_is_left_is_said_and_can_be_put_right() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["sheet"]).await;
    for number in 1..=3 {
        ledger.accept(NewEvent { at: Some(at(1_000_000_000 - 10_800_000_000)), ..punch(number) }).await.unwrap();
    }
    format_all(&ledger, "sheet").await;
    ledger.learn_time(&synchronised("first", 1_004_000_000, 4_000_000)).await.unwrap();
    let open = open_batch(&ledger, "sheet", 1, 1).await.unwrap();
    ledger.complete_batch(&sink("sheet"), &open.batch.id, Vec::new(), arrived(), None).await.unwrap();
    let nothing = Keep { keep_for: Duration::MAX, bytes: 0 };
    assert_eq!(ledger.prune(nothing, at(1_010_000_000)).await.unwrap().events, 1);
    assert_eq!(ledger.clock_corrections().await.unwrap(), [ClockCorrection { sink: sink("sheet"), from: Sequence(2) }]);
    ledger.note_corrected(&sink("sheet"), Sequence(2), BootTimes::default()).await.unwrap();
    assert_eq!(ledger.clock_corrections().await.unwrap(), []);
}

#[tokio::test]
async fn what_was_made_with_a_time_that_proved_wrong_meanwhile_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    declare(&ledger, &["sheet"]).await;
    ledger.accept(NewEvent { at: Some(at(1_000_000_000 - 10_800_000_000)), ..punch(2) }).await.unwrap();
    let wrong = ledger.read_unformatted(&sink("sheet"), 10).await.unwrap();
    ledger.learn_time(&synchronised("first", 1_004_000_000, 4_000_000)).await.unwrap();
    let kept = ledger.commit_formatted(&sink("sheet"), one_row_each(&wrong)).await;
    assert!(matches!(kept, Err(CommitError::TimesLearnt)), "{kept:?}");
    assert_eq!(ledger.clock_corrections().await.unwrap(), [], "it was not made of a wrong time");
    let right = ledger.read_unformatted(&sink("sheet"), 10).await.unwrap();
    assert_eq!(right.events[0].at, at(1_002_000_000));
    ledger.commit_formatted(&sink("sheet"), one_row_each(&right)).await.unwrap();
    // Once more, what is known already changes nothing.
    accept(&ledger, [5]).await;
    let read = ledger.read_unformatted(&sink("sheet"), 10).await.unwrap();
    ledger.learn_time(&synchronised("first", 1_006_000_000, 6_000_000)).await.unwrap();
    ledger.commit_formatted(&sink("sheet"), one_row_each(&read)).await.unwrap();
}

#[tokio::test]
async fn a_clock_that_was_wrong_once_is_not_the_last_time_seen_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    let of_2090 = at(3_786_912_000_000_000);
    let wrong = NewEvent { at: Some(of_2090), ..punch(1) };
    ledger.accept(wrong).await.unwrap();
    ledger.close().await;

    // Nothing says yet that it was wrong.
    let (ledger, opened) = Ledger::open(folder.path(), setup("second")).unwrap();
    assert_eq!(opened.last_time_seen, Some(of_2090));
    ledger.accept(timeless(2, "second")).await.unwrap();
    ledger.learn_time(&now("second", 20_000_000_000, 3_000_000)).await.unwrap();
    assert_eq!(moments(&ledger).await[1], Moment::Known(of_2090));
    ledger.close().await;

    let (ledger, _) = Ledger::open(folder.path(), setup("third")).unwrap();
    ledger.accept(timeless(3, "third")).await.unwrap();
    ledger.learn_time(&synchronised("third", 30_000_000_000, 4_000_000)).await.unwrap();
    assert_eq!(ledger.last_time_seen().await.unwrap(), Some(at(30_000_000_000)));
    let expected = [at(19_999_000_000), at(29_999_000_000)].map(Moment::Known);
    assert_eq!(moments(&ledger).await[1..], expected);
    ledger.close().await;

    let (ledger, opened) = Ledger::open(folder.path(), setup("fourth")).unwrap();
    assert_eq!(opened.last_time_seen, Some(at(30_000_000_000)));
    ledger.accept(timeless(4, "fourth")).await.unwrap();
    assert_eq!(moments(&ledger).await[3], Moment::Estimated(at(30_004_000_000)));
    // Neither do later events bring it back.
    ledger.accept(NewEvent { at: Some(at(31_000_000_000)), ..timeless(5, "fourth") }).await.unwrap();
    assert_eq!(ledger.last_time_seen().await.unwrap(), Some(at(31_000_000_000)));
}

#[tokio::test]
async fn a_clock_that_leaps_ahead_prunes_nothing_until_it_was_followed_for_a_day() {
    const DAY: i64 = 24 * 3_600_000_000;
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path());
    accept(&ledger, 1..=3).await;
    let start = 1_003_000_000;
    ledger.learn_time(&synchronised("first", start, 3_000_000)).await.unwrap();
    let month = Keep { keep_for: Duration::from_secs(30 * 24 * 3_600), bytes: u64::MAX };
    let leapt = at(start + 400 * DAY);
    assert_eq!(ledger.prune(month, leapt).await.unwrap().events, 0);
    ledger.learn_time(&synchronised("first", leapt.unix_micros, 4_000_000)).await.unwrap();
    for _ in 0..24 {
        ledger.see_time(leapt, 3_600_000).await.unwrap();
    }
    assert_eq!(ledger.prune(month, leapt).await.unwrap().events, 0);
    ledger.close().await;
    let (ledger, _) = Ledger::open(folder.path(), setup("first")).unwrap();
    ledger.see_time(leapt, 3_600_000).await.unwrap();
    assert_eq!(ledger.prune(month, leapt).await.unwrap().events, 3);
}
