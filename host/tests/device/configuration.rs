//! Configurations with errors: `check` says all of them, `run` goes on with what was valid.

use std::fs;

use crate::bench::{Bench, configuration, guest};

#[tokio::test(flavor = "multi_thread")]
async fn check_says_every_error_at_once_with_line_and_column() {
    let bench = Bench::new().await;
    assert!(bench.command(&["check"]).await.status.success());
    bench.reconfigure("trust-clock = true", "trust-clok = true");
    bench.reconfigure(r#"key = "2""#, r#"key = "1""#);
    bench.reconfigure(r#"size = "128x32""#, r#"size = "128x23""#);
    bench.reconfigure(r#"authorize = { grant = "google" }"#, r#"authorize = { grant = "gogle" }"#);
    let output = bench.command(&["check"]).await;
    assert_eq!(output.status.code(), Some(3));
    let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    for expected in ["trust-clok", "trust-clock", "plugins.toml:4:1", "128x32", "key-1", "gogle", "google"] {
        assert!(text.contains(expected), "{expected}:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_what_a_plugin_refuses_and_which_file_is_missing() {
    let bench = Bench::new().await;
    bench.reconfigure(r#"tab = "Punches""#, r#"tap = "Punches""#);
    bench.reconfigure("device-flow.wasm", "device-flaw.wasm");
    let output = bench.command(&["check"]).await;
    assert_eq!(output.status.code(), Some(3));
    let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    for expected in ["tap", "sinks.timesheet.deliver", "device-flaw.wasm"] {
        assert!(text.contains(expected), "{expected}:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_which_field_no_input_sends() {
    let bench = Bench::new().await;
    let plugin = |name: &str, file: &str| format!("{name} = {:?}", guest(file).to_str().unwrap());
    bench.reconfigure(&plugin("saboteur", "for-tests/saboteur"), &plugin("timeclock", "timeclock"));
    bench.reconfigure(
        r#"{ plugin = "saboteur", settings = { columns = ["Deed"] } }"#,
        r#"{ plugin = "timeclock", settings = { layout = "pairs", project-field = "projekt" } }"#,
    );
    let output = bench.command(&["check"]).await;
    let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{text}");
    for expected in [
        "sinks.timesheet.format.settings",
        "plugin `timeclock` needs the field `projekt`, but what makes this sink's events (`key-1`, ",
        ", `key-9`) sends `project`; did you mean `project`?",
    ] {
        assert!(text.contains(expected), "{expected}:\n{text}");
    }
    bench.reconfigure("projekt", "project");
    assert!(bench.command(&["check"]).await.status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn run_goes_on_with_the_last_valid_configuration_and_says_so() {
    let mut bench = Bench::signed_in().await;
    bench.stop().await;
    bench.reconfigure("trust-clock = true", "trust-clok = true");
    bench.start().await;
    let report = bench.until("it says so", |report| report["configuration"]["fallback"] == "last-valid").await;
    assert!(report["configuration"]["errors"].as_str().unwrap().contains("trust-clok"), "{report:#}");
    bench.press("one").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn run_goes_on_with_the_last_valid_configuration_where_a_plugin_refuses_its_settings() {
    let mut bench = Bench::signed_in().await;
    bench.stop().await;
    bench.reconfigure(r#"tab = "Punches""#, r#"tap = "Punches""#);
    bench.start().await;
    bench.until("it says so", |report| report["configuration"]["fallback"] == "last-valid").await;
    bench.press("one").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_valid_configuration_inputs_and_ledger_run() {
    let mut bench = Bench::new().await;
    bench.reconfigure("provider = \"google\"", "provider = \"google\"\nunknown = 1");
    bench.start().await;
    bench.until("it says so", |report| report["configuration"]["errors"].is_string()).await;
    bench.press("one").await;
    bench.stop().await;
    bench.configure(&configuration(&bench.sim.base_url()));
    bench.start().await;
    bench.sign_in().await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_host_on_the_same_state_is_refused_and_harms_nothing() {
    let mut bench = Bench::signed_in().await;
    let second = bench.command(&["run"]).await;
    assert_eq!(second.status.code(), Some(5));
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(text.contains("error"), "{text}");
    bench.press("one").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_host_status_says_so() {
    let bench = Bench::new().await;
    fs::create_dir_all(bench.state()).unwrap();
    let output = bench.command(&["status"]).await;
    assert_eq!(output.status.code(), Some(4));
}
