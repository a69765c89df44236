//! What `wit-bindgen` makes of the contract. Nobody but the SDK names this module.

/// The interfaces that all worlds share, generated once so that their types are the same everywhere.
pub mod shared {
    wit_bindgen::generate!({
        path: "../../wit/v0.1",
        inline: "
            package punchcard:sdk;
            world shared {
                import punchcard:plugin/types@0.1.0;
                import punchcard:plugin/records@0.1.0;
                import punchcard:plugin/http@0.1.0;
                import punchcard:plugin/logging@0.1.0;
            }
        ",
        additional_derives: [PartialEq],
        generate_all,
    });
}

/// The world of formatters.
pub mod formatter {
    wit_bindgen::generate!({
        path: "../../wit/v0.1",
        world: "formatter",
        with: {
            "punchcard:plugin/types@0.1.0": super::shared::punchcard::plugin::types,
            "punchcard:plugin/records@0.1.0": super::shared::punchcard::plugin::records,
            "punchcard:plugin/logging@0.1.0": super::shared::punchcard::plugin::logging,
        },
        additional_derives: [PartialEq],
        pub_export_macro: true,
        default_bindings_module: "punchcard_sdk::bindings::formatter",
    });
}

/// The world of connectors.
pub mod connector {
    wit_bindgen::generate!({
        path: "../../wit/v0.1",
        world: "connector",
        with: {
            "punchcard:plugin/types@0.1.0": super::shared::punchcard::plugin::types,
            "punchcard:plugin/records@0.1.0": super::shared::punchcard::plugin::records,
            "punchcard:plugin/http@0.1.0": super::shared::punchcard::plugin::http,
            "punchcard:plugin/logging@0.1.0": super::shared::punchcard::plugin::logging,
        },
        additional_derives: [PartialEq],
        pub_export_macro: true,
        default_bindings_module: "punchcard_sdk::bindings::connector",
    });
}

/// The world of auth policies.
pub mod auth_policy {
    wit_bindgen::generate!({
        path: "../../wit/v0.1",
        world: "auth-policy",
        with: {
            "punchcard:plugin/types@0.1.0": super::shared::punchcard::plugin::types,
            "punchcard:plugin/http@0.1.0": super::shared::punchcard::plugin::http,
            "punchcard:plugin/logging@0.1.0": super::shared::punchcard::plugin::logging,
        },
        additional_derives: [PartialEq],
        pub_export_macro: true,
        default_bindings_module: "punchcard_sdk::bindings::auth_policy",
    });
}

/// The world of auth policies of version 0.2 of the contract. Its types are those of version 0.1, so that a guest has one of each;
/// its HTTP has one failure more.
pub mod auth_policy_0_2 {
    wit_bindgen::generate!({
        path: "../../wit/v0.2",
        // A name of its own: that of the macro which exports is made of it.
        inline: "
            package punchcard:sdk;
            world auth-policy-newer {
                include punchcard:plugin/auth-policy@0.2.0;
            }
        ",
        with: {
            "punchcard:plugin/types@0.2.0": super::shared::punchcard::plugin::types,
        },
        additional_derives: [PartialEq],
        generate_all,
        pub_export_macro: true,
        default_bindings_module: "punchcard_sdk::bindings::auth_policy_0_2",
    });
}

/// The world of listings, of version 0.2 of the contract. Its `types` are those of 0.1 to the letter.
pub mod listing {
    wit_bindgen::generate!({
        path: "../../wit/v0.2",
        world: "listing",
        with: {
            "punchcard:plugin/types@0.2.0": super::shared::punchcard::plugin::types,
            "punchcard:plugin/logging@0.2.0": super::auth_policy_0_2::punchcard::plugin::logging,
        },
        additional_derives: [PartialEq],
        generate_all,
        pub_export_macro: true,
        default_bindings_module: "punchcard_sdk::bindings::listing",
    });
}

/// The world of sensors.
pub mod sensor {
    wit_bindgen::generate!({
        path: "../../wit/v0.1",
        world: "sensor",
        with: {
            "punchcard:plugin/types@0.1.0": super::shared::punchcard::plugin::types,
            "punchcard:plugin/records@0.1.0": super::shared::punchcard::plugin::records,
            "punchcard:plugin/logging@0.1.0": super::shared::punchcard::plugin::logging,
        },
        additional_derives: [PartialEq],
        generate_all,
        pub_export_macro: true,
        default_bindings_module: "punchcard_sdk::bindings::sensor",
    });
}
