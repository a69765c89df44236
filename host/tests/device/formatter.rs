//! Formatters that work for no event: the backlog stays.

use crate::bench::Bench;

#[tokio::test(flavor = "multi_thread")]
async fn a_formatter_that_works_for_no_event_sets_none_aside() {
    let mut bench = Bench::signed_in().await;
    // At once: the first of them is not to be alone for as long as it is tried.
    for _ in 0..3 {
        bench.press_only("trap").await;
    }
    let held = |report: &serde_json::Value| {
        let reason = &report["sinks"][0]["formatting"]["reason"];
        reason.as_str().is_some_and(|reason| reason.contains("no event is set aside"))
    };
    let report = bench.until("it is held", held).await;
    assert_eq!((&report["sinks"][0]["set-aside"], &report["sinks"][0]["events-waiting"]), (&0.into(), &3.into()));

    // That it works for another shows whose fault it is.
    bench.press_only("one").await;
    bench.until("it is recorded", |report| report["events"] == 4).await;
    bench.stop().await;
    bench.start().await;
    bench.until("the others are set aside", |report| report["sinks"][0]["set-aside"] == 3).await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_set_aside_is_formatted_again_when_a_person_wants_it() {
    let mut bench = Bench::signed_in().await;
    let nothing = bench.command(&["sinks", "retry-set-aside", "timesheet"]).await;
    assert_eq!(nothing.status.code(), Some(6), "there is nothing yet");
    bench.press("reject").await;
    bench.press("one").await;
    bench.until("it is set aside", |report| report["sinks"][0]["set-aside"] == 1).await;
    bench.settle().await;

    bench.printed(&["sinks", "retry-set-aside", "timesheet"]).await;
    let again = |report: &serde_json::Value| report["events"] == 3 && report["sinks"][0]["set-aside"] == 1;
    bench.until("the formatter has refused it once more", again).await;
    let events = bench.printed(&["events", "--json"]).await;
    assert!(events.contains("it was put back as event 3"), "{events}");
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one"]);
}
