//! Where things stand on a panel, for each size.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::pixelcolor::BinaryColor;

use super::icon;
use super::text::{Field, SMALL, plain};

pub(super) mod high;
pub(super) mod low;
pub(super) mod small;

/// Draws one frame, and remembers what in it moves.
pub(super) struct Brush<'target, D> {
    target: &'target mut D,
    shown_for_ms: u64,
    moves_in_ms: Option<u64>,
}

impl<'target, D> Brush<'target, D>
where
    D: DrawTarget<Color = BinaryColor>,
{
    pub(super) fn new(target: &'target mut D, shown_for_ms: u64) -> Self {
        Self { target, shown_for_ms, moves_in_ms: None }
    }

    pub(super) fn moves_in_ms(&self) -> Option<u64> {
        self.moves_in_ms
    }

    /// A text in words.
    fn text(&mut self, field: Field, text: &str) -> Result<(), D::Error> {
        self.verbatim(field, &plain(text))
    }

    /// A text as it is.
    fn verbatim(&mut self, field: Field, text: &str) -> Result<(), D::Error> {
        let next = field.draw(self.target, text, self.shown_for_ms)?;
        self.moves_in(next);
        Ok(())
    }

    fn bar(&mut self, x: i32, y: i32, width: u32, height: u32) -> Result<(), D::Error> {
        icon::draw_bar(self.target, Point::new(x, y), Size::new(width, height))
    }

    /// One to three dots, one more each half second: something is under way.
    fn dots(&mut self, x: i32, y: i32) -> Result<(), D::Error> {
        const STEP_MS: u64 = 500;
        let count = self.shown_for_ms / STEP_MS % 3 + 1;
        for dot in (0..3).filter(|dot| *dot < count) {
            let right = i32::try_from(dot * 6).unwrap_or(0);
            self.bar(x + right, y, 3, 3)?;
        }
        self.moves_in(Some(STEP_MS - self.shown_for_ms % STEP_MS));
        Ok(())
    }

    /// The clock and how much waits for delivery, at the right of the first line. Gives the pixels that are left of it.
    fn corner(&mut self, clock: Option<&str>, undelivered: u64) -> Result<u32, D::Error> {
        let mut left = 128;
        if let Some(clock) = clock {
            left -= 30;
            self.verbatim(Field::new(left, 0, 30, 12, SMALL), clock)?;
            left -= 5;
        }
        if undelivered > 0 {
            let count = count(undelivered);
            let width = 6 * u32::try_from(count.len()).unwrap_or(0);
            left -= i32::try_from(width).unwrap_or(0);
            self.verbatim(Field::new(left, 0, width, 12, SMALL), &count)?;
            left -= 9;
            icon::draw_waiting(self.target, Point::new(left, 2))?;
            left -= 3;
        }
        Ok(u32::try_from(left).unwrap_or(0))
    }

    fn moves_in(&mut self, milliseconds: Option<u64>) {
        self.moves_in_ms = [self.moves_in_ms, milliseconds].into_iter().flatten().min();
    }
}

/// At most three characters.
fn count(count: u64) -> String {
    if count > 999 { "1k+".to_owned() } else { count.to_string() }
}

/// Minutes and seconds, or hours, in at most five characters for anything below 100 hours.
fn countdown(seconds: u32) -> String {
    match seconds / 60 {
        minutes @ 0..100 => format!("{minutes}:{:02}", seconds % 60),
        minutes => format!("{} h", minutes / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_countdown_counts_minutes_and_seconds() {
        let table = [(1, "0:01"), (59, "0:59"), (60, "1:00"), (1_799, "29:59"), (5_999, "99:59"), (6_000, "1 h")];
        for (seconds, expected) in table {
            assert_eq!(countdown(seconds), expected);
        }
    }

    #[test]
    fn a_count_has_at_most_three_characters() {
        for (undelivered, expected) in [(1, "1"), (999, "999"), (1_000, "1k+"), (u64::MAX, "1k+")] {
            assert_eq!(count(undelivered), expected);
        }
    }
}
