//! A text as a reader would decode it, with the place in the original that every decoded byte came from.
//!
//! Servers encode echoes as they please: which characters `%xx` and `\u` escapes stand for is their choice. So escapes
//! are undone instead of guessed. A view holds a few bytes at a time, however long the text is.

use std::collections::VecDeque;

/// A decoded byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit {
    /// The byte.
    pub(super) byte: u8,
    /// Where what it was decoded from begins.
    pub(super) start: usize,
    /// Where that ends.
    pub(super) end: usize,
}

/// The text itself.
pub(super) fn plain(text: &[u8]) -> impl Iterator<Item = Unit> + '_ {
    text.iter().enumerate().map(|(at, byte)| Unit { byte: *byte, start: at, end: at + 1 })
}

/// Undoes percent-encoding (RFC 3986 §2.1), and `+` for a space where `plus` says so (as in forms). What is no valid
/// escape stands for itself.
pub(super) fn percent(units: impl Iterator<Item = Unit>, plus: bool) -> impl Iterator<Item = Unit> {
    let mut units = Ahead::new(units);
    std::iter::from_fn(move || {
        let first = units.next()?;
        match first.byte {
            b'%' => {
                let digit = |unit: Option<Unit>| unit.and_then(|unit| hexadecimal(unit.byte));
                let high = digit(units.peek(0));
                let low = digit(units.peek(1));
                let (Some(high), Some(low)) = (high, low) else { return Some(first) };
                units.next();
                let end = units.next().map_or(first.end, |unit| unit.end);
                Some(Unit { byte: high << 4 | low, start: first.start, end })
            }
            b'+' if plus => Some(Unit { byte: b' ', ..first }),
            _ => Some(first),
        }
    })
}

/// Undoes the escapes of JSON strings (RFC 8259 §7). What is no valid escape stands for itself.
pub(super) fn json(units: impl Iterator<Item = Unit>) -> impl Iterator<Item = Unit> {
    let mut units = Ahead::new(units);
    let mut decoded = VecDeque::new();
    std::iter::from_fn(move || {
        if let Some(unit) = decoded.pop_front() {
            return Some(unit);
        }
        let first = units.next()?;
        if first.byte != b'\\' {
            return Some(first);
        }
        let Some((character, length)) = escaped(&mut units) else { return Some(first) };
        let mut end = first.end;
        for _ in 0..length {
            end = units.next().map_or(end, |unit| unit.end);
        }
        let mut bytes = [0; 4];
        decoded.extend(character.encode_utf8(&mut bytes).bytes().map(|byte| Unit { byte, start: first.start, end }));
        decoded.pop_front()
    })
}

/// The character of the escape after a backslash, and how many bytes the escape has after it.
fn escaped(units: &mut Ahead<impl Iterator<Item = Unit>>) -> Option<(char, usize)> {
    let kind = units.peek(0)?.byte;
    match kind {
        b'"' | b'\\' | b'/' => Some((char::from(kind), 1)),
        b'b' => Some(('\u{8}', 1)),
        b'f' => Some(('\u{c}', 1)),
        b'n' => Some(('\n', 1)),
        b'r' => Some(('\r', 1)),
        b't' => Some(('\t', 1)),
        b'u' => {
            let first = code_unit(units, 1)?;
            if let Some(character) = char::from_u32(u32::from(first)) {
                return Some((character, 5));
            }
            // A character outside the basic plane is two escapes.
            if units.peek(5)?.byte != b'\\' || units.peek(6)?.byte != b'u' {
                return None;
            }
            let second = code_unit(units, 7)?;
            Some((char::decode_utf16([first, second]).next()?.ok()?, 11))
        }
        _ => None,
    }
}

/// The four hexadecimal digits from there on.
fn code_unit(units: &mut Ahead<impl Iterator<Item = Unit>>, from: usize) -> Option<u16> {
    let mut value = 0;
    for place in from..from + 4 {
        value = value << 4 | u16::from(hexadecimal(units.peek(place)?.byte)?);
    }
    Some(value)
}

fn hexadecimal(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// An iterator that can look ahead.
struct Ahead<I> {
    source: I,
    seen: VecDeque<Unit>,
}

impl<I: Iterator<Item = Unit>> Ahead<I> {
    fn new(source: I) -> Self {
        Self { source, seen: VecDeque::new() }
    }

    fn next(&mut self) -> Option<Unit> {
        self.seen.pop_front().or_else(|| self.source.next())
    }

    /// What comes after `place` more.
    fn peek(&mut self, place: usize) -> Option<Unit> {
        while self.seen.len() <= place {
            self.seen.push_back(self.source.next()?);
        }
        self.seen.get(place).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The decoded text, and what each byte came from.
    fn seen(text: &str, units: impl Iterator<Item = Unit>) -> (String, Vec<&str>) {
        let units: Vec<_> = units.collect();
        let decoded = units.iter().map(|unit| unit.byte).collect();
        (String::from_utf8(decoded).unwrap(), units.iter().map(|unit| &text[unit.start..unit.end]).collect())
    }

    #[test]
    fn percent_encoding_is_undone() {
        let table: [(&str, bool, &str, &[&str]); 10] = [
            ("a%2Fb", false, "a/b", &["a", "%2F", "b"]),
            ("%2f%41", false, "/A", &["%2f", "%41"]),
            ("a+b", false, "a+b", &["a", "+", "b"]),
            ("a+b", true, "a b", &["a", "+", "b"]),
            ("%2B", true, "+", &["%2B"]),
            ("%", false, "%", &["%"]),
            ("%4", false, "%4", &["%", "4"]),
            ("%g1", false, "%g1", &["%", "g", "1"]),
            ("%%41", false, "%A", &["%", "%41"]),
            ("%4%41", false, "%4A", &["%", "4", "%41"]),
        ];
        for (text, plus, decoded, origins) in table {
            assert_eq!(
                seen(text, percent(plain(text.as_bytes()), plus)),
                (decoded.to_owned(), origins.to_vec()),
                "{text}"
            );
        }
    }

    #[test]
    fn json_escapes_are_undone() {
        let table: [(&str, &str, &[&str]); 15] = [
            ("plain", "plain", &["p", "l", "a", "i", "n"]),
            (r#"\"\\\/"#, "\"\\/", &[r#"\""#, r"\\", r"\/"]),
            (r"\b\f\n\r\t", "\u{8}\u{c}\n\r\t", &[r"\b", r"\f", r"\n", r"\r", r"\t"]),
            (r"a\u0041b", "aAb", &["a", r"\u0041", "b"]),
            (r"\u002F\u002f", "//", &[r"\u002F", r"\u002f"]),
            (r"\u00e4", "ä", &[r"\u00e4", r"\u00e4"]),
            (r"\ud83d\ude00x", "😀x", &[r"\ud83d\ude00", r"\ud83d\ude00", r"\ud83d\ude00", r"\ud83d\ude00", "x"]),
            (r"\ud83dx", r"\ud83dx", &["\\", "u", "d", "8", "3", "d", "x"]),
            (r"\ud83d\u0041", r"\ud83dA", &["\\", "u", "d", "8", "3", "d", r"\u0041"]),
            (r"\ud83d\x0041", r"\ud83d\x0041", &["\\", "u", "d", "8", "3", "d", "\\", "x", "0", "0", "4", "1"]),
            (r"\ud83dnude00", r"\ud83dnude00", &["\\", "u", "d", "8", "3", "d", "n", "u", "d", "e", "0", "0"]),
            (r"\u004", r"\u004", &["\\", "u", "0", "0", "4"]),
            (r"\u00g1", r"\u00g1", &["\\", "u", "0", "0", "g", "1"]),
            (r"\x", r"\x", &["\\", "x"]),
            ("\\", "\\", &["\\"]),
        ];
        for (text, decoded, origins) in table {
            assert_eq!(seen(text, json(plain(text.as_bytes()))), (decoded.to_owned(), origins.to_vec()), "{text}");
        }
    }

    #[test]
    fn views_can_be_laid_over_one_another() {
        let text = r"\u00252F%5c";
        let (decoded, origins) = seen(text, percent(json(plain(text.as_bytes())), false));
        assert_eq!((decoded.as_str(), origins), ("/\\", vec![r"\u00252F", "%5c"]));
    }
}
