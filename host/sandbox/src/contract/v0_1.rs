//! `punchcard:plugin@0.1.0`: what wasmtime makes of `wit/v0.1`, and the way from and to the host's own types.

mod convert;

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
