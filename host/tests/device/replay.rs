//! What rows would be, had the formatter been as it is now.

use serde_json::{Value, json};

use crate::bench::Bench;

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
        (["replay", "timesheet", "--from", "2"], "still to be formatted; the last that was is event 1", 1),
        (["replay", "timesheet", "--from", "0"], "no longer in the history, which begins with event 1", 1),
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
