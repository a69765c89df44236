//! `Retry-After`: how long a server wishes to be left alone (RFC 9110 §10.2.3).

use std::time::{SystemTime, UNIX_EPOCH};

use crate::Instant;
use crate::http::Response;

/// A server's wish is heeded up to here, in milliseconds: an hour. What a server asks for by mistake, or a date by a
/// device's wrong clock, must not stop a device for days.
pub const LONGEST_MS: u64 = 3_600_000;

/// How long the server wishes to be left alone, in milliseconds, at most [`LONGEST_MS`]. Zero where its date is past. None
/// where it says nothing that can be read.
#[must_use]
pub fn parse_retry_after(response: &Response, now: Instant) -> Option<u64> {
    let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("retry-after"))?;
    let value = header.value.trim();
    // delay-seconds = 1*DIGIT
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(value.parse::<u64>().map_or(LONGEST_MS, |seconds| seconds.saturating_mul(1_000).min(LONGEST_MS)));
    }
    // Any of the three forms of RFC 9110 §5.6.7.
    let date = SystemTime::from(value.parse::<httpdate::HttpDate>().ok()?);
    let at_ms = i64::try_from(date.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()?;
    let remaining_ms = at_ms.saturating_sub(now.unix_micros.div_euclid(1_000));
    Some(u64::try_from(remaining_ms).unwrap_or(0).min(LONGEST_MS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Header;

    /// 2026-10-21T07:27:00.25Z.
    const NOW: Instant = Instant { unix_micros: 1_792_567_620_250_000, utc_offset_minutes: 600 };

    fn parse(value: &str) -> Option<u64> {
        let header = |name: &str, value: &str| Header { name: name.into(), value: value.into() };
        let headers = vec![header("date", "7"), header("retry-AFTER", value)];
        parse_retry_after(&Response { status: 503, headers, body: Vec::new() }, NOW)
    }

    #[test]
    fn seconds_and_the_three_forms_of_a_date_are_read() {
        for (value, milliseconds) in [
            ("120", Some(120_000)),
            (" 5 ", Some(5_000)),
            ("0", Some(0)),
            ("3600", Some(LONGEST_MS)),
            ("3601", Some(LONGEST_MS)),
            ("18446744073709551615", Some(LONGEST_MS)),
            ("99999999999999999999999999", Some(LONGEST_MS)),
            ("Wed, 21 Oct 2026 07:28:00 GMT", Some(59_750)),
            ("Wednesday, 21-Oct-26 07:28:00 GMT", Some(59_750)),
            ("Wed Oct 21 07:28:00 2026", Some(59_750)),
            ("Wed, 21 Oct 2026 07:26:00 GMT", Some(0)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Thu, 21 Oct 2027 07:28:00 GMT", Some(LONGEST_MS)),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("tomorrow", None),
            ("Wed, 21 Oct 2026 07:28:00 AEST", None),
        ] {
            assert_eq!(parse(value), milliseconds, "{value:?}");
        }
    }

    #[test]
    fn a_server_that_says_nothing_wishes_nothing() {
        let response = Response { status: 503, headers: Vec::new(), body: Vec::new() };
        assert_eq!(parse_retry_after(&response, NOW), None);
    }
}
