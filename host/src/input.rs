//! Inputs: what a person does with the device becomes motions of keys.
//!
//! What it deliberately does not know: which key is an input of plugins.toml and what it means, and any clock: each
//! motion carries the time at which it was read, from a clock that is given. Whether a motion is a press is decided by
//! [`punchcard_core::gesture`].

pub mod keyboard;

pub use self::keyboard::{Input, KeyMotion, Keyboard, KeyboardError};
