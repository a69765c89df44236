use std::cell::RefCell;

use punchcard_core::checkup::i2c::Answer;
use punchcard_core::config::panel::{OledChip, PanelSize};
use punchcard_core::config::parse_configuration;
use punchcard_core::setup::{ButtonAnswer, GoogleAnswer, PanelAnswer, SECRET_FILE, render_configuration};

use super::hands::{parse_knob, parse_line, parse_projects, parse_reader};
use super::*;
use crate::app::trial::Pressed;

/// Hardware that does what is written here, and what was asked of it.
#[derive(Default)]
struct Bench {
    pictures: RefCell<Vec<Result<(), String>>>,
    presses: RefCell<Vec<Result<Pressed, String>>>,
    tried: RefCell<Vec<String>>,
    is_device_running: bool,
}

impl Trial for Bench {
    type Picture = ();

    fn is_device_running(&self) -> bool {
        self.is_device_running
    }

    fn show_picture(&self, panel: &PanelAnswer, _name: &str) -> Result<(), String> {
        self.tried.borrow_mut().push(format!("{panel:?}"));
        self.pictures.borrow_mut().remove(0)
    }

    fn wait_for_press(&self, line: u8) -> Result<Pressed, String> {
        self.tried.borrow_mut().push(format!("line {line}"));
        self.presses.borrow_mut().remove(0)
    }
}

thread_local! {
    /// A folder with the plugins where they are built.
    static PLUGINS_THERE: tempfile::TempDir = {
        let folder = tempfile::tempdir().unwrap();
        put_plugins(&folder.path().join("target/guests"));
        folder
    };
}

fn put_plugins(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    PLUGINS.iter().for_each(|name| std::fs::write(folder.join(format!("{name}.wasm")), "").unwrap());
}

fn found() -> Found {
    Found {
        host_name: Some("raspberrypi".into()),
        time_zone: Some("Australia/Brisbane".into()),
        bus: None,
        has_header: false,
        input_devices: Ok(Vec::new()),
        is_installed: false,
        folder: PLUGINS_THERE.with(|folder| folder.path().to_owned()),
        before: None,
    }
}

fn pi() -> Found {
    let answers = Ok(vec![Answer { address: 0x3d, likely: Vec::new() }]);
    let bus = BusFacts { path: "/dev/i2c-1".into(), answers, hz: None, wanted: Vec::new() };
    Found { bus: Some(bus), has_header: true, is_installed: true, ..found() }
}

fn asked(said: &str, found: &Found, bench: &Bench) -> (Asked, String) {
    let mut output = Vec::new();
    let mut conversation = Conversation::new(said.as_bytes(), &mut output, true);
    let asked = ask_all(&mut conversation, found, bench, None).unwrap();
    (asked, String::from_utf8(output).unwrap())
}

#[test]
fn without_a_terminal_what_was_found_is_the_answer() {
    let oled = PanelAnswer::Oled {
        chip: OledChip::Ssd1306,
        size: PanelSize::W128H32,
        bus: "/dev/i2c-1".into(),
        address: 0x3d,
    };
    for (found, panel, button) in [
        (found(), PanelAnswer::Terminal, ButtonAnswer::SpaceBar),
        (pi(), oled, ButtonAnswer::Line(17)),
        (
            Found { is_installed: true, time_zone: Some("nonsense".into()), ..found() },
            PanelAnswer::None,
            ButtonAnswer::Line(17),
        ),
    ] {
        let bench = Bench::default();
        let mut conversation = Conversation::new(&b""[..], Vec::new(), false);
        let Asked { answers, secret } = ask_all(&mut conversation, &found, &bench, None).unwrap();
        assert_eq!((answers.panel.clone(), answers.button), (panel, Some(button)));
        assert!(secret.is_none() && bench.tried.borrow().is_empty());
        assert!(parse_configuration(&render_configuration(&answers)).is_ok());
    }
}

#[test]
fn each_part_is_shown_at_work_and_can_be_tried_again() {
    let bench = Bench {
        pictures: RefCell::new(vec![Err("no answer".into()), Ok(())]),
        presses: RefCell::new(vec![
            Ok(Pressed::NotPressed),
            Ok(Pressed::ClosedBefore),
            Err("in use".into()),
            Ok(Pressed::Pressed),
        ]),
        ..Bench::default()
    };
    let id = "12-ab.apps.googleusercontent.com";
    // Name, zone, panel and another one, button four times, reader, projects, knob, client.
    let said =
        format!("door\nMars\n\n2\ny\n3\ny\n17\ny\n17\ny\n17\ny\n22\n\nWorkshop, Garden\n22,5\n5,6\n{id}\nGOCSPX-s\n");
    let (Asked { answers, secret }, output) = asked(&said, &pi(), &bench);
    let panel =
        PanelAnswer::Oled { chip: OledChip::Sh1106, size: PanelSize::W128H64, bus: "/dev/i2c-1".into(), address: 0x3d };
    let expected = Answers {
        name: "door".into(),
        time_zone: "Australia/Brisbane".into(),
        panel,
        button: Some(ButtonAnswer::Line(22)),
        reader: None,
        projects: vec!["Workshop".into(), "Garden".into()],
        knob: Some([5, 6]),
        plugins: "target/guests".into(),
        google: Some(GoogleAnswer { client_id: id.into(), secret_file: SECRET_FILE.into() }),
    };
    assert_eq!(answers, expected);
    assert_eq!(secret.map(|secret| secret.reveal().to_owned()).as_deref(), Some("GOCSPX-s"));
    assert_eq!(bench.tried.borrow().len(), 6);
    for said in [
        "✗ no answer",
        "✓ the panel takes",
        "✗ nothing was pressed",
        "✗ the contact is closed before anybody pressed",
        "✗ in use",
        "✓ it was pressed",
        "IANA name",
    ] {
        assert!(output.contains(said), "{said}: {output}");
    }
    assert!(!output.contains("GOCSPX-s"), "{output}");
}

#[test]
fn what_a_running_device_has_is_not_drawn_on() {
    let bench =
        Bench { is_device_running: true, presses: RefCell::new(vec![Ok(Pressed::Pressed)]), ..Bench::default() };
    let (Asked { answers, .. }, output) = asked("\n\n3\n\n\n\n\n", &pi(), &bench);
    assert!(matches!(answers.panel, PanelAnswer::Oled { chip: OledChip::Sh1106, .. }), "{answers:?}");
    assert_eq!(*bench.tried.borrow(), ["line 17"]);
    assert!(output.contains("the running device has the panel"), "{output}");
}

#[test]
fn a_service_is_offered_neither_a_terminal_nor_its_keys() {
    let device = Found { has_header: false, bus: None, input_devices: Ok(vec!["HID Reader".into()]), ..pi() };
    // Name, zone, a panel that is none any more, none, then neither button nor reader, then a reader by its number.
    let said = "\n\n6\n5\nnone\nnone\nnone\n1\nnone\nnone\n";
    let (Asked { answers, .. }, output) = asked(said, &device, &Bench::default());
    assert_eq!((answers.panel.clone(), answers.button), (PanelAnswer::None, None));
    assert_eq!(answers.reader.as_deref(), Some("HID Reader"));
    for said in ["terminal that it runs in", "space bar", "arrow keys"] {
        assert!(!output.contains(said), "{said}: {output}");
    }
    for said in ["a number from 1 to 5", "nothing could be recorded then", "  1  HID Reader"] {
        assert!(output.contains(said), "{said}: {output}");
    }
    let before = parse_configuration(&render_configuration(&answers)).unwrap();
    assert!(before.inputs.values().all(|input| input.trigger.reads_badges()));
    // The next time it is the default, and Enter is enough.
    let again = Found { before: Some(before), ..device };
    let (second, _) = asked(&"\n".repeat(7), &again, &Bench::default());
    assert_eq!(second.answers, answers);
}

#[test]
fn what_is_there_already_is_the_default_of_the_next_time() {
    // Name, zone, panel, button, reader, projects, client and secret. The arrow keys turn.
    let said = "door\n\n5\nnone\nnone\nWorkshop\n12-ab.apps.googleusercontent.com\nGOCSPX-s\n";
    let (first, _) = asked(said, &found(), &Bench::default());
    let text = render_configuration(&first.answers);
    let before = parse_configuration(&text).unwrap();
    let again = Found { before: Some(before), host_name: None, ..found() };
    let (second, _) = asked(&"\n".repeat(7), &again, &Bench::default());
    assert_eq!(second.answers, first.answers);
    // The secret stays where it is.
    assert!(second.secret.is_none());

    // An item with a comma is one item still; there is a knob to ask for then.
    let before = parse_configuration(&text.replace("[\"Workshop\"]", "[\"Workshop, north\", \"Garden\"]")).unwrap();
    let again = Found { before: Some(before), ..found() };
    let (third, _) = asked(&"\n".repeat(8), &again, &Bench::default());
    assert_eq!(third.answers.projects, ["Workshop, north", "Garden"]);
}

#[test]
fn no_answer_is_dropped_in_silence() {
    // A button, projects and no encoder: it is said what that means, and asked again.
    let said = "\n\n5\n17\nnone\nWorkshop, Garden\nnone\nno\n5,6\nnone\n";
    let (Asked { answers, .. }, output) = asked(said, &found(), &Bench::default());
    assert_eq!(answers.knob, Some([5, 6]));
    assert!(output.contains("nobody can choose: each press is for Workshop"), "{output}");
    // Nothing to choose from: an encoder is not asked for.
    let (Asked { answers, .. }, output) = asked("\n\n5\n17\nnone\nnone\nnone\n", &found(), &Bench::default());
    assert_eq!(answers.knob, None);
    assert!(!output.contains("rotary encoder"), "{output}");
}

#[test]
fn a_secret_that_was_copied_with_something_else_is_asked_for_again() {
    let said = "\n\n5\nnone\nnone\nnone\n12-ab.apps.googleusercontent.com\n\"GOCSPX-s\"\nGOCSPX\u{200b}-s\nGOCSPX-s\n";
    let (Asked { secret, .. }, output) = asked(said, &found(), &Bench::default());
    assert_eq!(secret.map(|secret| secret.reveal().to_owned()).as_deref(), Some("GOCSPX-s"));
    for said in ["✗ it has a quotation mark around it, U+0022", "✗ it has an invisible character, U+200B"] {
        assert!(output.contains(said), "{said}: {output}");
    }
    assert!(!output.contains("GOCSPX-s"), "{output}");
}

#[test]
fn plugins_that_are_not_where_they_usually_are_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (elsewhere, empty) = (folder.path().join("elsewhere"), folder.path().join("empty"));
    put_plugins(&elsewhere);
    std::fs::create_dir(&empty).unwrap();
    let here = Found { folder: folder.path().to_owned(), ..found() };
    let said = format!("\n\n5\nnone\nnone\nnone\n{}\ny\n{}\nnone\n", empty.display(), elsewhere.display());
    let (Asked { answers, .. }, output) = asked(&said, &here, &Bench::default());
    assert_eq!(Path::new(&answers.plugins), elsewhere);
    for said in ["neither in /usr/lib/punchcard nor in target/guests", "does not have device-flow.wasm"] {
        assert!(output.contains(said), "{said}: {output}");
    }
    // The next time they are known.
    let before = parse_configuration(&render_configuration(&answers)).unwrap();
    let again = Found { before: Some(before), folder: folder.path().to_owned(), ..found() };
    let (second, output) = asked(&"\n".repeat(7), &again, &Bench::default());
    assert_eq!(second.answers, answers, "{output}");
}

#[test]
fn a_client_can_be_a_file_and_a_wrong_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let client = r#"{"client_id":"1.apps.googleusercontent.com","client_secret":"s3cret","redirect_uris":["x"]}"#;
    std::fs::write(path("web"), format!(r#"{{"web":{client}}}"#)).unwrap();
    std::fs::write(path("installed"), format!(r#"{{"installed":{client}}}"#)).unwrap();
    let said = format!("\n\n\n\n\n\n{}\n{}\n{}\n", path("none-there"), path("web"), path("installed"));
    let (asked, output) = asked(&said, &found(), &Bench::default());
    assert_eq!(asked.answers.google.map(|google| google.client_id).as_deref(), Some("1.apps.googleusercontent.com"));
    assert_eq!(asked.secret.map(|secret| secret.reveal().to_owned()).as_deref(), Some("s3cret"));
    for said in ["no file that can be read", "of the type Web application", "looks like one of the type Desktop"] {
        assert!(output.contains(said), "{said}: {output}");
    }
    assert!(!output.contains("s3cret"), "{output}");
}

#[test]
fn lines_and_projects_are_read() {
    for (text, expected) in [
        ("none", Ok(None)),
        ("5,6", Ok(Some([5, 6]))),
        ("5 6", Ok(Some([5, 6]))),
        ("5,17", Err("two different lines, and not the button's")),
        ("5,5", Err("two different lines, and not the button's")),
        ("5", Err("two numbers such as 5,6, or none")),
        ("5,28", Err("two numbers such as 5,6, or none")),
    ] {
        assert_eq!(parse_knob(text, Some(17)), expected.map_err(str::to_owned), "{text}");
    }
    assert_eq!(parse_projects("A, B,,").unwrap(), ["A", "B"]);
    assert_eq!(parse_projects("A, A").unwrap_err(), "`A` stands there twice");
    for (text, expected) in [
        ("NONE", Ok(None)),
        ("2", Ok(Some("HID Reader"))),
        ("HID Reader", Ok(Some("HID Reader"))),
        ("/dev/input/by-id/usb-1", Ok(Some("/dev/input/by-id/usb-1"))),
        ("3", Ok(Some("3"))),
        ("/dev/input/event3", Err("eventN is another device")),
        ("/etc/passwd", Err("a link such as one in")),
        ("/dev/../etc/passwd", Err("a link such as one in")),
        ("a\u{200b}b", Err("characters that can be seen")),
    ] {
        let parsed = parse_reader(text, &["Keypad".to_owned(), "HID Reader".to_owned()]);
        match expected {
            Ok(device) => assert_eq!(parsed.as_ref().map(Option::as_deref), Ok(device), "{text}"),
            Err(said) => assert!(parsed.clone().unwrap_err().contains(said), "{text}: {parsed:?}"),
        }
    }
    assert_eq!(parse_line("28").unwrap_err(), "a number from 0 to 27, or none");
}
