//! Requests: what all of them share.
//!
//! Their bodies are written as text, where each string that somebody chose is quoted: to build them as values and write
//! those would be a tenth of this component.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use punchcard_sdk::http::{Content, Method, Request};

use crate::Settings;

/// A write that takes longer than 180 s fails at Google: only after that is an answer no longer to be expected.
const WRITE_TIMEOUT_MS: u32 = 200_000;

/// `https://sheets.googleapis.com/v4/spreadsheets/ID` and what follows.
pub(crate) fn sheets_url(settings: &Settings, spreadsheet: &str, rest: &str) -> String {
    format!("{}/v4/spreadsheets/{}{rest}", settings.sheets_url, encode(spreadsheet))
}

/// `https://www.googleapis.com/drive/v3/files` and what follows.
pub(crate) fn drive_url(settings: &Settings, rest: &str) -> String {
    format!("{}/v3/files{rest}", settings.drive_url)
}

/// A string of JSON.
pub(crate) fn quote(text: &str) -> String {
    // Writing text into memory has no way to fail.
    serde_json::to_string(text).unwrap_or_default()
}

/// For a segment of a path or a value of a query.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Reads.
pub(crate) fn get(url: String) -> Request {
    Request {
        method: Method::Get,
        url,
        headers: vec![],
        body: None,
        authorized: true,
        idempotent: true,
        timeout_ms: None,
    }
}

/// Reads by a question that does not fit into an address.
pub(crate) fn search(url: String, json: String) -> Request {
    Request { idempotent: true, timeout_ms: None, ..post(url, json.into_bytes()) }
}

/// Writes. The host never repeats it by itself.
pub(crate) fn post(url: String, json: Vec<u8>) -> Request {
    Request {
        method: Method::Post,
        url,
        headers: vec![],
        body: Some(Content { media_type: "application/json".to_owned(), bytes: json }),
        authorized: true,
        idempotent: false,
        timeout_ms: Some(WRITE_TIMEOUT_MS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_outlasts_googles_own_limit_and_is_not_repeated_by_the_host() {
        let write = post("https://a/b".into(), vec![]);
        assert!(write.timeout_ms.is_some_and(|timeout| timeout > 180_000 && timeout <= 600_000));
        assert!(!write.idempotent && write.authorized);
        for read in [search("https://a/b".into(), String::new()), get("https://a/b".into())] {
            assert!(read.idempotent && read.authorized);
            assert_eq!(read.timeout_ms, None, "the host's own, which is shorter");
        }
    }

    #[test]
    fn what_others_chose_cannot_leave_its_place_in_an_address() {
        assert_eq!(encode("a/b?c#d e'f"), "a%2Fb%3Fc%23d%20e%27f");
    }
}
