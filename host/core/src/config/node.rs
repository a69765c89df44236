//! A value of the text, and how it becomes a type: each reading returns the value, or reports what was found and what is
//! accepted.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue};

use super::discretion::is_secret;
use super::near::{did_you_mean, near};
use super::report::{Cause, Report};
use super::table::Table;
use crate::name::NameError;
use crate::printable::{is_hidden, steers};

const NAME: &str = "1 to 63 of a-z, 0-9 and `-`, starting with a letter";

/// A value, where it stands, and the path of its key.
pub(super) struct Node<'a, 'i> {
    report: &'a Report<'i>,
    value: &'a Spanned<DeValue<'i>>,
    path: String,
}

impl<'a, 'i> Node<'a, 'i> {
    pub(super) fn new(report: &'a Report<'i>, value: &'a Spanned<DeValue<'i>>, path: String) -> Self {
        Self { report, value, path }
    }

    pub(super) fn value(&self) -> &'a Spanned<DeValue<'i>> {
        self.value
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The line in which it starts.
    pub(super) fn line(&self) -> usize {
        self.report.place(self.value.span()).line
    }

    /// Reports that this value is not accepted.
    pub(super) fn refuse<T>(&self, message: impl Into<String>) -> Option<T> {
        self.refuse_for(Cause::Content, message, None)
    }

    pub(super) fn refuse_with_help<T>(&self, message: impl Into<String>, help: Option<String>) -> Option<T> {
        self.refuse_for(Cause::Content, message, help)
    }

    /// Reports that this value is not accepted, without showing it: it may hold a secret.
    pub(super) fn refuse_unseen<T>(&self, message: impl Into<String>) -> Option<T> {
        self.refuse_for(Cause::Secret, message, None)
    }

    /// Reports that what this value speaks of is not there.
    pub(super) fn refuse_dangling<T>(&self, message: impl Into<String>, help: Option<String>) -> Option<T> {
        self.refuse_for(Cause::Absence, message, help)
    }

    fn refuse_for<T>(&self, cause: Cause, message: impl Into<String>, help: Option<String>) -> Option<T> {
        self.report.refuse(cause, self.value.span(), &self.path, message.into(), help);
        None
    }

    /// Reports that this value has another type.
    pub(super) fn refuse_type<T>(&self, accepted: &str) -> Option<T> {
        let raw = || self.quote(self.report.text().get(self.value.span()).unwrap_or_default());
        let found = match self.value.get_ref() {
            DeValue::Table(_) => "a table".to_owned(),
            DeValue::Array(_) => "an array".to_owned(),
            DeValue::Datetime(_) => format!("the date-time {}", raw()),
            scalar => format!("the {} {}", scalar.type_str(), raw()),
        };
        self.refuse(format!("found {found}; accepted is {accepted}"))
    }

    /// A piece of this value for a message, where it can't be a secret.
    pub(super) fn quote(&self, text: &str) -> String {
        if is_secret(&self.path) { "`…`".to_owned() } else { quote(text) }
    }

    pub(super) fn text(&self) -> Option<&'a str> {
        match self.value.get_ref() {
            DeValue::String(text) => Some(text),
            _ => self.refuse_type("a string"),
        }
    }

    pub(super) fn flag(&self) -> Option<bool> {
        match self.value.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            _ => self.refuse_type("a boolean"),
        }
    }

    /// An integer as TOML has them: 64 bits.
    pub(super) fn integer(&self) -> Option<i64> {
        match self.value.get_ref() {
            DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(integer) => Some(integer),
                Err(_) => self.refuse(format!("{} has more than 64 bits", self.quote(integer.as_str()))),
            },
            _ => self.refuse_type("an integer"),
        }
    }

    /// The same where it is one of two types that are accepted, and the other type is read where this is none.
    pub(super) fn whole_number(&self) -> Option<i64> {
        match self.value.get_ref() {
            DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix()).ok(),
            _ => None,
        }
    }

    /// A whole number within bounds.
    pub(super) fn count(&self, accepted: RangeInclusive<u32>) -> Option<u32> {
        let found = self.integer()?;
        match u32::try_from(found) {
            Ok(count) if accepted.contains(&count) => Some(count),
            _ => self.refuse(format!("found {found}; accepted is {} to {}", accepted.start(), accepted.end())),
        }
    }

    /// A finite number.
    pub(super) fn float(&self) -> Option<f64> {
        match self.value.get_ref() {
            DeValue::Float(float) => match float.as_str().parse::<f64>() {
                Ok(number) if number.is_finite() => Some(number),
                _ => self.refuse(format!("{} is not a finite number", self.quote(float.as_str()))),
            },
            _ => self.refuse_type("a float"),
        }
    }

    /// Text that can be shown on one line, of at most this many characters.
    pub(super) fn printable(&self, longest: usize) -> Option<&'a str> {
        let text = self.text()?;
        let length = text.chars().count();
        if text.chars().any(steers) {
            return self.refuse(format!("{} has a control character; accepted is one line of text", self.quote(text)));
        }
        // Two names that look the same would be two.
        if text.chars().any(is_hidden) {
            return self
                .refuse(format!("{} has an invisible character; accepted is one line of text", self.quote(text)));
        }
        if text.trim() != text {
            return self.refuse(format!("{} starts or ends with a space", self.quote(text)));
        }
        if !(1..=longest).contains(&length) {
            return self.refuse(format!("{} has {length} characters; accepted is 1 to {longest}", self.quote(text)));
        }
        Some(text)
    }

    /// A span of time such as `30s`, `10min` or `2h`, of so many seconds.
    pub(super) fn span(&self, accepted: RangeInclusive<u64>) -> Option<Duration> {
        let text = self.text()?;
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit_seconds = match unit {
            "s" => Some(1),
            "min" => Some(60),
            "h" => Some(3_600),
            _ => None,
        };
        let seconds = number.parse::<u64>().ok().zip(unit_seconds).and_then(|(number, unit)| number.checked_mul(unit));
        match seconds {
            Some(seconds) if accepted.contains(&seconds) => Some(Duration::from_secs(seconds)),
            _ => self.refuse(format!(
                "found {}; accepted is `{}` to `{}`, in `s`, `min` or `h`",
                quote(text),
                render_span(*accepted.start()),
                render_span(*accepted.end())
            )),
        }
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(&self, accepted: &[(&'static str, T)]) -> Option<T> {
        let text = self.text()?;
        if let Some((_, meaning)) = accepted.iter().find(|(word, _)| *word == text) {
            return Some(*meaning);
        }
        let words: Vec<&str> = accepted.iter().map(|(word, _)| *word).collect();
        let help = near(text, words.iter().copied()).map(did_you_mean);
        self.refuse_with_help(format!("found {}; accepted {}", quote(text), are(&words)), help)
    }

    /// A name that the text gives or uses.
    pub(super) fn name<N>(&self, parse: impl Fn(&str) -> Result<N, NameError>) -> Option<N> {
        let text = self.text()?;
        match parse(text) {
            Ok(name) => Some(name),
            Err(_) => self
                .refuse_with_help(format!("{} is not a name; accepted is {NAME}", self.quote(text)), tidy(text, parse)),
        }
    }

    /// Reports that the key of this value is not accepted.
    pub(super) fn refuse_key<T>(
        &self,
        key: &Spanned<DeString<'i>>,
        message: String,
        help: Option<String>,
    ) -> Option<T> {
        self.report.refuse(Cause::Key, key.span(), &self.path, message, help);
        None
    }

    /// The key of this value as a name.
    pub(super) fn key_as_name<N>(
        &self,
        key: &Spanned<DeString<'i>>,
        parse: impl Fn(&str) -> Result<N, NameError>,
    ) -> Option<N> {
        let text = key.get_ref();
        match parse(text) {
            Ok(name) => Some(name),
            Err(_) => {
                let message = format!("{} is not a name; accepted is {NAME}", quote(text));
                self.refuse_key(key, message, tidy(text, parse))
            }
        }
    }

    /// A list of so many things, which may be the same.
    pub(super) fn sequence<T>(
        &self,
        accepted: RangeInclusive<usize>,
        parse: impl Fn(&Node<'a, 'i>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let array = self.array(accepted)?;
        // Each is looked at, for all errors at once.
        let parsed: Vec<Option<T>> = self.elements(array).map(|node| parse(&node)).collect();
        parsed.into_iter().collect()
    }

    fn array(&self, accepted: RangeInclusive<usize>) -> Option<&'a DeArray<'i>> {
        let DeValue::Array(array) = self.value.get_ref() else { return self.refuse_type("an array") };
        if !accepted.contains(&array.len()) {
            let (least, most) = (accepted.start(), accepted.end());
            return self.refuse(format!("the list has {} elements; accepted is {least} to {most}", array.len()));
        }
        Some(array)
    }

    /// A list of so many different things.
    pub(super) fn list<T: PartialEq>(
        &self,
        accepted: RangeInclusive<usize>,
        parse: impl Fn(&Node<'a, 'i>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let array = self.array(accepted)?;
        let mut all = Some(Vec::new());
        let mut seen: Vec<(usize, T)> = Vec::new();
        for node in self.elements(array) {
            self.report.note(&node.path, node.value.span());
            let line = node.line();
            match parse(&node) {
                Some(element) => match seen.iter().find(|(_, before)| *before == element) {
                    Some((before, _)) => all = node.refuse(format!("is in the list already, in line {before}")),
                    None => seen.push((line, element)),
                },
                None => all = None,
            }
        }
        all.map(|_: Vec<T>| seen.into_iter().map(|(_, element)| element).collect())
    }

    /// The elements of an array that this value is.
    pub(super) fn elements(&self, array: &'a DeArray<'i>) -> impl Iterator<Item = Node<'a, 'i>> {
        array
            .iter()
            .enumerate()
            .map(|(position, value)| Node::new(self.report, value, format!("{}[{position}]", self.path)))
    }

    /// A table with known keys.
    pub(super) fn table(&self) -> Option<Table<'a, 'i>> {
        Some(self.table_of(self.as_table()?))
    }

    /// A string, or a table with known keys that says more.
    pub(super) fn text_or_table(&self) -> Option<Result<&'a str, Table<'a, 'i>>> {
        match self.value.get_ref() {
            DeValue::String(text) => Some(Ok(text)),
            DeValue::Table(table) => Some(Err(self.table_of(table))),
            _ => self.refuse_type("a string or a table"),
        }
    }

    fn table_of(&self, entries: &'a DeTable<'i>) -> Table<'a, 'i> {
        Table::new(self.report, entries, self.value.span(), self.path.clone())
    }

    /// A table whose keys are free, in the order of the text.
    pub(super) fn entries(&self, most: usize) -> Option<Vec<(&'a Spanned<DeString<'i>>, Node<'a, 'i>)>> {
        let table = self.as_table()?;
        if table.len() > most {
            return self.refuse(format!("found {} keys; accepted is at most {most}", table.len()));
        }
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let node = |(key, value): (&'a Spanned<DeString<'i>>, &'a Spanned<DeValue<'i>>)| {
            let path = join(&self.path, key.get_ref());
            self.report.note(&path, value.span());
            (key, Node::new(self.report, value, path))
        };
        Some(entries.into_iter().map(node).collect())
    }

    fn as_table(&self) -> Option<&'a DeTable<'i>> {
        match self.value.get_ref() {
            DeValue::Table(table) => Some(table),
            _ => self.refuse_type("a table"),
        }
    }
}

/// The name that a text was probably meant to be.
fn tidy<N>(text: &str, parse: impl Fn(&str) -> Result<N, NameError>) -> Option<String> {
    let tidied = text.to_lowercase().replace(['_', ' ', '.'], "-");
    parse(&tidied).is_ok().then(|| did_you_mean(&tidied))
}

/// The path of a key in a table. A key that TOML would want in quotation marks gets them.
pub(super) fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let key = if bare { key.to_owned() } else { format!("{key:?}") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// A piece of the text as it can be put into a message: not too long, and nothing in it that a terminal would obey.
pub(super) fn quote(text: &str) -> String {
    const LONGEST: usize = 60;
    let escape = |character: char| {
        if steers(character) || is_hidden(character) {
            character.escape_default().collect()
        } else {
            String::from(character)
        }
    };
    let quoted: String = text.chars().take(LONGEST).map(escape).collect();
    let rest = if text.chars().nth(LONGEST).is_some() { "…" } else { "" };
    format!("`{quoted}{rest}`")
}

/// `a`, `b`, `c`
/// A span of so many seconds, in the largest unit that has it whole.
fn render_span(seconds: u64) -> String {
    match seconds {
        _ if seconds.is_multiple_of(3_600) => format!("{}h", seconds / 3_600),
        _ if seconds.is_multiple_of(60) => format!("{}min", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

pub(super) fn listed(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

/// What is accepted, after "accepted".
pub(super) fn are(words: &[&str]) -> String {
    format!("{} {}", if words.len() == 1 { "is" } else { "are" }, listed(words))
}
