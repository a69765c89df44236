//! The folder of everything that outlives a restart. It holds tokens and what people did: nobody else looks into it.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// For its owner alone.
const MODE: u32 = 0o700;

/// Why there is no state folder.
#[derive(Debug, Error)]
pub enum StateFolderError {
    /// It can't be made.
    #[error("can't make {}", path.display())]
    Make {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is somebody else's.
    #[error("{} belongs to another user; run as that user, or give it to this one with `chown -R`", path.display())]
    NotOurs {
        /// The folder.
        path: PathBuf,
    },
    /// Others may look into it, and it can't be closed.
    #[error("can't close {} to others (`chmod 700`)", path.display())]
    Open {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Makes the folder, or closes to others one that is there: systemd and people make it with the usual mode.
///
/// # Errors
/// When it can't be made or closed, or belongs to another user.
pub fn make_private(path: &Path) -> Result<(), StateFolderError> {
    let make = |source| StateFolderError::Make { path: path.to_owned(), source };
    DirBuilder::new().recursive(true).mode(MODE).create(path).map_err(make)?;
    let metadata = fs::metadata(path).map_err(make)?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(StateFolderError::NotOurs { path: path.to_owned() });
    }
    if metadata.mode() & 0o077 != 0 {
        fs::set_permissions(path, Permissions::from_mode(MODE))
            .map_err(|source| StateFolderError::Open { path: path.to_owned(), source })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn it_is_made_for_its_owner_alone_and_closed_where_it_was_made_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("a/state");
        make_private(&state).unwrap();
        assert_eq!(mode(&state), 0o700);
        fs::set_permissions(&state, Permissions::from_mode(0o755)).unwrap();
        make_private(&state).unwrap();
        assert_eq!(mode(&state), 0o700);
    }

    #[test]
    fn what_is_no_folder_or_is_somebody_elses_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(make_private(&file), Err(StateFolderError::Make { .. })));
        let theirs = if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(folder.path(), Some(1), None).unwrap();
            folder.path()
        } else {
            Path::new("/")
        };
        assert!(matches!(make_private(theirs), Err(StateFolderError::NotOurs { .. })));
    }
}
