//! Replacing a file, so that a crash at any moment leaves the old content or the new one.
//!
//! The steps stand apart, so that a test can stop after each of them.

use std::fmt;
use std::io::{self, Write as _};

use cap_std::fs::{Dir, File, OpenOptions, OpenOptionsExt as _};

/// What the name of a file ends with while it is being written.
const TEMPORARY: &str = ".json.new";

/// A step of a replacement, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Remove what a crash left.
    Clear,
    /// Make a new file beside the old one, for this user alone.
    Create,
    /// Write the content into it.
    Write,
    /// Make the content durable.
    SyncFile,
    /// Put it in the place of the old one.
    Rename,
    /// Make the new name durable.
    SyncFolder,
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Clear => "removing a half-written file",
            Self::Create => "making a new file",
            Self::Write => "writing",
            Self::SyncFile => "making the file durable",
            Self::Rename => "replacing the old file",
            Self::SyncFolder => "making the folder durable",
        })
    }
}

/// A replacement under way.
pub(super) struct Replacement<'a> {
    folder: &'a Dir,
    name: &'a str,
    content: &'a [u8],
    file: Option<File>,
}

impl<'a> Replacement<'a> {
    /// All of it.
    pub(super) const STEPS: [Step; 6] =
        [Step::Clear, Step::Create, Step::Write, Step::SyncFile, Step::Rename, Step::SyncFolder];

    /// Nothing is done yet.
    pub(super) fn new(folder: &'a Dir, name: &'a str, content: &'a [u8]) -> Self {
        Self { folder, name, content, file: None }
    }

    /// Does one step. They have to be done in order.
    pub(super) fn perform(&mut self, step: Step) -> io::Result<()> {
        let temporary = temporary_name(self.name);
        match step {
            Step::Clear => match self.folder.remove_file(temporary) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
            Step::Create => {
                let options = OpenOptions::new().write(true).create_new(true).mode(0o600).clone();
                self.file = Some(self.folder.open_with(temporary, &options)?);
                Ok(())
            }
            Step::Write => {
                let content = self.content;
                self.file()?.write_all(content)
            }
            Step::SyncFile => self.file()?.sync_all(),
            Step::Rename => self.folder.rename(temporary, self.folder, self.name),
            Step::SyncFolder => sync(self.folder),
        }
    }

    fn file(&mut self) -> io::Result<&mut File> {
        self.file.as_mut().ok_or_else(|| io::Error::other("no file was made"))
    }
}

/// Replaces the file of this name. On failure: which step failed, and why.
pub(super) fn perform_replacement(folder: &Dir, name: &str, content: &[u8]) -> Result<(), (Step, io::Error)> {
    let mut replacement = Replacement::new(folder, name, content);
    for step in Replacement::STEPS {
        replacement.perform(step).map_err(|source| (step, source))?;
    }
    Ok(())
}

/// Makes the names in a folder durable.
pub(super) fn sync(folder: &Dir) -> io::Result<()> {
    folder.open(".")?.sync_all()
}

/// The name of `NAME.json` while it is being written.
pub(super) fn temporary_name(name: &str) -> String {
    format!("{}{TEMPORARY}", name.strip_suffix(".json").unwrap_or(name))
}

/// Whether a file of this name was never finished.
pub(super) fn is_temporary_name(name: &str) -> bool {
    name.ends_with(TEMPORARY)
}
