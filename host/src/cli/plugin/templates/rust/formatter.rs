//! A formatter: a row for each press, with how often its project was chosen so far.
//!
//! It is called with data and returns data. What it wants to remember is in the state that it returns.

use std::collections::BTreeMap;

wit_bindgen::generate!({ path: "wit", world: "formatter", generate_all });

use exports::punchcard::plugin::row_format::{Accepted, Context, Error, Formatted, Guest, Verdict};
use punchcard::plugin::records::{Cell, Certainty, Column, ColumnKind, Event, Row, Value};

struct Plugin;

// What a component exports has names that no other linker takes: tests go without.
#[cfg(target_arch = "wasm32")]
export!(Plugin);

impl Guest for Plugin {
    fn columns(settings: String) -> Result<Vec<Column>, Error> {
        check(&settings)?;
        let column = |key: &str, title: &str, kind| Column { key: key.to_owned(), title: title.to_owned(), kind };
        Ok(vec![
            column("at", "Pressed", ColumnKind::DateTime),
            column("project", "Project", ColumnKind::Text),
            column("count", "Times", ColumnKind::Number),
        ])
    }

    fn format(settings: String, state: Vec<u8>, events: Vec<Event>, _: Context) -> Result<Formatted, Error> {
        check(&settings)?;
        let mut counts = BTreeMap::<String, u32>::new();
        if !state.is_empty() {
            counts = serde_json::from_slice(&state).map_err(|_| Error::UnknownState)?;
        }
        let mut standing = None;
        let mut verdicts = Vec::new();
        for event in events {
            let project = event.fields.iter().find(|field| field.name == "project").map(|field| &field.value);
            let Some(Value::Text(project)) = project else {
                verdicts.push(Verdict::Reject("it has no text in the field `project`".to_owned()));
                continue;
            };
            let count = counts.entry(project.clone()).or_default();
            *count += 1;
            let at = match event.certainty {
                Certainty::Known => Cell::Moment(event.at),
                // A moment that is a guess is marked as one.
                Certainty::Estimated => Cell::Estimated(event.at),
            };
            let cells = vec![at, Cell::Text(project.clone()), Cell::Number((*count).into())];
            standing = Some(format!("{project}: {count}"));
            verdicts.push(Verdict::Accepted(Accepted { rows: vec![Row { key: String::new(), cells }], notice: standing.clone() }));
        }
        let state = serde_json::to_vec(&counts).map_err(|error| Error::Other(error.to_string()))?;
        Ok(Formatted { state, verdicts, standing })
    }

    fn list_fields(_settings: String) -> Result<Vec<String>, Error> {
        Ok(vec!["project".to_owned()])
    }
}

/// There are no settings yet.
fn check(settings: &str) -> Result<(), Error> {
    match settings {
        "{}" => Ok(()),
        _ => Err(Error::InvalidSettings("this formatter has no settings".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use punchcard::plugin::records::Field;
    use punchcard::plugin::types::Instant;

    fn event(project: &str) -> Event {
        Event {
            id: "01J00000000000000000000000".to_owned(),
            at: Instant { unix_micros: 1_767_603_600_000_000, utc_offset_minutes: 0 },
            certainty: Certainty::Known,
            source: "test".to_owned(),
            kind: "punch".to_owned(),
            fields: vec![Field { name: "project".to_owned(), value: Value::Text(project.to_owned()) }],
        }
    }

    fn context() -> Context {
        Context {
            now: Instant { unix_micros: 0, utc_offset_minutes: 0 },
            monotonic_ms: 0,
            boot: String::new(),
            entropy: vec![0; 32],
            device: "test".to_owned(),
        }
    }

    #[test]
    fn each_press_is_a_row_with_its_number_also_in_the_next_call() {
        let mut state = Vec::new();
        let mut counts = Vec::new();
        for project in ["Garden", "Shed", "Garden"] {
            let formatted = Plugin::format("{}".to_owned(), state, vec![event(project)], context()).unwrap();
            let Verdict::Accepted(accepted) = &formatted.verdicts[0] else { panic!("it was rejected") };
            let Cell::Number(count) = accepted.rows[0].cells[2] else { panic!("no number") };
            counts.push(count);
            state = formatted.state;
        }
        assert_eq!(counts, [1.0, 1.0, 2.0]);
    }
}
