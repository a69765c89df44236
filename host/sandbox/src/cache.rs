//! Compiled code, kept beside the state: compiling a plugin takes a Raspberry Pi seconds.
//!
//! The key is the component's SHA-256 and the engine's compatibility hash, so that neither another component nor another
//! engine can meet it. Compiled code is trusted like the host's own: only what this host itself wrote into its own folder
//! is loaded, and only when it is, byte for byte, what was written. A cache that can't be used is said and gone without.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};
use thiserror::Error;
use tracing::warn;
use wasmtime::Engine;
use wasmtime::component::Component;

/// The folder of compiled code.
pub struct Cache {
    folder: PathBuf,
    /// Nothing in it is changed.
    read_only: bool,
}

/// Why compiled code could not be kept or taken.
#[derive(Debug, Error)]
pub enum CacheError {
    /// The folder can't be made.
    #[error("can't make the cache's folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Someone else could have written there.
    #[error("{} belongs to another user or can be written by one; remove it", path.display())]
    NotOurs {
        /// The folder or file.
        path: PathBuf,
    },
    /// A file can't be read or written.
    #[error("can't use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what was written.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The engine refuses it.
    #[error("the engine refuses {}: {reason}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// The SHA-256 of a component.
pub type Fingerprint = [u8; 32];

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

impl Cache {
    /// Opens the folder, made with mode 0700 where it is not there.
    ///
    /// # Errors
    /// When it can't be made, or is not this user's alone.
    pub fn open(folder: &Path) -> Result<Self, CacheError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|source| CacheError::Folder { path: folder.to_owned(), source })?;
        require_ours(folder)?;
        Ok(Self { folder: folder.to_owned(), read_only: false })
    }

    /// Opens the folder of a host, beside it: what is in it is used, and left as it is.
    ///
    /// # Errors
    /// When it is not there, or is not this user's alone.
    pub fn open_beside(folder: &Path) -> Result<Self, CacheError> {
        require_ours(folder)?;
        Ok(Self { folder: folder.to_owned(), read_only: true })
    }

    /// Takes compiled code from the folder, or compiles and keeps it. Whether it was there comes with it.
    ///
    /// # Errors
    /// When the component can't be compiled. A cache that fails only costs time, and a line of the log.
    pub fn compile(
        &self,
        engine: &Engine,
        component: &[u8],
        sha256: &Fingerprint,
    ) -> wasmtime::Result<(Component, bool)> {
        let path = self.path(engine, sha256);
        match load(engine, &path) {
            Ok(Some(compiled)) => return Ok((compiled, true)),
            Ok(None) => {}
            Err(error) => warn!(error = &error as &dyn std::error::Error, "compiled code is not used; compiling anew"),
        }
        let compiled = Component::from_binary(engine, component)?;
        if self.read_only {
            return Ok((compiled, false));
        }
        match compiled.serialize().map(|code| store(&path, &code)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(error = &error as &dyn std::error::Error, "compiled code can't be kept"),
            Err(error) => warn!(%error, "compiled code can't be kept"),
        }
        Ok((compiled, false))
    }

    /// Removes the compiled code of all components but these, and what a crash left half-written; with the number of files.
    pub fn keep_only(&self, engine: &Engine, used: &[Fingerprint]) -> usize {
        if self.read_only {
            return 0;
        }
        let used: Vec<PathBuf> = used.iter().map(|sha256| self.path(engine, sha256)).collect();
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) => {
                warn!(%error, "the cache of compiled code can't be tidied");
                return 0;
            }
        };
        let mut removed = 0;
        for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
            let ours = path
                .extension()
                .is_some_and(|extension| ["cwasm", "sha256", "tmp"].iter().any(|own| extension == *own));
            if !ours || used.contains(&path) || used.iter().any(|code| seal_of(code) == path) {
                continue;
            }
            match fs::remove_file(&path) {
                Ok(()) => removed += 1,
                Err(error) => warn!(%error, path = %path.display(), "compiled code can't be removed"),
            }
        }
        removed
    }

    fn path(&self, engine: &Engine, sha256: &Fingerprint) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        self.folder.join(format!("{}-{:016x}.cwasm", hexadecimal(sha256), hasher.finish()))
    }
}

fn seal_of(path: &Path) -> PathBuf {
    path.with_extension("sha256")
}

fn require_ours(path: &Path) -> Result<(), CacheError> {
    let metadata = fs::symlink_metadata(path).map_err(|source| CacheError::File { path: path.to_owned(), source })?;
    let ours = metadata.uid() == rustix::process::geteuid().as_raw()
        && metadata.mode() & 0o022 == 0
        && !metadata.file_type().is_symlink();
    if ours { Ok(()) } else { Err(CacheError::NotOurs { path: path.to_owned() }) }
}

fn load(engine: &Engine, path: &Path) -> Result<Option<Component>, CacheError> {
    let in_file = |source| CacheError::File { path: path.to_owned(), source };
    let code = match fs::read(path) {
        Ok(code) => code,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(in_file(error)),
    };
    require_ours(path)?;
    let seal = fs::read_to_string(seal_of(path)).map_err(in_file)?;
    if seal != hexadecimal(&Sha256::digest(&code)) {
        return Err(CacheError::Damaged { path: path.to_owned() });
    }
    drop(code);
    #[expect(
        unsafe_code,
        reason = "the file is this host's own work: written by it into a folder that only it can write, for this engine, \
                  and unchanged since by its seal"
    )]
    // SAFETY: see the reason above.
    let compiled = unsafe { Component::deserialize_file(engine, path) };
    compiled.map(Some).map_err(|error| CacheError::Refused { path: path.to_owned(), reason: error.to_string() })
}

/// The code first, then its seal: a power cut between the two leaves code without a seal, which is compiled anew.
fn store(path: &Path, code: &[u8]) -> Result<(), CacheError> {
    replace(path, code)?;
    replace(&seal_of(path), hexadecimal(&Sha256::digest(code)).as_bytes())
}

fn replace(path: &Path, bytes: &[u8]) -> Result<(), CacheError> {
    // Of its own for each process and each writing: two hosts at the same state would write into one another's files.
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let temporary = path.with_extension(format!("{}-{number}.tmp", std::process::id()));
    let write = || -> std::io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|source| CacheError::File { path: path.to_owned(), source })
}
