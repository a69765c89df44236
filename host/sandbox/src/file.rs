//! Opening a file without believing that it is one: what is behind its name may be a pipe or a device, may change between
//! two looks, and may never answer.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use rustix::fs::OFlags;
use thiserror::Error;

use super::measure::COMPONENT_BYTES;

/// How long a component's file may take to be read. A slow card reads the largest in a few seconds; a network's file system
/// whose server is gone never does.
const READ_FOR: Duration = Duration::from_secs(60);

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
    /// It was not read in time.
    #[error("{} was not read within {} s; is it on a file system that does not answer?", path.display(), limit.as_secs())]
    TooSlow {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: Duration,
    },
}

/// Reads the file of a component. A thread that hangs in the kernel is left behind.
///
/// # Errors
/// When it can't be read, is no regular file, is too large, or takes longer than a minute.
pub fn read_component(path: &Path) -> Result<Vec<u8>, ReadError> {
    let own = path.to_owned();
    within(READ_FOR, path, move || read_regular(&own))
}

/// What `read` becomes, on a thread of its own.
fn within(
    limit: Duration,
    path: &Path,
    read: impl FnOnce() -> Result<Vec<u8>, ReadError> + Send + 'static,
) -> Result<Vec<u8>, ReadError> {
    let (answer, answered) = sync_channel(1);
    let failed = |source| ReadError::File { path: path.to_owned(), source };
    let reading = move || {
        // Nobody waits for it any more where it comes too late.
        answer.send(read()).ok();
    };
    std::thread::Builder::new().name("read-component".into()).spawn(reading).map_err(failed)?;
    match answered.recv_timeout(limit) {
        Ok(read) => read,
        Err(RecvTimeoutError::Timeout) => Err(ReadError::TooSlow { path: path.to_owned(), limit }),
        Err(RecvTimeoutError::Disconnected) => Err(failed(io::Error::other("the thread that read it panicked"))),
    }
}

fn read_regular(path: &Path) -> Result<Vec<u8>, ReadError> {
    let failed = |source| ReadError::File { path: path.to_owned(), source };
    // Opening some devices does something by itself. What takes the file's place after this look is opened, and no more.
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(ReadError::NoFile(path.to_owned()));
    }
    let Some(file) = open_regular(path, OFlags::empty()).map_err(failed)? else {
        return Err(ReadError::NoFile(path.to_owned()));
    };
    let mut bytes = Vec::new();
    // The size that it had when it was opened may have changed since.
    file.take(COMPONENT_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > COMPONENT_BYTES { Err(ReadError::TooLarge(path.to_owned())) } else { Ok(bytes) }
}

/// Opens a file for reading, if it is a regular one. It is opened before it is looked at, so that nothing else can take its
/// place in between; without waiting for a writer, where it is a pipe; and never as a terminal of this process.
///
/// # Errors
/// When it can't be opened.
pub(super) fn open_regular(path: &Path, more: OFlags) -> io::Result<Option<File>> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | more;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    Ok(file.metadata()?.is_file().then_some(file))
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
    }

    /// The pipe is opened by the function that opens whatever it finds: no look before it could have told.
    #[test]
    fn a_pipe_is_not_waited_for_even_when_it_came_after_the_last_look() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        assert!(open_regular(&pipe, OFlags::empty()).unwrap().is_none());
        assert!(matches!(read_component(&pipe), Err(ReadError::NoFile(_))));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        assert!(open_regular(&link, OFlags::NOFOLLOW).is_err(), "a link is followed");
    }

    #[test]
    fn a_file_that_is_never_read_is_given_up() {
        let (hold, held) = sync_channel::<()>(0);
        let hang = move || {
            held.recv().ok();
            Ok(Vec::new())
        };
        let limit = Duration::from_millis(1);
        let given_up = within(limit, Path::new("far"), hang);
        assert!(matches!(given_up, Err(ReadError::TooSlow { .. })), "{given_up:?}");
        drop(hold);
    }
}
