//! How a panel of light looks apart from its picture: how bright, where its picture stands, and whether it is dark.
//!
//! An OLED's pixels wear out by being lit: a picture that stands for years stays behind as a shadow. So it moves by a pixel
//! while nobody is there, and may go dark. A person who does something has it as it was at once. What it deliberately does
//! not know: pixels and chips. Times are milliseconds of a clock that never decreases.

use crate::config::panel::Care;

/// While nobody does anything, the picture moves after each so many milliseconds.
pub const SHIFT_EVERY_MS: u64 = 120_000;

/// Where the picture stands one after the other, in pixels to the right and down: each neighbour of a pixel, and itself.
const SHIFTS: [(u32, u32); 4] = [(0, 0), (1, 0), (1, 1), (0, 1)];

/// How a panel looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appearance {
    /// 0 is the least that the chip can do, which is still seen, and 255 the most.
    pub contrast: u8,
    /// Nothing is lit.
    pub is_dark: bool,
    /// Pixels by which the picture is moved to the right and down.
    pub shift: (u32, u32),
}

/// What is known of the people before a panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surroundings {
    /// Since when nobody has done anything, or is to do something at once. None: somebody does.
    pub quiet_since: Option<u64>,
    /// Something is shown that a person has to mend some time.
    pub is_needed: bool,
    /// Minutes since the local midnight. None: the time is not known.
    pub minute_of_day: Option<u16>,
}

/// How a panel looks at `now_ms`. Where the time is not known, it is day.
#[must_use]
pub fn plan_appearance(care: &Care, surroundings: Surroundings, now_ms: u64) -> Appearance {
    let night = care.night.filter(|night| surroundings.minute_of_day.is_some_and(|minute| night.contains(minute)));
    let contrast = night.map_or(care.contrast, |night| night.contrast);
    let Some(since) = surroundings.quiet_since else { return Appearance { contrast, is_dark: false, shift: (0, 0) } };
    let quiet_for_ms = now_ms.saturating_sub(since);
    let place = usize::try_from(quiet_for_ms / SHIFT_EVERY_MS).unwrap_or(0) % SHIFTS.len();
    Appearance {
        contrast,
        is_dark: !surroundings.is_needed && care.blank_after_ms().is_some_and(|after| quiet_for_ms >= after),
        shift: SHIFTS.get(place).copied().unwrap_or_default(),
    }
}

/// When it may look otherwise for being quiet, later than `now_ms`. None: not without something happening.
#[must_use]
pub fn next_change(care: &Care, surroundings: Surroundings, now_ms: u64) -> Option<u64> {
    let since = surroundings.quiet_since?;
    let steps = now_ms.saturating_sub(since) / SHIFT_EVERY_MS + 1;
    let shift = since.saturating_add(steps.saturating_mul(SHIFT_EVERY_MS));
    let dark = care.blank_after_ms().map(|after| since.saturating_add(after)).filter(|at| *at > now_ms);
    Some(dark.map_or(shift, |dark| dark.min(shift)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::panel::Night;

    const CARE: Care = Care {
        contrast: 127,
        night: Some(Night { from_minute: 22 * 60, to_minute: 6 * 60, contrast: 1 }),
        blank_after: Some(Duration::from_secs(600)),
    };

    fn planned(care: &Care, quiet_since: Option<u64>, minute_of_day: Option<u16>, now_ms: u64) -> Appearance {
        plan_appearance(care, Surroundings { quiet_since, is_needed: false, minute_of_day }, now_ms)
    }

    #[test]
    fn a_panel_is_dimmed_at_night() {
        let day = Care { night: Some(Night { from_minute: 60, to_minute: 120, contrast: 9 }), ..CARE };
        let table = [
            (&CARE, Some(21 * 60 + 59), 127),
            (&CARE, Some(22 * 60), 1),
            (&CARE, Some(0), 1),
            (&CARE, Some(5 * 60 + 59), 1),
            (&CARE, Some(6 * 60), 127),
            (&CARE, None, 127),
            (&day, Some(59), 127),
            (&day, Some(60), 9),
            (&day, Some(119), 9),
            (&day, Some(120), 127),
        ];
        for (care, minute, contrast) in table {
            for quiet_since in [None, Some(0)] {
                assert_eq!(planned(care, quiet_since, minute, 5).contrast, contrast, "{minute:?}");
            }
        }
    }

    #[test]
    fn a_panel_before_which_nobody_is_moves_its_picture_and_goes_dark() {
        let awake = Care { blank_after: None, ..CARE };
        let table = [
            (&CARE, None, 9_999_999, (0, 0), false),
            (&CARE, Some(1_000), 1_000, (0, 0), false),
            (&CARE, Some(1_000), 120_999, (0, 0), false),
            (&CARE, Some(1_000), 121_000, (1, 0), false),
            (&CARE, Some(1_000), 241_000, (1, 1), false),
            (&CARE, Some(1_000), 361_000, (0, 1), false),
            (&CARE, Some(1_000), 481_000, (0, 0), false),
            (&CARE, Some(1_000), 600_999, (0, 0), false),
            (&CARE, Some(1_000), 601_000, (1, 0), true),
            (&awake, Some(1_000), 601_000, (1, 0), false),
            // A clock that was read before what it is compared with.
            (&CARE, Some(1_000), 0, (0, 0), false),
        ];
        for (care, since, now_ms, shift, is_dark) in table {
            let planned = planned(care, since, None, now_ms);
            assert_eq!((planned.shift, planned.is_dark), (shift, is_dark), "quiet since {since:?}, at {now_ms}");
        }
    }

    #[test]
    fn what_a_person_has_to_mend_stays_to_be_seen() {
        let surroundings = Surroundings { quiet_since: Some(0), is_needed: true, minute_of_day: None };
        let planned = plan_appearance(&CARE, surroundings, 9_000_000);
        assert!(!planned.is_dark);
        assert_ne!(planned.shift, (0, 0));
    }

    #[test]
    fn it_is_looked_at_again_when_it_may_look_otherwise() {
        let short = Care { blank_after: Some(Duration::from_secs(30)), ..CARE };
        let table = [
            (&CARE, None, 5, None),
            (&CARE, Some(1_000), 1_000, Some(121_000)),
            (&CARE, Some(1_000), 121_000, Some(241_000)),
            (&CARE, Some(1_000), 481_000, Some(601_000)),
            (&CARE, Some(1_000), 601_000, Some(721_000)),
            (&short, Some(1_000), 1_000, Some(31_000)),
            (&short, Some(1_000), 31_000, Some(121_000)),
        ];
        for (care, quiet_since, now_ms, at) in table {
            let surroundings = Surroundings { quiet_since, is_needed: false, minute_of_day: None };
            assert_eq!(next_change(care, surroundings, now_ms), at, "quiet since {quiet_since:?}, at {now_ms}");
        }
    }
}
