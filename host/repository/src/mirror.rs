//! Where the files of a repository come from. A mirror is not trusted: it may hand out anything, for ever, or nothing.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;
use thiserror::Error;

/// The two folders of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Folder {
    /// What is signed: `timestamp.json` and the rest.
    Metadata,
    /// The plugins themselves.
    Targets,
}

impl Folder {
    /// The folder's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Metadata => "metadata",
            Self::Targets => "targets",
        }
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A file, piece by piece. Whoever reads it stops when there is too much of it.
pub type Pieces = Pin<Box<dyn Stream<Item = Result<Bytes, MirrorError>> + Send>>;

/// Hands out a repository's files.
#[async_trait]
pub trait Mirror: fmt::Debug + Send + Sync {
    /// Opens the file `name`, which is a bare name without folders.
    ///
    /// # Errors
    /// `NotFound` where the mirror says for certain that there is no such file, and only there; `Failed` otherwise.
    async fn open(&self, folder: Folder, name: &str) -> Result<Pieces, MirrorError>;
}

/// Why a file can't be had.
#[derive(Debug, Error)]
pub enum MirrorError {
    /// There is no such file.
    #[error("there is no {folder}/{name}")]
    NotFound {
        /// The folder.
        folder: Folder,
        /// The file.
        name: String,
    },
    /// The file could not be read.
    #[error("{folder}/{name} can't be read")]
    Failed {
        /// The folder.
        folder: Folder,
        /// The file.
        name: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The file is larger than it may be. The rest was not read.
    #[error("{folder}/{name} is larger than {limit} bytes; the rest was not read")]
    TooLarge {
        /// The folder.
        folder: Folder,
        /// The file.
        name: String,
        /// The most it may have.
        limit: u64,
    },
    /// Nothing came for a while, or too little in all.
    #[error("{folder}/{name} did not come within {}", seconds(.limit))]
    TooSlow {
        /// The folder.
        folder: Folder,
        /// The file.
        name: String,
        /// The time that there was.
        limit: Duration,
    },
    /// More files were asked for than one attempt may read.
    #[error("more than {limit} files would have to be read; the next attempt goes on from there")]
    TooMany {
        /// The most that one attempt reads.
        limit: u32,
    },
}

fn seconds(duration: &Duration) -> String {
    format!("{} s", duration.as_secs())
}
