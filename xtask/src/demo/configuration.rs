//! The configuration of the demonstration's device: that of the README, with the stand-in in Google's place.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The spreadsheet that the device writes.
pub(super) const SPREADSHEET: &str = "Time clock";

/// The tab in it.
pub(super) const TAB: &str = "Punches";

/// How long a key counts as the same press. Shorter than usual where a script presses.
pub(super) const DEBOUNCE_MS: u64 = 200;

/// The stand-in in Google's place, as its own tests have it.
const GOOGLE: &str = include_str!("../../../host/google-sim/device.toml");
const FORMAT: &str = r#"{ plugin = "timeclock", settings = { layout = "pairs" } }"#;
/// What the stand-in takes from the client that stands there.
const CLIENT_SECRET: &str = "GOCSPX-punchcard-demo";

/// What differs from machine to machine.
#[derive(Debug)]
pub(super) struct Demonstration<'a> {
    /// The stand-in's origin.
    pub(super) stand_in: &'a str,
    /// Where the components are.
    pub(super) plugins: &'a Path,
    /// Whether a script presses the keys.
    pub(super) is_automatic: bool,
    /// Whether the panel is an OLED, and not drawn in the terminal.
    pub(super) has_oled: bool,
}

impl Demonstration<'_> {
    /// Writes plugins.toml and the secret beside it, and returns the former.
    pub(super) fn write(&self, folder: &Path) -> Result<PathBuf> {
        let write = |name: &str, text: &str| -> Result<PathBuf> {
            let file = folder.join(name);
            std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
            Ok(file)
        };
        let secret = write("client-secret", CLIENT_SECRET)?;
        // The host takes no secret from a file that others can read.
        std::fs::set_permissions(&secret, Permissions::from_mode(0o600)).context("cannot keep the secret private")?;
        write("plugins.toml", &self.render())
    }

    fn render(&self) -> String {
        let plugin = |name: &str| toml_text(&self.plugins.join(format!("{name}.wasm")).to_string_lossy());
        let debounce = if self.is_automatic { format!("\ndebounce-ms = {DEBOUNCE_MS}") } else { String::new() };
        let panel = if self.has_oled { "ssd1306" } else { "terminal" };
        let items: Vec<String> = super::PROJECTS.iter().map(|project| toml_text(project)).collect();
        format!(
            r#"[device]
name = "demo"
time-zone = "Australia/Brisbane"
trust-clock = true

[panel]
driver = "{panel}"
size = "128x64"

[choices.project]
label = "Project"
items = [{items}]

[inputs.clock]
driver = "keyboard"
key = "space"
press = {{ event = "punch", fields = {{ project = "$project" }} }}{debounce}

[inputs.next]
driver = "keyboard"
key = "right"
turn = {{ choice = "project", step = 1 }}

[inputs.previous]
driver = "keyboard"
key = "left"
turn = {{ choice = "project", step = -1 }}

[plugins]
device-flow = {device_flow}
google-sheets = {google_sheets}
timeclock = {timeclock}

{google}"#,
            items = items.join(", "),
            device_flow = plugin("device-flow"),
            google_sheets = plugin("google-sheets"),
            timeclock = plugin("timeclock"),
            google = GOOGLE.replace("FORMAT", FORMAT).replace("ORIGIN", self.stand_in),
        )
    }
}

/// A basic string of TOML, whose escapes for what a path may hold are those of JSON.
fn toml_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_goes_to_the_stand_in_and_nothing_to_google() {
        let demonstration = Demonstration {
            stand_in: "http://127.0.0.1:8085",
            plugins: Path::new("/a \"b\""),
            is_automatic: false,
            has_oled: false,
        };
        let text = demonstration.render();
        let addresses: Vec<&str> =
            text.match_indices("http").filter_map(|(at, _)| text.get(at..)?.split('"').next()).collect();
        let elsewhere: Vec<&&str> =
            addresses.iter().filter(|address| !address.starts_with("http://127.0.0.1:8085")).collect();
        assert_eq!(elsewhere, [&"https://www.googleapis.com/auth/drive.file"]);
        assert!(text.contains(r#"timeclock = "/a \"b\"/timeclock.wasm""#), "{text}");
        assert!(!text.contains("debounce-ms"));
        assert!(text.contains("driver = \"terminal\"\n"));
    }

    #[test]
    fn only_a_script_presses_quickly_and_an_oled_is_the_panel_where_there_is_one() {
        let demonstration =
            Demonstration { stand_in: "http://x", plugins: Path::new("/p"), is_automatic: true, has_oled: true };
        let text = demonstration.render();
        assert!(text.contains("debounce-ms = 200\n") && text.contains("driver = \"ssd1306\"\n"), "{text}");
    }
}
