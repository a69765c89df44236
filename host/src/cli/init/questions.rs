//! What is asked, with which default, and how a part is tried while it is asked about.

use std::io::{BufRead, Write};

use jiff::tz::TimeZoneDatabase;
use punchcard_core::checkup::i2c::BusFacts;
use punchcard_core::config::Configuration;
use punchcard_core::config::input::{Action, Trigger};
use punchcard_core::config::panel::{OledChip, PanelDriver, PanelSize};
use punchcard_core::config::secret::SecretSource;
use punchcard_core::printable::{is_hidden, steers};
use punchcard_core::secret::Secret;
use punchcard_core::setup::client::{Client, parse_client, parse_client_id};
use punchcard_core::setup::{Answers, GoogleAnswer, PanelAnswer, SECRET_FILE};

use super::conversation::{Conversation, ConversationError};
use crate::app::trial::Trial;

/// The last line of a Raspberry Pi's header.
const LAST_LINE: u8 = 27;
/// Addresses of OLEDs.
const OLED_ADDRESSES: [u8; 2] = [0x3c, 0x3d];

/// What there is.
pub(super) struct Found {
    /// The machine's name.
    pub(super) host_name: Option<String>,
    /// The system's time zone.
    pub(super) time_zone: Option<String>,
    /// The header's bus, and what answers on it.
    pub(super) bus: Option<BusFacts>,
    /// Whether there are lines.
    pub(super) has_header: bool,
    /// Whether it is the package's device, which has no terminal.
    pub(super) is_installed: bool,
    /// The folder of the plugins.
    pub(super) plugins: String,
    /// A configuration that is there already.
    pub(super) before: Option<Configuration>,
}

/// What was answered.
pub(super) struct Asked {
    pub(super) answers: Answers,
    /// The client's secret, where it is new.
    pub(super) secret: Option<Secret>,
}

/// Asks everything.
pub(super) fn ask_all<R: BufRead, W: Write>(
    conversation: &mut Conversation<R, W>,
    found: &Found,
    trial: &impl Trial,
    client: Option<Client>,
) -> Result<Asked, ConversationError> {
    conversation
        .say("Each question has its default in brackets; Enter takes it. Ctrl-C leaves everything as it is.\n")?;
    let name = ask_name(conversation, found)?;
    let time_zone = ask_time_zone(conversation, found)?;
    let panel = ask_panel(conversation, found, trial, &name)?;
    let button = ask_button(conversation, found, trial)?;
    let knob = ask_knob(conversation, found, button)?;
    let projects = ask_projects(conversation, found)?;
    let (google, secret) = ask_google(conversation, found, client)?;
    let plugins = found.plugins.clone();
    Ok(Asked { answers: Answers { name, time_zone, panel, button, projects, knob, plugins, google }, secret })
}

fn ask_name<R: BufRead, W: Write>(
    conversation: &mut Conversation<R, W>,
    found: &Found,
) -> Result<String, ConversationError> {
    let before = found.before.as_ref().map(|before| before.device.name.to_string());
    let usable = found.host_name.clone().filter(|name| parse_name(name).is_ok());
    let default = before.or(usable).unwrap_or_else(|| "punchcard".to_owned());
    conversation.ask("The device's name, for rows and for signing in:", &default, parse_name)
}

fn parse_name(text: &str) -> Result<String, String> {
    let is_one = (1..=40).contains(&text.chars().count()) && !text.chars().any(is_unseen);
    if is_one { Ok(text.to_owned()) } else { Err("1 to 40 characters that can be seen".to_owned()) }
}

/// What plugins.toml takes in no text that a person reads.
fn is_unseen(character: char) -> bool {
    steers(character) || is_hidden(character)
}

fn ask_time_zone<R: BufRead, W: Write>(
    conversation: &mut Conversation<R, W>,
    found: &Found,
) -> Result<String, ConversationError> {
    let before = found.before.as_ref().and_then(|before| before.device.time_zone.iana_name().map(str::to_owned));
    let system = found.time_zone.clone().filter(|name| parse_time_zone(name).is_ok());
    let default = before.or(system).unwrap_or_else(|| "UTC".to_owned());
    conversation.ask("The time zone of its rows:", &default, parse_time_zone)
}

fn parse_time_zone(text: &str) -> Result<String, String> {
    match TimeZoneDatabase::bundled().get(text) {
        Ok(zone) if !zone.is_unknown() => Ok(zone.iana_name().unwrap_or(text).to_owned()),
        _ => Err("an IANA name such as Europe/Berlin or Australia/Brisbane".to_owned()),
    }
}

/// The panels, by the number with which they are chosen.
const PANELS: [(&str, &str, Option<(OledChip, PanelSize)>); 6] = [
    ("1", "OLED of 0.91 inch, 128x32, with an SSD1306", Some((OledChip::Ssd1306, PanelSize::W128H32))),
    ("2", "OLED of 0.96 inch, 128x64, with an SSD1306", Some((OledChip::Ssd1306, PanelSize::W128H64))),
    ("3", "OLED of 1.3 inch, 128x64, with an SH1106", Some((OledChip::Sh1106, PanelSize::W128H64))),
    ("4", "OLED of 0.42 inch, 72x40, with an SSD1306", Some((OledChip::Ssd1306, PanelSize::W72H40))),
    ("5", "the terminal that it runs in", None),
    ("6", "none", None),
];

fn ask_panel<R: BufRead, W: Write>(
    conversation: &mut Conversation<R, W>,
    found: &Found,
    trial: &impl Trial,
    name: &str,
) -> Result<PanelAnswer, ConversationError> {
    conversation.say("\nThe panel:")?;
    for (number, what, _) in PANELS {
        conversation.say(format_args!("  {number}  {what}"))?;
    }
    let there = oled_there(found);
    match (&found.bus, there) {
        (Some(bus), Some(address)) => {
            conversation.say(format_args!("An OLED may be at {address:#04x} of {}.", bus.path))?;
        }
        (Some(BusFacts { answers: Err(error), .. }), None) => {
            conversation.say(format_args!("The I2C bus: {error}."))?;
        }
        (Some(bus), None) => {
            conversation.say(format_args!("No OLED answers on {}, at 0x3c or 0x3d.", bus.path))?;
        }
        (None, None | Some(_)) => {}
    }
    loop {
        let default = default_panel(found, there.is_some());
        let number = conversation.ask("Which?", default, |answer| {
            let panel = PANELS.iter().find(|(number, ..)| *number == answer);
            panel.map(|(number, _, oled)| (*number, *oled)).ok_or_else(|| "a number from 1 to 6".to_owned())
        })?;
        let (chip, size) = match number {
            ("5", _) => return Ok(PanelAnswer::Terminal),
            (_, None) => return Ok(PanelAnswer::None),
            (_, Some(oled)) => oled,
        };
        let bus = found.bus.as_ref().map_or_else(|| "/dev/i2c-1".to_owned(), |bus| bus.path.clone());
        let answer = PanelAnswer::Oled { chip, size, bus, address: there.unwrap_or(OLED_ADDRESSES[0]) };
        if !conversation.is_asking() {
            return Ok(answer);
        }
        let is_right = match trial.show_picture(&answer, name) {
            Ok(shown) => {
                conversation.say("  ✓ the panel takes a test picture")?;
                let seen = conversation.confirm("  Does it show \"Test picture\", with clean edges?", true)?;
                drop(shown);
                seen
            }
            Err(error) => {
                conversation.say(format_args!("  ✗ {error}"))?;
                !conversation.confirm("  Choose another one?", true)?
            }
        };
        if is_right {
            return Ok(answer);
        }
    }
}

/// The address of what may be an OLED.
fn oled_there(found: &Found) -> Option<u8> {
    let answers = found.bus.as_ref()?.answers.as_ref().ok()?;
    OLED_ADDRESSES.into_iter().find(|address| answers.iter().any(|answer| answer.address == *address))
}

fn default_panel(found: &Found, is_oled_there: bool) -> &'static str {
    let before = found.before.as_ref().map(|before| &before.panel);
    let known = before.and_then(|panel| match &panel.driver {
        PanelDriver::Oled(oled) => {
            PANELS.iter().find(|(.., known)| *known == Some((oled.chip, panel.size))).map(|(number, ..)| *number)
        }
        PanelDriver::Terminal => Some("5"),
        PanelDriver::None => Some("6"),
    });
    known.unwrap_or(match (is_oled_there, found.is_installed) {
        (true, _) => "1",
        (false, false) => "5",
        (false, true) => "6",
    })
}

fn ask_button<R: BufRead, W: Write>(
    conversation: &mut Conversation<R, W>,
    found: &Found,
    trial: &impl Trial,
) -> Result<Option<u8>, ConversationError> {
    let before = found.before.as_ref().and_then(|before| {
        before.inputs.values().find_map(|input| match (&input.trigger, &input.action) {
            (Trigger::Line { line, .. }, Action::Press(_)) => Some(*line),
            _ => None,
        })
    });
    let default = match before {
        Some(line) => line.to_string(),
        // A service has no keyboard.
        None if found.has_header || found.is_installed => "17".to_owned(),
        None => "none".to_owned(),
    };
    conversation.say("\nThe button goes between a line and ground: GPIO 17 is pin 11, and pin 9 is ground.")?;
    loop {
        let question = "The button's line, by its GPIO number; none for the space bar of a keyboard:";
        let Some(line) = conversation.ask(question, &default, parse_line)? else { return Ok(None) };
        if !conversation.is_asking() || !found.has_header {
            return Ok(Some(line));
        }
        conversation.say("  Press the button now, within 20 s…")?;
        let is_right = match trial.wait_for_press(line) {
            Ok(true) => {
                conversation.say("  ✓ it was pressed")?;
                true
            }
            Ok(false) => {
                conversation.say("  ✗ nothing was pressed: look at its wires, and whether it is this line")?;
                !conversation.confirm("  Try again, or another line?", true)?
            }
            Err(error) => {
                conversation.say(format_args!("  ✗ {error}"))?;
                !conversation.confirm("  Try again, or another line?", false)?
            }
        };
        if is_right {
            return Ok(Some(line));
        }
    }
}

fn parse_line(text: &str) -> Result<Option<u8>, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    let line = text.parse().ok().filter(|line| *line <= LAST_LINE);
    line.map(Some).ok_or_else(|| format!("a number from 0 to {LAST_LINE}, or none"))
}

fn ask_knob<R: BufRead, W: Write>(
    conversation: &mut Conversation<R, W>,
    found: &Found,
    button: Option<u8>,
) -> Result<Option<[u8; 2]>, ConversationError> {
    let before = found.before.as_ref().and_then(|before| {
        before.inputs.values().find_map(|input| match &input.trigger {
            Trigger::Encoder { lines, .. } => Some(*lines),
            _ => None,
        })
    });
    let default = before.map_or_else(|| "none".to_owned(), |[a, b]| format!("{a},{b}"));
    conversation.ask("The rotary encoder's two lines, such as 5,6; none where there is none:", &default, |text| {
        parse_knob(text, button)
    })
}

fn parse_knob(text: &str, button: Option<u8>) -> Result<Option<[u8; 2]>, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    let lines: Vec<Option<u8>> =
        text.split([',', ' ']).filter(|part| !part.is_empty()).map(|part| parse_line(part).ok().flatten()).collect();
    match lines[..] {
        [Some(a), Some(b)] if a != b && button != Some(a) && button != Some(b) => Ok(Some([a, b])),
        [Some(_), Some(_)] => Err("two different lines, and not the button's".to_owned()),
        _ => Err("two numbers such as 5,6, or none".to_owned()),
    }
}

fn ask_projects<R: BufRead, W: Write>(
    conversation: &mut Conversation<R, W>,
    found: &Found,
) -> Result<Vec<String>, ConversationError> {
    let before = found.before.as_ref().and_then(|before| before.choices.values().next());
    let default = before.map_or_else(|| "none".to_owned(), |choice| choice.items.join(", "));
    conversation.ask(
        "\nThe projects to choose from, with commas between them; none where there is nothing to choose:",
        &default,
        parse_projects,
    )
}

fn parse_projects(text: &str) -> Result<Vec<String>, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(Vec::new());
    }
    let mut projects: Vec<String> = Vec::new();
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        if item.chars().count() > 100 || item.chars().any(is_unseen) {
            return Err("each has at most 100 characters that can be seen".to_owned());
        }
        if projects.iter().any(|known| known == item) {
            return Err(format!("`{item}` stands there twice"));
        }
        projects.push(item.to_owned());
    }
    Ok(projects)
}

fn ask_google<R: BufRead, W: Write>(
    conversation: &mut Conversation<R, W>,
    found: &Found,
    client: Option<Client>,
) -> Result<(Option<GoogleAnswer>, Option<Secret>), ConversationError> {
    let answer = |client_id: String| GoogleAnswer { client_id, secret_file: SECRET_FILE.to_owned() };
    if let Some(client) = client {
        doubt(conversation, &client)?;
        return Ok((Some(answer(client.id)), Some(client.secret)));
    }
    let before = found.before.as_ref().and_then(google_of);
    let default = before.as_ref().map_or("none", |google| google.client_id.as_str());
    conversation
        .say("\nThe Google client, of the type TVs and Limited Input devices: the manual says how to make one.")?;
    loop {
        let question = "Its id, or the file of JSON that the console lets you download; none for now:";
        let said = conversation.ask(question, default, |text| Ok(text.to_owned()))?;
        if said.eq_ignore_ascii_case("none") {
            return Ok((None, None));
        }
        if let Some(before) = before.as_ref().filter(|before| before.client_id == said) {
            return Ok((Some(before.clone()), None));
        }
        if let Ok(id) = parse_client_id(&said) {
            let Some(secret) = conversation.ask_secret("Its secret, which begins with GOCSPX-")? else {
                conversation.say("  Without its secret, Google lets no device in.")?;
                continue;
            };
            return Ok((Some(answer(id)), Some(secret)));
        }
        let read = std::fs::read_to_string(&said)
            .map_err(|error| format!("{said} is no id, and no file that can be read: {error}"));
        match read.and_then(|text| parse_client(&text).map_err(|error| error.to_string())) {
            Ok(client) => {
                conversation.say(format_args!("  ✓ the client {}", client.id))?;
                doubt(conversation, &client)?;
                return Ok((Some(answer(client.id)), Some(client.secret)));
            }
            Err(error) => conversation.say(format_args!("  ✗ {error}"))?,
        }
    }
}

fn doubt<R: BufRead, W: Write>(
    conversation: &mut Conversation<R, W>,
    client: &Client,
) -> Result<(), ConversationError> {
    if client.is_doubtful {
        conversation.say(
            "  It looks like one of the type Desktop app. Where signing in says `client id refused`, make one of the type TVs and \
             Limited Input devices.",
        )?;
    }
    Ok(())
}

/// The client of a configuration that is there already, with a secret in a file.
fn google_of(configuration: &Configuration) -> Option<GoogleAnswer> {
    configuration.grants.values().find_map(|grant| {
        let client_id = parse_client_id(grant.settings.text("client-id")?).ok()?;
        let secret_file = grant.secrets.values().find_map(|source| match source {
            SecretSource::File(path) => path.to_str().map(str::to_owned),
            SecretSource::Credential(_) => None,
        })?;
        Some(GoogleAnswer { client_id, secret_file })
    })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use punchcard_core::checkup::i2c::Answer;
    use punchcard_core::config::parse_configuration;
    use punchcard_core::setup::render_configuration;

    use super::*;

    /// Hardware that does what is written here, and what was asked of it.
    #[derive(Default)]
    struct Bench {
        pictures: RefCell<Vec<Result<(), String>>>,
        presses: RefCell<Vec<Result<bool, String>>>,
        tried: RefCell<Vec<String>>,
    }

    impl Trial for Bench {
        type Picture = ();

        fn show_picture(&self, panel: &PanelAnswer, _name: &str) -> Result<(), String> {
            self.tried.borrow_mut().push(format!("{panel:?}"));
            self.pictures.borrow_mut().remove(0)
        }

        fn wait_for_press(&self, line: u8) -> Result<bool, String> {
            self.tried.borrow_mut().push(format!("line {line}"));
            self.presses.borrow_mut().remove(0)
        }
    }

    fn found() -> Found {
        Found {
            host_name: Some("raspberrypi".into()),
            time_zone: Some("Australia/Brisbane".into()),
            bus: None,
            has_header: false,
            is_installed: false,
            plugins: "/usr/lib/punchcard".into(),
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
        for (found, panel, button) in [
            (found(), PanelAnswer::Terminal, None),
            (
                pi(),
                PanelAnswer::Oled {
                    chip: OledChip::Ssd1306,
                    size: PanelSize::W128H32,
                    bus: "/dev/i2c-1".into(),
                    address: 0x3d,
                },
                Some(17),
            ),
            (Found { is_installed: true, time_zone: Some("nonsense".into()), ..found() }, PanelAnswer::None, Some(17)),
        ] {
            let bench = Bench::default();
            let mut conversation = Conversation::new(&b""[..], Vec::new(), false);
            let Asked { answers, secret } = ask_all(&mut conversation, &found, &bench, None).unwrap();
            assert_eq!((answers.panel.clone(), answers.button), (panel, button));
            assert!(secret.is_none() && bench.tried.borrow().is_empty());
            assert!(parse_configuration(&render_configuration(&answers)).is_ok());
        }
    }

    #[test]
    fn each_part_is_shown_at_work_and_can_be_tried_again() {
        let bench = Bench {
            pictures: RefCell::new(vec![Err("no answer".into()), Ok(())]),
            presses: RefCell::new(vec![Ok(false), Err("in use".into()), Ok(true)]),
            ..Bench::default()
        };
        let id = "12-ab.apps.googleusercontent.com";
        // Name, zone, panel and another one, button thrice, knob, projects, client.
        let said = format!("door\nMars\n\n2\ny\n3\ny\n17\ny\n17\ny\n22\n22,5\n5,6\nWorkshop, Garden\n{id}\nGOCSPX-s\n");
        let (Asked { answers, secret }, output) = asked(&said, &pi(), &bench);
        let panel = PanelAnswer::Oled {
            chip: OledChip::Sh1106,
            size: PanelSize::W128H64,
            bus: "/dev/i2c-1".into(),
            address: 0x3d,
        };
        let expected = Answers {
            name: "door".into(),
            time_zone: "Australia/Brisbane".into(),
            panel,
            button: Some(22),
            projects: vec!["Workshop".into(), "Garden".into()],
            knob: Some([5, 6]),
            plugins: "/usr/lib/punchcard".into(),
            google: Some(GoogleAnswer { client_id: id.into(), secret_file: SECRET_FILE.into() }),
        };
        assert_eq!(answers, expected);
        assert_eq!(secret.map(|secret| secret.reveal().to_owned()).as_deref(), Some("GOCSPX-s"));
        assert_eq!(bench.tried.borrow().len(), 5);
        for said in
            ["✗ no answer", "✓ the panel takes", "✗ nothing was pressed", "✗ in use", "✓ it was pressed", "IANA name"]
        {
            assert!(output.contains(said), "{said}: {output}");
        }
        assert!(!output.contains("GOCSPX-s"), "{output}");
    }

    #[test]
    fn what_is_there_already_is_the_default_of_the_next_time() {
        let said = "door\n\n5\n\nnone\nWorkshop\n12-ab.apps.googleusercontent.com\nGOCSPX-s\n";
        let (first, _) = asked(said, &found(), &Bench::default());
        let before = parse_configuration(&render_configuration(&first.answers)).unwrap();
        let again = Found { before: Some(before), host_name: None, ..found() };
        let (second, _) = asked(&"\n".repeat(7), &again, &Bench::default());
        assert_eq!(second.answers, first.answers);
        // The secret stays where it is.
        assert!(second.secret.is_none());
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
        assert_eq!(
            asked.answers.google.map(|google| google.client_id).as_deref(),
            Some("1.apps.googleusercontent.com")
        );
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
        assert_eq!(parse_line("28").unwrap_err(), "a number from 0 to 27, or none");
    }
}
