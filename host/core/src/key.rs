//! Keys, by the names that plugins.toml and the panel's help line give them.
//!
//! What it deliberately does not know: terminals, escape sequences, what a key is good for. The kernel's codes are in [`code`]. A [`Key`] that exists is one
//! of the names below or one printable character; keys with a modifier are none.

pub mod code;

use std::fmt;

use thiserror::Error;

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    Space,
    Enter,
    Tab,
    Escape,
    Backspace,
    Left,
    Right,
    Up,
    Down,
    Function(u8),
    Character(char),
}

/// Why a text is not a key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{found}` is not a key: space, enter, tab, escape, backspace, left, right, up, down, f1 to f12, or one character"
)]
pub struct KeyError {
    /// What stood there.
    pub found: String,
}

impl Key {
    /// The space bar.
    pub const SPACE: Self = Self(Kind::Space);
    /// Enter, Return.
    pub const ENTER: Self = Self(Kind::Enter);
    /// The tabulator.
    pub const TAB: Self = Self(Kind::Tab);
    /// Escape.
    pub const ESCAPE: Self = Self(Kind::Escape);
    /// Backspace.
    pub const BACKSPACE: Self = Self(Kind::Backspace);
    /// The arrow to the left.
    pub const LEFT: Self = Self(Kind::Left);
    /// The arrow to the right.
    pub const RIGHT: Self = Self(Kind::Right);
    /// The arrow up.
    pub const UP: Self = Self(Kind::Up);
    /// The arrow down.
    pub const DOWN: Self = Self(Kind::Down);

    /// The names that are words; a person's misspelling is compared with these.
    pub const NAMES: [&str; 21] = [
        "space",
        "enter",
        "tab",
        "escape",
        "backspace",
        "left",
        "right",
        "up",
        "down",
        "f1",
        "f2",
        "f3",
        "f4",
        "f5",
        "f6",
        "f7",
        "f8",
        "f9",
        "f10",
        "f11",
        "f12",
    ];

    /// Takes a name in lower case, or the one character that the key types. `a` and `A` are two keys.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let key = match text {
            "space" => Some(Self::SPACE),
            "enter" => Some(Self::ENTER),
            "tab" => Some(Self::TAB),
            "escape" => Some(Self::ESCAPE),
            "backspace" => Some(Self::BACKSPACE),
            "left" => Some(Self::LEFT),
            "right" => Some(Self::RIGHT),
            "up" => Some(Self::UP),
            "down" => Some(Self::DOWN),
            _ => parse_function(text).or_else(|| parse_single(text)),
        };
        key.ok_or_else(|| KeyError { found: text.to_owned() })
    }

    /// The key that types this character: `' '` is [`Key::SPACE`]. None for a control character, or for a space that
    /// is not the space bar's.
    #[must_use]
    pub fn character(character: char) -> Option<Self> {
        if character == ' ' {
            Some(Self::SPACE)
        } else if character.is_control() || character.is_whitespace() {
            None
        } else {
            Some(Self(Kind::Character(character)))
        }
    }

    /// F1 to F12. None for another number.
    #[must_use]
    pub fn function(number: u8) -> Option<Self> {
        (1..=12).contains(&number).then_some(Self(Kind::Function(number)))
    }
}

/// `f1` to `f12`, without a leading zero or a sign.
fn parse_function(text: &str) -> Option<Key> {
    let key = text.strip_prefix('f')?.parse().ok().and_then(Key::function)?;
    (key.to_string() == text).then_some(key)
}

fn parse_single(text: &str) -> Option<Key> {
    let mut characters = text.chars();
    let key = characters.next().and_then(Key::character)?;
    // A space is written `space`: a blank between quotes is rather a mistake.
    (characters.next().is_none() && key != Key::SPACE).then_some(key)
}

impl fmt::Display for Key {
    /// The name, as [`Key::parse`] takes it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Space => formatter.write_str("space"),
            Kind::Enter => formatter.write_str("enter"),
            Kind::Tab => formatter.write_str("tab"),
            Kind::Escape => formatter.write_str("escape"),
            Kind::Backspace => formatter.write_str("backspace"),
            Kind::Left => formatter.write_str("left"),
            Kind::Right => formatter.write_str("right"),
            Kind::Up => formatter.write_str("up"),
            Kind::Down => formatter.write_str("down"),
            Kind::Function(number) => write!(formatter, "f{number}"),
            Kind::Character(character) => write!(formatter, "{character}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_taken_and_given_back() {
        for name in Key::NAMES.into_iter().chain(["q", "f", "F", "ä", "5", "€"]) {
            assert_eq!(Key::parse(name).map(|key| key.to_string()), Ok(name.to_owned()));
        }
    }

    #[test]
    fn the_names_are_different_keys() {
        let keys: std::collections::BTreeSet<Key> = Key::NAMES.iter().map(|name| Key::parse(name).unwrap()).collect();
        assert_eq!(keys.len(), Key::NAMES.len());
    }

    #[test]
    fn what_is_neither_a_name_nor_a_character_is_refused() {
        for bad in ["", " ", "Space", "f0", "f13", "f01", "f+1", "f256", "ab", "ctrl-c", "\t", "\u{a0}", "\u{7f}"] {
            assert_eq!(Key::parse(bad), Err(KeyError { found: bad.to_owned() }), "{bad:?}");
        }
    }

    #[test]
    fn the_character_of_the_space_bar_is_the_space_bar() {
        assert_eq!(Key::character(' '), Some(Key::SPACE));
        assert_eq!(Key::character('a'), Some(Key::parse("a").unwrap()));
        assert_eq!(Key::character('\n'), None);
    }

    #[test]
    fn function_keys_are_one_to_twelve() {
        assert_eq!(Key::function(0), None);
        assert_eq!(Key::function(1), Key::parse("f1").ok());
        assert_eq!(Key::function(12), Key::parse("f12").ok());
        assert_eq!(Key::function(13), None);
    }

    #[test]
    fn the_error_says_what_is_accepted() {
        assert_eq!(
            KeyError { found: "spce".to_owned() }.to_string(),
            "`spce` is not a key: space, enter, tab, escape, backspace, left, right, up, down, f1 to f12, or one character"
        );
    }
}
