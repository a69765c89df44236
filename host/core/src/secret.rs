//! Text that must not be seen: tokens, client secrets, device codes.
//!
//! Deliberately absent: `Debug`, `Display`, `Serialize`, `Deref`. Whoever needs the text says [`Secret::reveal`], which
//! can be searched for. The memory is overwritten when a secret is dropped.

mod stranger;
pub use stranger::{Stranger, find_stranger, is_mark};

use zeroize::Zeroizing;

/// A secret text.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text into custody.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, for the storage and for the request that it belongs into.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}
