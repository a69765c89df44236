//! `cargo xtask faults`: what can go wrong, and how the host does.
//!
//! Everything is tried by the program of `host/faults`, in the release profile. It gets the host's own program in
//! `PUNCHCARD_PROGRAM` and the folder of components in `PUNCHCARD_GUESTS`, and prints a line of JSON for each fault. Here
//! they become a table. A fault of which nothing was printed has failed: the last line counts each one that was asked for,
//! however the program ends.

mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use self::table::{Outcome, Verdict, render};
use crate::toolchain::{Source, Toolchain};
use crate::workspace::Workspace;
use crate::{guests, process, program};

/// For everything but the kills, on a slow machine. Each fault has a limit of its own in the program.
const LIMIT_FOR: Duration = Duration::from_mins(180);
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
    /// Repeat the chances of the kills: the number is in the last column.
    #[arg(long)]
    seed: Option<u64>,
    /// Fail where a fault can't be made on this machine, too.
    #[arg(long)]
    strict: bool,
    /// Write the table as JSON too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where the guests' standard library comes from; the first source that works when not given.
    #[arg(long, value_enum, value_name = "SOURCE")]
    std: Option<Source>,
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
    guests::build_all(&workspace, &toolchain)?;
    eprintln!("building the host and what tries it, as they are released; the first time that takes some minutes");
    // Several calls: what one wishes of shared dependencies must not change the program that is tried.
    let with_clock = program::build_with_clock(&workspace)?;
    let host = program::build(&workspace, "punchcard")?;
    let trier = program::build(&workspace, "punchcard-faults")?;
    let trial = Trial {
        trier: &trier,
        faults: &arguments.faults,
        kills: arguments.kills,
        seed: arguments.seed,
        host: &host,
        with_clock: Some(&with_clock),
        guests: &guests::default_folder(&workspace),
    };
    let outcomes = trial.perform()?;
    if let Some(file) = &arguments.json {
        let text = serde_json::to_string_pretty(&outcomes).context("cannot write the table as JSON")?;
        std::fs::write(file, text + "\n").with_context(|| format!("cannot write {}", file.display()))?;
    }
    println!("{}", render(&outcomes));
    let is_bad = |outcome: &Outcome| match outcome.verdict {
        Verdict::Passed => false,
        Verdict::Failed => true,
        Verdict::NotProduced => arguments.strict,
    };
    Ok(if outcomes.iter().any(is_bad) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Kills a host that was built for tests so often, and fails where something is lost or doubled.
pub(crate) fn check_kills(workspace: &Workspace, kills: u32) -> Result<()> {
    let programs = workspace.target.join("debug");
    let trial = Trial {
        trier: &programs.join("punchcard-faults"),
        faults: &["kill".to_owned()],
        kills,
        seed: None,
        host: &programs.join("punchcard"),
        with_clock: None,
        guests: &guests::default_folder(workspace),
    };
    let outcomes = trial.perform()?;
    println!("{}", render(&outcomes));
    if outcomes.iter().any(|outcome| outcome.verdict != Verdict::Passed) {
        bail!("what was pressed is not what is in the sheet; see above");
    }
    Ok(())
}

/// What tries, and what is tried.
struct Trial<'a> {
    trier: &'a Path,
    faults: &'a [String],
    kills: u32,
    seed: Option<u64>,
    host: &'a Path,
    with_clock: Option<&'a Path>,
    guests: &'a Path,
}

impl Trial<'_> {
    /// An outcome for each fault that is meant.
    fn perform(&self) -> Result<Vec<Outcome>> {
        let listed = process::answer(self.command().arg("--list"))?;
        let mut command = self.command();
        command.args(["--until-input-ends", "--kills", &self.kills.to_string()]);
        if let Some(seed) = self.seed {
            command.args(["--seed", &seed.to_string()]);
        }
        let finished = process::finish_within(&mut command, LIMIT_FOR + KILL_LIMIT_FOR * self.kills)?;
        let end = match finished.status {
            Some(status) if status.success() => "nothing was said of it".to_owned(),
            Some(status) => format!("the program that tries it ended with {status}"),
            None => "there was no time for it".to_owned(),
        };
        let outcomes = complete(&listed, &finished.text, &end)?;
        ensure!(!outcomes.is_empty(), "there is nothing to try");
        Ok(outcomes)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.trier);
        process::remove_variables(&mut command, process::is_left_by_cargo);
        command.env("PUNCHCARD_GUESTS", self.guests).env("PUNCHCARD_PROGRAM", self.host);
        if let Some(with_clock) = self.with_clock {
            command.env("PUNCHCARD_PROGRAM_WITH_CLOCK", with_clock);
        }
        command.args(self.faults);
        command
    }
}

/// What was printed of each fault that is listed; and that it failed, for this reason, where nothing was.
fn complete(listed: &str, printed: &str, end: &str) -> Result<Vec<Outcome>> {
    let mut found = BTreeMap::new();
    // A publisher of plugins that a trial runs says what to do with its keys; outcomes are objects.
    for line in printed.lines().filter(|line| line.starts_with('{')) {
        // Where the program was ended, the last line may be half of one.
        match serde_json::from_str::<Outcome>(line) {
            Ok(outcome) => {
                found.insert(outcome.fault.clone(), outcome);
            }
            Err(error) => eprintln!("no outcome ({error}): {line}"),
        }
    }
    let outcomes = listed.lines().map(|line| {
        let mut words = line.split_whitespace();
        let (group, fault) = words.next().zip(words.next()).with_context(|| format!("no fault: {line}"))?;
        Ok(found.remove(fault).unwrap_or_else(|| Outcome::missing(group, fault, end)))
    });
    outcomes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = "power    kill                         the host is killed\n\
                          disk     full                         the card is full\n\
                          disk     slow-sync                    each sync takes 2 s\n";

    fn line(fault: &str, verdict: &str) -> String {
        format!(
            "{{\"fault\":\"{fault}\",\"group\":\"disk\",\"verdict\":\"{verdict}\",\"runs\":1,\"acknowledged\":3,\
             \"rows\":3,\"lost\":0,\"doubled\":0,\"disturbed\":0,\"recovered-ms\":5,\"said\":[]}}\n"
        )
    }

    #[test]
    fn a_fault_of_which_nothing_was_printed_has_failed() {
        let verdicts = |outcomes: &[Outcome]| {
            outcomes.iter().map(|outcome| (outcome.fault.clone(), outcome.verdict)).collect::<Vec<_>>()
        };
        let printed = line("slow-sync", "passed") + &line("kill", "not-produced");
        let outcomes = complete(LISTED, &printed, "it ended").unwrap();
        let expected = [("kill", Verdict::NotProduced), ("full", Verdict::Failed), ("slow-sync", Verdict::Passed)];
        assert_eq!(verdicts(&outcomes), expected.map(|(fault, verdict)| (fault.to_owned(), verdict)));
        assert_eq!((outcomes[1].group.as_str(), outcomes[1].why.as_deref()), ("disk", Some("it ended")));
        // Ended in the midst of a line.
        let outcomes = complete(LISTED, &printed[..printed.len() - 20], "it ended").unwrap();
        assert_eq!(verdicts(&outcomes)[0], ("kill".to_owned(), Verdict::Failed));
        assert_eq!(verdicts(&outcomes)[2], ("slow-sync".to_owned(), Verdict::Passed));
    }
}
