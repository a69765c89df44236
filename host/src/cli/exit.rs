//! Exit statuses, which scripts may rely on.

use std::process::ExitCode;

use super::output::OutputError;
use crate::app::control::ControlError;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// As asked.
    Success = 0,
    /// It could not be done.
    Failure = 1,
    /// The configuration has errors.
    Configuration = 3,
    /// No host runs on the state folder.
    NoHost = 4,
    /// Another host runs on the state folder.
    InUse = 5,
    /// The running host refused.
    Refused = 6,
    /// It was done, or begun, but could not be printed: the standard output is full, or nobody reads it any more.
    Output = 7,
    /// The card did not confirm what the device wrote. Nothing more is recorded until it is started again.
    Unconfirmed = 8,
    /// `doctor` has found something that is not as it should be.
    Unwell = 9,
    /// `fetch`: the service answered with a status of 400 or more, as curl's `--fail` says it.
    Status = 22,
}

/// The same, for `--help`. 2 is clap's.
pub(super) const HELP: &str = "Exit status:
  0  as asked
  1  it could not be done
  2  the command line is not understood
  3  the configuration has errors
  4  no host runs on the state folder
  5  another host runs on the state folder
  6  the running host refused
  7  the output could not be written: its disk is full, or its reader has gone
  8  the card did not confirm what was written: start it again
  9  `doctor` has found something that is not as it should be
  22 `fetch`: the service answered with a status of 400 or more";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A command that could not be done.
#[derive(Debug)]
pub struct Failure {
    /// Why.
    pub error: Box<dyn std::error::Error + Send + Sync>,
    /// What it means for a script.
    pub exit: Exit,
}

impl Failure {
    /// Any failure that a script need not tell from others.
    pub(super) fn general(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { error: error.into(), exit: Exit::Failure }
    }

    /// Whether there is nobody to tell, as after `punchcard events | head`.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        matches!(self.error.downcast_ref(), Some(OutputError::Closed))
    }

    pub(super) fn with(exit: Exit, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { error: error.into(), exit }
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        let exit = if matches!(error, ControlError::NoHost { .. }) { Exit::NoHost } else { Exit::Failure };
        Self::with(exit, error)
    }
}
