//! Tries the host with what can go wrong: `punchcard-faults [FAULT…]` prints a line of JSON for each fault.
//!
//! `cargo xtask faults` builds and calls it, and makes a table of it. It needs the program `punchcard` (in
//! `PUNCHCARD_PROGRAM`) and a folder of components (in `PUNCHCARD_GUESTS`). Each fault has a device of its own: the real
//! program with the real plugins in a folder of its own, keys on a pipe, and the stand-in for Google in this process. What
//! counts is what the keys were pressed for and what the sheet holds; the ledger has no say in it.

mod press;

mod device;

mod kill;
mod request;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use punchcard_rig::{Compiled, Programs};
use serde::Serialize;

use device::Surroundings;

#[derive(Parser)]
#[command(about = "Tries the host with what can go wrong")]
struct Arguments {
    /// The faults to try; all of them when none is named.
    faults: Vec<String>,
    /// How often the host is killed.
    #[arg(long, default_value_t = 300)]
    kills: u32,
    /// What is left to chance is the same with the same seed, but for the moments, which depend on the machine; another one
    /// each time when not given.
    #[arg(long)]
    seed: Option<u64>,
}

/// How the host did.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Outcome {
    /// Which fault.
    fault: &'static str,
    /// How often it was tried.
    runs: u32,
    /// Presses that the device had said were recorded.
    acknowledged: usize,
    /// Rows in the sheet at the end.
    rows: usize,
    /// Of the acknowledged presses, those without a row.
    lost: usize,
    /// Rows without a press of their own.
    doubled: usize,
    /// Requests that went wrong on the way.
    disturbed: u32,
    /// From the first press after the fault was laid, or the last start, until everything was in the sheet.
    recovered_ms: u128,
    /// The headlines of what `status` said was wrong, which the panel shows too.
    said: Vec<String>,
    /// What else was not as it has to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
    /// With which what was left to chance can be tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
}

impl Outcome {
    /// Of a fault that could not be tried to its end.
    fn of_trouble(fault: &'static str, seed: Option<u64>, error: &anyhow::Error) -> Self {
        Self {
            fault,
            runs: 0,
            acknowledged: 0,
            rows: 0,
            lost: 0,
            doubled: 0,
            disturbed: 0,
            recovered_ms: 0,
            said: Vec::new(),
            trouble: Some(format!("{error:#}")),
            seed,
        }
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let programs = Programs::of_environment("cargo xtask faults")?;
    // Compiled once for all of them.
    let folder = tempfile::tempdir().context("cannot make a folder")?;
    let surroundings = Surroundings { programs, compiled: Compiled::within(&folder.path().join("compiled"))? };
    let requests = request::all();
    let names: Vec<_> = std::iter::once(kill::NAME).chain(requests.iter().map(|(name, _)| *name)).collect();
    if let Some(unknown) = arguments.faults.iter().find(|fault| !names.contains(&fault.as_str())) {
        bail!("there is no fault `{unknown}`; there are {}", names.join(", "));
    }
    let is_wanted = |name: &str| arguments.faults.is_empty() || arguments.faults.iter().any(|fault| fault == name);
    let runtime = tokio::runtime::Runtime::new()?;
    if is_wanted(kill::NAME) {
        let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
        let outcome = runtime.block_on(kill::try_out(&surroundings, arguments.kills, seed));
        report(&outcome.unwrap_or_else(|error| Outcome::of_trouble(kill::NAME, Some(seed), &error)))?;
    }
    for (name, mishap) in requests.iter().filter(|(name, _)| is_wanted(name)) {
        eprintln!("  trying {name}");
        let outcome = runtime.block_on(request::try_out(&surroundings, name, mishap));
        report(&outcome.unwrap_or_else(|error| Outcome::of_trouble(name, None, &error)))?;
    }
    Ok(())
}

fn report(outcome: &Outcome) -> Result<()> {
    println!("{}", serde_json::to_string(outcome)?);
    Ok(())
}
