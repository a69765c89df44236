//! Sinks that come, go and change their names.

use crate::bench::Bench;

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_under_another_name_does_not_deliver_what_was_delivered() {
    let mut bench = Bench::signed_in().await;
    bench.press("one").await;
    bench.settle().await;
    bench.stop().await;
    bench.reconfigure("sinks.timesheet", "sinks.hours");
    bench.start().await;
    bench.press("two").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "two"]);
    assert!(bench.log().contains("the sink is new"), "{}", bench.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_sink_that_is_no_longer_named_are_not_forgotten() {
    let mut bench = Bench::new().await;
    bench.start().await;
    bench.press("one").await;
    bench.until("its row waits for a sign-in", |report| report["sinks"][0]["rows-waiting"] == 1).await;
    bench.stop().await;
    bench.reconfigure("sinks.timesheet", "sinks.hours");
    bench.start().await;
    let report = bench.until("both are listed", |report| report["sinks"][1].is_object()).await;
    assert_eq!((&report["sinks"][0]["name"], &report["sinks"][1]["name"]), (&"hours".into(), &"timesheet".into()));
    assert_eq!(report["sinks"][1]["rows-waiting"], 1);
    let reason = report["sinks"][1]["delivery"]["reason"].as_str().unwrap();
    assert!(reason.contains("no longer names it"), "{reason}");

    bench.stop().await;
    bench.reconfigure("sinks.hours", "sinks.timesheet");
    bench.start().await;
    bench.sign_in().await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one"]);
}
