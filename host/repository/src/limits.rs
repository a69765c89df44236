//! What one attempt may cost at most, whatever a mirror does.

use std::time::Duration;

/// Bounds of one attempt. Sizes are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of each `N.root.json`. 256 KiB.
    pub root: u64,
    /// How many roots one attempt follows. 256; a device that was away for longer goes on with its next attempt.
    pub roots: u32,
    /// Of `timestamp.json`. 64 KiB.
    pub timestamp: u64,
    /// Of `snapshot.json`. 256 KiB.
    pub snapshot: u64,
    /// Of `targets.json`. 4 MiB: some thousand versions of plugins.
    pub targets: u64,
    /// Of one plugin, whatever is signed. 32 MiB, which is the largest component that a host admits.
    pub target: u64,
    /// How long nothing may come. 30 s.
    pub idle_for: Duration,
    /// How long all of an attempt's metadata may take. 5 min.
    pub refresh_for: Duration,
    /// How long one plugin may take. 30 min.
    pub download_for: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            root: 256 * 1024,
            roots: 256,
            timestamp: 64 * 1024,
            snapshot: 256 * 1024,
            targets: 4 * 1024 * 1024,
            target: 32 * 1024 * 1024,
            idle_for: Duration::from_secs(30),
            refresh_for: Duration::from_secs(5 * 60),
            download_for: Duration::from_secs(30 * 60),
        }
    }
}

impl Limits {
    /// The files of metadata that one attempt may open: the roots, the one after the last, and one of each other role.
    pub(crate) fn files(&self) -> u32 {
        self.roots.saturating_add(4)
    }
}
