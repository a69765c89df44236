//! `cargo xtask test`: every check that a change has to pass.
//!
//! The checks do not depend on one another, so one that fails does not keep the others from running: a person gets all
//! the news at once. The quick ones come first. What each check means is known by the tool that it calls.
//!
//! With `--quick`, for a person who has changed something and goes on: without what takes long, and only the tests of the
//! crates that the change touches. In continuous integration (`CI` is set) a tool that is missing is a failure, since a
//! check that was skipped looks as good as one that has passed.

mod summary;
mod tally;
mod touched;

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use self::summary::{Report, Verdict, render_summary};
use self::tally::Tally;
use self::touched::{Touched, find_touched};
use crate::process::{self, perform};
use crate::stopwatch::Stopwatch;
use crate::toolchain::{Source, Toolchain};
use crate::workspace::Workspace;
use crate::{demo, faults, foreign_servers, guests, languages, program, rule};

/// How often the host is killed.
const KILLS: u32 = 20;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The checks to run; all of them when none is named.
    #[arg(conflicts_with = "quick")]
    checks: Vec<Check>,
    /// Only what is done within minutes, and only the tests of the crates that what is not committed yet touches.
    #[arg(long)]
    quick: bool,
    /// Where the guests' standard library comes from; the first source that works when not given.
    #[arg(long, value_enum, value_name = "SOURCE")]
    std: Option<Source>,
}

/// In the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Check {
    /// Every file is formatted.
    Format,
    /// Crates and modules depend in one direction, and no file holds what none may.
    Rules,
    /// The guests build, import nothing but the contract, and are small.
    Guests,
    /// The guests built from another folder, from nothing, are the same bytes.
    Repeatable,
    /// Clippy has nothing to say, and the host builds without what only its tests need.
    Lints,
    /// The tests of every crate, those of the guests' logic too.
    Tests,
    /// The examples in the documentation.
    Examples,
    /// The whole way from a press to a row: `cargo xtask demo --auto`.
    Demo,
    /// The host is killed at random moments, and loses and doubles nothing: a few of the kills of `cargo xtask faults`.
    Kills,
    /// Plugins in Rust, JavaScript and Python, as `punchcard plugin new` begins them, are built and run; needs npm and Python's
    /// venv.
    Languages,
    /// The program signs in against servers that nobody here wrote; needs npm and Python's venv.
    ForeignServers,
    /// The documentation builds, and its links lead somewhere.
    Documentation,
    /// Licences, sources and bans of what we depend on; needs cargo-deny.
    Dependencies,
}

/// What `--quick` runs.
const QUICK: [Check; 5] = [Check::Format, Check::Rules, Check::Guests, Check::Lints, Check::Tests];

/// Runs the checks and says how each ended.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let workspace = Workspace::of_this_program()?;
    let touched = if arguments.quick { find_touched(&workspace)? } else { Touched::All };
    let ci = std::env::var_os("CI").is_some();
    let inspection =
        Inspection { workspace, std: arguments.std, quick: arguments.quick, touched, ci, tally: Mutex::default() };
    let mut reports = Vec::new();
    for &check in Check::value_variants() {
        let wanted: &[Check] = if arguments.quick { &QUICK } else { &arguments.checks };
        if !wanted.is_empty() && !wanted.contains(&check) {
            continue;
        }
        eprintln!("\n== {}", name_of(check));
        let watch = Stopwatch::start();
        let verdict = inspection.perform(check).unwrap_or_else(|error| Verdict::Failed(format!("{error:#}")));
        if let Verdict::Failed(reason) = &verdict {
            eprintln!("{reason}");
        }
        reports.push(Report { check, verdict, took_for: watch.elapsed() });
    }
    let tally = inspection.tally.into_inner().unwrap_or_default();
    println!("\n{}", render_summary(&reports, &tally));
    let all_passed = reports.iter().all(|report| !matches!(report.verdict, Verdict::Failed(_)));
    Ok(if all_passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What it means that a tool is missing: here that its check is left out, in continuous integration that nobody looked.
fn judge_missing(tool: &str, ci: bool) -> Verdict {
    let reason = format!("{tool} is not installed (cargo install {tool} --locked)");
    if ci { Verdict::Failed(reason) } else { Verdict::Skipped(reason) }
}

fn name_of(check: Check) -> String {
    check.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// What the checks are run on, and what they count.
struct Inspection {
    workspace: Workspace,
    std: Option<Source>,
    quick: bool,
    /// The crates whose tests run.
    touched: Touched,
    /// This is continuous integration.
    ci: bool,
    /// Of all tests that ran.
    tally: Mutex<Tally>,
}

impl Inspection {
    fn perform(&self, check: Check) -> Result<Verdict> {
        match check {
            Check::Format => perform(&mut self.cargo(&["fmt", "--all", "--check"]))?,
            Check::Rules => self.check_rules()?,
            Check::Guests => self.check_guests()?,
            Check::Repeatable => self.check_repeatable()?,
            Check::Lints => {
                let lints = ["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"];
                perform(&mut self.cargo(&lints))?;
                if self.quick {
                    return Ok(Verdict::Passed);
                }
                // As it is released: without the features that only tests ask of shared dependencies.
                perform(&mut self.cargo(&["check", "--locked", "--package", "punchcard"]))?;
                // As the faults try it.
                let with_clock = ["clippy", "--package", "punchcard", "--features", program::WITH_CLOCK, "--locked"];
                perform(self.cargo(&with_clock).args(["--", "--deny", "warnings"]))?;
            }
            Check::Tests => return self.check_tests(),
            Check::Examples => {
                self.count(self.cargo(&["test", "--workspace", "--doc", "--locked", "--no-fail-fast"]))?;
            }
            Check::Demo => {
                // With a panel in the terminal, and with one on a bus.
                for hardware in [None, Some(demo::Hardware::Simulated)] {
                    let arguments = demo::Arguments {
                        auto: true,
                        hardware,
                        std: self.std,
                        after_tests: true,
                        ..demo::Arguments::default()
                    };
                    if demo::run(&arguments)? != ExitCode::SUCCESS {
                        bail!("the sheet does not hold what was punched; see above");
                    }
                }
            }
            Check::Kills => {
                self.build_guests()?;
                // As the tests were built: nothing is compiled twice.
                perform(&mut self.cargo(&["build", "--workspace", "--all-targets", "--locked"]))?;
                faults::check_kills(&self.workspace, KILLS)?;
            }
            Check::Languages => {
                if let Some(missing) = languages::find_missing() {
                    return Ok(self.judge_missing_tools(&missing));
                }
                // As the tests were built: nothing is compiled twice.
                perform(&mut self.cargo(&["build", "--workspace", "--all-targets", "--locked"]))?;
                languages::check(&self.workspace)?;
            }
            Check::ForeignServers => {
                if let Some(missing) = foreign_servers::find_missing() {
                    return Ok(self.judge_missing_tools(&missing));
                }
                let installed = foreign_servers::install(&self.workspace)?;
                self.build_guests()?;
                // The whole workspace: with one crate, cargo would unite other features, and build all anew.
                let mut tests = self.cargo(&["test", "--workspace", "--test", "foreign", "--locked"]);
                // Where the transcripts are is to be seen. The tests mostly wait, more of them than there are processors.
                tests.args(["--", "--show-output", "--test-threads=8"]).env(foreign_servers::INSTALLED, installed);
                self.count(tests)?;
            }
            Check::Documentation => {
                let documentation = ["doc", "--workspace", "--no-deps", "--locked"];
                perform(self.cargo(&documentation).env("RUSTDOCFLAGS", "--deny warnings"))?;
            }
            Check::Dependencies => {
                if !process::is_on_path("cargo-deny") {
                    return Ok(judge_missing("cargo-deny", self.ci));
                }
                perform(&mut self.cargo(&["deny", "--workspace", "check", "bans", "licenses", "sources"]))?;
            }
        }
        Ok(Verdict::Passed)
    }

    fn judge_missing_tools(&self, missing: &str) -> Verdict {
        let reason = format!("something is missing: {missing}");
        if self.ci { Verdict::Failed(reason) } else { Verdict::Skipped(reason) }
    }

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = process::cargo();
        command.current_dir(&self.workspace.root).args(arguments);
        // Where tests find the components that the guests' check built.
        command.env("PUNCHCARD_GUESTS", guests::default_folder(&self.workspace));
        command
    }

    fn check_rules(&self) -> Result<()> {
        let breaches = rule::find_breaches(&self.workspace)?;
        if breaches.is_empty() {
            return Ok(());
        }
        let lines: Vec<String> = breaches.iter().map(|breach| format!("  {breach}")).collect();
        bail!("{} rules are broken\n{}", breaches.len(), lines.join("\n"))
    }

    fn build_guests(&self) -> Result<(Toolchain, Vec<guests::Built>)> {
        let toolchain = Toolchain::find(&self.workspace, self.std)?;
        eprintln!("guests are built with {}", toolchain.description);
        let all_built = guests::build_all(&self.workspace, &toolchain)?;
        Ok((toolchain, all_built))
    }

    fn check_guests(&self) -> Result<()> {
        let (_, all_built) = self.build_guests()?;
        for built in &all_built {
            println!("{}", guests::render_built(&self.workspace, built));
        }
        let too_big: Vec<String> = all_built
            .iter()
            .filter(|built| built.component.bytes.len() > guests::SIZE_LIMIT)
            .map(|built| format!("{} has {}", built.name, guests::render_size(built.component.bytes.len())))
            .collect();
        // A size is a figure of `cargo xtask bench`; here it is only said.
        if !too_big.is_empty() {
            println!("above the aim of {}: {}", guests::render_size(guests::SIZE_LIMIT), too_big.join(", "));
        }
        Ok(())
    }

    fn check_repeatable(&self) -> Result<()> {
        let (toolchain, all_built) = self.build_guests()?;
        let differing = guests::check_repeatable(&self.workspace, &toolchain, &all_built)?;
        if !differing.is_empty() {
            bail!("built from another folder, other bytes came out: {}", differing.join(", "));
        }
        Ok(())
    }

    fn check_tests(&self) -> Result<Verdict> {
        let names = match &self.touched {
            Touched::Crates(names) if names.is_empty() => {
                return Ok(Verdict::Skipped("nothing that is not committed yet touches a crate".to_owned()));
            }
            Touched::Crates(names) => Some(names),
            Touched::All => None,
        };
        if let Some(names) = names {
            eprintln!("of these crates: {}", names.iter().map(String::as_str).collect::<Vec<_>>().join(", "));
        }
        if process::is_on_path("cargo-nextest") {
            let mut command = self.cargo(&["nextest", "run", "--workspace", "--locked", "--no-fail-fast"]);
            // The workspace is built as ever: with other crates chosen, cargo would unite other features, and build all anew.
            for name in names.into_iter().flatten() {
                command.args(["--filterset", &format!("package(={name})")]);
            }
            if names.is_some() {
                // A crate may have none.
                command.arg("--no-tests=pass");
            }
            self.count(command)?;
            return Ok(Verdict::Passed);
        }
        if self.ci {
            return Ok(judge_missing("cargo-nextest", true));
        }
        let mut command = self.cargo(&["test", "--all-targets", "--locked", "--no-fail-fast"]);
        for name in names.into_iter().flatten() {
            command.args(["--package", name]);
        }
        if names.is_none() {
            command.arg("--workspace");
        }
        self.count(command)?;
        Ok(Verdict::Passed)
    }

    /// Runs tests, showing what they print, and adds their totals to the tally.
    fn count(&self, mut command: Command) -> Result<()> {
        let line = process::render_command(&command);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start `{line}`"))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        // Test runners close on one or the other; each is read on its own, or a full pipe would stop them.
        std::thread::scope(|scope| {
            scope.spawn(|| self.follow(stdout, |line| println!("{line}")));
            scope.spawn(|| self.follow(stderr, |line| eprintln!("{line}")));
        });
        let status = child.wait().with_context(|| format!("cannot wait for `{line}`"))?;
        if !status.success() {
            bail!("`{line}` ended with {status}");
        }
        Ok(())
    }

    fn follow(&self, stream: Option<impl Read>, show: impl Fn(&str)) {
        let Some(stream) = stream else { return };
        for line in BufReader::new(stream).split(b'\n') {
            let Ok(line) = line else { return };
            let line = String::from_utf8_lossy(&line);
            show(&line);
            if let Some(counted) = tally::parse_closing_line(&line)
                && let Ok(mut tally) = self.tally.lock()
            {
                tally.add(&counted);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_that_is_missing_is_a_failure_where_nobody_reads_the_summary() {
        let reason = || "cargo-deny is not installed (cargo install cargo-deny --locked)".to_owned();
        assert_eq!(judge_missing("cargo-deny", false), Verdict::Skipped(reason()));
        assert_eq!(judge_missing("cargo-deny", true), Verdict::Failed(reason()));
    }
}
