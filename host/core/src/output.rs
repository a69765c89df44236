//! What a lamp or a buzzer does: pulses for what just happened, and a standing sign while something is wrong.
//!
//! Times are milliseconds of a clock that never decreases, and are given.

/// What an output does on which occasion.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Behavior {
    /// `recorded`: a press is in the ledger.
    pub recorded: Pulses,
    /// `refused`: a press is not.
    pub refused: Pulses,
    /// `problem`: while something is wrong with the device.
    pub problem: Option<Sign>,
}

/// Milliseconds on, off, on, and so on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pulses(pub Vec<u32>);

/// What lasts for as long as its occasion does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Always on.
    On,
    /// Half a second on, half a second off.
    Blink,
}

/// Milliseconds of each half of [`Sign::Blink`].
const BLINK_MS: u64 = 500;

/// What outputs follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Occasion {
    /// What became of the last press, and when that was known.
    pub press: Option<(PressOutcome, u64)>,
    /// Something is wrong with the device.
    pub has_problem: bool,
}

/// What became of a press.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PressOutcome {
    /// It is in the ledger.
    Recorded,
    /// It is not.
    Refused,
}

/// Whether an output is on at a moment, and when that changes by itself.
#[must_use]
pub fn plan_output(behavior: &Behavior, occasion: &Occasion, now_ms: u64) -> (bool, Option<u64>) {
    if let Some((outcome, at_ms)) = occasion.press {
        let pulses = match outcome {
            PressOutcome::Recorded => &behavior.recorded,
            PressOutcome::Refused => &behavior.refused,
        };
        let mut ends_ms = at_ms;
        for (index, pulse_ms) in pulses.0.iter().enumerate() {
            ends_ms = ends_ms.saturating_add(u64::from(*pulse_ms));
            if now_ms < ends_ms {
                return (index % 2 == 0, Some(ends_ms));
            }
        }
    }
    match behavior.problem.filter(|_| occasion.has_problem) {
        None => (false, None),
        Some(Sign::On) => (true, None),
        Some(Sign::Blink) => {
            let half = now_ms / BLINK_MS;
            (half.is_multiple_of(2), Some((half + 1) * BLINK_MS))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_follows_what_happens() {
        let behavior =
            Behavior { recorded: Pulses(vec![200]), refused: Pulses(vec![100, 50, 100]), problem: Some(Sign::Blink) };
        let press = |outcome| Some((outcome, 1_000));
        let (recorded, refused) = (press(PressOutcome::Recorded), press(PressOutcome::Refused));
        type Case = (Option<(PressOutcome, u64)>, bool, u64, (bool, Option<u64>));
        let table: [Case; 13] = [
            (None, false, 5, (false, None)),
            (None, true, 0, (true, Some(500))),
            (None, true, 999, (false, Some(1_000))),
            (recorded, false, 1_000, (true, Some(1_200))),
            (recorded, false, 1_199, (true, Some(1_200))),
            (recorded, false, 1_200, (false, None)),
            (recorded, true, 1_100, (true, Some(1_200))),
            (recorded, true, 1_600, (false, Some(2_000))),
            (refused, false, 1_000, (true, Some(1_100))),
            (refused, false, 1_100, (false, Some(1_150))),
            (refused, false, 1_249, (true, Some(1_250))),
            (refused, false, 1_250, (false, None)),
            // A press that was noted a moment after this look is not over.
            (recorded, false, 990, (true, Some(1_200))),
        ];
        for (press, has_problem, now_ms, expected) in table {
            assert_eq!(plan_output(&behavior, &Occasion { press, has_problem }, now_ms), expected, "{now_ms}");
        }
        let steady = Behavior { problem: Some(Sign::On), ..Behavior::default() };
        let wrong = Occasion { press: recorded, has_problem: true };
        assert_eq!(plan_output(&steady, &wrong, 1_000), (true, None), "without pulses a press changes nothing");
    }
}
