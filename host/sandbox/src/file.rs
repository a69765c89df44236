//! Reading a component's file, without believing that it is one.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The largest component that is looked at, in bytes. JavaScript and Python bring their interpreters along.
pub(super) const COMPONENT_BYTES: usize = 64 << 20;

/// Why a component's file was not read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It is not there, or can't be read.
    #[error("can't read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A folder, a pipe, a device: reading it might never end.
    #[error("{} is no regular file", .0.display())]
    NoFile(PathBuf),
    /// It is larger than any component.
    #[error("{} has more than {COMPONENT_BYTES} bytes", .0.display())]
    TooLarge(PathBuf),
}

/// Reads the file of a component.
///
/// # Errors
/// When it can't be read, is no regular file, or is too large.
pub fn read_component(path: &Path) -> Result<Vec<u8>, ReadError> {
    let failed = |source| ReadError::File { path: path.to_owned(), source };
    // Before it is opened: opening a pipe would wait for a writer.
    let metadata = path.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(ReadError::NoFile(path.to_owned()));
    }
    let mut bytes = Vec::new();
    // What the metadata said may have changed since.
    let most = COMPONENT_BYTES as u64;
    if metadata.len() <= most {
        File::open(path).map_err(failed)?.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
    if metadata.len() > most || bytes.len() > COMPONENT_BYTES {
        return Err(ReadError::TooLarge(path.to_owned()));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_of_a_components_size_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("small"), b"\0asm").unwrap();
        assert_eq!(read_component(&path("small")).unwrap(), b"\0asm");
        // A file with a hole takes no space.
        File::create(path("large")).unwrap().set_len(COMPONENT_BYTES as u64 + 1).unwrap();
        assert!(matches!(read_component(&path("large")), Err(ReadError::TooLarge(_))));
        assert!(matches!(read_component(&path("none")), Err(ReadError::File { .. })));
        for endless in [Path::new("/dev/zero"), folder.path()] {
            assert!(matches!(read_component(endless), Err(ReadError::NoFile(_))));
        }
        let pipe = path("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        assert!(matches!(read_component(&pipe), Err(ReadError::NoFile(_))));
    }
}
