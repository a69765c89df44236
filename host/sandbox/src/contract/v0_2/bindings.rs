//! What wasmtime makes of the worlds that are the same in all versions so far.

pub(super) mod connector {
    wasmtime::component::bindgen!({
        path: "../../wit/v0.2",
        world: "connector",
        exports: { default: async },
        with: {
            "punchcard:plugin/types@0.2.0": crate::contract::v0_1::shared::punchcard::plugin::types,
            "punchcard:plugin/records@0.2.0": crate::contract::v0_1::shared::punchcard::plugin::records,
            "punchcard:plugin": crate::contract::v0_2::shared::punchcard::plugin,
        },
    });
}

pub(super) mod formatter {
    wasmtime::component::bindgen!({
        path: "../../wit/v0.2",
        world: "formatter",
        exports: { default: async },
        with: {
            "punchcard:plugin/types@0.2.0": crate::contract::v0_1::shared::punchcard::plugin::types,
            "punchcard:plugin/records@0.2.0": crate::contract::v0_1::shared::punchcard::plugin::records,
            "punchcard:plugin": crate::contract::v0_2::shared::punchcard::plugin,
        },
    });
}

pub(super) mod sensor {
    wasmtime::component::bindgen!({
        path: "../../wit/v0.2",
        world: "sensor",
        exports: { default: async },
        with: {
            "punchcard:plugin/types@0.2.0": crate::contract::v0_1::shared::punchcard::plugin::types,
            "punchcard:plugin/records@0.2.0": crate::contract::v0_1::shared::punchcard::plugin::records,
            "punchcard:plugin": crate::contract::v0_2::shared::punchcard::plugin,
        },
    });
}
