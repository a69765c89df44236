//! A formatter that misbehaves where an event asks it to, so that tests of the host meet a real component which does.
//!
//! The field `project` says what it does. What is no misdeed becomes a row of one cell for each column.

#![expect(clippy::panic, reason = "it is what it is for")]

use punchcard_sdk::{Cell, Column, ColumnKind, Context, Error, Event, Formatter, Value, Verdict, row};
use serde::Deserialize;

/// `format.settings` of the sink.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Keys and titles of the columns.
    columns: Vec<String>,
    /// Deeds that it rejects, too.
    #[serde(default)]
    rejects: Vec<String>,
    /// Deeds that it traps on, too.
    #[serde(default)]
    traps: Vec<String>,
}

/// The formatter.
#[derive(Debug)]
pub struct Saboteur;

impl Formatter for Saboteur {
    type Settings = Settings;
    /// Grows when it is told to.
    type State = String;

    fn columns(settings: &Settings) -> Result<Vec<Column>, Error> {
        let column = |name: &String| Column { key: name.clone(), title: name.clone(), kind: ColumnKind::Text };
        Ok(settings.columns.iter().map(column).collect())
    }

    fn format(settings: &Settings, state: &mut String, event: &Event, _: &Context) -> Result<Verdict, Error> {
        let deed = event.fields.iter().find_map(|field| match &field.value {
            Value::Text(text) if field.name == "project" => Some(text.as_str()),
            _ => None,
        });
        let deed = deed.unwrap_or_default();
        let told_to = |deeds: &[String]| deeds.iter().any(|told| told == deed);
        Ok(match deed {
            _ if told_to(&settings.rejects) => Verdict::Reject("the settings tell it to".to_owned()),
            _ if told_to(&settings.traps) => panic!("the settings tell it to"),
            "trap" => panic!("it was told to"),
            "loop" => loop {
                std::hint::black_box(());
            },
            "hoard" => {
                let mut hoard: Vec<Vec<u8>> = Vec::new();
                loop {
                    hoard.push(vec![1; 1 << 20]);
                    std::hint::black_box(&hoard);
                }
            }
            "nan" => row(vec![Cell::Number(f64::NAN); settings.columns.len()]),
            "state" => {
                *state = "x".repeat(3 << 20);
                row(cells(settings, "state"))
            }
            "width" => row(vec![Cell::Empty; settings.columns.len() + 1]),
            "fail" => return Err(Error::Other("it was told to".to_owned())),
            // The export drops a verdict.
            "count" => row(cells(settings, "count")),
            "reject" => Verdict::Reject("it was told to".to_owned()),
            deed => row(cells(settings, deed)),
        })
    }
}

fn cells(settings: &Settings, text: &str) -> Vec<Cell> {
    settings.columns.iter().map(|column| Cell::Text(format!("{column} {text}"))).collect()
}

#[cfg(target_arch = "wasm32")]
mod exported;
