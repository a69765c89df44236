//! The command line: what was asked for goes to its room in `cli`, and how it ended becomes an exit status.

use std::process::ExitCode;

use clap::Parser;
use punchcard::cli::{Arguments, Exit, run, say_failure};

pub(crate) fn main() -> ExitCode {
    // Before anything else: a compiler of plugins has no use for the rest of the program.
    if let Some(ended) = punchcard_sandbox::compiler::run_as_child() {
        return ended;
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // Help and the version come this way, too, and are output like any other.
        Err(error) => {
            return match error.print() {
                Err(_) if !error.use_stderr() => Exit::Output.into(),
                _ if error.use_stderr() => ExitCode::from(2),
                _ => ExitCode::SUCCESS,
            };
        }
    };
    match run(&arguments) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            say_failure(&failure);
            failure.exit.into()
        }
    }
}
