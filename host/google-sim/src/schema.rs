//! Google's discovery documents: which methods there are, what they take, and what their messages hold.
//!
//! The documents are data beside the source (`discovery/`), cut to the parts in use. Nothing here knows what a method
//! does; [`check`] compares a body with its message, [`Document::find`] a path with the methods.

mod check;
mod mask;

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use percent_encoding::percent_decode_str;
use serde::Deserialize;

pub(crate) use self::check::Mismatch;
pub(crate) use self::mask::Mask;
use crate::refusal::Api;

/// The documents.
pub(crate) struct Discovery {
    pub(crate) sheets: Document,
    pub(crate) drive: Document,
    pub(crate) tasks: Document,
}

impl Discovery {
    pub(crate) fn of(&self, api: Api) -> &Document {
        match api {
            Api::Sheets => &self.sheets,
            Api::Drive => &self.drive,
            Api::Tasks => &self.tasks,
        }
    }
}

/// The documents that this crate was built with.
#[expect(clippy::expect_used, reason = "the text is part of the program; a test reads it")]
pub(crate) static DISCOVERY: LazyLock<Discovery> = LazyLock::new(|| Discovery {
    sheets: serde_json::from_str(include_str!("../discovery/sheets.v4.json")).expect("sheets.v4.json"),
    drive: serde_json::from_str(include_str!("../discovery/drive.v3.json")).expect("drive.v3.json"),
    tasks: serde_json::from_str(include_str!("../discovery/tasks.v1.json")).expect("tasks.v1.json"),
});

/// One API's discovery document.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document {
    service_path: String,
    /// Parameters that every method takes.
    parameters: BTreeMap<String, Field>,
    pub(crate) methods: Vec<Method>,
    pub(crate) schemas: HashMap<String, Message>,
}

/// One method.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Method {
    /// As in `sheets.spreadsheets.batchUpdate`.
    pub(crate) id: String,
    http_method: String,
    /// A template: `{name}` stands for one segment, without its verb after a colon.
    path: String,
    parameters: BTreeMap<String, Field>,
    pub(crate) request: Option<Reference>,
    pub(crate) response: Option<Reference>,
    /// Any one of them suffices.
    pub(crate) scopes: Vec<String>,
}

/// The name of a message.
#[derive(Debug, Deserialize)]
pub(crate) struct Reference {
    #[serde(rename = "$ref")]
    pub(crate) name: String,
}

/// A message's fields.
#[derive(Debug, Deserialize)]
pub(crate) struct Message {
    pub(crate) properties: BTreeMap<String, Field>,
}

/// The type of a field or parameter.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Field {
    #[serde(rename = "$ref")]
    reference: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    format: Option<String>,
    #[serde(rename = "enum")]
    variants: Option<Vec<String>>,
    items: Option<Box<Field>>,
    additional_properties: Option<Box<Field>>,
    #[serde(default)]
    repeated: bool,
    location: Option<String>,
    minimum: Option<String>,
    maximum: Option<String>,
}

/// A method with what its path holds.
pub(crate) struct Found<'d> {
    pub(crate) method: &'d Method,
    /// Decoded.
    pub(crate) path_values: Vec<(&'d str, String)>,
}

impl Found<'_> {
    /// The value of `{name}` in the path.
    pub(crate) fn path_value(&self, name: &str) -> &str {
        self.path_values.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    }
}

impl Document {
    /// The method that answers `http_method` on `path`.
    pub(crate) fn find(&self, http_method: &str, path: &str) -> Option<Found<'_>> {
        let path = path.strip_prefix('/')?;
        self.methods.iter().filter(|method| method.http_method == http_method).find_map(|method| {
            let path_values = match_path(&self.service_path, &method.path, path)?;
            Some(Found { method, path_values })
        })
    }

    /// What is wrong with a query: pairs of a parameter and a description. `is_strict` refuses unknown names.
    pub(crate) fn check_query(
        &self,
        method: &Method,
        query: &[(String, String)],
        is_strict: bool,
    ) -> Vec<(String, String)> {
        let mut violations = Vec::new();
        for (name, value) in query {
            let field = method.parameters.get(name).filter(|field| field.location.as_deref() == Some("query"));
            match field.or_else(|| self.parameters.get(name)) {
                Some(field) => violations.extend(field.check_text(name, value).map(|text| (snake(name), text))),
                None if is_strict => violations.push((
                    String::new(),
                    format!(
                        "Invalid JSON payload received. Unknown name \"{name}\": Cannot bind query parameter. Field \
                         '{name}' could not be found in request message."
                    ),
                )),
                None => {}
            }
        }
        let once = |name: &str| method.parameters.get(name).is_none_or(|field| !field.repeated);
        for (index, (name, _)) in query.iter().enumerate() {
            if once(name) && query.iter().take(index).any(|(earlier, _)| earlier == name) {
                violations.push((snake(name), format!("Invalid value at '{}', it is given twice", snake(name))));
            }
        }
        violations
    }

    /// What is wrong with the values in the path.
    pub(crate) fn check_path(&self, found: &Found<'_>) -> Vec<(String, String)> {
        found
            .path_values
            .iter()
            .filter_map(|(name, value)| {
                let text = found.method.parameters.get(*name)?.check_text(name, value)?;
                Some((snake(name), text))
            })
            .collect()
    }
}

impl Field {
    /// What is wrong with a value that came as text, in a path or a query.
    fn check_text(&self, name: &str, value: &str) -> Option<String> {
        let wrong = |kind: &str| Some(format!("Invalid value at '{}' ({kind}), \"{value}\"", snake(name)));
        if let Some(variants) = &self.variants {
            let kind = format!("type.googleapis.com/{name}");
            return if variants.iter().any(|variant| variant == value) { None } else { wrong(&kind) };
        }
        match (self.kind.as_deref(), self.format.as_deref()) {
            (Some("boolean"), _) => {
                let is_boolean = ["true", "false", "1", "0"].iter().any(|word| value.eq_ignore_ascii_case(word));
                if is_boolean { None } else { wrong("TYPE_BOOL") }
            }
            (Some("integer"), _) => match value.parse::<i32>() {
                Ok(number) if self.is_within(number) => None,
                Ok(_) => Some(format!("Invalid value '{value}'. Values must be within the range of '{name}'")),
                Err(_) => wrong("TYPE_INT32"),
            },
            _ => None,
        }
    }

    fn is_within(&self, number: i32) -> bool {
        let bound = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<i32>().ok());
        bound(&self.minimum).is_none_or(|minimum| number >= minimum)
            && bound(&self.maximum).is_none_or(|maximum| number <= maximum)
    }

    /// The message that this field, or each of its items, holds.
    fn message(&self) -> Option<&str> {
        match &self.items {
            Some(items) => items.message(),
            None => self.reference.as_deref(),
        }
    }
}

/// The values of the template's `{names}`, if `path` is of its form.
fn match_path<'d>(service_path: &str, template: &'d str, path: &str) -> Option<Vec<(&'d str, String)>> {
    let path = path.strip_prefix(service_path)?;
    let mut values = Vec::new();
    let mut segments = path.split('/');
    for expected in template.split('/') {
        let segment = segments.next()?;
        let (expected, expected_verb) = split_verb(expected);
        let (value, verb) = split_verb(segment);
        // A colon in a value is a verb only where the template has one: the range `Sheet1!A1:B2` has none.
        let value = match expected_verb {
            Some(_) if verb == expected_verb => value,
            Some(_) => return None,
            None => segment,
        };
        match expected.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(_) if value.is_empty() || (expected_verb.is_none() && is_verb(verb)) => return None,
            Some(name) => values.push((name, percent_decode_str(value).decode_utf8().ok()?.into_owned())),
            None if value == expected => {}
            None => return None,
        }
    }
    segments.next().is_none().then_some(values)
}

fn split_verb(segment: &str) -> (&str, Option<&str>) {
    match segment.rsplit_once(':') {
        Some((value, verb)) => (value, Some(verb)),
        None => (segment, None),
    }
}

/// Verbs of methods that exist at Google begin with a small letter; what follows the colon of a range does not.
fn is_verb(text: Option<&str>) -> bool {
    text.is_some_and(|verb| verb.len() > 3 && verb.starts_with(|first: char| first.is_ascii_lowercase()))
}

/// A name as protocol buffers write it: Google's messages quote paths like that.
pub(crate) fn snake(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(api: Api, method: &str, path: &str) -> Option<(String, Vec<String>)> {
        let found = DISCOVERY.of(api).find(method, path)?;
        Some((found.method.id.clone(), found.path_values.into_iter().map(|(_, value)| value).collect()))
    }

    #[test]
    fn every_message_that_a_document_names_is_there() {
        fn references(field: &Field) -> Vec<&str> {
            let nested = field.items.iter().chain(&field.additional_properties);
            field.reference.as_deref().into_iter().chain(nested.flat_map(|field| references(field))).collect()
        }
        for document in [&DISCOVERY.sheets, &DISCOVERY.drive, &DISCOVERY.tasks] {
            for field in document.schemas.values().flat_map(|message| message.properties.values()) {
                for name in references(field) {
                    assert!(document.schemas.contains_key(name), "{name}");
                }
            }
            for method in &document.methods {
                for reference in method.request.iter().chain(&method.response) {
                    assert!(document.schemas.contains_key(&reference.name), "{}", reference.name);
                }
            }
        }
    }

    #[test]
    fn paths_lead_to_methods() {
        let table = [
            (Api::Sheets, "POST", "/v4/spreadsheets/abc:batchUpdate", "sheets.spreadsheets.batchUpdate", "abc"),
            (Api::Sheets, "GET", "/v4/spreadsheets/abc", "sheets.spreadsheets.get", "abc"),
            (
                Api::Sheets,
                "GET",
                "/v4/spreadsheets/abc/developerMetadata/7",
                "sheets.spreadsheets.developerMetadata.get",
                "abc 7",
            ),
            (
                Api::Sheets,
                "POST",
                "/v4/spreadsheets/abc/developerMetadata:search",
                "sheets.spreadsheets.developerMetadata.search",
                "abc",
            ),
            (
                Api::Sheets,
                "GET",
                "/v4/spreadsheets/abc/values/%27Sheet1%27%21A1:B2",
                "sheets.spreadsheets.values.get",
                "abc 'Sheet1'!A1:B2",
            ),
            (Api::Sheets, "GET", "/v4/spreadsheets/abc/values:batchGet", "sheets.spreadsheets.values.batchGet", "abc"),
            (Api::Drive, "POST", "/drive/v3/files", "drive.files.create", ""),
            (Api::Drive, "GET", "/drive/v3/files", "drive.files.list", ""),
            (Api::Tasks, "GET", "/tasks/v1/lists/%40default/tasks", "tasks.tasks.list", "@default"),
            (Api::Drive, "DELETE", "/drive/v3/files/abc", "drive.files.delete", "abc"),
        ];
        for (api, method, path, id, values) in table {
            let (found, path_values) = find(api, method, path).unwrap_or_else(|| panic!("{method} {path}"));
            assert_eq!((found.as_str(), path_values.join(" ").as_str()), (id, values), "{method} {path}");
        }
    }

    #[test]
    fn paths_of_no_method_in_use_lead_nowhere() {
        for (api, method, path) in [
            (Api::Sheets, "POST", "/v4/spreadsheets/abc/values/A1:append"),
            (Api::Sheets, "PUT", "/v4/spreadsheets/abc/values/A1"),
            (Api::Sheets, "GET", "/v4/spreadsheets/abc:batchUpdate"),
            (Api::Sheets, "POST", "/v4/spreadsheets/abc:batchUpdated"),
            (Api::Sheets, "GET", "/v4/spreadsheets/"),
            (Api::Sheets, "GET", "/v4/spreadsheets/abc/more"),
            (Api::Drive, "GET", "/drive/v3/about"),
            (Api::Drive, "GET", "/drive/v2/files"),
        ] {
            assert_eq!(find(api, method, path), None, "{method} {path}");
        }
    }

    #[test]
    fn queries_are_checked() {
        let document = &DISCOVERY.drive;
        let method = &document.find("GET", "/drive/v3/files").unwrap().method;
        let check = |name: &str, value: &str| document.check_query(method, &[(name.into(), value.into())], true);
        assert_eq!(check("pageSize", "10"), []);
        assert_eq!(check("supportsAllDrives", "True"), []);
        assert_eq!(check("pageSize", "ten").len(), 1);
        assert_eq!(check("pageSize", "0").len(), 1);
        assert_eq!(check("pageSize", "1001").len(), 1);
        assert_eq!(check("supportsAllDrives", "yes").len(), 1);
        assert_eq!(check("alt", "xml").len(), 1);
        assert_eq!(check("access_token", "ya29").len(), 1);
        assert_eq!(document.check_query(method, &[("other".into(), "1".into())], false), []);
        let twice = [("q".to_owned(), "a".to_owned()), ("q".to_owned(), "b".to_owned())];
        assert_eq!(document.check_query(method, &twice, true).len(), 1);
    }
}
