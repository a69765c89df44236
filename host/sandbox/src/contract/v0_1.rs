//! `punchcard:plugin@0.1.0`: what wasmtime makes of `wit/v0.1`, and the way from and to the host's own types.

mod convert;

use punchcard_core::plugin::World;
use wasmtime::component::HasSelf;

use super::{Shape, Version};
use crate::confinement::Confinement;
use crate::sandbox::Plugin;
use crate::{AuthPolicy, Connector, Formatter};

pub(crate) use shared::punchcard::plugin::logging::{Host as LoggingHost, Level as LogLevel};

/// The version.
pub(super) const VERSION: Version = Version {
    number: "0.1.0",
    worlds: &[&AUTH_POLICY, &FORMATTER, &CONNECTOR],
    offer: |linker| shared::punchcard::plugin::logging::add_to_linker::<_, HasSelf<Confinement>>(linker, |state| state),
};

const TYPES: &[&str] = &["types", "records", "http"];

const AUTH_POLICY: Shape = Shape {
    world: World::AuthPolicy,
    name: "auth-policy",
    exports: "auth-flow",
    imports: &["logging"],
    types: TYPES,
    fits: |instance| auth_policy::AuthPolicyPre::new(instance.clone()).map(drop),
    bind: |loaded| AuthPolicy::new(loaded).map(Plugin::AuthPolicy),
};

const FORMATTER: Shape = Shape {
    world: World::Formatter,
    name: "formatter",
    exports: "row-format",
    imports: &["logging"],
    types: TYPES,
    fits: |instance| formatter::FormatterPre::new(instance.clone()).map(drop),
    bind: |loaded| Formatter::new(loaded).map(Plugin::Formatter),
};

const CONNECTOR: Shape = Shape {
    world: World::Connector,
    name: "connector",
    exports: "delivery",
    imports: &["logging"],
    types: TYPES,
    fits: |instance| connector::ConnectorPre::new(instance.clone()).map(drop),
    bind: |loaded| Connector::new(loaded).map(Plugin::Connector),
};

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
            }
        ",
    });
}

/// The world of formatters.
pub(crate) mod formatter {
    wasmtime::component::bindgen!({
        path: "../../wit/v0.1",
        world: "formatter",
        exports: { default: async },
        with: { "punchcard:plugin": super::shared::punchcard::plugin },
    });
}

/// The world of connectors.
pub(crate) mod connector {
    wasmtime::component::bindgen!({
        path: "../../wit/v0.1",
        world: "connector",
        exports: { default: async },
        with: { "punchcard:plugin": super::shared::punchcard::plugin },
    });
}

/// The world of auth policies.
pub(crate) mod auth_policy {
    wasmtime::component::bindgen!({
        path: "../../wit/v0.1",
        world: "auth-policy",
        exports: { default: async },
        with: { "punchcard:plugin": super::shared::punchcard::plugin },
    });
}

impl shared::punchcard::plugin::types::Host for Confinement {}
impl shared::punchcard::plugin::records::Host for Confinement {}
impl shared::punchcard::plugin::http::Host for Confinement {}
