//! The bytes of the components that were let in: `plugins/SHA256.wasm` beside the ledger.
//!
//! What runs is what was admitted, and not what stands by now where it came from: that file may have been replaced, may be on
//! a stick that was pulled out, or may be half-written. A component is read back by its digest, and believed only if it still
//! has it.

use std::path::Path;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::cache::{Fingerprint, hexadecimal};
use super::folder::{Folder, FolderError, is_left_over};
use super::measure::COMPONENT_BYTES;

/// The folder of admitted components in the state folder.
pub const FOLDER: &str = "plugins";

/// Components that no plugin uses any more, and that are kept to go back to: the newest.
const KEPT: usize = 8;

/// The folder of components.
pub(super) struct Archive {
    folder: Folder,
    /// Nothing in it is changed.
    read_only: bool,
}

/// Why a component can't be had from the archive.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// There is no archive: its folder can't be used, as was said when the host started.
    #[error("the folder of admitted plugins can't be used")]
    None,
    /// The folder or file can't be used.
    #[error("the folder of admitted plugins does not work")]
    Folder(#[from] FolderError),
    /// It was never admitted, or removed since.
    #[error("no component with the digest {0} was kept")]
    Missing(String),
    /// The file is another than was admitted.
    #[error("the component that was kept with the digest {0} is damaged")]
    Damaged(String),
}

impl Archive {
    /// Opens the folder; it is made where that is wanted, and otherwise left as it is.
    ///
    /// # Errors
    /// When it can't be made, or is not this user's alone.
    pub(super) fn open(folder: &Path, make: bool) -> Result<Self, FolderError> {
        let folder = if make { Folder::make(folder) } else { Folder::open(folder) }?;
        Ok(Self { folder, read_only: !make })
    }

    /// Keeps a component that was let in.
    ///
    /// # Errors
    /// When it is not safely on the disk.
    pub(super) fn keep(&self, component: &[u8], sha256: &Fingerprint) -> Result<(), FolderError> {
        // One that is there is left alone, unless it is damaged: a card wears by what is written to it.
        if self.read_only || self.read(sha256).is_ok() {
            return Ok(());
        }
        self.folder.write(&name(sha256), component)
    }

    /// Reads a component that was let in before.
    ///
    /// # Errors
    /// When it is not there, or not what was let in.
    pub(super) fn read(&self, sha256: &Fingerprint) -> Result<Vec<u8>, ArchiveError> {
        let bytes = self
            .folder
            .read(&name(sha256), COMPONENT_BYTES + 1)?
            .ok_or_else(|| ArchiveError::Missing(hexadecimal(sha256)))?;
        if Fingerprint::from(Sha256::digest(&bytes)) == *sha256 {
            Ok(bytes)
        } else {
            Err(ArchiveError::Damaged(hexadecimal(sha256)))
        }
    }

    /// Removes what is neither used nor among the newest that are not; with the number of files.
    ///
    /// # Errors
    /// When the folder can't be read, or a file not removed.
    pub(super) fn tidy(&self, used: &[Fingerprint]) -> Result<usize, FolderError> {
        let used: Vec<String> = used.iter().map(name).collect();
        let (mut removed, mut unused) = (0, Vec::new());
        for (name, changed) in self.folder.names()? {
            if is_left_over(&name) {
                self.folder.remove(&name)?;
                removed += 1;
            } else if name.ends_with(".wasm") && !used.contains(&name) {
                unused.push((changed, name));
            }
        }
        unused.sort();
        let old = unused.len().saturating_sub(KEPT);
        for (_, name) in &unused[..old] {
            self.folder.remove(name)?;
        }
        Ok(removed + old)
    }
}

/// The name of a component's file in the folder.
#[must_use]
pub fn name(sha256: &Fingerprint) -> String {
    format!("{}.wasm", hexadecimal(sha256))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_component_is_read_back_as_it_was_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::open(folder.path(), true).unwrap();
        let sha256 = Sha256::digest(b"component").into();
        assert!(matches!(archive.read(&sha256), Err(ArchiveError::Missing(_))));
        archive.keep(b"component", &sha256).unwrap();
        assert_eq!(archive.read(&sha256).unwrap(), b"component");
        let path = folder.path().join(name(&sha256));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, b"another").unwrap();
        assert!(matches!(archive.read(&sha256), Err(ArchiveError::Damaged(_))));
        archive.keep(b"component", &sha256).unwrap();
        assert_eq!(archive.read(&sha256).unwrap(), b"component");
    }

    #[test]
    fn what_is_used_and_some_of_the_rest_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::open(folder.path(), true).unwrap();
        let all: Vec<Fingerprint> = (0..20_u8).map(|number| Sha256::digest([number]).into()).collect();
        for (number, sha256) in (0..20_u8).zip(&all) {
            archive.keep(&[number], sha256).unwrap();
        }
        // No process can have this number.
        std::fs::write(folder.path().join("4194305-1.tmp"), "half").unwrap();
        assert_eq!(archive.tidy(&all[..5]).unwrap(), 1 + 15 - KEPT);
        assert!(all[..5].iter().all(|sha256| archive.read(sha256).is_ok()));
        assert_eq!(archive.tidy(&all[..5]).unwrap(), 0);
    }
}
