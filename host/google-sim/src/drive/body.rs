//! What a body of `files.create` and `files.update` changes in a file.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::File;
use crate::refusal::Refusal;

/// Key and value of a property, in bytes of UTF-8.
const MOST_PROPERTY_BYTES: usize = 124;
/// Properties of one app on one file.
const MOST_PROPERTIES: usize = 30;

/// What a client may write. Everything else is the server's.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    name: Option<String>,
    mime_type: Option<String>,
    /// A null removes.
    app_properties: Option<BTreeMap<String, Option<String>>>,
    parents: Option<Vec<String>>,
    trashed: Option<bool>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

pub(super) fn perform_create(file: &mut File, text: &[u8]) -> Result<(), Refusal> {
    let body = parse(text)?;
    if body.trashed.is_some() {
        return Err(Refusal::not_writable());
    }
    file.mime_type = body.mime_type.clone().unwrap_or(std::mem::take(&mut file.mime_type));
    file.parents = body.parents.clone().unwrap_or(std::mem::take(&mut file.parents));
    apply(file, body)
}

pub(super) fn perform_update(file: &mut File, text: &[u8], now: Timestamp) -> Result<(), Refusal> {
    let body = parse(text)?;
    // A spreadsheet stays one, and moving it is done with parameters.
    if body.parents.is_some() || body.mime_type.as_ref().is_some_and(|kind| *kind != file.mime_type) {
        return Err(Refusal::not_writable());
    }
    let trashed = body.trashed;
    apply(file, body)?;
    match trashed {
        Some(true) => file.trashed_at = file.trashed_at.or(Some(now)),
        Some(false) => file.trashed_at = None,
        None => {}
    }
    file.touch(now);
    Ok(())
}

fn parse(text: &[u8]) -> Result<Body, Refusal> {
    let text = if text.is_empty() { b"{}" } else { text };
    let body: Body = serde_json::from_slice(text).map_err(|error| Refusal::invalid(error.to_string()))?;
    if body.others.values().any(|value| !value.is_null()) {
        return Err(Refusal::not_writable());
    }
    Ok(body)
}

fn apply(file: &mut File, body: Body) -> Result<(), Refusal> {
    let mut properties = file.app_properties.clone();
    for (key, value) in body.app_properties.unwrap_or_default() {
        match value {
            Some(value) if key.len() + value.len() > MOST_PROPERTY_BYTES => {
                let message =
                    format!("The key and value of an app property are limited to {MOST_PROPERTY_BYTES} bytes");
                return Err(Refusal::invalid(message));
            }
            Some(value) => properties.insert(key, value),
            None => properties.remove(&key),
        };
    }
    if properties.len() > MOST_PROPERTIES {
        return Err(Refusal::invalid(format!("A file has at most {MOST_PROPERTIES} properties of an app")));
    }
    file.app_properties = properties;
    if let Some(name) = body.name {
        file.name = name;
    }
    Ok(())
}
