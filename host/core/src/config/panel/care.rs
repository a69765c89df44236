//! How an OLED is spared, and the eyes of who sleeps beside it: `contrast`, `night` and `blank-after`.

use std::time::Duration;

use super::super::node::{Node, quote};
use super::super::table::Table;

/// What a chip has after a reset.
const USUAL_CONTRAST: u8 = 127;
/// The shortest time after which a panel may go dark, in seconds: a person has to be able to read it.
const SHORTEST_SECONDS: u64 = 10;
const DAY_SECONDS: u64 = 24 * 60 * 60;

/// How an OLED is spared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Care {
    /// `contrast`: 0 to 255; 127 where it is left out.
    pub contrast: u8,
    /// `night`: never where it is left out.
    pub night: Option<Night>,
    /// `blank-after`: it goes dark when nothing has happened for so long; never where it is left out.
    pub blank_after: Option<Duration>,
}

/// Hours in which it is dimmed. They may go over midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Night {
    /// `from`, in minutes since the local midnight.
    pub from_minute: u16,
    /// `to`, the first minute that is day again.
    pub to_minute: u16,
    /// `contrast` in these hours; 1 where it is left out.
    pub contrast: u8,
}

impl Default for Care {
    fn default() -> Self {
        Self { contrast: USUAL_CONTRAST, night: None, blank_after: None }
    }
}

impl Care {
    /// [`Care::blank_after`] in milliseconds.
    #[must_use]
    pub fn blank_after_ms(&self) -> Option<u64> {
        self.blank_after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX))
    }
}

impl Night {
    /// Whether a minute of the day is one of the night.
    #[must_use]
    pub fn contains(self, minute: u16) -> bool {
        if self.from_minute <= self.to_minute {
            (self.from_minute..self.to_minute).contains(&minute)
        } else {
            minute >= self.from_minute || minute < self.to_minute
        }
    }
}

pub(super) fn parse_care(table: &mut Table<'_, '_>) -> Option<Care> {
    let contrast = table.optional("contrast", USUAL_CONTRAST, parse_contrast);
    let night = table.optional("night", None, |node| parse_night(node).map(Some));
    let blank_after = table.optional("blank-after", None, |node| parse_blank_after(node).map(Some));
    Some(Care { contrast: contrast?, night: night?, blank_after: blank_after? })
}

fn parse_contrast(node: &Node<'_, '_>) -> Option<u8> {
    u8::try_from(node.count(0..=255)?).ok()
}

fn parse_night(node: &Node<'_, '_>) -> Option<Night> {
    let mut table = node.table()?;
    let from_minute = table.required("from", parse_minute);
    let to_minute = table.required("to", parse_minute);
    let contrast = table.optional("contrast", 1, parse_contrast);
    table.finish()?;
    let night = Night { from_minute: from_minute?, to_minute: to_minute?, contrast: contrast? };
    if night.from_minute == night.to_minute {
        return node
            .refuse("`from` and `to` are the same; for a panel that is always dim set `contrast` beside `night`");
    }
    Some(night)
}

/// `HH:MM`, in minutes since midnight.
pub(in crate::config) fn parse_minute(node: &Node<'_, '_>) -> Option<u16> {
    let text = node.text()?;
    let two_digits = |digits: &str, below: u16| {
        let number = (digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse())?;
        number.ok().filter(|number: &u16| *number < below)
    };
    let parsed =
        text.split_once(':').and_then(|(hours, minutes)| Some(two_digits(hours, 24)? * 60 + two_digits(minutes, 60)?));
    match parsed {
        Some(minute) => Some(minute),
        None => node.refuse(format!("found {}; accepted is a time of day such as `22:00`", quote(text))),
    }
}

/// Of `10s` to `24h`.
fn parse_blank_after(node: &Node<'_, '_>) -> Option<Duration> {
    node.span(SHORTEST_SECONDS..=DAY_SECONDS)
}
