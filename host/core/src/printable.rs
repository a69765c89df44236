//! Which characters a text may have that a person reads, on a panel or a terminal.
//!
//! Texts come from plugins, from servers through plugins, and from plugins.toml. A terminal obeys some characters instead
//! of showing them: they can colour, erase, and reverse what stands around them, or forge a line.

/// Whether a terminal would obey the character: control characters, the separators of lines and paragraphs, and those that
/// steer the direction of text (Unicode Standard Annex #9 §2).
#[must_use]
pub fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether the character shows nothing, so that two texts which differ look the same.
#[must_use]
pub fn is_hidden(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{206a}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

/// The text with an escape in the place of every character that a terminal would obey.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if steers(character) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped_and_the_rest_stays() {
        for (text, escaped) in [
            ("", ""),
            ("Grüße \u{1f44b}\u{200d} \\n", "Grüße \u{1f44b}\u{200d} \\n"),
            ("\x1b[2J\x07", "\\u{1b}[2J\\u{7}"),
            ("a\r\n\tb", "a\\r\\n\\tb"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{202e}txt.exe\u{202c}\u{2066}\u{2069}", "\\u{202e}txt.exe\\u{202c}\\u{2066}\\u{2069}"),
            ("a\u{2028}b\u{2029}", "a\\u{2028}b\\u{2029}"),
            ("\u{200f}", "\\u{200f}"),
        ] {
            assert_eq!(escape(text), escaped);
        }
    }

    #[test]
    fn no_visible_character_is_taken_for_a_hidden_one() {
        for hidden in "\u{ad}\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}\u{e0041}".chars() {
            assert!(is_hidden(hidden), "{hidden:?}");
        }
        for visible in "a ä–…\u{3000}\u{1f44b}".chars() {
            assert!(!is_hidden(visible) && !steers(visible), "{visible:?}");
        }
    }
}
