//! plugins.toml, of whatever bytes: it is read, and each error has its place.

#![no_main]

use libfuzzer_sys::fuzz_target;
use punchcard_core::config::{parse_configuration, parse_what_is_valid, render_diagnostics};

fuzz_target!(|text: &str| {
    let (_, diagnostics) = parse_what_is_valid(text);
    let said = render_diagnostics(text, "plugins.toml", &diagnostics);
    assert_eq!(diagnostics.is_empty(), said.is_empty());
    assert_eq!(parse_configuration(text).is_ok(), diagnostics.is_empty(), "strict and lenient reading agree: {said}");
});
