//! Parts that can't be used, one at a time: what does not need them runs on.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::bench::Bench;

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_cache_plugins_are_compiled_anew() {
    let mut bench = Bench::signed_in().await;
    bench.stop().await;
    fs::set_permissions(bench.state().join("cache"), fs::Permissions::from_mode(0o777)).unwrap();
    bench.start().await;
    bench.press("one").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one"]);
    assert!(bench.log().contains("every start compiles them anew"), "{}", bench.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_storage_only_grants_and_their_deliveries_are_off() {
    let mut bench = Bench::new().await;
    bench.start().await;
    bench.stop().await;
    let vault = bench.state().join("vault");
    fs::rename(&vault, bench.state().join("kept")).unwrap();
    fs::write(&vault, "not a folder").unwrap();
    bench.start().await;
    let report = bench.until("the grant is off", |report| report["grants"][0]["status"] == "off").await;
    let reason = report["grants"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("token storage"), "{reason}");
    bench.press("one").await;
    let report = bench.until("its row is made", |report| report["sinks"][0]["rows-waiting"] == 1).await;
    assert_eq!(report["sinks"][0]["delivery"]["status"], "off");
    let refused = bench.command(&["sinks", "retry", "timesheet"]).await;
    let refused = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.contains("grant `google`") && refused.contains("token storage"), "{refused}");

    bench.stop().await;
    fs::remove_file(&vault).unwrap();
    fs::rename(bench.state().join("kept"), &vault).unwrap();
    bench.start().await;
    bench.sign_in().await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_folder_that_others_can_read_is_closed_to_them() {
    let mut bench = Bench::new().await;
    fs::create_dir_all(bench.state()).unwrap();
    fs::set_permissions(bench.state(), fs::Permissions::from_mode(0o755)).unwrap();
    bench.start().await;
    assert_eq!(mode(bench.state()), 0o700);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_names_a_missing_file_is_not_what_is_fallen_back_on() {
    let mut bench = Bench::signed_in().await;
    bench.stop().await;
    bench.reconfigure("device-flow.wasm", "device-flaw.wasm");
    bench.start().await;
    let report = bench.until("it is said", |report| report["plugins"][0]["instead"].is_string()).await;
    let said = report["plugins"][0]["instead"].as_str().unwrap();
    assert!(said.contains("device-flaw.wasm") && said.contains("what ran before goes on"), "{said}");
    bench.stop().await;
    let kept = fs::read_to_string(bench.state().join("last-valid.toml")).unwrap();
    assert!(kept.contains("device-flow.wasm"), "{kept}");
}
