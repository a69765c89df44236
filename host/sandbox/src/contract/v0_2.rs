//! `punchcard:plugin@0.2.0`: what wasmtime makes of `wit/v0.2`, and the way from and to the host's own types.
//!
//! What this version adds to 0.1 is in its `auth-flow` (assertions, signing in with a browser) and in `http.failure`
//! (`signed-out`), and the world `listing`. Its `types` and `records` are those of 0.1 to the letter, so both versions share what is made of them and
//! its conversions.

mod bindings;
mod convert;

mod auth_policy;
#[path = "world/connector.rs"]
#[expect(clippy::duplicate_mod, reason = "its types are this version's")]
mod connector;
#[path = "world/formatter.rs"]
#[expect(clippy::duplicate_mod, reason = "its types are this version's")]
mod formatter;
mod hardware;
mod listing;
#[path = "world/sensor.rs"]
#[expect(clippy::duplicate_mod, reason = "its types are this version's")]
mod sensor;

use wasmtime::component::HasSelf;

use super::Version;
use crate::confinement::Confinement;

use shared::punchcard::plugin::{hardware as wit_hardware, http, logging};

/// The version.
pub(super) const VERSION: Version = Version {
    number: "0.2.0",
    worlds: &[&auth_policy::SHAPE, &formatter::SHAPE, &connector::SHAPE, &sensor::SHAPE, &listing::SHAPE],
    offer: |linker| {
        logging::add_to_linker::<_, HasSelf<Confinement>>(linker, |state| state)?;
        wit_hardware::add_to_linker::<_, HasSelf<Confinement>>(linker, |state| state)
    },
};

/// The interfaces without functions.
const TYPES: &[&str] = &["types", "records", "http"];

/// Whether a connector is told that its account is signed out; otherwise it hears that nobody answers.
const HEARS_SIGNED_OUT: bool = true;

impl http::Host for Confinement {}

/// The interfaces that all worlds share, generated once so that their types are the same everywhere.
pub(crate) mod shared {
    wasmtime::component::bindgen!({
        path: "../../wit/v0.2",
        inline: "
            package punchcard:host;
            world shared {
                import punchcard:plugin/types@0.2.0;
                import punchcard:plugin/records@0.2.0;
                import punchcard:plugin/http@0.2.0;
                import punchcard:plugin/logging@0.2.0;
                import punchcard:plugin/hardware@0.2.0;
            }
        ",
        imports: {
            "punchcard:plugin/hardware@0.2.0.open-i2c": async,
            "punchcard:plugin/hardware@0.2.0.[method]i2c-device.transaction": async,
            "punchcard:plugin/hardware@0.2.0.open-line": async,
            "punchcard:plugin/hardware@0.2.0.[method]line.is-high": async,
            "punchcard:plugin/hardware@0.2.0.[method]line.set": async,
            "punchcard:plugin/hardware@0.2.0.read-one-wire": async,
            "punchcard:plugin/hardware@0.2.0.delay-us": async,
        },
        with: {
            "punchcard:plugin/types@0.2.0": crate::contract::v0_1::shared::punchcard::plugin::types,
            "punchcard:plugin/records@0.2.0": crate::contract::v0_1::shared::punchcard::plugin::records,
            "punchcard:plugin/hardware@0.2.0.i2c-device": crate::contract::v0_1::hardware::OpenI2c,
            "punchcard:plugin/hardware@0.2.0.line": crate::contract::v0_1::hardware::OpenLine,
        },
    });
}
