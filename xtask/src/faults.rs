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
    /// The faults to try, or the groups of them; all when none is named.
    faults: Vec<String>,
    /// Name the faults, and try none.
    #[arg(long)]
    list: bool,
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
    group: String,
    /// Whether it takes a person.
    healing: String,
    verdict: Verdict,
    /// Why it is not passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    why: Option<String>,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Passed,
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

fn is_any_failed(outcomes: &[Outcome]) -> bool {
    outcomes.iter().any(|outcome| outcome.verdict == Verdict::Failed)
}

/// Tries the faults, and says how it went.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let workspace = Workspace::of_this_program()?;
    if arguments.list {
        let mut command = Command::new(program::build(&workspace, "punchcard-faults")?);
        process::perform(command.arg("--list").args(&arguments.faults))?;
        return Ok(ExitCode::SUCCESS);
    }
    let toolchain = Toolchain::find(&workspace, arguments.std)?;
    let folder = guests::default_folder(&workspace);
    guests::build(&workspace, &toolchain, &workspace.guests, &folder)?;
    eprintln!("building the host and what tries it, as they are released; the first time that takes some minutes");
    // Several calls: what one wishes of shared dependencies must not change the program that is tried.
    let with_clock = program::build_with_clock(&workspace)?;
    let host = program::build(&workspace, "punchcard")?;
    let trier = program::build(&workspace, "punchcard-faults")?;
    let mut command = Command::new(trier);
    command.env("PUNCHCARD_PROGRAM_WITH_CLOCK", with_clock);
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
    Ok(if is_any_failed(&outcomes) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Kills a host that was built for tests so often, and fails where something is lost or doubled.
pub(crate) fn check_kills(workspace: &Workspace, kills: u32) -> Result<()> {
    let programs = workspace.target.join("debug");
    let mut command = Command::new(programs.join("punchcard-faults"));
    command.args(["kill", "--kills", &kills.to_string()]);
    let outcomes = try_out(&mut command, kills, &programs.join("punchcard"), &guests::default_folder(workspace))?;
    println!("{}", render(&outcomes));
    if is_any_failed(&outcomes) {
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
    write!(text, "\n{} passed, {} failed", count(Verdict::Passed), count(Verdict::Failed)).ok();
    let skipped = count(Verdict::NotProduced);
    if skipped > 0 {
        write!(text, ", {skipped} skipped").ok();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(verdict: Verdict, why: Option<&str>) -> Outcome {
        Outcome {
            fault: "kill".to_owned(),
            group: "power".to_owned(),
            healing: "by-itself".to_owned(),
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
    fn the_last_line_counts_what_passed_what_failed_and_what_could_not_be_tried() {
        let (passed, failed) = (outcome(Verdict::Passed, None), outcome(Verdict::Failed, Some("it does not start")));
        let text = render(&[passed.clone(), failed.clone()]);
        assert_eq!(text.lines().last(), Some("1 passed, 1 failed"));
        assert!(text.contains("\nkill: it does not start\n"), "{text}");
        assert!(text.contains(" 1.2 s"), "{text}");
        let cells: Vec<_> =
            text.lines().find(|line| line.contains("passed ")).into_iter().flat_map(str::split_whitespace).collect();
        assert_eq!(cells[..7], ["kill", "20", "22", "27", "0", "0", "3"], "{text}");
        let skipped = outcome(Verdict::NotProduced, Some("there are no namespaces"));
        assert!(!is_any_failed(&[passed.clone(), skipped.clone()]));
        assert!(is_any_failed(&[passed.clone(), failed]));
        let text = render(&[passed, skipped]);
        assert_eq!(text.lines().last(), Some("1 passed, 0 failed, 1 skipped"));
        assert!(text.contains("\nkill: there are no namespaces\n"), "{text}");
    }
}
