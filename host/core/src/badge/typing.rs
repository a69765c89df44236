//! From keys to the number of a badge: what is typed until Enter. Pure; times are given.

use super::{BadgeNumber, UnreadReason};
use crate::input::Motion;
use crate::key::Key;
use crate::key::code::{self, Modifiers};

/// So many milliseconds after its last key a number that was not finished with Enter is given up. A person at a keypad looks
/// at a note between two digits; a reader needs a few milliseconds for each.
pub const TYPING_PAUSE_MS: u64 = 10_000;

/// What comes within so many milliseconds after reading began may be the end of a number whose beginning nobody read.
const SETTLES_MS: u64 = 300;

/// The codes of J and M: with Ctrl they are the line feed and the carriage return that some readers send.
const LINE_ENDS: [u16; 2] = [36, 50];

/// What is typed on one reader or keypad.
///
/// Enter and Tab finish a number, Backspace takes its last character back, Escape all of it. What is held down types once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typing {
    began_ms: u64,
    typed: String,
    /// Why what is typed until Enter is no number.
    spoilt: Option<UnreadReason>,
    modifiers: Modifiers,
    last_ms: u64,
}

impl Typing {
    /// Reading begins.
    #[must_use]
    pub fn new(began_ms: u64) -> Self {
        Self { began_ms, typed: String::new(), spoilt: None, modifiers: Modifiers::default(), last_ms: began_ms }
    }

    /// What a key makes of it, after what [`Typing::elapse`] made of the time up to it. `motion` is [`Motion::Down`],
    /// [`Motion::Repeat`] or [`Motion::Up`].
    pub fn key(&mut self, code: u16, motion: Motion, at_ms: u64) -> Option<Result<BadgeNumber, UnreadReason>> {
        if self.modifiers.take(code, motion) || motion != Motion::Down {
            return None;
        }
        let is_command = self.modifiers.is_command();
        let key = match code::key(code, self.modifiers.is_shifted()) {
            Some(_) if is_command && LINE_ENDS.contains(&code) => Key::ENTER,
            Some(key) => key,
            None => return None,
        };
        self.last_ms = at_ms;
        if at_ms.saturating_sub(self.began_ms) < SETTLES_MS {
            self.spoil(UnreadReason::KeysLost);
        }
        match key {
            Key::ENTER | Key::TAB => return self.finish(),
            Key::ESCAPE => (self.typed, self.spoilt) = (String::new(), None),
            Key::BACKSPACE => drop(self.typed.pop()),
            _ => match code::character(code, self.modifiers.is_shifted()) {
                Some(_) if is_command => self.spoil(UnreadReason::NotPlain),
                Some(character) => self.push(character),
                // An arrow, or a function key: it types nothing.
                None => {}
            },
        }
        None
    }

    /// Keys were lost: what is typed until Enter is no number. `at_ms`: when that was noticed.
    pub fn lose(&mut self, at_ms: u64) {
        // A Shift that was let go meanwhile must not count for the next number.
        self.modifiers = Modifiers::default();
        self.last_ms = at_ms;
        self.spoil(UnreadReason::KeysLost);
    }

    /// When time alone gives up what was typed, in milliseconds of the clock. None: nothing was.
    #[must_use]
    pub fn due_ms(&self) -> Option<u64> {
        let is_empty = self.typed.is_empty() && self.spoilt.is_none();
        (!is_empty).then(|| self.last_ms.saturating_add(TYPING_PAUSE_MS))
    }

    /// Why what was typed is given up by now, if it is.
    pub fn elapse(&mut self, now_ms: u64) -> Option<UnreadReason> {
        if self.due_ms()? > now_ms {
            return None;
        }
        self.typed.clear();
        Some(self.spoilt.take().unwrap_or(UnreadReason::NotEnded))
    }

    fn finish(&mut self) -> Option<Result<BadgeNumber, UnreadReason>> {
        let typed = std::mem::take(&mut self.typed);
        match self.spoilt.take() {
            Some(reason) => Some(Err(reason)),
            // Nothing but spaces was typed: Enter alone is a second line end, or a finger.
            None => BadgeNumber::parse(&typed).ok().map(Ok),
        }
    }

    fn push(&mut self, character: char) {
        if self.spoilt.is_some() {
            return;
        }
        // Counted with the spaces around it, so that what is kept has a bound.
        if self.typed.chars().count() >= BadgeNumber::LONGEST {
            return self.spoil(UnreadReason::TooLong);
        }
        self.typed.push(character);
    }

    fn spoil(&mut self, reason: UnreadReason) {
        self.typed.clear();
        self.spoilt.get_or_insert(reason);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::input::Motion::{Down, Repeat, Up};

    const SHIFT: u16 = 42;
    const CTRL: u16 = 29;
    const ALT: u16 = 56;

    /// The key that types a character, with Shift if it has to.
    fn key_of(character: char) -> (u16, bool) {
        let codes = (0..256).flat_map(|code| [(code, false), (code, true)]);
        match character {
            '\n' => (28, false),
            '\t' => (15, false),
            '\u{8}' => (14, false),
            '\u{1b}' => (1, false),
            _ => codes
                .into_iter()
                .find(|(code, is_shifted)| code::character(*code, *is_shifted) == Some(character))
                .unwrap_or_else(|| panic!("{character:?} is on no key")),
        }
    }

    /// The keys by which a text is typed.
    fn keys_of(text: &str) -> Vec<(u16, Motion)> {
        let mut keys = Vec::new();
        for (code, is_shifted) in text.chars().map(key_of) {
            if is_shifted {
                keys.push((SHIFT, Down));
            }
            keys.extend([(code, Down), (code, Up)]);
            if is_shifted {
                keys.push((SHIFT, Up));
            }
        }
        keys
    }

    /// When a reader is asked in the tests that need no other time: long after it began.
    const LATER_MS: u64 = 100_000;

    /// What a fresh reader makes of keys that come at once.
    fn read(keys: &[(u16, Motion)]) -> Vec<Result<String, UnreadReason>> {
        let mut typing = Typing::new(0);
        let number = |(code, motion): &(u16, Motion)| typing.key(*code, *motion, LATER_MS);
        keys.iter().filter_map(number).map(|number| number.map(|number| number.as_str().to_owned())).collect()
    }

    #[test]
    fn what_is_typed_until_enter_is_one_number() {
        let longest = "9".repeat(64);
        let table: [(&str, &[&str]); 12] = [
            ("0012345678\n", &["0012345678"]),
            ("1\n2\n", &["1", "2"]),
            ("1\t", &["1"]),
            ("12", &[]),
            ("\n\n", &[]),
            ("  \n", &[]),
            (" 7 \n", &["7"]),
            ("04aF-x;3=!\n", &["04aF-x;3=!"]),
            ("129\u{8}3\n", &["123"]),
            ("\u{8}1\n", &["1"]),
            ("99\u{1b}1\n", &["1"]),
            (&format!("{longest}\n"), &[&longest]),
        ];
        for (text, expected) in table {
            let expected: Vec<Result<String, UnreadReason>> =
                expected.iter().map(|text| Ok((*text).to_owned())).collect();
            assert_eq!(read(&keys_of(text)), expected, "{text:?}");
        }
    }

    #[test]
    fn what_may_be_half_a_number_is_none() {
        let one = |text: &str| keys_of(text);
        let with = |modifier: u16, text: &str| [vec![(modifier, Down)], keys_of(text), vec![(modifier, Up)]].concat();
        let table = [
            ("too long", one(&format!("{}\n", "9".repeat(65))), vec![Err(UnreadReason::TooLong)]),
            (
                "then a good one",
                one(&format!("{}\n7\n", "9".repeat(900))),
                vec![Err(UnreadReason::TooLong), Ok("7".to_owned())],
            ),
            ("codes of Alt", [with(ALT, "49"), one("2\n")].concat(), vec![Err(UnreadReason::NotPlain)]),
            ("Ctrl and a letter", [with(CTRL, "c"), one("\n")].concat(), vec![Err(UnreadReason::NotPlain)]),
            ("a line feed", [one("12"), with(CTRL, "j")].concat(), vec![Ok("12".to_owned())]),
            ("a carriage return", [one("12"), with(CTRL, "m"), one("\n")].concat(), vec![Ok("12".to_owned())]),
            ("taken back", [with(ALT, "4"), one("\u{1b}5\n")].concat(), vec![Ok("5".to_owned())]),
        ];
        for (name, keys, expected) in table {
            assert_eq!(read(&keys), expected, "{name}");
        }
    }

    #[test]
    fn a_key_that_is_held_types_once_and_one_that_types_nothing_types_nothing() {
        let keys = [(2, Down), (2, Repeat), (2, Repeat), (2, Up), (103, Down), (59, Down), (58, Down), (28, Down)];
        assert_eq!(read(&keys), [Ok("1".to_owned())]);
    }

    #[test]
    fn a_number_that_is_not_finished_is_given_up_and_the_next_one_begins_anew() {
        let mut typing = Typing::new(0);
        assert_eq!(typing.due_ms(), None);
        assert_eq!(typing.key(2, Down, 5_000), None);
        assert_eq!(typing.due_ms(), Some(15_000));
        assert_eq!(typing.elapse(14_999), None);
        assert_eq!(typing.key(3, Down, 14_999), None, "it is slow, and goes on");
        assert_eq!(typing.elapse(24_999), Some(UnreadReason::NotEnded));
        assert_eq!((typing.due_ms(), typing.elapse(99_999)), (None, None), "said once");
        typing.key(4, Down, 30_000);
        let read = typing.key(28, Down, 30_001);
        assert_eq!(read, Some(BadgeNumber::parse("3").map_err(|_| UnreadReason::TooLong)));
    }

    #[test]
    fn a_number_of_which_keys_were_lost_is_none() {
        let mut typing = Typing::new(0);
        typing.key(2, Down, 5_000);
        typing.key(SHIFT, Down, 5_000);
        typing.lose(5_000);
        typing.key(3, Down, 5_000);
        assert_eq!(typing.key(28, Down, 5_001), Some(Err(UnreadReason::KeysLost)));
        typing.key(30, Down, 5_002);
        let next = typing.key(28, Down, 5_003).unwrap().unwrap();
        assert_eq!(next.as_str(), "a", "that Shift was let go may have been lost");
        typing.lose(6_000);
        assert_eq!(typing.elapse(6_000 + TYPING_PAUSE_MS), Some(UnreadReason::KeysLost), "where Enter was lost too");
    }

    #[test]
    fn what_may_be_the_end_of_a_number_whose_beginning_nobody_read_is_none() {
        let mut typing = Typing::new(1_000);
        for (code, at_ms) in [(2, 1_010), (3, 1_299)] {
            assert_eq!(typing.key(code, Down, at_ms), None);
        }
        assert_eq!(typing.key(28, Down, 1_305), Some(Err(UnreadReason::KeysLost)));
        typing.key(4, Down, 1_310);
        assert!(matches!(typing.key(28, Down, 1_311), Some(Ok(number)) if number.as_str() == "3"));
    }

    proptest! {
        /// Whatever numbers are typed one after the other, they come out as they are, none in part and none twice.
        #[test]
        fn numbers_come_out_as_they_are(numbers in prop::collection::vec("[0-9A-Za-z:;,/#-]{1,64}", 0..6)) {
            let keys: Vec<(u16, Motion)> = numbers.iter().flat_map(|text| keys_of(&format!("{text}\n"))).collect();
            let expected: Vec<Result<String, UnreadReason>> = numbers.into_iter().map(Ok).collect();
            prop_assert_eq!(read(&keys), expected);
        }

        /// No keys whatsoever make a number that was not typed as a whole after the Enter before it.
        #[test]
        fn no_keys_do_harm(keys in prop::collection::vec((0_u16..300, prop::sample::select(vec![Down, Repeat, Up])), 0..300)) {
            let mut typing = Typing::new(0);
            for (at, (code, motion)) in keys.into_iter().enumerate() {
                if let Some(Ok(number)) = typing.key(code, motion, at as u64) {
                    prop_assert!(number.as_str().chars().count() <= BadgeNumber::LONGEST);
                }
                prop_assert!(typing.typed.chars().count() <= BadgeNumber::LONGEST);
            }
        }
    }
}
