//! Field masks: `sheets(properties,developerMetadata)`, `userEnteredFormat.numberFormat`, `files/id`, `*`.
//!
//! One form serves partial answers (the query parameter `fields`) and updates (a request's own `fields`). A mask is
//! checked against a message before it is used: a mask that names an unknown field is refused.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Document;

/// A set of fields, each with the fields below it; one without any below it stands for all of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Mask {
    fields: BTreeMap<String, Mask>,
}

/// Deeper masks are refused.
const DEEPEST: usize = 16;

impl Mask {
    /// Reads a mask; `None` if it is not one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut mask = Self::default();
        let rest = parse_list(text.trim(), &mut mask, 0)?;
        rest.is_empty().then_some(mask)
    }

    /// Whether the mask stands for everything below it.
    pub(crate) fn is_all(&self) -> bool {
        self.fields.is_empty() || self.fields.contains_key("*")
    }

    /// What the mask says about one field; `None` if it leaves it out.
    pub(crate) fn field(&self, name: &str) -> Option<&Self> {
        if self.is_all() {
            const ALL: &Mask = &Mask { fields: BTreeMap::new() };
            return Some(self.fields.get("*").unwrap_or(ALL));
        }
        self.fields.get(name)
    }

    /// The path of the first field that `message` does not have.
    pub(crate) fn unknown_field(&self, document: &Document, message: &str) -> Option<String> {
        self.fields.iter().filter(|(name, _)| *name != "*").find_map(|(name, below)| {
            let field = document.schemas.get(message).and_then(|message| message.properties.get(name));
            let Some(field) = field else { return Some(name.clone()) };
            let inside = match field.message() {
                Some(message) => below.unknown_field(document, message),
                // Keys of a map are free; a scalar has nothing inside.
                None if field.additional_properties.is_some() => None,
                None => below.fields.keys().next().cloned(),
            };
            inside.map(|inside| format!("{name}.{inside}"))
        })
    }

    /// The part of `value` that the mask names. Lists are transparent.
    pub(crate) fn apply(&self, value: Value) -> Value {
        if self.fields.is_empty() {
            return value;
        }
        match value {
            Value::Array(items) => Value::Array(items.into_iter().map(|item| self.apply(item)).collect()),
            Value::Object(entries) => Value::Object(
                entries
                    .into_iter()
                    .filter_map(|(name, value)| {
                        let below = self.field(&name)?;
                        Some((name, below.apply(value)))
                    })
                    .collect(),
            ),
            scalar => scalar,
        }
    }

    /// `old` with the masked part replaced by that of `new`: a masked field that `new` lacks is removed.
    pub(crate) fn merge(&self, old: &Value, new: &Value) -> Value {
        if self.is_all() {
            return new.clone();
        }
        let mut merged = old.as_object().cloned().unwrap_or_else(Map::new);
        for (name, below) in &self.fields {
            let none = Value::Null;
            let value = below.merge(merged.get(name).unwrap_or(&none), new.get(name).unwrap_or(&none));
            match value {
                Value::Null => merged.remove(name),
                value => merged.insert(name.clone(), value),
            };
        }
        if merged.is_empty() { Value::Null } else { Value::Object(merged) }
    }
}

/// Reads `a,b.c(d)` up to the closing parenthesis or the end; returns what is left.
fn parse_list<'t>(mut text: &'t str, mask: &mut Mask, depth: usize) -> Option<&'t str> {
    loop {
        text = parse_path(text, mask, depth)?;
        match text.strip_prefix(',') {
            Some(rest) => text = rest,
            None => return Some(text),
        }
    }
}

fn parse_path<'t>(text: &'t str, mask: &mut Mask, depth: usize) -> Option<&'t str> {
    if depth > DEEPEST {
        return None;
    }
    let text = text.trim_start();
    let end = text.find(|letter: char| !(letter.is_ascii_alphanumeric() || "_*-".contains(letter)));
    let (name, rest) = text.split_at(end.unwrap_or(text.len()));
    if name.is_empty() || (name.contains('*') && name != "*") {
        return None;
    }
    // A field that is already there as a whole stays whole.
    let was_whole = mask.fields.get(name).is_some_and(|below| below.fields.is_empty());
    let below = mask.fields.entry(name.to_owned()).or_default();
    let rest = rest.trim_start();
    let rest = if let Some(inner) = rest.strip_prefix('(') {
        parse_list(inner, below, depth + 1)?.trim_start().strip_prefix(')')?
    } else if let Some(inner) = rest.strip_prefix(['.', '/']) {
        parse_path(inner, below, depth + 1)?
    } else {
        below.fields.clear();
        rest
    };
    if was_whole {
        below.fields.clear();
    }
    Some(rest.trim_start())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::DISCOVERY;

    #[test]
    fn a_mask_picks_its_part() {
        let value = json!({
            "id": 1, "sheets": [{ "properties": { "title": "a", "index": 0 }, "data": [1] }], "metadata": [{ "a": 1 }],
        });
        let table = [
            ("*", value.clone()),
            ("id", json!({ "id": 1 })),
            ("id, metadata", json!({ "id": 1, "metadata": [{ "a": 1 }] })),
            ("sheets.properties.title", json!({ "sheets": [{ "properties": { "title": "a" } }] })),
            ("sheets/properties/title", json!({ "sheets": [{ "properties": { "title": "a" } }] })),
            (
                "sheets(properties(title),data),id",
                json!({ "id": 1, "sheets": [{ "properties": { "title": "a" }, "data": [1] }] }),
            ),
            ("sheets,sheets.data", json!({ "sheets": value["sheets"] })),
            ("sheets.data,sheets", json!({ "sheets": value["sheets"] })),
            ("sheets.*.title", json!({ "sheets": [{ "properties": { "title": "a" }, "data": [1] }] })),
        ];
        for (text, expected) in table {
            assert_eq!(Mask::parse(text).unwrap().apply(value.clone()), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_mask_is_refused() {
        for text in ["", ",", "a,", "a(", "a(b", "a)", "a()", "a..b", "a.", "a b", "a*", &"a.".repeat(40)] {
            assert_eq!(Mask::parse(text), None, "{text}");
        }
    }

    #[test]
    fn unknown_fields_are_found() {
        let unknown = |text: &str| Mask::parse(text).unwrap().unknown_field(&DISCOVERY.sheets, "Spreadsheet");
        assert_eq!(unknown("sheets(properties,developerMetadata),spreadsheetId"), None);
        assert_eq!(unknown("*"), None);
        assert_eq!(unknown("sheets.charts"), Some("sheets.charts".into()));
        assert_eq!(unknown("spreadsheetId.x"), Some("spreadsheetId.x".into()));
        let drive = |text: &str| Mask::parse(text).unwrap().unknown_field(&DISCOVERY.drive, "File");
        assert_eq!(drive("id,appProperties/any"), None);
    }

    #[test]
    fn a_merge_replaces_the_masked_part_only() {
        let old = json!({ "a": 1, "b": { "c": 2, "d": 3 } });
        let merge = |text: &str, new: Value| Mask::parse(text).unwrap().merge(&old, &new);
        assert_eq!(merge("*", json!({ "e": 1 })), json!({ "e": 1 }));
        assert_eq!(merge("b.c", json!({ "b": { "c": 9, "d": 9 } })), json!({ "a": 1, "b": { "c": 9, "d": 3 } }));
        assert_eq!(merge("b", json!({ "a": 7 })), json!({ "a": 1 }));
        assert_eq!(merge("a,b.c,b.d", Value::Null), Value::Null);
    }
}
