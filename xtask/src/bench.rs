//! `cargo xtask bench`: the figures of speed and size, each with its target.
//!
//! The sizes are measured here. Everything else is measured by the program of `host/bench`, in the release profile. It gets the host's own program in `PUNCHCARD_PROGRAM` and the folder of components in `PUNCHCARD_GUESTS`;
//! `bench FIGURE` prints a line of JSON for that figure, and for others where it got them along the way:
//!
//! ```json
//! {"figure": "ready_ms", "value": 41.0, "unit": "ms", "runs": [43.1, 41.0, 40.2]}
//! ```
//!
//! Where there are `runs`, their median counts. Figures of requests also have `least`, the number that the limits allow.
//! Nothing is hidden: a figure that misses its target, or that nothing measured, is in the table as such.

mod figure;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use comfy_table::{CellAlignment, Table, presets};

use self::figure::{FIGURES, Measurement, Outcome, Verdict};
use crate::toolchain::{Source, Toolchain};
use crate::workspace::Workspace;
use crate::{guests, languages, process, program};

/// For one figure: a backlog of 100,000 rows five times over, on a slow board, or of a million within the quota.
const MEASURING_LIMIT_FOR: Duration = Duration::from_mins(30);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The figures to measure; all of them when none is named, but for `outage`, which takes some minutes: a million events
    /// that were recorded offline; and `languages`, which installs what builds plugins in JavaScript and Python.
    figures: Vec<String>,
    /// Write the table as JSON too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fail where a target is missed, or a figure was not measured.
    #[arg(long)]
    strict: bool,
    /// Where the guests' standard library comes from; the first source that works when not given.
    #[arg(long, value_enum, value_name = "SOURCE")]
    std: Option<Source>,
}

/// Measures, and says how it went.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    for name in &arguments.figures {
        if !FIGURES.iter().any(|figure| figure.is_wanted(std::slice::from_ref(name))) {
            let known: Vec<&str> = FIGURES.iter().map(|figure| figure.name).collect();
            bail!("there is no figure `{name}`; there are: {}", known.join(", "));
        }
    }
    let workspace = Workspace::of_this_program()?;
    let toolchain = Toolchain::find(&workspace, arguments.std)?;
    let folder = guests::default_folder(&workspace);
    let all_built = guests::build_all(&workspace, &toolchain)?;

    let mut outcomes = Vec::new();
    let mut programs = None;
    let mut measured = BTreeMap::new();
    for figure in FIGURES.iter().filter(|figure| figure.is_wanted(&arguments.figures)) {
        if figure.name == figure::GUEST_SIZE {
            outcomes.extend(all_built.iter().map(|built| {
                let measurement = Measurement::of_guest(built.component.bytes.len());
                Outcome::new(figure, Some(&built.name), Ok(measurement))
            }));
            continue;
        }
        if !measured.contains_key(figure.name) {
            let programs = programs.get_or_insert_with(|| build_programs(&workspace));
            let result = match programs {
                Ok(programs) if [figure::PROGRAM_SIZE, figure::UPDATES_SIZE].contains(&figure.name) => {
                    measure_program(&programs.host).map_err(|error| format!("{error:#}"))
                }
                Ok(programs) => {
                    let examples = match figure.group {
                        Some(figure::LANGUAGES) => copy_examples(&workspace, programs).map(Some),
                        _ => Ok(None),
                    };
                    let measured = examples.and_then(|folder_of_examples| {
                        measure(programs, figure.name, folder_of_examples.as_ref().unwrap_or(&folder))
                    });
                    measured.map_err(|error| format!("{error:#}"))
                }
                Err(reason) => Err(reason.clone()),
            };
            match result {
                Ok(found) => {
                    for measurement in found {
                        eprintln!("  {}", measurement.render_runs());
                        measured.insert(measurement.figure.clone(), Ok(measurement));
                    }
                }
                Err(reason) => {
                    measured.insert(figure.name.to_owned(), Err(reason));
                }
            }
        }
        let result = measured.get(figure.name).cloned();
        let result = result.unwrap_or_else(|| Err("the bench program printed nothing for it".to_owned()));
        outcomes.push(Outcome::new(figure, None, result));
    }

    println!("{}", render_table(&outcomes));
    for outcome in &outcomes {
        if let Some(reason) = &outcome.reason {
            println!("{}: {reason}", outcome.figure);
        }
    }
    if let Some(file) = &arguments.json {
        let text = serde_json::to_string_pretty(&outcomes).context("cannot write the table as JSON")?;
        std::fs::write(file, text + "\n").with_context(|| format!("cannot write {}", file.display()))?;
    }
    let all_met = outcomes.iter().all(|outcome| matches!(outcome.verdict, Verdict::Met | Verdict::Told));
    Ok(if all_met || !arguments.strict { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn render_table(outcomes: &[Outcome]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["figure", "what", "target", "measured", "verdict"]);
    for outcome in outcomes {
        let cells = [&outcome.figure, outcome.what, &outcome.render_target(), &outcome.render_value()];
        table.add_row(cells.into_iter().map(str::to_owned).chain([outcome.verdict.to_string()]));
    }
    for column in [2, 3] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// What measures, and what is measured.
struct Programs {
    bench: PathBuf,
    host: PathBuf,
}

/// Builds both; the error is for the table.
fn build_programs(workspace: &Workspace) -> Result<Programs, String> {
    let build = || -> Result<Programs> {
        // Two calls: what the bench program wishes of shared dependencies must not change the program that is measured.
        let host = program::build(workspace, "punchcard")?;
        Ok(Programs { bench: program::build(workspace, "punchcard-bench")?, host })
    };
    build().map_err(|error| format!("{error:#}"))
}

fn measure_program(program: &Path) -> Result<Vec<Measurement>> {
    let metadata = std::fs::metadata(program).with_context(|| format!("no {}", program.display()))?;
    let listed = process::answer(Command::new("nm").args(["--demangle", "--print-size", "--radix=d"]).arg(program))?;
    Ok(vec![Measurement::of_program(metadata.len()), Measurement::of_updates(sum_code(&listed, "tough"))])
}

/// The bytes of what is code and has a part of this name, by the list of `nm`: address, size, kind, name.
fn sum_code(listed: &str, part: &str) -> u64 {
    let is_part = |name: &str| name.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == part);
    let size = |line: &str| {
        let mut words = line.splitn(4, ' ');
        let (_, size, kind, name) = (words.next()?, words.next()?, words.next()?, words.next()?);
        (kind.eq_ignore_ascii_case("t") && is_part(name)).then(|| size.parse::<u64>().ok())?
    };
    listed.lines().filter_map(size).sum()
}

/// Builds the examples in other languages, and puts each into one folder under its language's name.
fn copy_examples(workspace: &Workspace, programs: &Programs) -> Result<PathBuf> {
    let folder = workspace.target.join("bench/languages");
    std::fs::create_dir_all(&folder).context("cannot make a folder for examples")?;
    for (language, component) in languages::build_formatters(workspace, programs.host.clone())? {
        let file = folder.join(format!("{language}.wasm"));
        std::fs::copy(&component, &file).with_context(|| format!("cannot copy {}", component.display()))?;
    }
    Ok(folder)
}

fn measure(programs: &Programs, figure: &str, guests: &Path) -> Result<Vec<Measurement>> {
    eprintln!("measuring {figure}");
    let mut command = Command::new(&programs.bench);
    process::remove_variables(&mut command, process::is_left_by_cargo);
    command.arg(figure).env("PUNCHCARD_GUESTS", guests).env("PUNCHCARD_PROGRAM", &programs.host);
    let (status, text) = process::answer_within(&mut command, MEASURING_LIMIT_FOR)?;
    if !status.success() {
        bail!("the bench program ended with {status}");
    }
    figure::parse_measurements(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_told_apart_by_a_part_of_its_name() {
        let listed = "0000000000000100 0000000000000030 T <tough::error::Error as core::fmt::Debug>::fmt\n\
                      0000000000000200 0000000000000012 t core::ptr::drop_in_place<tough::schema::Root>\n\
                      0000000000000300 0000000000000500 r tough::TABLE\n\
                      0000000000000400 0000000000000007 T roughtough::run\n\
                      0000000000000500 T tough_without_size\n";
        assert_eq!(sum_code(listed, "tough"), 42);
        assert_eq!(sum_code("", "tough"), 0);
    }
}
