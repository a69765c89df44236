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
async fn what_was_set_aside_is_listed_tried_again_and_dropped_as_a_person_wants_it() {
    let mut bench = Bench::signed_in().await;
    let nothing = bench.command(&["rejects", "retry", "timesheet"]).await;
    assert_eq!(nothing.status.code(), Some(6), "there is nothing yet");
    assert!(bench.printed(&["rejects"]).await.contains("Nothing is set aside"));
    bench.press("reject").await;
    bench.press("one").await;
    bench.until("it is set aside", |report| report["sinks"][0]["set-aside"] == 1).await;
    bench.settle().await;
    let line = bench.printed(&["rejects", "--json"]).await;
    let listed: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&listed["sequence"], &listed["row"], &listed["kind"]),
        (&1.into(), &serde_json::Value::Null, &"punch".into())
    );
    assert_eq!((&listed["by"], &listed["reason"]), (&"formatter-refused".into(), &"it was told to".into()));

    bench.printed(&["rejects", "retry", "timesheet"]).await;
    let again = |report: &serde_json::Value| report["events"] == 3 && report["sinks"][0]["set-aside"] == 1;
    bench.until("the formatter has refused it once more", again).await;
    let events = bench.printed(&["events", "--json"]).await;
    let first: serde_json::Value = serde_json::from_str(events.lines().next().unwrap()).unwrap();
    let status = &first["statuses"][0];
    assert_eq!((&status["stage"], &status["again"]), (&"set-aside".into(), &1.into()), "told at the event: {events}");
    assert_eq!(events.lines().count(), 2, "nothing happened twice: {events}");

    let unknown = bench.command(&["rejects", "drop", "timesheet", "2", "--reason", "a mistake"]).await;
    assert_eq!(unknown.status.code(), Some(6), "event 2 was delivered");
    bench.printed(&["rejects", "drop", "timesheet", "1", "--reason", "a mistake"]).await;
    let report = bench.until("it is dropped", |report| report["sinks"][0]["dropped"] == 1).await;
    assert_eq!(report["sinks"][0]["set-aside"], 0);
    assert!(bench.printed(&["rejects"]).await.contains("Nothing is set aside"));
    let all = bench.printed(&["rejects", "--all"]).await;
    assert!(all.contains("dropped") && all.contains("a mistake") && all.contains("it was told to"), "{all}");
    assert!(bench.printed(&["events"]).await.contains("dropped: a mistake"));
    assert_eq!(bench.command(&["rejects", "retry", "timesheet"]).await.status.code(), Some(6), "not what was dropped");

    bench.printed(&["rejects", "retry", "timesheet", "1"]).await;
    let undone = |report: &serde_json::Value| report["events"] == 4 && report["sinks"][0]["set-aside"] == 1;
    let report = bench.until("what was dropped is tried again", undone).await;
    assert_eq!(report["sinks"][0]["dropped"], 0);
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one"]);
}
