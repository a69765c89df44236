//! Outputs: lamps and buzzers on GPIO lines, which follow what happens.
//!
//! Each output asks for its line by itself, as inputs do: a line in use costs that output alone, and is asked for again every
//! few seconds. When an output is on is decided by [`punchcard_core::output`].

use std::collections::BTreeMap;
use std::io;

use punchcard_core::config::output::{Driven, Output};
use punchcard_core::name::OutputName;
use punchcard_core::output::{Occasion, plan_output};
use thiserror::Error;

use crate::gpio::{Chips, LineError, PwmChannel, PwmError, Switch};

/// Milliseconds between two tries for lines that are refused.
const AGAIN_AFTER_MS: u64 = 5_000;

/// Why an output is off.
#[derive(Debug, Error)]
pub(crate) enum OutputError {
    /// Its line can't be had.
    #[error(transparent)]
    Line(#[from] LineError),
    /// Its channel can't be had.
    #[error(transparent)]
    Pwm(#[from] PwmError),
    /// It is not switched any more.
    #[error("it can't be switched any more")]
    Switch(#[source] io::Error),
}

/// Outputs at work. Dropped, they are off.
pub(crate) struct Outputs<S: Switch = Box<dyn Switch>> {
    outputs: BTreeMap<OutputName, Output>,
    switched: BTreeMap<OutputName, Switched<S>>,
    /// When lines were asked for last, in milliseconds.
    asked_at_ms: Option<u64>,
    /// What was said of those that are off.
    said: BTreeMap<OutputName, String>,
}

struct Switched<S: Switch> {
    switch: S,
    is_on: bool,
}

impl<S: Switch> Drop for Switched<S> {
    fn drop(&mut self) {
        if self.is_on
            && let Err(error) = self.switch.switch(false)
        {
            tracing::debug!(%error, "an output can't be switched off; its line is gone");
        }
    }
}

impl Outputs {
    /// Outputs whose lines are asked for when they first show something.
    #[must_use]
    pub(crate) fn new(outputs: BTreeMap<OutputName, Output>) -> Self {
        Self::with_lines(outputs)
    }

    /// Switches each as it should be at `now_ms` of the monotonic clock. Returns when something changes by itself. `tell`
    /// hears which outputs are off, and why; None: it works again.
    pub(crate) fn show(
        &mut self,
        occasion: &Occasion,
        now_ms: u64,
        tell: impl FnMut(&OutputName, Option<&OutputError>),
    ) -> Option<u64> {
        // Looked for at each try: a chip may come later, and so may the permission to use it.
        let request = |outputs: &[(&OutputName, &Output)]| {
            let chips = Chips::find();
            let ask = |(name, output): &(&OutputName, &Output)| ((*name).clone(), open(&chips, output));
            outputs.iter().map(ask).collect()
        };
        self.show_on(occasion, now_ms, request, tell)
    }
}

impl<S: Switch> Outputs<S> {
    fn with_lines(outputs: BTreeMap<OutputName, Output>) -> Self {
        Self { outputs, switched: BTreeMap::new(), asked_at_ms: None, said: BTreeMap::new() }
    }

    fn show_on(
        &mut self,
        occasion: &Occasion,
        now_ms: u64,
        request: impl FnOnce(&[(&OutputName, &Output)]) -> Vec<(OutputName, Result<S, OutputError>)>,
        mut tell: impl FnMut(&OutputName, Option<&OutputError>),
    ) -> Option<u64> {
        let missing: Vec<_> = self.outputs.iter().filter(|(name, _)| !self.switched.contains_key(*name)).collect();
        if !missing.is_empty() && self.asked_at_ms.is_none_or(|at_ms| now_ms >= at_ms.saturating_add(AGAIN_AFTER_MS)) {
            self.asked_at_ms = Some(now_ms);
            for (name, requested) in request(&missing) {
                match requested {
                    Ok(switch) => {
                        if self.said.remove(&name).is_some() {
                            tell(&name, None);
                        }
                        self.switched.insert(name, Switched { switch, is_on: false });
                    }
                    Err(error) => say(&mut self.said, &name, &error, &mut tell),
                }
            }
        }
        let mut next_ms: Option<u64> = None;
        let (outputs, said) = (&self.outputs, &mut self.said);
        self.switched.retain(|name, switched| {
            let Some(output) = outputs.get(name) else { return false };
            let (is_on, changes_ms) = plan_output(&output.behavior, occasion, now_ms);
            next_ms = [next_ms, changes_ms].into_iter().flatten().min();
            if is_on == switched.is_on {
                return true;
            }
            let done = switched.switch.switch(is_on);
            switched.is_on = is_on && done.is_ok();
            done.map_err(|source| say(said, name, &OutputError::Switch(source), &mut tell)).is_ok()
        });
        let is_complete = self.switched.len() == self.outputs.len();
        let again_ms = self.asked_at_ms.filter(|_| !is_complete).map(|at_ms| at_ms.saturating_add(AGAIN_AFTER_MS));
        [next_ms, again_ms].into_iter().flatten().min()
    }
}

/// Asks for what an output switches.
fn open(chips: &Chips, output: &Output) -> Result<Box<dyn Switch>, OutputError> {
    match &output.driven {
        Driven::Line { chip, line } => Ok(chips.drive(chip, *line, output.is_active_low)?),
        Driven::Pwm { channel, hz, percent } => {
            Ok(Box::new(PwmChannel::open(*channel, *hz, *percent, output.is_active_low)?))
        }
    }
}

/// Says why an output is off, each reason once.
fn say(
    said: &mut BTreeMap<OutputName, String>,
    name: &OutputName,
    error: &OutputError,
    tell: &mut impl FnMut(&OutputName, Option<&OutputError>),
) {
    let words = error.to_string();
    if said.get(name) != Some(&words) {
        tell(name, Some(error));
        said.insert(name.clone(), words);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex};

    use punchcard_core::config::parse_what_is_valid;
    use punchcard_core::output::PressOutcome;

    use super::*;

    /// A line that writes down how it is switched, and may be gone.
    #[derive(Clone, Default)]
    struct Line {
        switched: Arc<Mutex<Vec<bool>>>,
        is_gone: Arc<AtomicBool>,
    }

    impl Switch for Line {
        fn switch(&mut self, is_on: bool) -> io::Result<()> {
            if self.is_gone.load(Ordering::Relaxed) {
                return Err(io::Error::from_raw_os_error(libc::ENODEV));
            }
            self.switched.lock().unwrap().push(is_on);
            Ok(())
        }
    }

    fn outputs() -> BTreeMap<OutputName, Output> {
        let text = "[outputs.lamp]\nline = 27\nrecorded = [200]\n[outputs.taken]\nline = 22\nproblem = \"on\"\n";
        let (configuration, _) = parse_what_is_valid(text);
        assert_eq!(configuration.outputs.len(), 2);
        configuration.outputs
    }

    #[test]
    fn a_lamp_follows_a_press_while_another_line_is_in_use_and_one_that_is_gone_is_asked_for_again() {
        let (line, said) = (Line::default(), RefCell::new(Vec::new()));
        let mut driven = Outputs::with_lines(outputs());
        let request = |asked: &[(&OutputName, &Output)]| {
            let answer = |(name, output): &(&OutputName, &Output)| {
                let Driven::Line { line: number, .. } = output.driven else { unreachable!() };
                let in_use = LineError::InUse { chip: "chip".into(), line: number, user: "spi".into() };
                ((*name).clone(), if number == 22 { Err(in_use.into()) } else { Ok(line.clone()) })
            };
            asked.iter().map(answer).collect()
        };
        let tell = |name: &OutputName, error: Option<&OutputError>| {
            said.borrow_mut().push(format!("{name}: {}", error.map_or_else(|| "works".into(), ToString::to_string)));
        };
        let press = |at_ms| Occasion { press: Some((PressOutcome::Recorded, at_ms)), has_problem: true };
        assert_eq!(
            driven.show_on(&Occasion::default(), 1_000, request, tell),
            Some(6_000),
            "the other is asked for again"
        );
        assert_eq!(driven.show_on(&press(2_000), 2_000, request, tell), Some(2_200));
        assert_eq!(driven.show_on(&press(2_000), 2_200, request, tell), Some(6_000));
        assert_eq!(driven.show_on(&press(7_000), 7_000, request, tell), Some(7_200));
        line.is_gone.store(true, Ordering::Relaxed);
        assert_eq!(driven.show_on(&press(7_000), 7_200, request, tell), Some(12_000));
        line.is_gone.store(false, Ordering::Relaxed);
        driven.show_on(&press(12_000), 12_000, request, tell);
        drop(driven);
        assert_eq!(*line.switched.lock().unwrap(), [true, false, true, true, false], "dropped, it is off");
        assert_eq!(
            *said.borrow(),
            [
                "taken: line 22 of `chip` is in use by `spi`; free it, or take another line",
                "lamp: it can't be switched any more",
                "lamp: works",
            ]
        );
    }
}
