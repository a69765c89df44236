//! What is touched: the button, a reader of badges, and what an encoder turns through.

use std::io::{BufRead, Write};

use punchcard_core::config::input::{Action, InputDevice, Trigger};
use punchcard_core::setup::ButtonAnswer;

use super::super::conversation::{Conversation, ConversationError};
use super::{Found, is_unseen};
use crate::app::trial::{Pressed, Trial};

/// The last line of a Raspberry Pi's header.
const LAST_LINE: u8 = 27;
/// The longest name of an input device, in characters.
const LONGEST_DEVICE: usize = 200;
/// Where input devices have links that outlive a restart, and files that do not.
const DEVICE_LINKS: &str = "/dev/";
const NUMBERED: &str = "/dev/input/event";

/// Asks what records: a button, a reader, or both.
pub(super) fn ask_button_and_reader<R: BufRead, W: Write>(
    conversation: &mut Conversation<R, W>,
    found: &Found,
    trial: &impl Trial,
) -> Result<(Option<ButtonAnswer>, Option<String>), ConversationError> {
    loop {
        let line = ask_line(conversation, found, trial)?;
        let reader = ask_reader(conversation, found)?;
        let button = match line {
            Some(line) => Some(ButtonAnswer::Line(line)),
            // A service has no keys of a terminal.
            None if found.is_installed => None,
            None => Some(ButtonAnswer::SpaceBar),
        };
        // Where nobody is asked, the default has a line.
        if button.is_some() || reader.is_some() || !conversation.is_asking() {
            return Ok((button, reader));
        }
        conversation.say(
            "  ✗ nothing could be recorded then: a service hears no terminal. Name a line, to which a button may come later, or a \
             reader. A key of a USB keyboard can be a button too: the manual, under Badges and keypads, says how.",
        )?;
    }
}

fn ask_line<R: BufRead, W: Write>(
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
        // Only a reader, as it was answered.
        None if reader_of(found).is_some() && found.is_installed => "none".to_owned(),
        None if found.has_header || found.is_installed => "17".to_owned(),
        None => "none".to_owned(),
    };
    conversation.say("\nThe button goes between a line and ground: GPIO 17 is pin 11, and pin 9 is ground.")?;
    let question = if found.is_installed {
        "The button's line, by its GPIO number; none where there is no button:"
    } else {
        "The button's line, by its GPIO number; none for the space bar of a keyboard:"
    };
    loop {
        let Some(line) = conversation.ask(question, &default, parse_line)? else { return Ok(None) };
        if !conversation.is_asking() || !found.has_header {
            return Ok(Some(line));
        }
        conversation.say("  Press the button now, within 20 s…")?;
        let is_right = match trial.wait_for_press(line) {
            Ok(Pressed::Pressed) => {
                conversation.say("  ✓ it was pressed")?;
                true
            }
            Ok(Pressed::NotPressed) => {
                conversation.say("  ✗ nothing was pressed: look at its wires, and whether it is this line")?;
                !conversation.confirm("  Try again, or another line?", true)?
            }
            Ok(Pressed::ClosedBefore) => {
                conversation.say(
                    "  ✗ the contact is closed before anybody pressed: let the button go; or its wires touch each other, or it is a \
                     button that opens when it is pressed",
                )?;
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

pub(super) fn parse_line(text: &str) -> Result<Option<u8>, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    let line = text.parse().ok().filter(|line| *line <= LAST_LINE);
    line.map(Some).ok_or_else(|| format!("a number from 0 to {LAST_LINE}, or none"))
}

fn ask_reader<R: BufRead, W: Write>(
    conversation: &mut Conversation<R, W>,
    found: &Found,
) -> Result<Option<String>, ConversationError> {
    let default = reader_of(found).unwrap_or_else(|| "none".to_owned());
    conversation.say("\nA reader of badges on USB, or a keypad, types a number and then Enter.")?;
    let devices: &[String] = match &found.input_devices {
        Ok(devices) => devices,
        Err(error) => {
            conversation.say(format_args!("What is plugged in can't be listed: {error}."))?;
            &[]
        }
    };
    if !devices.is_empty() {
        conversation.say("Input devices that are plugged in:")?;
    }
    for (device, number) in devices.iter().zip(1..) {
        conversation.say(format_args!("  {number}  {}", punchcard_core::printable::escape(device)))?;
    }
    let question = if devices.is_empty() { "The reader's name" } else { "The reader's number or name" };
    conversation.ask(&format!("{question}; none where there is none:"), &default, |text| parse_reader(text, devices))
}

/// The reader of a configuration that is there already.
fn reader_of(found: &Found) -> Option<String> {
    found.before.as_ref()?.inputs.values().find_map(|input| match &input.trigger {
        Trigger::Reader { device: InputDevice::Name(name) } => Some(name.clone()),
        Trigger::Reader { device: InputDevice::Path(path) } => path.to_str().map(str::to_owned),
        _ => None,
    })
}

pub(super) fn parse_reader(text: &str, devices: &[String]) -> Result<Option<String>, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    if let Some(device) = devices.iter().zip(1_usize..).find(|(_, number)| number.to_string() == text) {
        return Ok(Some(device.0.clone()));
    }
    if text.chars().count() > LONGEST_DEVICE || text.chars().any(is_unseen) {
        return Err(format!("at most {LONGEST_DEVICE} characters that can be seen"));
    }
    let is_link = text.starts_with(DEVICE_LINKS) && !text.starts_with(NUMBERED) && !text.contains("/../");
    if text.starts_with('/') && !is_link {
        return Err("a link such as one in /dev/input/by-id; eventN is another device after a restart".to_owned());
    }
    Ok(Some(text.to_owned()))
}

pub(super) fn ask_projects<R: BufRead, W: Write>(
    conversation: &mut Conversation<R, W>,
    found: &Found,
) -> Result<Vec<String>, ConversationError> {
    let before = found.before.as_ref().and_then(|before| before.choices.values().next());
    let before = before.map_or_else(Vec::new, |choice| choice.items.fixed().to_vec());
    let default = if before.is_empty() { "none".to_owned() } else { before.join(", ") };
    let question = "\nThe projects to choose from, with commas between them; none where there is nothing to choose:";
    // As they are: one of them may have a comma in its name.
    let parse = |text: &str| if text == default { Ok(before.clone()) } else { parse_projects(text) };
    conversation.ask(question, &default, parse)
}

pub(super) fn parse_projects(text: &str) -> Result<Vec<String>, String> {
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

/// Asks for the encoder, where there is something to turn through.
pub(super) fn ask_knob<R: BufRead, W: Write>(
    conversation: &mut Conversation<R, W>,
    found: &Found,
    button: Option<ButtonAnswer>,
    projects: &[String],
) -> Result<Option<[u8; 2]>, ConversationError> {
    let [first, _, ..] = projects else {
        // One project is chosen always.
        return Ok(None);
    };
    let before = found.before.as_ref().and_then(|before| {
        before.inputs.values().find_map(|input| match &input.trigger {
            Trigger::Encoder { lines, .. } => Some(*lines),
            _ => None,
        })
    });
    let default = before.map_or_else(|| "none".to_owned(), |[a, b]| format!("{a},{b}"));
    let has_arrows = button == Some(ButtonAnswer::SpaceBar);
    let line = match button {
        Some(ButtonAnswer::Line(line)) => Some(line),
        Some(ButtonAnswer::SpaceBar) | None => None,
    };
    let question = if has_arrows {
        "The rotary encoder's two lines, such as 5,6; none for the arrow keys:"
    } else {
        "The rotary encoder's two lines, such as 5,6; none where there is none:"
    };
    loop {
        let knob = conversation.ask(question, &default, |text| parse_knob(text, line))?;
        if knob.is_some() || has_arrows || !conversation.is_asking() {
            return Ok(knob);
        }
        conversation.say(format_args!("  Without an encoder nobody can choose: each press is for {first}."))?;
        if conversation.confirm("  Leave it so?", false)? {
            return Ok(None);
        }
    }
}

pub(super) fn parse_knob(text: &str, button: Option<u8>) -> Result<Option<[u8; 2]>, String> {
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
