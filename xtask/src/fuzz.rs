//! `cargo xtask fuzz`: what parses bytes of strangers is given bytes that nobody thought of.
//!
//! cargo-fuzz builds the targets of `host/fuzz` with a nightly compiler, and libFuzzer looks for bytes that break what the target
//! asserts. What it learns is kept below cargo's target folder, so that the next run goes on from there.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use crate::process;
use crate::workspace::Workspace;

const FOLDER: &str = "host/fuzz";
/// One input may take so many seconds, and so much memory in MiB.
const LIMITS: [&str; 2] = ["-timeout=10", "-rss_limit_mb=2048"];

/// The targets, and a folder of the tree with examples of what each parses, where there is one.
const TARGETS: [(&str, Option<&str>); 5] = [
    ("configuration", Some("host/core/tests/configuration")),
    ("admission", Some("target/guests")),
    ("answer", None),
    ("state", None),
    ("repository", None),
];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The targets to try; all of them when none is named.
    targets: Vec<String>,
    /// Seconds for each target.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// Tries one target after the other. It fails where one found something.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let targets = choose(&arguments.targets)?;
    if !process::is_on_path("cargo-fuzz") {
        bail!("cargo-fuzz is not installed; `cargo install cargo-fuzz --locked` brings it");
    }
    if !process::is_on_path("rustup") {
        bail!("a nightly compiler is needed, and `rustup` runs it: https://rustup.rs");
    }
    let workspace = Workspace::of_this_program()?;
    let kept = workspace.target.join("fuzz");
    let mut found = Vec::new();
    for (target, examples) in targets {
        let findings = kept.join("findings").join(target);
        let corpus = kept.join("corpus").join(target);
        for folder in [&findings, &corpus] {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let examples = examples.map(|folder| workspace.root.join(folder)).filter(|folder| folder.is_dir());
        let mut command = command(&workspace.root, &kept.join("build"), target);
        command.arg(&corpus).args(examples).arg("--").args(LIMITS);
        command.arg(format!("-max_total_time={}", arguments.seconds)).arg("-print_final_stats=1");
        // libFuzzer takes it as the beginning of a file's name.
        command.arg(format!("-artifact_prefix={}/", findings.display()));
        let line = process::render_command(&command);
        eprintln!("{line}");
        let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
        if status.success() {
            continue;
        }
        let mut files = std::fs::read_dir(&findings).with_context(|| format!("cannot list {}", findings.display()))?;
        if files.next().is_none() {
            bail!("`{line}` ended with {status}, and found nothing");
        }
        found.push(findings);
    }
    if found.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("what was found is in {}", render_folders(&found));
    Ok(ExitCode::FAILURE)
}

/// Our own cargo is that of the active toolchain, and builds nothing for a fuzzer.
fn command(root: &Path, build: &Path, target: &str) -> Command {
    let mut command = Command::new("rustup");
    process::remove_variables(&mut command, process::is_left_by_cargo);
    command.current_dir(root).args(["run", "nightly", "cargo", "fuzz", "run", "--fuzz-dir", FOLDER]);
    // No sanitizer: what is looked for are panics of safe code, and without one it is several times as fast.
    command.args(["--sanitizer", "none", "--target-dir"]).arg(build).arg(target);
    command.env_remove("RUSTUP_TOOLCHAIN");
    command
}

fn choose(named: &[String]) -> Result<Vec<(&'static str, Option<&'static str>)>> {
    if let Some(stranger) = named.iter().find(|name| !TARGETS.iter().any(|(target, _)| target == name)) {
        let known: Vec<&str> = TARGETS.iter().map(|(target, _)| *target).collect();
        bail!("there is no target `{stranger}`; there are: {}", known.join(", "));
    }
    let is_wanted = |target: &str| named.is_empty() || named.iter().any(|name| name == target);
    Ok(TARGETS.into_iter().filter(|(target, _)| is_wanted(target)).collect())
}

fn render_folders(folders: &[PathBuf]) -> String {
    let folders: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
    folders.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_target_that_can_be_named_is_one_of_the_fuzzers() {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(FOLDER).join("Cargo.toml");
        let manifest = std::fs::read_to_string(manifest).unwrap();
        let built: Vec<&str> = manifest
            .lines()
            .filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\""))
            .collect();
        assert_eq!(TARGETS.map(|(target, _)| target).as_slice(), built);
    }

    #[test]
    fn a_target_that_there_is_not_is_said_with_those_that_there_are() {
        assert_eq!(choose(&[]).unwrap().len(), TARGETS.len());
        assert_eq!(choose(&["state".to_owned()]).unwrap(), [("state", None)]);
        let error = choose(&["stat".to_owned()]).unwrap_err().to_string();
        assert_eq!(error, "there is no target `stat`; there are: configuration, admission, answer, state, repository");
    }
}
