//! The code that a person enters elsewhere: RFC 8628 §3.1 to §3.3.
//!
//! Code and address are shown exactly as the server gave them. What a panel could not show, or a person not type, is
//! refused here, with bounds on every length and span.

use punchcard_sdk::auth_policy::Prompt;
use punchcard_sdk::quote::says;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::answer::{parse_seconds, text};
use crate::pace::SECOND;

/// RFC 8628 §3.2: "If no value is provided, clients MUST use 5 as the default." Seconds.
const INTERVAL_DEFAULT: u64 = 5;
/// A code is shown for at most a day, in seconds, whatever the server says.
const LIFETIME_MAX: u64 = 24 * 60 * 60;
/// Google's codes have up to 15 characters.
const USER_CODE_MAX: usize = 64;
/// Google advises to make room for 40.
const URL_MAX: usize = 512;

/// A code that is being shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Code {
    user_code: String,
    url: String,
    complete_url: Option<String>,
    /// On the monotonic clock, in milliseconds.
    pub(crate) expires_at_ms: u64,
    /// Seconds between an answer and the next poll, at least.
    pub(crate) interval: u64,
    /// The version of the slot `device-code` that belongs to it.
    pub(crate) slot_version: u64,
}

/// Reads the answer to a request for a code: RFC 8628 §3.2, with Google's `verification_url`.
///
/// # Errors
/// The name of the first member that is missing or unfit.
pub(crate) fn parse_code(
    members: &Map<String, Value>,
    slot_version: Option<u64>,
    now_ms: u64,
) -> Result<Code, &'static str> {
    // The host took the device code out and left the slot's name in its place.
    let slot_version = text(members, "device_code").and(slot_version).ok_or("device_code")?;
    let user_code = text(members, "user_code").filter(|code| is_typeable(code, USER_CODE_MAX)).ok_or("user_code")?;
    let url = ["verification_uri", "verification_url"]
        .iter()
        .find_map(|name| text(members, name))
        .filter(|url| is_typeable(url, URL_MAX) && is_web(url))
        .ok_or("verification_uri")?;
    let complete_url = ["verification_uri_complete", "verification_url_complete"]
        .iter()
        .find_map(|name| text(members, name))
        .filter(|url| is_typeable(url, URL_MAX) && (url.starts_with("https://") || url.starts_with("http://")));
    let lifetime =
        members.get("expires_in").and_then(parse_seconds).filter(|seconds| *seconds > 0).ok_or("expires_in")?;
    let interval = members.get("interval").and_then(parse_seconds).filter(|seconds| *seconds > 0);
    Ok(Code {
        user_code: user_code.to_owned(),
        url: url.to_owned(),
        complete_url: complete_url.map(ToOwned::to_owned),
        expires_at_ms: now_ms.saturating_add(lifetime.min(LIFETIME_MAX) * SECOND),
        // Longer than any code is shown means: never. The cap changes nothing then.
        interval: interval.unwrap_or(INTERVAL_DEFAULT).min(LIFETIME_MAX),
        slot_version,
    })
}

/// Printable US-ASCII of moderate length, as Google promises for both.
fn is_typeable(text: &str, characters: usize) -> bool {
    text.len() <= characters && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// With `https`, `http`, or without a scheme: nothing that a telephone would open with anything but a browser.
fn is_web(url: &str) -> bool {
    if says(url, "://") {
        return url.starts_with("https://") || url.starts_with("http://");
    }
    match url.split('/').next().and_then(|host| host.split_once(':')) {
        None => true,
        Some((name, port)) => name.contains('.') && port.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

impl Code {
    /// What to show: point 6 and RFC 8628 §3.3.
    pub(crate) fn prompt(&self, purpose: &str, now_ms: u64) -> Prompt {
        let remaining = self.expires_at_ms.saturating_sub(now_ms) / SECOND;
        Prompt {
            user_code: self.user_code.clone(),
            url: self.url.clone(),
            complete_url: self.complete_url.clone(),
            purpose: purpose.to_owned(),
            expires_in_seconds: u32::try_from(remaining).unwrap_or(u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOGLE: &str = r#"{"device_code":"device-code","user_code":"GQVQ-JKEC","verification_url":
        "https://www.google.com/device","expires_in":1800,"interval":5}"#;

    fn members(json: &str) -> Map<String, Value> {
        serde_json::from_str(json).unwrap()
    }

    fn with(name: &str, value: Value) -> Map<String, Value> {
        let mut members = members(GOOGLE);
        members.insert(name.to_owned(), value);
        members
    }

    #[test]
    fn google_s_answer_is_read() {
        let code = parse_code(&members(GOOGLE), Some(3), 10_000).unwrap();
        assert_eq!((code.interval, code.expires_at_ms, code.slot_version), (5, 1_810_000, 3));
        let prompt = code.prompt("see", 10_999);
        assert_eq!((prompt.user_code.as_str(), prompt.url.as_str()), ("GQVQ-JKEC", "https://www.google.com/device"));
        assert_eq!((prompt.complete_url, prompt.expires_in_seconds), (None, 1799));
        assert_eq!(code.prompt("see", 9_000_000).expires_in_seconds, 0);
    }

    #[test]
    fn point_02_what_is_required_must_be_there() {
        for (name, named) in [
            ("device_code", "device_code"),
            ("user_code", "user_code"),
            ("verification_url", "verification_uri"),
            ("expires_in", "expires_in"),
        ] {
            let mut members = members(GOOGLE);
            members.remove(name);
            assert_eq!(parse_code(&members, Some(1), 0), Err(named));
            for value in [Value::Null, "".into(), false.into(), Value::Array(Vec::new())] {
                assert_eq!(parse_code(&with(name, value), Some(1), 0), Err(named));
            }
        }
        assert_eq!(parse_code(&members(GOOGLE), None, 0), Err("device_code"), "the host stored none");
    }

    #[test]
    fn both_names_of_the_address_are_taken() {
        let both = parse_code(&with("verification_uri", "https://example.org/d".into()), Some(1), 0).unwrap();
        assert_eq!(both.url, "https://example.org/d");
        assert_eq!(parse_code(&members(GOOGLE), Some(1), 0).unwrap().url, "https://www.google.com/device");
    }

    #[test]
    fn point_03_an_interval_that_is_absent_null_or_0_means_5() {
        let mut without = members(GOOGLE);
        without.remove("interval");
        assert_eq!(parse_code(&without, Some(1), 0).unwrap().interval, 5);
        for (value, interval) in [
            (Value::Null, 5),
            (0.into(), 5),
            (0.5.into(), 5),
            ((-3).into(), 5),
            ("soon".into(), 5),
            (7.into(), 7),
            ("12".into(), 12),
            (1_000_000_000.into(), 86_400),
        ] {
            assert_eq!(parse_code(&with("interval", value), Some(1), 0).unwrap().interval, interval);
        }
    }

    #[test]
    fn absurd_lifetimes_are_bounded_or_refused() {
        for (value, expires_at_ms) in [
            (1.into(), Ok(1_007)),
            ("1800".into(), Ok(1_800_007)),
            (1e300.into(), Ok(86_400_007)),
            (0.into(), Err("expires_in")),
            ((-1).into(), Err("expires_in")),
            ("soon".into(), Err("expires_in")),
        ] {
            let code = parse_code(&with("expires_in", value), Some(1), 7);
            assert_eq!(code.map(|code| code.expires_at_ms), expires_at_ms);
        }
    }

    #[test]
    fn codes_and_addresses_are_kept_exactly_or_refused() {
        for code in ["WWWWWWWWWWWWWWW", "aB-cd ef", " ~!\"", "0012", &"W".repeat(64)] {
            assert_eq!(parse_code(&with("user_code", code.into()), Some(1), 0).unwrap().user_code, code);
        }
        for code in ["\u{e9}", "a\nb", "a\u{1b}[2J", "a\u{7f}", &"W".repeat(65), &"W".repeat(1_000_000)] {
            assert_eq!(parse_code(&with("user_code", code.into()), Some(1), 0), Err("user_code"));
        }
        for url in ["https://a.example/D?x=Y", "http://127.0.0.1:8080/device", "a.example/device", "a.example:8080/d"] {
            assert_eq!(parse_code(&with("verification_url", url.into()), Some(1), 0).unwrap().url, url);
        }
        for url in [
            "javascript:alert(1)",
            "tel:117",
            "mailto:a.b@c.example",
            "a.example:x/d",
            "ftp://a.example",
            "https://\u{e4}.example",
            &"h".repeat(513),
        ] {
            assert_eq!(parse_code(&with("verification_url", url.into()), Some(1), 0), Err("verification_uri"));
        }
    }

    #[test]
    fn a_link_that_needs_no_typing_is_taken_or_left_out() {
        for name in ["verification_uri_complete", "verification_url_complete"] {
            for (url, taken) in [
                ("https://a.example/?c=GQVQ", true),
                ("http://127.0.0.1/?c=GQVQ", true),
                ("a.example/?c=GQVQ", false),
                ("tel:117", false),
                ("https://a.example/\n", false),
            ] {
                let code = parse_code(&with(name, url.into()), Some(1), 0).unwrap();
                assert_eq!(code.complete_url, taken.then(|| url.to_owned()));
            }
        }
    }
}
