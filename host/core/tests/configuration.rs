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
    assert_eq!(read.panel.driver, PanelDriver::Oled(usual_oled()));
    assert_eq!((read.panel.size.width(), read.panel.size.height()), (128, 32));
    let project = ChoiceName::parse("project").unwrap();
    assert_eq!(read.choices[&project].label, "Project");
    assert_eq!(read.choices[&project].items, ["Workshop", "Garden", "Accounts"]);
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
fn numbers_have_bounds() {
    for (section, key, least, most) in [
        ("limits", "call-ms", 10, 60_000),
        ("limits", "memory-mib", 1, 1024),
        ("limits", "state-kib", 1, 16_384),
        ("limits", "rows-per-event", 1, 100_000),
        ("limits", "answer-mib", 1, 256),
        ("limits", "log-lines-per-minute", 0, 60_000),
        ("history", "keep-days", 1, 36_500),
        ("history", "keep-mib", 1, 65_536),
        ("plugins", "p.path = \"p\"\np.call-ms", 10, 60_000),
        ("plugins", "p.path = \"p\"\np.memory-mib", 1, 1024),
        ("inputs.a", "driver = \"gpio\"\npress.event = \"e\"\nline", 0, 27),
        ("inputs.a", "driver = \"gpio\"\npress.event = \"e\"\nline = 1\ndebounce-ms", 0, 10_000),
        ("inputs.a", "driver = \"gpio\"\npress.event = \"e\"\nline = 1\npress.share-commit-ms", 0, 60_000),
    ] {
        let found = |number: i64| errors(&with(&format!("[{section}]\n{key} = {number}")));
        assert_eq!(found(least), Vec::<String>::new(), "{key}");
        assert_eq!(found(most), Vec::<String>::new(), "{key}");
        for outside in [least - 1, most + 1] {
            let said = format!("found {outside}; accepted is {least} to {most}");
            assert!(matches!(found(outside).as_slice(), [one] if one.ends_with(&said)), "{key}: {:?}", found(outside));
        }
    }
}

#[test]
fn texts_and_lists_have_bounds() {
    let text = |length: usize| "ä".repeat(length);
    let list = |length: usize| (0..length).map(|n| format!("\"e{n}\"")).collect::<Vec<_>>().join(",");
    let table = |length: usize| (0..length).map(|n| format!("e{n} = 1")).collect::<Vec<_>>().join(",");
    let press = |fields: &str| {
        with(&format!(
            "[inputs.a]\ndriver = \"keyboard\"\nkey = \"a\"\npress = {{ event = \"e\", fields = {{ {fields} }} }}"
        ))
    };
    let choice = |label: &str, items: &str| with(&format!("[choices.c]\nlabel = \"{label}\"\nitems = [{items}]"));
    let grant = |reach: &str, settings: &str, secrets: &str| {
        with(&format!(
            "[plugins]\np = \"p\"\n[grants.g]\nplugin = \"p\"\nreach = [{reach}]\naudience = [\"https://x\"]\n\
             settings = {{ {settings} }}\nsecrets = {{ {secrets} }}"
        ))
    };
    let one = "\"https://x\"";
    let sink = |events: &str| {
        with(&format!(
            "[inputs.a]\ndriver = 5\n[plugins]\np = \"p\"\n[sinks.s]\nevents = [{events}]\nformat = {{ plugin = \"p\" }}\n\
             deliver = {{ plugin = \"p\" }}\nreach = [\"https://x\"]"
        ))
    };
    let urls = |length: usize| (0..length).map(|n| format!("\"https://x{n}\"")).collect::<Vec<_>>().join(",");
    let secrets =
        |length: usize| (0..length).map(|n| format!("s{n} = {{ file = \"f\" }}")).collect::<Vec<_>>().join(",");
    let plugins = |length: usize| {
        with(&format!("[plugins]\n{}", (0..length).map(|n| format!("p{n} = \"p\"\n")).collect::<String>()))
    };
    let nested = |depth: usize| format!("x = {}{}", "[".repeat(depth), "]".repeat(depth));
    let nested_tables = |depth: usize| format!("x = {}{}", "{ x = ".repeat(depth) + "{", "}".repeat(depth + 1));
    for (what, accepted, refused) in [
        ("name", format!("device.name = \"{}\"", text(40)), format!("device.name = \"{}\"", text(41))),
        ("hidden", choice("a", "\"a\""), choice("a\u{200b}", "\"a\"")),
        ("steering", choice("a", "\"a\""), choice("a", "\"a\u{202e}b\"")),
        ("label", choice(&text(40), "\"a\""), choice(&text(41), "\"a\"")),
        ("item", choice("a", &format!("\"{}\"", text(100))), choice("a", &format!("\"{}\"", text(101)))),
        ("items", choice("a", &list(1000)), choice("a", &list(1001))),
        ("no items", choice("a", &list(1)), choice("a", "")),
        ("fields", press(&table(32)), press(&table(33))),
        ("field", press(&format!("t = \"{}\"", text(1000))), press(&format!("t = \"{}\"", text(1001)))),
        ("control", press("t = \"\""), press("t = \"\\t\"")),
        ("name of a field", press("a1 = 1"), press("1a = 1")),
        ("reach", grant(&urls(64), "", ""), grant(&urls(65), "", "")),
        ("settings", grant(one, &table(10_000), ""), grant(one, &table(10_001), "")),
        (
            "list of settings",
            grant(one, &format!("x = [{}]", list(10_000)), ""),
            grant(one, &format!("x = [{}]", list(10_001)), ""),
        ),
        ("depth of lists", grant(one, &nested(15), ""), grant(one, &nested(16), "")),
        ("depth of tables", grant(one, &nested_tables(14), ""), grant(one, &nested_tables(15), "")),
        ("secrets", grant(one, "", &secrets(16)), grant(one, "", &secrets(17))),
        (
            "path",
            with(&format!("plugins.p = \"{}\"", "p".repeat(1024))),
            with(&format!("plugins.p = \"{}\"", "p".repeat(1025))),
        ),
        ("path's characters", with("plugins.p = \"ä b\""), with("plugins.p = \"a\\u0000\"")),
        ("parts", plugins(64), plugins(65)),
    ] {
        let accepted = accepted.replace("device.name = \"x\"\ndevice", "device");
        assert_eq!(errors(&accepted), Vec::<String>::new(), "{what}");
        assert_eq!(errors(&refused).len(), 1, "{what}: {:?}", errors(&refused));
    }
    assert_eq!(errors(&sink(&list(32))).len(), errors(&sink(&list(33))).len() - 1);
}

#[test]
fn a_time_zone_is_known_by_its_iana_name() {
    let zone = |name: &str| errors(&format!("device = {{ name = \"x\", time-zone = \"{name}\" }}"));
    for good in ["UTC", "Europe/Berlin", "Etc/GMT+5", "America/Argentina/Buenos_Aires"] {
        assert_eq!(zone(good), Vec::<String>::new(), "{good}");
    }
    for (bad, help) in [
        ("Europe/Berln", "did you mean `Europe/Berlin`?"),
        ("Brisbane", "did you mean `Australia/Brisbane`?"),
        ("Buenos Aires", "did you mean `America/Argentina/Buenos_Aires`?"),
        ("Etc/Unknown", "such as `Europe/Berlin`"),
        ("", "such as `Europe/Berlin`"),
        ("Middle-earth/Shire", "such as `Europe/Berlin`"),
        // By their letters these resemble `EST`, on the other side of the world, and others.
        ("AEST", "used in `Australia/Brisbane`, `Australia/Canberra`, "),
        ("NZDT", "`Pacific/Auckland` uses this abbreviation"),
        ("PDT", "used in `America/Ensenada`, `America/Los_Angeles`, "),
        ("ist", "used in `Asia/Calcutta`, "),
    ] {
        assert!(matches!(zone(bad).as_slice(), [one] if one.contains(help)), "{bad}: {:?}", zone(bad));
    }
    for none in ["XST", "GTM", "AESTT"] {
        assert!(matches!(zone(none).as_slice(), [one] if one.ends_with("such as `Europe/Berlin`")), "{:?}", zone(none));
    }
}

#[test]
fn a_key_is_a_character_or_has_a_name() {
    let key = |key: &str| {
        parse_configuration(&with(&format!("[inputs.a]\ndriver = \"keyboard\"\nkey = '{key}'\npress.event = \"e\"")))
            .map(|read| read.inputs.values().next().unwrap().trigger.clone())
    };
    for (text, expected) in [
        ("space", Key::SPACE),
        ("enter", Key::ENTER),
        ("tab", Key::TAB),
        ("left", Key::LEFT),
        ("right", Key::RIGHT),
        ("up", Key::UP),
        ("down", Key::DOWN),
        ("f1", Key::function(1).unwrap()),
        ("f9", Key::function(9).unwrap()),
        ("f12", Key::function(12).unwrap()),
        ("a", Key::character('a').unwrap()),
        ("A", Key::character('A').unwrap()),
        ("é", Key::character('é').unwrap()),
        ("+", Key::character('+').unwrap()),
    ] {
        assert_eq!(key(text), Ok(Trigger::Key(expected)), "{text}");
        assert_eq!(expected.to_string(), text);
    }
    for bad in ["", " ", "\t", "\u{a0}", "ab", "f0", "f13", "Space"] {
        assert!(key(bad).is_err(), "{bad}");
    }
}

#[test]
fn what_a_press_or_a_lamp_can_not_be_is_said() {
    let input = |keys: &str| errors(&with(&format!("[inputs.a]\n{keys}\npress.event = \"e\"")));
    let key = "driver = \"keyboard\"\nkey = \"a\"\nlong-press = { event = \"f\" }";
    assert!(input(key)[0].contains("does not say when a key is let go"), "{:?}", input(key));
    let twice = "driver = \"keyboard\"\nkey = \"a\"\ndouble-press = { event = \"f\" }";
    assert!(input(twice)[0].contains("does not say when a key is let go"), "{:?}", input(twice));
    let soon = "driver = \"gpio\"\nline = 4\ndouble-press = { event = \"f\", within-ms = 99 }";
    assert!(input(soon)[0].ends_with("found 99; accepted is 100 to 10000"), "{:?}", input(soon));
    for (output, said) in [
        ("line = 4", "it never does anything"),
        ("line = 5\nrecorded = [100, 0]", "outputs.o.recorded[1]: found 0"),
        ("line = 5\nrecorded = []", "the list has 0 elements; accepted is 1 to 20"),
        ("line = 17\nproblem = \"on\"", "the line 17 is taken by `inputs.a.line`"),
        ("line = 5\nproblem = \"flash\"", "on"),
        ("pwm = 4\nrecorded = [9]", "found 4; accepted is 0 to 3"),
        ("pwm = 0\ntone-hz = 10\nrecorded = [9]", "found 10; accepted is 20 to 20000"),
        ("pwm = 0\ntone-hz = 440\nbrightness = 5\nrecorded = [9]", "a tone has no brightness"),
        ("pwm = 0\nline = 5\nrecorded = [9]", "unknown key"),
        ("line = 5\nrecorded = [9]\n[outputs.p]\nline = 5\nrecorded = [9]", "the line 5 is taken by `outputs.o.line`"),
    ] {
        let input = "[inputs.a]\ndriver = \"gpio\"\nline = 17\npress.event = \"e\"";
        let errors = errors(&with(&format!("{input}\n[outputs.o]\n{output}")));
        assert!(errors.len() == 1 && errors[0].contains(said), "{output}: {errors:?}");
    }
}

#[test]
fn what_a_reader_and_the_table_of_people_can_not_be_is_said() {
    let reader = |keys: &str, fields: &str| {
        errors(&with(&format!("[inputs.a]\n{keys}\npress = {{ event = \"e\", fields = {{ {fields} }} }}")))
    };
    let device = "driver = \"reader\"\ndevice = \"HID Reader\"";
    let on = |path: &str| format!("driver = \"reader\"\ndevice = \"{path}\"");
    let badge = "n = \"$badge\"";
    assert_eq!(reader(device, badge), Vec::<String>::new());
    assert_eq!(reader(&on("/dev/input/by-path/x-event-kbd"), "who = \"$person\""), Vec::<String>::new());
    for (keys, fields, said) in [
        (device.to_owned(), "n = 7", "inputs.a.press: no field takes the number that is read"),
        ("driver = \"reader\"".to_owned(), badge, "`device` is missing"),
        ("driver = \"pn532\"".to_owned(), badge, "`bus` is missing"),
        ("driver = \"pn532\"\nbus = 256".to_owned(), badge, "found 256; accepted is a number from 0 to 255"),
        (on("/dev/input/event3"), badge, "`/dev/input/event3` is another device after a restart"),
        (on("/dev/../etc/x"), badge, "is not in /dev"),
        (on("/etc/x"), badge, "is not in /dev"),
        (format!("{device}\nlong-press = {{ event = \"e\" }}"), badge, "inputs.a.long-press: unknown key"),
        (format!("{device}\nturn = {{ choice = \"c\" }}"), badge, "inputs.a.turn: unknown key"),
        ("driver = \"gpio\"\nline = 4".to_owned(), badge, "`$badge` is what a reader reads; this input is none"),
        ("driver = \"gpio\"\nline = 4".to_owned(), "n = \"$person\"", "`$person` is what a reader reads"),
    ] {
        let errors = reader(&keys, fields);
        assert!(errors.len() == 1 && errors[0].contains(said), "{keys}: {errors:?}");
    }
    let choice = "[choices.person]\nlabel = \"Who\"\nitems = [\"Anna\"]\n";
    let line = "[inputs.b]\ndriver = \"gpio\"\nline = 4\npress = { event = \"e\", fields = { n = \"$person\" } }\n";
    assert_eq!(errors(&with(&format!("{choice}{line}"))), Vec::<String>::new(), "a choice may have this name");
    let both = format!("{choice}[inputs.a]\n{device}\npress = {{ event = \"e\", fields = {{ n = \"$person\" }} }}");
    let both = errors(&with(&both));
    assert!(both.len() == 1 && both[0].contains("rename the choice"), "{both:?}");

    let people = |lines: &str| errors(&with(&format!("[people]\n{lines}")));
    assert_eq!(people("0012 = \"Anna\"\n0013 = \"Anna\""), Vec::<String>::new(), "two badges of one person");
    for (lines, said) in [
        ("a1 = \"Anna\"\nA1 = \"Ben\"", "people: this number is there already, in line 3"),
        ("\" 1\" = \"Anna\"", "starts or ends with a space"),
        ("\"\" = \"Anna\"", "people: this is no number of a badge: it is empty"),
        ("1 = 2", "people: found the integer `…`; accepted is a string"),
        ("1 = \"\"", "has 0 characters; accepted is 1 to 60"),
    ] {
        let errors = people(lines);
        assert!(errors.len() == 1 && errors[0].contains(said), "{lines}: {errors:?}");
    }
    // An error goes into the log, and a number opens what it is shown to.
    for lines in [
        "00777 = \"Annabel\"\n00777 = 1",
        "A0777 = \"Annabel\"\na0777 = \"Annabel\"",
        "00777 = \"Annabel \"",
        "\" 00777\" = \"Annabel\"",
        "00777 = [\"Annabel\"]",
        "00777 = { name = \"Annabel\" }",
        "00777 = \"Annabel\u{200b}\"",
        "00777 = \"Annabel",
        "00777 \"Annabel\"",
    ] {
        let text = with(&format!("[people]\n{lines}"));
        let diagnostics = parse_configuration(&text).unwrap_err();
        let said = format!("{}{diagnostics:?}", render_diagnostics(&text, "plugins.toml", &diagnostics));
        assert!(!said.contains("777") && !said.contains("Annabel"), "{lines}: {said}");
    }
}

#[test]
fn who_is_told_and_who_may_ask() {
    let notify = |keys: &str| errors(&with(&format!("[notify]\n{keys}")));
    let reach = "reach = [\"https://ntfy.sh/\"]";
    assert_eq!(notify(&format!("url = \"https://ntfy.sh/door\"\n{reach}")), Vec::<String>::new());
    assert_eq!(notify(&format!("url = {{ file = \"url\" }}\n{reach}\nafter = \"90s\"")), Vec::<String>::new());
    for (keys, said) in [
        ("url = \"https://example.org/door\"", "is not covered by `reach`"),
        ("url = \"ntfy.sh/door\"", "is not an absolute URL"),
        ("url = 5", "accepted is `{ credential"),
        ("url = \"https://ntfy.sh/door\"\nafter = \"9s\"", "found `9s`; accepted is `10s` to `24h`"),
        ("url = \"https://ntfy.sh/door\"\njson = \"\"", "has 0 characters"),
    ] {
        let errors = notify(&format!("{keys}\n{reach}"));
        assert!(errors.len() == 1 && errors[0].contains(said), "{keys}: {errors:?}");
        assert!(!errors[0].contains("/door"), "a URL may be a secret: {errors:?}");
    }
    let metrics = |listen: &str| errors(&with(&format!("[metrics]\nlisten = \"{listen}\"")));
    for good in ["127.0.0.1:9464", "[::1]:9464", "/run/punchcard/metrics.sock"] {
        assert_eq!(metrics(good), Vec::<String>::new());
    }
    for (bad, said) in
        [("0.0.0.0:9464", "is open to others"), ("9464", "found `9464`"), ("run/x.sock", "absolute path")]
    {
        assert!(metrics(bad)[0].contains(said), "{:?}", metrics(bad));
    }
}

#[test]
fn ways_of_the_device_are_words() {
    let read = |text: &str| parsed(&with(text));
    assert_eq!(read("").backend, Backend::Native);
    assert_eq!(read("runtime.backend = \"pulley\"").backend, Backend::Pulley);
    assert!(errors(&with("runtime.backend = \"jit\""))[0].contains("accepted are `native`, `pulley`"));
    let rppal = "hardware.adapter = \"rppal\"\n[inputs.a]\ndriver = \"gpio\"\nline = 4\npress.event = \"e\"";
    let trigger = &read(rppal).inputs[&InputName::parse("a").unwrap()].trigger;
    assert!(matches!(trigger, Trigger::Line { chip: Chip::Rppal, .. }), "{trigger:?}");
    let chip = errors(&with(&format!("{rppal}\nchip = \"pinctrl-rp1\"")));
    assert!(chip[0].contains("`rppal` knows the chip of the header alone"), "{chip:?}");
}

#[test]
fn inputs_share_neither_keys_nor_lines() {
    let gpio = |chip: &str, line: u8| format!("driver = \"gpio\"\n{chip}\nline = {line}\npress.event = \"e\"");
    let chip = "chip = \"9030000.pl061\"";
    let header = "chip = \"pinctrl-rp1\"";
    let knob = |lines: &str| format!("driver = \"encoder\"\nlines = {lines}\nturn.choice = \"c\"");
    let key = |key: &str| format!("driver = \"keyboard\"\nkey = \"{key}\"\npress.event = \"e\"");
    let on = |letter: &str, device: &str| format!("device = \"{device}\"\n{}", key(letter));
    let reader = |device: &str| {
        format!(
            "driver = \"reader\"\ndevice = \"{device}\"\npress = {{ event = \"e\", fields = {{ n = \"$badge\" }} }}"
        )
    };
    let pn532 = |bus: &str| {
        format!("driver = \"pn532\"\nbus = {bus}\npress = {{ event = \"e\", fields = {{ n = \"$badge\" }} }}")
    };
    for (one, other, said) in [
        (gpio("", 4), gpio("", 5), None),
        (gpio("", 4), gpio(chip, 4), None),
        (gpio("", 4), gpio("", 4), Some("the line 4 is taken by `inputs.a.line`, in line 8")),
        (gpio(chip, 4), gpio(chip, 4), Some("the line 4 is taken by `inputs.a.line`, in line 8")),
        (gpio(header, 4), gpio("", 4), Some("the line 4 is taken by `inputs.a.line`, in line 8")),
        (gpio("", 4), knob("[3, 5]"), None),
        (gpio("", 4), knob("[3, 4]"), Some("the line 4 is taken")),
        (knob("[3, 4]"), gpio("", 3), Some("the line 3 is taken by `inputs.a.lines`")),
        (knob("[3, 4]"), knob("[5, 6]"), None),
        (knob("[3, 4]"), knob("[4, 5]"), Some("the line 4 is taken")),
        (key("a"), key("b"), None),
        (key("a"), gpio("", 4), None),
        (key("a"), key("a"), Some("the key `a` is taken by `inputs.a.key`, in line 7")),
        (key("a"), on("a", "pad"), None),
        (on("a", "pad"), on("b", "pad"), None),
        (on("a", "pad"), on("a", "other"), None),
        (on("a", "pad"), on("a", "pad"), Some("the key `a` of `pad` is taken by `inputs.a.key`, in line")),
        (on("a", "pad"), reader("pad"), Some("the device `pad` is taken by `inputs.a.key`")),
        (reader("pad"), reader("pad"), Some("the device `pad` is taken by `inputs.a.device`")),
        (reader("pad"), reader("other"), None),
        (pn532("1"), pn532("3"), None),
        (pn532("1"), reader("pad"), None),
        (pn532("1"), pn532("\"/dev/i2c-1\""), Some("the PN532 on /dev/i2c-1 is taken by `inputs.a.bus`")),
    ] {
        let text =
            with(&format!("[choices.c]\nlabel = \"c\"\nitems = [\"1\"]\n[inputs.a]\n{one}\n[inputs.b]\n{other}"));
        let (read, diagnostics) = parse_what_is_valid(&text);
        match said {
            None => assert_eq!(diagnostics, [], "{text}"),
            Some(said) => {
                assert_eq!(diagnostics.len(), 1, "{text}");
                assert!(diagnostics[0].message.starts_with(said), "{}", diagnostics[0]);
                assert!(diagnostics[0].key.starts_with("inputs.b."), "{}", diagnostics[0]);
                assert_eq!(names(&read.inputs), ["a"], "the first in the text is kept");
            }
        }
    }
}

/// What an SSD1306 is where only its driver is written.
fn usual_oled() -> Oled {
    let (bus, care) = ("/dev/i2c-1".into(), Care::default());
    Oled { chip: OledChip::Ssd1306, bus, address: 0x3c, is_turned: false, care }
}

fn oled(lines: &str) -> Result<Oled, String> {
    let text = with(&format!("[panel]\ndriver = \"ssd1306\"\n{lines}"));
    match parse_configuration(&text).map(|read| read.panel.driver) {
        Ok(PanelDriver::Oled(oled)) => Ok(oled),
        Ok(other) => panic!("{other:?}"),
        Err(diagnostics) => Err(diagnostics[0].message.clone()),
    }
}

#[test]
fn a_bus_is_a_number_or_a_device_file() {
    let table = [
        ("0", "/dev/i2c-0"),
        ("255", "/dev/i2c-255"),
        ("\"/dev/i2c-20\"", "/dev/i2c-20"),
        ("\"/dev/i2c/panel\"", "/dev/i2c/panel"),
    ];
    for (good, path) in table {
        assert_eq!(oled(&format!("bus = {good}")).unwrap().bus, PathBuf::from(path));
    }
    for bad in ["-1", "256", "true", "\"\"", "\"/dev\"", "\"i2c-1\"", "\"/dev/i2c-1/../x\"", "\"/tmp/i2c-1\""] {
        assert!(oled(&format!("bus = {bad}")).is_err(), "{bad}");
    }
}

#[test]
fn how_an_oled_is_spared_is_read() {
    let night = |from_minute, to_minute, contrast| Some(Night { from_minute, to_minute, contrast });
    let usual = Care::default();
    let table = [
        ("contrast = 0", Care { contrast: 0, ..usual }),
        ("night = { from = \"22:00\", to = \"06:00\" }", Care { night: night(1320, 360, 1), ..usual }),
        ("night = { from = \"00:00\", to = \"23:59\", contrast = 0 }", Care { night: night(0, 1439, 0), ..usual }),
        ("blank-after = \"10s\"", Care { blank_after: Some(Duration::from_secs(10)), ..usual }),
        ("blank-after = \"24h\"", Care { blank_after: Some(Duration::from_secs(86_400)), ..usual }),
    ];
    for (line, care) in table {
        assert_eq!(oled(line), Ok(Oled { care, ..usual_oled() }), "{line}");
    }
    let table = [
        ("rotation = 90", "found 90; accepted are 0 and 180"),
        ("contrast = 256", "found 256; accepted is 0 to 255"),
        ("night = { from = \"22:00\" }", "`to` is missing"),
        ("night = { from = \"24:00\", to = \"06:00\" }", "found `24:00`; accepted is a time of day such as `22:00`"),
        ("night = { from = \"9:00\", to = \"06:00\" }", "found `9:00`; accepted is a time of day such as `22:00`"),
        ("night = { from = \"+9:00\", to = \"06:00\" }", "found `+9:00`; accepted is a time of day such as `22:00`"),
        ("night = { from = \"06:00\", to = \"06:00\" }", "`from` and `to` are the same"),
        ("blank-after = \"9s\"", "found `9s`; accepted is `10s` to `24h`, in `s`, `min` or `h`"),
        ("blank-after = \"25h\"", "found `25h`; accepted is `10s` to `24h`, in `s`, `min` or `h`"),
        ("blank-after = \"10\"", "found `10`; accepted is `10s` to `24h`, in `s`, `min` or `h`"),
        ("blank-after = \"99999999999999999999h\"", "found `99999999999999999999h`; accepted is"),
    ];
    for (line, said) in table {
        let message = oled(line).unwrap_err();
        assert!(message.starts_with(said), "{line}: {message}");
    }
}

#[test]
fn each_chip_has_its_sizes() {
    let size = |lines: &str| parse_configuration(&with(&format!("[panel]\n{lines}"))).map(|read| read.panel.size);
    let table = [
        ("driver = \"ssd1306\"", Some(PanelSize::W128H32)),
        ("driver = \"ssd1306\"\nsize = \"72x40\"", Some(PanelSize::W72H40)),
        ("driver = \"terminal\"\nsize = \"72x40\"", Some(PanelSize::W72H40)),
        ("driver = \"sh1106\"", Some(PanelSize::W128H64)),
        ("driver = \"sh1106\"\nsize = \"128x64\"", Some(PanelSize::W128H64)),
        ("driver = \"sh1106\"\nsize = \"128x32\"", None),
    ];
    for (lines, expected) in table {
        assert_eq!(size(lines).ok(), expected, "{lines}");
    }
    assert_eq!((PanelSize::W72H40.width(), PanelSize::W72H40.height()), (72, 40));
}

#[test]
fn a_token_needs_somewhere_to_go() {
    let authorized = |reach: &str, audience: &str| {
        errors(&with(&format!(
            "[plugins]\np = \"p\"\n[grants.g]\nplugin = \"p\"\nreach = [\"https://r\"]\naudience = [{audience}]\n\
             [sinks.s]\nevents = [\"reading\"]\nformat.plugin = \"p\"\ndeliver.plugin = \"p\"\nreach = [{reach}]\n\
             authorize.grant = \"g\""
        )))
    };
    for (reach, audience, possible) in [
        ("'https://a/x'", "'https://a'", true),
        ("'https://a'", "'https://a/x'", true),
        ("'https://a/x'", "'https://a/x'", true),
        ("'https://b', 'https://a'", "'https://c', 'https://a/x'", true),
        ("'https://a/x'", "'https://a/y'", false),
        ("'https://a'", "'https://b'", false),
        ("'https://a'", "'https://a:8443'", false),
    ] {
        let found = authorized(reach, audience);
        assert_eq!(found.is_empty(), possible, "{reach} {audience}: {found:?}");
        assert!(found.iter().all(|error| error.contains("no token of `g` could ever be sent")), "{found:?}");
    }
}

#[test]
fn an_event_is_made_by_an_input_or_a_sensor() {
    let sink = |inputs: &str, events: &str| {
        errors(&with(&format!(
            "{inputs}\n[plugins]\np = \"p\"\n[sinks.s]\nevents = [{events}]\nformat.plugin = \"p\"\n\
             deliver.plugin = \"p\"\nreach = [\"https://a\"]"
        )))
    };
    let door = "[inputs.door]\ndriver = \"keyboard\"\nkey = \"a\"\npress.event = \"opened\"";
    assert_eq!(sink("", "'reading'"), Vec::<String>::new());
    assert_eq!(sink(door, "'opened', 'reading'"), Vec::<String>::new());
    assert!(sink("", "'punch'")[0].ends_with("no input makes the event `punch`"));
    assert!(sink(door, "'open'")[0].ends_with("no input makes the event `open`; did you mean `opened`?"));
    assert!(sink(door, "'readings'")[0].ends_with("; did you mean `reading`?"));
    // An input with an error may be the one that was to make it; but not where it said what it makes.
    assert_eq!(sink("inputs = 5", "'punch'").len(), 1);
    assert_eq!(sink("[inputs.door]\ndriver = \"keyboard\"\nkey = \"a\"\npres.event = \"x\"", "'punch'").len(), 1);
    let named = "[inputs.door]\ndriver = \"keyboard\"\nkey = \"abc\"\npress.event = \"opened\"";
    assert_eq!(sink(named, "'opened'").len(), 1);
    assert_eq!(sink(named, "'punch'").len(), 2);
    let turned = "[inputs.door]\ndriver = \"keyboard\"\nkey = \"a\"\nturn = 5";
    assert_eq!(sink(turned, "'punch'").len(), 2);

    // A sensor's plugin may have words of its own, unless they look like a misspelt one.
    let climate = "[sensors.climate]\nplugin = \"p\"\nevery = \"60s\"\nevent = \"climate\"";
    assert_eq!(sink(climate, "'climate', 'reading', 'alarm'"), Vec::<String>::new());
    assert!(
        sink(climate, "'climat'")[0]
            .ends_with("no input and no sensor makes the event `climat`; did you mean `climate`?")
    );
    assert_eq!(sink("sensors = 5", "'punch'").len(), 1);
    assert_eq!(sink("[sensors.climate]\nplugin = \"p\"\nevery = \"60\"", "'reading', 'punch'").len(), 1);
}

#[test]
fn a_sensor_is_read_now_and_then_and_lent_what_nobody_else_is() {
    let sensor = |lines: &str| errors(&with(&format!("plugins.p = \"p\"\n[sensors.a]\nplugin = \"p\"\n{lines}")));
    let usual = "every = \"60s\"\n";
    assert_eq!(sensor(usual), Vec::<String>::new());
    let read = parsed(&with(&format!("plugins.p = \"p\"\n[sensors.a]\nplugin = \"p\"\n{usual}")));
    let a = &read.sensors[&InputName::parse("a").unwrap()];
    assert_eq!((a.event.as_str(), a.share_commit_for), ("reading", Duration::from_secs(1)));
    let read = parsed(&with("plugins.p = \"p\"\nsensors.a = { plugin = \"p\", every = \"1s\" }"));
    let a = &read.sensors[&InputName::parse("a").unwrap()];
    assert_eq!(a.share_commit_for, Duration::from_millis(500));

    let taken = "is taken by `sensors.a.i2c.x`, in line 6";
    let table: [(&str, &[&str]); 19] = [
        ("", &["`every` is missing"]),
        ("every = \"60 s\"", &["found `60 s`; accepted is `1s` to `24h`, in `s`, `min` or `h`"]),
        ("every = \"0s\"", &["found `0s`"]),
        ("every = \"25h\"", &["found `25h`"]),
        ("every = 60", &["found the integer `60`"]),
        ("every = \"2s\"\nshare-commit-ms = 2000", &["accepted is less than `every`"]),
        ("every = \"2s\"\ni2c = { x = { address = 0x78 } }", &["found 0x78; accepted is 0x08 to 0x77"]),
        ("every = \"2s\"\ni2c = { x = { bus = \"/etc/passwd\", address = 0x76 } }", &["found `/etc/passwd`"]),
        ("every = \"2s\"\ni2c = { x = {} }", &["`address` is missing"]),
        ("every = \"2s\"\ni2c = { X = { address = 0x76 } }", &["`X` is not a name"]),
        ("every = \"2s\"\none-wire = { x = \"../../etc\" }", &["found `../../etc`; accepted is the name of a folder"]),
        ("every = \"2s\"\none-wire = { x = \"28-0316A2795CFF\" }", &["accepted is the name of a folder"]),
        (
            "every = \"2s\"\ni2c = { x = { address = 0x76 }, y = { bus = 1, address = 0x76 } }",
            &[&format!("address 0x76 of /dev/i2c-1 {taken}")],
        ),
        ("every = \"2s\"\nlines = { x = { line = 28 } }", &["found 28; accepted is 0 to 27"]),
        ("every = \"2s\"\nlines = { x = {} }", &["`line` is missing"]),
        ("every = \"2s\"\nlines = { x = { line = 4, direction = \"both\" } }", &["accepted are `in`, `out`"]),
        (
            "every = \"2s\"\nlines = { x = { line = 4, direction = \"out\", pull = \"up\" } }",
            &["the plugin says at what level the line is"],
        ),
        (
            "every = \"2s\"\nlines = { x = { line = 4 }, y = { line = 4, direction = \"out\" } }",
            &["the line 4 is taken by `sensors.a.lines.x.line`, in line 6"],
        ),
        (
            "every = \"2s\"\none-wire = { x = \"28-0316a2795cff\", y = \"28-0316a2795cff\" }",
            &["this device is taken by `sensors.a.one-wire.x`, in line 6"],
        ),
    ];
    for (lines, expected) in table {
        let said = sensor(lines);
        assert_eq!(said.len(), expected.len(), "{lines}: {said:?}");
        assert!(said.iter().zip(expected).all(|(said, expected)| said.contains(expected)), "{lines}: {said:?}");
    }
    let panel = "panel = { driver = \"ssd1306\" }\n";
    let text = with(&format!(
        "{panel}plugins.p = \"p\"\nsensors.a = {{ plugin = \"p\", every = \"1s\", i2c.x.address = 0x3c }}"
    ));
    assert!(errors(&text)[0].ends_with("address 0x3c of /dev/i2c-1 is taken by `panel`"), "{:?}", errors(&text));
    let reader =
        "inputs.door = { driver = \"pn532\", bus = 1, press = { event = \"e\", fields = { b = \"$badge\" } } }\n";
    let text = with(&format!(
        "{reader}plugins.p = \"p\"\nsensors.a = {{ plugin = \"p\", every = \"1s\", i2c.x.address = 0x24 }}"
    ));
    assert!(errors(&text)[0].ends_with("address 0x24 of /dev/i2c-1 is taken by `inputs.door`"), "{:?}", errors(&text));
    let input = "inputs.a = { driver = \"keyboard\", key = \"a\", press.event = \"punch\" }\n";
    let text = with(&format!("{input}plugins.p = \"p\"\nsensors.a = {{ plugin = \"p\", every = \"1s\" }}"));
    assert!(errors(&text)[0].contains("sensors.a: an input has the name `a`, too"), "{:?}", errors(&text));
    let (kept, _) = parse_what_is_valid(&text);
    assert_eq!((kept.inputs.len(), kept.sensors.len()), (1, 0));
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

#[test]
fn what_is_valid_is_kept() {
    let damaged = |from: &str, to: &str| {
        assert!(FULL.contains(from), "{from}");
        let (read, diagnostics) = parse_what_is_valid(&FULL.replacen(from, to, 1));
        assert!(!diagnostics.is_empty(), "{from}");
        read
    };
    let full = parsed(FULL);
    let all =
        (names(&full.choices), names(&full.inputs), names(&full.plugins), names(&full.grants), names(&full.sinks));
    let without = |names: &[String], gone: &[&str]| {
        names.iter().filter(|name| !gone.contains(&name.as_str())).cloned().collect::<Vec<_>>()
    };
    let any = ["house", "open", "timesheet"];
    for (from, to, choices, inputs, plugins, grants, sinks) in [
        (
            "label = \"Project\"",
            "",
            vec!["project"],
            vec!["badge", "clock", "next", "previous"],
            vec![],
            vec![],
            vec![],
        ),
        ("label = \"Shift\"", "", vec!["shift"], vec!["knob"], vec![], vec![], vec![]),
        ("key = \"right\"", "key = 5", vec![], vec!["next"], vec![], vec![], vec![]),
        ("line = 27", "line = 28", vec![], vec!["door"], vec![], vec![], vec![]),
        ("\"webhook.wasm\"", "5", vec![], vec![], vec!["webhook"], vec![], vec!["house", "open"]),
        ("\"timeclock.wasm\"", "5", vec![], vec![], vec!["timeclock"], vec![], any.to_vec()),
        ("path = \"/usr", "pfad = \"/usr", vec![], vec![], vec!["google-sheets"], vec![], vec!["timesheet"]),
        ("\"device-flow.wasm\"", "5", vec![], vec![], vec!["device-flow"], vec!["google"], vec!["timesheet"]),
        ("spare =", "Spare =", vec![], vec![], vec![], vec!["google"], vec!["timesheet"]),
        ("retries = 3", "retries = nan", vec![], vec![], vec![], vec!["google"], vec!["timesheet"]),
        ("events = [\"opened\"]", "", vec![], vec![], vec![], vec![], vec!["house"]),
        ("[sinks.open]", "[sinks.Open]", vec![], vec![], vec![], vec![], vec!["open"]),
        ("Werkstatt", "\\tWerkstatt", vec![], vec![], vec![], vec![], any.to_vec()),
        ("call-ms = 2", "call-sm = 2", vec![], vec![], vec![], vec![], vec![]),
        ("keep-mib", "keep-gib", vec![], vec![], vec![], vec![], vec![]),
        ("\"128x64\"", "\"128x65\"", vec![], vec![], vec![], vec![], vec![]),
        ("[history]", "[hist]", vec![], vec![], vec![], vec![], vec![]),
    ] {
        let read = damaged(from, to);
        assert_eq!(names(&read.choices), without(&all.0, &choices), "choices: {from}");
        assert_eq!(names(&read.inputs), without(&all.1, &inputs), "inputs: {from}");
        assert_eq!(names(&read.plugins), without(&all.2, &plugins), "plugins: {from}");
        assert_eq!(names(&read.grants), without(&all.3, &grants), "grants: {from}");
        assert_eq!(names(&read.sinks), without(&all.4, &sinks), "sinks: {from}");
    }
    assert_eq!(damaged("Werkstatt", "\\tWerkstatt").device.name.as_str(), "punchcard");
    assert_eq!(damaged("call-ms = 2", "call-sm = 2").plugins.values().next().unwrap().limits, Limits::default());
    assert_eq!(damaged("keep-mib", "keep-gib").history, Configuration::default().history);
    assert_eq!(damaged("\"128x64\"", "\"128x65\"").panel.driver, PanelDriver::None);
}

#[test]
fn of_a_text_that_is_not_toml_nothing_reaches_the_network() {
    let damaged = |from: &str, to: &str| {
        assert!(FULL.contains(from), "{from}");
        parse_what_is_valid(&FULL.replacen(from, to, 1))
    };
    let full = parsed(FULL);
    for (from, to, choices, inputs) in [
        ("keep-days = 30", "keep-days = = 30", 2, 7),
        ("label = \"Shift\"", "label = \"Shift\" x", 1, 6),
        ("debounce-ms = 250", "debounce-ms = ", 2, 6),
        ("step = -1 }", "step = -1 ", 2, 2),
        ("[inputs.knob]", "[inputs.knob", 2, 5),
        ("key = \"left\"", "key = \"left\"\nkey = \"left\"", 2, 6),
        ("trust-clock = true", "trust-clock true", 2, 7),
        ("line = 27", "line 27", 2, 6),
    ] {
        let (read, diagnostics) = damaged(from, to);
        assert!(!diagnostics.is_empty(), "{from}");
        assert_eq!((read.choices.len(), read.inputs.len()), (choices, inputs), "{from}");
        assert_eq!((read.plugins.len(), read.grants.len(), read.sinks.len()), (0, 0, 0), "{from}");
        assert_eq!(read.device == full.device, !from.contains("clock ="), "{from}");
        assert_eq!(read.history == full.history, !from.contains("keep") && !from.contains("step"), "{from}");
        assert_eq!(read.panel, full.panel, "{from}");
    }
}

#[test]
fn a_file_that_is_too_long_is_not_read() {
    let text = format!("{}#{}", with(""), "x".repeat(MAX_BYTES));
    let (read, diagnostics) = parse_what_is_valid(&text);
    assert_eq!(read, Configuration::default());
    let said = format!("line 1, column 1: the file has {} bytes; at most 1048576 are read", text.len());
    assert_eq!(diagnostics.iter().map(Diagnostic::to_string).collect::<Vec<_>>(), [said]);
}

#[test]
fn an_error_is_said_once_for_its_cause() {
    // A misspelt key that something waits for is not missing as well.
    assert_eq!(
        errors("[device]\nnme = \"x\""),
        [
            "line 2, column 1: device.nme: unknown key; accepted are `name`, `time-zone`, `trust-clock`; did you mean `name`?"
        ]
    );
    assert_eq!(errors("[device]\nlocation = \"x\"").len(), 2);
    // A name in quotation marks, as TOML would want it.
    assert!(errors(&with("\"a.b\" = 1"))[0].contains("1: \"a.b\": unknown key"));
    assert!(errors(&with("\"\" = 1"))[0].contains("1: \"\": unknown key"));
}

/// The keys of a table that are not free: their places, and the path to them.
fn fixed_keys(text: &str) -> Vec<(std::ops::Range<usize>, Vec<String>)> {
    fn walk(table: &toml::de::DeTable<'_>, path: &[String], found: &mut Vec<(std::ops::Range<usize>, Vec<String>)>) {
        for (key, value) in table {
            let path: Vec<String> = path.iter().cloned().chain([key.get_ref().to_string()]).collect();
            let around: Vec<&str> = path.iter().map(String::as_str).collect();
            let (free, leaf) = match around.as_slice() {
                ["choices" | "inputs" | "outputs" | "sensors" | "plugins" | "repositories" | "grants" | "sinks", _] => {
                    (true, false)
                }
                ["sensors", _, "i2c" | "lines" | "one-wire", _] => (true, false),
                ["grants", _, "secrets", _] => (true, false),
                ["inputs", _, "press", "fields"] => (false, true),
                [.., "settings"] | ["people"] => (false, true),
                _ => (false, false),
            };
            if !free {
                found.push((key.span(), path.clone()));
            }
            match value.get_ref() {
                toml::de::DeValue::Table(inner) if !leaf => walk(inner, &path, found),
                toml::de::DeValue::Array(elements) => {
                    let tables = elements.iter().filter_map(|element| element.get_ref().as_table());
                    tables.for_each(|inner| walk(inner, &path, found));
                }
                _ => {}
            }
        }
    }
    let (table, _) = toml::de::DeTable::parse_recoverable(text);
    let mut found = Vec::new();
    walk(table.get_ref(), &[], &mut found);
    found
}

#[test]
fn repositories_are_read() {
    let read = parsed(FULL);
    let repository = |name: &str| &read.repositories[&RepositoryName::parse(name).unwrap()];
    let workshop = repository("workshop");
    let RepositorySource::Url(url) = &workshop.source else { panic!("it is a URL") };
    assert_eq!((url.to_string(), url.private()), ("http://updates.example:8080/punchcard".to_owned(), true));
    assert_eq!(workshop.root, Path::new("workshop.root.json"));
    assert_eq!(workshop.plugins.iter().map(PluginName::as_str).collect::<Vec<_>>(), ["timeclock", "webhook"]);
    assert_eq!((workshop.channel.as_str(), workshop.check_every), ("trial", Duration::from_secs(3600)));
    let window = Window { from_minute: 22 * 60, to_minute: 5 * 60 + 30 };
    assert_eq!((workshop.updates, workshop.window), (Updates::Automatic, Some(window)));
    let stick = repository("stick");
    assert_eq!(stick.source, RepositorySource::Folder("/media/stick/repository".into()));
    assert_eq!((stick.channel.as_str(), stick.check_every), ("stable", Duration::from_secs(6 * 3600)));
    assert_eq!((stick.updates, stick.window), (Updates::Ask, None));
}

#[test]
fn a_repository_that_makes_no_sense_is_refused() {
    let good = ["folder = \"f\"", "root = \"r\"", "plugins = [\"a\"]"];
    let table = [
        ("folder", "url = \"ftp://x.example\"", "ftp"),
        ("folder", "", "one of `url`, `folder` is missing"),
        ("", "url = \"https://x.example\"", "exclude each other"),
        ("root", "", "`root` is missing"),
        ("plugins", "plugins = []", "accepted is 1 to 64"),
        ("plugins", "plugins = [\"c\"]", "`c`"),
        ("plugins", "plugins = [\"b\"]", "comes from the repository of line 5 already"),
        ("", "channel = \"Trial\"", "is no channel"),
        ("", "check-every = \"5min\"", "accepted is `10min` to"),
        ("", "updates = \"always\"", "`automatic`, `ask`, `off`"),
        ("", "window = { from = \"02:00\", to = \"02:00\" }", "are the same"),
        ("", "window = { from = \"2\", to = \"03:00\" }", "a time of day"),
        ("", "mirror = \"x\"", "unknown key"),
    ];
    for (without, instead, message) in table {
        let kept = good.iter().filter(|line| without.is_empty() || !line.starts_with(without));
        let lines: Vec<&str> = kept.copied().chain([instead]).collect();
        let first = "[repositories.first]\nfolder = \"g\"\nroot = \"r\"\nplugins = [\"b\"]";
        let text = with(&format!(
            "{first}\n[repositories.second]\n{}\n[plugins]\na = \"a.wasm\"\nb = \"b.wasm\"",
            lines.join("\n")
        ));
        let found = errors(&text);
        assert!(found.iter().any(|error| error.contains(message)), "{instead}: {found:?}");
    }
}

#[test]
fn all_fixed_keys_are_tried() {
    assert_eq!(fixed_keys(FULL).len(), 166);
}

proptest! {
    /// No key is ignored, and what has nothing to do with it is kept.
    #[test]
    fn a_key_of_another_name_is_an_error_in_its_line(
        position in any::<prop::sample::Index>(),
        name in "[a-z]{1,4}-?[a-z0-9]{1,8}",
    ) {
        let keys = fixed_keys(FULL);
        let (span, path) = position.get(&keys);
        let around = &path[..path.len() - 1];
        let known = keys.iter().any(|(_, other)| other.last() == Some(&name) && other[..other.len() - 1] == *around);
        prop_assume!(!known && !["turn", "press", "line", "lines", "key", "chip", "header", "grant"].contains(&name.as_str()));
        let text = format!("{}{name}{}", &FULL[..span.start], &FULL[span.end..]);
        let line = FULL[..span.start].matches('\n').count() + 1;

        let (read, diagnostics) = parse_what_is_valid(&text);
        prop_assert!(parse_configuration(&text).is_err());
        prop_assert!(diagnostics.iter().any(|diagnostic| diagnostic.at.line == line), "{path:?} {diagnostics:?}");

        let full = parsed(FULL);
        let section = path[0].as_str();
        let part = path.get(1).map(String::as_str);
        if section != "device" {
            prop_assert_eq!(&read.device, &full.device);
        }
        if section != "panel" {
            prop_assert_eq!(&read.panel, &full.panel);
        }
        if section != "limits" && section != "plugins" {
            prop_assert_eq!(&read.plugins, &full.plugins);
        }
        if section != "choices" {
            prop_assert_eq!(&read.choices, &full.choices);
        }
        if !["choices", "inputs"].contains(&section) {
            prop_assert_eq!(&read.inputs, &full.inputs);
        }
        if ["device", "panel", "limits", "history"].contains(&section) || path.len() < 3 {
            return Ok(());
        }
        for (kept, parts) in [
            ("inputs", (names(&read.inputs), names(&full.inputs))),
            ("sensors", (names(&read.sensors), names(&full.sensors))),
            ("grants", (names(&read.grants), names(&full.grants))),
            ("sinks", (names(&read.sinks), names(&full.sinks))),
        ] {
            let (read, full) = parts;
            if kept == section {
                let expected: Vec<_> = full.into_iter().filter(|name| Some(name.as_str()) != part).collect();
                prop_assert_eq!(read, expected);
            }
        }
    }

    #[test]
    fn no_text_is_too_odd(text in "(\\[?[a-z.]{0,9}\\]?|= ?[\"{}\\[0-9a-z]{0,5}|[\"'],?|\\n|\\{|é|, |\\$){0,40}") {
        let (_, diagnostics) = parse_what_is_valid(&text);
        prop_assert_eq!(render_diagnostics(&text, "plugins.toml", &diagnostics).is_empty(), diagnostics.is_empty());
    }

    /// A text that is valid but for one place.
    #[test]
    fn no_damage_is_too_odd(start in 0..FULL.len(), length in 0usize..40, instead in "[ -~\\n]{0,4}") {
        let start = FULL.floor_char_boundary(start);
        let end = FULL.floor_char_boundary((start + length).min(FULL.len()));
        let text = format!("{}{instead}{}", &FULL[..start], &FULL[end..]);
        let (_, diagnostics) = parse_what_is_valid(&text);
        prop_assert_eq!(diagnostics.is_empty(), parse_configuration(&text).is_ok());
        prop_assert_eq!(render_diagnostics(&text, "plugins.toml", &diagnostics).is_empty(), diagnostics.is_empty());
    }
}
