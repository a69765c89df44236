//! The panel: scenes become frames, and frames are shown.
//!
//! A [`Painter`] draws a [`punchcard_core::scene::View`] into a [`Frame`]; a [`Driver`] shows frames. `frame`, `text`,
//! `font`, `scroll`, `matrix_code`, `icon` and `layout` are pure: the same view gives the same frame. Only the drivers touch
//! anything.
//!
//! What it deliberately does not know: why a scene is shown, and any clock. What always holds: a frame's bytes are those
//! that the `ssd1306` crate would send for the same drawing; every column of a text is seen within one turn of its
//! scrolling; a user code is drawn as it came.

pub mod frame;

mod font;
mod icon;
mod layout;
mod matrix_code;
mod scroll;
mod text;

pub mod painter;

pub mod blocks;
pub mod charset;
pub mod picture;

pub mod driver;
pub mod oled;
pub mod terminal;

pub use self::driver::Driver;
pub use self::frame::{Frame, FrameSize};
pub use self::painter::{Painter, Painting};
pub use self::text::undrawable;
