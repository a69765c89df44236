//! What a badge means: whose press it is, and whether it is one.

use punchcard_core::badge::{BadgeNumber, BadgeRead};
use punchcard_core::config::input::{Action, Trigger};
use punchcard_core::name::InputName;
use tracing::debug;

use super::{INPUT_IS_GONE, Intake, Pressed};

impl Intake {
    /// A press to save, unless the same badge was read a moment ago. Its number is not logged: on a keypad it is known to one
    /// person alone.
    pub(super) fn badge(&mut self, read: BadgeRead) -> Option<Pressed> {
        let BadgeRead { input, number, at_ms } = read;
        let number = match number {
            Ok(number) => number,
            Err(reason) => {
                self.refuse(&input, &reason.to_string());
                return None;
            }
        };
        let reader = self.inputs.get_mut(&input).filter(|control| control.input.trigger.reads_badges());
        let Some((control, Action::Press(presses))) = reader.map(|control| {
            let action = control.input.action.clone();
            (control, action)
        }) else {
            self.refuse(&input, INPUT_IS_GONE);
            return None;
        };
        let again_after_ms = u64::try_from(control.input.debounce_for.as_millis()).unwrap_or(u64::MAX);
        if !control.presence.is_press(&number, at_ms, again_after_ms) {
            debug!(%input, "the same badge again, or still; that is one press");
            return None;
        }
        if !presses.once.share_commit_for.is_zero() {
            self.share(&input, &presses.once, Some(&number));
            return None;
        }
        let event = self.form(&input, &presses.once, Some(&number));
        Some(Pressed { input, event, badge: Some(number) })
    }

    /// What the panel says of whose badge it is.
    pub(super) fn whose(&self, number: &BadgeNumber) -> String {
        match self.people.name_of(number) {
            Some(name) => name.to_owned(),
            None if self.people.is_empty() => number.as_str().to_owned(),
            None => format!("unknown badge {}", number.as_str()),
        }
    }

    /// A press with this badge was not recorded: the same badge is one again at once. At a reader that sees a badge for as long
    /// as it lies there it has to be taken away first, or it would be refused many times a second.
    pub(super) fn forget(&mut self, input: &InputName, badge: Option<&BadgeNumber>) {
        if let (Some(control), Some(number)) = (self.inputs.get_mut(input), badge)
            && !matches!(control.input.trigger, Trigger::Pn532 { .. })
        {
            control.presence.forget(number);
        }
    }
}
