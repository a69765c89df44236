//! What rows would be, had the formatter been as it is now, and that they can be delivered after all.

use std::time::Duration;

use google_sim::{Effect, Fault};
use serde_json::{Value, json};

use crate::bench::{Bench, guest};

async fn replay(bench: &Bench, from: &str) -> Value {
    serde_json::from_str(&bench.printed(&["replay", "timesheet", "--from", from, "--json"]).await).unwrap()
}

/// Why there is none, and the exit status.
async fn refused(bench: &Bench, arguments: &[&str]) -> (String, Option<i32>) {
    let output = bench.command(arguments).await;
    (String::from_utf8(output.stderr).unwrap(), output.status.code())
}

fn files(folder: &std::path::Path) -> Vec<(std::ffi::OsString, std::time::SystemTime)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<_> =
        entries.map(|entry| (entry.file_name(), entry.metadata().unwrap().modified().unwrap())).collect();
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_shows_what_would_be_different_and_disturbs_nothing() {
    let mut bench = Bench::signed_in().await;
    for deed in ["one", "reject", "two", "three"] {
        bench.press(deed).await;
    }
    bench.settle().await;
    let same = replay(&bench, "1").await;
    let expected = json!({
        "sink": "timesheet", "from": 1, "through": 4, "begun-after": 0, "events": 3, "passed-over": 1, "same": 3,
        "differences": [], "rejected": [], "failed": [], "not-listed": 0, "state-differs": false,
    });
    assert_eq!(same, expected);

    // What is in plugins.toml counts, not what the host runs with.
    bench.reconfigure(r#"columns = ["Deed"]"#, r#"columns = ["Deed", "More"], rejects = ["two"]"#);
    let cache = files(&bench.state().join("cache"));
    let events = bench.printed(&["events", "--json"]).await;
    let second: Value = serde_json::from_str(events.lines().nth(1).unwrap()).unwrap();
    // The second was rejected; its id names it as well as its number does.
    for from in ["2", second["id"].as_str().unwrap()] {
        let shown = replay(&bench, from).await;
        let [two, three] = shown["differences"].as_array().unwrap().as_slice() else { panic!("{shown:#}") };
        assert_eq!((&two["event"], &two["difference"]), (&json!(3), &json!("withdrawn")));
        assert_eq!((&two["was"], &two["would-be"]), (&json!({ "Deed": "Deed two" }), &Value::Null));
        assert_eq!(two["row"], json!(format!("{}/0", two["id"].as_str().unwrap())));
        assert_eq!((&three["event"], &three["difference"]), (&json!(4), &json!("changed")));
        assert_eq!(three["would-be"], json!({ "Deed": "Deed three", "More": "More three" }));
        assert_eq!(shown["rejected"], json!([{ "event": 3, "reason": "the settings tell it to" }]));
        assert_eq!((&shown["same"], &shown["passed-over"]), (&json!(0), &json!(1)));
    }
    let text = bench.printed(&["replay", "timesheet", "--from", "1"]).await;
    for part in
        ["More: nothing → “More one”", "would not be there: Deed: “Deed two”", "0 rows would be the same, 3 different"]
    {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    assert_eq!(files(&bench.state().join("cache")), cache, "the host's compiled code is as it was");
    bench.press("one").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "two", "three", "one"]);
    // Without a host too.
    bench.stop().await;
    assert_eq!(replay(&bench, "5").await["events"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_the_formatter_fails_on_is_told_and_nothing_concluded_of_it() {
    let mut bench = Bench::signed_in().await;
    for deed in ["one", "two", "three"] {
        bench.press(deed).await;
    }
    bench.settle().await;
    bench.reconfigure(r#"columns = ["Deed"]"#, r#"columns = ["Deed"], traps = ["two"]"#);
    let shown = replay(&bench, "1").await;
    assert_eq!((&shown["same"], &shown["differences"]), (&json!(2), &json!([])));
    assert_eq!(shown["failed"][0]["event"], 2);
    assert!(shown["failed"][0]["reason"].as_str().unwrap().contains("the settings tell it to"), "{shown:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_is_not_possible_says_why_and_what_is() {
    let mut bench = Bench::signed_in().await;
    bench.press("one").await;
    bench.settle().await;
    let table = [
        (["replay", "timesheet", "--from", "2"], "there is no event 2; the newest is 1", 1),
        (["replay", "timesheet", "--from", "0"], "there is no event 0", 1),
        (["replay", "timesheet", "--from", "01ARZ3NDEKTSV4RRFFQ69G5FAV"], "not, or no longer, in the history", 1),
        (["replay", "timesheet", "--from", "yesterday"], "neither a number nor an event's id", 2),
        (["replay", "sheet", "--from", "1"], "no sink `sheet`; it has `timesheet`", 1),
    ];
    for (arguments, reason, exit) in table {
        let (said, status) = refused(&bench, &arguments).await;
        assert!(said.contains(reason) && status == Some(exit), "{arguments:?}: {said} {status:?}");
    }
    // Another plugin begins with nobody's state: here with that of before the first event.
    bench.stop().await;
    bench.reconfigure("saboteur = ", "other = ");
    bench.reconfigure(r#"plugin = "saboteur""#, r#"plugin = "other""#);
    bench.start().await;
    bench.press("two").await;
    bench.settle().await;
    assert_eq!(replay(&bench, "1").await["same"], 2);
    bench.reconfigure(r#"columns = ["Deed"]"#, "columns = 7");
    let (said, status) = refused(&bench, &["replay", "timesheet", "--from", "1"]).await;
    assert!(said.contains("plugins.toml") && status == Some(3), "{said}");
}

/// A time clock that looks for the project in a field that the keys do not send, but the last.
async fn misconfigured() -> Bench {
    let bench = Bench::new().await;
    let plugin = |name: &str, file: &str| format!("{name} = {:?}", guest(file).to_str().unwrap());
    bench.reconfigure(&plugin("saboteur", "for-tests/saboteur"), &plugin("timeclock", "timeclock"));
    bench.reconfigure(
        r#"{ plugin = "saboteur", settings = { columns = ["Deed"] } }"#,
        r#"{ plugin = "timeclock", settings = { layout = "pairs", project-field = "projekt" } }"#,
    );
    bench.reconfigure(r#"{ project = "reject" }"#, r#"{ projekt = "reject" }"#);
    bench
}

async fn reconcile(bench: &Bench, arguments: &[&str]) -> Value {
    let printed = bench.printed(&[&["reconcile", "timesheet", "--json"], arguments].concat()).await;
    serde_json::from_str(&printed).unwrap()
}

/// A person deletes a row, counted from 0.
fn delete_row(bench: &Bench, row: u32) {
    let table = &bench.spreadsheets()[0];
    let tab = table.tabs.iter().find(|tab| tab.title == "Punches").unwrap();
    let range = json!({ "sheetId": tab.id, "dimension": "ROWS", "startIndex": row, "endIndex": row + 1 });
    bench.sim.edit_as_person(&table.id, &json!([{ "deleteDimension": { "range": range } }])).unwrap();
}

fn notes(bench: &Bench) -> Vec<(usize, usize, String)> {
    let table = bench.spreadsheets().remove(0);
    table.tabs.into_iter().find(|tab| tab.title == "Punches").unwrap().notes
}

const CORRECT: [&str; 6] = ["replay", "timesheet", "--from", "1", "--correct", "--yes"];

#[tokio::test(flavor = "multi_thread")]
async fn a_formatter_that_went_wrong_is_mended_once_and_goes_on_from_the_right_state() {
    let mut bench = misconfigured().await;
    bench.start().await;
    bench.sign_in().await;
    for deed in ["one", "one", "two", "three"] {
        bench.press(deed).await;
    }
    bench.settle().await;
    assert_eq!(bench.delivered(), ["", ""], "the names of the projects are missing");
    bench.reconfigure(r#"project-field = "projekt""#, r#"project-field = "project""#);
    let shown = replay(&bench, "1").await;
    assert_eq!((shown["differences"].as_array().unwrap().len(), &shown["state-differs"]), (2, &json!(true)));
    // Who only shows what would be, or is not asked, changes nothing.
    let (said, status) = refused(&bench, &CORRECT[..5]).await;
    assert!(said.contains("say --yes") && status == Some(1), "{said}");
    let (said, status) = refused(&bench, &CORRECT).await;
    assert!(said.contains("restart it") && status == Some(6), "the host still runs with the old settings: {said}");
    bench.stop().await;
    let (said, status) = refused(&bench, &CORRECT).await;
    assert!(said.contains("no host runs") && status == Some(4), "{said}");

    bench.start().await;
    // The answer to the corrections does not come before the power goes.
    let before = bench.sim.count("sheets.spreadsheets.batchUpdate");
    bench.sim.arm(Fault::on("*:batchUpdate", Effect::Slow { millis: 60_000 }));
    bench.printed(&CORRECT).await;
    while bench.sim.count("sheets.spreadsheets.batchUpdate") == before {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bench.kill().await;
    bench.start().await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["", "", "one", "two"]);
    let events = bench.printed(&["events", "--json"]).await;
    let id = |line: usize| serde_json::from_str::<Value>(events.lines().nth(line).unwrap()).unwrap()["id"].clone();
    let note = |line: usize| format!("Correction: replaces row {}/0", id(line).as_str().unwrap());
    assert_eq!(notes(&bench), [(3, 0, note(1)), (4, 0, note(3))]);

    // Once is enough, from wherever it is asked.
    for from in ["1", "3"] {
        let again = replay(&bench, from).await;
        assert_eq!((&again["differences"], &again["state-differs"]), (&json!([]), &json!(false)), "{again:#}");
    }
    bench.printed(&CORRECT).await;
    // It goes on with the project that was started by the last of these presses.
    bench.press("three").await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["", "", "one", "two", "three"]);
    assert_eq!(notes(&bench).len(), 2);

    // What was corrected and the corrections are all known where they are, and a correction can go missing.
    let report = reconcile(&bench, &[]).await;
    assert_eq!((&report["there"], &report["details"]), (&json!(5), &json!([])));
    delete_row(&bench, 3);
    let report = reconcile(&bench, &["--deliver-missing"]).await;
    assert_eq!((&report["missing"], &report["delivered-again"]), (&json!(1), &json!(1)));
    assert_eq!(report["details"][0]["key"], json!(format!("{}/0/1", id(1).as_str().unwrap())));
    bench.settle().await;
    assert_eq!(bench.delivered(), ["", "", "two", "three", "one"]);
    assert_eq!(notes(&bench), [(3, 0, note(3)), (5, 0, note(1))]);
    assert_eq!(reconcile(&bench, &[]).await["there"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn corrections_outlive_a_power_cut_right_after_they_were_asked_for_and_can_be_corrected() {
    let mut bench = misconfigured().await;
    bench.start().await;
    bench.sign_in().await;
    for deed in ["one", "one"] {
        bench.press(deed).await;
    }
    bench.settle().await;
    bench.stop().await;
    bench.reconfigure(r#"project-field = "projekt""#, r#"project-field = "project""#);
    for expected in [&["", "one"][..], &["", "one", ""]] {
        bench.start().await;
        bench.printed(&CORRECT).await;
        bench.kill().await;
        bench.start().await;
        bench.settle().await;
        assert_eq!(bench.delivered(), expected);
        bench.stop().await;
        // What was taken for a mistake was none.
        if expected.len() == 2 {
            bench.reconfigure(r#"project-field = "project""#, r#"project-field = "projekt""#);
        }
    }
    bench.start().await;
    let events = bench.printed(&["events", "--json"]).await;
    let second: Value = serde_json::from_str(events.lines().nth(1).unwrap()).unwrap();
    assert_eq!(second["statuses"][0]["stage"], "delivered", "{second:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_should_not_be_there_are_withdrawn_and_nothing_is_corrected_while_the_formatter_fails() {
    let mut bench = Bench::signed_in().await;
    for deed in ["one", "two", "three"] {
        bench.press(deed).await;
    }
    bench.settle().await;
    bench.stop().await;
    bench.reconfigure(r#"columns = ["Deed"]"#, r#"columns = ["Deed"], rejects = ["two"], traps = ["three"]"#);
    bench.start().await;
    let (said, status) = refused(&bench, &CORRECT).await;
    assert!(said.contains("fails on event 3") && status == Some(1), "{said}");
    bench.stop().await;
    bench.reconfigure(r#", traps = ["three"]"#, "");
    bench.start().await;
    bench.printed(&CORRECT).await;
    bench.settle().await;
    assert_eq!(bench.delivered(), ["one", "two", "three", "withdrawn"]);
    let report = bench.until("the event is set aside", |report| report["sinks"][0]["set-aside"] == 1).await;
    assert_eq!(report["sinks"][0]["rows-delivered"], 4);
    let [(4, 0, note)] = &notes(&bench)[..] else { panic!("{:?}", notes(&bench)) };
    assert!(note.ends_with("/0 does not count"), "{note}");
    assert_eq!(reconcile(&bench, &[]).await["there"], 4);
    // It is not withdrawn twice, and can be tried again.
    assert_eq!(replay(&bench, "1").await["differences"], json!([]));
    bench.stop().await;
    bench.reconfigure(r#", rejects = ["two"]"#, "");
    bench.start().await;
    bench.printed(&["rejects", "retry", "timesheet"]).await;
    bench.until("it is formatted", |report| report["sinks"][0]["rows-delivered"] == 5).await;
    assert_eq!(bench.delivered(), ["one", "two", "three", "withdrawn", "two"]);
}
