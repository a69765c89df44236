//! What is punched in the demonstration, what the sheet must then hold, and whether it does.

use std::fmt::Write as _;

/// Each is punched in and out once, so that a row with its name stands for exactly that.
pub(super) const PROJECTS: [&str; 3] = ["Workshop", "Garden", "Accounts"];

/// The column by which a row is known.
const PROJECT_COLUMN: &str = "Project";

/// Something that a person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A press, with the project that is chosen then and what it means.
    Punch { project: &'static str, meaning: &'static str },
    /// To the next project.
    Turn,
    /// The device is stopped and started.
    Restart,
}

/// The restart comes while the first project is running: its start has to be remembered, and the choice stands where it
/// stood, whether it was remembered or not.
pub(super) fn plan() -> Vec<Step> {
    let mut steps = Vec::new();
    for (index, project) in PROJECTS.into_iter().enumerate() {
        if index > 0 {
            steps.push(Step::Turn);
        }
        steps.push(Step::Punch { project, meaning: "started" });
        if index == 0 {
            steps.push(Step::Restart);
        }
        steps.push(Step::Punch { project, meaning: "finished" });
    }
    steps
}

/// What the sheet holds against what was punched.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Comparison {
    /// In the sheet, without the titles.
    pub(super) rows: usize,
    /// Expected, and not there.
    pub(super) lost: usize,
    /// There more often than expected.
    pub(super) doubled: usize,
    /// In words; empty where the sheet holds what it should.
    pub(super) differences: Vec<String>,
}

/// Compares the `rows` of the sheet, titles first, with one complete row for each of `expected`, in that order.
pub(super) fn compare(expected: &[&str], rows: &[Vec<String>]) -> Comparison {
    let mut comparison = Comparison::default();
    let (titles, rows) = match rows.split_first() {
        Some((titles, rows)) => (titles.as_slice(), rows),
        None => (&[][..], rows),
    };
    comparison.rows = rows.len();
    let column = titles.iter().position(|title| title == PROJECT_COLUMN);
    if column.is_none() {
        comparison.differences.push(format!("the sheet has no column `{PROJECT_COLUMN}`"));
    }
    let found: Vec<&str> = rows
        .iter()
        .map(|row| column.and_then(|column| row.get(column)).map(String::as_str).unwrap_or_default())
        .collect();
    let count = |names: &[&str], wanted: &str| names.iter().filter(|name| **name == wanted).count();

    for project in expected {
        let (wanted, there) = (count(expected, project), count(&found, project));
        if there < wanted {
            comparison.lost += wanted - there;
            comparison.differences.push(format!("`{project}` was punched and is not in the sheet"));
        } else if there > wanted {
            comparison.doubled += there - wanted;
            comparison.differences.push(format!("`{project}` was punched once and is in the sheet {there} times"));
        }
    }
    for project in found.iter().filter(|project| !expected.contains(*project)) {
        comparison.differences.push(format!("a row of `{project}`, which nobody punched"));
    }
    if comparison.differences.is_empty() && found != expected {
        comparison.differences.push(format!("the order is {}; punched was {}", found.join(", "), expected.join(", ")));
    }
    for (row, project) in rows.iter().zip(&found) {
        if row.len() < titles.len() || row.iter().any(String::is_empty) {
            comparison.differences.push(format!("the row of `{project}` is not complete"));
        }
    }
    comparison
}

/// The rows as a table, with columns as wide as their widest cell.
pub(super) fn render_sheet(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells: Vec<String> = widths
            .iter()
            .enumerate()
            .map(|(column, width)| format!("{:<width$}", row.get(column).map_or("", String::as_str)))
            .collect();
        // Writing to a String cannot fail.
        writeln!(text, "  {}", cells.join("  ").trim_end()).ok();
        if index == 0 {
            let rule: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
            writeln!(text, "  {}", rule.join("──")).ok();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(projects: &[&str]) -> Vec<Vec<String>> {
        let titles = ["Project", "Start", "Finish", "Hours"].map(str::to_owned).to_vec();
        let row = |project: &&str| [project, "9:00", "10:00", "1.0"].map(str::to_owned).to_vec();
        std::iter::once(titles).chain(projects.iter().map(row)).collect()
    }

    fn totals(rows: &[Vec<String>]) -> (usize, usize, usize, usize) {
        let comparison = compare(&PROJECTS, rows);
        (comparison.rows, comparison.lost, comparison.doubled, comparison.differences.len())
    }

    #[test]
    fn the_sheet_is_right_lacks_rows_has_too_many_or_others() {
        let table: [(&[&str], _); 6] = [
            (&["Workshop", "Garden", "Accounts"], (3, 0, 0, 0)),
            (&["Workshop", "Accounts"], (2, 1, 0, 1)),
            (&["Workshop", "Garden", "Garden", "Accounts"], (4, 0, 1, 1)),
            (&["Workshop", "Workshop", "Accounts"], (3, 1, 1, 2)),
            (&["Garden", "Workshop", "Accounts"], (3, 0, 0, 1)),
            (&["Workshop", "Garden", "Accounts", "Kitchen"], (4, 0, 0, 1)),
        ];
        for (projects, expected) in table {
            assert_eq!(totals(&sheet(projects)), expected, "{projects:?}");
        }
    }

    #[test]
    fn an_empty_sheet_has_lost_everything() {
        assert_eq!(totals(&[]), (0, 3, 0, 4));
        assert_eq!(totals(&sheet(&[])), (0, 3, 0, 3));
    }

    #[test]
    fn a_row_without_its_finish_is_a_difference() {
        let mut rows = sheet(&PROJECTS);
        if let Some(cell) = rows.last_mut().and_then(|row| row.get_mut(2)) {
            cell.clear();
        }
        assert_eq!(compare(&PROJECTS, &rows).differences, ["the row of `Accounts` is not complete"]);
    }

    #[test]
    fn every_project_is_punched_in_and_out_with_one_restart_while_one_runs() {
        let steps = plan();
        for project in PROJECTS {
            let punches = steps.iter().filter(|step| matches!(step, Step::Punch { project: of, .. } if *of == project));
            assert_eq!(punches.count(), 2, "{project}");
        }
        assert_eq!(steps.iter().filter(|step| **step == Step::Turn).count(), PROJECTS.len() - 1);
        assert_eq!(steps.iter().position(|step| *step == Step::Restart), Some(1));
    }

    #[test]
    fn a_sheet_is_shown_as_a_table() {
        let text = render_sheet(&sheet(&["Workshop"]));
        let expected = "  Project   Start  Finish  Hours\n  \
                          ──────────────────────────────\n  \
                          Workshop  9:00   10:00   1.0\n";
        assert_eq!(text, expected);
        assert_eq!(render_sheet(&[]), "");
    }
}
