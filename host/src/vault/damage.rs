//! Files that can't be believed, and setting them aside.

use std::fmt;
use std::io;

use cap_std::fs::{Dir, Metadata, MetadataExt as _, Permissions, PermissionsExt as _};

use super::LARGEST;
use super::replacement::sync;

/// So many damaged files of one grant are kept.
const KEPT: u32 = 5;

/// A file of slots that was set aside. Its message is for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file's name.
    pub file: String,
    /// What it is called now, in the same folder.
    pub set_aside_as: String,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, set_aside_as, reason } = self;
        write!(
            formatter,
            "the token file `{file}` could not be used: {reason}; it is kept as `{set_aside_as}`; sign in again"
        )
    }
}

/// What the folder says of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    regular: bool,
    mode: u32,
    owner: u32,
    length: u64,
}

impl Facts {
    /// Of a file that was not followed.
    pub(super) fn new(metadata: &Metadata) -> Self {
        Self {
            regular: metadata.is_file(),
            mode: metadata.mode() & 0o7777,
            owner: metadata.uid(),
            length: metadata.len(),
        }
    }
}

/// Why a file must not be believed, before it is opened, by the user `own`.
pub(super) fn plan_distrust(facts: Facts, own: u32) -> Option<String> {
    let Facts { regular, mode, owner, length } = facts;
    if !regular {
        Some("it is no regular file".to_owned())
    } else if owner != own {
        Some(format!("it belongs to user {owner}, and this program runs as user {own}"))
    } else if mode & 0o077 != 0 {
        Some(format!("its mode is {mode:04o}, and others may have read or changed it; it has to be 0600"))
    } else if length >= LARGEST {
        Some(format!("it is {length} bytes long, and no file of this program is"))
    } else {
        None
    }
}

/// Renames a file, so that it is not read again and can be looked into. Gives its number, counted from 1.
pub(super) fn perform_setting_aside(
    folder: &Dir,
    name: &str,
    facts: Facts,
    reason: String,
) -> io::Result<(u32, Damage)> {
    let number = count(folder, name)? + 1;
    let set_aside_as = damaged_name(name, number);
    if facts.regular && facts.mode & 0o077 != 0 {
        folder.set_permissions(name, Permissions::from_mode(0o600))?;
    }
    folder.rename(name, folder, &set_aside_as)?;
    for entry in folder.entries()? {
        let entry = entry?.file_name();
        let old = entry.to_str().and_then(|entry| damaged_number(entry, name)).is_some_and(|old| old + KEPT <= number);
        if old {
            folder.remove_file(&entry)?;
        }
    }
    sync(folder)?;
    Ok((number, Damage { file: name.to_owned(), set_aside_as, reason }))
}

/// How many files of this name were set aside before, by the highest of their numbers.
pub(super) fn count(folder: &Dir, name: &str) -> io::Result<u32> {
    let mut highest = 0;
    for entry in folder.entries()? {
        let number = entry?.file_name().to_str().and_then(|entry| damaged_number(entry, name));
        highest = highest.max(number.unwrap_or(0));
    }
    Ok(highest)
}

/// Whether a file of this name is one that was set aside.
pub(super) fn is_set_aside(entry: &str) -> bool {
    entry.rsplit_once(".damaged-").is_some_and(|(name, _)| damaged_number(entry, name).is_some())
}

fn damaged_name(name: &str, number: u32) -> String {
    format!("{name}.damaged-{number}")
}

fn damaged_number(entry: &str, name: &str) -> Option<u32> {
    // A number that nobody here gave must not make the next one overflow.
    entry.strip_prefix(name)?.strip_prefix(".damaged-")?.parse().ok().filter(|number| *number < 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_own_closed_regular_file_is_believed() {
        let good = Facts { regular: true, mode: 0o600, owner: 7, length: 100 };
        let table = [
            (good, None),
            (Facts { mode: 0o400, ..good }, None),
            (Facts { length: LARGEST - 1, ..good }, None),
            (Facts { regular: false, ..good }, Some("it is no regular file")),
            (Facts { owner: 8, ..good }, Some("it belongs to user 8, and this program runs as user 7")),
            (
                Facts { mode: 0o640, ..good },
                Some("its mode is 0640, and others may have read or changed it; it has to be 0600"),
            ),
            (
                Facts { mode: 0o602, ..good },
                Some("its mode is 0602, and others may have read or changed it; it has to be 0600"),
            ),
            (Facts { length: LARGEST, ..good }, Some("it is 1048576 bytes long, and no file of this program is")),
        ];
        for (facts, reason) in table {
            assert_eq!(plan_distrust(facts, 7).as_deref(), reason, "{facts:?}");
        }
    }

    #[test]
    fn a_number_is_read_back_from_its_name() {
        let table = [
            ("google.json.damaged-1", Some(1)),
            ("google.json.damaged-12", Some(12)),
            ("google.json.damaged-", None),
            ("google.json.damaged-x", None),
            ("google.json.damaged-4294967295", None),
            ("google.json", None),
            ("other.json.damaged-1", None),
        ];
        for (entry, number) in table {
            assert_eq!(damaged_number(entry, "google.json"), number, "{entry}");
        }
    }
}
