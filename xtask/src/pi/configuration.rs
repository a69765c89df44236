//! The configuration of the machine's device: a panel on its bus, a knob and buttons on its lines, and the stand-in in
//! Google's place; and what is added to it for a while.

use std::fmt::Write as _;

use super::line::{BUTTONS, CHIP, KNOB};
use super::machine::STAND_IN_PORT;

/// What the stand-in is called in the machine, which has to look the name up.
pub(super) const STAND_IN: &str = "google.test";

/// For so long a contact may bounce. An emulated processor may stand still in the middle of that, for longer than a contact
/// needs; a finger that is in a hurry stays down for longer still.
const DEBOUNCE_MS: u32 = 250;

/// A tab of a spreadsheet, by their titles.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sheet {
    pub(super) spreadsheet: &'static str,
    pub(super) tab: &'static str,
}

/// Where rows go: of presses, of readings, and of badges.
pub(super) const PUNCHES: Sheet = Sheet { spreadsheet: "Time clock", tab: "Punches" };
pub(super) const READINGS: Sheet = Sheet { spreadsheet: "Climate", tab: "Readings" };
pub(super) const BADGES: Sheet = Sheet { spreadsheet: "Door", tab: "Badges" };

/// What the knob turns through.
pub(super) const ITEMS: [&str; 3] = ["Workshop", "Garden", "Accounts"];

/// How many items it turns through where its turns are counted: as many as a choice can have.
pub(super) const COUNTED: u32 = 1_000;

/// The badge of a person, and the name in the kernel of the keyboard that types badges.
pub(super) const KNOWN_BADGE: (&str, &str) = ("0012345678", "Anna Weber");
pub(super) const READER: &str = "QEMU QEMU USB Keyboard";

/// The sensor's name.
pub(super) const SENSOR: &str = "climate";

/// The kind of the events of presses, and of the one that tells how far the knob was turned.
pub(super) const PUNCH: &str = "punch";
pub(super) const COUNT: &str = "count";

/// What the stand-in takes from the client that stands there.
pub(super) const CLIENT_SECRET: &str = "GOCSPX-punchcard-demo";

/// The systemd credential with the same.
pub(super) const CREDENTIAL: &str = "google-client-secret";

/// The stand-in in Google's place, as its own tests have it.
const GOOGLE: &str = include_str!("../../../host/google-sim/device.toml");
/// Where the sink begins in it, and what it names.
const SINK: &str = "[sinks.timesheet]";
const FORMAT: &str = r#"{ plugin = "timeclock", settings = { layout = "punches" } }"#;

/// What a configuration has besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Addition {
    /// A sensor on the bus, read every ten seconds, with a sheet of its own.
    Sensor,
    /// A reader that types badges, with a sheet of its own.
    Reader,
    /// The knob turns through numbers, and the first button tells which.
    Counter,
    /// Plugins are interpreted. An emulated processor takes long for that.
    Interpreter,
    /// The client's secret is a systemd credential.
    Credential,
}

/// The whole text.
pub(super) fn render(additions: &[Addition]) -> String {
    let has = |addition| additions.contains(&addition);
    let [a, b] = KNOB;
    let choice = if has(Addition::Counter) { "number" } else { "project" };
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
turn = {{ choice = "{choice}" }}
"#
    );
    for (place, (name, line)) in BUTTONS.into_iter().enumerate() {
        let press = if has(Addition::Counter) && place == 0 {
            format!(r#"{{ event = "{COUNT}", fields = {{ number = "$number" }} }}"#)
        } else {
            format!(r#"{{ event = "{PUNCH}", fields = {{ project = "$project" }} }}"#)
        };
        let button = format!(
            "\n[inputs.{name}]\ndriver = \"gpio\"\nchip = \"{CHIP}\"\nline = {line}\ndebounce-ms = {DEBOUNCE_MS}\npress = \
             {press}\n"
        );
        text.push_str(&button);
    }
    let mut plugins = vec!["device-flow", "google-sheets", "timeclock"];
    if has(Addition::Sensor) || has(Addition::Reader) {
        plugins.push("readings");
    }
    if has(Addition::Sensor) {
        plugins.push("bme280");
    }
    text.push_str("\n[plugins]\n");
    for name in plugins {
        // Writing to a String cannot fail.
        writeln!(text, r#"{name} = "/usr/lib/punchcard/{name}.wasm""#).ok();
    }
    text.push('\n');
    let secret = format!(r#"{{ credential = "{CREDENTIAL}" }}"#);
    let google = if has(Addition::Credential) {
        GOOGLE.replace(r#"{ file = "client-secret" }"#, &secret)
    } else {
        GOOGLE.to_owned()
    };
    text.push_str(&google.replace("FORMAT", FORMAT));
    for addition in additions {
        text.push_str(&render_addition(*addition));
    }
    text.replace("ORIGIN", &format!("http://{STAND_IN}:{STAND_IN_PORT}"))
}

/// The tables that are an addition's own.
fn render_addition(addition: Addition) -> String {
    match addition {
        Addition::Sensor => {
            let columns = r#"["temperature", "humidity", "pressure"]"#;
            let sensor = format!(
                r#"
[sensors.{SENSOR}]
plugin = "bme280"
every = "10s"
i2c = {{ sensor = {{ bus = 0, address = 0x76 }} }}

"#
            );
            sensor + &render_sink("climate", "reading", columns, READINGS)
        }
        Addition::Reader => {
            let columns = r#"[{ field = "person", kind = "text" }, { field = "badge", kind = "text" }]"#;
            let (number, name) = KNOWN_BADGE;
            let reader = format!(
                r#"
[inputs.door]
driver = "reader"
device = "{READER}"
press = {{ event = "badge", fields = {{ person = "$person", badge = "$badge" }} }}

[people]
{number} = "{name}"

"#
            );
            reader + &render_sink("door", "badge", columns, BADGES)
        }
        Addition::Counter => {
            let items: Vec<String> = (0..COUNTED).map(|number| number.to_string()).collect();
            format!("\n[choices.number]\nlabel = \"Number\"\nitems = {items:?}\n")
        }
        Addition::Interpreter => "\n[runtime]\nbackend = \"pulley\"\n\n[limits]\ncall-ms = 20000\n".to_owned(),
        Addition::Credential => String::new(),
    }
}

/// A sink like that of presses, of another kind of events and into another sheet.
fn render_sink(name: &str, event: &str, columns: &str, sheet: Sheet) -> String {
    let (_, sink) = GOOGLE.split_once(SINK).unwrap_or_default();
    let format = format!(r#"{{ plugin = "readings", settings = {{ columns = {columns} }} }}"#);
    format!("{SINK}{sink}")
        .replace("sinks.timesheet", &format!("sinks.{name}"))
        .replace(&format!("[\"{PUNCH}\"]"), &format!("[\"{event}\"]"))
        .replace("FORMAT", &format)
        .replace(PUNCHES.spreadsheet, sheet.spreadsheet)
        .replace(PUNCHES.tab, sheet.tab)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_goes_to_the_stand_in_and_nothing_to_google() {
        let text = render(&[Addition::Sensor, Addition::Reader]);
        let addresses: Vec<&str> =
            text.match_indices("http").filter_map(|(at, _)| text.get(at..)?.split('"').next()).collect();
        let elsewhere: Vec<&&str> =
            addresses.iter().filter(|address| !address.starts_with(&format!("http://{STAND_IN}"))).collect();
        assert_eq!(elsewhere, [&"https://www.googleapis.com/auth/drive.file"]);
    }

    #[test]
    fn what_is_added_has_a_sink_and_a_sheet_of_its_own() {
        let text = render(&[Addition::Sensor, Addition::Reader]);
        for (sink, events, sheet) in
            [("timesheet", PUNCH, PUNCHES), ("climate", "reading", READINGS), ("door", "badge", BADGES)]
        {
            let (_, table) = text.split_once(&format!("[sinks.{sink}]\n")).expect("a sink");
            assert!(table.starts_with(&format!("events = [\"{events}\"]\n")), "{table}");
            let (_, table) = text.split_once(&format!("[sinks.{sink}.deliver.settings]\n")).expect("settings");
            let titles = format!("spreadsheet = \"{}\"\ntab = \"{}\"\n", sheet.spreadsheet, sheet.tab);
            assert!(table.starts_with(&titles), "{table}");
        }
        let plain = render(&[]);
        assert!(!plain.contains("climate") && !plain.contains("credential") && !plain.contains("pulley"));
        assert!(render(&[Addition::Credential]).contains("{ credential = \"google-client-secret\" }"));
    }
}
