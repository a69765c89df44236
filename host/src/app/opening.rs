//! Opening the ledger, for as long as it takes.
//!
//! A device without its ledger records nothing. It says so on its panel, and to whoever asks or presses, and tries again
//! until somebody has mended the card: a device that only ended would be started anew by the system, again and again, with
//! a dark panel. What another host has open is left to that one.

use std::path::Path;

use punchcard_core::input::{Edge, Motion};
use punchcard_core::plugin::Problem;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{error, warn};

use super::control::{self, Answer, Question};
use super::display::Display;
use super::error_chain::chain;
use super::intake::NOT_RECORDED;
use super::timer::sleep_until;
use super::trouble::Troubles;
use crate::clock::Clock;
use crate::input::Message;
use punchcard_ledger::{Ledger, OpenError, Opened, Setup};

/// Milliseconds between two tries.
const AGAIN_MS: u64 = 3_000;

/// Where the ledger is to be opened, and with whom this can be told meanwhile.
pub(super) struct Opening<'a> {
    pub(super) state: &'a Path,
    pub(super) setup: &'a Setup,
    pub(super) clock: &'a Clock,
    pub(super) display: &'a Display,
    pub(super) troubles: &'a Troubles,
}

impl Opening<'_> {
    /// Opens it at once, or says why not.
    ///
    /// # Errors
    /// See [`Ledger::open`].
    pub(super) fn open(&self) -> Result<(Ledger, Opened), OpenError> {
        Ledger::open(self.state, self.setup.clone())
    }

    /// Tries again until it is open, after `error`. `None`: a person at the keyboard wants the device to stop.
    ///
    /// # Errors
    /// When another host has it by now.
    pub(super) async fn open_after(
        &self,
        mut error: OpenError,
        pressed: &mut mpsc::Receiver<Message>,
    ) -> Result<Option<(Ledger, Opened)>, OpenError> {
        let mut asked = JoinSet::new();
        match control::listen(self.state) {
            Ok(listener) => {
                let (display, troubles) = (self.display.clone(), self.troubles.clone());
                asked.spawn(control::serve(listener, move |question| {
                    std::future::ready(answer(&question, &display, &troubles))
                }));
            }
            // A folder that can't be written is most likely what is wrong.
            Err(error) => warn!(error = chain(error), "nobody can ask how it stands"),
        }
        loop {
            let problem = Problem { headline: headline(&error).into(), advice: chain(error) };
            self.troubles.set(PART, Some(problem.clone()));
            if self.wait(&problem, pressed).await {
                return Ok(None);
            }
            match self.open() {
                Ok(opened) => {
                    self.troubles.set(PART, None);
                    return Ok(Some(opened));
                }
                Err(again @ OpenError::InUse { .. }) => return Err(again),
                Err(again) => error = again,
            }
        }
    }

    /// Waits for the next try, and refuses what is pressed. Whether a person wants the device to stop.
    async fn wait(&self, problem: &Problem, pressed: &mut mpsc::Receiver<Message>) -> bool {
        let until_ms = self.clock.monotonic_ms() + AGAIN_MS;
        let mut listening = true;
        loop {
            tokio::select! {
                () = sleep_until(self.clock, until_ms) => return false,
                message = pressed.recv(), if listening => match message {
                    Some(Message::Turn(_) | Message::Edge(Edge { motion: Motion::Repeat | Motion::Up, .. })) => {}
                    Some(Message::Edge(_) | Message::Badge(_)) => {
                        error!(reason = problem.advice, "a press is NOT recorded");
                        let refused = Problem { headline: NOT_RECORDED.into(), advice: problem.advice.clone() };
                        self.display.note(|panel, now_ms| panel.note_refused(&refused, now_ms));
                    }
                    Some(Message::Quit) => return true,
                    None => listening = false,
                },
            }
        }
    }
}

/// What has the problem, in `status`.
const PART: &str = "ledger";

/// At most 21 characters, for the panel.
fn headline(error: &OpenError) -> &'static str {
    match error {
        OpenError::Damaged { .. } | OpenError::Foreign { .. } => "ledger is damaged",
        OpenError::Backup { .. } => "ledger is a backup",
        OpenError::Full { .. } => "the card is full",
        OpenError::Newer { .. } | OpenError::Older { .. } | OpenError::Migration { .. } => "ledger does not fit",
        _ => "no ledger",
    }
}

fn answer(question: &Question, display: &Display, troubles: &Troubles) -> Answer {
    if *question == Question::Frame {
        return display.answer();
    }
    let said = troubles.report().into_iter().map(|report| report.problem);
    let why: Vec<_> = said.map(|problem| format!("{}: {}", problem.headline, problem.advice)).collect();
    Answer::Refused { reason: format!("nothing is recorded: {}", why.join("; ")) }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::app::fixture::Fixture;

    #[test]
    fn the_panel_and_whoever_asks_are_told_the_same() {
        let path = PathBuf::from("ledger.sqlite");
        let table = [
            (OpenError::Damaged { path: path.clone(), what: "a page".to_owned() }, "ledger is damaged"),
            (OpenError::Foreign { path: path.clone() }, "ledger is damaged"),
            (OpenError::Newer { path: path.clone(), found: 9, known: 6 }, "ledger does not fit"),
            (OpenError::Missing { path }, "no ledger"),
        ];
        for (error, expected) in table {
            let fixture = Fixture::new();
            let problem = Problem { headline: headline(&error).to_owned(), advice: chain(&error) };
            assert!(problem.headline == expected && expected.len() <= 21, "{error}");
            fixture.troubles.set(PART, Some(problem));
            assert_eq!(fixture.shown_problem(), Some(expected.to_owned()));
            let said = answer(&Question::Status, &fixture.display, &fixture.troubles);
            assert_eq!(said, Answer::Refused { reason: format!("nothing is recorded: {expected}: {}", chain(error)) });
        }
    }
}
