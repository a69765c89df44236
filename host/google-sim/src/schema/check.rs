//! Compares a JSON body with the message that it should be.
//!
//! The body is walked once, as it is parsed, and nothing is built of it: megabytes of rows cost little more than
//! reading them. What is wrong is told in Google's words. In two points the check is stricter than Google, so that a
//! client cannot come to depend on leniency: names are accepted in camel case only, and 32-bit integers only as numbers.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Document, Field, snake};

/// Messages of which at most one field may be set: the message, the name of the choice, and its fields.
const CHOICES: &[(&str, &str, &[&str])] = &[
    ("ExtendedValue", "value", &["numberValue", "stringValue", "boolValue"]),
    ("DeveloperMetadataLocation", "location", &["spreadsheet", "sheetId", "dimensionRange"]),
    ("UpdateCellsRequest", "area", &["start", "range"]),
];

/// Violations beyond this number are not listed.
const MOST_VIOLATIONS: usize = 50;

/// What keeps a body from being a message.
#[derive(Debug, PartialEq)]
pub(crate) enum Mismatch {
    /// It is not JSON.
    Syntax(String),
    /// Pairs of a field's path and a description.
    Violations(Vec<(String, String)>),
    /// A single complaint that Google words without a violation.
    Message(String),
}

impl Document {
    /// Compares `body` with `message`.
    pub(crate) fn check(&self, message: &str, body: &[u8]) -> Result<(), Mismatch> {
        let mut checker = Checker { document: self, path: Vec::new(), violations: Vec::new(), complaint: None };
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        let root = Place { checker: &mut checker, expected: Expected::Message(message) };
        root.deserialize(&mut deserializer)
            .and_then(|()| deserializer.end())
            .map_err(|error| Mismatch::Syntax(format!("Invalid JSON payload received. {error}")))?;
        match (checker.violations.is_empty(), checker.complaint) {
            (false, _) => Err(Mismatch::Violations(checker.violations)),
            (true, Some(complaint)) => Err(Mismatch::Message(complaint)),
            (true, None) => Ok(()),
        }
    }
}

struct Checker<'d> {
    document: &'d Document,
    path: Vec<Step<'d>>,
    violations: Vec<(String, String)>,
    complaint: Option<String>,
}

#[derive(Clone, Copy)]
enum Step<'d> {
    Field(&'d str),
    Item(usize),
}

impl Checker<'_> {
    fn path(&self) -> String {
        let mut text = String::new();
        for step in &self.path {
            match step {
                Step::Field(name) if text.is_empty() => text.push_str(&snake(name)),
                Step::Field(name) => {
                    text.push('.');
                    text.push_str(&snake(name));
                }
                Step::Item(index) => text.push_str(&format!("[{index}]")),
            }
        }
        text
    }

    fn violate(&mut self, path: String, description: String) {
        if self.violations.len() < MOST_VIOLATIONS {
            self.violations.push((path, description));
        }
    }

    fn unknown(&mut self, name: &str, why: &str) {
        let path = self.path();
        let at = if path.is_empty() { String::new() } else { format!(" at '{path}'") };
        self.violate(path, format!("Invalid JSON payload received. Unknown name \"{name}\"{at}: {why}"));
    }

    fn wrong(&mut self, expected: Expected<'_>, found: &str) {
        let path = self.path();
        let kind = expected.name();
        let description = format!("Invalid value at '{path}' ({kind}), {found}");
        self.violate(path, description);
    }

    /// The same as [`Checker::unknown`], for the field that is being read.
    fn misplaced(&mut self, why: &str) {
        let Some(Step::Field(name)) = self.path.last().copied() else {
            return self.wrong(Expected::Any, why);
        };
        self.path.pop();
        self.unknown(name, why);
        self.path.push(Step::Field(name));
    }
}

#[derive(Clone, Copy)]
enum Expected<'d> {
    Message(&'d str),
    Field(&'d Field),
    Any,
}

impl Expected<'_> {
    fn name(self) -> Cow<'static, str> {
        match self {
            Self::Message(name) => Cow::Owned(format!("type.googleapis.com/{name}")),
            Self::Any => Cow::Borrowed("type.googleapis.com/google.protobuf.Value"),
            Self::Field(field) => match (field.kind.as_deref(), field.format.as_deref()) {
                (Some("string"), Some("google-fieldmask")) => "type.googleapis.com/google.protobuf.FieldMask".into(),
                (Some("string"), _) if field.variants.is_some() => "type.googleapis.com/enum".into(),
                (Some("string"), _) => "TYPE_STRING".into(),
                (Some("integer"), _) => "TYPE_INT32".into(),
                (Some("number"), Some("float")) => "TYPE_FLOAT".into(),
                (Some("number"), _) => "TYPE_DOUBLE".into(),
                (Some("boolean"), _) => "TYPE_BOOL".into(),
                _ => "type.googleapis.com/google.protobuf.ListValue".into(),
            },
        }
    }
}

/// One place of the body: what should stand there.
struct Place<'c, 'd> {
    checker: &'c mut Checker<'d>,
    expected: Expected<'d>,
}

impl<'d> Place<'_, 'd> {
    fn field(&self) -> Option<&'d Field> {
        match self.expected {
            Expected::Field(field) => Some(field),
            Expected::Message(_) | Expected::Any => None,
        }
    }

    fn is_any(&self) -> bool {
        matches!(self.expected, Expected::Any) || self.field().is_some_and(|field| field.kind.as_deref() == Some("any"))
    }

    fn scalar(self, fits: bool, found: impl fmt::Display) {
        if !fits && !self.is_any() {
            self.checker.wrong(self.expected, &found.to_string());
        }
    }

    fn is_kind(&self, kind: &str) -> bool {
        self.field().is_some_and(|field| field.kind.as_deref() == Some(kind) && field.reference.is_none())
    }
}

impl<'de> DeserializeSeed<'de> for Place<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(mut self, deserializer: D) -> Result<(), D::Error> {
        if let Expected::Field(Field { reference: Some(name), .. }) = self.expected {
            self.expected = Expected::Message(name);
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    /// An absent field. Items of a list cannot be absent.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        if matches!(self.checker.path.last(), Some(Step::Item(_))) && !self.is_any() {
            self.checker.wrong(self.expected, "null");
        }
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        let fits = self.is_kind("boolean");
        self.scalar(fits, value);
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        let fits = self.is_kind("number") || self.is_kind("integer") && i32::try_from(value).is_ok();
        self.scalar(fits, value);
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        let fits = self.is_kind("number") || self.is_kind("integer") && i32::try_from(value).is_ok();
        self.scalar(fits, value);
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        let fits = self.is_kind("number");
        self.scalar(fits, value);
        Ok(())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        let fits = self.is_kind("string")
            && self
                .field()
                .and_then(|field| field.variants.as_ref())
                .is_none_or(|names| names.iter().any(|name| name == value));
        self.scalar(fits, format_args!("\"{value}\""));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let expected = match self.field().map(|field| (field.kind.as_deref(), &field.items)) {
            Some((Some("array"), Some(item))) => Expected::Field(item),
            _ if self.is_any() => Expected::Any,
            _ => {
                self.checker.misplaced("Proto field is not repeating, cannot start list.");
                while items.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(());
            }
        };
        for index in 0.. {
            self.checker.path.push(Step::Item(index));
            let item = items.next_element_seed(Place { checker: &mut *self.checker, expected })?;
            self.checker.path.pop();
            if item.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        match self.expected {
            Expected::Message(name) => visit_message(self.checker, name, entries),
            Expected::Field(Field { additional_properties: Some(value), .. }) => {
                while entries.next_key::<Cow<'_, str>>()?.is_some() {
                    entries.next_value_seed(Place { checker: &mut *self.checker, expected: Expected::Field(value) })?;
                }
                Ok(())
            }
            expected => {
                if !self.is_any() {
                    let why = match expected {
                        Expected::Field(Field { kind: Some(kind), .. }) if kind != "array" => {
                            "Starting an object on a scalar field"
                        }
                        _ => "Starting an object where a list is expected",
                    };
                    self.checker.wrong(expected, why);
                }
                while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(())
            }
        }
    }
}

fn visit_message<'de, A: MapAccess<'de>>(
    checker: &mut Checker<'_>,
    name: &str,
    mut entries: A,
) -> Result<(), A::Error> {
    let document = checker.document;
    let Some(message) = document.schemas.get(name) else {
        return Err(A::Error::custom(format_args!("the discovery document lacks {name}")));
    };
    let choice = CHOICES.iter().find(|(of, ..)| *of == name);
    let is_request = name == "Request";
    let mut chosen: Option<&str> = None;
    while let Some(key) = entries.next_key::<Cow<'_, str>>()? {
        let Some((key, field)) = message.properties.get_key_value(key.as_ref()) else {
            checker.unknown(&key, "Cannot find field.");
            entries.next_value::<IgnoredAny>()?;
            continue;
        };
        let is_chosen = is_request || choice.is_some_and(|(_, _, fields)| fields.contains(&key.as_str()));
        if is_chosen && chosen.is_some() {
            let of = choice.map_or("kind", |(_, of, _)| of);
            let path = checker.path();
            let description =
                format!("Invalid value at '{path}' (oneof), oneof field '{of}' is already set. Cannot set '{key}'");
            checker.violate(path, description);
        }
        if is_chosen {
            chosen = Some(key);
        }
        checker.path.push(Step::Field(key));
        entries.next_value_seed(Place { checker: &mut *checker, expected: Expected::Field(field) })?;
        checker.path.pop();
    }
    if is_request && chosen.is_none() && checker.complaint.is_none() {
        checker.complaint = Some(format!("Invalid {}: No request set.", checker.path()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::DISCOVERY;

    fn check(body: &str) -> Result<(), Mismatch> {
        DISCOVERY.sheets.check("BatchUpdateSpreadsheetRequest", body.as_bytes())
    }

    fn complaint(body: &str) -> String {
        match check(body) {
            Ok(()) => "fits".into(),
            Err(Mismatch::Syntax(text) | Mismatch::Message(text)) => text,
            Err(Mismatch::Violations(all)) => all.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("\n"),
        }
    }

    #[test]
    fn what_is_wrong_is_told_in_googles_words() {
        let table = [
            (r#"{"requests":[{"appendCells":{"sheetId":0,"rows":[{"values":[{"note":null}]}]}}]}"#, "fits"),
            (r#"{"requests":[{"repeatCell":{"cell":{"userEnteredFormat":{"padding":{"top":1}}}}}]}"#, "fits"),
            (
                r#"{"requests":[{"appendCells":{"x":1}}]}"#,
                "Invalid JSON payload received. Unknown name \"x\" at 'requests[0].append_cells': Cannot find field.",
            ),
            (r#"{"x":[]}"#, "Invalid JSON payload received. Unknown name \"x\": Cannot find field."),
            (
                r#"{"requests":[{"addProtectedRange":{}}]}"#,
                "Invalid JSON payload received. Unknown name \"addProtectedRange\" at 'requests[0]': Cannot find field.",
            ),
            (
                r#"{"requests":[{"appendCells":{"sheetId":"a"}}]}"#,
                "Invalid value at 'requests[0].append_cells.sheet_id' (TYPE_INT32), \"a\"",
            ),
            (
                r#"{"requests":[{"appendCells":{"sheetId":2147483648}}]}"#,
                "Invalid value at 'requests[0].append_cells.sheet_id' (TYPE_INT32), 2147483648",
            ),
            (
                r#"{"requests":[{"appendCells":{"fields":true}}]}"#,
                "Invalid value at 'requests[0].append_cells.fields' (type.googleapis.com/google.protobuf.FieldMask), true",
            ),
            (
                r#"{"requests":[{"appendCells":{"rows":"X"}}]}"#,
                "Invalid value at 'requests[0].append_cells.rows' (type.googleapis.com/google.protobuf.ListValue), \"X\"",
            ),
            (
                r#"{"requests":[{"appendCells":{"rows":[{"values":[{"userEnteredValue":{"numberValue":"1"}}]}]}}]}"#,
                "Invalid value at 'requests[0].append_cells.rows[0].values[0].user_entered_value.number_value' \
                 (TYPE_DOUBLE), \"1\"",
            ),
            (
                r#"{"requests":[{"appendCells":{"sheetId":[1]}}]}"#,
                "Invalid JSON payload received. Unknown name \"sheetId\" at 'requests[0].append_cells': Proto field is \
                 not repeating, cannot start list.",
            ),
            (
                r#"{"requests":[{"appendDimension":{"dimension":"DIAGONALS"}}]}"#,
                "Invalid value at 'requests[0].append_dimension.dimension' (type.googleapis.com/enum), \"DIAGONALS\"",
            ),
            (
                r#"{"requests":[{"appendCells":{"sheetId":{"a":1}}}]}"#,
                "Invalid value at 'requests[0].append_cells.sheet_id' (TYPE_INT32), Starting an object on a scalar field",
            ),
            (r#"{"requests":[{}]}"#, "Invalid requests[0]: No request set."),
            (
                r#"{"requests":[{"deleteSheet":{"sheetId":1},"addSheet":{}}]}"#,
                "Invalid value at 'requests[0]' (oneof), oneof field 'kind' is already set. Cannot set 'addSheet'",
            ),
            (
                r#"{"requests":[{"appendCells":{"rows":[{"values":[{"userEnteredValue":{"numberValue":1,"boolValue":true}}]}]}}]}"#,
                "Invalid value at 'requests[0].append_cells.rows[0].values[0].user_entered_value' (oneof), oneof field \
                 'value' is already set. Cannot set 'boolValue'",
            ),
            (r#"{"requests":[null]}"#, "Invalid value at 'requests[0]' (type.googleapis.com/Request), null"),
        ];
        for (body, expected) in table {
            assert_eq!(complaint(body), expected, "{body}");
        }
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for body in ["", "{", "{} {}", "[1", r#"{"requests":[{"appendCells":{"sheetId":1e999}}]}"#] {
            assert!(matches!(check(body), Err(Mismatch::Syntax(_))), "{body}");
        }
        let deep = "[".repeat(100_000);
        assert!(matches!(check(&deep), Err(Mismatch::Syntax(_))));
    }

    #[test]
    fn the_list_of_violations_is_bounded() {
        let many = (0..1000).map(|index| format!("\"x{index}\":1")).collect::<Vec<_>>().join(",");
        let Err(Mismatch::Violations(violations)) = check(&format!("{{{many}}}")) else { panic!("it fits") };
        assert_eq!(violations.len(), MOST_VIOLATIONS);
    }

    #[test]
    fn maps_hold_values_of_their_type() {
        let check = |body: &str| DISCOVERY.drive.check("File", body.as_bytes());
        assert_eq!(check(r#"{"appProperties":{"a":"b","c":null}}"#), Ok(()));
        assert!(matches!(check(r#"{"appProperties":{"a":1}}"#), Err(Mismatch::Violations(_))));
    }
}
