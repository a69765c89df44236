//! The body of a request: as it was typed, out of a file, or from the standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::app::control::{Bytes, FETCH_BODY_BYTES};

/// Why there is no body.
#[derive(Debug, Error)]
pub(super) enum BodyError {
    /// The file can't be read.
    #[error("can't read {}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// It is a folder, a pipe or a device.
    #[error("{} is no file; `--data -` reads the standard input", path.display())]
    NotAFile { path: PathBuf },
    /// The standard input can't be read.
    #[error("can't read the standard input")]
    Input(#[source] io::Error),
    /// It is too long.
    #[error("the body is longer than {} MiB", FETCH_BODY_BYTES >> 20)]
    TooLong,
}

/// The body that is meant by `text`.
pub(super) fn read_body(text: &str) -> Result<Bytes, BodyError> {
    if text == "-" {
        return take(io::stdin().lock(), BodyError::Input);
    }
    let Some(path) = text.strip_prefix('@') else { return take(text.as_bytes(), BodyError::Input) };
    let path = Path::new(path);
    let failed = |source| BodyError::File { path: path.to_owned(), source };
    // A pipe could go on for ever, and opening one could wait for ever.
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(BodyError::NotAFile { path: path.to_owned() });
    }
    take(File::open(path).map_err(failed)?, failed)
}

fn take(input: impl Read, failed: impl Fn(io::Error) -> BodyError) -> Result<Bytes, BodyError> {
    let mut bytes = Vec::new();
    input.take(FETCH_BODY_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > FETCH_BODY_BYTES { Err(BodyError::TooLong) } else { Ok(Bytes(bytes)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_typed_or_in_a_file_of_moderate_size() {
        let folder = tempfile::tempdir().unwrap();
        let named = |name: &str| format!("@{}", folder.path().join(name).display());
        std::fs::write(folder.path().join("body"), [0xff, 0]).unwrap();
        std::fs::write(folder.path().join("long"), vec![0; FETCH_BODY_BYTES + 1]).unwrap();
        assert_eq!(read_body("{}").unwrap().0, b"{}");
        assert_eq!(read_body(&named("body")).unwrap().0, [0xff, 0]);
        assert!(matches!(read_body(&named("long")), Err(BodyError::TooLong)));
        assert!(matches!(read_body(&named("")), Err(BodyError::NotAFile { .. })));
        assert!(matches!(read_body(&named("none")), Err(BodyError::File { .. })));
    }
}
