//! What is wrong with the device itself, beside its plugins, grants and sinks: said in the log, on the panel and in
//! `status` until it is over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use punchcard_core::plugin::Problem;
use tracing::{error, info};

use super::display::Display;
use super::status::ProblemReport;

/// The troubles there are. Clones share them.
#[derive(Clone)]
pub(super) struct Troubles {
    display: Display,
    known: Arc<Mutex<BTreeMap<String, Problem>>>,
}

impl Troubles {
    pub(super) fn new(display: Display) -> Self {
        Self { display, known: Arc::default() }
    }

    /// A part of the device has a problem, or no longer has one. Where that is known already nobody is woken: some who are woken
    /// by what is noted say again how their part stands.
    pub(super) fn set(&self, part: &str, problem: Option<Problem>) {
        let mut known = self.lock();
        if known.get(part) == problem.as_ref() {
            return;
        }
        self.display.note(|panel, now_ms| panel.set_problem(part, problem.as_ref(), now_ms));
        match problem {
            Some(problem) => {
                error!(part, problem = problem.headline, advice = problem.advice, "the device has a problem");
                known.insert(part.to_owned(), problem);
            }
            None => {
                known.remove(part);
                info!(part, "the problem is over");
            }
        }
    }

    /// For `status`.
    pub(super) fn report(&self) -> Vec<ProblemReport> {
        let known = self.lock();
        known.iter().map(|(part, problem)| ProblemReport { part: part.clone(), problem: problem.clone() }).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Problem>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::fixture::Fixture;

    #[test]
    fn what_is_known_already_wakes_nobody() {
        let Fixture { display, troubles, .. } = Fixture::new();
        let mut notes = display.notes();
        let mut wakes = |problem: Option<&str>| {
            let problem = problem.map(|headline| Problem { headline: headline.to_owned(), advice: String::new() });
            troubles.set("notify", problem);
            let wakes = notes.has_changed().unwrap();
            notes.mark_unchanged();
            wakes
        };
        assert!(!wakes(None));
        assert!(wakes(Some("nobody is told")));
        assert!(!wakes(Some("nobody is told")));
        assert!(wakes(Some("another")));
        assert!(wakes(None));
        assert!(!wakes(None));
    }
}
