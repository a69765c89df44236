//! Times as a person at the panel reads them.

use std::borrow::Cow;

use punchcard_sdk::{Certainty, Instant};

/// The local time of day: `09:02`.
pub(crate) fn clock(at: Instant) -> String {
    let local_minutes = at.unix_micros.div_euclid(60_000_000) + i64::from(at.utc_offset_minutes);
    let minutes = local_minutes.rem_euclid(24 * 60);
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// The same, and `~09:02` where it is a guess.
pub(crate) fn about(at: Instant, certainty: Certainty) -> String {
    match certainty {
        Certainty::Known => clock(at),
        Certainty::Estimated => format!("~{}", clock(at)),
    }
}

/// A span of time to the minute: `1:30 h`.
pub(crate) fn span(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "a span of instants fits; the cast saturates")]
    let minutes = (seconds / 60.0).round() as i64;
    format!("{}:{:02} h", minutes / 60, minutes % 60)
}

/// Who does what, as far as it has a name: `Anna: Garden`, `Anna`, `Garden`.
pub(crate) fn work<'a>(person: &'a str, project: &'a str) -> Cow<'a, str> {
    match (person, project) {
        ("", "") => Cow::Borrowed("Work"),
        ("", one) | (one, "") => Cow::Borrowed(one),
        (person, project) => Cow::Owned(format!("{person}: {project}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(unix_micros: i64, utc_offset_minutes: i16) -> Instant {
        Instant { unix_micros, utc_offset_minutes }
    }

    #[test]
    fn the_clock_shows_local_time() {
        assert_eq!(clock(at(0, 0)), "00:00");
        assert_eq!(clock(at(0, 600)), "10:00");
        assert_eq!(clock(at(0, -90)), "22:30");
        assert_eq!(clock(at(59_999_999, 0)), "00:00");
        assert_eq!(clock(at(-1, 0)), "23:59");
        assert_eq!(clock(at(86_400_000_000 + 3_660_000_000, 0)), "01:01");
    }

    #[test]
    fn spans_are_to_the_nearest_minute() {
        for (seconds, text) in [(0.0, "0:00 h"), (29.0, "0:00 h"), (30.0, "0:01 h"), (5_400.0, "1:30 h")] {
            assert_eq!(span(seconds), text);
        }
        assert_eq!(span(100.0 * 3_600.0), "100:00 h");
    }
}
