//! `punchcard init`: from a person's answers to a commented plugins.toml.
//!
//! The text is a template beside this file, with a marker in the place of each value, and parts that hold under a condition.
//! A part that does not hold stays in the file, as a comment: what could be there is seen. What always holds: the text is a
//! valid configuration, and no secret stands in it. Deliberately unknown here: terminals, files, hardware.

pub mod client;

use std::collections::BTreeMap;

use crate::config::panel::{OledChip, PanelSize};

/// The file of the Google client's secret, beside plugins.toml.
pub const SECRET_FILE: &str = "google-client-secret";
/// Where a package keeps the plugins.
pub const PACKAGED_PLUGINS: &str = "/usr/lib/punchcard";
/// The plugins of the configuration, whose files are `NAME.wasm`.
pub const PLUGINS: [&str; 3] = ["device-flow", "google-sheets", "timeclock"];

/// Those that it names in comments.
const MORE_PLUGINS: [&str; 3] = ["service-account", "readings", "webhook"];

const TEMPLATE: &str = include_str!("setup/plugins.toml");

/// What a person answered. One of button and reader is needed: without, nothing makes an event for the sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    /// The device's name.
    pub name: String,
    /// An IANA name.
    pub time_zone: String,
    /// What shows the device.
    pub panel: PanelAnswer,
    /// What is pressed; none: there is a reader.
    pub button: Option<ButtonAnswer>,
    /// What a reader of badges is plugged in as: its name in the kernel, or a link in `/dev`.
    pub reader: Option<String>,
    /// What can be chosen; nothing: there is no choice.
    pub projects: Vec<String>,
    /// The encoder's lines, with something to choose; none: with the space bar the arrow keys, else nothing.
    pub knob: Option<[u8; 2]>,
    /// The folder of the components.
    pub plugins: String,
    /// The Google client; none: rows go nowhere yet.
    pub google: Option<GoogleAnswer>,
}

/// What is pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ButtonAnswer {
    /// A button between this line and ground.
    Line(u8),
    /// The space bar of the terminal that the device runs in.
    SpaceBar,
}

/// What shows the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PanelAnswer {
    /// An OLED.
    Oled {
        /// Its chip.
        chip: OledChip,
        /// Its pixels.
        size: PanelSize,
        /// Its bus, by the device file.
        bus: String,
        /// Of 7 bits.
        address: u8,
    },
    /// The terminal that it runs in.
    Terminal,
    /// Nothing.
    None,
}

/// A Google client, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoogleAnswer {
    /// Its id.
    pub client_id: String,
    /// The file of its secret, as plugins.toml names it.
    pub secret_file: String,
}

/// The text of plugins.toml.
#[must_use]
pub fn render_configuration(answers: &Answers) -> String {
    render(answers, "`punchcard init` wrote it; it is yours from here on.")
}

/// What a package brings before anybody was asked: nothing is connected, and rows go nowhere.
#[must_use]
pub fn packaged_configuration() -> String {
    let answers = Answers {
        name: "punchcard".to_owned(),
        time_zone: "UTC".to_owned(),
        panel: PanelAnswer::None,
        button: None,
        reader: None,
        projects: Vec::new(),
        knob: None,
        plugins: PACKAGED_PLUGINS.to_owned(),
        google: None,
    };
    render(&answers, "It came with the package: `sudo punchcard init` writes one of your own.")
}

fn render(answers: &Answers, origin: &str) -> String {
    let (mut values, conditions) = (values(answers), conditions(answers));
    values.insert("origin", origin.to_owned());
    let mut text = String::new();
    let mut holds = true;
    for line in TEMPLATE.lines() {
        if let Some(condition) = line.strip_prefix("<if ").and_then(|rest| rest.strip_suffix('>')) {
            holds = conditions.contains(&condition);
            continue;
        }
        if line == "<end>" {
            holds = true;
            continue;
        }
        let before = match line {
            _ if holds || line.starts_with('#') => "",
            "" => "#",
            _ => "# ",
        };
        text.push_str(&fill(before, line, &values));
        text.push('\n');
    }
    text
}

/// Puts a value in the place of its marker, `start` before all of it, and a comment behind it into the column in which it
/// stood.
fn fill(start: &str, line: &str, values: &BTreeMap<&str, String>) -> String {
    let filled = line.split_once('<').and_then(|(before, rest)| {
        let (marker, after) = rest.split_once('>')?;
        Some((format!("{start}{before}{}", values.get(marker)?), after))
    });
    let Some((filled, after)) = filled else { return format!("{start}{line}") };
    match after.trim_start().strip_prefix('#') {
        Some(comment) => {
            let column = line.len() - after.trim_start().len();
            format!("{filled:<width$} #{comment}", width = column - 1)
        }
        None => format!("{filled}{after}"),
    }
}

fn values(answers: &Answers) -> BTreeMap<&'static str, String> {
    let (driver, size, bus, address) = match &answers.panel {
        PanelAnswer::Oled { chip, size, bus, address } => (driver_name(*chip), *size, bus.as_str(), *address),
        PanelAnswer::Terminal => ("terminal", PanelSize::W128H32, "/dev/i2c-1", 0x3c),
        PanelAnswer::None => ("none", PanelSize::W128H32, "/dev/i2c-1", 0x3c),
    };
    let items: Vec<String> = answers.projects.iter().map(|item| quote(item)).collect();
    let items = if items.is_empty() { "\"Workshop\", \"Garden\"".to_owned() } else { items.join(", ") };
    let (press, badge) = if answers.projects.is_empty() {
        ("{ event = \"punch\" }", "")
    } else {
        let press = "{ event = \"punch\", fields = { project = \"$project\" } }  # $NAME: the chosen item";
        (press, ", project = \"$project\"")
    };
    let badge = format!("{{ event = \"punch\", fields = {{ person = \"$person\", badge = \"$badge\"{badge} }} }}");
    let reader = answers.reader.as_deref();
    let timeclock = match reader {
        Some(_) => "{ layout = \"pairs\", person-field = \"person\" }",
        None => "{ layout = \"pairs\" }",
    };
    let line = match answers.button {
        Some(ButtonAnswer::Line(line)) => line,
        Some(ButtonAnswer::SpaceBar) | None => 17,
    };
    let [a, b] = answers.knob.unwrap_or([5, 6]);
    let google = answers.google.as_ref();
    let client_id = google.map_or("….apps.googleusercontent.com", |google| &google.client_id);
    let secret_file = google.map_or(SECRET_FILE, |google| &google.secret_file);
    let mut values = BTreeMap::from([
        ("name", quote(&answers.name)),
        ("time-zone", quote(&answers.time_zone)),
        ("panel-driver", quote(driver)),
        ("panel-size", quote(&format!("{}x{}", size.width(), size.height()))),
        ("panel-bus", quote(bus)),
        ("panel-address", format!("{address:#04x}")),
        ("items", format!("[{items}]")),
        ("button-line", line.to_string()),
        ("press", press.to_owned()),
        ("reader", quote(reader.unwrap_or("HID Reader"))),
        ("badge-press", badge),
        ("timeclock-settings", timeclock.to_owned()),
        ("knob-lines", format!("[{a}, {b}]")),
        ("client-id", quote(client_id)),
        ("secret-file", quote(secret_file)),
    ]);
    let plugins = PLUGINS.into_iter().chain(MORE_PLUGINS);
    values.extend(plugins.map(|name| (name, quote(&format!("{}/{name}.wasm", answers.plugins)))));
    values
}

fn conditions(answers: &Answers) -> Vec<&'static str> {
    let has_choice = !answers.projects.is_empty();
    let has_space_bar = answers.button == Some(ButtonAnswer::SpaceBar);
    let known = [
        ("oled", matches!(answers.panel, PanelAnswer::Oled { .. })),
        ("projects", has_choice),
        ("press", answers.button.is_some()),
        ("button", matches!(answers.button, Some(ButtonAnswer::Line(_)))),
        ("key", has_space_bar),
        ("reader", answers.reader.is_some()),
        ("knob", has_choice && answers.knob.is_some()),
        ("arrows", has_choice && answers.knob.is_none() && has_space_bar),
        ("google", answers.google.is_some()),
    ];
    known.into_iter().filter(|(_, holds)| *holds).map(|(condition, _)| condition).collect()
}

fn driver_name(chip: OledChip) -> &'static str {
    match chip {
        OledChip::Ssd1306 => "ssd1306",
        OledChip::Sh1106 => "sh1106",
    }
}

/// A basic string of TOML 1.0. What JSON escapes, TOML escapes in the same way; and DEL as well.
fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_configuration;

    fn answers() -> Answers {
        Answers {
            name: "front-door".into(),
            time_zone: "Australia/Brisbane".into(),
            panel: PanelAnswer::None,
            button: Some(ButtonAnswer::SpaceBar),
            reader: None,
            projects: Vec::new(),
            knob: None,
            plugins: "/usr/lib/punchcard".into(),
            google: None,
        }
    }

    fn oled() -> PanelAnswer {
        let bus = "/dev/i2c-1".to_owned();
        PanelAnswer::Oled { chip: OledChip::Sh1106, size: PanelSize::W128H64, bus, address: 0x3d }
    }

    fn google() -> GoogleAnswer {
        GoogleAnswer { client_id: "1-x.apps.googleusercontent.com".into(), secret_file: "google-client-secret".into() }
    }

    /// Every combination of answers: panel, button or reader or both, projects, knob, client.
    fn all_answers() -> Vec<Answers> {
        let mut all = Vec::new();
        for panel in [PanelAnswer::None, PanelAnswer::Terminal, oled()] {
            for number in 0..64_u8 {
                let has = |bit: u8| number & bit != 0;
                let reader = has(32).then(|| "HID \"Reader\"".to_owned());
                let button = match (has(16), has(1)) {
                    (true, true) => Some(ButtonAnswer::Line(17)),
                    (true, false) => Some(ButtonAnswer::SpaceBar),
                    (false, _) if reader.is_some() => None,
                    (false, _) => continue,
                };
                all.push(Answers {
                    panel: panel.clone(),
                    button,
                    reader,
                    projects: if has(2) {
                        vec!["Workshop".into(), "Garden \"south\" \\ \u{7f}x".into()]
                    } else {
                        Vec::new()
                    },
                    knob: has(4).then_some([5, 6]),
                    google: has(8).then(google),
                    ..answers()
                });
            }
        }
        all
    }

    #[test]
    fn whatever_is_answered_is_a_valid_configuration_that_says_it() {
        for answers in all_answers() {
            // A choice cannot hold what a terminal obeys; the quoting holds it all the same.
            let projects: Vec<String> = answers.projects.iter().map(|item| item.replace('\u{7f}', "")).collect();
            let answers = Answers { projects, ..answers };
            let text = render_configuration(&answers);
            let configuration = parse_configuration(&text).unwrap_or_else(|errors| panic!("{errors:?}\n{text}"));
            assert_eq!(configuration.device.name.as_str(), "front-door");
            assert_eq!(configuration.grants.len(), usize::from(answers.google.is_some()));
            assert_eq!(configuration.sinks.len(), usize::from(answers.google.is_some()));
            assert_eq!(configuration.choices.len(), usize::from(!answers.projects.is_empty()));
            let knob = answers.knob.is_some() && !answers.projects.is_empty();
            let arrows = !knob && answers.button == Some(ButtonAnswer::SpaceBar) && !answers.projects.is_empty();
            let hands = usize::from(answers.button.is_some()) + usize::from(answers.reader.is_some());
            assert_eq!(configuration.inputs.len(), hands + usize::from(knob) + 2 * usize::from(arrows), "{text}");
            let badges = configuration.inputs.values().filter(|input| input.trigger.reads_badges()).count();
            assert_eq!(badges, usize::from(answers.reader.is_some()), "{text}");
            assert_eq!(text.contains("\n[people]\n"), answers.reader.is_some(), "{text}");
            // Without it, times of all people would be one person's.
            let says_who = answers.reader.is_some() && answers.google.is_some();
            let formats = configuration.sinks.values().filter_map(|sink| sink.format.settings.text("person-field"));
            assert_eq!(formats.collect::<Vec<_>>(), if says_who { vec!["person"] } else { vec![] }, "{text}");
            assert!(!text.lines().any(|line| line.starts_with('<')), "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= 130), "{text}");
        }
    }

    #[test]
    fn what_a_package_brings_is_valid_and_does_nothing_yet() {
        let text = packaged_configuration();
        let configuration = parse_configuration(&text).unwrap_or_else(|errors| panic!("{errors:?}\n{text}"));
        assert!(configuration.inputs.is_empty() && configuration.grants.is_empty() && configuration.sinks.is_empty());
        assert_eq!(configuration.plugins.len(), PLUGINS.len());
        assert!(text.starts_with("# What this device does. It came with the package"), "{text}");
        assert!(text.contains("\n# readings = \"/usr/lib/punchcard/readings.wasm\""), "{text}");
    }

    #[test]
    fn any_text_is_quoted_as_toml_reads_it() {
        for text in ["", "a\"b", "a\\b", "\u{7f}", "\n\t\u{1}", "Grüße \u{1f44b}"] {
            let table: toml::Table = toml::from_str(&format!("x = {}", quote(text))).unwrap();
            assert_eq!(table["x"].as_str(), Some(text));
        }
    }

    #[test]
    fn what_is_not_there_stays_as_a_comment() {
        let text = render_configuration(&answers());
        assert!(text.contains("\n# [grants.google]\n# plugin = \"device-flow\"\n"), "{text}");
        assert!(text.contains("\n# client-id = \"….apps.googleusercontent.com\"\n"), "{text}");
        assert!(text.contains("\nname = \"front-door\"                 # what rows"), "{text}");
        assert!(text.contains("\n# bus = \"/dev/i2c-1\"                # the I2C bus"), "{text}");
        // Taken out of its comment, it is valid, too.
        let google = text.split_once("# [grants.google]").map(|(before, rest)| {
            let rest = format!("# [grants.google]{rest}");
            let lines = rest.lines().map(|line| match line.strip_prefix("# ") {
                Some(line) if !line.starts_with("From ") => format!("{line}\n"),
                _ => format!("{line}\n"),
            });
            format!("{before}{}", lines.collect::<String>())
        });
        assert!(parse_configuration(&google.unwrap()).is_ok());
    }
}
