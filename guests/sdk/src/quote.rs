//! Quote: what a server or the host says, made fit for a message.
//!
//! The host blanks secrets in what a plugin sees; here only form and length matter. Whatever others said comes into a
//! problem, a log or a state through here.

/// The beginning of a text, on one line, without what a terminal would obey. Longer than so many characters, it is cut and
/// ends with `…`.
#[must_use]
pub fn quote(text: &str, characters: usize) -> String {
    let mut kept = text.trim().chars().map(|character| if character.is_control() { ' ' } else { character });
    let mut quoted: String = kept.by_ref().take(characters).collect();
    quoted.truncate(quoted.trim_end().len());
    if kept.next().is_some() {
        quoted.push('…');
    }
    quoted
}

/// The same of a body; what is not UTF-8 in it is replaced.
#[must_use]
pub fn quote_body(body: &[u8], characters: usize) -> String {
    // A character is at most four bytes; more than enough is looked at, so that a body of 8 MiB costs no more.
    let bytes = characters.saturating_mul(4).saturating_add(256);
    quote(&String::from_utf8_lossy(body.get(..bytes).unwrap_or(body)), characters)
}

/// A text as a part of a sentence: the same without the full stops at its end.
#[must_use]
pub fn fragment(text: &str, characters: usize) -> String {
    quote(text.trim_end_matches(|end: char| end == '.' || end.is_whitespace()), characters)
}

/// A text as a sentence: with a capital at its beginning and one full stop at its end, or the `?`, `!` or `…` that is there.
#[must_use]
pub fn sentence(text: &str, characters: usize) -> String {
    let quoted = fragment(text, characters);
    let mut rest = quoted.chars();
    let Some(first) = rest.next() else { return "No reason was given.".to_owned() };
    let stop = if quoted.ends_with(['?', '!', '…']) { "" } else { "." };
    format!("{}{}{stop}", first.to_ascii_uppercase(), rest.as_str())
}

/// Whether a text has these words, in capitals or not; ASCII letters alone are taken for the same.
///
/// By hand: the standard library's search for a text in a text is a hundredth of a component.
#[must_use]
pub fn says(text: &str, words: &str) -> bool {
    let words = words.as_bytes();
    words.is_empty() || text.as_bytes().windows(words.len()).any(|part| part.eq_ignore_ascii_case(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_said_is_on_one_line_and_cut() {
        for (text, quoted) in [
            ("", ""),
            (" said. ", "said."),
            ("no such\nproject\u{1b}[2J", "no such project…"),
            ("0123456789abcdef", "0123456789abcdef"),
            ("0123456789abcdefg", "0123456789abcdef…"),
            ("0123456789abcde  g", "0123456789abcde…"),
            ("ääääääääääääääääää", "ääääääääääääääää…"),
        ] {
            assert_eq!(quote(text, 16), quoted, "{text:?}");
            assert_eq!(quote_body(text.as_bytes(), 16), quoted, "{text:?}");
        }
        assert_eq!(quote_body("🦀".repeat(2_000).as_bytes(), 300), format!("{}…", "🦀".repeat(300)));
        assert_eq!(quote_body(b"\xff", 3), "\u{fffd}");
    }

    #[test]
    fn words_are_found_anywhere_and_in_capitals() {
        for (text, words, is_said) in [
            ("Account disabled", "disabled", true),
            ("Account DISABLED.", "disabled", true),
            ("Konto gesperrt für Ärzte", "für ä", false),
            ("Konto gesperrt für Ärzte", "FüR Ä", true),
            ("disable", "disabled", false),
            ("", "disabled", false),
            ("", "", true),
        ] {
            assert_eq!(says(text, words), is_said, "{text} {words}");
        }
    }

    #[test]
    fn a_fragment_ends_without_a_full_stop() {
        for (text, said) in [("", ""), ("... ", ""), ("reset. ..", "reset"), ("who?", "who?"), ("too long.", "too lo…")]
        {
            assert_eq!(fragment(text, 6), said, "{text:?}");
        }
    }

    #[test]
    fn a_sentence_ends_with_one_full_stop() {
        for (text, said) in [
            ("", "No reason was given."),
            ("...", "No reason was given."),
            ("connection reset", "Connection reset."),
            ("Account restricted.", "Account restricted."),
            ("Account restricted. ..", "Account restricted."),
            ("who is it?", "Who is it?"),
            ("ärger.", "ärger."),
            ("more than what fits here", "More than what fits…"),
        ] {
            assert_eq!(sentence(text, 19), said, "{text:?}");
        }
    }
}
