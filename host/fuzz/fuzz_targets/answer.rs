//! Answers of servers: no token that one brings or echoes is left in what a plugin sees.

#![no_main]

use libfuzzer_sys::fuzz_target;
use punchcard_core::http::{Header, Response};
use punchcard_core::redact::{Blanker, RawResponse};
use punchcard_core::secret::Secret;

/// Long enough to be blanked, and of no text that an answer has by chance.
const SENT: &str = "1//0gTokenThatWasSent-quite_long";

fuzz_target!(|bytes: &[u8]| {
    let at = bytes.len() / 2;
    // In the middle of whatever it is.
    let body = [&bytes[..at], SENT.as_bytes(), &bytes[at..]].concat();
    let header = Header { name: "x-echo".into(), value: SENT.into() };
    let (answer, taken) = RawResponse::new(Response { status: 200, headers: vec![header], body }).take_secrets();
    let sent = Secret::new(SENT.to_owned());
    let secrets: Vec<&Secret> = taken.iter().map(|(_, secret)| secret).chain([&sent]).collect();
    let seen = answer.blank(&Blanker::new(&secrets));
    let is_in = |text: &[u8]| text.windows(SENT.len()).any(|window| window == SENT.as_bytes());
    assert!(!is_in(&seen.body), "{}", String::from_utf8_lossy(&seen.body));
    assert!(!seen.headers.iter().any(|header| is_in(header.value.as_bytes())));
});
