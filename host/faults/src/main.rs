//! Tries the host with what can go wrong: `punchcard-faults [FAULT…]` prints a line of JSON for each fault.
//!
//! `cargo xtask faults` builds and calls it, and makes a table of it. It needs the program `punchcard` (in
//! `PUNCHCARD_PROGRAM`) and a folder of components (in `PUNCHCARD_GUESTS`). Each fault has a device of its own: the real
//! program with the real plugins in a folder of its own, keys on a pipe, and the stand-in for Google in this process. What
//! counts is which presses the device said it had recorded, and what the sheet holds; the ledger has no say in it.

mod row;

mod cell;
mod correction;
mod outcome;
mod press;

mod device;
mod trial;

mod time_clock;

mod gate;
mod machine;
mod strace;

mod headline;

mod kill;
mod request;

mod access;
mod network;
mod sheet;

mod backup;
mod card;
mod time;

mod guest;
mod hand;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use punchcard_rig::{Compiled, Programs};
use tokio::sync::oneshot;
use tokio::task::{JoinSet, LocalSet};

use outcome::Outcome;
use row::Row;
use trial::Surroundings;

#[derive(Parser)]
#[command(about = "Tries the host with what can go wrong")]
struct Arguments {
    /// The faults to try, or the groups of them; all when none is named.
    faults: Vec<String>,
    /// Name the faults, and try none.
    #[arg(long)]
    list: bool,
    /// How often the host is killed.
    #[arg(long, default_value_t = 300)]
    kills: u32,
    /// Repeat the chances of the kills: the number is in the last column. The moments still depend on the machine.
    #[arg(long)]
    seed: Option<u64>,
    /// End when the standard input ends, with everything that was started: who waits for the outcomes is gone, or has
    /// waited long enough.
    #[arg(long)]
    until_input_ends: bool,
}

/// Every fault there is, in the order in which they are tried.
fn rows(kills: u32, seed: u64) -> Vec<Row> {
    let outside = [kill::rows(kills, seed), request::rows(), network::rows(), access::rows(), sheet::rows()];
    let inside = [time::rows(), card::rows(), backup::rows(), guest::rows(seed), hand::rows()];
    outside.into_iter().chain(inside).flatten().collect()
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let rows = rows(arguments.kills, arguments.seed.unwrap_or_else(|| fastrand::u64(..)));
    let is_meant = |row: &Row, word: &str| row.name == word || row.group.name() == word;
    if let Some(unknown) = arguments.faults.iter().find(|word| !rows.iter().any(|row| is_meant(row, word))) {
        bail!("there is neither a fault nor a group `{unknown}`; `--list` names them");
    }
    let is_wanted = |row: &Row| arguments.faults.is_empty() || arguments.faults.iter().any(|word| is_meant(row, word));
    let rows: Vec<_> = rows.into_iter().filter(is_wanted).collect();
    if arguments.list {
        for row in &rows {
            println!("{:<8} {:<28} {}", row.group.name(), row.name, row.what);
        }
        return Ok(());
    }
    let programs = Programs::of_environment("cargo xtask faults")?;
    // Compiled once for all of them.
    let folder = tempfile::tempdir().context("cannot make a folder")?;
    let compiled = Compiled::within(&folder.path().join("compiled"))?;
    let surroundings = Surroundings { programs, compiled };
    let runtime = tokio::runtime::Runtime::new()?;
    let input_ends = arguments.until_input_ends.then(input_ends);
    let is_given_up = async {
        match input_ends {
            Some(ended) => ended.await.unwrap_or_default(),
            None => std::future::pending().await,
        }
    };
    runtime.block_on(async {
        // Devices are killed with what tries them.
        let trials = LocalSet::new();
        tokio::select! {
            tried = trials.run_until(try_out(rows, &surroundings)) => tried,
            () = is_given_up => bail!("given up: nobody waits any more"),
        }
    })
}

/// Is told when the standard input has ended.
fn input_ends() -> oneshot::Receiver<()> {
    let (ended, is_ended) = oneshot::channel();
    // Nothing else reads it, and the end of the program does not wait for this.
    std::thread::spawn(move || {
        std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).ok();
        ended.send(()).ok();
    });
    is_ended
}

/// Tries one after the other, and those that hardly do anything but wait beside the others.
async fn try_out(rows: Vec<Row>, surroundings: &Surroundings) -> Result<()> {
    let all = rows.len();
    let (slow, quick): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.is_slow);
    let mut beside = JoinSet::new();
    for row in slow {
        eprintln!("  {}, beside the others", row.name);
        beside.spawn_local(row.try_out(surroundings.clone()));
    }
    for (number, row) in (beside.len() + 1..).zip(quick) {
        eprintln!("  {number} of {all}: {}", row.name);
        report(&row.try_out(surroundings.clone()).await)?;
    }
    while let Some(outcome) = beside.join_next().await {
        report(&outcome.context("a trial was given up")?)?;
    }
    Ok(())
}

fn report(outcome: &Outcome) -> Result<()> {
    println!("{}", serde_json::to_string(outcome)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_fault_has_a_name_of_its_own() {
        let rows = rows(1, 1);
        let names: BTreeSet<_> = rows.iter().flat_map(|row| [row.name, row.group.name()]).collect();
        let groups: BTreeSet<_> = rows.iter().map(|row| row.group.name()).collect();
        assert_eq!(names.len(), rows.len() + groups.len());
    }
}
