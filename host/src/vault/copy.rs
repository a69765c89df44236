//! The whole storage as it goes into a backup, and as it comes out of one.
//!
//! The files are copied as they are. Each is looked at before: what this program did not write neither goes into a backup nor
//! into a storage.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

use super::seal::{self, is_sealed};
use super::{LARGEST, Slots, grant_of};

/// Why tokens could not be copied.
#[derive(Debug, Error)]
pub enum CopyError {
    /// The file could not be read.
    #[error("{} can't be read", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What is to be written was not written by this program.
    #[error("the tokens `{name}` can't be used: {reason}")]
    Foreign {
        /// The file's name.
        name: String,
        /// Why not, without a word of the content.
        reason: String,
    },
    /// The file could not be written.
    #[error("{} can't be written", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Reads the files of the storage in this folder that hold tokens, by their names. None where there is no storage; what a grant
/// lost to damage is left out.
///
/// # Errors
/// When the folder or a file can't be read, or a file was not written by this program.
pub fn read_copies(folder: &Path) -> Result<Vec<(String, Zeroizing<Vec<u8>>)>, CopyError> {
    let failed = |path: &Path, source| CopyError::Read { path: path.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|source| failed(folder, source))?,
    };
    let mut copies = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|source| failed(folder, source))?;
        let path = entry.path();
        let is_file = entry.file_type().map_err(|source| failed(&path, source))?.is_file();
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !is_file || !is_name(&name) {
            continue;
        }
        let mut content = Zeroizing::new(Vec::new());
        let read = File::open(&path).and_then(|file| file.take(LARGEST).read_to_end(&mut content));
        read.map_err(|source| failed(&path, source))?;
        look(&name, &content)?;
        copies.push((name, content));
    }
    copies.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    Ok(copies)
}

/// Makes a storage of such files in a folder that is not there yet. Nothing is durable when this returns.
///
/// # Errors
/// When a file was not written by this program, or the disk refuses.
pub fn write_copies<'a>(folder: &Path, copies: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<(), CopyError> {
    let failed = |path: &Path, source| CopyError::Write { path: path.to_owned(), source };
    DirBuilder::new().mode(0o700).create(folder).map_err(|source| failed(folder, source))?;
    for (name, content) in copies {
        if !is_name(name) {
            return Err(CopyError::Foreign { name: name.to_owned(), reason: "no grant's file has such a name".into() });
        }
        look(name, content)?;
        let path = folder.join(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(content)).map_err(|source| failed(&path, source))?;
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    grant_of(name).is_some()
}

fn look(name: &str, content: &[u8]) -> Result<(), CopyError> {
    let foreign = |reason| CopyError::Foreign { name: name.to_owned(), reason };
    // What is sealed goes sealed, and needs the same key where it comes to.
    let looked = if is_sealed(content) { seal::look(content) } else { Slots::parse(content).map(drop) };
    looked.map_err(foreign)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use punchcard_core::name::{GrantName, SlotName};
    use punchcard_core::secret::Secret;

    use super::super::Vault;
    use super::*;

    #[test]
    fn a_storage_that_was_copied_holds_what_the_other_one_holds() {
        let folder = tempfile::tempdir().unwrap();
        let [vault, copy] = ["vault", "copy"].map(|name| folder.path().join(name));
        assert!(read_copies(&vault).unwrap().is_empty(), "no device was ever signed in");
        let grant = GrantName::parse("google").unwrap();
        let slot = SlotName::parse("refresh-token").unwrap();
        let secret = Secret::new("1//secret".to_owned());
        let _stored = Vault::open(&vault).unwrap().store(&grant, vec![(slot.clone(), secret.clone())]).ok().unwrap();
        // What is no file of a grant's stays where it is.
        fs::write(vault.join("google.damaged-1"), "half").unwrap();
        let copies = read_copies(&vault).unwrap();
        write_copies(&copy, copies.iter().map(|(name, content)| (name.as_str(), content.as_slice()))).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&copy), mode(&copy.join("google.json"))), (0o700, 0o600));
        let loaded = Vault::open(&copy).unwrap().load(&grant).ok().unwrap();
        assert!(loaded.damage.is_none() && loaded.slots.get(&slot) == Some(&secret));
    }

    #[test]
    fn what_was_not_written_here_is_not_copied_and_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("google.json"), "ya29.secret").unwrap();
        let said = read_copies(folder.path()).err().unwrap().to_string();
        assert!(said.contains("google.json") && !said.contains("ya29"), "{said}");
        let good = br#"{"format":1,"last-version":0,"slots":{}}"#.as_slice();
        let table = [("google.json", b"ya29.secret".as_slice()), ("../google.json", good), ("google", good)];
        for (at, copy) in table.into_iter().enumerate() {
            let refused = write_copies(&folder.path().join(at.to_string()), [copy]).err().unwrap();
            assert!(
                matches!(&refused, CopyError::Foreign { .. }) && !refused.to_string().contains("ya29"),
                "{refused}"
            );
        }
    }
}
