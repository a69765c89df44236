//! Compiling, in a child process of the same program: what a component can make the compiler take, in memory and in time, has
//! no bound that could be known beforehand.
//!
//! The child gets the component as its input and a file for the code as its output, and nothing else: no environment but the
//! number of its threads, no folder, no network. If it takes too much it dies, and its death is a message. The host reads nothing of a component but
//! what `super::measure` reads, and maps no code that such a child did not write.

mod child;
mod filter;
mod wait;

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::available_parallelism;
use std::time::Duration;

use punchcard_core::config::runtime::Backend;
use thiserror::Error;
use wasmtime::Engine;

use super::cache::memory_file;
use super::engine;
use super::text::clip_sentence;
pub use child::run_as_child;
use wait::{Ending, wait};

/// The argument that makes a child of this program a compiler.
const SUBCOMMAND: &str = "compile-plugin";

/// How many threads Cranelift compiles with, as the library `rayon` wants to hear it.
const THREADS: &str = "RAYON_NUM_THREADS";

/// What is said where there is no memory: by Rust before it aborts, by the engine, and by the system.
const SAID_WITHOUT_MEMORY: [&str; 3] = ["memory allocation of", "out of memory", "Cannot allocate memory"];

/// Takes files, the network and other programs away from all threads of this process, where the kernel can do that: for one
/// that has loaded a component and has nothing else to do than to call it.
///
/// # Errors
/// When the kernel has such filters and refuses this one.
pub fn give_up_files_and_network() -> io::Result<()> {
    filter::enter_with_all_threads()
}

/// What compiles.
#[derive(Debug, Clone)]
pub struct Compiler {
    /// `None`: this process itself.
    program: Option<PathBuf>,
    bounds: Bounds,
    /// For what it compiles.
    pub(super) backend: Backend,
}

/// What one compilation may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Computing time, and how much more of it for each MiB of the component.
    pub compute_for: Duration,
    /// See `compute_for`.
    pub compute_for_each_mib: Duration,
}

impl Default for Bounds {
    /// Twice what a component made from JavaScript takes (395 MB), for larger ones; and the time of a board with a tenth of a
    /// desk's speed. Where there is less memory, the system ends the compiler before anything else.
    fn default() -> Self {
        Self {
            memory_bytes: 768 << 20,
            compute_for: Duration::from_secs(30),
            compute_for_each_mib: Duration::from_secs(15),
        }
    }
}

impl Bounds {
    /// Computing time for a component of so many bytes, of all threads together.
    fn compute_for(&self, bytes: usize) -> Duration {
        let mib = u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX);
        self.compute_for.saturating_add(self.compute_for_each_mib.saturating_mul(mib))
    }

    /// Wall-clock time: others compute, too, and a card is slow.
    fn wait_for(&self, bytes: usize) -> Duration {
        self.compute_for(bytes).saturating_mul(3)
    }
}

/// Why there is no compiled code.
#[derive(Debug, Error)]
pub enum CompileError {
    /// It was tried, and failed in a way that it would again.
    #[error(transparent)]
    Failed(Failure),
    /// It failed at an earlier start of the host.
    #[error("{reason} (it is not tried again at each start; `punchcard check` tries it again)")]
    FailedBefore {
        /// Why.
        reason: String,
    },
    /// The compiler could not be started, or not be confined.
    #[error("the compiler can't be started")]
    Start(#[source] io::Error),
    /// It was ended from outside: this host is ending, too.
    #[error("the compiler was told to end")]
    Ended,
    /// The code can't be written or read.
    #[error("the compiled code can't be kept")]
    Code(#[source] io::Error),
    /// The code does not fit into this engine.
    #[error("the engine refuses the compiled code: {0}")]
    Unusable(String),
}

/// Why a component can't be compiled.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Failure {
    /// It is invalid.
    #[error("it is no WebAssembly component that this host runs: {0}")]
    Invalid(String),
    /// It takes too much memory.
    #[error("to compile it takes more than {} MiB of memory; make it smaller", bytes >> 20)]
    Memory {
        /// What it may take.
        bytes: u64,
    },
    /// It takes too long.
    #[error("to compile it takes more than {} s; make it smaller", limit.as_secs())]
    Time {
        /// What it may take.
        limit: Duration,
    },
    /// Its code is too large.
    #[error("its compiled code has more than {} MiB; make it smaller", bytes >> 20)]
    Code {
        /// What it may have.
        bytes: u64,
    },
    /// The compiler stumbled over it.
    #[error("the compiler broke off: {how}{}{words}", if words.is_empty() { "" } else { ": " })]
    Died {
        /// With which signal or status.
        how: String,
        /// What it said last.
        words: String,
    },
}

impl Compiler {
    /// A child of the program that is running, be its file replaced or not. Its `main` calls [`run_as_child`] first.
    #[must_use]
    pub fn of_this_program() -> Self {
        Self::of_program(Path::new("/proc/self/exe"))
    }

    /// A child of this program, whose `main` calls [`run_as_child`] first.
    #[must_use]
    pub fn of_program(program: &Path) -> Self {
        Self { program: Some(program.to_owned()), bounds: Bounds::default(), backend: Backend::default() }
    }

    /// This process, without any bound: for tests and measurements with components that mean no harm, in programs that can't
    /// be started as compilers.
    #[must_use]
    pub fn unconfined() -> Self {
        Self { program: None, bounds: Bounds::default(), backend: Backend::default() }
    }

    /// The same within other bounds.
    #[must_use]
    pub fn within(self, bounds: Bounds) -> Self {
        Self { bounds, ..self }
    }

    /// The same for another backend, which is then that of the whole sandbox.
    #[must_use]
    pub fn with_backend(self, backend: Backend) -> Self {
        Self { backend, ..self }
    }

    /// The bounds as a text: what failed within others may be tried again.
    pub(super) fn bounds(&self) -> String {
        format!("{:?}", self.bounds)
    }

    /// Compiles a component into a file.
    ///
    /// # Errors
    /// When it can't be compiled.
    pub(super) fn compile(&self, component: &[u8], code: &File) -> Result<(), CompileError> {
        match &self.program {
            Some(program) => self.compile_in_child(program, component, code),
            None => self.compile_here(component, code),
        }
    }

    fn compile_here(&self, component: &[u8], code: &File) -> Result<(), CompileError> {
        let engine = engine::start_for_compiling(self.backend)
            .map_err(|error| CompileError::Start(io::Error::other(error.to_string())))?;
        compile(&engine, component, code).map_err(|error| match error {
            child::ChildError::Invalid(reason) => CompileError::Failed(Failure::Invalid(reason)),
            child::ChildError::Io(error) => CompileError::Code(error),
        })
    }

    fn compile_in_child(&self, program: &Path, component: &[u8], code: &File) -> Result<(), CompileError> {
        let mut input = memory_file("component").map_err(CompileError::Start)?;
        input.write_all(component).and_then(|()| input.rewind()).map_err(CompileError::Start)?;
        let confinement = self.confinement(component.len());
        let mut child = Command::new(program)
            .arg0("punchcard")
            .arg(SUBCOMMAND)
            .args(confinement.arguments())
            .env_clear()
            .env(THREADS, threads().to_string())
            .current_dir("/")
            .stdin(input)
            .stdout(code.try_clone().map_err(CompileError::Code)?)
            .stderr(Stdio::piped())
            .spawn()
            .map_err(CompileError::Start)?;
        let ending = wait(&mut child, self.bounds.wait_for(component.len())).map_err(CompileError::Start)?;
        self.judge(&ending, component.len())
    }

    fn confinement(&self, bytes: usize) -> child::Confinement {
        child::Confinement {
            memory_bytes: self.bounds.memory_bytes,
            compute_seconds: self.bounds.compute_for(bytes).as_secs().max(1),
            code_bytes: code_bytes(bytes),
            backend: self.backend,
        }
    }

    /// What the end of a child means.
    fn judge(&self, ending: &Ending, bytes: usize) -> Result<(), CompileError> {
        use rustix::process::Signal;

        let words = clip_sentence(ending.words.trim().to_owned());
        let signal = ending.signal.and_then(Signal::from_named_raw);
        let died = |how: String, words: String| Err(CompileError::Failed(Failure::Died { how, words }));
        if ending.timed_out {
            let limit = self.bounds.wait_for(bytes);
            return Err(CompileError::Failed(Failure::Time { limit }));
        }
        match (ending.status, signal) {
            (Some(0), _) => Ok(()),
            (Some(status), _) if status == i32::from(child::UNCONFINED) => {
                Err(CompileError::Start(io::Error::other(words)))
            }
            (_, Some(Signal::TERM | Signal::INT | Signal::HUP | Signal::QUIT)) => Err(CompileError::Ended),
            _ if SAID_WITHOUT_MEMORY.iter().any(|said| words.contains(said)) => {
                Err(CompileError::Failed(Failure::Memory { bytes: self.bounds.memory_bytes }))
            }
            (Some(status), _) if status == i32::from(child::INVALID) => {
                Err(CompileError::Failed(Failure::Invalid(words)))
            }
            (_, Some(Signal::XCPU)) => {
                let limit = self.bounds.compute_for(bytes);
                Err(CompileError::Failed(Failure::Time { limit }))
            }
            (_, Some(Signal::XFSZ)) => {
                let bytes = code_bytes(bytes);
                Err(CompileError::Failed(Failure::Code { bytes }))
            }
            (_, Some(Signal::KILL)) => died("the system ended it, which it does when memory is short".into(), words),
            (Some(status), _) => died(format!("status {status}"), words),
            (None, _) => died(format!("signal {}", ending.signal.unwrap_or_default()), words),
        }
    }
}

/// A processor is left to who presses meanwhile, where there is more than one.
fn threads() -> usize {
    available_parallelism().map_or(1, |processors| processors.get().saturating_sub(1).max(1))
}

/// Bytes of compiled code of a component of so many bytes. Code takes some three times as much.
fn code_bytes(bytes: usize) -> u64 {
    (64 << 20) + 16 * bytes as u64
}

/// Compiles in this process.
fn compile(engine: &Engine, component: &[u8], mut code: &File) -> Result<(), child::ChildError> {
    let compiled =
        engine.precompile_component(component).map_err(|error| child::ChildError::Invalid(format!("{error:#}")))?;
    code.write_all(&compiled).map_err(child::ChildError::Io)
}

/// The arguments of a child: what it may take.
impl child::Confinement {
    fn arguments(&self) -> [OsString; 4] {
        let interprets = u64::from(self.backend == Backend::Pulley);
        [self.memory_bytes, self.compute_seconds, self.code_bytes, interprets].map(|number| number.to_string().into())
    }
}

impl fmt::Display for child::ChildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(reason) => write!(f, "{reason}"),
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}
