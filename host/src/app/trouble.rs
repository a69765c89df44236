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

    /// A part of the device has a problem, or no longer has one.
    pub(super) fn set(&self, part: &str, problem: Option<Problem>) {
        self.display.note(|panel, now_ms| panel.set_problem(part, problem.as_ref(), now_ms));
        let mut known = self.lock();
        match problem {
            Some(problem) => {
                if known.get(part) != Some(&problem) {
                    error!(part, problem = problem.headline, advice = problem.advice, "the device has a problem");
                }
                known.insert(part.to_owned(), problem);
            }
            None if known.remove(part).is_some() => info!(part, "the problem is over"),
            None => {}
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
