//! The same command line, as the program for trials whose clock is set by them. It has a name of its own so that it never lies
//! where the real one does.

#[path = "../main.rs"]
mod program;

use std::process::ExitCode;

fn main() -> ExitCode {
    program::main()
}
