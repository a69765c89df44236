//! Released versions of the contract are frozen: a change is a new folder beside them, for plugins that were built for the old
//! one go on working.

use std::path::Path;

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use super::Breach;

/// The folders of released versions, and the SHA-256 of what [`digest`] makes of their files. A line is added with a release,
/// and never changed.
const FROZEN: [(&str, &str); 1] = [("wit/v0.1", "d391d6ef59da8c8c9e1529daad8434fbd1e576f01ed374c9f7f3205c16c57ad4")];

/// Every released version in the tree at `root` that is not what it was.
pub(super) fn find_breaches(root: &Path) -> Result<Vec<Breach>> {
    FROZEN.iter().filter_map(|(folder, digest)| breach(root, folder, digest).transpose()).collect()
}

fn breach(root: &Path, folder: &str, frozen: &str) -> Result<Option<Breach>> {
    let found = digest(&root.join(folder))?;
    let what = format!(
        "this version of the contract is released and frozen, and its files are not what they were (they come to {found}); \
         put them back, and write what is new into the next version's folder"
    );
    Ok((found != frozen).then(|| Breach::at(Path::new(folder), 1, what)))
}

/// The SHA-256 of all files in a folder: of each the name and the bytes, with a zero behind both, in the order of the names.
fn digest(folder: &Path) -> Result<String> {
    let broken = || format!("cannot read {}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(broken)? {
        let entry = entry.with_context(broken)?;
        files.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    files.sort();
    let mut digest = Sha256::new();
    for (name, path) in files {
        digest.update(name.as_bytes());
        digest.update([0]);
        digest.update(std::fs::read(&path).with_context(broken)?);
        digest.update([0]);
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_changed_added_renamed_or_removed_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let version = folder.path().join("wit/v9");
        std::fs::create_dir_all(&version).expect("made");
        let write = |name: &str, text: &str| std::fs::write(version.join(name), text).expect("written");
        write("a.wit", "one");
        write("b.wit", "two");
        let frozen = digest(&version).expect("read");
        let is_broken = || breach(folder.path(), "wit/v9", &frozen).expect("read").is_some();
        assert!(!is_broken());
        write("b.wit", "two ");
        assert!(is_broken(), "a space more");
        write("b.wit", "two");
        assert!(!is_broken());
        write("c.wit", "");
        assert!(is_broken(), "an empty file more");
        std::fs::remove_file(version.join("c.wit")).expect("removed");
        std::fs::rename(version.join("b.wit"), version.join("bb.wit")).expect("renamed");
        assert!(is_broken(), "another name");
        std::fs::remove_file(version.join("bb.wit")).expect("removed");
        assert!(is_broken(), "one less");
    }
}
