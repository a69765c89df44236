//! The number of a badge, as a reader or a keypad gives it.
//!
//! What it deliberately does not know: devices, and who a badge belongs to (`config::people`). What always holds: a number
//! that exists is whole, as it was read, with its leading zeros. What may be only a part of one is an [`UnreadReason`]: half a
//! number is the number of somebody else.

mod presence;
mod typing;

use thiserror::Error;

use crate::name::InputName;
use crate::printable::{is_hidden, steers};

pub use self::presence::Presence;
pub use self::typing::{TYPING_PAUSE_MS, Typing};

/// The number of a badge, or what was typed on a keypad: one line of 1 to 64 characters, without white space around it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BadgeNumber(String);

/// Why a text is no number of a badge.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadgeNumberError {
    /// Nothing is left without the white space around it.
    #[error("it is empty")]
    Empty,
    /// It is longer than [`BadgeNumber::LONGEST`].
    #[error("it has {found} characters; accepted is at most {}", BadgeNumber::LONGEST)]
    TooLong {
        /// How many characters it has.
        found: usize,
    },
    /// A character of it controls a terminal, or can't be seen.
    #[error("it has a character that nobody can see")]
    Unprintable,
}

impl BadgeNumber {
    /// The most characters.
    pub const LONGEST: usize = 64;

    /// Takes a text, without the white space around it.
    ///
    /// # Errors
    /// When nothing else is there, or when it is no line of a bounded length.
    pub fn parse(text: &str) -> Result<Self, BadgeNumberError> {
        let text = text.trim();
        match text.chars().count() {
            0 => Err(BadgeNumberError::Empty),
            found if found > Self::LONGEST => Err(BadgeNumberError::TooLong { found }),
            _ if text.chars().any(|character| steers(character) || is_hidden(character)) => {
                Err(BadgeNumberError::Unprintable)
            }
            _ => Ok(Self(text.to_owned())),
        }
    }

    /// The bytes that a chip of a badge calls its number, as readers write them: `04A1B2C3`. None for no bytes, or for more
    /// than a number can have.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        Self::parse(&digits).ok()
    }

    /// As it was read.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A badge was read, or a number typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadgeRead {
    /// By which input.
    pub input: InputName,
    /// The number; or why it is none, where a person surely wanted to give one.
    pub number: Result<BadgeNumber, UnreadReason>,
    /// When it was whole, in milliseconds of the monotonic clock.
    pub at_ms: u64,
}

/// Why something that was read or typed is no number. Displayed, it is what a person does about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UnreadReason {
    /// Enter did not follow.
    #[error(
        "Enter did not follow within {} s; finish a number with Enter, and set a reader so that it sends Enter",
        TYPING_PAUSE_MS / 1_000
    )]
    NotEnded,
    /// It has more characters than a number.
    #[error("it has more than {} characters; a reader has to send Enter after each badge", BadgeNumber::LONGEST)]
    TooLong,
    /// The kernel dropped keys.
    #[error("keys came faster than they could be read; show the badge again")]
    KeysLost,
    /// It was typed with Ctrl, Alt or a Windows key held.
    #[error("it was typed with Ctrl or Alt held; set the reader so that it types plain characters")]
    NotPlain,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_as_it_was_read_without_the_white_space_around_it() {
        let longest = "7".repeat(64);
        let table = [
            ("0012345678", Ok("0012345678")),
            (" 12 34\t", Ok("12 34")),
            ("04a1B2c3", Ok("04a1B2c3")),
            (longest.as_str(), Ok(longest.as_str())),
            ("", Err(BadgeNumberError::Empty)),
            (" \t", Err(BadgeNumberError::Empty)),
            ("1\u{7}2", Err(BadgeNumberError::Unprintable)),
            ("1\u{200b}2", Err(BadgeNumberError::Unprintable)),
        ];
        for (text, expected) in table {
            assert_eq!(BadgeNumber::parse(text).map(|number| number.0), expected.map(str::to_owned), "{text:?}");
        }
        assert_eq!(BadgeNumber::parse(&"7".repeat(65)), Err(BadgeNumberError::TooLong { found: 65 }));
    }

    #[test]
    fn the_bytes_of_a_chip_are_written_as_readers_write_them() {
        assert_eq!(BadgeNumber::of_bytes(&[0x04, 0xa1, 0x00, 0x0c]).unwrap().as_str(), "04A1000C");
        assert_eq!(BadgeNumber::of_bytes(&[]), None);
        assert_eq!(BadgeNumber::of_bytes(&[0; 33]), None);
    }
}
