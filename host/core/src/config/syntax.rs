//! From text to a table whose keys and values know their places; and what of it can be believed where it is not TOML.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml_parser::Source;
use toml_parser::lexer::TokenKind;

use super::MAX_BYTES;
use super::report::{Cause, Report};
use crate::printable::is_hidden;

/// The most dots in one key. Each part of a key is a table in the one before it, each inline table may have such keys, and
/// tables are dropped by recursion: what the parser accepts, 80 parts at 80 levels, is too much for a thread's stack.
const MAX_DOTS: usize = 16;

/// The text from which a table can be made. Nothing is returned where parsing itself would be dangerous.
///
/// The parser finds all errors, but the table that it makes ends at the first key without `=`. Such lines are left out:
/// everything keeps its place.
pub(super) fn readable<'t>(report: &Report<'t>) -> Option<Cow<'t, str>> {
    let text = report.text();
    if text.len() > MAX_BYTES {
        let message = format!("the file has {} bytes; at most {MAX_BYTES} are read", text.len());
        report.refuse(Cause::Syntax, 0..0, "", message, None);
        return None;
    }
    if let Some(position) = long_key(text) {
        let message = format!("a key of more than {MAX_DOTS} dots");
        report.refuse(Cause::Syntax, position..position + 1, "", message, None);
        return None;
    }
    let (_, errors) = DeTable::parse_recoverable(text);
    let ends = errors.iter().filter(|error| error.message().starts_with("key with no value"));
    let mut readable = Cow::Borrowed(text);
    for error in ends {
        refuse(report, error);
        let around = line_around(text, error.span().unwrap_or(0..0).start);
        let blank = " ".repeat(around.len());
        readable.to_mut().replace_range(around, &blank);
    }
    Some(readable)
}

/// Makes a table of as much as there is.
pub(super) fn parse_table<'t>(readable: &'t str, report: &Report<'_>) -> DeTable<'t> {
    let (table, errors) = DeTable::parse_recoverable(readable);
    errors.iter().for_each(|error| refuse(report, error));
    table.into_inner()
}

fn refuse(report: &Report<'_>, error: &toml::de::Error) {
    let span = error.span().unwrap_or(0..0);
    if let Some((position, character)) = foreign_character(report.text(), span.start) {
        let code = u32::from(character);
        let message = if QUOTATION_MARKS.contains(&character) {
            format!("`{character}` is a typographic quotation mark; TOML takes the straight ones, `\"` and `'`")
        } else {
            format!("the invisible character U+{code:04X} stands here; write a plain space, or nothing")
        };
        return report.refuse(Cause::Syntax, position..position + character.len_utf8(), "", message, None);
    }
    // What the parser says about a word without quotation marks that starts like `true` or `false`.
    let bare = error.message().starts_with("invalid boolean");
    let help = bare.then(|| "a string stands in quotation marks".to_owned());
    report.refuse(Cause::Syntax, span, "", error.message().to_owned(), help);
}

/// What word processors and web pages make of `"` and `'`.
const QUOTATION_MARKS: [char; 12] = [
    '\u{2018}', '\u{2019}', '\u{201a}', '\u{201b}', '\u{201c}', '\u{201d}', '\u{201e}', '\u{201f}', '\u{ab}', '\u{bb}',
    '\u{2039}', '\u{203a}',
];

/// A character in the line of an error that looks like one of TOML's and is none, outside of strings and comments: the
/// likely cause.
fn foreign_character(text: &str, position: usize) -> Option<(usize, char)> {
    let line = line_around(text, position);
    let mut inside = None;
    let mut escaped = false;
    for (offset, character) in text[line.clone()].char_indices() {
        match (inside, character) {
            (Some('"'), '\\') if !escaped => {
                escaped = true;
                continue;
            }
            (Some(quote), _) if character == quote && !escaped => inside = None,
            (None, '"' | '\'') => inside = Some(character),
            (None, '#') => return None,
            // A byte order mark at the beginning of the text belongs there.
            (None, '\u{feff}') if line.start + offset == 0 => {}
            (None, _) if QUOTATION_MARKS.contains(&character) => return Some((line.start + offset, character)),
            (None, _) if is_hidden(character) || (character.is_whitespace() && !character.is_ascii()) => {
                return Some((line.start + offset, character));
            }
            _ => {}
        }
        escaped = false;
    }
    None
}

/// The line of a position, without its end.
fn line_around(text: &str, position: usize) -> Range<usize> {
    let position = text.floor_char_boundary(position);
    let start = text[..position].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[position..].find('\n').map_or(text.len(), |newline| position + newline);
    start..end
}

/// The position of the dot by which a key is too long.
fn long_key(text: &str) -> Option<usize> {
    let mut dots = 0;
    for token in Source::new(text).lex() {
        match token.kind() {
            TokenKind::Dot => dots += 1,
            TokenKind::Atom | TokenKind::Whitespace | TokenKind::BasicString | TokenKind::LiteralString => {}
            _ => dots = 0,
        }
        if dots > MAX_DOTS {
            return Some(token.span().start());
        }
    }
    None
}

/// Where the text is not TOML, the parser goes on with what it can make of it: parts may have lost keys or gained those
/// of others. An error damages the part that starts last before it.
pub(super) struct Damage {
    starts: Vec<usize>,
}

impl Damage {
    pub(super) fn of(table: &DeTable<'_>, report: &Report<'_>) -> Self {
        let errors = report.syntax_errors();
        let starts = table.iter().flat_map(|(key, value)| {
            let entries = value.get_ref().as_table().into_iter().flat_map(|entries| entries.keys());
            std::iter::once(key.span().start).chain(entries.map(|entry| entry.span().start))
        });
        let starts: Vec<usize> = starts.collect();
        let last_before = |error: &usize| starts.iter().copied().filter(|start| start <= error).max();
        Self { starts: errors.iter().map(|error| last_before(error).unwrap_or(*error)).collect() }
    }

    /// Whether the text is not TOML.
    pub(super) fn any(&self) -> bool {
        !self.starts.is_empty()
    }

    /// Whether an error stands in the part whose key starts here.
    pub(super) fn touches(&self, start: usize) -> bool {
        self.starts.contains(&start)
    }

    /// Whether an error stands in this section, behind its key or behind any key in it.
    pub(super) fn touches_section(&self, start: usize, value: &Spanned<DeValue<'_>>) -> bool {
        let mut entries = value.get_ref().as_table().into_iter().flat_map(|entries| entries.keys());
        self.touches(start) || entries.any(|entry| self.touches(entry.span().start))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::diagnostic::Diagnostic;
    use super::*;

    #[test]
    fn a_key_may_have_sixteen_dots() {
        let good = vec!["a"; 17].join(".");
        let bad = vec!["a"; 18].join(".");
        for (text, position) in [
            (format!("{good} = 1\n{good} = 1"), None),
            (format!("[{good}]\n[{good}]"), None),
            (format!("x = [{}]", "1.5, ".repeat(40)), None),
            (format!("x = \"{}\"", ".".repeat(40)), None),
            (format!("# {}", ".".repeat(40)), None),
            (format!("{bad} = 1"), Some(33)),
            (format!("[{bad}]"), Some(34)),
            (format!("x = {{ {bad} = 1 }}"), Some(39)),
            (bad.replace('.', " . "), Some(66)),
            (bad.replace('a', "\"a\""), Some(67)),
            (bad.replace('a', "'a'"), Some(67)),
        ] {
            assert_eq!(long_key(&text), position, "{text}");
        }
    }

    #[test]
    fn a_text_of_a_mebibyte_is_read() {
        let comment = |length: usize| format!("#{}", "x".repeat(length - 1));
        let read = |text: &str| {
            let report = Report::new(text);
            (readable(&report).is_some(), report.into_diagnostics().0.len())
        };
        assert_eq!(read(&comment(MAX_BYTES)), (true, 0));
        assert_eq!(read(&comment(MAX_BYTES + 1)), (false, 1));
    }

    #[test]
    fn what_would_be_nested_without_end_is_not_parsed() {
        let text = "a.".repeat(MAX_BYTES / 2);
        let report = Report::new(&text);
        assert!(readable(&report).is_none());
        assert_eq!(report.into_diagnostics().0[0].to_string(), "line 1, column 34: a key of more than 16 dots");
        let text = format!("a = {}", "[".repeat(100_000));
        let report = Report::new(&text);
        parse_table(&readable(&report).unwrap(), &report);
        assert!(!report.into_diagnostics().0.is_empty());
    }

    #[test]
    fn a_key_without_a_value_is_not_the_end() {
        let text = "[a]\nüx 1\ny = 2\nz\n[b]\nlast";
        let report = Report::new(text);
        let readable = readable(&report).unwrap();
        assert_eq!(readable, "[a]\n     \ny = 2\n \n[b]\n    ");
        let table = parse_table(&readable, &report);
        assert_eq!(table.keys().map(|key| key.get_ref().as_ref()).collect::<Vec<_>>(), ["a", "b"]);
        let lines: Vec<usize> = report.into_diagnostics().0.iter().map(|error| error.at.line).collect();
        assert_eq!(lines, [2, 4, 6]);
    }

    #[test]
    fn what_only_looks_like_a_quotation_mark_or_a_space_is_named() {
        let said = |text: &str| {
            let report = Report::new(text);
            let readable = readable(&report).unwrap();
            parse_table(&readable, &report);
            report.into_diagnostics().0.iter().map(Diagnostic::to_string).collect::<Vec<_>>()
        };
        let mark = |place, mark| {
            format!("{place}: `{mark}` is a typographic quotation mark; TOML takes the straight ones, `\"` and `'`")
        };
        let table = [
            ("x = \u{201c}y\u{201d}", mark("line 1, column 5", '\u{201c}')),
            ("a = 1\nx = \u{201e}y\u{201c} # it\u{2019}s", mark("line 2, column 5", '\u{201e}')),
            ("x = \u{2018}y\u{2019}", mark("line 1, column 5", '\u{2018}')),
            ("x = [\"y\", \u{ab}z\u{bb}]", mark("line 1, column 11", '\u{ab}')),
            ("x = \"a\\\"b\" \u{201d}", mark("line 1, column 12", '\u{201d}')),
            (
                "x\u{a0}= 1",
                "line 1, column 2: the invisible character U+00A0 stands here; write a plain space, or nothing"
                    .to_owned(),
            ),
            (
                "a = 1\n\u{200b}x = 1",
                "line 2, column 1: the invisible character U+200B stands here; write a plain space, or nothing"
                    .to_owned(),
            ),
        ];
        for (text, expected) in table {
            assert_eq!(said(text), [expected], "{text}");
        }
        assert_eq!(said("\u{feff}x = \"\u{201c}y\u{201d}\" # it\u{2019}s"), Vec::<String>::new());
        assert!(!said("x = \"\u{201c}\" y").iter().any(|said| said.contains("typographic")));
    }

    #[test]
    fn an_error_damages_the_part_that_starts_before_it() {
        let text = "[a]\nx = 1\n[b.c]\ny = = 2\n[b.d]\nz = 3\n";
        let report = Report::new(text);
        let table = parse_table(report.text(), &report);
        let damage = Damage::of(&table, &report);
        assert!(damage.any());
        let touched: Vec<usize> = (0..text.len()).filter(|position| damage.touches(*position)).collect();
        assert_eq!(touched, [text.find("c]").unwrap()]);
        let sections: Vec<bool> =
            table.iter().map(|(key, value)| damage.touches_section(key.span().start, value)).collect();
        assert_eq!(sections, [false, true]);

        let report = Report::new("[a]\nx = 1");
        let table = parse_table(report.text(), &report);
        assert!(!Damage::of(&table, &report).any());
    }

    #[test]
    fn an_error_behind_the_sections_own_key_damages_it() {
        let report = Report::new("[a]\nx = 1\n[b]\n= 3");
        let table = parse_table(report.text(), &report);
        let damage = Damage::of(&table, &report);
        let sections: Vec<bool> =
            table.iter().map(|(key, value)| damage.touches_section(key.span().start, value)).collect();
        assert_eq!(sections, [false, true]);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "[a-c.=\\[\\]{}\"', \n#0-9é-]{0,60}") {
            let report = Report::new(&text);
            if let Some(readable) = readable(&report) {
                prop_assert_eq!(readable.len(), text.len());
                Damage::of(&parse_table(&readable, &report), &report);
            }
        }
    }
}
