//! What came along with a secret when it was copied: quotation marks, another line, what nobody sees.

use std::fmt;

use crate::printable::{is_hidden, steers};

/// A character that belongs to no secret, but to how it was copied. Displayed, it is what it is and where, and never a part of
/// the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stranger {
    /// In words.
    what: &'static str,
    character: char,
    /// Starts at 1.
    position: usize,
}

impl fmt::Display for Stranger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, character, position } = self;
        write!(formatter, "{what}, U+{:04X}, as its character {position}", u32::from(*character))
    }
}

/// The first such character, in a text without white space around it. A space within may belong to the secret, as in
/// `Bearer …`.
#[must_use]
pub fn find_stranger(secret: &str) -> Option<Stranger> {
    let has_lines = is_key_file(secret);
    let quoted = secret.starts_with(is_mark) && secret.ends_with(is_mark);
    secret.chars().zip(1..).find_map(|(character, position)| {
        let what = match character {
            _ if position == 1 && quoted => "a quotation mark around it",
            '\n' | '\r' if has_lines => return None,
            '\n' | '\r' => "another line behind it",
            _ if steers(character) || is_hidden(character) => "an invisible character",
            _ if character.is_whitespace() && character != ' ' => "a space that is none",
            _ => return None,
        };
        Some(Stranger { what, character, position })
    })
}

/// Whether it is a private key in PEM (RFC 7468 §2), or a file of JSON that has one: these have lines.
fn is_key_file(secret: &str) -> bool {
    let is_pem = secret.starts_with("-----BEGIN ") && secret.ends_with("-----") && secret.contains("\n-----END ");
    is_pem || (secret.starts_with('{') && secret.ends_with('}'))
}

/// Whether a character is a quotation mark, of TOML or of a word processor.
#[must_use]
pub fn is_mark(character: char) -> bool {
    matches!(character, '"' | '\'' | '`' | '«' | '»' | '\u{2018}'..='\u{201f}' | '‹' | '›')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_belong_to_a_secret_is_named_and_nothing_of_the_secret_is() {
        for (secret, found) in [
            ("k3y", None),
            ("Bearer k3y", None),
            ("k3y\"", None),
            ("-----BEGIN PRIVATE KEY-----\nAQ==\n-----END PRIVATE KEY-----", None),
            ("{\r\n  \"private_key\": \"x\"\n}", None),
            (
                "-----BEGIN PRIVATE KEY-----\nAQ==\n-----END PRIVATE KEY-----\nx",
                Some("another line behind it, U+000A, as its character 28"),
            ),
            ("\"k3y\"", Some("a quotation mark around it, U+0022, as its character 1")),
            ("“k3y”", Some("a quotation mark around it, U+201C, as its character 1")),
            ("two\nlines", Some("another line behind it, U+000A, as its character 4")),
            ("k3\u{200b}y", Some("an invisible character, U+200B, as its character 3")),
            ("k3\u{a0}y", Some("a space that is none, U+00A0, as its character 3")),
        ] {
            assert_eq!(find_stranger(secret).map(|found| found.to_string()).as_deref(), found, "{secret:?}");
        }
    }
}
