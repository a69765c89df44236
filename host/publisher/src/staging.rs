//! What waits for the next signature: plugins to publish, and plugins to take back. It needs no key, and nobody is served it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use punchcard_core::update::Release;
use serde::{Deserialize, Serialize};

use crate::workshop::{Workshop, read_json, replace};

/// What is to happen with a file of the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Staged {
    /// It is published, with what is said of it.
    Publish(Release),
    /// It is offered no more. Devices that run it go on.
    Withdraw,
}

/// What waits, by the names of the repository's files.
pub(crate) fn read(workshop: &Workshop) -> Result<BTreeMap<String, Staged>> {
    let path = workshop.staged();
    let mut staged = BTreeMap::new();
    let entries = match fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(staged),
        Err(error) => return Err(error).with_context(|| format!("can't read {}", path.display())),
    };
    for entry in entries {
        let entry = entry.with_context(|| format!("can't read {}", path.display()))?;
        let name = entry.file_name();
        if let Some(name) = name.to_str().and_then(|name| name.strip_suffix(".json")) {
            staged.insert(name.to_owned(), read_json(&entry.path())?);
        }
    }
    Ok(staged)
}

/// Has the next `sign` publish `bytes`. Returns the name of the file.
pub(crate) fn publish(workshop: &Workshop, release: &Release, bytes: &[u8]) -> Result<String> {
    let name = format!("{}-{}.wasm", release.plugin, release.version);
    if !punchcard_repository::is_flat(&name) {
        bail!("`{name}` would be the file's name, and is too long");
    }
    make_folder(&workshop.staged())?;
    replace(&workshop.staged().join(&name), bytes)?;
    note(workshop, &name, &Staged::Publish(release.clone()))?;
    Ok(name)
}

/// Has the next `sign` offer a file no more.
pub(crate) fn withdraw(workshop: &Workshop, name: &str) -> Result<()> {
    make_folder(&workshop.staged())?;
    note(workshop, name, &Staged::Withdraw)
}

/// Nothing waits any more.
pub(crate) fn clear(workshop: &Workshop, staged: &BTreeMap<String, Staged>) -> Result<()> {
    for name in staged.keys() {
        for path in [workshop.staged().join(format!("{name}.json")), workshop.staged().join(name)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("can't remove {}", path.display()));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn note(workshop: &Workshop, name: &str, staged: &Staged) -> Result<()> {
    let text = serde_json::to_vec_pretty(staged).context("a release can't be written as JSON")?;
    replace(&workshop.staged().join(format!("{name}.json")), &text)
}

fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("can't make {}", path.display()))
}
