//! From what an input reported to what a person meant: a press, a long or a double one, or a choice turned so far.
//!
//! What it deliberately does not know: which input it is, and what a press means. Times are milliseconds of a clock that
//! never decreases, and are given; the caller keeps one [`Recognizer`] for each input.
//!
//! Two kinds of sources need two rules. Where press and release are both known (GPIO, terminals that report releases),
//! a contact that bounces is told from a person by time, and a hold by the missing release. Where a terminal only
//! repeats what it would type, a hold is a train of strokes, the first of which is followed by a longer gap; any stroke
//! close enough to the one before it belongs to the same hold.

use std::time::Duration;

use crate::config::input::{Action, Input, Step, Trigger};
use crate::input::Motion;

/// What a person meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gesture {
    /// One press.
    Press,
    /// A press that was held for long enough to be another one.
    LongPress,
    /// Two presses, close enough to be one.
    DoublePress,
    /// A choice turned on by so many items; back where negative.
    Turn(i32),
}

/// Recognizes the gestures of one input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recognizer {
    button: Button,
    does: Does,
}

/// What an input does.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Does {
    /// It presses, and which press it is needs no time to tell.
    Press,
    /// It presses, and time tells which press it is.
    TimedPress(TimedPress),
    /// Each edge or detent turns a choice by so many items.
    Turn(i32),
}

impl Recognizer {
    /// For an input that has not moved yet.
    #[must_use]
    pub fn new(input: &Input) -> Self {
        let debounce_ms = milliseconds(input.debounce_for);
        let bounce_ms = match input.trigger {
            // A keyboard knows of no bounces: its debounce is for terminals that repeat a key that is held.
            Trigger::Key(_) => debounce_ms.min(Timing::default().bounce_ms),
            _ => debounce_ms,
        };
        let timing = Timing { bounce_ms, hold_ms: debounce_ms };
        let does = match &input.action {
            Action::Press(presses) if presses.long.is_none() && presses.double.is_none() => Does::Press,
            Action::SignIn(_) => Does::Press,
            Action::Press(presses) => Does::TimedPress(TimedPress {
                bounce_ms,
                long_ms: presses.long.as_ref().map(|(after, _)| milliseconds(*after)),
                double_ms: presses.double.as_ref().map(|(within, _)| milliseconds(*within)),
                stage: Stage::Rests,
            }),
            Action::Turn(turn) => Does::Turn(match turn.step {
                Step::Forward => 1,
                Step::Back => -1,
            }),
        };
        Self { button: Button::new(timing), does }
    }

    /// What an edge means, if anything, after what [`Recognizer::elapse`] made of the time up to it.
    pub fn edge(&mut self, motion: Motion, at_ms: u64) -> Option<Gesture> {
        match &mut self.does {
            Does::Press => self.button.press(motion, at_ms).then_some(Gesture::Press),
            Does::TimedPress(timed) => {
                let is_press = self.button.press(motion, at_ms);
                timed.edge(motion, is_press, at_ms)
            }
            Does::Turn(steps) => self.button.turn(motion, at_ms).then_some(Gesture::Turn(*steps)),
        }
    }

    /// When time alone decides what was meant, in milliseconds of the clock. None: nothing waits for that.
    #[must_use]
    pub fn due_ms(&self) -> Option<u64> {
        match &self.does {
            Does::TimedPress(timed) => timed.due_ms(),
            Does::Press | Does::Turn(_) => None,
        }
    }

    /// What time has decided by now, if anything.
    pub fn elapse(&mut self, now_ms: u64) -> Option<Gesture> {
        match &mut self.does {
            Does::TimedPress(timed) => timed.elapse(now_ms),
            Does::Press | Does::Turn(_) => None,
        }
    }

    /// What a press that was let go, and might have become a double press, is where nothing follows any more.
    pub fn finish(&mut self) -> Option<Gesture> {
        match &mut self.does {
            Does::TimedPress(timed) => timed.finish(),
            Does::Press | Does::Turn(_) => None,
        }
    }

    /// What so many detents of an encoder mean. Nothing for an input that presses.
    #[must_use]
    pub fn turn(&self, detents: i32) -> Option<Gesture> {
        let Does::Turn(steps) = self.does else { return None };
        let steps = steps.saturating_mul(detents);
        (steps != 0).then_some(Gesture::Turn(steps))
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Tells a press from a long one and a double one.
///
/// A long press counts when its time has come, while the button is still held: a person learns from the panel when to let
/// go. A double press counts when the button goes down again; what it does until it is let go then means nothing more.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TimedPress {
    /// Let go for less than this, the contact has only bounced.
    bounce_ms: u64,
    /// A press that is held for so long is a long one.
    long_ms: Option<u64>,
    /// A press that comes within this time after one was let go makes it a double one.
    double_ms: Option<u64>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing is to be told.
    Rests,
    /// It was pressed.
    Held {
        since_ms: u64,
        /// Since when the contact is open, where it is: it was let go, or bounces.
        open_since_ms: Option<u64>,
    },
    /// It was pressed and let go. If it is pressed again until then, that was a double press.
    LetGo { until_ms: u64 },
}

impl TimedPress {
    /// `is_press`: it is the beginning of a press, and no bounce.
    fn edge(&mut self, motion: Motion, is_press: bool, at_ms: u64) -> Option<Gesture> {
        match (self.stage, motion) {
            (Stage::LetGo { .. }, _) if is_press => {
                self.stage = Stage::Rests;
                Some(Gesture::DoublePress)
            }
            (Stage::Rests, Motion::Stroke | Motion::Tap) if is_press => self.let_go(at_ms),
            (Stage::Rests, _) if is_press => {
                self.stage = Stage::Held { since_ms: at_ms, open_since_ms: None };
                None
            }
            (Stage::Held { since_ms, .. }, Motion::Down | Motion::Repeat) => {
                self.stage = Stage::Held { since_ms, open_since_ms: None };
                None
            }
            (Stage::Held { since_ms, open_since_ms: None }, Motion::Up) => {
                self.stage = Stage::Held { since_ms, open_since_ms: Some(at_ms) };
                None
            }
            _ => None,
        }
    }

    fn due_ms(&self) -> Option<u64> {
        match self.stage {
            Stage::Rests => None,
            Stage::Held { open_since_ms: Some(open_since_ms), .. } => {
                Some(open_since_ms.saturating_add(self.bounce_ms))
            }
            Stage::Held { since_ms, open_since_ms: None } => Some(since_ms.saturating_add(self.long_ms?)),
            Stage::LetGo { until_ms } => Some(until_ms),
        }
    }

    fn elapse(&mut self, now_ms: u64) -> Option<Gesture> {
        while self.due_ms().is_some_and(|due_ms| due_ms <= now_ms) {
            let gesture = match self.stage {
                Stage::Held { open_since_ms: Some(open_since_ms), since_ms } => {
                    let held_ms = open_since_ms.saturating_sub(since_ms);
                    // The contact bounced when its time came.
                    if self.long_ms.is_some_and(|long_ms| held_ms >= long_ms) {
                        self.stage = Stage::Rests;
                        Some(Gesture::LongPress)
                    } else {
                        self.let_go(open_since_ms)
                    }
                }
                Stage::Held { open_since_ms: None, .. } => {
                    self.stage = Stage::Rests;
                    Some(Gesture::LongPress)
                }
                Stage::Rests | Stage::LetGo { .. } => {
                    self.stage = Stage::Rests;
                    Some(Gesture::Press)
                }
            };
            if gesture.is_some() {
                return gesture;
            }
        }
        None
    }

    /// It was let go before it was a long press.
    fn let_go(&mut self, at_ms: u64) -> Option<Gesture> {
        match self.double_ms {
            Some(double_ms) => {
                self.stage = Stage::LetGo { until_ms: at_ms.saturating_add(double_ms) };
                None
            }
            None => {
                self.stage = Stage::Rests;
                Some(Gesture::Press)
            }
        }
    }

    fn finish(&mut self) -> Option<Gesture> {
        let was_let_go = match std::mem::replace(&mut self.stage, Stage::Rests) {
            Stage::Held { open_since_ms, .. } => open_since_ms.is_some(),
            Stage::LetGo { .. } => true,
            Stage::Rests => false,
        };
        was_let_go.then_some(Gesture::Press)
    }
}

/// The two windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Timing {
    /// Milliseconds for which an edge makes those that follow it bounces.
    bounce_ms: u64,
    /// Milliseconds within which a stroke continues the hold of the stroke before it.
    hold_ms: u64,
}

impl Default for Timing {
    /// 40 ms: worn push-buttons bounce for up to 30, nobody presses twice in 40. 700 ms: keyboards begin to repeat after
    /// 250 to 660.
    fn default() -> Self {
        Self { bounce_ms: 40, hold_ms: 700 }
    }
}

/// One button or key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Button {
    timing: Timing,
    down: bool,
    moved_at: Option<u64>,
}

impl Button {
    /// A button that is up and has not moved yet.
    fn new(timing: Timing) -> Self {
        Self { timing, down: false, moved_at: None }
    }

    /// Whether this motion is a press.
    fn press(&mut self, motion: Motion, now_ms: u64) -> bool {
        let rested_ms = self.moved_at.map(|moved_at| now_ms.saturating_sub(moved_at));
        let rested = |window_ms| rested_ms.is_none_or(|rested_ms| rested_ms >= window_ms);
        // The kernel reads the level a little after the edge. A contact that bounces while it closes may be open again by
        // then, and what is told first is that it opened, which it was. The closing that follows at once is the press.
        let is_read_late = motion == Motion::Up && !self.down && rested(self.timing.bounce_ms);
        // Every other motion counts as the one before the next, also one that is not a press: both windows slide.
        if !is_read_late {
            self.moved_at = Some(now_ms);
        }
        match motion {
            Motion::Down => {
                let was_down = std::mem::replace(&mut self.down, true);
                !was_down && rested(self.timing.bounce_ms)
            }
            Motion::Repeat => {
                self.down = true;
                false
            }
            Motion::Up => {
                self.down = false;
                false
            }
            Motion::Stroke => rested(self.timing.hold_ms),
            Motion::Tap => true,
        }
    }

    /// Whether this motion turns a choice by one: as a press does, and again for each repeat while the key is held.
    fn turn(&mut self, motion: Motion, now_ms: u64) -> bool {
        self.press(motion, now_ms) || matches!(motion, Motion::Repeat | Motion::Stroke)
    }
}

#[cfg(test)]
mod tests;
