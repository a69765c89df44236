//! Plugins that do not work: their calls fail with the reason, their events stay, the rest runs.

use std::fs;

use crate::bench::{Bench, guest};

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_a_formatter_can_not_take_is_tried_three_times_and_set_aside() {
    let mut bench = Bench::signed_in().await;
    let deeds = ["one", "trap", "loop", "hoard", "nan", "state", "reject", "two"];
    for deed in deeds {
        bench.press(deed).await;
    }
    bench.until("it fails visibly", |report| report["sinks"][0]["formatting"]["status"] == "failing").await;
    let report = bench.until("all are set aside", |report| report["sinks"][0]["set-aside"] == 6).await;
    assert_eq!(report["events"], deeds.len());
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "two"]);
    let events = bench.printed(&["events", "--json"]).await;
    for reason in ["trap", "longer than 1000 ms", "memory", "number", "1048576", "it was told to"] {
        assert!(events.to_lowercase().contains(&reason.to_lowercase()), "{reason}:\n{events}");
    }
    let log = bench.log();
    let attempts = log.lines().filter(|line| line.contains("formatting failed")).count();
    assert!(attempts >= 15, "five deeds, three attempts each: {attempts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_count_of_attempts_outlives_a_power_cut() {
    let mut bench = Bench::signed_in().await;
    bench.press("trap").await;
    bench.until("it fails", |report| report["sinks"][0]["formatting"]["status"] == "failing").await;
    for _ in 0..3 {
        bench.kill().await;
        bench.start().await;
        bench
            .until("it has failed once more", |report| {
                let sink = &report["sinks"][0];
                sink["formatting"]["status"] == "failing" || sink["set-aside"] == 1
            })
            .await;
    }
    bench.until("it is set aside", |report| report["sinks"][0]["set-aside"] == 1).await;
    bench.press("one").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_is_none_is_off_and_its_events_wait_for_one_that_works() {
    let mut bench = Bench::signed_in().await;
    bench.stop().await;
    let good = fs::read(guest("for-tests/saboteur")).unwrap();
    let file = bench.folder.path().join("formatter.wasm");
    bench.reconfigure(
        &format!("saboteur = {:?}", guest("for-tests/saboteur").to_str().unwrap()),
        r#"saboteur = "formatter.wasm""#,
    );
    for bad in [&b"not wasm"[..], &good[..good.len() / 2], &[]] {
        fs::write(&file, bad).unwrap();
        bench.start().await;
        let report = bench.until("the plugin is off", |report| report["plugins"][2]["error"].is_string()).await;
        assert_eq!(report["plugins"][2]["name"], "saboteur");
        assert_eq!(report["sinks"][0]["formatting"]["status"], "off");
        assert_eq!(report["grants"][0]["status"].as_str().map(|status| status != "off"), Some(true));
        bench.press("one").await;
        bench.stop().await;
    }
    fs::write(&file, &good).unwrap();
    bench.start().await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "one", "one"]);
}
