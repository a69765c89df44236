//! The panel, with a picture on it while it is asked about.

use std::io::{BufRead, Write};

use punchcard_core::checkup::i2c::BusFacts;
use punchcard_core::config::panel::{OledChip, PanelDriver, PanelSize};
use punchcard_core::setup::PanelAnswer;

use super::super::conversation::{Conversation, ConversationError};
use super::Found;
use crate::app::trial::Trial;

/// Addresses of OLEDs.
const OLED_ADDRESSES: [u8; 2] = [0x3c, 0x3d];

/// What can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Oled(OledChip, PanelSize),
    Terminal,
    None,
}

const PANELS: [(Kind, &str); 6] = [
    (Kind::Oled(OledChip::Ssd1306, PanelSize::W128H32), "OLED of 0.91 inch, 128x32, with an SSD1306"),
    (Kind::Oled(OledChip::Ssd1306, PanelSize::W128H64), "OLED of 0.96 inch, 128x64, with an SSD1306"),
    (Kind::Oled(OledChip::Sh1106, PanelSize::W128H64), "OLED of 1.3 inch, 128x64, with an SH1106"),
    (Kind::Oled(OledChip::Ssd1306, PanelSize::W72H40), "OLED of 0.42 inch, 72x40, with an SSD1306"),
    (Kind::Terminal, "the terminal that it runs in"),
    (Kind::None, "none"),
];

pub(super) fn ask_panel<R: BufRead, W: Write>(
    conversation: &mut Conversation<R, W>,
    found: &Found,
    trial: &impl Trial,
    name: &str,
) -> Result<PanelAnswer, ConversationError> {
    // A service has no terminal.
    let panels: Vec<(Kind, &str)> =
        PANELS.into_iter().filter(|(kind, _)| !(found.is_installed && *kind == Kind::Terminal)).collect();
    conversation.say("\nThe panel:")?;
    for ((_, what), number) in panels.iter().zip(1..) {
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
    let usual = usual_panel(found, there.is_some());
    let default = panels.iter().zip(1..).find(|((kind, _), _)| *kind == usual).map_or(1, |(_, number)| number);
    loop {
        let kind = conversation.ask("Which?", &default.to_string(), |answer| {
            let chosen = panels.iter().zip(1_usize..).find(|(_, number)| number.to_string() == answer);
            chosen.map(|((kind, _), _)| *kind).ok_or_else(|| format!("a number from 1 to {}", panels.len()))
        })?;
        let (chip, size) = match kind {
            Kind::Terminal => return Ok(PanelAnswer::Terminal),
            Kind::None => return Ok(PanelAnswer::None),
            Kind::Oled(chip, size) => (chip, size),
        };
        let bus = found.bus.as_ref().map_or_else(|| "/dev/i2c-1".to_owned(), |bus| bus.path.clone());
        let answer = PanelAnswer::Oled { chip, size, bus, address: there.unwrap_or(OLED_ADDRESSES[0]) };
        if !conversation.is_asking() {
            return Ok(answer);
        }
        if trial.is_device_running() {
            conversation.say(
                "  – the running device has the panel: it is not tried. `sudo systemctl stop punchcard` frees it",
            )?;
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

fn usual_panel(found: &Found, is_oled_there: bool) -> Kind {
    let before = found.before.as_ref().map(|before| match &before.panel.driver {
        PanelDriver::Oled(oled) => Kind::Oled(oled.chip, before.panel.size),
        PanelDriver::Terminal => Kind::Terminal,
        PanelDriver::None => Kind::None,
    });
    let is_offered = |kind: &Kind| PANELS.iter().any(|(known, _)| known == kind);
    let before = before.filter(|kind| is_offered(kind) && !(found.is_installed && *kind == Kind::Terminal));
    before.unwrap_or(match (is_oled_there, found.is_installed) {
        (true, _) => PANELS[0].0,
        (false, false) => Kind::Terminal,
        (false, true) => Kind::None,
    })
}
