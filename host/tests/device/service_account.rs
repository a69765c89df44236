//! A device that signs in with the key of a service account, and writes into a spreadsheet of a person's: whole, with the real
//! plugins.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use google_sim::{AccountChange, FileAction};
use serde_json::{Value, json};

use crate::bench::{Bench, guest};

pub(crate) const ACCOUNT: &str = "recorder@punchcard-demo.iam.gserviceaccount.com";

/// A device with a key file, for this spreadsheet.
pub(crate) fn configuration(origin: &str, spreadsheet: &str, scope: &str) -> String {
    let plugin = |name: &str| Value::from(guest(name).to_str().unwrap()).to_string();
    format!(
        r#"[device]
name = "bench"
time-zone = "Australia/Brisbane"
trust-clock = true
[panel]
driver = "none"
size = "128x32"
[inputs.one]
driver = "keyboard"
key = "1"
press = {{ event = "punch", fields = {{ project = "one" }} }}
debounce-ms = 20
[inputs.two]
driver = "keyboard"
key = "2"
press = {{ event = "punch", fields = {{ project = "two" }} }}
debounce-ms = 20
[plugins]
service-account = {policy}
saboteur = {saboteur}
google-sheets = {sheets}
[grants.google]
plugin = "service-account"
reach = ["{origin}/token"]
audience = ["{origin}"]
secrets = {{ service-account = {{ file = "key.json" }} }}
settings = {{ account = "{ACCOUNT}", scopes = ["https://www.googleapis.com/auth/{scope}"], token-url = "{origin}/token" }}
[sinks.rows]
events = ["punch"]
format = {{ plugin = "saboteur", settings = {{ columns = ["Deed"] }} }}
reach = ["{origin}"]
authorize = {{ grant = "google" }}
[sinks.rows.deliver]
plugin = "google-sheets"
[sinks.rows.deliver.settings]
spreadsheet-url = "https://docs.google.com/spreadsheets/d/{spreadsheet}/edit#gid=0"
tab = "Hours"
account = "{ACCOUNT}"
sheets-url = "{origin}"
"#,
        policy = plugin("service-account"),
        saboteur = plugin("for-tests/saboteur"),
        sheets = plugin("google-sheets"),
    )
}

pub(crate) fn write_key(bench: &Bench, file: &str) {
    let path = bench.folder().join("key.json");
    fs::write(&path, file).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A spreadsheet of a person's with columns of their own, shared with nobody. The stand-in computes nothing: what stands in the
/// place of a formula is its text.
fn hours(bench: &Bench) -> String {
    let id = bench.sim.create_as_person("Hours of all");
    let cell = |text: &str| json!({ "userEnteredValue": { "stringValue": text } });
    let formula = cell("=ARRAYFORMULA(LEN(C2:C))");
    let header = json!({ "values": [cell("Person"), cell("Count"), cell("Deed")] });
    let own = json!({ "values": [cell("Anna"), formula] });
    let start = json!({ "sheetId": 0, "rowIndex": 0, "columnIndex": 0 });
    let write = json!({ "updateCells": { "start": start, "rows": [header, own], "fields": "userEnteredValue" } });
    let rename = json!({ "properties": { "sheetId": 0, "title": "Hours" }, "fields": "title" });
    bench.sim.edit_as_person(&id, &json!([{ "updateSheetProperties": rename }, write])).unwrap();
    id
}

/// The tab, as a person reads it.
fn rows(bench: &Bench) -> Vec<Vec<String>> {
    let tables = bench.spreadsheets();
    let [table] = tables.as_slice() else { panic!("{tables:?}") };
    table.tabs[0].rows.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_writes_into_a_shared_sheet_once_and_says_with_whom_one_that_is_not_has_to_be_shared() {
    let mut bench = Bench::new().await;
    let key = bench.sim.make_key(ACCOUNT).unwrap();
    write_key(&bench, &key);
    let id = hours(&bench);
    let before = rows(&bench);
    bench.configure(&configuration(&bench.sim.base_url(), &id, "spreadsheets"));
    bench.start().await;
    bench.press("one").await;
    let problem = |report: &Value| report["sinks"][0].to_string();
    let report =
        bench.until("that it is not shared is said", |report| problem(report).contains("sheet is not shared")).await;
    assert!(problem(&report).contains(ACCOUNT), "{report:#}");
    assert_eq!(report["grants"][0]["status"], "authorized", "{report:#}");
    assert_eq!(rows(&bench), before);

    bench.sim.edit_file(&id, &FileAction::ShareWith { account: ACCOUNT.to_owned() }).unwrap();
    bench.printed(&["sinks", "retry", "rows"]).await;
    bench.settle().await;
    // A token that Google takes no longer is replaced, and the answer to a batch that gets lost makes no second row.
    bench.sim.act(google_sim::Action::ExpireAccessTokens);
    bench.sim.arm(google_sim::Fault::on("*:batchUpdate", google_sim::Effect::DropAnswer));
    bench.press("two").await;
    bench.settle().await;
    bench.stop().await;
    bench.start().await;
    bench.press("one").await;
    bench.settle().await;

    let rows = rows(&bench);
    assert_eq!(rows[0][..4], ["Person", "Count", "Deed", "Event"].map(str::to_owned));
    assert_eq!(rows[1][..2], before[1][..2], "what a person wrote stays");
    let deeds: Vec<&str> = rows[2..].iter().map(|row| row[2].trim_start_matches("Deed ")).collect();
    assert_eq!(deeds, ["one", "two", "one"]);
    assert!(rows[2..].iter().all(|row| row[0].is_empty() && row[1].is_empty()), "{rows:?}");
    assert_eq!(bench.sim.count("drive.files.create") + bench.sim.count("drive.files.list"), 0);

    // The key is nowhere but in its file.
    let key: Value = serde_json::from_str(&key).unwrap();
    let inside = key["private_key"].as_str().unwrap().lines().nth(3).unwrap();
    let report = bench.status().await;
    assert!(!bench.log().contains(inside) && !report.to_string().contains(inside));
    assert_eq!(bench.tokens()["slots"].as_object().unwrap().keys().collect::<Vec<_>>(), ["access-token"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_and_an_account_that_is_disabled_are_said_and_recovered_from() {
    let mut bench = Bench::new().await;
    let id = hours(&bench);
    bench.sim.edit_file(&id, &FileAction::ShareWith { account: ACCOUNT.to_owned() }).unwrap();
    let key = bench.sim.make_key(ACCOUNT).unwrap();
    write_key(&bench, "{ \"type\": \"service_account\" }");
    bench.configure(&configuration(&bench.sim.base_url(), &id, "spreadsheets"));
    bench.start().await;
    bench.press("one").await;
    let blocked = |words: &'static str| {
        move |report: &Value| {
            let grant = &report["grants"][0];
            grant["status"] == "blocked" && grant.to_string().contains(words)
        }
    };
    bench.until("the file is no key", blocked("key is not usable")).await;
    // Another account's key.
    write_key(&bench, &bench.sim.make_key("other@punchcard-demo.iam.gserviceaccount.com").unwrap());
    bench.printed(&["reload"]).await;
    bench.until("the key is another account's", blocked("key was refused")).await;
    bench.sim.change_account(ACCOUNT, &AccountChange::Disable);
    write_key(&bench, &key);
    bench.printed(&["reload"]).await;
    bench.until("the account is disabled", blocked("account is disabled")).await;
    bench.sim.change_account(ACCOUNT, &AccountChange::Enable);
    bench.printed(&["sign-in", "google", "--no-wait"]).await;
    bench.settle().await;
    assert_eq!(rows(&bench).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_which_scope_an_existing_sheet_needs() {
    let bench = Bench::new().await;
    write_key(&bench, &bench.sim.make_key(ACCOUNT).unwrap());
    bench.configure(&configuration(&bench.sim.base_url(), "1AbC", "drive.file"));
    let output = bench.command(&["check"]).await;
    let said = String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("https://www.googleapis.com/auth/spreadsheets"), "{said}");
}
