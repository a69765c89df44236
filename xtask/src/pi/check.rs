//! What is checked, and how it went: a line for each, and the totals at the end.

use std::fmt::Display;

use anyhow::Result;

/// The checks so far.
#[derive(Debug, Default)]
pub(super) struct Checks {
    passed: u32,
    failed: u32,
}

impl Checks {
    /// Says and counts how a check went. What it found is said, too. Whether it passed.
    pub(super) fn note<T: Display>(&mut self, what: &str, outcome: Result<T>) -> bool {
        match outcome {
            Ok(found) => {
                self.passed += 1;
                let found = found.to_string();
                println!("  passed  {what}{}{found}", if found.is_empty() { "" } else { ": " });
                true
            }
            Err(error) => {
                self.failed += 1;
                println!("  FAILED  {what}: {error:#}");
                false
            }
        }
    }

    /// Says a figure, which is neither right nor wrong. One that can't be had is a failure.
    pub(super) fn say_figure<T: Display>(&mut self, what: &str, figure: Result<T>) {
        match figure {
            Ok(figure) => println!("  figure  {what}: {figure}"),
            Err(error) => {
                self.note::<&str>(what, Err(error));
            }
        }
    }

    /// Says and counts what could not be tried to its end. Whether it could.
    pub(super) fn note_failure(&mut self, what: &str, outcome: Result<()>) -> bool {
        match outcome {
            Ok(()) => true,
            Err(error) => self.note::<&str>(what, Err(error)),
        }
    }

    /// Whether none failed.
    pub(super) fn all_passed(&self) -> bool {
        self.failed == 0
    }

    /// The last line.
    pub(super) fn render(&self) -> String {
        format!("pi: {} checks passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn each_check_counts_and_one_that_failed_fails_all() {
        let mut checks = Checks::default();
        assert!(checks.note("one", Ok("as it should be")));
        assert!(checks.all_passed());
        assert!(!checks.note::<&str>("two", Err(anyhow!("it is not"))));
        assert!(checks.note_failure("three", Ok(())), "it was tried to its end: nothing is counted");
        assert!(!checks.all_passed());
        assert_eq!(checks.render(), "pi: 1 checks passed, 1 failed");
        checks.say_figure("memory", Ok("9 MiB"));
        assert_eq!(checks.render(), "pi: 1 checks passed, 1 failed");
        checks.say_figure::<&str>("memory", Err(anyhow!("nobody says")));
        assert_eq!(checks.render(), "pi: 1 checks passed, 2 failed");
    }
}
