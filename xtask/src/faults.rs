//! `cargo xtask faults`: what can go wrong, and how the host does.
//!
//! Everything is tried by the program of `host/faults`, in the release profile. It gets the host's own program in
//! `PUNCHCARD_PROGRAM` and the folder of components in `PUNCHCARD_GUESTS`, and prints a line of JSON for each fault. Here
//! they become a table.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use comfy_table::{CellAlignment, Table, presets};
use serde::{Deserialize, Serialize};

use crate::toolchain::{Source, Toolchain};
use crate::workspace::Workspace;
use crate::{guests, process, program};

/// For everything but the kills, on a slow machine.
const LIMIT_FOR: Duration = Duration::from_mins(60);
/// For each kill.
const KILL_LIMIT_FOR: Duration = Duration::from_secs(10);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The faults to try; all of them when none is named.
    faults: Vec<String>,
    /// How often the host is killed.
    #[arg(long, default_value_t = 300)]
    kills: u32,
    /// Try again what was left to chance: the number is in the last column.
    #[arg(long)]
    seed: Option<u64>,
    /// Write the table as JSON too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where the guests' standard library comes from; the first source that works when not given.
    #[arg(long, value_enum, value_name = "SOURCE")]
    std: Option<Source>,
}

/// How the host did with one fault: a line of the program.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Outcome {
    fault: String,
    runs: u32,
    acknowledged: u64,
    rows: u64,
    lost: u64,
    doubled: u64,
    disturbed: u64,
    recovered_ms: u64,
    /// The headlines of what the device said was wrong.
    said: Vec<String>,
    /// What else was not as it has to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
}

impl Outcome {
    fn is_good(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.trouble.is_none()
    }
}

/// Tries the faults, and says how it went.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let workspace = Workspace::of_this_program()?;
    let toolchain = Toolchain::find(&workspace, arguments.std)?;
    let folder = guests::default_folder(&workspace);
    guests::build(&workspace, &toolchain, &workspace.guests, &folder)?;
    eprintln!("building the host and what tries it, as they are released; the first time that takes some minutes");
    // Two calls: what one wishes of shared dependencies must not change the program that is tried.
    let host = program::build(&workspace, "punchcard")?;
    let trier = program::build(&workspace, "punchcard-faults")?;
    let mut command = Command::new(trier);
    command.args(&arguments.faults).args(["--kills", &arguments.kills.to_string()]);
    if let Some(seed) = arguments.seed {
        command.args(["--seed", &seed.to_string()]);
    }
    let outcomes = try_out(&mut command, arguments.kills, &host, &folder)?;
    if let Some(file) = &arguments.json {
        let text = serde_json::to_string_pretty(&outcomes).context("cannot write the table as JSON")?;
        std::fs::write(file, text + "\n").with_context(|| format!("cannot write {}", file.display()))?;
    }
    println!("{}", render(&outcomes));
    Ok(if outcomes.iter().all(Outcome::is_good) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Kills a host that was built for tests so often, and fails where something is lost or doubled.
pub(crate) fn check_kills(workspace: &Workspace, kills: u32) -> Result<()> {
    let programs = workspace.target.join("debug");
    let mut command = Command::new(programs.join("punchcard-faults"));
    command.args(["kill", "--kills", &kills.to_string()]);
    let outcomes = try_out(&mut command, kills, &programs.join("punchcard"), &guests::default_folder(workspace))?;
    println!("{}", render(&outcomes));
    if !outcomes.iter().all(Outcome::is_good) {
        bail!("what was pressed is not what is in the sheet; see above");
    }
    Ok(())
}

fn try_out(command: &mut Command, kills: u32, host: &Path, guests: &Path) -> Result<Vec<Outcome>> {
    process::remove_variables(command, process::is_left_by_cargo);
    command.env("PUNCHCARD_GUESTS", guests).env("PUNCHCARD_PROGRAM", host);
    let (status, text) = process::answer_within(command, LIMIT_FOR + KILL_LIMIT_FOR * kills)?;
    if !status.success() {
        bail!("`{}` ended with {status}", process::render_command(command));
    }
    let outcomes = text
        .lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("no outcome: {line}")))
        .collect::<Result<Vec<_>>>()?;
    if outcomes.is_empty() {
        bail!("`{}` tried nothing", process::render_command(command));
    }
    Ok(outcomes)
}

/// The table, what was wrong, and the line with the count.
fn render(outcomes: &[Outcome]) -> String {
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
        let verdict = if outcome.is_good() { "passed" } else { "FAILED" };
        let cells = [outcome.fault.clone(), outcome.runs.to_string()].into_iter().chain(numbers);
        let seed = outcome.seed.map_or_else(String::new, |seed| seed.to_string());
        table.add_row(cells.chain([recovered, outcome.said.join(", "), verdict.to_owned(), seed]));
    }
    for column in 1..=7 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = table.to_string();
    for outcome in outcomes {
        if let Some(trouble) = &outcome.trouble {
            // Writing to a String cannot fail.
            write!(text, "\n{}: {trouble}", outcome.fault).ok();
        }
    }
    let passed = outcomes.iter().filter(|outcome| outcome.is_good()).count();
    write!(text, "\n{passed} passed, {} failed", outcomes.len() - passed).ok();
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(lost: u64, trouble: Option<&str>) -> Outcome {
        Outcome {
            fault: "kill".to_owned(),
            runs: 20,
            acknowledged: 22,
            rows: 27,
            lost,
            doubled: 0,
            disturbed: 3,
            recovered_ms: 1_265,
            said: vec!["Sheet not reached".to_owned()],
            trouble: trouble.map(str::to_owned),
            seed: Some(1),
        }
    }

    #[test]
    fn the_last_line_counts_what_passed_and_what_failed() {
        let text = render(&[outcome(0, None), outcome(1, None), outcome(0, Some("it does not start"))]);
        assert_eq!(text.lines().last(), Some("1 passed, 2 failed"));
        assert!(text.contains("\nkill: it does not start\n"), "{text}");
        assert!(text.contains(" 1.2 s"), "{text}");
        let cells: Vec<_> =
            text.lines().find(|line| line.contains("passed ")).into_iter().flat_map(str::split_whitespace).collect();
        assert_eq!(cells[..7], ["kill", "20", "22", "27", "0", "0", "3"], "{text}");
    }
}
