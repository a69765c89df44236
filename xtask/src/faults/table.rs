//! How the host did with each fault: the table, what was wrong or could not be tried, and the line with the count.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};
use serde::{Deserialize, Serialize};

/// How the host did with one fault: a line of the program.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Outcome {
    pub(super) fault: String,
    pub(super) group: String,
    pub(super) verdict: Verdict,
    /// Why it is not passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
    runs: u32,
    acknowledged: u64,
    rows: u64,
    lost: u64,
    doubled: u64,
    disturbed: u64,
    recovered_ms: u64,
    /// The headlines of what the device said was wrong.
    said: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    Passed,
    #[default]
    Failed,
    /// The fault can't be made on this machine.
    NotProduced,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "FAILED",
            Self::NotProduced => "not produced",
        }
    }
}

impl Outcome {
    /// Of a fault that has failed for this reason before it was tried to its end.
    pub(super) fn missing(group: &str, fault: &str, why: &str) -> Self {
        Self {
            fault: fault.to_owned(),
            group: group.to_owned(),
            verdict: Verdict::Failed,
            why: Some(why.to_owned()),
            ..Self::default()
        }
    }
}

/// The table, what was wrong or could not be tried, and the line with the count.
pub(super) fn render(outcomes: &[Outcome]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "fault",
        "runs",
        "presses",
        "rows",
        "lost",
        "doubled",
        "disturbed",
        "recovered in",
        "it said",
        "verdict",
        "seed",
    ]);
    for outcome in outcomes {
        let numbers = [outcome.acknowledged, outcome.rows, outcome.lost, outcome.doubled, outcome.disturbed]
            .map(|count| count.to_string());
        let recovered = format!("{}.{} s", outcome.recovered_ms / 1_000, outcome.recovered_ms % 1_000 / 100);
        let cells = [outcome.fault.clone(), outcome.runs.to_string()].into_iter().chain(numbers);
        let seed = outcome.seed.map_or_else(String::new, |seed| seed.to_string());
        table.add_row(cells.chain([recovered, outcome.said.join(", "), outcome.verdict.word().to_owned(), seed]));
    }
    for column in 1..=7 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = table.to_string();
    for outcome in outcomes {
        if let Some(why) = &outcome.why {
            // Writing to a String cannot fail.
            write!(text, "\n{}: {why}", outcome.fault).ok();
        }
    }
    let count = |verdict| outcomes.iter().filter(|outcome| outcome.verdict == verdict).count();
    let skipped = count(Verdict::NotProduced);
    if skipped > 0 {
        write!(text, "\n{skipped} could not be made on this machine").ok();
    }
    write!(text, "\n{} passed, {} failed", count(Verdict::Passed), count(Verdict::Failed)).ok();
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(verdict: Verdict, why: Option<&str>) -> Outcome {
        Outcome {
            fault: "kill".to_owned(),
            group: "power".to_owned(),
            verdict,
            why: why.map(str::to_owned),
            runs: 20,
            acknowledged: 22,
            rows: 27,
            lost: 0,
            doubled: 0,
            disturbed: 3,
            recovered_ms: 1_265,
            said: vec!["Sheet not reached".to_owned()],
            seed: Some(1),
        }
    }

    #[test]
    fn the_last_line_counts_what_passed_and_what_failed_and_the_one_above_what_was_not_tried() {
        let (passed, failed) = (outcome(Verdict::Passed, None), outcome(Verdict::Failed, Some("it does not start")));
        let text = render(&[passed.clone(), failed.clone()]);
        assert_eq!(text.lines().last(), Some("1 passed, 1 failed"));
        assert!(text.contains("\nkill: it does not start\n"), "{text}");
        assert!(text.contains(" 1.2 s"), "{text}");
        let cells: Vec<_> =
            text.lines().find(|line| line.contains("passed ")).into_iter().flat_map(str::split_whitespace).collect();
        assert_eq!(cells[..7], ["kill", "20", "22", "27", "0", "0", "3"], "{text}");
        let skipped = outcome(Verdict::NotProduced, Some("there are no namespaces"));
        let text = render(&[passed, skipped]);
        assert_eq!(text.lines().last(), Some("1 passed, 0 failed"));
        assert!(text.contains("\n1 could not be made on this machine\n"), "{text}");
        assert!(text.contains("\nkill: there are no namespaces\n"), "{text}");
    }
}
