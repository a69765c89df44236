//! States that plugins stored, and that a power cut, another version or a person changed: they are read, or unknown.

#![no_main]

use libfuzzer_sys::fuzz_target;
use punchcard_sdk::auth_policy_0_2::AuthPolicy as AuthPolicy0_2;
use punchcard_sdk::state::{parse_state, render_state};
use punchcard_sdk::{AuthPolicy, Connector, Formatter};

/// Written again it is read again.
macro_rules! try_state {
    ($bytes:expr, $plugin:ty, $world:ident) => {
        type State = <$plugin as $world>::State;
        let version = <$plugin as $world>::STATE_VERSION;
        if let Ok(state) = parse_state::<State>($bytes, version, <$plugin as $world>::migrate) {
            let written = render_state(&state, version).expect("a state that was read can be written");
            assert!(parse_state::<State>(&written, version, <$plugin as $world>::migrate).is_ok());
        }
    };
}

fuzz_target!(|bytes: &[u8]| {
    {
        try_state!(bytes, timeclock::Timeclock, Formatter);
    }
    {
        try_state!(bytes, google_sheets::GoogleSheets, Connector);
    }
    {
        try_state!(bytes, webhook::Webhook, Connector);
    }
    {
        try_state!(bytes, device_flow::DeviceFlow, AuthPolicy);
    }
    {
        try_state!(bytes, web_flow::WebFlow, AuthPolicy0_2);
    }
});
