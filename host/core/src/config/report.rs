//! What was found wrong so far, and where everything stands.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;

use super::diagnostic::{Diagnostic, Place, Severity};
use super::discretion::{PEOPLE, Shown, is_secret};

/// More are not listed.
const MAX_DIAGNOSTICS: usize = 999;

/// Why something is wrong: errors can be the consequence of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The text is not TOML there.
    Syntax,
    /// What stands there is not accepted.
    Content,
    /// The key itself is not accepted.
    Key,
    /// What stands there is not accepted, and may hold a secret.
    Secret,
    /// Something is not there. Where the text is not TOML this says nothing: it may have been lost.
    Absence,
}

/// Collects errors and places while a text is read.
pub(super) struct Report<'t> {
    text: &'t str,
    line_starts: Vec<usize>,
    found: RefCell<Vec<(Cause, Diagnostic)>>,
    places: RefCell<BTreeMap<String, Place>>,
}

impl<'t> Report<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0).chain(newlines.map(|(position, _)| position + 1)).collect();
        Self { text, line_starts, found: RefCell::default(), places: RefCell::default() }
    }

    pub(super) fn text(&self) -> &'t str {
        self.text
    }

    pub(super) fn place(&self, span: Range<usize>) -> Place {
        let start = self.text.floor_char_boundary(span.start);
        let line = self.line_starts.partition_point(|line_start| *line_start <= start);
        let column = self.text[self.line_starts[line - 1]..start].chars().count() + 1;
        Place { line, column, span }
    }

    /// Remembers where a key's value stands.
    pub(super) fn note(&self, key: &str, span: Range<usize>) {
        self.places.borrow_mut().insert(key.to_owned(), self.place(span));
    }

    pub(super) fn refuse(&self, cause: Cause, span: Range<usize>, key: &str, message: String, help: Option<String>) {
        let mut found = self.found.borrow_mut();
        if found.len() <= MAX_DIAGNOSTICS {
            let shown = match cause {
                // In what is not TOML nobody can tell a value from anything else.
                Cause::Syntax | Cause::Secret => Shown::Nothing,
                _ if is_secret(key) => Shown::Nothing,
                Cause::Key => Shown::Key,
                Cause::Content | Cause::Absence => Shown::Line,
            };
            // The path of a badge has its number.
            let key = if key.split('.').next() == Some(PEOPLE) { PEOPLE } else { key };
            let (severity, at, key) = (Severity::Error, self.place(span), key.to_owned());
            let diagnostic = Diagnostic { severity, at, key, message, help, shown };
            if !found.iter().any(|(_, before)| *before == diagnostic) {
                found.push((cause, diagnostic));
            }
        }
    }

    /// Where the text is not TOML, as positions in bytes.
    pub(super) fn syntax_errors(&self) -> Vec<usize> {
        let found = self.found.borrow();
        let syntax = found.iter().filter(|(cause, _)| *cause == Cause::Syntax);
        syntax.map(|(_, diagnostic)| diagnostic.at.span.start).collect()
    }

    /// The errors in the order of the text, without those that are probably the consequence of a text that is not TOML.
    pub(super) fn into_diagnostics(self) -> (Vec<Diagnostic>, Places) {
        let found = self.found.into_inner();
        let syntax = |(cause, _): &&(Cause, Diagnostic)| *cause == Cause::Syntax;
        let broken: Vec<Place> = found.iter().filter(syntax).map(|(_, diagnostic)| diagnostic.at.clone()).collect();
        let mut diagnostics: Vec<Diagnostic> = found
            .into_iter()
            .filter(|(cause, diagnostic)| match cause {
                Cause::Syntax => true,
                // After a broken header, what stands below it seems to stand in no section.
                Cause::Content | Cause::Key | Cause::Secret => !broken.iter().any(|place| {
                    place.line == diagnostic.at.line
                        || (place.span.start < diagnostic.at.span.start && !diagnostic.key.contains('.'))
                }),
                Cause::Absence => broken.is_empty(),
            })
            .map(|(_, diagnostic)| diagnostic)
            .collect();
        diagnostics.sort_by_key(|diagnostic| diagnostic.at.span.start);
        if diagnostics.len() > MAX_DIAGNOSTICS {
            diagnostics.truncate(MAX_DIAGNOSTICS);
            let end = self.text.len();
            let last = Place {
                line: self.line_starts.len(),
                column: self.text[self.line_starts.last().copied().unwrap_or_default()..].chars().count() + 1,
                span: end..end,
            };
            diagnostics.push(Diagnostic::at(last, "", "there are more errors; they are not listed"));
        }
        (diagnostics, Places(self.places.into_inner()))
    }
}

/// Where each key of a configuration stands.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Places(BTreeMap<String, Place>);

impl Places {
    /// The place of a key, or of the nearest table around it that is there.
    pub(super) fn of(&self, key: &str) -> Place {
        let mut key = key;
        loop {
            if let Some(place) = self.0.get(key) {
                return place.clone();
            }
            match key.rsplit_once('.') {
                Some((around, _)) => key = around,
                None => return Place::START,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuse(report: &Report<'_>, cause: Cause, span: Range<usize>, key: &str) {
        report.refuse(cause, span, key, "wrong".to_owned(), None);
    }

    fn keys(report: Report<'_>) -> Vec<String> {
        report.into_diagnostics().0.into_iter().map(|diagnostic| diagnostic.key).collect()
    }

    #[test]
    fn lines_and_columns_are_counted_in_characters_from_one() {
        let report = Report::new("a\näöü = 1\n\nx");
        for (position, line, column) in [(0, 1, 1), (1, 1, 2), (2, 2, 1), (4, 2, 2), (5, 2, 2), (8, 2, 4), (12, 2, 8)] {
            let place = report.place(position..position);
            assert_eq!((place.line, place.column), (line, column), "{position}");
        }
        assert_eq!(report.place(13..13), Place { line: 3, column: 1, span: 13..13 });
        assert_eq!(report.place(14..15), Place { line: 4, column: 1, span: 14..15 });
        assert_eq!(report.place(15..15), Place { line: 4, column: 2, span: 15..15 });
    }

    #[test]
    fn errors_come_in_the_order_of_the_text_and_once() {
        let report = Report::new("abc");
        refuse(&report, Cause::Content, 2..3, "c");
        refuse(&report, Cause::Absence, 0..1, "a");
        refuse(&report, Cause::Content, 2..3, "c");
        assert_eq!(report.syntax_errors(), Vec::<usize>::new());
        assert_eq!(keys(report), ["a", "c"]);
    }

    #[test]
    fn what_may_follow_from_a_syntax_error_is_not_said() {
        let report = Report::new("abc\ndef\nghi");
        refuse(&report, Cause::Syntax, 5..6, "syntax");
        refuse(&report, Cause::Content, 4..5, "same line");
        refuse(&report, Cause::Content, 8..9, "other.line");
        refuse(&report, Cause::Content, 8..9, "section");
        refuse(&report, Cause::Content, 1..2, "section before");
        refuse(&report, Cause::Absence, 0..1, "absence");
        assert_eq!(report.syntax_errors(), [5]);
        assert_eq!(keys(report), ["section before", "syntax", "other.line"]);
    }

    #[test]
    fn a_thousand_are_enough() {
        let text = "x\n".repeat(2_000);
        let with = |count: usize| {
            let report = Report::new(&text);
            for number in 0..count {
                refuse(&report, Cause::Content, number..number, "k");
            }
            report.into_diagnostics().0
        };
        assert_eq!(with(999).len(), 999);
        assert_eq!(with(999)[998].key, "k");
        for count in [1000, 1001, 2000] {
            let diagnostics = with(count);
            assert_eq!(diagnostics.len(), 1000);
            assert_eq!(diagnostics[998].key, "k");
            assert_eq!(diagnostics[999].to_string(), "line 2001, column 1: there are more errors; they are not listed");
        }
    }

    #[test]
    fn a_key_that_was_left_out_has_the_place_of_its_table() {
        let report = Report::new("abcdef");
        report.note("sinks.a", 3..4);
        report.note("sinks.a.format", 5..6);
        let (_, places) = report.into_diagnostics();
        assert_eq!(places.of("sinks.a.format.settings").column, 6);
        assert_eq!(places.of("sinks.a.format").column, 6);
        assert_eq!(places.of("sinks.a.deliver.settings").column, 4);
        assert_eq!(places.of("grants.x"), Place::START);
    }
}
