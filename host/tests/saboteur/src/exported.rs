//! What `export_formatter!` makes, but that a verdict is missing where an event asks for it.

use punchcard_sdk::bindings::formatter as bindings;
use punchcard_sdk::bindings::formatter::exports::punchcard::plugin::row_format::Guest;
use punchcard_sdk::formatter::{Export, Formatted};
use punchcard_sdk::{Column, Context, Error, Event, Value};

use crate::Saboteur;

struct Exported;

impl Guest for Exported {
    fn columns(settings: String) -> Result<Vec<Column>, Error> {
        Export::<Saboteur>::columns(settings)
    }

    fn format(settings: String, state: Vec<u8>, events: Vec<Event>, context: Context) -> Result<Formatted, Error> {
        let asks = |event: &Event| event.fields.iter().any(|field| field.value == Value::Text("count".to_owned()));
        let is_to_miscount = events.iter().any(asks);
        let mut formatted = Export::<Saboteur>::format(settings, state, events, context)?;
        if is_to_miscount {
            formatted.verdicts.pop();
        }
        Ok(formatted)
    }

    fn list_fields(settings: String) -> Result<Vec<String>, Error> {
        Export::<Saboteur>::list_fields(settings)
    }
}

bindings::export!(Exported with_types_in bindings);
