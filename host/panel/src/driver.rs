//! What shows frames.

use std::io;
use std::time::Duration;

use punchcard_core::appearance::Appearance;
use thiserror::Error;

use super::frame::Frame;
use super::oled::OpeningError;

/// A panel that can show a frame.
///
/// A driver may be slow: nothing about a frame depends on how long the one before it took.
pub trait Driver: Send {
    /// Shows the frame, and returns when it can be seen.
    ///
    /// # Errors
    /// When the panel does not take it. The next frame may be shown nevertheless.
    fn show(&mut self, frame: &Frame) -> Result<(), DriverError>;

    /// How the panel looks from the next frame on. One that is not made of light looks as it does.
    fn set_appearance(&mut self, _appearance: Appearance) {}

    /// After how long the same frame has to be shown again, because the panel may have lost it; after an error, after how
    /// long it may be tried again, and not before. None: never, and at any time.
    fn again_after(&self) -> Option<Duration> {
        None
    }
}

/// Why a frame is not shown.
#[derive(Debug, Error)]
pub enum DriverError {
    /// The terminal did not take it.
    #[error("the terminal could not be written to")]
    Terminal(#[source] io::Error),
    /// The panel on an I2C bus did not take it.
    #[error("the panel can't be reached")]
    Oled(#[source] OpeningError),
}
