//! Which badges are before a reader: one that is held there, or read again and again, is one press.

use super::BadgeNumber;

/// The most badges of which it is known that they were read a moment ago. More at once are no people.
const MOST: usize = 64;

/// The badges that were read a moment ago, of one reader.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Presence {
    /// With when each was read last, in milliseconds; the newest is the last.
    seen: Vec<(BadgeNumber, u64)>,
}

impl Presence {
    /// Whether a badge that is read now is a press. It is none when the same was read within `again_after_ms` before, be that
    /// a press or not: a badge that is held for a minute is one press, however often its reader sends it.
    pub fn is_press(&mut self, number: &BadgeNumber, at_ms: u64, again_after_ms: u64) -> bool {
        self.seen.retain(|(_, seen_ms)| at_ms.saturating_sub(*seen_ms) < again_after_ms);
        let before = self.seen.iter().position(|(seen, _)| seen == number);
        if let Some(position) = before {
            self.seen.remove(position);
        } else if self.seen.len() == MOST {
            self.seen.remove(0);
        }
        self.seen.push((number.clone(), at_ms));
        before.is_none()
    }

    /// Forgets that this badge was read: a press that was not recorded may be made again at once.
    pub fn forget(&mut self, number: &BadgeNumber) {
        self.seen.retain(|(seen, _)| seen != number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> BadgeNumber {
        BadgeNumber::parse(text).unwrap()
    }

    #[test]
    fn a_script_of_readings_makes_these_presses() {
        // A window of 3,000 ms.
        type Case = (&'static str, &'static [(u64, &'static str)], &'static [u64]);
        let table: [Case; 6] = [
            ("one", &[(0, "7")], &[0]),
            ("held", &[(0, "7"), (1_000, "7"), (2_000, "7"), (4_999, "7"), (7_998, "7")], &[0]),
            ("shown again", &[(0, "7"), (3_000, "7")], &[0, 3_000]),
            ("two people", &[(0, "7"), (100, "8")], &[0, 100]),
            ("two badges in one purse", &[(0, "7"), (500, "8"), (1_000, "7"), (1_500, "8"), (2_000, "7")], &[0, 500]),
            ("a clock that steps back", &[(9_000, "7"), (8_000, "7"), (12_000, "7")], &[9_000, 12_000]),
        ];
        for (name, script, expected) in table {
            let mut presence = Presence::default();
            let presses: Vec<u64> = script
                .iter()
                .filter(|(at_ms, text)| presence.is_press(&number(text), *at_ms, 3_000))
                .map(|(at_ms, _)| *at_ms)
                .collect();
            assert_eq!(presses, expected, "{name}");
        }
    }

    #[test]
    fn a_badge_that_is_held_for_a_minute_is_one_press() {
        let mut presence = Presence::default();
        let presses = (0..600).filter(|tenth| presence.is_press(&number("7"), tenth * 100, 3_000)).count();
        assert_eq!(presses, 1);
    }

    #[test]
    fn after_a_press_that_was_not_recorded_the_same_badge_is_one_again() {
        let mut presence = Presence::default();
        assert!(presence.is_press(&number("7"), 0, 3_000));
        assert!(presence.is_press(&number("8"), 0, 3_000));
        presence.forget(&number("7"));
        assert!(presence.is_press(&number("7"), 1, 3_000));
        assert!(!presence.is_press(&number("8"), 1, 3_000));
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let mut presence = Presence::default();
        for badge in 0..1_000 {
            assert!(presence.is_press(&number(&badge.to_string()), 0, 3_000));
        }
        assert_eq!(presence.seen.len(), MOST);
        assert!(!presence.is_press(&number("999"), 0, 3_000), "the newest is still known");
    }
}
