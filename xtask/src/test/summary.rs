//! How the checks ended, for a person to read.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Check, Tally, name_of};

/// How a check ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    Skipped(String),
    Failed(String),
}

/// A check that has ended.
pub(super) struct Report {
    pub(super) check: Check,
    pub(super) verdict: Verdict,
    pub(super) took_for: Duration,
}

/// A line for each check, what failed, and the totals as test runners close with them.
pub(super) fn render_summary(reports: &[Report], tally: &Tally) -> String {
    let mut text = String::from("Summary\n");
    let mut totals = Tally::default();
    for Report { check, verdict, took_for } in reports {
        let (word, remark) = match verdict {
            Verdict::Passed => {
                totals.passed += 1;
                ("passed", "")
            }
            Verdict::Skipped(reason) => {
                totals.skipped += 1;
                ("skipped", reason.as_str())
            }
            Verdict::Failed(reason) => {
                totals.failed += 1;
                ("FAILED", reason.lines().next().unwrap_or_default())
            }
        };
        let name = name_of(*check);
        let line = format!("  {name:<15} {word:<8} {:>7.1} s  {remark}", took_for.as_secs_f64());
        // Writing to a String cannot fail.
        writeln!(text, "{}", line.trim_end()).ok();
    }
    write!(text, "\nchecks: {totals}\ntests: {tally}").ok();
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(check: Check, verdict: Verdict) -> Report {
        Report { check, verdict, took_for: Duration::from_millis(12_340) }
    }

    #[test]
    fn the_summary_tells_each_check_and_closes_with_the_totals() {
        let reports = [
            report(Check::Format, Verdict::Passed),
            report(Check::Tests, Verdict::Failed("`cargo test` ended with 101\nand more".to_owned())),
            report(Check::Dependencies, Verdict::Skipped("cargo-deny is not installed".to_owned())),
        ];
        let text = render_summary(&reports, &Tally { passed: 7, failed: 2, skipped: 0 });
        let expected = "Summary\n  \
             format          passed      12.3 s\n  \
             tests           FAILED      12.3 s  `cargo test` ended with 101\n  \
             dependencies    skipped     12.3 s  cargo-deny is not installed\n\n\
             checks: 1 passed, 1 failed, 1 skipped\n\
             tests: 7 passed, 2 failed";
        assert_eq!(text, expected);
    }
}
