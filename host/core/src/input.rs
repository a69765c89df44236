//! What inputs report: the edges of buttons and keys, and the turns of encoders.
//!
//! What it deliberately does not know: which driver an input has (a key, a line, an encoder), and what it means. An input
//! is known by its name in plugins.toml. Times are milliseconds of the device's monotonic clock, and say when it happened,
//! not when somebody heard of it.

use crate::name::InputName;

/// What a button or key did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Motion {
    /// It went down. A release will be reported.
    Down,
    /// It is still down, says a source that reports releases.
    Repeat,
    /// It went up.
    Up,
    /// It typed once, says a source that cannot tell a new press from a held key.
    Stroke,
    /// It went down and up, says a source in which nothing is ever held: a script.
    Tap,
}

/// A motion of a button or key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Which input.
    pub input: InputName,
    /// What it did.
    pub motion: Motion,
    /// When, in milliseconds of the monotonic clock.
    pub at_ms: u64,
}

/// A turn of an encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Which input.
    pub input: InputName,
    /// How many detents it went on; back where negative.
    pub detents: i32,
    /// When, in milliseconds of the monotonic clock.
    pub at_ms: u64,
}
