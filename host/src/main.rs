//! The command line: what was asked for goes to its room in `cli`, and how it ended becomes an exit status.

use std::process::ExitCode;

use clap::Parser;
use punchcard::cli::{Arguments, render_failure, run};

pub(crate) fn main() -> ExitCode {
    // Before anything else: a compiler of plugins has no use for the rest of the program.
    if let Some(ended) = punchcard_sandbox::compiler::run_as_child() {
        return ended;
    }
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            anstream::eprintln!("{}", render_failure(&failure));
            failure.exit.into()
        }
    }
}
