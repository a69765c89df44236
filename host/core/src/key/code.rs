//! The kernel's codes of keys, as a keyboard of the US layout has them (`linux/input-event-codes.h`).
//!
//! Readers that type are set to this layout unless somebody changes it. A key of another keyboard is known by its place: the
//! `Z` of a German one is `y`. The lock keys have no effect: the digits of the number pad are digits.

use std::collections::BTreeMap;

use super::Key;
use crate::input::Motion;

/// Enter.
const ENTER: u16 = 28;
/// Enter of the number pad.
const PAD_ENTER: u16 = 96;

/// The codes of keys that type, each with what it types without Shift and with it.
const CHARACTERS: &[(u16, &str, &str)] = &[
    (2, "1234567890-=", "!@#$%^&*()_+"),
    (16, "qwertyuiop[]", "QWERTYUIOP{}"),
    (30, "asdfghjkl;'`", "ASDFGHJKL:\"~"),
    (43, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
    (55, "*", "*"),
    (57, " ", " "),
    (71, "789-456+1230.", "789-456+1230."),
    (98, "/", "/"),
    (117, "=", "="),
    (121, ",", ","),
    (179, "()", "()"),
];

/// What a key types.
#[must_use]
pub fn character(code: u16, is_shifted: bool) -> Option<char> {
    CHARACTERS.iter().find_map(|(first, plain, shifted)| {
        let characters = if is_shifted { shifted } else { plain };
        characters.chars().nth(usize::from(code.checked_sub(*first)?))
    })
}

/// The key of a code. None for one that plugins.toml has no name for.
#[must_use]
pub fn key(code: u16, is_shifted: bool) -> Option<Key> {
    match code {
        1 => Some(Key::ESCAPE),
        14 => Some(Key::BACKSPACE),
        15 => Some(Key::TAB),
        ENTER | PAD_ENTER => Some(Key::ENTER),
        103 => Some(Key::UP),
        105 => Some(Key::LEFT),
        106 => Some(Key::RIGHT),
        108 => Some(Key::DOWN),
        // F1 to F10, then F11 and F12.
        59..=68 => Key::function(u8::try_from(code - 58).ok()?),
        87..=88 => Key::function(u8::try_from(code - 76).ok()?),
        _ => character(code, is_shifted).and_then(Key::character),
    }
}

/// The codes by which a device is known to be one that types: it has Enter.
pub const TYPING: [u16; 2] = [ENTER, PAD_ENTER];

/// Which keys are held that change what others type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Modifiers {
    /// One bit for each: left and right Shift, then Ctrl, Alt and the Windows key on both sides.
    held: u8,
}

/// The keys of [`Modifiers`], in the order of their bits.
const MODIFIERS: [u16; 8] = [42, 54, 29, 97, 56, 100, 125, 126];
/// The bits of both Shifts.
const SHIFTS: u8 = 0b11;

impl Modifiers {
    /// Takes note of a key. Whether it is one of these.
    pub fn take(&mut self, code: u16, motion: Motion) -> bool {
        let Some(position) = MODIFIERS.iter().position(|modifier| *modifier == code) else { return false };
        match motion {
            Motion::Up => self.held &= !(1 << position),
            _ => self.held |= 1 << position,
        }
        true
    }

    /// A Shift is held.
    #[must_use]
    pub fn is_shifted(&self) -> bool {
        self.held & SHIFTS != 0
    }

    /// Something other than Shift is held: what is typed then is a command, not a character.
    #[must_use]
    pub fn is_command(&self) -> bool {
        self.held & !SHIFTS != 0
    }
}

/// The keys of a keyboard that are buttons, each of an input `I`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buttons<I> {
    inputs: BTreeMap<Key, I>,
    modifiers: Modifiers,
    /// What is held, by the code of its key: `A` goes up as `A`, whether Shift is still held or not.
    held: BTreeMap<u16, I>,
}

impl<I: Clone> Buttons<I> {
    /// Nothing is held.
    #[must_use]
    pub fn new(inputs: BTreeMap<Key, I>) -> Self {
        Self { inputs, modifiers: Modifiers::default(), held: BTreeMap::new() }
    }

    /// All inputs.
    pub fn inputs(&self) -> impl Iterator<Item = &I> {
        self.inputs.values()
    }

    /// Which input a key moves, if any. `motion` is [`Motion::Down`], [`Motion::Repeat`] or [`Motion::Up`].
    pub fn key(&mut self, code: u16, motion: Motion) -> Option<(I, Motion)> {
        if self.modifiers.take(code, motion) {
            return None;
        }
        match motion {
            Motion::Up => self.held.remove(&code).map(|input| (input, Motion::Up)),
            Motion::Repeat => self.held.get(&code).map(|input| (input.clone(), Motion::Repeat)),
            _ if self.modifiers.is_command() => None,
            _ => {
                let input = self.inputs.get(&key(code, self.modifiers.is_shifted())?)?.clone();
                self.held.insert(code, input.clone());
                Some((input, Motion::Down))
            }
        }
    }

    /// Keys were lost. Nothing is taken for held any more, for its release may be among them: these inputs go up.
    pub fn lose(&mut self) -> Vec<I> {
        self.modifiers = Modifiers::default();
        std::mem::take(&mut self.held).into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Motion::{Down, Repeat, Up};

    #[test]
    fn a_key_types_what_stands_on_it() {
        let table = [
            (2, false, Some('1')),
            (11, false, Some('0')),
            (11, true, Some(')')),
            (16, false, Some('q')),
            (44, false, Some('z')),
            (44, true, Some('Z')),
            (39, true, Some(':')),
            (40, false, Some('\'')),
            (41, false, Some('`')),
            (43, false, Some('\\')),
            (53, false, Some('/')),
            (57, false, Some(' ')),
            (71, false, Some('7')),
            (78, false, Some('+')),
            (79, true, Some('1')),
            (82, false, Some('0')),
            (83, false, Some('.')),
            (55, false, Some('*')),
            (98, false, Some('/')),
            (0, false, None),
            (1, false, None),
            (28, false, None),
            (42, false, None),
            (58, false, None),
            (84, false, None),
            (u16::MAX, true, None),
        ];
        for (code, is_shifted, expected) in table {
            assert_eq!(character(code, is_shifted), expected, "{code} {is_shifted}");
        }
    }

    #[test]
    fn every_name_of_a_key_has_a_code() {
        let reached: Vec<Key> = (0..256).filter_map(|code| key(code, false)).collect();
        for name in Key::NAMES {
            assert!(reached.contains(&Key::parse(name).unwrap()), "{name}");
        }
        assert_eq!(key(59, false).unwrap().to_string(), "f1");
        assert_eq!(key(68, false).unwrap().to_string(), "f10");
        assert_eq!(key(87, false).unwrap().to_string(), "f11");
        assert_eq!(key(30, true).unwrap().to_string(), "A");
        assert_eq!(key(96, false), Some(Key::ENTER));
        assert_eq!(key(58, false), None, "the lock");
    }

    #[test]
    fn a_button_goes_up_as_what_it_went_down() {
        let buttons = ["a", "A", "f1"].map(|name| (Key::parse(name).unwrap(), name));
        let mut buttons = Buttons::new(BTreeMap::from(buttons));
        let script = [
            ((30, Down), Some(("a", Down))),
            ((30, Repeat), Some(("a", Repeat))),
            ((42, Down), None),
            ((30, Up), Some(("a", Up))),
            ((30, Down), Some(("A", Down))),
            ((42, Up), None),
            ((30, Up), Some(("A", Up))),
            ((30, Up), None),
            ((59, Repeat), None),
            ((29, Down), None),
            ((30, Down), None),
            ((29, Up), None),
            ((59, Down), Some(("f1", Down))),
            ((48, Down), None),
        ];
        for ((code, motion), expected) in script {
            assert_eq!(buttons.key(code, motion), expected, "{code} {motion:?}");
        }
    }

    #[test]
    fn after_keys_that_were_lost_nothing_is_held() {
        let buttons = ["a", "b"].map(|name| (Key::parse(name).unwrap(), name));
        let mut buttons = Buttons::new(BTreeMap::from(buttons));
        for code in [42, 29] {
            buttons.key(code, Down);
        }
        assert_eq!(buttons.lose(), Vec::<&str>::new());
        for code in [30, 48] {
            assert!(buttons.key(code, Down).is_some(), "Ctrl is not held any more");
        }
        assert_eq!(buttons.lose(), ["a", "b"]);
        assert_eq!(buttons.key(48, Repeat), None);
        assert_eq!(buttons.key(48, Up), None);
        assert_eq!(buttons.key(48, Down), Some(("b", Down)));
    }
}
