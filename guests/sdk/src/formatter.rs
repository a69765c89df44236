//! Formatters: events to rows.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::formatter::exports::punchcard::plugin::row_format::Guest;
pub use crate::bindings::formatter::exports::punchcard::plugin::row_format::{Accepted, Formatted, Verdict};
use crate::settings::parse_settings;
use crate::state::{parse_state, render_state};
use crate::{Cell, Column, Context, Error, Event, Row};

/// Turns what happened at the device into rows of one sheet.
pub trait Formatter {
    /// `format.settings` of the sink in plugins.toml.
    type Settings: DeserializeOwned;
    /// What is remembered from one event to the next. `()` for nothing.
    type State: Serialize + DeserializeOwned + Default;

    /// Counts up when the meaning of `State` changes.
    const STATE_VERSION: u32 = 1;

    /// The sheet's columns under these settings.
    ///
    /// # Errors
    /// [`Error::InvalidSettings`] when the settings can't work.
    fn columns(settings: &Self::Settings) -> Result<Vec<Column>, Error>;

    /// What becomes of an event. A state that was changed for an event that is then rejected stays changed.
    ///
    /// # Errors
    /// When the call can't be carried out at all. The event stays in the ledger and is tried again.
    fn format(
        settings: &Self::Settings,
        state: &mut Self::State,
        event: &Event,
        context: &Context,
    ) -> Result<Verdict, Error>;

    /// What the idle panel says from now on: "Garden since 09:02".
    fn standing(_settings: &Self::Settings, _state: &Self::State) -> Option<String> {
        None
    }

    /// The fields that events need to become what these settings ask for. The host compares them with what the device's
    /// inputs send, so that a misspelt one is said before anything starts. A field that events may lack is none.
    fn fields(_settings: &Self::Settings) -> Vec<String> {
        Vec::new()
    }

    /// Converts a state that an older version of this plugin wrote.
    fn migrate(_version: u32, _state: serde_json::Value) -> Option<Self::State> {
        None
    }
}

/// The verdict of one row and no notice.
#[must_use]
pub fn row(cells: Vec<Cell>) -> Verdict {
    Verdict::Accepted(Accepted { rows: vec![Row { key: String::new(), cells }], notice: None })
}

/// Exports a [`Formatter`] as a component.
#[macro_export]
macro_rules! export_formatter {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::formatter::Export<$plugin>;
    $crate::bindings::formatter::export!(Exported with_types_in $crate::bindings::formatter);
        };
    };
}

#[doc(hidden)]
pub struct Export<T>(PhantomData<T>);

impl<T: Formatter> Guest for Export<T> {
    fn columns(settings: String) -> Result<Vec<Column>, Error> {
        crate::panic::log_panics();
        T::columns(&parse_settings(&settings)?)
    }

    fn format(settings: String, state: Vec<u8>, events: Vec<Event>, context: Context) -> Result<Formatted, Error> {
        crate::panic::log_panics();
        let settings = parse_settings(&settings)?;
        let mut state = parse_state(&state, T::STATE_VERSION, T::migrate)?;
        let verdicts =
            events.iter().map(|event| T::format(&settings, &mut state, event, &context)).collect::<Result<_, _>>()?;
        let standing = T::standing(&settings, &state);
        Ok(Formatted { state: render_state(&state, T::STATE_VERSION)?, verdicts, standing })
    }

    fn list_fields(settings: String) -> Result<Vec<String>, Error> {
        crate::panic::log_panics();
        Ok(T::fields(&parse_settings(&settings)?))
    }
}
