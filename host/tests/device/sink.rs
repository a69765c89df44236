//! Sinks that come, go and change their names.

use std::fs;
use std::time::Duration;

use bare_component::component;
use google_sim::{Effect, Fault};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_sink_delivers_nothing_over_restarts_until_it_is_resumed() {
    let mut bench = Bench::signed_in().await;
    bench.press("one").await;
    bench.settle().await;

    // Paused while a request is under way, which is finished.
    bench.sim.arm(Fault::on("*:batchUpdate", Effect::Slow { millis: 2_000 }));
    let before = bench.sim.count("sheets.spreadsheets.batchUpdate");
    bench.press("two").await;
    while bench.sim.count("sheets.spreadsheets.batchUpdate") == before {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    bench.printed(&["sinks", "pause", "timesheet"]).await;
    let paused = |report: &serde_json::Value| report["sinks"][0]["delivery"]["status"] == "paused";
    bench.until("it is paused", paused).await;

    bench.press("three").await;
    let formatted = |report: &serde_json::Value| report["sinks"][0]["rows-waiting"] == 1;
    bench.until("formatting goes on", formatted).await;
    bench.kill().await;
    let asked =
        |bench: &Bench| ["batchUpdate", "get"].map(|one| bench.sim.count(&format!("sheets.spreadsheets.{one}")));
    let before = asked(&bench);
    bench.start().await;
    let report = bench.until("it is still paused", |report| paused(report) && formatted(report)).await;
    assert_eq!(report["sinks"][0]["rows-delivered"], 2, "the request under way was finished");
    for repair in [&["retry"][..], &["create-anew", "--yes"]] {
        let refused = bench.command(&[&["sinks"], repair, &["timesheet"]].concat()).await;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(6), "{said}");
        assert!(said.contains("sinks resume timesheet"), "{said}");
    }
    let said = bench.printed(&["status"]).await;
    assert!(said.contains("paused; `punchcard sinks resume timesheet`"), "{said}");
    assert!(bench.printed(&["sinks"]).await.contains("paused"));
    assert_eq!(asked(&bench), before, "nothing left");

    bench.printed(&["sinks", "resume", "timesheet"]).await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "two", "three"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_waits_for_a_sign_in_does_not_leave_after_a_pause() {
    let mut bench = Bench::new().await;
    bench.start().await;
    bench.press("one").await;
    bench.until("its row waits", |report| report["sinks"][0]["delivery"]["status"] == "awaiting-grant").await;
    bench.printed(&["sinks", "pause", "timesheet"]).await;
    bench.until("it is paused", |report| report["sinks"][0]["delivery"]["status"] == "paused").await;
    bench.sign_in().await;
    assert!(bench.spreadsheets().is_empty());
    bench.printed(&["sinks", "resume", "timesheet"]).await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_with_which_nothing_is_wrong_gets_another_destination_only_when_it_is_meant() {
    let mut bench = Bench::signed_in().await;
    bench.press("one").await;
    bench.settle().await;
    // Nobody answers the question.
    let output = bench.command(&["sinks", "create-anew", "timesheet"]).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("say --yes if it is meant"), "{output:?}");
    bench.press("two").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "two"]);

    let report = bench.until("it is idle", |report| report["sinks"][0]["delivery"]["status"] == "idle").await;
    assert!(report["sinks"][0]["link"].is_string());
    let nothing = bench.printed(&["sinks", "retry", "timesheet"]).await;
    assert_eq!(nothing, "Nothing was to do: no problem holds up sink `timesheet`.\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_plugin_holds_back_no_other_sink() {
    let mut bench = Bench::new().await;
    let slow = component("formatter", "(loop (br 0)) unreachable").unwrap();
    fs::write(bench.folder().join("slow.wasm"), slow).unwrap();
    bench.reconfigure("[plugins]\n", "[plugins]\nslow = { path = \"slow.wasm\", call-ms = 30000 }\n");
    let text = fs::read_to_string(bench.folder().join("plugins.toml")).unwrap();
    let sink = text[text.find("[sinks.timesheet]").unwrap()..].to_owned();
    let format_line = sink.lines().find(|line| line.starts_with("format")).unwrap();
    let another = sink.replace("sinks.timesheet", "sinks.waits").replace(format_line, "format = { plugin = \"slow\" }");
    bench.configure(&format!("{text}\n{another}"));
    bench.start().await;
    bench.sign_in().await;
    bench.press("one").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one"]);
    let ready = bench.log().lines().any(|line| line.contains("ready device="));
    assert!(!ready, "the slow one is still being put together");
    bench.kill().await;
}
