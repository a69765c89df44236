//! The configuration of the machine's device: a panel on its bus, a knob and buttons on its lines, and the stand-in in
//! Google's place.

use std::fmt::Write as _;

use super::line::{BUTTONS, CHIP, KNOB};
use super::machine::STAND_IN_PORT;

/// What the stand-in is called in the machine, which has to look the name up.
pub(super) const STAND_IN: &str = "google.test";

/// The spreadsheet that the device writes, and the tab in it.
pub(super) const SPREADSHEET: &str = "Time clock";
pub(super) const TAB: &str = "Punches";

/// What the knob turns through.
pub(super) const ITEMS: [&str; 3] = ["Workshop", "Garden", "Accounts"];

/// What the stand-in takes from the client that stands there.
pub(super) const CLIENT_SECRET: &str = "GOCSPX-punchcard-demo";

/// The stand-in in Google's place, as its own tests have it.
const GOOGLE: &str = include_str!("../../../host/google-sim/device.toml");
const FORMAT: &str = r#"{ plugin = "timeclock", settings = { layout = "punches" } }"#;

/// The whole text.
pub(super) fn render() -> String {
    let [a, b] = KNOB;
    let mut text = format!(
        r#"[device]
name = "virtual-pi"
time-zone = "UTC"

[panel]
driver = "ssd1306"
size = "128x64"
bus = 0

[choices.project]
label = "Project"
items = {ITEMS:?}

[inputs.knob]
driver = "encoder"
chip = "{CHIP}"
lines = [{a}, {b}]
turn = {{ choice = "project" }}
"#
    );
    for (name, line) in BUTTONS {
        let button = format!(
            r#"
[inputs.{name}]
driver = "gpio"
chip = "{CHIP}"
line = {line}
press = {{ event = "punch", fields = {{ project = "$project" }} }}
"#
        );
        text.push_str(&button);
    }
    text.push_str("\n[plugins]\n");
    for name in ["device-flow", "google-sheets", "timeclock"] {
        // Writing to a String cannot fail.
        writeln!(text, r#"{name} = "/usr/lib/punchcard/{name}.wasm""#).ok();
    }
    text.push('\n');
    text.push_str(&GOOGLE.replace("FORMAT", FORMAT).replace("ORIGIN", &format!("http://{STAND_IN}:{STAND_IN_PORT}")));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_goes_to_the_stand_in_and_nothing_to_google() {
        let text = render();
        let addresses: Vec<&str> =
            text.match_indices("http").filter_map(|(at, _)| text.get(at..)?.split('"').next()).collect();
        let elsewhere: Vec<&&str> =
            addresses.iter().filter(|address| !address.starts_with(&format!("http://{STAND_IN}"))).collect();
        assert_eq!(elsewhere, [&"https://www.googleapis.com/auth/drive.file"]);
    }
}
