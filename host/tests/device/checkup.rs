//! `doctor` and `support-bundle` beside a device that runs.

use crate::bench::Bench;

/// The verdict and what was seen, of a check.
fn finding(report: &serde_json::Value, check: &str) -> (String, String) {
    let findings = report["findings"].as_array().unwrap();
    let found =
        findings.iter().find(|finding| finding["check"] == check).unwrap_or_else(|| panic!("{check}: {report:#}"));
    let text = |key: &str| found[key].as_str().unwrap().to_owned();
    (text("verdict"), text("seen"))
}

async fn doctor(bench: &Bench) -> (serde_json::Value, String) {
    let output = bench.command(&["doctor", "--json"]).await;
    let said = String::from_utf8(output.stdout).unwrap();
    (serde_json::from_str(&said).unwrap(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_asks_the_running_device_how_its_account_and_its_sheet_are() {
    let mut bench = Bench::new().await;
    bench.start().await;
    let code = bench.user_code().await;
    let (report, said) = doctor(&bench).await;
    assert_eq!(finding(&report, "device").0, "good");
    assert_eq!(finding(&report, "account google").0, "bad");
    // Whoever enters it signs the device in to an account of theirs.
    assert!(!said.contains(&code), "{said}");

    bench.sign_in().await;
    bench.press("one").await;
    bench.settle().await;
    let (report, said) = doctor(&bench).await;
    assert_eq!(finding(&report, "account google"), ("good".to_owned(), "signed in".to_owned()));
    let (verdict, seen) = finding(&report, "sink timesheet");
    assert!(verdict == "good" && seen.starts_with("rows delivered: 1, waiting: 0"), "{report:#}");
    assert_eq!(finding(&report, &format!("server {}", bench.sim.base_url().trim_end_matches('/'))).0, "good");
    assert_eq!(finding(&report, "modes").0, "good");
    for slot in ["access-token", "refresh-token"] {
        let token = bench.tokens()["slots"][slot]["secret"].as_str().unwrap().to_owned();
        assert!(!said.contains(&token), "{slot}");
    }
    // It was only looked at.
    bench.press("two").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_of_a_running_device_has_neither_its_tokens_nor_its_code_nor_its_link() {
    let mut bench = Bench::new().await;
    bench.start().await;
    let code = bench.user_code().await;
    bench.printed(&["support-bundle", "waits.txt"]).await;
    let waits = std::fs::read_to_string(bench.folder().join("waits.txt")).unwrap();
    assert!(waits.contains("awaiting-person") && !waits.contains(&code), "{waits}");

    bench.sign_in().await;
    let report = bench.until("the sheet is linked", |report| report["sinks"][0]["link"].is_string()).await;
    let link = report["sinks"][0]["link"].as_str().unwrap();
    std::fs::write(bench.state().join("punchcard.log"), format!("{}\n{link}\n", bench.log())).unwrap();
    bench.printed(&["support-bundle", "signed-in.txt"]).await;
    let bundle = std::fs::read_to_string(bench.folder().join("signed-in.txt")).unwrap();
    assert!(bundle.contains("authorized") && !bundle.contains(link), "{bundle}");
    for slot in ["access-token", "refresh-token"] {
        let token = bench.tokens()["slots"][slot]["secret"].as_str().unwrap().to_owned();
        assert!(!bundle.contains(&token), "{slot}: {bundle}");
    }
}
