//! `punchcard:plugin@0.1.0`: what wasmtime makes of `wit/v0.1`, and the way from and to the host's own types. Each world is
//! one file and one word in [`VERSION`].

mod bindings;
mod convert;

mod auth_policy;
#[path = "world/connector.rs"]
mod connector;
#[path = "world/formatter.rs"]
mod formatter;
pub(super) mod hardware;
#[path = "world/sensor.rs"]
mod sensor;

use wasmtime::component::HasSelf;

use super::Version;
use crate::confinement::Confinement;

pub(super) use shared::punchcard::plugin::hardware as wit_hardware;
pub(crate) use shared::punchcard::plugin::logging::{Host as LoggingHost, Level as LogLevel};
use shared::punchcard::plugin::{http, logging, records, types};

/// The version.
pub(super) const VERSION: Version = Version {
    number: "0.1.0",
    worlds: &[&auth_policy::SHAPE, &formatter::SHAPE, &connector::SHAPE, &sensor::SHAPE],
    offer: |linker| {
        logging::add_to_linker::<_, HasSelf<Confinement>>(linker, |state| state)?;
        wit_hardware::add_to_linker::<_, HasSelf<Confinement>>(linker, |state| state)
    },
};

/// The interfaces without functions.
const TYPES: &[&str] = &["types", "records", "http"];

/// Whether a connector is told that its account is signed out; otherwise it hears that nobody answers.
const HEARS_SIGNED_OUT: bool = false;

impl types::Host for Confinement {}
impl records::Host for Confinement {}
impl http::Host for Confinement {}

/// The interfaces that all worlds share, generated once so that their types are the same everywhere.
pub(crate) mod shared {
    wasmtime::component::bindgen!({
        path: "../../wit/v0.1",
        inline: "
            package punchcard:host;
            world shared {
                import punchcard:plugin/types@0.1.0;
                import punchcard:plugin/records@0.1.0;
                import punchcard:plugin/http@0.1.0;
                import punchcard:plugin/logging@0.1.0;
                import punchcard:plugin/hardware@0.1.0;
            }
        ",
        imports: {
            "punchcard:plugin/hardware@0.1.0.open-i2c": async,
            "punchcard:plugin/hardware@0.1.0.[method]i2c-device.transaction": async,
            "punchcard:plugin/hardware@0.1.0.open-line": async,
            "punchcard:plugin/hardware@0.1.0.[method]line.is-high": async,
            "punchcard:plugin/hardware@0.1.0.[method]line.set": async,
            "punchcard:plugin/hardware@0.1.0.read-one-wire": async,
            "punchcard:plugin/hardware@0.1.0.delay-us": async,
        },
        with: {
            "punchcard:plugin/hardware@0.1.0.i2c-device": crate::contract::v0_1::hardware::OpenI2c,
            "punchcard:plugin/hardware@0.1.0.line": crate::contract::v0_1::hardware::OpenLine,
        },
    });
}
