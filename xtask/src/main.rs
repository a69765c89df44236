//! `cargo xtask`: what people who work on Punchcard do often.
//!
//! Everything here runs on a developer's machine or in continuous integration, never on a device. It knows the tree and
//! the tools around it; of the program itself it knows only command lines and what they print. It calls other programs
//! with a clean environment, says what it is about to do when that takes long or changes the machine, and every wait
//! has a bound.

mod workspace;

mod toolchain;

mod component;

mod guests;
mod languages;

mod foreign_servers;

mod rule;

mod test;

mod bench;

mod mutants;

mod fuzz;

mod demo;

mod faults;

mod dist;

mod emulator;

mod pi;

mod process;

mod program;

mod stand_in;

mod report;

mod patience;

mod stopwatch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "What people who work on Punchcard do often")]
struct CommandLine {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the guests and make them components.
    Guests(guests::Arguments),
    /// Run a device against a stand-in for Google, here in the terminal.
    Demo(demo::Arguments),
    /// Run every check, as continuous integration does.
    Test(test::Arguments),
    /// Measure speed and size, and compare them with their targets.
    Bench(bench::Arguments),
    /// Try the host with what can go wrong, and compare the sheet with what was pressed.
    Faults(faults::Arguments),
    /// Make packages for Debian and Raspberry Pi OS.
    Dist(dist::Arguments),
    /// Install the package on a virtual Pi, and try it there.
    Pi(pi::Arguments),
    /// Connect the virtual Pi with the stand-in: one connection, on the standard input and output.
    #[command(hide = true)]
    Relay(pi::RelayArguments),
    /// Change the code here and there, and see whether a test notices.
    Mutants(mutants::Arguments),
    /// Give bytes that nobody thought of to what parses those of strangers.
    Fuzz(fuzz::Arguments),
}

fn main() -> ExitCode {
    let outcome = match CommandLine::parse().task {
        Task::Guests(arguments) => guests::run(&arguments),
        Task::Demo(arguments) => demo::run(&arguments),
        Task::Test(arguments) => test::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Faults(arguments) => faults::run(&arguments),
        Task::Dist(arguments) => dist::run(&arguments),
        Task::Pi(arguments) => pi::run(&arguments),
        Task::Relay(arguments) => pi::relay(&arguments),
        Task::Mutants(arguments) => mutants::run(&arguments),
        Task::Fuzz(arguments) => fuzz::run(&arguments),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
