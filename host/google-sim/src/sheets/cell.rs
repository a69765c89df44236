//! A cell, kept small: a sheet may hold ten millions of them.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::number_format::NumberFormat;

/// What stands in a cell, as it was entered. A text is never parsed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum CellValue {
    #[default]
    Empty,
    Number(f64),
    Text(Box<str>),
    Bool(bool),
}

impl CellValue {
    /// The value alone, as `values.get` answers it; an empty one is an empty text.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Empty => json!(""),
            Self::Number(number) => number_to_json(*number),
            Self::Text(text) => json!(text),
            Self::Bool(value) => json!(value),
        }
    }

    fn to_extended_value(&self) -> Option<Value> {
        let name = match self {
            Self::Empty => return None,
            Self::Number(_) => "numberValue",
            Self::Text(_) => "stringValue",
            Self::Bool(_) => "boolValue",
        };
        Some(json!({ name: self.to_json() }))
    }
}

/// A whole number is written without a point.
fn number_to_json(number: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "whole and far inside the range of i64")]
    if number.fract() == 0.0 && number.abs() < 1e15 { json!(number as i64) } else { json!(number) }
}

/// One cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Cell {
    pub(crate) value: CellValue,
    pub(crate) style: StyleId,
    pub(crate) note: Option<Box<str>>,
}

impl Cell {
    /// A cell with nothing in it.
    pub(crate) const EMPTY: &Self = &Self { value: CellValue::Empty, style: StyleId(0), note: None };

    pub(crate) fn has_value(&self) -> bool {
        self.value != CellValue::Empty
    }

    /// Whether anything was ever done to it that is still there.
    pub(crate) fn is_touched(&self) -> bool {
        self != Self::EMPTY
    }

    /// What a person sees.
    pub(crate) fn render(&self, styles: &Styles) -> String {
        match &self.value {
            CellValue::Empty => String::new(),
            CellValue::Number(number) => styles.get(self.style).number.render(*number),
            CellValue::Text(text) => text.to_string(),
            CellValue::Bool(true) => "TRUE".to_owned(),
            CellValue::Bool(false) => "FALSE".to_owned(),
        }
    }

    /// A `CellData`.
    pub(crate) fn to_json(&self, styles: &Styles) -> Value {
        let mut data = Map::new();
        if let Some(value) = self.value.to_extended_value() {
            data.insert("userEnteredValue".to_owned(), value.clone());
            data.insert("effectiveValue".to_owned(), value);
            data.insert("formattedValue".to_owned(), json!(self.render(styles)));
        }
        let format = &styles.get(self.style).format;
        if !format.is_null() {
            data.insert("userEnteredFormat".to_owned(), format.clone());
            data.insert("effectiveFormat".to_owned(), format.clone());
        }
        if let Some(note) = &self.note {
            data.insert("note".to_owned(), json!(note));
        }
        Value::Object(data)
    }
}

/// A format in [`Styles`]; zero is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct StyleId(u32);

/// The distinct formats of a spreadsheet's cells.
#[derive(Clone, Debug)]
pub(crate) struct Styles {
    styles: Vec<Style>,
    /// By their JSON.
    ids: HashMap<String, StyleId>,
}

/// A `CellFormat`, of which only the number format has an effect here.
#[derive(Clone, Debug)]
pub(crate) struct Style {
    pub(crate) format: Value,
    pub(crate) number: NumberFormat,
}

impl Styles {
    pub(crate) fn new() -> Self {
        let none = Style { format: Value::Null, number: NumberFormat::default() };
        Self { styles: vec![none], ids: HashMap::from([("null".to_owned(), StyleId(0))]) }
    }

    pub(crate) fn get(&self, id: StyleId) -> &Style {
        let index = usize::try_from(id.0).unwrap_or(0);
        self.styles.get(index).unwrap_or_else(|| unreachable!("a style's id comes from this list, which only grows"))
    }

    /// The id of a format, a new one if it is new.
    pub(crate) fn intern(&mut self, format: Value) -> StyleId {
        let text = format.to_string();
        if let Some(id) = self.ids.get(&text) {
            return *id;
        }
        let id = StyleId(u32::try_from(self.styles.len()).unwrap_or(0));
        let number = NumberFormat::parse(&format["numberFormat"]);
        self.styles.push(Style { format, number });
        self.ids.insert(text, id);
        id
    }
}
