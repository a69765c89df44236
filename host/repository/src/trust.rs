//! What a device believes of a repository: one value, stored and loaded whole.

use std::fmt;

use serde::Deserialize;

/// A file of metadata that has a signature of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Whose keys count, for which role.
    Root,
    /// Which snapshot is the newest; signed anew often.
    Timestamp,
    /// Which versions of the metadata belong together.
    Snapshot,
    /// What is offered.
    Targets,
}

impl Role {
    pub(crate) const ALL: [Self; 4] = [Self::Root, Self::Timestamp, Self::Snapshot, Self::Targets];

    /// The file's name, without a version.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            Self::Root => "root.json",
            Self::Timestamp => "timestamp.json",
            Self::Snapshot => "snapshot.json",
            Self::Targets => "targets.json",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.file().trim_end_matches(".json"))
    }
}

/// The newest metadata of a repository that a device has accepted, as it came.
///
/// Files that are older than these are refused. A part of it is worth nothing: who stores it stores all of it, in one
/// transaction.
#[derive(Clone, PartialEq, Eq)]
pub struct TrustState {
    /// `root.json`.
    pub root: Vec<u8>,
    /// `timestamp.json`.
    pub timestamp: Option<Vec<u8>>,
    /// `snapshot.json`.
    pub snapshot: Option<Vec<u8>>,
    /// `targets.json`.
    pub targets: Option<Vec<u8>>,
}

impl TrustState {
    /// Where trust begins: with the root that a person got from the publisher. For the first attempt alone; after it the
    /// state that [`crate::refresh`] returned counts, or keys that were given up long ago would be believed again.
    #[must_use]
    pub fn shipped(root: Vec<u8>) -> Self {
        Self { root, timestamp: None, snapshot: None, targets: None }
    }

    /// The bytes of a role.
    #[must_use]
    pub fn file(&self, role: Role) -> Option<&[u8]> {
        match role {
            Role::Root => Some(&self.root),
            Role::Timestamp => self.timestamp.as_deref(),
            Role::Snapshot => self.snapshot.as_deref(),
            Role::Targets => self.targets.as_deref(),
        }
    }

    /// The versions of what is believed, for people. Nothing is verified.
    #[must_use]
    pub fn versions(&self) -> Versions {
        let version = |role| self.file(role).and_then(peek_version);
        Versions {
            root: version(Role::Root),
            timestamp: version(Role::Timestamp),
            snapshot: version(Role::Snapshot),
            targets: version(Role::Targets),
        }
    }
}

impl fmt::Debug for TrustState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.versions().fmt(formatter)
    }
}

/// Version numbers of the roles, where there are any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Versions {
    /// Of `root.json`.
    pub root: Option<u64>,
    /// Of `timestamp.json`.
    pub timestamp: Option<u64>,
    /// Of `snapshot.json`.
    pub snapshot: Option<u64>,
    /// Of `targets.json`.
    pub targets: Option<u64>,
}

fn peek_version(bytes: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct File {
        signed: Signed,
    }
    #[derive(Deserialize)]
    struct Signed {
        version: u64,
    }
    serde_json::from_slice::<File>(bytes).ok().map(|file| file.signed.version)
}
