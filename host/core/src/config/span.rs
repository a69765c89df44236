//! A span of time as a person writes it: `30s`, `10min`, `2h`.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::node::{Node, quote};

/// Reads a span of so many seconds. `accepted`: the bounds in the words of the text, such as "`10s` to `24h`".
pub(super) fn parse_span(node: &Node<'_, '_>, seconds: RangeInclusive<u64>, accepted: &str) -> Option<Duration> {
    let text = node.text()?;
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit_seconds = match unit {
        "s" => Some(1),
        "min" => Some(60),
        "h" => Some(3_600),
        _ => None,
    };
    let found = number.parse::<u64>().ok().zip(unit_seconds).and_then(|(number, unit)| number.checked_mul(unit));
    match found {
        Some(found) if seconds.contains(&found) => Some(Duration::from_secs(found)),
        _ => node.refuse(format!("found {}; accepted is {accepted}, in `s`, `min` or `h`", quote(text))),
    }
}
