//! A repository in a folder: a disk, a network drive, a USB stick.
//!
//! Only regular files in its two folders are read. Links are not followed, wherever they lead: what a stick says is not
//! believed, and a link could name any file of the device. Pipes and devices are not opened, which could hold the reader
//! for ever.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions, OpenOptionsExt as _};
use futures_util::stream;
use rustix::fs::OFlags;
use thiserror::Error;
use tokio::task::spawn_blocking;

use crate::mirror::{Folder, Mirror, MirrorError, Pieces};
use crate::target_name::is_flat;

/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;

/// Hands out the files of a folder.
#[derive(Debug, Clone)]
pub struct FolderMirror {
    metadata: Arc<Dir>,
    targets: Arc<Dir>,
}

/// Why a folder is no repository.
#[derive(Debug, Error)]
#[error("{path} is no repository: it needs the folders `metadata` and `targets`")]
pub struct FolderError {
    /// What could not be opened.
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

impl FolderMirror {
    /// Opens the folder that has `metadata` and `targets`.
    ///
    /// # Errors
    /// When one of them is not there or can't be opened.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let failed = |source| FolderError { path: path.to_owned(), source };
        let folder = Dir::open_ambient_dir(path, ambient_authority()).map_err(failed)?;
        let open = |folder_name: Folder| folder.open_dir(folder_name.as_str()).map(Arc::new).map_err(failed);
        Ok(Self { metadata: open(Folder::Metadata)?, targets: open(Folder::Targets)? })
    }
}

#[async_trait]
impl Mirror for FolderMirror {
    async fn open(&self, folder: Folder, name: &str) -> Result<Pieces, MirrorError> {
        let place = Place { folder, name: name.to_owned() };
        let within = Arc::clone(match folder {
            Folder::Metadata => &self.metadata,
            Folder::Targets => &self.targets,
        });
        let (file, place) = run(move || {
            let opened = open_regular(&within, &place.name).map_err(|source| place.fail(source));
            opened.map(|file| (file, place))
        })
        .await?;
        Ok(Box::pin(stream::try_unfold((file, place), |(file, place)| async move {
            run(move || {
                let piece = read_piece(&file).map_err(|source| place.fail(source))?;
                Ok(piece.map(|piece| (piece, (file, place))))
            })
            .await
        })))
    }
}

struct Place {
    folder: Folder,
    name: String,
}

impl Place {
    fn fail(&self, source: std::io::Error) -> MirrorError {
        let (folder, name) = (self.folder, self.name.clone());
        match source.kind() {
            std::io::ErrorKind::NotFound => MirrorError::NotFound { folder, name },
            _ => MirrorError::Failed { folder, name, source: Box::new(source) },
        }
    }
}

async fn run<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, MirrorError> + Send + 'static,
) -> Result<T, MirrorError> {
    match spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(stopped) => std::panic::resume_unwind(stopped.into_panic()),
    }
}

fn open_regular(folder: &Dir, name: &str) -> std::io::Result<File> {
    let refuse = |what: &str| std::io::Error::other(format!("it is {what}"));
    if !is_flat(name) {
        return Err(refuse("no bare name"));
    }
    let mut options = OpenOptions::new();
    // A pipe without a writer would hold the thread.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    options.read(true).custom_flags(i32::from_ne_bytes(flags.bits().to_ne_bytes()));
    let file = folder.open_with(name, &options).map_err(|error| match error.raw_os_error() {
        Some(code) if code == rustix::io::Errno::LOOP.raw_os_error() => refuse("a link"),
        _ => error,
    })?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(refuse("no regular file")) }
}

fn read_piece(mut file: &File) -> std::io::Result<Option<Bytes>> {
    use std::io::Read as _;
    let mut piece = vec![0; PIECE];
    let length = file.read(&mut piece)?;
    piece.truncate(length);
    Ok((length > 0).then(|| piece.into()))
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt as _;

    use super::*;

    #[tokio::test]
    async fn only_regular_files_of_the_folder_are_read() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "not for anyone").unwrap();
        let path = tempfile::tempdir().unwrap();
        let metadata = path.path().join("metadata");
        std::fs::create_dir(&metadata).unwrap();
        std::fs::create_dir(path.path().join("targets")).unwrap();
        std::fs::write(metadata.join("timestamp.json"), vec![7; 3 * PIECE]).unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), metadata.join("link.json")).unwrap();
        std::os::unix::fs::symlink("timestamp.json", metadata.join("near.json")).unwrap();
        std::fs::create_dir(metadata.join("folder.json")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            metadata.join("pipe.json"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        let mirror = FolderMirror::open(path.path()).unwrap();

        let pieces = mirror.open(Folder::Metadata, "timestamp.json").await.unwrap();
        let read: Vec<Bytes> = pieces.try_collect().await.unwrap();
        assert_eq!(read.concat(), vec![7; 3 * PIECE]);

        for name in ["link.json", "near.json", "folder.json", "pipe.json", "../metadata/timestamp.json"] {
            let refused = mirror.open(Folder::Metadata, name).await.map(drop);
            assert!(matches!(refused, Err(MirrorError::Failed { .. })), "{name}: {refused:?}");
        }
        let missing = mirror.open(Folder::Targets, "timestamp.json").await.map(drop);
        assert!(matches!(missing, Err(MirrorError::NotFound { .. })), "{missing:?}");
    }

    #[test]
    fn a_folder_without_its_two_folders_is_no_repository() {
        let path = tempfile::tempdir().unwrap();
        let refused = FolderMirror::open(path.path()).unwrap_err().to_string();
        assert!(refused.ends_with("is no repository: it needs the folders `metadata` and `targets`"), "{refused}");
    }
}
