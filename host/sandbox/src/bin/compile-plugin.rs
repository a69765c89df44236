//! The compiler alone, for tests of this crate: they are programs that can't be started as compilers.

use std::process::ExitCode;

fn main() -> ExitCode {
    punchcard_sandbox::compiler::run_as_child().unwrap_or(ExitCode::FAILURE)
}
