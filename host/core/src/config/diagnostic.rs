//! An error in plugins.toml, or a warning about it, and its picture: as compilers do it, with the line and what is meant in
//! it.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use super::discretion::{Shown, is_secret, tells_of_a_secret};

/// A longer line is not printed.
const MAX_LINE: usize = 2_000;

/// A place in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Starts at 1.
    pub line: usize,
    /// In characters; starts at 1.
    pub column: usize,
    /// In bytes; it may be empty.
    pub span: Range<usize>,
}

impl Place {
    /// The beginning of the text.
    pub const START: Self = Self { line: 1, column: 1, span: 0..0 };
}

/// Whether the configuration can be used all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It can't: the file is refused.
    Error,
    /// It can, but hardly as it was meant.
    Warning,
}

/// What is wrong, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether the file is refused for it.
    pub severity: Severity,
    /// Where.
    pub at: Place,
    /// The key's path, such as `sinks.timesheet.deliver.settings`; empty where the text is not TOML.
    pub key: String,
    /// What was found and what is accepted.
    pub message: String,
    /// What was probably meant, or what helps.
    pub help: Option<String>,
    /// How much of its line may be shown.
    pub(super) shown: Shown,
}

impl Diagnostic {
    /// What was found out about a part after the text was read: a missing file, settings that a plugin refuses.
    #[must_use]
    pub fn at(place: Place, key: impl Into<String>, message: impl Into<String>) -> Self {
        let key = key.into();
        let shown = if is_secret(&key) { Shown::Nothing } else { Shown::Line };
        Self { severity: Severity::Error, at: place, key, message: message.into(), help: None, shown }
    }

    /// What is allowed, and hardly meant. See [`Self::at`].
    #[must_use]
    pub fn warning(place: Place, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::at(place, key, message) }
    }

    fn title(&self) -> String {
        if self.key.is_empty() { self.message.clone() } else { format!("{}: {}", self.key, self.message) }
    }
}

/// One line, for a log or a status: `line 3, column 1: device.name: …`.
impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, column {}: {}", self.at.line, self.at.column, self.title())?;
        match &self.help {
            Some(help) => write!(formatter, "; {help}"),
            None => Ok(()),
        }
    }
}

/// Draws errors and warnings with the lines of the text that they are about. Plain: no colours, no control characters of the text, and
/// of a line in which a secret may stand no more than where it is.
#[must_use]
pub fn render_diagnostics(text: &str, file_name: &str, diagnostics: &[Diagnostic]) -> String {
    let pictures: Vec<String> = diagnostics
        .iter()
        .map(|diagnostic| render(file_name, diagnostic, &plan_excerpt(text, diagnostic, diagnostics)))
        .collect();
    pictures.join("\n\n")
}

fn render(file_name: &str, diagnostic: &Diagnostic, excerpt: &Option<(String, Range<usize>)>) -> String {
    let title = diagnostic.title();
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let group = level.primary_title(&title);
    let mut group = match excerpt {
        Some((line, span)) => {
            let snippet = Snippet::source(line.as_str()).line_start(diagnostic.at.line).path(file_name);
            group.element(snippet.annotation(AnnotationKind::Primary.span(span.clone())))
        }
        None => {
            let place = &diagnostic.at;
            group.element(Origin::path(file_name).line(place.line).char_column(place.column))
        }
    };
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help));
    }
    Renderer::plain().render(&[group])
}

/// What of its line an error shows, and what is meant in it. What one error must not show, no other of the same line shows.
fn plan_excerpt(text: &str, diagnostic: &Diagnostic, all: &[Diagnostic]) -> Option<(String, Range<usize>)> {
    let (line, span) = line_around(text, &diagnostic.at.span);
    if line.len() > MAX_LINE || tells_of_a_secret(line) {
        return None;
    }
    let mut end = line.len();
    for other in all.iter().filter(|other| other.at.line == diagnostic.at.line) {
        match other.shown {
            Shown::Line => {}
            Shown::Key => end = end.min(line_around(text, &other.at.span).1.end),
            Shown::Nothing => return None,
        }
    }
    if end == line.len() {
        return Some((line.to_owned(), span));
    }
    // What is meant stands behind a key that nobody knows.
    (span.end <= end).then(|| (format!("{} …", &line[..end]), span))
}

/// The line in which the span starts, and what of the span is in it.
fn line_around<'t>(text: &'t str, span: &Range<usize>) -> (&'t str, Range<usize>) {
    let start = text.floor_char_boundary(span.start);
    let end = text.ceil_char_boundary(span.end).max(start);
    let first = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[first..].lines().next().unwrap_or_default();
    let within = |position: usize| (position - first).min(line.len());
    (line, within(start)..within(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_found_and_the_span_cut_to_it() {
        let text = "ab\r\ncde\nf";
        for (span, line, within) in [
            (0..1, "ab", 0..1),
            (1..9, "ab", 1..2),
            (4..7, "cde", 0..3),
            (5..6, "cde", 1..2),
            (7..7, "cde", 3..3),
            (8..9, "f", 0..1),
            (9..9, "f", 1..1),
            (900..950, "f", 1..1),
        ] {
            assert_eq!(line_around(text, &span), (line, within), "{span:?}");
        }
        assert_eq!(line_around("", &(0..0)), ("", 0..0));
        assert_eq!(line_around("\n", &(1..1)), ("", 0..0));
    }

    #[test]
    fn a_span_inside_a_character_takes_all_of_it() {
        assert_eq!(line_around("äb", &(1..1)), ("äb", 0..2));
        assert_eq!(line_around("aä", &(1..2)), ("aä", 1..3));
    }

    #[test]
    fn a_line_that_nobody_could_read_is_not_printed() {
        let at = |text: &str| {
            let place = Place { line: 1, column: 3, span: 2..3 };
            render_diagnostics(text, "plugins.toml", &[Diagnostic::at(place, "a.b", "wrong")])
        };
        assert_eq!(at(&"x".repeat(MAX_LINE + 1)), "error: a.b: wrong\n--> plugins.toml:1:3");
        assert!(at(&"x".repeat(MAX_LINE)).contains("xxxx"));
    }

    #[test]
    fn one_line_for_the_log() {
        let mut diagnostic = Diagnostic::at(Place { line: 3, column: 5, span: 0..0 }, "device.nam", "unknown key");
        assert_eq!(diagnostic.to_string(), "line 3, column 5: device.nam: unknown key");
        diagnostic.help = Some("did you mean `name`?".to_owned());
        assert_eq!(diagnostic.to_string(), "line 3, column 5: device.nam: unknown key; did you mean `name`?");
        diagnostic.key.clear();
        assert_eq!(diagnostic.to_string(), "line 3, column 5: unknown key; did you mean `name`?");
    }
}
