//! Which characters a terminal can show.
//!
//! What it deliberately does not know: the environment. It judges what is given.

/// The characters of a terminal, as far as a picture needs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// All of Unicode's block elements and Braille: terminals in windows.
    Unicode,
    /// The half blocks and ASCII: the fonts of the Linux console.
    HalfBlocks,
    /// ASCII alone: a locale that is not UTF-8.
    Ascii,
}

impl Charset {
    /// From the values of `TERM` and of the variables that may name a locale (`LC_ALL`, `LC_CTYPE`, `LANG`: the first that is
    /// set to something counts, as in POSIX.1-2024, section 8.2). Without one the locale is `C`, which is ASCII.
    #[must_use]
    pub fn of(terminal: Option<&str>, locales: [Option<&str>; 3]) -> Self {
        let locale = locales.into_iter().flatten().find(|locale| !locale.is_empty()).unwrap_or("C");
        let encoding = locale.split_once('.').map_or("", |(_, encoding)| encoding);
        let encoding = encoding.split('@').next().unwrap_or("").replace('-', "");
        match (encoding.eq_ignore_ascii_case("utf8"), terminal) {
            (false, _) => Self::Ascii,
            (true, Some("linux")) => Self::HalfBlocks,
            (true, _) => Self::Unicode,
        }
    }

    /// The same from this process's environment.
    #[must_use]
    pub fn of_environment() -> Self {
        let value = |name| std::env::var(name).ok();
        let locales = ["LC_ALL", "LC_CTYPE", "LANG"].map(value);
        Self::of(value("TERM").as_deref(), locales.each_ref().map(Option::as_deref))
    }

    /// The text with what can't be shown as question marks.
    #[must_use]
    pub fn spell(self, text: &str) -> String {
        let shown = |character: char| match self {
            Self::Ascii if !character.is_ascii() => '?',
            _ => character,
        };
        text.chars().map(shown).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terminal_and_the_locale_say_what_can_be_shown() {
        use Charset::{Ascii, HalfBlocks, Unicode};
        type Case = (Option<&'static str>, [Option<&'static str>; 3], Charset);
        let table: [Case; 12] = [
            (Some("xterm-256color"), [None, None, Some("en_GB.UTF-8")], Unicode),
            (Some("xterm-256color"), [None, None, Some("C.utf8")], Unicode),
            (Some("xterm"), [None, None, Some("de_DE.UTF-8@euro")], Unicode),
            (None, [None, None, Some("C.UTF-8")], Unicode),
            (Some("linux"), [None, None, Some("en_GB.UTF-8")], HalfBlocks),
            (Some("linux"), [None, None, None], Ascii),
            (Some("xterm"), [None, None, None], Ascii),
            (Some("xterm"), [None, None, Some("POSIX")], Ascii),
            (Some("xterm"), [None, None, Some("de_DE.ISO-8859-1")], Ascii),
            (Some("xterm"), [Some("C"), None, Some("en_GB.UTF-8")], Ascii),
            (Some("xterm"), [Some(""), Some("en_GB.UTF-8"), Some("C")], Unicode),
            (Some("linux"), [None, Some("en_GB.UTF-8"), None], HalfBlocks),
        ];
        for (terminal, locales, expected) in table {
            assert_eq!(Charset::of(terminal, locales), expected, "{terminal:?} {locales:?}");
        }
    }

    #[test]
    fn only_ascii_is_written_where_there_is_nothing_else() {
        assert_eq!(Charset::Ascii.spell("ä: clock"), "?: clock");
        assert_eq!(Charset::HalfBlocks.spell("ä: clock"), "ä: clock");
    }
}
