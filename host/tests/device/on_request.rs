//! A grant that nobody is asked to sign in to before a person wants it: its sink records, and delivers once somebody has.

use std::time::Duration;

use google_sim::{Action, Decision};
use serde_json::Value;
use tokio::time::sleep;

use crate::bench::{Bench, configuration};

async fn device() -> Bench {
    let bench = Bench::new().await;
    let ask = "[inputs.ask]\ndriver = \"keyboard\"\nkey = \"s\"\nsign-in = \"google\"\ndebounce-ms = 20\n\n[plugins]";
    let text = configuration(&bench.sim.base_url())
        .replace("plugin = \"device-flow\"", "plugin = \"device-flow\"\nsign-in = \"on-request\"")
        .replace("[plugins]", ask);
    bench.configure(&text);
    bench
}

fn is_signed_out(report: &Value) -> bool {
    report["grants"][0]["status"] == "signed-out"
}

#[tokio::test(flavor = "multi_thread")]
async fn presses_are_recorded_until_a_person_wants_to_sign_in_and_delivered_then() {
    let mut bench = device().await;
    bench.start().await;
    bench.press("one").await;
    let report = bench.until("it is signed out", is_signed_out).await;
    assert_eq!((&report["grants"][0]["on-request"], &report["problems"]), (&Value::Bool(true), &serde_json::json!([])));
    let said = bench.printed(&["status"]).await;
    assert!(said.contains("signed out") && said.contains("`punchcard sign-in google` signs in"), "{said}");
    let panel = bench.printed(&["panel"]).await;
    assert_eq!(bench.sim.count("oauth.deviceCode"), 0, "nobody was asked");

    // A key of the device is as good as the command.
    bench.press_key("s").await;
    let code = bench.user_code().await;
    let report = bench.status().await;
    assert!(report["grants"][0]["purpose"].as_str().is_some_and(|purpose| purpose.contains("Drive")), "{report:#}");
    // At first the panel may show the press still; the code stays.
    while bench.printed(&["panel"]).await == panel {
        sleep(Duration::from_millis(50)).await;
    }
    bench.sim.consent(&code, Decision::Allow).unwrap();
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one"]);

    // The next start is silent, and signed in.
    bench.stop().await;
    bench.start().await;
    bench.press("two").await;
    bench.settle().await;
    assert_eq!(bench.sim.count("oauth.deviceCode"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_ends_asks_nobody_and_stays_out_over_a_restart() {
    let mut bench = device().await;
    bench.start().await;
    bench.until("it is signed out", is_signed_out).await;
    bench.printed(&["sign-in", "google", "--no-wait"]).await;
    bench.sign_in().await;
    bench.press("one").await;
    bench.settle().await;
    bench.sim.act(Action::RevokeRefreshTokens);
    bench.sim.act(Action::ExpireAccessTokens);
    bench.press("two").await;
    bench.until("it is signed out", is_signed_out).await;
    bench.stop().await;
    let asked = bench.sim.count("oauth.deviceCode");
    bench.start().await;
    bench.press("three").await;
    bench.until("it is signed out", is_signed_out).await;
    assert_eq!(bench.sim.count("oauth.deviceCode"), asked, "nobody was asked");
    bench.printed(&["sign-in", "google", "--no-wait"]).await;
    bench.sign_in().await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "two", "three"]);
}
