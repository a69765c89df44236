//! Choices whose items are fetched: the tasks of a list that is edited on a phone, and a column of a sheet.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use google_sim::{Effect, Fault, TaskAction};
use punchcard_rig::{Configuration, Key};
use serde_json::Value;
use tokio::time::sleep;

use crate::bench::{Bench, guest, programs};

const LIST: &str = "L1";
const READ_TASKS: &str = "https://www.googleapis.com/auth/tasks.readonly";
/// The keys that turn.
const FORTH: &str = "two";
const BACK: &str = "three";

/// A device whose first key records what is chosen, and the next two turn. `items` stands in `choices.project`.
async fn configured(items: &str) -> Bench {
    let bench = Bench::new().await;
    let more = format!(
        r#"
[choices.project]
label = "Project"
items = {items}

[inputs.forth]
driver = "keyboard"
key = "2"
turn = {{ choice = "project", step = 1 }}
debounce-ms = 20

[inputs.back]
driver = "keyboard"
key = "3"
turn = {{ choice = "project", step = -1 }}
debounce-ms = 20
"#
    );
    let keys = [Key { key: "1", fields: &[("project", "$project")] }];
    let settings = r#"{ columns = ["Deed"] }"#;
    let text = Configuration { device: "bench", keys: &keys, more: &more, formatter: "for-tests/saboteur", settings }
        .render(&programs(), &bench.sim.base_url());
    let plugins: String = ["google-tasks", "sheet-column"]
        .map(|name| format!("{name} = {:?}\n", guest(name).to_str().expect("a path of text")))
        .concat();
    let text = text.replace("[plugins]\n", &format!("[plugins]\n{plugins}"));
    bench.configure(&text.replace("ORIGIN", &bench.sim.base_url()));
    bench
}

/// The same with the tasks of a list, two on each page. Google's device flow gives no token for tasks.
async fn with_tasks(titles: &[&str]) -> Bench {
    let bench = configured(
        r#"{ plugin = "google-tasks", every = "5s", settings = { list = "L1", tasks-url = "ORIGIN" }, reach = [{ url = "ORIGIN", private = true }], authorize = { header = "Authorization", secret = { file = "tasks-token" } } }"#,
    )
    .await;
    let file = bench.folder().join("tasks-token");
    fs::write(&file, format!("Bearer {}", bench.sim.issue_token(&[READ_TASKS]))).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    bench.sim.switch(|switches| switches.most_tasks_on_a_page = 2);
    for title in titles {
        add(&bench, title);
    }
    bench
}

/// Adds a task, whose id is its first title.
fn add(bench: &Bench, title: &str) {
    bench.sim.edit_tasks(LIST, TaskAction::Add { id: title.to_owned(), title: title.to_owned() });
}

fn items(report: &Value) -> &Value {
    &report["listings"][0]["items"]
}

/// Waits until the list has so many items, and the last fetch brought it.
async fn await_items(bench: &mut Bench, count: u64) {
    let is_so = |report: &Value| report["listings"][0]["status"] == "current" && *items(report) == count;
    bench.until(&format!("a list of {count}"), is_so).await;
}

/// Waits until there is no newer list, for a reason with these words.
async fn await_stale(bench: &mut Bench, words: &str) -> Value {
    let is_so = |report: &Value| {
        let reason = report["listings"][0]["reason"].as_str().unwrap_or_default();
        report["listings"][0]["status"] == "stale" && reason.contains(words)
    };
    bench.until(&format!("no newer list: {words}"), is_so).await
}

#[tokio::test(flavor = "multi_thread")]
async fn projects_are_edited_on_a_phone_and_nothing_moves_under_a_hand() {
    let mut bench = with_tasks(&["Paint", "Oil", "Sweep", "Weld", "Saw"]).await;
    bench.start().await;
    bench.sign_in().await;
    await_items(&mut bench, 5).await;
    assert!(bench.sim.count("tasks.tasks.list") >= 3, "three pages");
    bench.press_only(FORTH).await;
    bench.press_only(FORTH).await;
    bench.press("one").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["Sweep"]);

    // A person turns back and forth, while on the phone the first is ticked off and the one in front of them gets another name.
    bench.press_only(FORTH).await;
    bench.press_only(BACK).await;
    bench.sim.edit_tasks(LIST, TaskAction::Complete { id: "Paint".to_owned() });
    bench.sim.edit_tasks(LIST, TaskAction::Rename { id: "Sweep".to_owned(), title: "Sweep it".to_owned() });
    while *items(&bench.status().await) != 4 {
        bench.press_only(FORTH).await;
        bench.press_only(BACK).await;
        sleep(Duration::from_millis(200)).await;
    }
    bench.press("one").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["Sweep", "Sweep"], "the list has arrived, and waits for the hand");
    bench.logged("the chosen item has another text").await;
    bench.press("one").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["Sweep", "Sweep", "Sweep it"]);

    // Ticked off while it is chosen: it stays until it is turned past.
    bench.sim.edit_tasks(LIST, TaskAction::Complete { id: "Sweep".to_owned() });
    bench.logged("it stays until it is turned past").await;
    bench.press("one").await;
    bench.press_only(BACK).await;
    bench.press_only(FORTH).await;
    bench.press("one").await;
    bench.settle().await;
    assert_eq!(bench.delivered()[3..], ["Sweep it", "Weld"]);
    assert!(!bench.log().contains("ya29.sim-"), "the token is in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_without_a_network_shows_the_list_that_is_known() {
    let mut bench = with_tasks(&["Paint", "Oil", "Sweep"]).await;
    bench.start().await;
    bench.sign_in().await;
    await_items(&mut bench, 3).await;
    bench.kill().await;
    bench.sim.arm(Fault::on("/tasks/*", Effect::DropRequest).times(1_000));
    bench.start().await;
    bench.press_only(FORTH).await;
    bench.press("one").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["Oil"]);
    let report = await_stale(&mut bench, "tried again later").await;
    assert_eq!(*items(&report), 3);
    assert!(report["listings"][0]["fetched-at"].is_i64(), "{report:#}");
    let shown = bench.printed(&["status"]).await;
    assert!(shown.contains("choice project") && shown.contains("no newer one"), "{shown}");
    bench.sim.disarm();
    add(&bench, "Weld");
    await_items(&mut bench, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_no_good_leaves_the_last_one_where_it_is() {
    let mut bench = with_tasks(&["Paint\u{1b}[2J\n", "", "Oil", "Oil", &"x".repeat(10_000)]).await;
    bench.start().await;
    bench.sign_in().await;
    await_items(&mut bench, 3).await;
    bench.press("one").await;
    bench.press_only(BACK).await;
    bench.press("one").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["Paint [2J".to_owned(), format!("{}…", "x".repeat(99))]);

    bench.sim.switch(|switches| switches.task_pages_in_a_circle = true);
    await_stale(&mut bench, "go round in a circle").await;
    bench.sim.switch(|switches| switches.task_pages_in_a_circle = false);
    await_items(&mut bench, 3).await;
    bench.sim.arm(Fault::on("/tasks/*", Effect::Oversized { bytes: 100 << 20 }));
    await_stale(&mut bench, "the answer has more than 8388608 bytes").await;
    bench.sim.switch(|switches| switches.tasks_enabled = false);
    await_stale(&mut bench, "enable the Google Tasks API").await;
    bench.sim.switch(|switches| switches.tasks_enabled = true);
    bench.sim.edit_tasks(LIST, TaskAction::DeleteList);
    await_stale(&mut bench, "check `list`").await;
    add(&bench, "");
    let report = await_stale(&mut bench, "has no items").await;
    assert_eq!(*items(&report), 3, "the last list stays");
    bench.press("one").await;
    bench.settle().await;
    assert_eq!(bench.delivered().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_of_a_sheet_is_read_with_the_grant_and_not_without() {
    let mut bench = configured(r#"["Paint", "Oil"]"#).await;
    bench.start().await;
    bench.sign_in().await;
    bench.press("one").await;
    bench.press_only(FORTH).await;
    bench.press("one").await;
    bench.settle().await;
    let id = bench.sim.state()["files"][0]["id"].as_str().expect("a spreadsheet").to_owned();
    let origin = bench.sim.base_url();
    let listed = format!(
        r#"{{ plugin = "sheet-column", every = "5s", settings = {{ spreadsheet-id = "{id}", tab = "Punches", column = "A", sheets-url = "{origin}" }}, reach = [{{ url = "{origin}", private = true }}], authorize = {{ grant = "google" }} }}"#
    );
    bench.reconfigure(r#"items = ["Paint", "Oil"]"#, &format!("items = {listed}"));
    bench.printed(&["reload"]).await;
    await_items(&mut bench, 2).await;

    // A token that the server refuses is renewed, and the list goes on.
    let renewed = bench.sim.count("oauth.token");
    bench.sim.arm(Fault::on("*/values/*", Effect::ExpireAccessTokens));
    while bench.sim.count("oauth.token") == renewed {
        sleep(Duration::from_millis(50)).await;
    }
    await_items(&mut bench, 2).await;

    bench.printed(&["sign-out", "google"]).await;
    let report = await_stale(&mut bench, "punchcard sign-in google").await;
    assert_eq!(*items(&report), 2);

    // What the plugin needs, and what it is not given.
    bench.reconfigure(r#", authorize = { grant = "google" } }"#, " }");
    let refused = bench.command(&["check"]).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("choices.project.items") && said.contains("authorize = { grant = \"google\" }"), "{said}");
}
