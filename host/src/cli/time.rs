//! Moments as a person reads them in a table.

use jiff::tz::{Offset, TimeZone};
use punchcard_core::time::Instant;

/// The local date and time of the device then: `2026-11-21 09:02:17`.
pub(super) fn render_local(at: Instant) -> String {
    let offset = Offset::from_seconds(i32::from(at.utc_offset_minutes) * 60).unwrap_or(Offset::UTC);
    match jiff::Timestamp::from_microsecond(at.unix_micros) {
        Ok(moment) => offset.to_datetime(moment).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => format!("{} µs", at.unix_micros),
    }
}

/// The same of a moment that is known without an offset, in Unix microseconds.
pub(super) fn render_local_in(zone: &TimeZone, unix_micros: i64) -> String {
    let offset = jiff::Timestamp::from_microsecond(unix_micros).map_or(Offset::UTC, |moment| zone.to_offset(moment));
    let utc_offset_minutes = i16::try_from(offset.seconds() / 60).unwrap_or(0);
    render_local(Instant { unix_micros, utc_offset_minutes })
}

/// The same for machines: RFC 3339 with the device's offset.
pub(super) fn render_rfc_3339(at: Instant) -> String {
    let offset = Offset::from_seconds(i32::from(at.utc_offset_minutes) * 60).unwrap_or(Offset::UTC);
    match jiff::Timestamp::from_microsecond(at.unix_micros) {
        Ok(moment) => moment.display_with_offset(offset).to_string(),
        Err(_) => String::new(),
    }
}

/// The same of a moment that is known without an offset, in Unix microseconds, to the second.
pub(super) fn render_rfc_3339_in(zone: &TimeZone, unix_micros: i64) -> String {
    let moment = jiff::Timestamp::from_microsecond(unix_micros).map(|moment| moment.to_zoned(zone.clone()));
    moment.map(|moment| moment.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()).unwrap_or_default()
}

/// A span to the second: `29 min 5 s`.
pub(super) fn render_span(seconds: u64) -> String {
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_local_to_the_device() {
        let at = Instant { unix_micros: 1_709_251_199_500_000, utc_offset_minutes: 600 };
        assert_eq!(render_local(at), "2024-03-01 09:59:59");
        assert_eq!(render_rfc_3339(at), "2024-03-01T09:59:59.5+10:00");
        let zone = jiff::tz::TimeZoneDatabase::bundled().get("Australia/Brisbane").unwrap();
        assert_eq!(render_local_in(&zone, at.unix_micros), render_local(at));
        assert_eq!(render_rfc_3339_in(&zone, at.unix_micros), "2024-03-01T09:59:59+10:00");
    }

    #[test]
    fn spans_name_two_units() {
        assert_eq!([59, 61, 3_600, 90_061].map(render_span), ["59 s", "1 min 1 s", "1 h 0 min", "25 h 1 min"]);
    }
}
