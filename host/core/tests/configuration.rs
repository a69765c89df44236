//! plugins.toml as a person writes it: what is read of it, and what is said about every error in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use punchcard_core::badge::BadgeNumber;
use punchcard_core::config::input::{
    Action, Chip, Contact, FieldValue, InputDevice, Key, Press, Pull, Step, Trigger, TurnAction,
};
use punchcard_core::config::limit::Limits;
use punchcard_core::config::output::Driven;
use punchcard_core::config::panel::{Care, Night, Oled, OledChip, PanelDriver, PanelSize};
use punchcard_core::config::repository::{RepositorySource, Updates, Window};
use punchcard_core::config::runtime::Backend;
use punchcard_core::config::secret::SecretSource;
use punchcard_core::config::sensor::{Direction, I2cLoan, LineLoan, OneWireId, Sensor};
use punchcard_core::config::sink::Authorization;
use punchcard_core::config::{
    Configuration, Diagnostic, MAX_BYTES, Part, Place, parse_configuration, parse_what_is_valid, render_diagnostics,
};
use punchcard_core::encoder::StepsPerDetent;
use punchcard_core::event::Value;
use punchcard_core::name::{
    ChoiceName, EventKind, GrantName, InputName, LoanName, OutputName, PluginName, RepositoryName, SinkName, SlotName,
};
use punchcard_core::output::{Behavior, Pulses, Sign};

#[path = "configuration/bounds.rs"]
mod bounds;
#[path = "configuration/input.rs"]
mod input;
#[path = "configuration/panel.rs"]
mod panel;
#[path = "configuration/part.rs"]
mod part;
#[path = "configuration/repository.rs"]
mod repository;
#[path = "configuration/whole.rs"]
mod whole;

const TO_GROUND: Contact = Contact { pull: Pull::Up, is_active_low: true };

const DESIGN: &str = include_str!("configuration/design.toml");
const FULL: &str = include_str!("configuration/full.toml");
const DEMO: &str = include_str!("../../../plugins.toml");

fn parsed(text: &str) -> Configuration {
    parse_configuration(text).unwrap_or_else(|errors| panic!("{}", render_diagnostics(text, "plugins.toml", &errors)))
}

fn errors(text: &str) -> Vec<String> {
    let (_, diagnostics) = parse_what_is_valid(text);
    diagnostics.iter().map(Diagnostic::to_string).collect()
}

/// A configuration in which nothing is wrong, and this.
fn with(lines: &str) -> String {
    format!("device.name = \"x\"\n{lines}\n")
}

fn names<K: ToString, V>(parts: &BTreeMap<K, V>) -> Vec<String> {
    parts.keys().map(ToString::to_string).collect()
}

macro_rules! bad_files {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                let text = include_str!(concat!("configuration/bad/", stringify!($name), ".toml"));
                let diagnostics = parse_configuration(text).unwrap_err();
                insta::assert_snapshot!(stringify!($name), render_diagnostics(text, "plugins.toml", &diagnostics));
            }
        )*
    };
}

/// Each file of `configuration/bad`, with what is said about it in `snapshots`.
mod what_is_said_about {
    use super::*;

    bad_files!(
        duplicates, empty, inline, misspelt, reach, references, secrets, settings, syntax, types, unicode, values,
    );
}

#[test]
fn the_designs_example_is_read() {
    let read = parsed(DESIGN);
    assert_eq!(read.device.name.as_str(), "front-door");
    assert_eq!(read.device.time_zone.iana_name(), Some("Australia/Brisbane"));
    assert!(!read.device.trust_clock);
    assert_eq!(read.panel.driver, PanelDriver::Oled(panel::usual_oled()));
    assert_eq!((read.panel.size.width(), read.panel.size.height()), (128, 32));
    let project = ChoiceName::parse("project").unwrap();
    assert_eq!(read.choices[&project].label, "Project");
    assert_eq!(read.choices[&project].items.fixed(), ["Workshop", "Garden", "Accounts"]);
    let clock = &read.inputs[&InputName::parse("clock").unwrap()];
    assert_eq!(clock.trigger, Trigger::Line { chip: Chip::Header, line: 17, contact: TO_GROUND });
    let Action::Press(presses) = &clock.action else { panic!("it presses") };
    let press = &presses.once;
    assert_eq!(press.event.as_str(), "punch");
    assert_eq!(press.fields.len(), 1);
    assert_eq!(press.fields[0].1, FieldValue::Chosen(project));
    assert_eq!(clock.debounce_for, Duration::from_millis(30));
    assert_eq!(names(&read.plugins), ["device-flow", "google-sheets", "timeclock"]);
    let google = &read.grants[&GrantName::parse("google").unwrap()];
    let slot = SlotName::parse("client-secret").unwrap();
    assert!(
        matches!(&google.secrets[&slot], SecretSource::Credential(name) if name.as_str() == "google-client-secret")
    );
    assert_eq!(
        google.settings.to_json(),
        r#"{"client-id":"…apps.googleusercontent.com","provider":"google","scopes":["https://www.googleapis.com/auth/drive.file"]}"#
    );
    let timesheet = &read.sinks[&SinkName::parse("timesheet").unwrap()];
    assert_eq!(timesheet.format.plugin.as_str(), "timeclock");
    assert_eq!(timesheet.format.settings.to_json(), r#"{"layout":"pairs"}"#);
    assert_eq!(timesheet.deliver.plugin.as_str(), "google-sheets");
    assert_eq!(timesheet.deliver.settings.to_json(), r#"{"spreadsheet":"Time clock","tab":"Punches"}"#);
    assert_eq!(timesheet.grant().map(GrantName::as_str), Some("google"));
}

#[test]
fn the_demos_device_is_read() {
    let read = parsed(DEMO);
    assert_eq!((read.panel.driver, read.panel.size), (PanelDriver::Terminal, PanelSize::W128H32));
    let triggers: Vec<Trigger> = read.inputs.values().map(|input| input.trigger.clone()).collect();
    assert_eq!(triggers, [Key::SPACE, Key::RIGHT, Key::LEFT].map(Trigger::Key));
    assert_eq!(names(&read.sinks), ["timesheet"]);
    assert_eq!(names(&read.grants), ["google"]);
    // What it says of limits and history is what holds where nothing is said.
    assert!(read.plugins.values().all(|plugin| plugin.limits == Limits::default()));
    assert_eq!(read.history, Configuration::default().history);
    let sheet = &read.sinks.values().next().unwrap().deliver.settings;
    assert_eq!(sheet.to_json(), r#"{"spreadsheet":"Time clock","tab":"Punches"}"#);
}

#[test]
fn every_key_is_read() {
    let read = parsed(FULL);
    assert_eq!(read.device.name.to_string(), "Werkstatt 3");
    assert_eq!(read.device.time_zone.iana_name(), Some("Europe/Berlin"));
    assert!(read.device.trust_clock);
    let night = Night { from_minute: 22 * 60, to_minute: 6 * 60 + 30, contrast: 2 };
    let care = Care { contrast: 200, night: Some(night), blank_after: Some(Duration::from_secs(600)) };
    let oled = Oled { chip: OledChip::Ssd1306, bus: "/dev/i2c-3".into(), address: 0x3d, is_turned: true, care };
    assert_eq!(read.panel.driver, PanelDriver::Oled(oled));
    assert_eq!((read.panel.size, read.panel.size.height()), (PanelSize::W128H64, 64));
    assert_eq!(names(&read.choices), ["project", "shift"]);

    let input = |name: &str| &read.inputs[&InputName::parse(name).unwrap()];
    assert_eq!(names(&read.inputs), ["badge", "clock", "door", "knob", "next", "pad", "previous"]);
    assert_eq!(input("clock").trigger, Trigger::Key(Key::SPACE));
    assert_eq!(input("clock").debounce_for, Duration::from_millis(250));
    let Action::Press(presses) = &input("clock").action else { panic!("it presses") };
    let Press { event, fields, share_commit_for } = &presses.once;
    assert_eq!(*share_commit_for, Duration::from_secs(10));
    assert_eq!(event.as_str(), "punch");
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let project = ChoiceName::parse("project").unwrap();
    let expected = [
        ("zone", FieldValue::Fixed(Value::Integer(7))),
        ("project", FieldValue::Chosen(project.clone())),
        ("price", FieldValue::Fixed(Value::Text("$5".to_owned()))),
        ("rate", FieldValue::Fixed(Value::Number(-1.5))),
        ("paid", FieldValue::Fixed(Value::Flag(true))),
    ];
    assert_eq!(fields, expected);
    assert_eq!(input("clock").choices().collect::<Vec<_>>(), [&project]);
    let turn = |step| Action::Turn(TurnAction { choice: project.clone(), step });
    assert_eq!(input("next").action, turn(Step::Forward));
    assert_eq!(input("next").trigger, Trigger::Key(Key::RIGHT));
    assert_eq!(input("next").debounce_for, Duration::from_millis(30));
    assert_eq!(input("previous").action, turn(Step::Back));
    assert_eq!(input("previous").choices().collect::<Vec<_>>(), [&project]);
    assert_eq!(
        input("knob").trigger,
        Trigger::Encoder {
            chip: Chip::Labelled("pinctrl-rp1".into()),
            lines: [5, 6],
            steps_per_detent: StepsPerDetent::Two,
            contact: TO_GROUND,
        }
    );
    assert_eq!(input("knob").debounce_for, Duration::ZERO);
    assert!(matches!(&input("knob").action, Action::Turn(turn) if turn.step == Step::Forward));
    assert_eq!(
        input("door").trigger,
        Trigger::Line {
            chip: Chip::Labelled("9030000.pl061".into()),
            line: 27,
            contact: Contact { pull: Pull::None, is_active_low: false },
        }
    );
    let Action::Press(presses) = &input("door").action else { panic!("it presses") };
    assert!(presses.once.fields.is_empty());
    let further = |press: &Option<(Duration, Press)>| {
        press.as_ref().map(|(time, press)| (u64::try_from(time.as_millis()).unwrap(), press.event.to_string()))
    };
    assert_eq!(further(&presses.long), Some((1_500, "left".to_owned())));
    assert_eq!(further(&presses.double), Some((400, "left".to_owned())));
    let reader = InputDevice::Path("/dev/input/by-id/usb-Sycreader_RFID_Reader-event-kbd".into());
    assert_eq!(input("badge").trigger, Trigger::Reader { device: reader });
    assert_eq!(input("badge").debounce_for, Duration::from_secs(5));
    let Action::Press(presses) = &input("badge").action else { panic!("it presses") };
    let values: Vec<FieldValue> = presses.once.fields.iter().map(|(_, value)| value.clone()).collect();
    assert_eq!(values, [FieldValue::Person, FieldValue::Badge, FieldValue::Chosen(project.clone())]);
    let key = Key::function(1).unwrap();
    assert_eq!(input("pad").trigger, Trigger::DeviceKey { device: InputDevice::Name("Usb KeyBoard".into()), key });
    assert_eq!(input("pad").debounce_for, Duration::from_millis(30));
    let name_of = |number: &str| read.people.name_of(&BadgeNumber::parse(number).unwrap());
    let found = ["0012345678", "12345678", "04:a1:B2"].map(name_of);
    assert_eq!(found, [Some("Anna Weber"), None, Some("Ben")]);

    let output = |name: &str| &read.outputs[&OutputName::parse(name).unwrap()];
    assert_eq!(output("lamp").driven, Driven::Line { chip: Chip::Header, line: 20 });
    assert!(output("lamp").is_active_low && !output("buzzer").is_active_low);
    assert_eq!(output("buzzer").driven, Driven::Pwm { channel: 1, hz: 2_700, percent: 50 });
    let behavior =
        Behavior { recorded: Pulses(vec![60, 30, 60]), refused: Pulses::default(), problem: Some(Sign::Blink) };
    assert_eq!(output("lamp").behavior, behavior);

    assert_eq!(names(&read.sensors), ["climate"]);
    let loan = |name: &str| LoanName::parse(name).unwrap();
    let chip = |bus: &str, address| I2cLoan { bus: bus.into(), address };
    let line = |chip, line, direction| LineLoan { chip, line, direction };
    let climate = Sensor {
        plugin: PluginName::parse("bme280").unwrap(),
        every: Duration::from_secs(600),
        event: EventKind::parse("climate").unwrap(),
        i2c: BTreeMap::from([(loan("sensor"), chip("/dev/i2c-3", 0x76)), (loan("second"), chip("/dev/i2c-1", 0x77))]),
        lines: BTreeMap::from([
            (loan("door"), line(Chip::Labelled("pinctrl-rp1".into()), 9, Direction::In(Pull::None))),
            (loan("power"), line(Chip::Header, 10, Direction::Out)),
        ]),
        one_wire: BTreeMap::from([(loan("boiler"), OneWireId::parse("28-0316a2795cff").unwrap())]),
        settings: read.sensors[&InputName::parse("climate").unwrap()].settings.clone(),
        share_commit_for: Duration::from_secs(60),
    };
    assert_eq!(climate.settings.to_json(), r#"{"temperature-offset":-0.5}"#);
    assert_eq!(read.sensors[&InputName::parse("climate").unwrap()], climate);

    const MIB: u64 = 1024 * 1024;
    let limits = Limits {
        call_for: Duration::from_secs(2),
        memory_bytes: 32 * MIB,
        state_bytes: 512 * 1024,
        rows_per_event: 100,
        answer_bytes: 4 * MIB,
        log_lines_per_minute: 30,
    };
    let plugin = |name: &str| &read.plugins[&PluginName::parse(name).unwrap()];
    assert_eq!((plugin("timeclock").path.as_path(), plugin("timeclock").limits), (Path::new("timeclock.wasm"), limits));
    assert_eq!((plugin("webhook").path.as_path(), plugin("webhook").limits), (Path::new("webhook.wasm"), limits));
    assert_eq!(plugin("google-sheets").path, Path::new("/usr/lib/punchcard/google-sheets.wasm"));
    let more = Limits { call_for: Duration::from_secs(5), memory_bytes: 128 * MIB, ..limits };
    assert_eq!(plugin("google-sheets").limits, more);
    assert_eq!(read.history.keep_for, Duration::from_secs(30 * 86_400));
    assert_eq!(read.history.keep_bytes, 64 * MIB);

    let grant = &read.grants[&GrantName::parse("google").unwrap()];
    assert_eq!(grant.plugin.as_str(), "device-flow");
    assert_eq!(grant.reach.iter().map(ToString::to_string).collect::<Vec<_>>(), ["https://oauth2.googleapis.com/"]);
    let audience = ["https://sheets.googleapis.com/", "https://www.googleapis.com/drive"];
    assert_eq!(grant.audience.iter().map(ToString::to_string).collect::<Vec<_>>(), audience);
    assert_eq!(
        grant.settings.to_json(),
        r#"{"factor":0.5,"more":{"x":[]},"provider":"google","retries":3,"scopes":["a","b"],"strict":false}"#
    );
    assert_eq!(grant.ca.as_deref(), Some(Path::new("certificates/authority.pem")));
    let spare = &grant.secrets[&SlotName::parse("spare").unwrap()];
    assert_eq!(spare, &SecretSource::File("spare.txt".into()));

    let sink = |name: &str| &read.sinks[&SinkName::parse(name).unwrap()];
    let kinds: Vec<&str> = sink("timesheet").events.iter().map(EventKind::as_str).collect();
    assert_eq!(kinds, ["punch", "reading"]);
    let private: Vec<bool> = sink("house").reach.iter().map(punchcard_core::reach::Prefix::private).collect();
    assert_eq!(private, [true, true]);
    assert!(!sink("timesheet").reach[0].private());
    assert!(matches!(
        &sink("house").authorize,
        Some(Authorization::Header { name, secret: SecretSource::File(file) })
            if name.as_str() == "X-Api-Key" && file == Path::new("house.key")
    ));
    assert_eq!(sink("house").grant(), None);
    assert_eq!(sink("house").deliver.settings.to_json(), "{}");
    assert_eq!(sink("open").authorize, None);
}

#[test]
fn what_is_left_out_has_its_default() {
    let read = parsed(&with(
        "[choices.c]\nlabel = \"C\"\nitems = [\"1\"]\n[plugins]\np = \"p\"\n[panel]\ndriver = \"terminal\"",
    ));
    assert_eq!(read.device.time_zone.iana_name(), Some("UTC"));
    assert_eq!((read.panel.driver, read.panel.size), (PanelDriver::Terminal, PanelSize::W128H32));
    let limits = read.plugins.values().next().unwrap().limits;
    assert_eq!(limits, Limits::default());
    let expected = Limits {
        call_for: Duration::from_millis(1000),
        memory_bytes: 67_108_864,
        state_bytes: 1_048_576,
        rows_per_event: 1000,
        answer_bytes: 8_388_608,
        log_lines_per_minute: 60,
    };
    assert_eq!(limits, expected);
    assert_eq!(read.history.keep_for, Duration::from_secs(34_560_000));
    assert_eq!(read.history.keep_bytes, 268_435_456);
    assert_eq!(parsed(&with("")).panel.driver, PanelDriver::None);
    let read = parsed(&with("[panel]\ndriver = \"none\""));
    assert_eq!(read.panel.driver, PanelDriver::None);
}

#[test]
fn a_part_has_a_place() {
    let read = parsed(FULL);
    let line = |needle: &str| FULL.lines().position(|line| line.contains(needle)).unwrap() + 1;
    let sink = |name: &str| SinkName::parse(name).unwrap();
    let google = || GrantName::parse("google").unwrap();
    let climate = || InputName::parse("climate").unwrap();
    for (part, path, needle) in [
        (Part::Device, "device", "[device]"),
        (Part::Panel, "panel", "[panel]"),
        (Part::Choice(ChoiceName::parse("shift").unwrap()), "choices.shift", "[choices.shift]"),
        (Part::Input(InputName::parse("knob").unwrap()), "inputs.knob", "[inputs.knob]"),
        (Part::Plugin(PluginName::parse("timeclock").unwrap()), "plugins.timeclock", "timeclock = "),
        (Part::Grant(google()), "grants.google", "[grants.google]"),
        (Part::GrantPlugin(google()), "grants.google.plugin", "plugin = \"device-flow\""),
        (Part::GrantSettings(google()), "grants.google.settings", "settings = { provider"),
        (Part::GrantCa(google()), "grants.google.ca", "ca = "),
        (Part::GrantSecret(google(), SlotName::parse("spare").unwrap()), "grants.google.secrets.spare", "spare = "),
        (Part::Sensor(climate()), "sensors.climate", "[sensors.climate]"),
        (Part::SensorPlugin(climate()), "sensors.climate.plugin", "plugin = \"bme280\""),
        (Part::SensorSettings(climate()), "sensors.climate.settings", "temperature-offset"),
        (Part::I2cLoan(climate(), LoanName::parse("second").unwrap()), "sensors.climate.i2c.second", "second = "),
        (Part::LineLoan(climate(), LoanName::parse("door").unwrap()), "sensors.climate.lines.door", "door = "),
        (
            Part::OneWireLoan(climate(), LoanName::parse("boiler").unwrap()),
            "sensors.climate.one-wire.boiler",
            "boiler = ",
        ),
        (Part::Sink(sink("house")), "sinks.house", "[sinks.house]"),
        (
            Part::FormatPlugin(sink("timesheet")),
            "sinks.timesheet.format.plugin",
            "format = { plugin = \"timeclock\", s",
        ),
        (Part::FormatSettings(sink("timesheet")), "sinks.timesheet.format.settings", "layout"),
        (Part::DeliverPlugin(sink("timesheet")), "sinks.timesheet.deliver.plugin", "deliver = { plugin = \"google"),
        (Part::DeliverSettings(sink("timesheet")), "sinks.timesheet.deliver.settings", "spreadsheet"),
        (Part::Authorization(sink("house")), "sinks.house.authorize", "X-Api-Key"),
    ] {
        assert_eq!(part.to_string(), path);
        assert_eq!(read.place_of(&part).line, line(needle), "{path}");
    }
    let place = read.place_of(&Part::DeliverSettings(sink("timesheet")));
    assert_eq!(&FULL[place.span.clone()], "{ spreadsheet = \"Time clock\", tab = \"Punches\" }");
    assert_eq!(place.column, 50);
    // What was left out is where its table is.
    let house = read.place_of(&Part::DeliverSettings(sink("house")));
    assert_eq!(&FULL[house.span], "{ plugin = \"webhook\" }");
    assert_eq!(read.place_of(&Part::Sink(sink("nobody"))), read.place_of(&Part::Sink(sink("no-other"))));
    assert_eq!(parsed(&with("")).place_of(&Part::Panel), Place::START);

    let diagnostic =
        Diagnostic::at(place, "sinks.timesheet.deliver.settings", "plugin `google-sheets` refuses: no `tab`");
    let picture = render_diagnostics(FULL, "plugins.toml", &[diagnostic]);
    insta::assert_snapshot!("settings_refused_later", picture);
}
