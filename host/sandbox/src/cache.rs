//! Compiled code, kept beside the state: compiling a plugin takes a Raspberry Pi seconds.
//!
//! The key is the component's SHA-256, whether the code is for the interpreter, and the host's version. Code that needs more
//! than this machine's processor can do, as a card may bring it from another one, the engine refuses by itself, and it is
//! compiled anew. Compiled code is trusted like the host's own: only what a compiler of this host wrote, and what this host
//! then sealed in its own folder, is loaded, and only when it is, byte for byte, what was sealed. The seal covers the
//! component's digest and length too. What could not be compiled is remembered, so that it is not tried at each start. A cache
//! that can't be used is said and gone without.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tracing::warn;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::compiler::{CompileError, Compiler, Failure};
use super::folder::{Folder, FolderError, is_left_over};

/// The ends of the files' names: the code, its seal, and why there is no code.
const CODE: &str = "cwasm";
const SEAL: &str = "sha256";
const FAILED: &str = "failed";
/// Components that could not be compiled and are remembered.
const REMEMBERED: usize = 64;
/// The longest file that says why, in bytes.
const REASON_BYTES: usize = 4096;

/// The SHA-256 of a component.
pub type Fingerprint = [u8; 32];

/// The folder of compiled code.
pub(super) struct Cache {
    /// Without it every start compiles anew, which is slow and nothing worse.
    folder: Option<Folder>,
    /// Nothing in it is changed.
    read_only: bool,
    /// One at a time: each takes all cores, and the memory of a small board.
    compiling: Mutex<()>,
}

/// Why there is compiled code and it is not used.
#[derive(Debug, Error)]
enum CacheError {
    /// A file can't be read or written.
    #[error("the cache's folder does not work")]
    Folder(#[from] FolderError),
    /// A file can't be read.
    #[error("{file} can't be read")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// A file is not what was sealed.
    #[error("{0} is damaged")]
    Damaged(String),
    /// The engine refuses it.
    #[error("the engine refuses {file}: {reason}")]
    Refused {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
}

/// A component whose code is wanted.
struct Wanted<'a> {
    engine: &'a Engine,
    bytes: &'a [u8],
    sha256: &'a Fingerprint,
}

/// The SHA-256 of a component.
#[must_use]
pub fn fingerprint(component: &[u8]) -> Fingerprint {
    Sha256::digest(component).into()
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let digits = [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or_default());
        text.extend(digits);
        text
    })
}

/// A digest from its hexadecimal digits.
#[must_use]
pub fn parse_hexadecimal(text: &str) -> Option<Fingerprint> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let digits: Option<Vec<u8>> = text.bytes().map(digit).collect();
    let bytes: Vec<u8> = digits?.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    (text.len() == 64).then(|| bytes.try_into().ok()).flatten()
}

impl Cache {
    /// Opens the folder, made with mode 0700 where it is not there. Where it can't be used, that is said.
    pub(super) fn open(folder: &Path) -> Self {
        let folder = Folder::make(folder).inspect_err(|error| {
            let error = error as &dyn std::error::Error;
            warn!(error, "the cache of compiled plugins can't be used; every start compiles them anew");
        });
        Self { folder: folder.ok(), read_only: false, compiling: Mutex::default() }
    }

    /// Opens the folder of a host, beside it: what is in it is used, and left as it is.
    pub(super) fn open_beside(folder: &Path) -> Self {
        Self { folder: Folder::open(folder).ok(), read_only: true, compiling: Mutex::default() }
    }

    /// Takes compiled code from the folder, or has it compiled and keeps it.
    ///
    /// # Errors
    /// When the component can't be compiled, now or when it was tried before. A cache that fails only costs time, and a line
    /// of the log.
    pub(super) fn compile(
        &self,
        engine: &Engine,
        compiler: &Compiler,
        bytes: &[u8],
        sha256: &Fingerprint,
    ) -> Result<Component, CompileError> {
        let wanted = Wanted { engine, bytes, sha256 };
        if let Some(known) = self.recall(&wanted, compiler) {
            return known;
        }
        let _turn = self.compiling.lock().unwrap_or_else(PoisonError::into_inner);
        // Perhaps the one before was the same component under another name.
        if let Some(known) = self.recall(&wanted, compiler) {
            return known;
        }
        let compiled = self.compile_anew(&wanted, compiler);
        if let (Err(CompileError::Failed(failure)), Some(folder), false) = (&compiled, &self.folder, self.read_only) {
            remember(folder, &wanted.name(FAILED), compiler, failure).unwrap_or_else(|error| {
                warn!(error = &error as &dyn std::error::Error, "that a plugin could not be compiled can't be kept");
            });
        }
        compiled
    }

    /// What is known of a component: its code, or that there can be none.
    fn recall(&self, wanted: &Wanted<'_>, compiler: &Compiler) -> Option<Result<Component, CompileError>> {
        let folder = self.folder.as_ref()?;
        match load(folder, wanted) {
            Ok(Some(component)) => return Some(Ok(component)),
            Ok(None) => {}
            Err(error) => warn!(error = &error as &dyn std::error::Error, "compiled code is not used; compiling anew"),
        }
        match folder.read(&wanted.name(FAILED), REASON_BYTES) {
            Ok(Some(text)) => {
                let text = String::from_utf8(text).ok()?;
                let (bounds, reason) = text.split_once('\n')?;
                (bounds == compiler.bounds()).then(|| Err(CompileError::FailedBefore { reason: reason.to_owned() }))
            }
            Ok(None) => None,
            Err(error) => {
                warn!(error = &error as &dyn std::error::Error, "what could not be compiled before is tried again");
                None
            }
        }
    }

    fn compile_anew(&self, wanted: &Wanted<'_>, compiler: &Compiler) -> Result<Component, CompileError> {
        let folder = self.folder.as_ref().filter(|_| !self.read_only);
        let temporary = folder.and_then(|folder| {
            let made = folder.make_temporary().map(|temporary| (folder, temporary));
            made.inspect_err(say_lost).ok()
        });
        let code = match &temporary {
            Some((_, temporary)) => temporary.file.try_clone(),
            None => memory_file("code"),
        };
        let code = code.map_err(CompileError::Code)?;
        compiler.compile(wanted.bytes, &code)?;
        let seal = seal(&code, wanted).map_err(CompileError::Code)?;
        let component = map(wanted.engine, &code).map_err(CompileError::Unusable)?;
        if let Some((folder, temporary)) = &temporary {
            // Nothing waits until the card has them: a press that is recorded meanwhile would wait behind them. What a power cut
            // leaves is not what its seal says, or has none, and is compiled anew.
            folder
                .place_unsynced(temporary, &wanted.name(CODE))
                .and_then(|()| folder.write_unsynced(&wanted.name(SEAL), seal.as_bytes()))
                .unwrap_or_else(|error| say_lost(&error));
        }
        Ok(component)
    }

    /// Removes the compiled code of all components but these, and what a crash left half-written; with the number of files.
    pub(super) fn tidy(&self, engine: &Engine, used: &[Fingerprint]) -> usize {
        let (Some(folder), false) = (&self.folder, self.read_only) else { return 0 };
        let used: Vec<String> = used.iter().map(|sha256| stem(engine, sha256)).collect();
        let is_unused = |name: &str| match name.rsplit_once('.') {
            Some((stem, CODE | SEAL)) => !used.iter().any(|used| used == stem),
            _ => is_left_over(name),
        };
        remove(folder, is_unused).unwrap_or_else(|error| {
            warn!(error = &error as &dyn std::error::Error, "the cache of compiled code can't be tidied");
            0
        })
    }

    /// Has everything tried again that could not be compiled.
    pub(super) fn forget_failures(&self) {
        let (Some(folder), false) = (&self.folder, self.read_only) else { return };
        let forgotten = remove(folder, is_failure);
        if let Err(error) = forgotten {
            let error = &error as &dyn std::error::Error;
            warn!(error, "what could not be compiled before is not tried again");
        }
    }
}

impl Wanted<'_> {
    fn name(&self, end: &str) -> String {
        format!("{}.{end}", stem(self.engine, self.sha256))
    }
}

fn stem(engine: &Engine, sha256: &Fingerprint) -> String {
    let target = if engine.is_pulley() { "pulley" } else { "native" };
    format!("{}-{target}-{}", hexadecimal(sha256), env!("CARGO_PKG_VERSION"))
}

fn say_lost(error: &FolderError) {
    warn!(error = error as &dyn std::error::Error, "compiled code can't be kept; the next start compiles it anew");
}

fn is_failure(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, end)| end == FAILED)
}

fn remove(folder: &Folder, is_unused: impl Fn(&str) -> bool) -> Result<usize, FolderError> {
    let mut removed = 0;
    for (name, _) in folder.names()? {
        if is_unused(&name) {
            folder.remove(&name)?;
            removed += 1;
        }
    }
    Ok(removed)
}

fn remember(folder: &Folder, name: &str, compiler: &Compiler, failure: &Failure) -> Result<(), FolderError> {
    // Whoever goes on making new ones that fail does not fill the card.
    if folder.names()?.iter().filter(|(name, _)| is_failure(name)).count() >= REMEMBERED {
        remove(folder, is_failure)?;
    }
    folder.write_unsynced(name, format!("{}\n{failure}", compiler.bounds()).as_bytes())
}

fn load(folder: &Folder, wanted: &Wanted<'_>) -> Result<Option<Component>, CacheError> {
    let file = wanted.name(CODE);
    let Some(code) = folder.open_file(&file)? else { return Ok(None) };
    let sealed = seal(&code, wanted).map_err(|source| CacheError::Unreadable { file: file.clone(), source })?;
    if folder.read(&wanted.name(SEAL), sealed.len() + 1)?.is_none_or(|seal| seal != sealed.as_bytes()) {
        return Err(CacheError::Damaged(file));
    }
    map(wanted.engine, &code).map(Some).map_err(|reason| CacheError::Refused { file, reason })
}

/// The seal of compiled code: of which component it is, and what it is.
fn seal(mut code: &File, wanted: &Wanted<'_>) -> io::Result<String> {
    let mut seal = Sha256::new();
    seal.update(wanted.sha256);
    seal.update((wanted.bytes.len() as u64).to_le_bytes());
    let mut buffer = vec![0; 64 << 10];
    code.rewind()?;
    loop {
        match code.read(&mut buffer)? {
            0 => return Ok(hexadecimal(&seal.finalize())),
            read => seal.update(&buffer[..read]),
        }
    }
}

/// Maps compiled code: the very file that was sealed, whatever its name leads to by now.
fn map(engine: &Engine, code: &File) -> Result<Component, String> {
    let path = format!("/proc/self/fd/{}", code.as_raw_fd());
    #[expect(
        unsafe_code,
        reason = "the code is this host's own work: its compiler wrote it, for this engine, into a file that only it can \
                  write, and it is unchanged since by its seal"
    )]
    // SAFETY: see the reason above.
    let component = unsafe { Component::deserialize_file(engine, path) };
    component.map_err(|error| format!("{error:#}"))
}

/// A file in memory alone.
pub(super) fn memory_file(name: &str) -> io::Result<File> {
    Ok(rustix::fs::memfd_create(name, rustix::fs::MemfdFlags::CLOEXEC)?.into())
}
