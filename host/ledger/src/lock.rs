//! One host for each state folder.
//!
//! The lock is `flock` on a file that is never removed: the kernel gives it back when the process ends, however it ends.
//! What the file says is only for people.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::error::OpenError;

/// The state folder is ours for as long as this lives.
pub(super) struct StateLock {
    _file: File,
}

impl StateLock {
    /// Takes the folder, and makes it where there is none.
    pub(super) fn take(state_dir: &Path) -> Result<Self, OpenError> {
        let unusable = |source: io::Error| OpenError::Folder { path: state_dir.to_owned(), source };
        fs::create_dir_all(state_dir).map_err(unusable)?;
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(state_dir.join("lock"));
        let mut file = open.map_err(unusable)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut said = String::new();
                let pid = match (&file).take(20).read_to_string(&mut said) {
                    Ok(_) if !said.trim().is_empty() => said.trim().to_owned(),
                    _ => "unknown".to_owned(),
                };
                return Err(OpenError::InUse { path: state_dir.to_owned(), pid });
            }
            Err(errno) => return Err(unusable(errno.into())),
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        // Only for people: on a full disk the device must still start, or nothing would ever make room.
        if let Err(error) = write(&mut file) {
            tracing::warn!(%error, "the lock does not say which process has it");
        }
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_host_is_refused_with_the_first_ones_process_and_let_in_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let state_dir = folder.path().join("state");
        let first = StateLock::take(&state_dir).unwrap();
        let refused = StateLock::take(&state_dir).err().unwrap();
        assert!(matches!(&refused, OpenError::InUse { pid, .. } if *pid == std::process::id().to_string()));
        assert!(refused.to_string().contains(&format!("process {}", std::process::id())), "{refused}");
        drop(first);
        assert!(StateLock::take(&state_dir).is_ok());
    }

    #[test]
    fn a_folder_that_is_a_file_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let refused = StateLock::take(&file).err().unwrap();
        assert!(matches!(&refused, OpenError::Folder { path, .. } if *path == file));
    }

    #[test]
    fn a_lock_that_can_not_be_written_down_is_a_lock() {
        // Opened in place of the file, it takes the lock and no byte: as a full disk does.
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/full", folder.path().join("lock")).unwrap();
        assert!(StateLock::take(folder.path()).is_ok());
    }

    #[test]
    fn a_longer_number_of_an_earlier_process_leaves_no_digits_behind() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("lock"), "99999999999\n").unwrap();
        let _lock = StateLock::take(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("lock")).unwrap(), format!("{}\n", std::process::id()));
    }
}
