//! Sideways scrolling: how far a text that is wider than its field has moved.
//!
//! The text rests at its start, moves to the left until its end is seen, rests there, and starts again. Where it is
//! depends on nothing but the time since it appeared.

/// Milliseconds for which the start, and the end, stand still.
pub(super) const REST_MS: u64 = 1_500;
/// Milliseconds for one pixel: 40 pixels a second, about six characters.
pub(super) const STEP_MS: u64 = 25;

/// The movement of one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scroll {
    /// Pixels by which the text is wider than its field.
    overflow: u32,
}

impl Scroll {
    pub(super) fn new(text_width: u32, field_width: u32) -> Self {
        Self { overflow: text_width.saturating_sub(field_width) }
    }

    /// Milliseconds from one start to the next.
    pub(super) fn cycle_ms(self) -> u64 {
        2 * REST_MS + STEP_MS * u64::from(self.overflow)
    }

    /// Pixels by which the text has moved to the left.
    pub(super) fn offset(self, shown_for_ms: u64) -> u32 {
        let moving_ms = (shown_for_ms % self.cycle_ms()).saturating_sub(REST_MS);
        u32::try_from(moving_ms / STEP_MS).unwrap_or(u32::MAX).min(self.overflow)
    }

    /// Milliseconds until the offset is another. None: never.
    pub(super) fn next_step(self, shown_for_ms: u64) -> Option<u64> {
        if self.overflow == 0 {
            return None;
        }
        let at = shown_for_ms % self.cycle_ms();
        let offset = u64::from(self.offset(at));
        let next = if offset == u64::from(self.overflow) { self.cycle_ms() } else { REST_MS + (offset + 1) * STEP_MS };
        Some(next - at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_rests_moves_rests_and_starts_again() {
        let scroll = Scroll::new(103, 100);
        let table = [
            (0, 0, 1_525),
            (1_524, 0, 1),
            (1_525, 1, 25),
            (1_550, 2, 25),
            (1_574, 2, 1),
            (1_575, 3, 1_500),
            (3_074, 3, 1),
            (3_075, 0, 1_525),
            (3_075 * 9 + 1_530, 1, 20),
        ];
        for (shown_for_ms, offset, next) in table {
            assert_eq!(scroll.offset(shown_for_ms), offset, "{shown_for_ms}");
            assert_eq!(scroll.next_step(shown_for_ms), Some(next), "{shown_for_ms}");
        }
    }

    #[test]
    fn a_text_that_fits_does_not_move() {
        for shown_for_ms in [0, 1_525, 10_000, u64::MAX] {
            assert_eq!(Scroll::new(100, 100).offset(shown_for_ms), 0);
            assert_eq!(Scroll::new(5, 100).next_step(shown_for_ms), None);
        }
    }

    proptest! {
        #[test]
        fn every_column_is_seen_within_a_cycle(text in 0_u32..1_000, field in 1_u32..200, start in 0_u64..100_000) {
            let scroll = Scroll::new(text, field);
            let mut seen = vec![false; text as usize];
            let mut now = start;
            while now < start + scroll.cycle_ms() {
                let offset = scroll.offset(now);
                for column in seen.iter_mut().skip(offset as usize).take(field as usize) {
                    *column = true;
                }
                let Some(step) = scroll.next_step(now) else { break };
                prop_assert_ne!(scroll.offset(now + step), offset);
                prop_assert_eq!(scroll.offset(now + step - 1), offset);
                now += step;
            }
            prop_assert!(seen.into_iter().all(|column| column));
        }
    }
}
