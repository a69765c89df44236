//! The versions of a plugin: another file takes its place, a person goes back, pins, adds and removes; and all of it holds over
//! a restart.

use std::fs;

use serde_json::Value;

use crate::bench::{Bench, guest};

/// The saboteur as another version: it finds no deed in any event, and its rows are empty.
fn blind() -> Vec<u8> {
    altered("projecta value", "project", "praject")
}

/// The same in another build.
fn blind_too() -> Vec<u8> {
    altered("projecta value", "project", "prxject")
}

/// The saboteur with another word in its memory. `near`: what stands there.
fn altered(near: &str, from: &str, to: &str) -> Vec<u8> {
    let mut bytes = fs::read(guest("for-tests/saboteur")).unwrap();
    let places: Vec<usize> =
        (0..bytes.len() - near.len()).filter(|at| bytes[*at..].starts_with(near.as_bytes())).collect();
    let [place] = places[..] else { panic!("`{near}` stands at {places:?}") };
    let at = place + near.find(from).unwrap();
    bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
    bytes
}

/// A device that is signed in, and whose formatter is a file beside plugins.toml.
async fn signed_in() -> Bench {
    let mut bench = Bench::new().await;
    put(&bench, &fs::read(guest("for-tests/saboteur")).unwrap());
    let path = guest("for-tests/saboteur");
    let line = format!("saboteur = {:?}", path.to_str().unwrap());
    bench.reconfigure(&line, "saboteur = \"saboteur.wasm\"  # the good one");
    bench.start().await;
    bench.sign_in().await;
    bench.until("the sheet is linked", |report| report["sinks"][0]["link"].is_string()).await;
    bench
}

/// Puts a component in the formatter's place, whole.
fn put(bench: &Bench, component: &[u8]) {
    let draft = bench.folder().join("draft");
    fs::write(&draft, component).unwrap();
    fs::rename(draft, bench.folder().join("saboteur.wasm")).unwrap();
}

async fn listed(bench: &Bench, name: &str) -> Value {
    let all: Vec<Value> = serde_json::from_str(&bench.printed(&["plugin", "list", "--json"]).await).unwrap();
    all.into_iter().find(|plugin| plugin["name"] == name).unwrap()
}

/// Presses, and the rows of that.
async fn rows(bench: &mut Bench, deeds: &[&str]) -> Vec<String> {
    for deed in deeds {
        bench.press(deed).await;
    }
    bench.settle().await;
    let mut rows = bench.delivered();
    let before = rows.len() - deeds.len();
    rows.split_off(before)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_goes_back_from_a_version_and_pins_one_and_a_restart_keeps_it() {
    let mut bench = signed_in().await;
    assert_eq!(rows(&mut bench, &["one"]).await, ["one"]);
    let first = listed(&bench, "saboteur").await;
    assert!(first["whence"].as_str().unwrap().ends_with("saboteur.wasm") && first["pinned"] == false, "{first}");
    let memory = first["runs"]["calls"]["peak-memory-bytes"].as_u64().unwrap();
    assert!(memory > 0 && memory.is_multiple_of(65_536), "whole pages: {memory}");
    let shown = bench.printed(&["plugin", "show", "saboteur"]).await;
    assert!(shown.contains("at most in one call"), "{shown}");

    put(&bench, &blind());
    bench.printed(&["reload"]).await;
    assert_eq!(rows(&mut bench, &["one"]).await, [""], "the file is another version");
    let second = listed(&bench, "saboteur").await;
    assert_ne!(first["sha256"], second["sha256"]);

    let said = bench.printed(&["plugin", "rollback", "saboteur"]).await;
    assert!(said.contains("restarted") && said.contains("plugin allow"), "{said}");
    assert_eq!(rows(&mut bench, &["two"]).await, ["two"]);
    bench.stop().await;
    bench.start().await;
    assert_eq!(rows(&mut bench, &["three"]).await, ["three"], "the file does not come back with a restart");
    let back = listed(&bench, "saboteur").await;
    assert_eq!((&back["sha256"], &back["runs"]["sha256"]), (&first["sha256"], &first["sha256"]));
    let nothing = bench.refused(&["plugin", "rollback", "saboteur"]).await;
    assert!(nothing.contains("no earlier version"), "{nothing}");

    // A person has it run again after all.
    let digest = second["sha256"].as_str().unwrap();
    bench.printed(&["plugin", "allow", &digest[..12]]).await;
    assert_eq!(rows(&mut bench, &["one"]).await, [""]);

    bench.printed(&["plugin", "rollback", "saboteur"]).await;
    bench.printed(&["plugin", "pin", "saboteur"]).await;
    put(&bench, &blind_too());
    let said = bench.printed(&["reload"]).await;
    assert!(said.contains("pinned"), "{said}");
    assert_eq!(rows(&mut bench, &["one"]).await, ["one"]);
    bench.kill().await;
    bench.start().await;
    assert_eq!(rows(&mut bench, &["two"]).await, ["two"]);
    assert_eq!(listed(&bench, "saboteur").await["pinned"], true);
    bench.printed(&["plugin", "unpin", "saboteur"]).await;
    assert_eq!(rows(&mut bench, &["one"]).await, [""]);
    let shown: Value = serde_json::from_str(&bench.printed(&["plugin", "show", "saboteur", "--json"]).await).unwrap();
    let left: Vec<&str> =
        shown["history"].as_array().unwrap().iter().map(|version| version["left"].as_str().unwrap_or("-")).collect();
    let back = "somebody went back from it";
    assert_eq!(left, ["replaced", back, "replaced", back, "replaced", "-"], "{shown:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_is_added_to_a_running_device_and_one_that_is_used_is_not_removed() {
    let mut bench = signed_in().await;
    // A new one.
    let file = guest("timeclock");
    let said = bench.printed(&["plugin", "add", file.to_str().unwrap(), "--name", "clock", "--yes"]).await;
    for words in ["formatter", "0.1", "sha-256"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let text = bench.configuration_text();
    assert!(text.contains("\nclock = ") && text.contains("# the good one"), "{text}");
    let clock = bench.until("it is there", |report| report["plugins"][0]["name"] == "clock").await;
    assert!(clock["plugins"][0]["error"].is_null(), "{clock:#}");
    assert!(listed(&bench, "clock").await["whence"].as_str().unwrap().starts_with("added from"));
    // Another version of one that makes rows.
    let component = bench.folder().join("new.wasm");
    fs::write(&component, blind()).unwrap();
    assert_eq!(rows(&mut bench, &["one"]).await, ["one"]);
    let component = component.to_str().unwrap();
    let said = bench.printed(&["plugin", "add", component, "--name", "saboteur", "--yes"]).await;
    assert!(said.contains("goes to") && said.contains("saboteur.wasm"), "{said}");
    assert_eq!(rows(&mut bench, &["one"]).await, [""]);
    assert!(bench.configuration_text().contains("# the good one"));
    // What is none, or another kind of plugin, changes nothing.
    let before = bench.configuration_text();
    let text = bench.folder().join("plugins.toml");
    for (file, name) in [(component, "google-sheets"), (text.to_str().unwrap(), "clock")] {
        let refused = bench.command(&["plugin", "add", file, "--name", name, "--yes"]).await;
        assert_eq!(refused.status.code(), Some(1), "{file}");
    }
    let refused = bench.command(&["plugin", "remove", "saboteur", "--yes"]).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && said.contains("sinks.timesheet.format"), "{said}");
    assert_eq!(bench.configuration_text(), before);
    bench.printed(&["plugin", "remove", "clock", "--yes"]).await;
    assert!(!bench.configuration_text().contains("\nclock = "));
    bench.until("it is gone", |report| report["plugins"][0]["name"] != "clock").await;
}

/// The saboteur in a version that refuses what others make a row of: it takes the deed `one` for `nan`.
fn broken() -> Vec<u8> {
    altered("hoardnanstate", "nan", "one")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_fails_on_the_history_is_not_taken_and_one_that_fails_on_trial_goes_by_itself() {
    let mut bench = signed_in().await;
    assert_eq!(rows(&mut bench, &["one", "two"]).await, ["one", "two"]);
    let good = listed(&bench, "saboteur").await["sha256"].clone();
    let component = bench.folder().join("broken.wasm");
    fs::write(&component, broken()).unwrap();
    let shown = bench.printed(&["plugin", "diff", "saboteur", component.to_str().unwrap(), "--json"]).await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown[0]["failed"].as_array().unwrap().len(), 1, "{shown:#}");

    // Without a terminal there is a width all the same, and a mark instead of colours.
    let other = bench.folder().join("blind.wasm");
    fs::write(&other, blind()).unwrap();
    let shown = bench.printed(&["plugin", "diff", "saboteur", other.to_str().unwrap()]).await;
    let line = shown.lines().find(|line| line.starts_with("≠ Deed")).unwrap_or_else(|| panic!("{shown}"));
    assert!(line.contains("one") && !shown.contains('\x1b'), "{shown}");

    put(&bench, &broken());
    let said = bench.printed(&["reload"]).await;
    assert!(said.contains("proved bad") && said.contains("refuses event 1"), "{said}");
    assert_eq!(rows(&mut bench, &["one"]).await, ["one"]);
    let report = bench.status().await;
    let problem = report["problems"].as_array().unwrap().iter().find(|problem| problem["part"] == "plugins.saboteur");
    assert_eq!(problem.unwrap()["problem"]["headline"], "bad plugin version");
    bench.stop().await;
    bench.start().await;
    assert_eq!(listed(&bench, "saboteur").await["sha256"], good);
    assert_eq!(rows(&mut bench, &["two"]).await, ["two"]);

    // What is new to it breaks it on trial, and it goes by itself. Nothing is lost by it.
    put(&bench, &blind_to_the_past());
    bench.until("it is on trial", |report| plugin(report, "saboteur")["on-trial"] == true).await;
    assert_eq!(rows(&mut bench, &["two"]).await, ["two"]);
    bench.press("three").await;
    let report = bench
        .until("the one before is back", |report| {
            let saboteur = plugin(report, "saboteur");
            saboteur["sha256"] == good && saboteur["instead"].as_str().is_some_and(|says| says.contains("on trial"))
        })
        .await;
    assert_eq!(plugin(&report, "saboteur")["on-trial"], false);
    bench.until("all rows are there", |report| report["sinks"][0]["rows-delivered"] == 6).await;
    let delivered = bench.delivered();
    assert_eq!(delivered.last().unwrap(), "three", "{delivered:?}");
    bench.logged("goes on with the state that it would have").await;
    assert_eq!(bench.status().await["sinks"][0]["set-aside"], 0);
    bench.kill().await;
    bench.start().await;
    assert_eq!(listed(&bench, "saboteur").await["sha256"], good);
}

/// The saboteur in a version that fails on the deed `three`, which its history lacks: it takes that for `state`.
fn blind_to_the_past() -> Vec<u8> {
    altered("hoardnanstate", "state", "three")
}

fn plugin<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["plugins"].as_array().unwrap().iter().find(|plugin| plugin["name"] == name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_does_not_take_its_settings_waits_while_the_one_before_runs() {
    let mut bench = signed_in().await;
    assert_eq!(rows(&mut bench, &["one"]).await, ["one"]);
    // Another formatter altogether, whose settings are others.
    put(&bench, &fs::read(guest("timeclock")).unwrap());
    let said = bench.printed(&["reload"]).await;
    assert!(said.contains("does not take the settings of sinks.timesheet.format"), "{said}");
    assert_eq!(rows(&mut bench, &["two"]).await, ["two"]);
    bench.stop().await;
    bench.start().await;
    assert_eq!(rows(&mut bench, &["three"]).await, ["three"]);
    let report = bench.status().await;
    let problem = report["problems"].as_array().unwrap().iter().find(|problem| problem["part"] == "plugins.saboteur");
    assert_eq!(problem.unwrap()["problem"]["headline"], "new version waits");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_lacks_is_granted_by_a_persons_word_and_the_rest_of_the_file_stays() {
    let mut bench = signed_in().await;
    let text = bench.configuration_text();
    let sink = text.find("[sinks.timesheet]").unwrap();
    let reach = sink + text[sink..].find("reach = [").unwrap();
    let list = &text[reach..=reach + text[reach..].find(']').unwrap()];
    let narrowed = |list: &str| list.replace("\", private", "/elsewhere\", private");
    let (rest, narrow) = (&text[reach + list.len()..], narrowed(list));
    bench.configure(&format!("{}{narrow}  # mine{rest}", &text[..reach]));
    // The new server gets the token, too.
    let audience = text.lines().find(|line| line.starts_with("audience = ")).unwrap();
    bench.reconfigure(audience, &narrowed(audience));
    let refused = bench.command(&["reload"]).await;
    assert_eq!(refused.status.code(), Some(3), "{list}");
    let approved = bench.command(&["plugin", "approve", "google-sheets", "--yes"]).await;
    let said = String::from_utf8(approved.stdout).unwrap();
    assert!(said.contains("needs http://127.0.0.1") && said.contains("written by hand"), "{said}");
    assert_eq!(approved.status.code(), Some(3), "the token may not go there yet: {said}");
    let granted = bench.configuration_text();
    let line = granted.lines().find(|line| line.ends_with("# mine")).unwrap();
    assert!(line.matches("http://127.0.0.1").count() > 1 && line.contains("/elsewhere"), "{line}");
    assert!(granted.contains(&narrowed(audience)), "{granted}");
    bench.reconfigure(&narrowed(audience), audience);
    bench.printed(&["reload"]).await;
    assert_eq!(rows(&mut bench, &["one"]).await, ["one"]);
}
