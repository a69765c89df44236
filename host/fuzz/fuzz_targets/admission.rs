//! What is said of a component before anything of it is compiled: the walk over its bytes does not recurse, and ends.

#![no_main]

use libfuzzer_sys::fuzz_target;
use punchcard_sandbox::describe;

const HEADER: [u8; 8] = [0, b'a', b's', b'm', 13, 0, 1, 0];

fuzz_target!(|bytes: &[u8]| {
    match describe(&[&HEADER, bytes].concat()) {
        Ok(description) => assert_eq!(description.bytes, HEADER.len() + bytes.len()),
        // Every text that comes from a component is clipped.
        Err(error) => assert!(error.to_string().len() < 8_192, "{error}"),
    }
});
