//! The compiler's side: a process that has nothing but a component, a file for the code, and so much memory and time.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::process::ExitCode;

use punchcard_core::config::runtime::Backend;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{SUBCOMMAND, compile, filter};
use crate::engine;
use crate::measure::COMPONENT_BYTES;

/// Exit status: the component is invalid.
pub(super) const INVALID: u8 = 3;
/// Exit status: this process could not be confined, or can't read or write.
pub(super) const UNCONFINED: u8 = 4;

/// What a compiler may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Confinement {
    pub(super) memory_bytes: u64,
    pub(super) compute_seconds: u64,
    pub(super) code_bytes: u64,
    /// For what it compiles.
    pub(super) backend: Backend,
}

/// Why a compiler has no code to give.
#[derive(Debug)]
pub(super) enum ChildError {
    Invalid(String),
    Io(io::Error),
}

/// Compiles, if this process was started as a compiler; `main` ends with the status then. It is called before anything else:
/// before threads, a log, or a look at the configuration.
#[must_use]
pub fn run_as_child() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != SUBCOMMAND {
        return None;
    }
    let ended = Confinement::parse(arguments).ok_or_else(no_arguments).and_then(run);
    Some(match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(match error {
                ChildError::Invalid(_) => INVALID,
                ChildError::Io(_) => UNCONFINED,
            })
        }
    })
}

fn no_arguments() -> ChildError {
    ChildError::Io(io::Error::other("the host starts this by itself, for a plugin that has to be compiled"))
}

fn run(confinement: Confinement) -> Result<(), ChildError> {
    confinement.enter().map_err(ChildError::Io)?;
    let mut component = Vec::new();
    io::stdin().take(COMPONENT_BYTES as u64).read_to_end(&mut component).map_err(ChildError::Io)?;
    let engine = engine::start_for_compiling(confinement.backend)
        .map_err(|error| ChildError::Io(io::Error::other(error.to_string())))?;
    filter::enter().map_err(ChildError::Io)?;
    let code = File::from(io::stdout().as_fd().try_clone_to_owned().map_err(ChildError::Io)?);
    compile(&engine, &component, &code)
}

impl Confinement {
    fn parse(mut arguments: impl Iterator<Item = OsString>) -> Option<Self> {
        let mut number = || arguments.next()?.to_str()?.parse().ok();
        Some(Self {
            memory_bytes: number()?,
            compute_seconds: number()?,
            code_bytes: number()?,
            backend: match number()? {
                0 => Backend::Native,
                _ => Backend::Pulley,
            },
        })
    }

    /// Gives up what this process does not need.
    ///
    /// # Errors
    /// When the system does not allow it: nothing is compiled then.
    fn enter(self) -> io::Result<()> {
        // When memory is short, this process goes first.
        std::fs::write("/proc/self/oom_score_adj", "1000")?;
        rustix::process::nice(10)?;
        // The host waits for it; nobody does when the host is gone.
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
        rustix::thread::set_no_new_privs(true)?;
        for (resource, most) in [
            (Resource::Data, self.memory_bytes),
            (Resource::Cpu, self.compute_seconds),
            (Resource::Fsize, self.code_bytes),
            (Resource::Core, 0),
        ] {
            // Who started the host may have allowed less. The second limit ends a process that does not heed the first.
            let allowed = getrlimit(resource).maximum.unwrap_or(u64::MAX);
            let maximum = most.saturating_add(1).min(allowed);
            setrlimit(resource, Rlimit { current: Some(most.min(maximum)), maximum: Some(maximum) })?;
        }
        Ok(())
    }
}
