//! Sensors: readings of what is connected to the device.
//!
//! Drivers for `embedded-hal` run unchanged, on a [`hardware::Chip`] and a [`hardware::Delay`].

pub mod hardware;

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::sensor::exports::punchcard::plugin::source::{Guest, Polled};
pub use crate::bindings::sensor::exports::punchcard::plugin::source::{Loans, Reading};
use crate::settings::parse_settings;
use crate::state::{parse_state, render_state};
use crate::{Context, Error};

/// Reads a sensor, at the interval that plugins.toml sets.
pub trait Sensor {
    /// The sensor's `settings` in plugins.toml.
    type Settings: DeserializeOwned;
    /// What is remembered from one poll to the next. `()` for nothing.
    type State: Serialize + DeserializeOwned + Default;

    /// Counts up when the meaning of `State` changes.
    const STATE_VERSION: u32 = 1;

    /// Whether these settings can work.
    ///
    /// # Errors
    /// [`Error::InvalidSettings`] when they can't.
    fn check(settings: &Self::Settings) -> Result<(), Error>;

    /// The names under which it opens hardware. plugins.toml has to lend exactly these.
    fn loans(settings: &Self::Settings) -> Loans;

    /// Reads it. Each reading becomes an event; none is a valid answer.
    ///
    /// # Errors
    /// When it can't be read. The state stays as it was, and the sensor is polled again after a pause that grows with each
    /// failure.
    fn poll(settings: &Self::Settings, state: &mut Self::State, context: &Context) -> Result<Vec<Reading>, Error>;

    /// Converts a state that an older version of this plugin wrote.
    fn migrate(_version: u32, _state: serde_json::Value) -> Option<Self::State> {
        None
    }
}

/// Exports a [`Sensor`] as a component.
#[macro_export]
macro_rules! export_sensor {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::sensor::Export<$plugin>;
    $crate::bindings::sensor::export!(Exported with_types_in $crate::bindings::sensor);
        };
    };
}

#[doc(hidden)]
pub struct Export<T>(PhantomData<T>);

impl<T: Sensor> Guest for Export<T> {
    fn check(settings: String) -> Result<(), Error> {
        crate::panic::log_panics();
        T::check(&parse_settings(&settings)?)
    }

    fn list_loans(settings: String) -> Result<Loans, Error> {
        crate::panic::log_panics();
        Ok(T::loans(&parse_settings(&settings)?))
    }

    fn poll(settings: String, state: Vec<u8>, context: Context) -> Result<Polled, Error> {
        crate::panic::log_panics();
        let settings = parse_settings(&settings)?;
        let mut state = parse_state(&state, T::STATE_VERSION, T::migrate)?;
        let readings = T::poll(&settings, &mut state, &context)?;
        Ok(Polled { state: render_state(&state, T::STATE_VERSION)?, readings })
    }
}
