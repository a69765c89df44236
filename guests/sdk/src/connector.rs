//! Connectors: batches of rows into a service.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::connector::exports::punchcard::plugin::delivery::Guest;
pub use crate::bindings::connector::exports::punchcard::plugin::delivery::{
    Batch, Correction, CorrectionKind, Directive, FoundRow, Limits, Outcome, Page, Pause, Receipt, Rejection, Signal,
};
use crate::settings::parse_settings;
use crate::state::{parse_state, render_state};
use crate::{Column, Context, Error, Needs, Row};

/// Carries batches of rows into one service, as a step machine: what happened goes in, what to do next comes out, and the
/// state is durable before it is done.
pub trait Connector {
    /// `deliver.settings` of the sink in plugins.toml.
    type Settings: DeserializeOwned;
    /// What is remembered from one step to the next, over restarts.
    type State: Serialize + DeserializeOwned + Default;

    /// Counts up when the meaning of `State` changes.
    const STATE_VERSION: u32 = 1;

    /// Whether these settings can work with these columns, and what the service takes.
    ///
    /// # Errors
    /// [`Error::InvalidSettings`] when they can't.
    fn check(settings: &Self::Settings, columns: &[Column]) -> Result<Limits, Error>;

    /// One step. After a crash, a trap or an error the batch comes again with [`Signal::Resumed`].
    ///
    /// # Errors
    /// When the step can't be carried out. Never for what the service answered.
    fn step(
        settings: &Self::Settings,
        state: &mut Self::State,
        batch: &Batch,
        signal: Signal,
        context: &Context,
    ) -> Result<Directive, Error>;

    /// What a [`Page`] would say of rows like these, made for these columns. Called where [`Limits::reads_back`] is true.
    ///
    /// # Errors
    /// Where rows can't be read back, which is the answer of a connector that does not say otherwise.
    fn fingerprint(_settings: &Self::Settings, _columns: &[Column], _rows: &[Row]) -> Result<Vec<String>, Error> {
        Err(Error::Other("this connector can't read rows back".to_owned()))
    }

    /// What these settings need from plugins.toml, so that a device that can never work is refused before it starts.
    fn needs(_settings: &Self::Settings) -> Needs {
        Needs { urls: Vec::new(), slots: Vec::new(), authorization: false }
    }

    /// Converts a state that an older version of this plugin wrote.
    fn migrate(_version: u32, _state: serde_json::Value) -> Option<Self::State> {
        None
    }
}

/// Exports a [`Connector`] as a component.
#[macro_export]
macro_rules! export_connector {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::connector::Export<$plugin>;
    $crate::bindings::connector::export!(Exported with_types_in $crate::bindings::connector);
        };
    };
}

#[doc(hidden)]
pub struct Export<T>(PhantomData<T>);

impl<T: Connector> Guest for Export<T> {
    fn check(settings: String, columns: Vec<Column>) -> Result<Limits, Error> {
        crate::panic::log_panics();
        T::check(&parse_settings(&settings)?, &columns)
    }

    fn fingerprint(settings: String, columns: Vec<Column>, rows: Vec<Row>) -> Result<Vec<String>, Error> {
        crate::panic::log_panics();
        T::fingerprint(&parse_settings(&settings)?, &columns, &rows)
    }

    fn step(
        settings: String,
        state: Vec<u8>,
        batch: Batch,
        signal: Signal,
        context: Context,
    ) -> Result<Outcome, Error> {
        crate::panic::log_panics();
        let settings = parse_settings(&settings)?;
        let mut state = parse_state(&state, T::STATE_VERSION, T::migrate)?;
        let next = T::step(&settings, &mut state, &batch, signal, &context)?;
        Ok(Outcome { state: render_state(&state, T::STATE_VERSION)?, next })
    }

    fn list_needs(settings: String) -> Result<Needs, Error> {
        crate::panic::log_panics();
        Ok(T::needs(&parse_settings(&settings)?))
    }
}
