//! Moments: when an event happened, as a cell that says how sure that is, and as text.

use crate::{Cell, Certainty, Event, Instant};

impl Event {
    /// The cell of its moment, which is marked where the moment is a guess.
    #[must_use]
    pub fn moment(&self) -> Cell {
        self.certainty.moment(self.at)
    }
}

impl Certainty {
    /// The cell of a moment that is this certain.
    #[must_use]
    pub fn moment(self, at: Instant) -> Cell {
        match self {
            Self::Known => Cell::Moment(at),
            Self::Estimated => Cell::Estimated(at),
        }
    }
}

impl Instant {
    /// `2026-11-21T22:58:43.000001+10:00` (RFC 3339 §5.6), in the device's time zone then.
    #[must_use]
    pub fn to_rfc_3339(self) -> String {
        let offset = i64::from(self.utc_offset_minutes);
        let local = self.unix_micros.saturating_add(offset * 60_000_000);
        let (days, micros) = (local.div_euclid(86_400_000_000), local.rem_euclid(86_400_000_000));
        let (year, month, day) = civil(days);
        let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        let (sign, offset) = (if offset < 0 { '-' } else { '+' }, offset.abs());
        let (offset_hour, offset_minute) = (offset / 60, offset % 60);
        format!(
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:06}{sign}{offset_hour:02}:{offset_minute:02}"
        )
    }
}

/// The date of a day counted from 1970-01-01, by counting years from 0000-03-01 in eras of 400.
fn civil(days: i64) -> (i64, i64, i64) {
    let since_march = days + 719_468;
    let (era, day_of_era) = (since_march.div_euclid(146_097), since_march.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_as_certain_as_its_event() {
        let at = Instant { unix_micros: 1, utc_offset_minutes: 60 };
        let event = |certainty| Event {
            id: "01J".into(),
            at,
            certainty,
            source: "clock".into(),
            kind: "punch".into(),
            fields: vec![],
        };
        assert_eq!(event(Certainty::Known).moment(), Cell::Moment(at));
        assert_eq!(event(Certainty::Estimated).moment(), Cell::Estimated(at));
    }

    #[test]
    fn moments_are_rfc_3339_with_the_devices_offset() {
        let table = [
            (0, 0, "1970-01-01T00:00:00.000000+00:00"),
            (-1, 0, "1969-12-31T23:59:59.999999+00:00"),
            (1_709_164_800_000_000, 0, "2024-02-29T00:00:00.000000+00:00"),
            (1_709_251_199_000_000, 600, "2024-03-01T09:59:59.000000+10:00"),
            (1_704_067_199_123_456, -210, "2023-12-31T20:29:59.123456-03:30"),
            (951_782_400_000_000, 0, "2000-02-29T00:00:00.000000+00:00"),
            (4_107_542_400_000_000, 0, "2100-03-01T00:00:00.000000+00:00"),
        ];
        for (unix_micros, utc_offset_minutes, text) in table {
            assert_eq!(Instant { unix_micros, utc_offset_minutes }.to_rfc_3339(), text);
        }
    }
}
