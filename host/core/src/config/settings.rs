//! A plugin's own settings: a free table, which it gets as a JSON object. Only the plugin knows what it accepts.

use serde_json::{Map, Number, Value};
use toml::de::DeValue;

use super::node::Node;

/// The deepest nesting of tables and lists.
const DEEPEST: usize = 16;
const MOST_ELEMENTS: usize = 10_000;

/// A table of settings. It is an object in JSON too; equal tables give equal texts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings(Map<String, Value>);

impl Settings {
    /// The JSON text that the contract's calls take.
    #[must_use]
    pub fn to_json(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }

    /// The text of this key, if it has one. What it means only the plugin knows; it may be shown to a person.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.as_str()
    }

    /// The texts of this key, if it has a list of them. The same holds of them.
    #[must_use]
    pub fn texts(&self, key: &str) -> Option<Vec<&str>> {
        self.0.get(key)?.as_array()?.iter().map(Value::as_str).collect()
    }
}

pub(super) fn parse_settings(node: &Node<'_, '_>) -> Option<Settings> {
    parse_object(node, DEEPEST).map(Settings)
}

fn parse_object(node: &Node<'_, '_>, deeper: usize) -> Option<Map<String, Value>> {
    let mut object = Some(Map::new());
    for (key, node) in node.entries(MOST_ELEMENTS)? {
        let value = parse_value(&node, deeper - 1);
        object = object.zip(value).map(|(mut object, value)| {
            object.insert(key.get_ref().to_string(), value);
            object
        });
    }
    object
}

fn parse_value(node: &Node<'_, '_>, deeper: usize) -> Option<Value> {
    match node.value().get_ref() {
        DeValue::Table(_) | DeValue::Array(_) if deeper == 0 => {
            node.refuse(format!("nested too deeply; accepted are {DEEPEST} levels"))
        }
        DeValue::Table(_) => parse_object(node, deeper).map(Value::Object),
        DeValue::Array(array) => {
            if array.len() > MOST_ELEMENTS {
                return node
                    .refuse(format!("the list has {} elements; accepted is at most {MOST_ELEMENTS}", array.len()));
            }
            let values: Vec<_> = node.elements(array).map(|element| parse_value(&element, deeper - 1)).collect();
            values.into_iter().collect::<Option<_>>().map(Value::Array)
        }
        DeValue::String(text) => Some(Value::String(text.to_string())),
        DeValue::Integer(_) => node.integer().map(Value::from),
        DeValue::Float(_) => node.float().and_then(Number::from_f64).map(Value::Number),
        DeValue::Boolean(flag) => Some(Value::Bool(*flag)),
        DeValue::Datetime(_) => node.refuse("found a date-time, which plugins can't get; write it as a string"),
    }
}
