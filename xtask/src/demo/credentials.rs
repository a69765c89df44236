//! `cargo xtask demo --auto credentials`: the device signs in with a key to write a spreadsheet that a person shared with it, and
//! with a browser to read their tasks, which are what it lets choose from.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::configuration::SPREADSHEET;
use super::device::Device;
use super::script::PROJECTS;
use crate::report::Report;
use crate::stand_in::StandIn;

const ACCOUNT: &str = "recorder@punchcard-demo.iam.gserviceaccount.com";
/// On the person's list, behind what is punched: with two on each page there are three pages.
const MORE_TASKS: [&str; 2] = ["Roof", "Fence"];
/// What the stand-in takes from the client that signs in with a browser.
const DESKTOP_ID: &str = "punchcard-desktop.apps.googleusercontent.com";
const DESKTOP_SECRET: &str = "GOCSPX-punchcard-desktop";

/// How the device signs in here; what stands for the stand-in's origin and the spreadsheet is in capitals.
const GRANTS: &str = r#"
[grants.google]
plugin = "service-account"
reach = [{ url = "ORIGIN", private = true }]
audience = [{ url = "ORIGIN", private = true }]
secrets = { service-account = { file = "key.json" } }

[grants.google.settings]
account = "ACCOUNT"
scopes = ["https://www.googleapis.com/auth/spreadsheets"]
token-url = "ORIGIN/token"

[grants.tasks]
plugin = "web-flow"
reach = [{ url = "ORIGIN", private = true }]
audience = [{ url = "ORIGIN", private = true }]
secrets = { client-secret = { file = "desktop-secret" } }

[grants.tasks.settings]
provider = "google"
client-id = "DESKTOP"
scopes = ["https://www.googleapis.com/auth/tasks.readonly"]
issuer = "ORIGIN"

[grants.tasks.settings.endpoints]
authorization = "ORIGIN/o/oauth2/v2/auth"
token = "ORIGIN/token"
revocation = "ORIGIN/revoke"

[sinks.timesheet]
events = ["punch"]
format = { plugin = "timeclock", settings = { layout = "pairs" } }
reach = [{ url = "ORIGIN", private = true }]
authorize = { grant = "google" }

[sinks.timesheet.deliver]
plugin = "google-sheets"

[sinks.timesheet.deliver.settings]
spreadsheet-id = "SPREADSHEET"
account = "ACCOUNT"
tab = "Punches"
sheets-url = "ORIGIN"
"#;
const ITEMS: &str = r#"items = { plugin = "google-tasks", every = "5s", settings = { list = "L1", tasks-url = "ORIGIN" }, reach = [{ url = "ORIGIN", private = true }], authorize = { grant = "tasks" } }"#;

/// Puts a person's tasks and spreadsheet at the stand-in, and has the configuration use them.
pub(super) fn prepare(stand_in: &StandIn, folder: &Path, plugins: &Path, configuration: &Path) -> Result<()> {
    stand_in.control("/sim/switches", &json!({ "most_tasks_on_a_page": 2 }))?;
    for title in PROJECTS.into_iter().chain(MORE_TASKS) {
        stand_in.control("/sim/tasks/L1", &json!({ "action": "add", "id": title, "title": title }))?;
    }
    let made = stand_in.control("/sim/spreadsheets", &json!({ "title": SPREADSHEET }))?;
    let spreadsheet = made["id"].as_str().context("the stand-in made no spreadsheet")?;
    stand_in.control(&format!("/sim/files/{spreadsheet}"), &json!({ "action": "share-with", "account": ACCOUNT }))?;
    let key = stand_in.control("/sim/keys", &json!({ "account": ACCOUNT }))?;
    write_secret(folder, "key.json", &key.to_string())?;
    write_secret(folder, "desktop-secret", DESKTOP_SECRET)?;
    let text = fs::read_to_string(configuration).context("cannot read the configuration")?;
    let text = rewrite(&text, plugins, stand_in.origin(), spreadsheet)?;
    fs::write(configuration, text).context("cannot write the configuration")
}

/// Signs in with a browser, and waits for the list.
pub(super) fn sign_in(stand_in: &StandIn, device: &mut Device, limit_for: Duration) -> Result<()> {
    device.await_report("say how a person signs in", limit_for, |report| report.is_blocked().then_some(()))?;
    println!("It signs in with its key to write the spreadsheet that was shared with {ACCOUNT}.");
    let said = device.tell(&["sign-in", "tasks", "--web", "--no-wait"])?;
    for line in said.lines() {
        println!("    {line}");
    }
    let link = said.lines().map(str::trim).find(|line| line.starts_with("http")).context("it prints no link")?;
    stand_in.visit(link)?;
    println!("A browser went there, a person allowed it, and the browser came back to the device.");
    device.await_report("find that it is signed in", limit_for, |report| report.is_authorized().then_some(()))?;
    let wanted = PROJECTS.len() + MORE_TASKS.len();
    let has_all = |report: &Report| usize::try_from(report.listed()).is_ok_and(|items| items == wanted).then_some(());
    device.await_report("fetch the list of tasks", limit_for, has_all)?;
    println!("It fetched {wanted} tasks from three pages, and lets choose from them.");
    Ok(())
}

fn write_secret(folder: &Path, name: &str, content: &str) -> Result<()> {
    let file = folder.join(name);
    fs::write(&file, content).with_context(|| format!("cannot write {}", file.display()))?;
    // The host takes no secret from a file that others can read.
    fs::set_permissions(&file, Permissions::from_mode(0o600)).context("cannot keep the secret private")
}

/// The configuration with other items, grants and destination.
fn rewrite(text: &str, plugins: &Path, origin: &str, spreadsheet: &str) -> Result<String> {
    let (device, _) = text.split_once("[plugins]\n").context("the configuration has no plugins")?;
    let lines: Vec<&str> = device.lines().map(|line| if line.starts_with("items = ") { ITEMS } else { line }).collect();
    let plugin = |name: &str| {
        let file = Value::from(plugins.join(format!("{name}.wasm")).to_string_lossy());
        format!("{name} = {file}\n")
    };
    let named = ["service-account", "web-flow", "google-tasks", "google-sheets", "timeclock"].map(plugin).concat();
    let text = format!("{}\n\n[plugins]\n{named}{GRANTS}", lines.join("\n"));
    Ok(text
        .replace("ORIGIN", origin)
        .replace("SPREADSHEET", spreadsheet)
        .replace("ACCOUNT", ACCOUNT)
        .replace("DESKTOP", DESKTOP_ID))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::rewrite;

    #[test]
    fn the_items_are_fetched_and_nothing_goes_to_google() {
        let text = rewrite(
            "[choices.project]\nitems = [\"a\"]\n\n[plugins]\nx = \"x\"\n",
            Path::new("/guests"),
            "http://127.0.0.1:1",
            "id",
        );
        let text = text.expect("it is the configuration of the demonstration");
        assert!(text.starts_with("[choices.project]\nitems = { plugin = \"google-tasks\""), "{text}");
        assert!(text.contains("google-tasks = \"/guests/google-tasks.wasm\"") && !text.contains("ORIGIN"), "{text}");
        let elsewhere: Vec<&str> = text.split('"').filter(|word| word.starts_with("https://")).collect();
        assert!(elsewhere.iter().all(|word| word.starts_with("https://www.googleapis.com/auth/")), "{elsewhere:?}");
    }
}
