//! A backup that was made while the device ran, and what becomes of its rows when a device goes on with it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use google_sim::{Effect, Fault};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::bench::Bench;

const FILE: &str = "backup.sqlite";

/// A device that has delivered a row when it is backed up, with two that wait; and that has delivered those, and a later one,
/// since.
async fn delivered_since(backup: &[&str]) -> Bench {
    let mut bench = Bench::signed_in().await;
    bench.press("one").await;
    bench.settle().await;
    bench.printed(&["sinks", "pause", "timesheet"]).await;
    bench.press("two").await;
    bench.press("three").await;
    bench.until("their rows wait", |report| report["sinks"][0]["rows-waiting"] == 2).await;
    bench.printed(&[&["backup", FILE], backup].concat()).await;
    bench.printed(&["sinks", "resume", "timesheet"]).await;
    bench.settle().await;
    bench.press("one").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "two", "three", "one"]);
    bench
}

/// Has it go on with the backup, in which the sink is paused.
async fn restore(bench: &mut Bench, arguments: &[&str]) -> Value {
    let said = bench.printed(&[&["restore", FILE, "--yes"], arguments].concat()).await;
    if said.contains("`punchcard run`") {
        bench.stop().await;
    }
    bench.start().await;
    bench.restored(3);
    bench.until("it goes on with the backup", |report| report["sinks"][0]["notice"].is_object()).await
}

fn notice(report: &Value) -> &Value {
    &report["sinks"][0]["notice"]["headline"]
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_arrived_since_the_backup_do_not_come_twice() {
    let mut bench = delivered_since(&[]).await;
    let path = bench.folder().join(FILE);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let refused = bench.command(&["backup", FILE]).await;
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("--force"));
    let asks = bench.command(&["restore", FILE]).await;
    let said = String::from_utf8_lossy(&asks.stderr).into_owned();
    assert!(!asks.status.success() && said.contains("2 of `timesheet`") && said.contains("3 events"), "{said}");
    assert_eq!(bench.printed(&["restore", FILE, "--configuration"]).await, bench.configuration_text());

    let report = restore(&mut bench, &[]).await;
    assert_eq!((notice(&report), &report["events"]), (&Value::from("compares first"), &Value::from(3)));
    bench.press("two").await;
    bench.printed(&["sinks", "resume", "timesheet"]).await;
    let report = bench.until("it has compared", |report| report["sinks"][0]["notice"].is_null()).await;
    assert_eq!(report["grants"][0]["status"], "authorized", "the tokens stayed: {report}");
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "two", "three", "one", "two"]);
    let found: Value = serde_json::from_str(&bench.printed(&["reconcile", "timesheet", "--json"]).await).unwrap();
    assert_eq!((&found["there"], &found["doubled"]), (&Value::from(4), &Value::from(0)), "{found}");
    // That press is a row, and no event of this ledger.
    assert_eq!(found["foreign"], 1, "{found}");

    // Back to what was there before: all of its rows are there.
    bench.printed(&["restore", "--undo", "--yes"]).await;
    bench.stop().await;
    bench.start().await;
    bench.until("its own history is back", |report| report["events"] == 4).await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "two", "three", "one", "two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_comparing_they_do() {
    let mut bench = delivered_since(&[]).await;
    restore(&mut bench, &[]).await;
    bench.printed(&["sinks", "deliver-uncompared", "timesheet", "--yes"]).await;
    bench.printed(&["sinks", "resume", "timesheet"]).await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "two", "three", "one", "two", "three"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_card_goes_on_with_the_tokens_of_the_backup() {
    let mut bench = delivered_since(&["--with-secrets"]).await;
    bench.stop().await;
    bench.replace_card();
    let report = restore(&mut bench, &[]).await;
    assert_eq!(report["events"], 3);
    bench.printed(&["sinks", "resume", "timesheet"]).await;
    bench.until("it is let in", |report| report["grants"][0]["status"] == "authorized").await;
    bench.until("it has compared", |report| report["sinks"][0]["notice"].is_null()).await;
    bench.settle().await;
    bench.press("three").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "two", "three", "one", "three"]);
    assert_eq!(bench.spreadsheets().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_can_not_compare_waits_for_a_person() {
    let mut bench = delivered_since(&[]).await;
    bench.reconfigure("tab = \"Punches\"", "tab = \"Punches\"\nevent-ids = false");
    restore(&mut bench, &[]).await;
    bench.printed(&["sinks", "resume", "timesheet"]).await;
    let report = bench.until("it waits", |report| report["sinks"][0]["delivery"]["status"] == "held").await;
    let problem = &report["sinks"][0]["delivery"]["problem"];
    assert_eq!(problem["headline"], "rows may come twice");
    assert!(problem["advice"].as_str().unwrap().contains("deliver-uncompared timesheet"), "{problem}");
    assert_eq!(bench.delivered().len(), 4);
    bench.printed(&["sinks", "deliver-uncompared", "timesheet", "--yes"]).await;
    bench.settle().await;
    assert_eq!(bench.delivered().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_on_their_way_when_the_device_ended_are_waited_for() {
    let mut bench = delivered_since(&[]).await;
    bench.sim.arm(Fault::on("*:batchUpdate", Effect::Silence { applied: true }));
    bench.press("three").await;
    let arrived = async {
        while bench.delivered().len() < 5 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(60), arrived).await.expect("its row arrives, and no answer comes");
    bench.kill().await;
    restore(&mut bench, &[]).await;
    bench.printed(&["sinks", "resume", "timesheet"]).await;
    let waits = |report: &Value| report["sinks"][0]["delivery"]["problem"]["headline"] == "rows may still arrive";
    bench.until("it waits for what may still arrive", waits).await;
    assert_eq!(bench.delivered().len(), 5);
}
