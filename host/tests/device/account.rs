//! Whose account a grant is, and what a sign-in with another one is allowed to do: nothing, before a person accepts it.

use google_sim::Decision;
use serde_json::Value;

use crate::bench::{Bench, configuration};

const OTHER: &str = "colleague@example.com";

async fn device() -> Bench {
    let bench = Bench::new().await;
    let text = configuration(&bench.sim.base_url());
    let asked = text.replace("scopes = [", "scopes = [\"openid\", \"email\", ");
    assert_ne!(asked, text);
    bench.configure(&asked);
    bench
}

fn account(report: &Value) -> &Value {
    &report["grants"][0]["account"]
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_makes_no_second_sheet_before_a_person_accepts_it() {
    let mut bench = device().await;
    bench.start().await;
    bench.sign_in().await;
    bench.press("one").await;
    bench.settle().await;
    let report = bench.status().await;
    let mine = account(&report).as_str().unwrap().to_owned();
    assert!(bench.printed(&["status"]).await.contains(&format!("signed in as {mine}")));
    let files = bench.sim.count("drive.files.create");

    // The wrong browser: somebody else enters the code.
    bench.printed(&["sign-out", "google"]).await;
    bench.until("it is signed out", |report| report["grants"][0]["status"] == "signed-out").await;
    bench.printed(&["sign-in", "google", "--no-wait"]).await;
    let code = bench.user_code().await;
    bench.sim.consent_as(OTHER, &code, Decision::Allow).unwrap();
    let report = bench.until("it asks", |report| report["grants"][0]["status"] == "blocked").await;
    assert_eq!(account(&report), OTHER);
    assert_eq!(report["grants"][0]["account-before"], mine.as_str());
    assert!(report.to_string().contains("`punchcard grants accept google`"), "{report:#}");
    bench.press("two").await;
    // It is still so after a restart.
    bench.stop().await;
    bench.start().await;
    bench.until("it asks", |report| report["grants"][0]["status"] == "blocked").await;
    assert_eq!(bench.sim.count("drive.files.create"), files);
    assert_eq!(bench.delivered(), ["one"]);

    // The right person signs in: everything goes on where it was.
    bench.printed(&["sign-out", "google"]).await;
    bench.until("it is signed out", |report| report["grants"][0]["status"] == "signed-out").await;
    bench.printed(&["sign-in", "google", "--no-wait"]).await;
    bench.sign_in().await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "two"]);
    assert!(bench.printed(&["grants", "accept", "google"]).await.contains("nothing was done"));

    // Or the other account is meant.
    bench.printed(&["sign-out", "google"]).await;
    bench.until("it is signed out", |report| report["grants"][0]["status"] == "signed-out").await;
    bench.printed(&["sign-in", "google", "--no-wait"]).await;
    let code = bench.user_code().await;
    bench.sim.consent_as(OTHER, &code, Decision::Allow).unwrap();
    bench.until("it asks", |report| report["grants"][0]["status"] == "blocked").await;
    let refused = bench.command_with_input(&["grants", "accept", "google"], "n\n").await;
    assert!(!refused.status.success());
    bench.printed(&["grants", "accept", "google", "--yes"]).await;
    bench.until("it is signed in", |report| report["grants"][0]["status"] == "authorized").await;
    let tokens = bench.tokens().to_string();
    assert!(tokens.contains(OTHER) && !tokens.contains(&mine) && !tokens.contains("id-token"), "{tokens}");
}
