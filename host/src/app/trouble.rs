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

    /// A part of the device has a problem, or no longer has one. Where that was known, nobody is woken: who follows what the
    /// panel shows may set a problem itself.
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
    use jiff::tz::TimeZone;
    use punchcard_panel::FrameSize;

    use super::*;
    use crate::clock::Clock;

    #[test]
    fn who_follows_the_panel_is_woken_by_news_alone() {
        let display = Display::new("bench", FrameSize::Low, Clock::open("bench", TimeZone::UTC, true).unwrap());
        let troubles = Troubles::new(display.clone());
        let mut notes = display.notes();
        let mut wakes = |part: &str, headline: Option<&str>| {
            let problem = |headline: &str| Problem { headline: headline.to_owned(), advice: "mend it".to_owned() };
            troubles.set(part, headline.map(problem));
            let woken = notes.has_changed().unwrap();
            notes.mark_unchanged();
            woken
        };
        for (part, headline, is_news) in [
            ("notify", None, false),
            ("panel", Some("the panel is off"), true),
            ("panel", Some("the panel is off"), false),
            ("notify", None, false),
            ("panel", Some("the panel is slow"), true),
            ("panel", None, true),
            ("panel", None, false),
        ] {
            assert_eq!(wakes(part, headline), is_news, "{part}: {headline:?}");
        }
    }
}
