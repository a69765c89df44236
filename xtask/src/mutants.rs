//! `cargo xtask mutants`: whether the tests notice when the code is changed.
//!
//! cargo-mutants changes one thing at a time in the logic that decides — the core and the guests — and runs the tests of
//! that package. What it must leave alone stands in `.cargo/mutants.toml`.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use crate::process;
use crate::workspace::Workspace;

/// What is mutated besides the guests.
const LIBRARIES: [&str; 2] = ["punchcard-core", "punchcard-sdk"];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The packages to mutate; the core, the SDK and every guest when none is named.
    packages: Vec<String>,
    /// Given to cargo-mutants as they are: `-- --file host/core/src/backoff.rs`, `-- --list`.
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Runs cargo-mutants; its exit status tells whether a mutant survived.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    if !process::is_on_path("cargo-mutants") {
        bail!("cargo-mutants is not installed; `cargo install cargo-mutants --locked` brings it");
    }
    let workspace = Workspace::of_this_program()?;
    let known: Vec<&str> =
        LIBRARIES.into_iter().chain(workspace.guests.iter().map(|guest| guest.name.as_str())).collect();
    let packages = choose_packages(&known, &arguments.packages)?;
    let mut command = process::cargo();
    command.current_dir(&workspace.root).arg("mutants").arg("--output").arg(&workspace.target);
    command.args(packages.iter().flat_map(|package| ["--package", package])).args(&arguments.rest);
    // Hundreds of builds that nobody debugs.
    command.env("CARGO_PROFILE_DEV_DEBUG", "none").env_remove("CARGO_TARGET_DIR");
    let line = process::render_command(&command);
    eprintln!("{line}");
    let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
    if status.success() {
        return Ok(ExitCode::SUCCESS);
    }
    let lists = workspace.target.join("mutants.out");
    let lists = workspace.relative(&lists).display();
    eprintln!("what survived is in {lists}/missed.txt and {lists}/timeout.txt");
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

fn choose_packages(known: &[&str], wanted: &[String]) -> Result<Vec<String>> {
    if let Some(stranger) = wanted.iter().find(|package| !known.contains(&package.as_str())) {
        bail!("`{stranger}` is not among what is mutated: {}", known.join(", "));
    }
    Ok(if wanted.is_empty() { known.iter().map(|&package| package.to_owned()).collect() } else { wanted.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_packages_are_mutated_or_those_that_are_named() {
        let known = ["punchcard-core", "timeclock"];
        assert_eq!(choose_packages(&known, &[]).expect("all"), known);
        assert_eq!(choose_packages(&known, &["timeclock".to_owned()]).expect("one"), ["timeclock"]);
        let error = choose_packages(&known, &["punchcard".to_owned()]).expect_err("not mutated").to_string();
        assert!(error.contains("`punchcard`") && error.contains("timeclock"), "{error}");
    }
}
