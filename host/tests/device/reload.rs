//! Changes of a running device: a plugin is dropped in, settings change, a file is broken and mended. Presses go on
//! meanwhile, with a backlog, and each is one row.

use std::fs;

use crate::bench::{Bench, guest};

/// Presses, one after the other, each recorded before the next.
async fn press(bench: &mut Bench, deeds: &[&str]) {
    for deed in deeds {
        bench.press(deed).await;
    }
}

/// The rows of the tab, sorted; each press is one.
fn rows(bench: &Bench, tab: &str) -> Vec<String> {
    let tables = bench.spreadsheets();
    let tabs = tables.iter().flat_map(|table| &table.tabs).filter(|found| found.title == tab);
    // A column with another title stands beside the old one.
    let deed =
        |row: &Vec<String>| row.iter().find(|cell| cell.starts_with("Deed ") || cell.starts_with("Act ")).cloned();
    let mut rows: Vec<String> =
        tabs.flat_map(|tab| tab.rows.iter().skip(1)).map(|row| deed(row).unwrap_or_default()).collect();
    rows.sort();
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn a_formatter_that_is_dropped_into_a_running_device_makes_rows_without_a_restart() {
    let mut bench = Bench::signed_in().await;
    bench.printed(&["sinks", "pause", "timesheet"]).await;
    press(&mut bench, &["one", "two"]).await;
    let component = bench.folder().join("clock.wasm");
    fs::copy(guest("timeclock"), &component).unwrap();
    bench.reconfigure("[plugins]\n", "[plugins]\nclock = \"clock.wasm\"\n");
    let text = fs::read_to_string(bench.folder().join("plugins.toml")).unwrap();
    let sink = text[text.find("[sinks.timesheet]").unwrap()..].to_owned();
    let format_line = sink.lines().find(|line| line.starts_with("format")).unwrap();
    let another = sink
        .replace("sinks.timesheet", "sinks.clock")
        .replace(format_line, "format = { plugin = \"clock\", settings = { layout = \"punches\" } }")
        .replace("Punches", "Clock");
    bench.configure(&format!("{text}\n{another}"));
    // By itself, for the file changed.
    bench.until("the new sink is there", |report| report["sinks"].as_array().unwrap().len() == 2).await;
    press(&mut bench, &["three"]).await;
    bench.printed(&["sinks", "resume", "timesheet"]).await;
    bench
        .until("everything is delivered", |report| {
            report["sinks"]
                .as_array()
                .unwrap()
                .iter()
                .all(|sink| ["events-waiting", "rows-waiting", "rows-in-flight"].iter().all(|count| sink[count] == 0))
        })
        .await;
    assert_eq!(rows(&bench, "Punches"), ["Deed one", "Deed three", "Deed two"]);
    assert_eq!(rows(&bench, "Clock").len(), 1, "it is new, and takes what happens from then on");
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_settings_of_a_sink_restart_that_sink_alone_and_lose_and_double_nothing() {
    let mut bench = Bench::signed_in().await;
    bench.printed(&["sinks", "pause", "timesheet"]).await;
    press(&mut bench, &["one", "two"]).await;
    bench.reconfigure("columns = [\"Deed\"]", "columns = [\"Act\"]");
    let report: serde_json::Value = serde_json::from_str(&bench.printed(&["reload", "--json"]).await).unwrap();
    let steps: Vec<_> =
        report["steps"].as_array().unwrap().iter().map(|step| (&step["part"], &step["action"])).collect();
    let expected =
        [("inputs (keyboard)", "left-alone"), ("sinks.timesheet", "restarted"), ("grants.google", "left-alone")];
    let expected: Vec<_> = expected.iter().map(|(part, action)| (part.to_string(), action.to_string())).collect();
    let told: Vec<_> = steps
        .iter()
        .map(|(part, action)| (part.as_str().unwrap().to_owned(), action.as_str().unwrap().to_owned()))
        .collect();
    // The file's change may have been noticed before the command was.
    let noticed = told.iter().all(|(_, action)| action == "left-alone");
    assert!(noticed || told == expected, "{told:?}");
    press(&mut bench, &["three"]).await;
    bench.printed(&["sinks", "resume", "timesheet"]).await;
    bench.settle().await;
    assert_eq!(rows(&bench, "Punches"), ["Act three", "Deed one", "Deed two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_broken_changes_nothing_until_it_is_mended_and_a_press_meanwhile_is_a_row() {
    let mut bench = Bench::signed_in().await;
    press(&mut bench, &["one"]).await;
    bench.reconfigure("[device]", "[devise]");
    let refused = bench.command(&["reload"]).await;
    assert_eq!(refused.status.code(), Some(3));
    let said = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(said.contains("devise") && said.contains("Nothing was changed"), "{said}");
    let report = bench.until("it is said", |report| report["configuration"]["fallback"] == "running").await;
    assert!(report["configuration"]["errors"].as_str().unwrap().contains("devise"), "{report:#}");
    press(&mut bench, &["two"]).await;
    bench.reconfigure("[devise]", "[device]");
    bench.reconfigure("columns = [\"Deed\"]", "columns = [\"Act\"]");
    bench.until("it is in force", |report| report["configuration"]["errors"].is_null()).await;
    press(&mut bench, &["three"]).await;
    bench.settle().await;
    assert_eq!(rows(&bench, "Punches"), ["Act three", "Deed one", "Deed two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_is_damaged_while_it_runs_goes_on_as_it_was() {
    let mut bench = Bench::new().await;
    let component = bench.folder().join("saboteur.wasm");
    fs::copy(guest("for-tests/saboteur"), &component).unwrap();
    let text = fs::read_to_string(bench.folder().join("plugins.toml")).unwrap();
    let line = text.lines().find(|line| line.starts_with("saboteur = ")).unwrap().to_owned();
    bench.reconfigure(&line, "saboteur = \"saboteur.wasm\"");
    bench.start().await;
    bench.sign_in().await;
    press(&mut bench, &["one"]).await;
    fs::write(&component, "half a component").unwrap();
    let said = bench.printed(&["reload"]).await;
    assert!(said.contains("what ran before goes on"), "{said}");
    press(&mut bench, &["two"]).await;
    bench.settle().await;
    assert_eq!(rows(&bench, "Punches"), ["Deed one", "Deed two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_without_grants_and_sinks_is_ready_and_takes_them_when_they_come() {
    let mut bench = Bench::new().await;
    let text = fs::read_to_string(bench.folder().join("plugins.toml")).unwrap();
    bench.configure(&text[..text.find("[plugins]").unwrap()]);
    // The other way of waiting asks for a sink.
    bench.start_only();
    bench.logged("ready device=").await;
    press(&mut bench, &["one"]).await;
    bench.configure(&text);
    bench.until("the sink is there", |report| report["sinks"].as_array().unwrap().len() == 1).await;
    bench.sign_in().await;
    bench.settle().await;
    assert_eq!(rows(&bench, "Punches"), ["Deed one"], "the first sinks of a ledger begin with its history");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_plugin_that_comes_later_begins_with_nothing_of_the_one_before_which_goes_on_until_then() {
    let mut bench = Bench::signed_in().await;
    press(&mut bench, &["one"]).await;
    let text = fs::read_to_string(bench.folder().join("plugins.toml")).unwrap();
    bench.configure(
        &text
            .replace("[plugins]\n", "[plugins]\nother = \"other.wasm\"\n")
            .replace("plugin = \"saboteur\"", "plugin = \"other\""),
    );
    let said = bench.printed(&["reload"]).await;
    assert!(said.contains("what ran before goes on") || said.contains("left alone"), "{said}");
    press(&mut bench, &["two"]).await;
    bench.settle().await;
    assert!(!bench.log().contains("begins with an empty state"), "the one before still runs");
    let said = bench.printed(&["status"]).await;
    assert!(said.contains("new version is off"), "{said}");
    // As a deployment does it: whole, or not at all.
    fs::copy(guest("for-tests/saboteur"), bench.folder().join("other.new")).unwrap();
    fs::rename(bench.folder().join("other.new"), bench.folder().join("other.wasm")).unwrap();
    bench.logged("begins with an empty state").await;
    press(&mut bench, &["three"]).await;
    bench.settle().await;
    assert_eq!(rows(&bench, "Punches"), ["Deed one", "Deed three", "Deed two"]);
    let said = bench.printed(&["status"]).await;
    assert!(!said.contains("new version is off"), "{said}");
}
